package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
)

// bashCompletion completes in a bash without the package bash-completion, which the script of urfave/cli needs.
//
//go:embed completion.bash
var bashCompletion string

// configureCompletion sets what differs from the subcommand of urfave/cli.
func configureCompletion(cmd *cli.Command) {
	cmd.Hidden = false
	cmd.Usage = "print completions for a shell"
	cmd.Description = "A shell reads the output. The bash of macOS needs\n\n   eval \"$(kalshiauth completion bash)\""
	cmd.Action = func(_ context.Context, cmd *cli.Command) error {
		if name := cmd.Args().First(); name != "" {
			return usageError{fmt.Errorf("there are no completions for %q%s", name, didYouMean(cmd, name))}
		}
		return usageError{errors.New("the shell is missing: bash, zsh, fish or pwsh")}
	}
	cmd.ArgValidator = func(context.Context, *cli.Command) error { return nil } // Action checks them
	for _, shell := range cmd.Commands {
		shell.Usage, shell.ArgValidator = "print completions for "+shell.Name, noArguments
		if shell.Name == "bash" {
			shell.Action = func(_ context.Context, cmd *cli.Command) error {
				return write(cmd, strings.TrimSuffix(bashCompletion, "\n"))
			}
		}
	}
	setUp("kalshiauth completion", cmd)
}

// complete is that of urfave/cli, but offers flags with one dash to who typed one.
func complete(ctx context.Context, cmd *cli.Command) {
	root := cmd.Root()
	out := root.Writer
	var offers bytes.Buffer
	root.Writer = &offers
	cli.DefaultCompleteWithFlags(ctx, cmd)
	root.Writer = out
	for line := range strings.Lines(offers.String()) {
		if flag, ok := strings.CutPrefix(line, "--"); ok && !strings.HasPrefix(lastWord(ctx), "--") {
			line = "-" + flag
		}
		_, _ = fmt.Fprint(out, line)
	}
}

type lastWordKey struct{}

// withLastWord keeps the word that is completed, if one is.
func withLastWord(ctx context.Context, args []string) context.Context {
	if len(args) < 2 {
		return ctx
	}
	return context.WithValue(ctx, lastWordKey{}, args[len(args)-2]) // the last one asks for completions
}

func lastWord(ctx context.Context) string {
	word, _ := ctx.Value(lastWordKey{}).(string)
	return word
}
