package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// unknownSecret is in a header of an answer, and nowhere else.
const unknownSecret = "a-secret-that-never-passed"

// An echo is a server that sends back everything secret, in headers that a trace shows. It keeps the secrets.
type echo struct {
	fake *kalshiauthtest.Server

	mu      sync.Mutex // guards secrets
	secrets map[string]bool
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	e := &echo{fake: kalshiauthtest.NewServer(kalshiauthtest.WithPathPrefix("/v1")), secrets: map[string]bool{}}
	t.Cleanup(e.fake.Close)
	e.fake.AddUser(email, password)
	e.fake.AddUser("other@example.com", otherPassword)
	e.fake.Intercept(e.intercept)
	return e
}

func (e *echo) intercept(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		var sent, came struct{ Password, Token string }
		_ = json.Unmarshal(body, &sent)
		_ = json.Unmarshal(answer.Body.Bytes(), &came)
		_, code, _ := strings.Cut(r.URL.Path, "/reset/")
		code = strings.TrimSuffix(code, "/confirm")
		secrets := []string{
			sent.Password, came.Token, code, r.Header.Get("Cookie"), strings.TrimPrefix(r.Header.Get("Cookie"), "sessions="),
			r.Header.Get("Authorization"), answer.Header().Get("Set-Cookie"), r.Header.Get("X-Gateway-Key"),
		}
		maps.Copy(w.Header(), answer.Header())
		w.Header().Set("Location", r.URL.String())
		w.Header().Set("X-Session-Key", unknownSecret)
		for _, secret := range secrets {
			if len(secret) < 4 {
				continue
			}
			e.mu.Lock()
			e.secrets[secret] = true
			e.mu.Unlock()
			for _, name := range []string{"X-Request-Id", "Server", "Via", "Message", "X-Odd"} {
				w.Header().Add(name, "you sent "+secret)
			}
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// showNone fails the test if a text has a secret that passed, or fewer than least secrets passed.
func (e *echo) showNone(t *testing.T, what, text string, least int) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.secrets) < least {
		t.Errorf("%s: %d secrets passed, want %d", what, len(e.secrets), least)
	}
	if strings.Contains(text, unknownSecret) {
		t.Errorf("%s: the trace shows a header that it does not know: %s", what, text)
	}
	for secret := range e.secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%s: the trace shows %q: %s", what, secret, text)
		}
	}
}

func TestATraceShowsRequestsAndAnswersWithoutSecrets(t *testing.T) {
	t.Parallel()
	e := newEcho(t)
	s := &shell{t, e.fake}
	trace := func(stdin, args string, want ...string) {
		t.Helper()
		_, quiet := s.runBoth(0, stdin, strings.TrimSuffix(args, " -v"))
		if strings.Contains(quiet, "HTTP/1.1") {
			t.Errorf("%s: printed a trace without -v: %q", args, quiet)
		}
		if strings.HasPrefix(args, "logout") { // the session is over
			s.runBoth(0, password, "login -email "+email)
		}
		if strings.HasPrefix(args, "reset-password-confirm") { // the code is used
			s.runBoth(0, "", "reset-password -email "+email)
			stdin = e.fake.Outbox()[len(e.fake.Outbox())-1].Code + "\n" + password + "\n"
		}
		out, errOut := s.runBoth(0, stdin, args)
		for _, text := range append(want, "> Content-Type: ", "< X-Request-Id: ", "< X-Odd: [redacted]", "> User-Agent: ") {
			if !strings.Contains(errOut, text) && (text != "> Content-Type: " || !strings.HasPrefix(args, "logout")) {
				t.Errorf("%s: printed %q, want %q", args, errOut, text)
			}
		}
		if strings.Contains(out, "HTTP/1.1") {
			t.Errorf("%s: the trace is on standard output: %q", args, out)
		}
		e.showNone(t, args, errOut, 1)
	}
	trace(password, "login -email "+email+" -v", "> POST "+e.fake.URL+"/log_in\n", "< HTTP/1.1 200 OK after ", "< Set-Cookie: [redacted]\n")
	trace("", "logout -v", "> POST "+e.fake.URL+"/log_out\n", "< HTTP/1.1 204 No Content after ", "> Cookie: [redacted]\n")
	trace("", "logout -v -email "+email, "> Cookie: [redacted]\n")
	s.runBoth(0, "", "reset-password -email "+email)
	mail := e.fake.Outbox()[0]
	trace(mail.Code+"\n"+password+"\n", "reset-password-confirm -user-id "+mail.UserID+" -v",
		"> PUT "+e.fake.URL+"/passwords/reset/[redacted]/confirm\n")
	e.showNone(t, "all", "", 8)
}

func TestATraceHidesATokenThatOnlyTheBodyHas(t *testing.T) {
	t.Parallel()
	const token = "a-token-without-a-cookie"
	server := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", token)
		_, _ = io.WriteString(w, `{"user_id":"6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e","token":"`+token+`","access_level":"x"}`)
	}), (*httptest.Server).Start)
	var out, errOut bytes.Buffer
	args := []string{"kalshiauth", "login", "-email", email, "-v", "-base-url", server.URL}
	code := run(t.Context(), args, strings.NewReader(password), &out, &errOut)
	if code != 0 || strings.Contains(errOut.String(), token) || !strings.Contains(errOut.String(), "< X-Request-Id: [redacted]") {
		t.Errorf("exit %d, printed %q", code, errOut.String())
	}
}

func TestATraceOfTheContractShowsNoSecret(t *testing.T) {
	t.Parallel()
	e := newEcho(t)
	cmd := exec.CommandContext(t.Context(), built, "contract", "run", "-v", "-base-url", e.fake.URL, "-email", email, //nolint:gosec // ours
		"-other-email", "other@example.com", "-header", "X-Gateway-Key: "+headerSecret, "-header", "Via: the-name-of-a-gateway",
		"-report", "text")
	cmd.Env = append(os.Environ(), "KALSHI_PASSWORD="+password, "KALSHI_OTHER_PASSWORD="+otherPassword)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if n := strings.Count(stderr.String(), "> POST "); n < 10 {
		t.Errorf("%d requests are shown: %s", n, stderr.String())
	}
	if strings.Contains(stderr.String(), "the-name-of-a-gateway") {
		t.Errorf("the trace shows the value of -header: %s", stderr.String())
	}
	showsNoSecret(t, "the trace", stderr.String())
	e.showNone(t, "contract", stderr.String(), 3)
}

func TestATraceShowsRequestsWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	code, _, stderr := runCommand(t, "reset-password", "-email", email, "-v", "-base-url", nobody)
	if code != 1 || !regexp.MustCompile(`(?m)^< no answer after \S+: dial tcp .*refused`).MatchString(stderr) {
		t.Errorf("exit %d, printed %q", code, stderr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	server := listen(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not see the end of the connection
		cancel()
		<-r.Context().Done()
	}), (*httptest.Server).Start)
	var errOut bytes.Buffer
	args := []string{"kalshiauth", "reset-password", "-email", email, "-v", "-base-url", server.URL}
	code = run(ctx, args, strings.NewReader(""), io.Discard, &errOut)
	if code != 130 || !strings.Contains(errOut.String(), ": interrupted\n") || strings.Contains(errOut.String(), "context canceled") {
		t.Errorf("exit %d, printed %q", code, errOut.String())
	}
}
