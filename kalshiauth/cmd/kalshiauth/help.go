package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// examples are one for each command, by its full name.
var examples = map[string]string{ //nolint:gosec // no credentials
	"kalshiauth":                        "kalshiauth login -email trader@example.com",
	"kalshiauth login":                  "kalshiauth login -email trader@example.com -base-url http://127.0.0.1:8080/v1",
	"kalshiauth logout":                 "kalshiauth logout -email trader@example.com",
	"kalshiauth status":                 "kalshiauth status -json",
	"kalshiauth cookie":                 `curl -b "$(kalshiauth cookie)" "$KALSHI_BASE_URL/users/USER_ID/balance"`,
	"kalshiauth reset-password":         "kalshiauth reset-password -email trader@example.com",
	"kalshiauth reset-password-confirm": "kalshiauth reset-password-confirm -user-id 6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e",
	"kalshiauth demo":                   "kalshiauth demo -base-url http://127.0.0.1:8080/v1 -email trader@example.com",
	"kalshiauth serve":                  "kalshiauth serve -addr 127.0.0.1:8080 -user trader@example.com:correct-horse",
	"kalshiauth contract":               "kalshiauth contract -fake",
	"kalshiauth contract run": "kalshiauth contract -base-url http://127.0.0.1:8080/v1 -wait 30s -report text " +
		"-report html=report.html",
	"kalshiauth contract proxy":  "kalshiauth contract proxy -listen 127.0.0.1:8081 -upstream http://127.0.0.1:8080/v1",
	"kalshiauth contract har":    "kalshiauth contract har -base-url https://demo-api.kalshi.co/v1 session.har",
	"kalshiauth version":         "kalshiauth version",
	"kalshiauth help":            "kalshiauth help contract run",
	"kalshiauth completion":      "source <(kalshiauth completion bash)",
	"kalshiauth completion bash": "source <(kalshiauth completion bash)",
	"kalshiauth completion zsh":  "source <(kalshiauth completion zsh)",
	"kalshiauth completion fish": "kalshiauth completion fish >~/.config/fish/completions/kalshiauth.fish",
	"kalshiauth completion pwsh": "kalshiauth completion pwsh >kalshiauth.ps1",
}

// addExample adds the example of a command to its description.
func addExample(name string, cmd *cli.Command) {
	if example, ok := examples[name]; ok {
		cmd.Description = strings.TrimSpace(cmd.Description+"\n\nExample:") + "\n   " + example
	}
}

func helpCommand() *cli.Command {
	return &cli.Command{
		Name: "help", Usage: "print the help of a command", ArgsUsage: "[COMMAND...]",
		ArgValidator: func(context.Context, *cli.Command) error { return nil }, // its arguments are commands
		Action: func(ctx context.Context, cmd *cli.Command) error {
			parent, found := cmd.Root(), cmd.Root()
			for _, name := range cmd.Args().Slice() {
				sub := found.Command(name)
				if sub == nil {
					return usageError{fmt.Errorf("%s has no subcommand %q%s", found.FullName(), name, didYouMean(found, name))}
				}
				parent, found = found, sub
			}
			if found == cmd.Root() {
				return cli.ShowRootCommandHelp(found)
			}
			return cli.ShowCommandHelp(ctx, parent, found.Name)
		},
	}
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the version of the command and of the API's document",
		Action: func(_ context.Context, cmd *cli.Command) error { return printVersion(cmd) },
	}
}

func printVersion(cmd *cli.Command) error {
	return write(cmd, fmt.Sprintf("kalshiauth %s\nOpenAPI document %s", version(), document.API().Spec.Info.Version))
}
