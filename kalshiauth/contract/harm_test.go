package contract_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// strict is an account whose password follows common policies.
var strict = kalshiauth.Credentials{Email: "strict@example.com", Password: "Correct7Horse"}

// inBubble runs the checks against a fake server in a bubble, with its account strict, and checks that the account has
// its password afterwards.
func inBubble(t *testing.T, change func(*kalshiauthtest.Server) middleware, check func(t *testing.T, report *contract.Report, err error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := kalshiauthtest.NewUnstartedServer()
		defer srv.Close()
		srv.AddUser(strict.Email, strict.Password)
		srv.AddUser(other.Email, other.Password)
		srv.Intercept(change(srv))
		target := contract.Target{
			BaseURL: "https://example.com", HTTPClient: &http.Client{Transport: srv.Transport()}, Credentials: strict, Other: other,
			ResetCode: outbox(srv),
		}
		report, err := contract.Run(t.Context(), target)
		check(t, report, err)
		srv.Intercept(nil)
		client, e := kalshiauth.New(kalshiauth.WithBaseURL(target.BaseURL), kalshiauth.WithHTTPClient(target.HTTPClient))
		if e != nil {
			t.Fatal(e)
		}
		for _, c := range []kalshiauth.Credentials{strict, other} {
			for _, changed := range report.Changed() {
				if changed.Email == c.Email {
					c = changed
				}
			}
			if _, err := client.Login(t.Context(), c); err != nil {
				t.Errorf("the account of %s has another password than the report says: %v", c.Email, err)
			}
		}
	})
}

// holds checks that nothing is reported, and that no check is skipped.
func holds(t *testing.T, report *contract.Report, err error) {
	t.Helper()
	if err != nil || !report.OK() || report.Count(contract.Skipped) > 0 || report.Password != contract.PasswordKept || report.Changed() != nil {
		t.Error(err, report.Password, failures(report))
	}
}

// failures lists the checks that did not pass.
func failures(report *contract.Report) string {
	var b strings.Builder
	for i := range report.Checks {
		if c := &report.Checks[i]; c.Outcome != contract.Passed {
			b.WriteString("\n" + string(c.Outcome) + " " + c.ID + ": " + c.Detail)
		}
	}
	return b.String()
}

// says writes an error.
func says(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"code":"refused","message":"` + message + `"}`))
}

// mailLimit allows one mail in a time for an account, and does limited with the other requests.
func mailLimit(every time.Duration, limited func(w http.ResponseWriter)) middleware {
	var mu sync.Mutex
	last := map[string]time.Time{}
	return replaced("ResetPassword", func(w http.ResponseWriter, _ *http.Request, body string, _ http.Handler) bool {
		mu.Lock()
		defer mu.Unlock()
		address := field(body, "email")
		if !strings.HasSuffix(address, "@example.com") {
			return false
		}
		if time.Since(last[address]) < every {
			limited(w)
			return true
		}
		last[address] = time.Now()
		return false
	})
}

func tooMany(retryAfter string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", retryAfter)
		says(w, 429, "Wait.")
	}
}

// policy refuses new passwords.
func policy(refuses func(password string) bool, message string) middleware {
	return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, _ *http.Request, body string, _ http.Handler) bool {
		refused := field(body, "password") != "" && refuses(field(body, "password"))
		if refused {
			says(w, 400, message)
		}
		return refused
	})
}

func weak(password string) bool {
	return len(password) < 8 || len(password) > 20 || !strings.ContainsFunc(password, unicode.IsLower) ||
		!strings.ContainsFunc(password, unicode.IsUpper) || !strings.ContainsFunc(password, unicode.IsDigit)
}

// history refuses the last passwords of an account; first is the one that it has.
func history(first string, length int, present bool, message string) middleware {
	var mu sync.Mutex
	old := []string{first}
	return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
		mu.Lock()
		defer mu.Unlock()
		password := field(body, "password")
		checked := old[max(0, len(old)-length):]
		if !present && len(checked) > 0 && checked[len(checked)-1] == password {
			checked = nil
		}
		if slices.Contains(checked, password) {
			says(w, 400, message)
			return true
		}
		a := answer(next, r)
		if a.status == 204 && old[len(old)-1] != password {
			old = append(old, password)
		}
		a.write(w)
		return true
	})
}

func TestRunLeavesCarefulServersAsTheyWere(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*kalshiauthtest.Server) middleware{
		"a limit of mails": func(*kalshiauthtest.Server) middleware { return mailLimit(time.Minute, tooMany("60")) },
		"a limit of mails that tells nobody": func(*kalshiauthtest.Server) middleware {
			return mailLimit(5*time.Second, func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) })
		},
		"a policy": func(*kalshiauthtest.Server) middleware { return policy(weak, "The password is weak.") },
		"a policy with symbols": func(*kalshiauthtest.Server) middleware {
			return policy(func(p string) bool { return p != strict.Password && !strings.ContainsAny(p, "-!?") }, "The password has no symbol.")
		},
		"a history without the present password": func(*kalshiauthtest.Server) middleware {
			return history(strict.Password, 3, false, "The password was used before.")
		},
		"all of it": func(*kalshiauthtest.Server) middleware {
			return chain(mailLimit(3*time.Second, tooMany("3")), policy(weak, "The password is weak."),
				history(strict.Password, 3, false, "The password was used before."))
		},
		"a lock after two wrong passwords": func(*kalshiauthtest.Server) middleware {
			wrong := map[string]int{}
			return replaced("Login", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
				address := field(body, "email")
				a := answer(next, r)
				switch {
				case wrong[address] >= 2 && strings.HasSuffix(address, "@example.com"):
					t.Error("the account is locked")
					says(w, 403, "The account is locked.")
					return true
				case a.status == 200:
					wrong[address] = 0
				case address != "":
					wrong[address]++
				}
				a.write(w)
				return true
			})
		},
		"a limit of log-ins": func(*kalshiauthtest.Server) middleware {
			n := 0
			return replaced("Login", func(w http.ResponseWriter, _ *http.Request, _ string, _ http.Handler) bool {
				n++
				if n%7 == 0 {
					tooMany("2")(w)
				}
				return n%7 == 0
			})
		},
		"an overload now and then": func(*kalshiauthtest.Server) middleware {
			n := 0
			return replaced("", func(w http.ResponseWriter, _ *http.Request, _ string, _ http.Handler) bool {
				n++
				if n%11 == 0 {
					w.Header().Set("Retry-After", time.Now().Add(3*time.Second).UTC().Format(http.TimeFormat))
					says(w, 503, "Wait.")
				}
				return n%11 == 0
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, change, holds)
		})
	}
}

// A server that refuses the present password as the new one would not let Run restore it.
func TestRunSetsNoOtherPasswordIfThePresentOneIsRefused(t *testing.T) {
	t.Parallel()
	for _, message := range []string{"The password was used before.", "Choose one that you have not used recently."} {
		set := false
		inBubble(t, func(*kalshiauthtest.Server) middleware {
			return chain(changed("ResetPasswordConfirm", func(_ *http.Request, a *reply) { set = set || a.status == 204 }),
				history(strict.Password, 3, true, message))
		}, func(t *testing.T, report *contract.Report, err error) {
			t.Helper()
			if err != nil || !report.OK() || set || report.Password != contract.PasswordKept {
				t.Error(err, set, report.Password, failures(report))
			}
			for _, id := range []string{rightCode, changes} {
				for _, c := range report.Checks {
					if c.ID == id && (c.Outcome != contract.Skipped || !strings.Contains(c.Detail, "refuses the present password")) {
						t.Errorf("%s: %s: %s", c.ID, c.Outcome, c.Detail)
					}
				}
			}
		})
	}
}

// If the code is no good, the present password says nothing about others.
func TestRunSetsNoOtherPasswordIfTheCodeIsRefused(t *testing.T) {
	t.Parallel()
	inBubble(t, func(*kalshiauthtest.Server) middleware {
		return policy(func(string) bool { return true }, "No.")
	}, func(t *testing.T, report *contract.Report, _ error) {
		t.Helper()
		for _, id := range []string{rightCode, changes} {
			if got := outcomes(report)[id]; got != contract.Failed {
				t.Errorf("%s: %s", id, got)
			}
		}
	})
}

func TestTheWholeRunIsBoundedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := kalshiauthtest.NewUnstartedServer()
		defer srv.Close()
		srv.AddUser(email, password)
		srv.Intercept(kalshiauthtest.Delay(2 * time.Second))
		start := time.Now()
		report, err := contract.Run(t.Context(), contract.Target{
			BaseURL: "https://example.com", HTTPClient: &http.Client{Transport: srv.Transport()}, Credentials: credentials,
			ResetCode: outbox(srv), Timeout: time.Minute,
		})
		if err == nil || !strings.Contains(err.Error(), "not all checks ran in 1m0s") || !strings.Contains(err.Error(), report.Err) ||
			len(report.Checks) < 5 || report.Password != contract.PasswordKept {
			t.Error(err, report)
		}
		if took := time.Since(start); took > 3*time.Minute {
			t.Errorf("Run took %v", took)
		}
	})
}

// A report knows each password that was set, even where the answer was lost or the restoring failed.
func TestTheReportKnowsThePasswordOfTheAccount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		breaks func(confirms int) bool // whether the server is gone after so many confirmed resets
		want   contract.PasswordState
	}{
		"before anything was set": {func(n int) bool { return n > 0 }, contract.PasswordKept},
		"while another is set":    {func(n int) bool { return n > 4 }, contract.PasswordChanged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 0
			inBubble(t, func(*kalshiauthtest.Server) middleware {
				return chain(successes("ResetPasswordConfirm", func(*reply) { n++ }),
					replaced("ResetPassword", func(w http.ResponseWriter, _ *http.Request, _ string, _ http.Handler) bool {
						if c.breaks(n) {
							says(w, 500, "No more mails.")
						}
						return c.breaks(n)
					}))
			}, func(t *testing.T, report *contract.Report, _ error) {
				t.Helper()
				if report.Password != c.want || (report.Changed() != nil) != (c.want != contract.PasswordKept) {
					t.Error(report.Password, report.Changed(), failures(report))
				}
			})
		})
	}
}

// A connection that the server closed between two requests says nothing about the server.
func TestAClosedConnectionIsTriedAgain(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	target := targetOf(srv)
	var closed atomic.Int32
	// The connection breaks on every second request, before an answer.
	handler := srv.Handler()
	requests := map[net.Conn]int{}
	var mu sync.Mutex
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn := r.Context().Value(connKey{}).(net.Conn)
		mu.Lock()
		requests[conn]++
		n := requests[conn]
		mu.Unlock()
		if n == 2 {
			closed.Add(1)
			panic(http.ErrAbortHandler)
		}
		handler.ServeHTTP(w, r)
	}))
	front.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, conn)
	}
	front.Start()
	t.Cleanup(front.Close)
	target.BaseURL, target.HTTPClient = front.URL, front.Client()
	if report := run(t, target); !report.OK() || report.Count(contract.Skipped) > 0 || closed.Load() < 100 {
		t.Error(closed.Load(), failures(report))
	}
}

type connKey struct{}
