package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// How many checks there are depends on the document.
var (
	allPassed = regexp.MustCompile(`(^|\n)[1-9]\d+ passed, 0 failed, 0 skipped\n$`)
	broken    = regexp.MustCompile(`the contract is broken: [1-9]\d+ passed, 2 failed, [1-9]\d+ skipped\n`)
)

func TestContractChecksItsOwnServer(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{}, {"-authorization"}, {"-path-prefix", ""}, {"-path-prefix", "/a/b", "-authorization"}, {"-timeout", "0s"},
	} {
		code, out, stderr := runCommand(t, append([]string{"contract"}, args...)...)
		if code != 0 || stderr != "" || !allPassed.MatchString(out) {
			t.Errorf("%q: exit %d, printed %q and %q", args, code, out, stderr)
		}
	}
}

func TestContractSaysHowToUseIt(t *testing.T) {
	t.Parallel()
	code, out, _ := runCommand(t, "contract", "-h")
	for _, want := range []string{"2 the checks could not run", "-base-url URL", "KALSHI_PASSWORD", "-reset-code-cmd COMMAND"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit %d; the help does not say %q: %s", code, want, out)
		}
	}
}

func TestContractExitsWith1WhereItIsBroken(t *testing.T) {
	t.Parallel()
	fake := kalshiauthtest.NewServer()
	t.Cleanup(fake.Close)
	fake.Intercept(kalshiauthtest.On("Logout", kalshiauthtest.Status(500)))
	file := filepath.Join(t.TempDir(), "report.json")
	code, out, stderr := runCommand(t, "contract", "-base-url", fake.URL, "-format", "json", "-output", file)
	if code != 1 || out != "" || !broken.MatchString(stderr) {
		t.Errorf("exit %d, printed %q and %q", code, out, stderr)
	}
	data, err := os.ReadFile(file) //nolint:gosec // a file of the test
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		OK     bool
		Failed int
	}
	if err := json.Unmarshal(data, &report); err != nil || report.OK || report.Failed != 2 {
		t.Errorf("the report is %s (%v)", data, err)
	}
}

func TestContractExitsWith2WhereItCannotRun(t *testing.T) {
	t.Parallel()
	const nobody = "http://127.0.0.1:1" // no listener gets this port by chance
	fake := kalshiauthtest.NewServer()
	t.Cleanup(fake.Close)
	for want, args := range map[string][]string{
		"no answer":                            {"-base-url", nobody},
		"the base URL is not absolute":         {"-base-url", "example.com"},
		`there is no format "yaml"`:            {"-format", "yaml"},
		"-path-prefix is a path that":          {"-path-prefix", "/v1/../v2"},
		"-path-prefix is the fake server's":    {"-base-url", nobody, "-path-prefix", "/v1"},
		"KALSHI_PASSWORD: one of them":         {"-base-url", nobody, "-email", "trader@example.com"},
		"-reset-code-cmd needs an account":     {"-base-url", nobody, "-reset-code-cmd", "true"},
		"-reset-code-cmd needs -base-url":      {"-reset-code-cmd", "true"},
		"-timeout is negative":                 {"-timeout", "-1s"},
		"deadline exceeded":                    {"-timeout", "1ns"},
		"no-such-folder":                       {"-base-url", fake.URL, "-output", filepath.Join("no-such-folder", "x")},
		"flag provided but not defined: -bass": {"-bass", "x"},
		"takes no argument":                    {"x"},
	} {
		if code, _, stderr := runCommand(t, append([]string{"contract"}, args...)...); code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit %d, printed %q; want 2 and %q", args, code, stderr, want)
		}
	}
}

func TestContractUsesTheAccountAndTheResetCodeCommand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the command is one of sh")
	}
	dir := t.TempDir()
	mail := filepath.Join(dir, "mail")
	fake := kalshiauthtest.NewServer(kalshiauthtest.WithMailer(func(m kalshiauthtest.Mail) {
		if err := os.WriteFile(mail, []byte(m.Code+"\n"+m.UserID), 0o600); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(fake.Close)
	fake.AddUser("trader@example.com", "correct horse")
	t.Setenv("KALSHI_PASSWORD", "correct horse")
	t.Setenv("KALSHI_EMAIL", "trader@example.com")

	command := `test "$KALSHI_EMAIL" = trader@example.com && cat '` + mail + `'`
	code, out, stderr := runCommand(t, "contract", "-base-url", fake.URL, "-reset-code-cmd", command)
	if code != 0 || stderr != "" || !allPassed.MatchString(out) {
		t.Errorf("exit %d, printed %q and %q", code, out, stderr)
	}

	for want, command := range map[string]string{
		"exit status 7": "exit 7", "printed 3 words": "echo a b c", "printed 0 words": "true",
	} {
		code, out, _ := runCommand(t, "contract", "-base-url", fake.URL, "-reset-code-cmd", command)
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: exit %d, printed %q; want 1 and %q", command, code, out, want)
		}
	}

	t.Setenv("KALSHI_PASSWORD", "another password")
	code, out, stderr = runCommand(t, "contract", "-base-url", fake.URL)
	if code != 2 || !strings.Contains(stderr, "refuses the credentials with 401") || strings.Contains(out+stderr, "another password") {
		t.Errorf("exit %d, printed %q and %q", code, out, stderr)
	}
}

func TestContractWritesTheSummaryOfAGitHubJob(t *testing.T) {
	summary := filepath.Join(t.TempDir(), "summary.md")
	t.Setenv("GITHUB_STEP_SUMMARY", summary)
	if err := os.WriteFile(summary, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"text", "github"} {
		if code, out, stderr := runCommand(t, "contract", "-format", format); code != 0 {
			t.Errorf("%s: exit %d, printed %q and %q", format, code, out, stderr)
		}
	}
	data, err := os.ReadFile(summary) //nolint:gosec // a file of the test
	if err != nil || !strings.HasPrefix(string(data), "before\n###") || strings.Count(string(data), "###") != 1 {
		t.Errorf("the summary is %.100q (%v), want one table of the format github", data, err)
	}
	t.Setenv("GITHUB_STEP_SUMMARY", t.TempDir())
	if code, _, stderr := runCommand(t, "contract", "-format", "github"); code != 2 || !strings.Contains(stderr, "SUMMARY") {
		t.Errorf("a folder: exit %d, printed %q", code, stderr)
	}
}
