package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

const (
	email    = "trader@example.com"
	password = "correct-horse"
)

// shell runs the command against a fake server.
type shell struct {
	t    *testing.T
	fake *kalshiauthtest.Server
}

func newShell(t *testing.T) *shell {
	t.Helper()
	fake := kalshiauthtest.NewServer(kalshiauthtest.WithPathPrefix("/v1"))
	t.Cleanup(fake.Close)
	fake.AddUser(email, password)
	return &shell{t, fake}
}

// run expects an exit code, and some texts in the output. It returns standard output.
func (s *shell) run(code int, stdin, args string, want ...string) string {
	s.t.Helper()
	stdout, _ := s.runBoth(code, stdin, args, want...)
	return stdout
}

// runBoth is run that returns standard error, too.
func (s *shell) runBoth(code int, stdin, args string, want ...string) (out, errOut string) {
	s.t.Helper()
	var stdout, stderr strings.Builder
	words := append([]string{"kalshiauth"}, strings.Fields(args)...)
	words = append(words, "-base-url", s.fake.URL)
	if got := run(s.t.Context(), words, strings.NewReader(stdin), &stdout, &stderr); got != code {
		s.t.Errorf("%s: exit %d, want %d: %s%s", args, got, code, stdout.String(), stderr.String())
	}
	for _, text := range want {
		if !strings.Contains(stdout.String()+stderr.String(), text) {
			s.t.Errorf("%s: printed %q and %q, want %q", args, stdout.String(), stderr.String(), text)
		}
	}
	if strings.Contains(stdout.String()+stderr.String(), password) {
		s.t.Errorf("%s: printed the password", args)
	}
	return stdout.String(), stderr.String()
}

func TestASessionIsKeptFromLoginToLogout(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.fake.Handle("GET /echo", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Cookie"))
	}))
	s.run(0, password+"\n", "login -email "+email, "Logged in", email, s.fake.URL, ".json")
	s.run(0, "", "status", email, "has a session")
	s.run(0, "", "status -email Trader@Example.com", email, "has a session")
	cookie := strings.TrimSpace(s.run(0, "", "cookie"))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.fake.URL+"/echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", cookie) // as curl -b does
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(cookie, "sessions=") {
		t.Errorf("the server answers %s to %q", resp.Status, cookie)
	}
	s.run(0, "", "logout", "Logged "+email+" out")
	if s.fake.Sessions() != 0 {
		t.Error("the session is still alive")
	}
	s.run(0, "", "logout -email "+email, "was not logged in")
	for _, cmd := range []string{"status", "cookie", "logout", "status -email " + email, "cookie -email " + email} {
		s.run(1, "", cmd, "no session", "kalshiauth login -email")
	}
}

func TestWhatScriptsReadIsJSON(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for _, cmd := range []struct {
		args     string
		loggedIn bool
	}{{"login -email " + email, true}, {"status", true}, {"logout", false}} {
		var got entry
		out := strings.TrimSuffix(s.run(0, password, cmd.args+" -json"), "\n")
		if cmd.args == "status" {
			out = strings.TrimSuffix(strings.TrimPrefix(out, "["), "]")
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Errorf("%s: %v", cmd.args, err)
		}
		if got.BaseURL != s.fake.URL || got.Email != email || got.LoggedIn != cmd.loggedIn || (got.UserID != "") != cmd.loggedIn {
			t.Errorf("%s: %+v", cmd.args, got)
		}
	}
	s.run(0, password, "login -email "+email)
	var got struct{ Cookie string }
	if err := json.Unmarshal([]byte(s.run(0, "", "cookie -json")), &got); err != nil || !strings.HasPrefix(got.Cookie, "sessions=") {
		t.Errorf("cookie: %v, %v", got, err)
	}
}

func TestAPasswordIsResetWithTheMailedCode(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.run(0, "", "reset-password -email "+email, "a link is on its way", "reset-password-confirm")
	s.run(0, "", "reset-password -email nobody@example.com", "If nobody@example.com has an account")
	mail := s.fake.Outbox()[0]
	confirm := "reset-password-confirm -user-id " + mail.UserID
	s.run(1, "wrong-code\nnew-password\n", confirm, "400", "kalshiauth reset-password")
	s.run(0, mail.Code+"\nnew-password\n", confirm, "The password is set")
	s.run(1, password, "login -email "+email, "401", "Check the e-mail address and the password")
	s.run(0, "new-password", "login -email "+email)
}

func TestEachFailureSaysWhatToDoNext(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.run(2, "", "login", "give -email ADDRESS or set KALSHI_EMAIL")
	s.run(2, "", "login -email "+email, "KALSHI_PASSWORD")
	s.run(2, "x", "login -email "+email, "fewer than")
	s.run(2, password, "login -email trader", "e-mail")
	s.run(2, "", "reset-password", "give -email ADDRESS or set KALSHI_EMAIL")
	s.run(2, "code\nnew-password", "reset-password-confirm -user-id 42", "user ID")
	s.run(2, "code\n", "reset-password-confirm -user-id 42", "KALSHI_NEW_PASSWORD")
	for want, fault := range map[string]func(http.Handler) http.Handler{
		"-base-url":       kalshiauthtest.HTML(http.StatusOK),
		"try again later": kalshiauthtest.Status(http.StatusInternalServerError),
	} {
		s.fake.Intercept(fault)
		s.run(1, password, "login -email "+email, want)
	}
	s.fake.Intercept(nil)
	s.fake.Close()
	s.run(1, password, "login -email "+email, "cannot be reached")
}

// An old host of the API is reported to answer like this.
func TestAHostThatHasMovedIsNotAWrongPassword(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.run(0, password, "login -email "+email)
	const moved = "API has been moved to https://api.example.com/trade-api/v2"
	s.fake.Intercept(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, moved, http.StatusUnauthorized) })
	})
	for args, stdin := range map[string]string{
		"login -email " + email: password, "logout": "", "reset-password -email " + email: "",
		"reset-password-confirm -user-id 6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e": "code-1\nnew-password\n",
	} {
		stdout, stderr := s.runBoth(1, stdin, args, "401", moved,
			"This server does not speak the API that this program knows: check -base-url.")
		if stdout != "" || strings.Contains(stderr, "Check the") || strings.Contains(stderr, "mailed:") ||
			strings.HasPrefix(args, "login") && strings.Contains(strings.ToLower(stderr), "password") {
			t.Errorf("%s: printed %q and %q", args, stdout, stderr)
		}
	}
}

func TestLogoutFailsIfTheStoredSessionCannotBeRead(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.run(0, password, "login -email "+email, "Logged in")
	var status []entry
	if err := json.Unmarshal([]byte(s.run(0, "", "status -json")), &status); err != nil || len(status) != 1 {
		t.Fatal(err)
	}
	if err := os.WriteFile(status[0].File, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(1, "", "status", "cannot be read", status[0].File)
	if out := s.run(1, "", "logout", status[0].File, "may still be valid"); out != "" {
		t.Errorf("printed %q", out)
	}
	if s.fake.Sessions() != 1 {
		t.Errorf("%d sessions are alive", s.fake.Sessions())
	}
	s.run(0, "", "logout -email "+email, "was not logged in") // the file is removed
}
