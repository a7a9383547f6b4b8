package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// runCommand runs the program, and returns its exit code and what it printed.
func runCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), append([]string{"kalshiauth"}, args...), strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

func TestHelpIsEverywhere(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-h"}, {"--help"}, {"demo", "-h"}, {"serve", "-h"}} {
		code, out, stderr := runCommand(t, args...)
		if code != 0 || stderr != "" || !strings.Contains(out, "USAGE") {
			t.Errorf("%q: exit %d, printed %q and %q", args, code, out, stderr)
		}
	}
}

func TestAWrongCallExitsWith2AndSaysWhy(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"a subcommand is missing":                                 {},
		`there is no subcommand "dance"`:                          {"dance"},
		"flag provided but not defined: -bass":                    {"demo", "-bass", "x"},
		`kalshiauth demo takes no argument "x"`:                   {"demo", "x"},
		`kalshiauth serve takes no argument "x"`:                  {"serve", "x"},
		"give -email ADDRESS or set KALSHI_EMAIL":                 {"demo", "-base-url", "https://example.com"},
		"-user is EMAIL, or EMAIL:PASSWORD":                       {"serve", "-user", "a@example.com:"},
		"-path-prefix begins with a slash":                        {"serve", "-path-prefix", "v1"},
		"-session-lifetime is not positive":                       {"serve", "-session-lifetime", "0s"},
		"-user a@example.com: password: at least":                 {"serve", "-user", "a@example.com:x"},
		"-user nobody: email":                                     {"serve", "-user", "nobody:correct-horse"},
		"-user A@example.com: the address has an account already": {"serve", "-user", "a@example.com:correct-horse", "-user", "A@example.com:correct-horse"},
		"-path-prefix: not a path that begins":                    {"serve", "-path-prefix", "/a/../b"},
		`invalid value "soon" for flag`:                           {"serve", "-session-lifetime", "soon"},
	} {
		if code, _, stderr := runCommand(t, args...); code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit %d, printed %q; want 2 and %q", args, code, stderr, want)
		}
	}
}

func TestDemoRunsAgainstItsOwnServer(t *testing.T) {
	t.Parallel()
	code, out, stderr := runCommand(t, "demo")
	if code != 0 || stderr != "" || strings.Count(out, "\n") != 19 {
		t.Errorf("exit %d, printed %q and %q", code, out, stderr)
	}
}

// spy is a transport that keeps the tokens that pass.
type spy struct {
	mu     sync.Mutex // guards tokens
	tokens []string
}

func (s *spy) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		s.mu.Lock()
		for _, c := range resp.Cookies() {
			s.tokens = append(s.tokens, c.Value)
		}
		s.mu.Unlock()
	}
	return resp, err
}

func TestDemoShowsEachStepAndNoSecret(t *testing.T) {
	t.Parallel()
	fake := kalshiauthtest.NewServer()
	t.Cleanup(fake.Close)
	fake.AddUser("trader@example.com", "the-old-password")
	seen := &spy{}
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(fake.URL), kalshiauth.WithHTTPClient(&http.Client{Transport: seen}))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	w := walk{
		out: &out, client: client, newPassword: "the-new-password",
		creds: kalshiauth.Credentials{Email: "trader@example.com", Password: "the-old-password"},
		mailed: func(context.Context) (string, string, error) {
			return fake.Outbox()[0].Code, fake.Outbox()[0].UserID, nil
		},
	}
	if err := w.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"1. log in: ok", "2. log in with a wrong password: refused", "3. request a password reset: ok", "4. read the mail: ok",
		"5. confirm the reset with the mailed code: ok", "6. log in with the old password: refused",
		"7. log in with the new password: ok", "8. log out: ok", "9. use the session after it: refused",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("step %d is not shown: %s", i+1, out.String())
		}
	}
	if len(seen.tokens) != 2 {
		t.Fatalf("%d tokens passed, want 2", len(seen.tokens))
	}
	for _, secret := range append(seen.tokens, "the-old-password", "the-new-password", fake.Outbox()[0].Code) {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the output shows %q: %s", secret, out.String())
		}
	}
}

func TestDemoFailsWhereTheServerLetsAnybodyIn(t *testing.T) {
	t.Parallel()
	fake := kalshiauthtest.NewServer()
	t.Cleanup(fake.Close)
	fake.AddUser("trader@example.com", "the-old-password")
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(fake.URL))
	if err != nil {
		t.Fatal(err)
	}
	fake.Intercept(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"user_id":"6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e","token":"t","access_level":"x"}`)
		})
	})
	w := walk{out: io.Discard, client: client, creds: kalshiauth.Credentials{Email: "trader@example.com", Password: "the-old-password"}}
	if err := w.run(t.Context()); err == nil || !strings.Contains(err.Error(), "wrong password: the server should refuse this") {
		t.Error(err)
	}
}

// serveInBackground runs serve until the test ends, and returns its base URL and what else it prints.
func serveInBackground(t *testing.T, args ...string) (baseURL string, lines *bufio.Scanner) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, append([]string{"kalshiauth", "serve", "-addr", "127.0.0.1:0"}, args...), nil, write, write)
		_ = write.Close()
	}()
	t.Cleanup(func() {
		cancel()
		_, _ = io.Copy(io.Discard, read)
		if code := <-done; code != 0 {
			t.Errorf("serve: exit %d after an interrupt", code)
		}
	})
	lines = bufio.NewScanner(read)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "serving "); ok {
			return url, lines
		}
	}
	t.Fatal("serve did not say where it serves")
	return "", nil
}

func TestServeServesItsUsersAndPrintsTheirMail(t *testing.T) {
	t.Parallel()
	baseURL, lines := serveInBackground(t, "-user", "a@example.com:pass,word,word", "-user", "b@example.com:secret:xyzzy")
	if !strings.HasSuffix(baseURL, "/v1") {
		t.Errorf("the base URL is %q", baseURL)
	}
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(baseURL))
	if err != nil {
		t.Fatal(err)
	}
	for email, password := range map[string]string{"a@example.com": "pass,word,word", "b@example.com": "secret:xyzzy"} {
		if _, err := client.Login(t.Context(), kalshiauth.Credentials{Email: email, Password: password}); err != nil {
			t.Errorf("%s: %v", email, err)
		}
	}
	// The fake may mail before or after it answers.
	failed := make(chan error, 1)
	go func() { failed <- client.ResetPassword(t.Context(), "a@example.com") }()
	if !lines.Scan() {
		t.Fatal("serve printed no mail")
	}
	fields := strings.Fields(lines.Text())
	if err := <-failed; err != nil || len(fields) != 9 || fields[2] != "a@example.com:" {
		t.Fatalf("%v, printed %q", err, lines.Text())
	}
	err = client.ResetPasswordConfirm(t.Context(), kalshiauth.PasswordResetConfirmation{
		Code: fields[4], UserID: fields[6], NewPassword: "another password",
	})
	if err != nil {
		t.Error(err)
	}
}

func TestServeFailsWhereItCannotListen(t *testing.T) {
	t.Parallel()
	if code, _, stderr := runCommand(t, "serve", "-addr", "256.0.0.1:1"); code != 1 || !strings.Contains(stderr, "256.0.0.1") {
		t.Errorf("exit %d, printed %q", code, stderr)
	}
}
