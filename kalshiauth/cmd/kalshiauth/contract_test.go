package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/api"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// How many checks there are depends on the document.
var (
	allPassed = regexp.MustCompile(`(^|\n)[1-9]\d+ passed, 0 failed, 0 skipped\n$`)
	passed    = regexp.MustCompile(`(^|\n)[1-9]\d* passed, 0 failed, \d+ skipped\n$`)
	broken    = regexp.MustCompile(`the contract is broken: [1-9]\d+ passed, [1-9]\d* failed, [1-9]\d* skipped\n`)
)

// newFake starts a fake server that the built command can check.
func newFake(t *testing.T, opts ...kalshiauthtest.Option) *kalshiauthtest.Server {
	t.Helper()
	fake := kalshiauthtest.NewServer(opts...)
	t.Cleanup(fake.Close)
	fake.AddUser(email, password)
	fake.AddUser("other@example.com", otherPassword)
	return fake
}

func TestContractChecksTheFakeServerOnlyWhereItIsAskedTo(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-fake"},
		{"run", "-fake", "-path-prefix", "", "-strict"},
		{"-fake", "-path-prefix", "/a/b", "-scheme", "authorization"},
		{"-fake", "-scheme", "cookie", "-scheme", "authorization", "-timeout", "5m"},
	} {
		code, out, stderr := call{args: args, env: []string{"KALSHI_BASE_URL=" + nobody, "KALSHI_EMAIL=" + email}}.run(t)
		if code != 0 || stderr != "" || !allPassed.MatchString(out) {
			t.Errorf("%q: exit %d, printed %q and %q", args, code, out, stderr)
		}
	}
}

func TestContractChecksTheServerOfTheFlagOrTheVariable(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	for _, c := range []call{
		{args: []string{"-base-url", fake.URL}},
		{args: []string{"run"}, env: []string{"KALSHI_BASE_URL=" + fake.URL}},
		{args: []string{"-base-url", fake.URL + "/"}, env: []string{"KALSHI_BASE_URL="}}, // the flag comes first
	} {
		code, out, stderr := c.run(t)
		if code != 0 || stderr != "" || !passed.MatchString(out) {
			t.Errorf("%q: exit %d, printed %q and %q", c.args, code, out, stderr)
		}
	}
	if fake.Requests("Login") == 0 {
		t.Error("the server was not checked")
	}
}

func TestContractSaysHowToUseIt(t *testing.T) {
	t.Parallel()
	out, _ := call{args: []string{"run", "-h"}}.expect(t, 0, "")
	for _, want := range []string{"2 it could not be checked", "-base-url URL", "KALSHI_PASSWORD", "-reset-code-cmd COMMAND", "Example:"} {
		if !strings.Contains(out, want) {
			t.Errorf("the help does not say %q: %s", want, out)
		}
	}
	out, _ = call{args: []string{"-h"}}.expect(t, 0, "")
	for _, sub := range contractCommand(nil).Commands {
		if !strings.Contains(out, sub.Name+"  ") {
			t.Errorf("the help does not list %s: %s", sub.Name, out)
		}
	}
}

func TestContractExitsWith1WhereItIsBroken(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	fake.Intercept(kalshiauthtest.On("Logout", kalshiauthtest.Status(500)))
	file := filepath.Join(t.TempDir(), "report.json")
	code, out, stderr := call{args: []string{"-base-url", fake.URL, "-report", "json=" + file}}.run(t)
	if code != 1 || out != "" || !broken.MatchString(stderr) {
		t.Errorf("exit %d, printed %q and %q", code, out, stderr)
	}
	var report struct {
		OK     bool
		Failed int
	}
	if err := json.Unmarshal([]byte(readReport(t, file)), &report); err != nil || report.OK || report.Failed == 0 {
		t.Errorf("the report is %+v (%v)", report, err)
	}
}

// newMailingFake starts a fake server, and returns a command that prints the code of its last mail to KALSHI_EMAIL.
func newMailingFake(t *testing.T) (fake *kalshiauthtest.Server, readMail string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the command is one of sh, and a process cannot be interrupted")
	}
	folder := t.TempDir()
	fake = newFake(t, kalshiauthtest.WithMailer(func(m kalshiauthtest.Mail) {
		if err := os.WriteFile(filepath.Join(folder, m.Email), []byte(m.Code+"\n"+m.UserID), 0o600); err != nil {
			t.Error(err)
		}
	}))
	return fake, fmt.Sprintf(`cat '%s'/"$KALSHI_EMAIL"`, folder)
}

func TestContractUsesTheAccountsAndTheResetCodeCommand(t *testing.T) {
	t.Parallel()
	fake, readMail := newMailingFake(t)
	account := []string{"KALSHI_EMAIL=nobody@example.com", "KALSHI_PASSWORD=" + password, "KALSHI_OTHER_PASSWORD=" + otherPassword}
	args := []string{"-base-url", fake.URL, "-email", email, "-other-email", "other@example.com", "-reset-code-cmd"}
	code, out, stderr := call{args: append(args, readMail, "-strict"), env: account}.run(t)
	if code != 0 || stderr != "" || !allPassed.MatchString(out) {
		t.Errorf("exit %d, printed %q and %q", code, out, stderr)
	}
	for want, command := range map[string]string{
		"exit status 7": "exit 7", "printed 3 words": "echo a b c", "printed 0 words": "true",
	} {
		code, out, _ := call{args: append(args, command), env: account}.run(t)
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: exit %d, printed %q; want 1 and %q", command, code, out, want)
		}
	}
	wrong := call{args: []string{"-base-url", fake.URL}, env: []string{"KALSHI_EMAIL=" + email, "KALSHI_PASSWORD=" + otherPassword}}
	wrong.expect(t, 2, "refuses the credentials with 401")
}

func TestContractFailsWhereLessIsCheckedThanRequired(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	call{args: []string{"-base-url", fake.URL}}.expect(t, 0, "")
	call{args: []string{"-base-url", fake.URL, "-strict"}}.expect(t, 1, "checks were skipped; the report says what they need")
	call{args: []string{"-fake", "-min-coverage", "30%"}}.expect(t, 0, "")
	call{args: []string{"-fake", "-min-coverage", "100%"}}.expect(t, 1, "%, and -min-coverage is 100%")
}

func TestContractSelectsChecks(t *testing.T) {
	t.Parallel()
	document := writeFile(t, "own.yaml", strings.Replace(string(api.Document), "Kalshi Auth API", "My API", 1))
	var ids []string
	for _, args := range [][]string{
		{"-only", "Logout.*", "-only", "Login.email.*"},
		{"-only", "Log*", "-skip", "Login.*", "-skip", "Logout.right.*"},
		{"-skip", "Login.*", "-skip", "Reset*", "-document", document},
	} {
		out, _ := call{args: append(args, "-fake", "-report", "json")}.expect(t, 0, "")
		var report struct {
			Checks []struct{ ID string }
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatal(err)
		}
		ids = ids[:0]
		for _, check := range report.Checks {
			ids = append(ids, check.ID)
			if kind, _, _ := strings.Cut(check.ID, "."); kind == "ResetPassword" || kind == "Login" && slices.Contains(args, "-skip") {
				t.Errorf("%q: %s was checked", args, check.ID)
			}
		}
		if !slices.ContainsFunc(ids, func(id string) bool { return strings.HasPrefix(id, "Logout.") }) {
			t.Errorf("%q: only %q were checked", args, ids)
		}
	}
}

func TestContractWritesEachReport(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	formats := append(fileFormats(), "text")
	for want, base := range map[int]string{0: newFake(t).URL, 2: nobody} {
		args := []string{"-base-url", base, "-report", "json=-"}
		for _, format := range formats {
			args = append(args, "-report", format+"="+filepath.Join(folder, fmt.Sprint(want, format)))
		}
		code, out, stderr := call{args: args}.run(t)
		if code != want || !json.Valid([]byte(out)) {
			t.Errorf("exit %d, printed %q and %q; want %d and JSON", code, out, stderr, want)
		}
		for _, format := range formats {
			if report := readReport(t, filepath.Join(folder, fmt.Sprint(want, format))); format == "json" && report != out {
				t.Errorf("two reports differ: %q and %q", report, out)
			}
		}
	}
}

func TestContractWritesTheSummaryOfAGitHubJob(t *testing.T) {
	t.Parallel()
	summary := writeFile(t, "summary.md", "before\n")
	env := []string{"GITHUB_STEP_SUMMARY=" + summary}
	call{args: []string{"-fake"}, env: env}.expect(t, 0, "")
	call{args: []string{"-fake", "-report", "github", "-report", "json=" + filepath.Join(t.TempDir(), "x")}, env: env}.expect(t, 0, "")
	if text := readReport(t, summary); !strings.HasPrefix(text, "before\n###") || strings.Count(text, "###") != 1 {
		t.Errorf("the summary is %.100q, want one table of the format github", text)
	}
	env = []string{"GITHUB_STEP_SUMMARY=" + t.TempDir()}
	call{args: []string{"-fake", "-report", "github"}, env: env}.expect(t, 2, "GITHUB_STEP_SUMMARY: ")
}

func TestContractPresentsTheSessionByTheScheme(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	cookies := make(chan bool, 1000)
	fake.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cookies <- strings.Contains(r.Header.Get("Cookie"), "sessions=")
			next.ServeHTTP(w, r)
		})
	})
	env := []string{"KALSHI_EMAIL=" + email, "KALSHI_PASSWORD=" + password}
	for scheme, want := range map[string]bool{"cookie": true, "authorization": false} {
		call{args: []string{"-base-url", fake.URL, "-scheme", scheme}, env: env}.expect(t, 0, "")
		seen := false
		for len(cookies) > 0 {
			seen = <-cookies || seen
		}
		if seen != want {
			t.Errorf("%s: a cookie was sent: %v, want %v", scheme, seen, want)
		}
	}
}
