package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completions drives a shell that completes words, and returns its offers.
func completions(t *testing.T, shell string, words ...string) []string {
	t.Helper()
	scripts := map[string]struct{ args, script string }{
		// A bash that reads no file has no bash-completion.
		"bash": {"--noprofile --norc -c", `source <("$1" completion bash); COMP_WORDS=("${@:2}"); COMP_CWORD=$(($#-2)); ` +
			`_kalshiauth; printf '%s\n' "${COMPREPLY[@]}"`},
		"fish": {"--no-config -c", `$argv[1] completion fish | source; complete -C "$argv[2..]" | string replace -r '\t.*' ''; true`},
	}
	if _, err := exec.LookPath(shell); err != nil {
		t.Skip(err)
	}
	s := scripts[shell]
	args := append(strings.Fields(s.args), s.script)
	if shell == "bash" {
		args = append(args, "bash")
	}
	args = append(append(args, built), words...)
	cmd := exec.CommandContext(t.Context(), shell, args...) //nolint:gosec // a shell of the test
	// The words name the command without a folder.
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(built)+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	offers := strings.Fields(string(out))
	slices.Sort(offers)
	return offers
}

func TestShellsCompleteCommandsAndFlags(t *testing.T) {
	t.Parallel()
	t.Cleanup(func() {
		if _, err := os.Stat("x"); err == nil {
			t.Error("completing a line ran a command of it")
		}
	})
	for _, shell := range []string{"bash", "fish"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			for line, want := range map[string]string{
				"kalshiauth log": "login logout", "kalshiauth contract ": "har proxy run", "kalshiauth completion z": "zsh",
				"kalshiauth login -em": "-email", "kalshiauth login --em": "--email", "kalshiauth contract har --base": "--base-url",
				"kalshiauth login -email x --js": "--json", "kalshiauth serve -user a:b -pa": "-path-prefix",
				"kalshiauth login -- -em": "", "kalshiauth login $(touch${IFS}x) -em": "-email",
			} {
				if shell == "fish" && strings.Contains(line, "$") {
					continue
				}
				if got := strings.Join(completions(t, shell, strings.Split(line, " ")...), " "); got != want {
					t.Errorf("%q: the offers are %q, want %q", line, got, want)
				}
			}
		})
	}
}

func TestEachShellHasCompletions(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"bash", "zsh", "fish"} {
		if code, out, stderr := runCommand(t, "completion", name); code != 0 || !strings.Contains(out, "kalshiauth") {
			t.Errorf("%s: exit %d, %s", name, code, stderr)
		}
	}
}
