package main

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/api"
)

// commands returns each command that -h shows, with its full name.
func commands(t *testing.T) map[string]*cli.Command {
	t.Helper()
	root := newRoot(new(string))
	root.Writer = io.Discard
	if err := root.Run(t.Context(), []string{"kalshiauth", "-h"}); err != nil { // which adds completion
		t.Fatal(err)
	}
	found := map[string]*cli.Command{}
	_ = root.Walk(func(cmd *cli.Command) error {
		found[strings.Join(append(parents(root, cmd), cmd.Name), " ")] = cmd
		return nil
	})
	return found
}

// parents returns the names of the commands above cmd.
func parents(root, cmd *cli.Command) []string {
	for _, sub := range root.Commands {
		if sub == cmd {
			return []string{root.Name}
		}
		if names := parents(sub, cmd); names != nil {
			return append([]string{root.Name}, names...)
		}
	}
	return nil
}

// example is where an example calls the command.
var example = regexp.MustCompile(`kalshiauth( [^)|>]*)?`)

func TestTheHelpOfEachCommandHasOneExampleThatWorks(t *testing.T) {
	t.Parallel()
	all := commands(t)
	if len(all) != len(examples) {
		t.Errorf("%d commands, %d examples", len(all), len(examples))
	}
	for name := range all {
		code, out, stderr := runCommand(t, append(strings.Fields(name)[1:], "-h")...)
		_, text, found := strings.Cut(out, "Example:\n")
		if code != 0 || stderr != "" || !found || strings.Contains(text, "Example") {
			t.Errorf("%s -h: exit %d, printed %q and %q", name, code, out, stderr)
			continue
		}
		text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
		words := strings.Fields(example.FindString(text))
		if !strings.HasPrefix(strings.Join(words, " "), strings.TrimSuffix(name, " run")) {
			t.Errorf("%s: the example is one of another command: %q", name, text)
		}
		// The example is run without what the commands do.
		root := newRoot(new(string))
		root.Writer, root.ErrWriter = io.Discard, io.Discard
		ran := ""
		disarm := func(cmd *cli.Command) error { //nolint:unparam // Walk wants an error
			cmd.Action = func(context.Context, *cli.Command) error { ran = cmd.Name; return nil }
			return nil
		}
		configure := root.ConfigureShellCompletionCommand
		root.ConfigureShellCompletionCommand = func(cmd *cli.Command) {
			configure(cmd)
			_ = cmd.Walk(disarm)
		}
		_ = root.Walk(disarm)
		if err := root.Run(t.Context(), words); err != nil || ran == "" {
			t.Errorf("%s: the example %q: %v", name, text, err)
		}
	}
}

func TestAMisspellingGetsASuggestion(t *testing.T) {
	t.Parallel()
	for call, want := range map[string]string{
		"logn": "; did you mean login?", "lgoout": "; did you mean logout?", "contrct": "; did you mean contract?",
		"reset": "; did you mean reset-password?", "contract prxy": "; did you mean proxy?", "completion bsh": "; did you mean bash?",
		"help contract prxy": "; did you mean proxy?", "help logn": "; did you mean login?",
		"login -emial x": "; did you mean -email?", "login --emial x": "; did you mean -email?", "serve -adr x": "; did you mean -addr?",
		"contract har --base-ulr x f": "; did you mean -base-url?", "contract -faek": "; did you mean -fake?",
		"-base-url x login": "; a flag comes after its subcommand",
	} {
		if code, out, stderr := runCommand(t, strings.Fields(call)...); code != 2 || out != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, printed %q and %q; want %q", call, code, out, stderr, want)
		}
	}
	for _, call := range []string{"dance", "login -xyzzy", "contract dance", "help dance", "x"} {
		if code, _, stderr := runCommand(t, strings.Fields(call)...); code != 2 || strings.Contains(stderr, "did you mean") {
			t.Errorf("%s: exit %d, printed %q", call, code, stderr)
		}
	}
}

func TestHelpAndVersionAreCommands(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "login", "contract", "contract run", "completion bash"} {
		_, want, _ := runCommand(t, append(strings.Fields(name), "-h")...)
		if code, out, stderr := runCommand(t, strings.Fields("help "+name)...); code != 0 || stderr != "" || out != want || want == "" {
			t.Errorf("help %s: exit %d, printed %q and %q, want %q", name, code, out, stderr, want)
		}
	}
	document := regexp.MustCompile(`(?m)^ {2}version: (.+)$`).FindSubmatch(api.Document)[1]
	for _, args := range []string{"version", "--version", "-version"} {
		code, out, stderr := runCommand(t, args)
		if code != 0 || stderr != "" || out != "kalshiauth "+version()+"\nOpenAPI document "+string(document)+"\n" {
			t.Errorf("%s: exit %d, printed %q and %q", args, code, out, stderr)
		}
	}
}
