package contract_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func TestTheFakeHoldsTheContract(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]kalshiauthtest.Option{
		"without prefix": nil,
		"with prefix":    {kalshiauthtest.WithPathPrefix("/some/v1")},
		"with TLS":       {kalshiauthtest.WithTLS()},
	} {
		for _, authorization := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", Authorization ", authorization), func(t *testing.T) {
				t.Parallel()
				srv := newServer(t, opts...)
				target := targetOf(srv)
				target.Schemes = []string{map[bool]string{true: "authorization", false: "cookie"}[authorization]}
				if report := run(t, target); !report.OK() || report.Count(contract.Skipped) > 0 {
					t.Error(written(t, report, contract.FormatText))
				}
				if n := srv.Sessions(); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
			})
		}
	}
}

// traffic is what a server received.
type traffic struct {
	mu  sync.Mutex
	all []string
}

// watched returns a middleware that notes each request as "METHOD /path body", with the header Authorization or Cookie.
func (w *traffic) watched(next http.Handler) http.Handler {
	return replaced("", func(_ http.ResponseWriter, r *http.Request, body string, _ http.Handler) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all = append(w.all, fmt.Sprint(r.Method, " ", r.URL.Path, " ", body, " ", r.Header["Authorization"], r.Header["Cookie"]))
		return false
	})(next)
}

// count returns how many requests have all of the words.
func (w *traffic) count(words ...string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, line := range w.all {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			n++
		}
	}
	return n
}

func TestWithoutAnAccountRunTouchesNone(t *testing.T) {
	t.Parallel()
	seen := &traffic{}
	srv := serverWith(t, func(*kalshiauthtest.Server) middleware { return seen.watched })
	report := run(t, contract.Target{BaseURL: srv.URL, ResetCode: outbox(srv)})
	if !report.OK() || report.Count(contract.Passed) < 60 || report.Count(contract.Skipped) < 60 {
		t.Error(written(t, report, contract.FormatText))
	}
	if seen.count(email) != 0 || len(srv.Outbox()) != 0 || srv.Sessions() != 0 || seen.count(" ") < 15 {
		t.Errorf("the account was touched: %q", seen.all)
	}
	for _, c := range report.Checks {
		if c.Outcome == contract.Skipped && !strings.Contains(c.Detail, "set Target.Credentials") {
			t.Errorf("%s does not say what would enable it: %s", c.Name, c.Detail)
		}
	}
}

func TestWithCredentialsRunSendsNoMailAndOneWrongPassword(t *testing.T) {
	t.Parallel()
	seen := &traffic{}
	srv := serverWith(t, func(*kalshiauthtest.Server) middleware { return seen.watched })
	target := targetOf(srv)
	target.ResetCode = nil
	report := run(t, target)
	if !report.OK() {
		t.Error(written(t, report, contract.FormatText))
	}
	if logins, right := seen.count("/log_in", email), seen.count("/log_in", email, password); logins-right != 1 {
		t.Errorf("%d log-ins, and %d right ones", logins, right)
	}
	if len(srv.Outbox()) != 0 || seen.count("/passwords/reset", email) != 0 || srv.Sessions() != 0 {
		t.Errorf("mails or sessions are left: %q", seen.all)
	}
	skipped := 0
	for _, c := range report.Checks {
		if c.Outcome == contract.Skipped {
			skipped++
			if !strings.Contains(c.Detail, "Target.ResetCode") {
				t.Errorf("%s does not say what would enable it: %s", c.Name, c.Detail)
			}
		}
	}
	want := 0
	for _, c := range contract.Plan(nil) {
		if c.NeedsMailbox {
			want++
		}
	}
	if skipped != want {
		t.Errorf("%d checks are skipped, want %d", skipped, want)
	}
}

// wantPassword checks that the account has its first password.
func wantPassword(t *testing.T, srv *kalshiauthtest.Server) {
	t.Helper()
	srv.Intercept(nil)
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(srv.URL))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Login(context.WithoutCancel(t.Context()), credentials); err != nil {
		t.Errorf("the account has another password: %v", err)
	}
}

func TestRunLeavesThePasswordThatItFound(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		switch m.name {
		case "a code sets any user's password", "a code is good twice", "a short password will do", "a wrong code is 500",
			"the old password stays good", "a reset is 200", "no access_level", "HTML", "a session outlives a reset":
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				srv := serverWith(t, func(srv *kalshiauthtest.Server) middleware {
					if m.stateful != nil {
						return m.stateful(srv)
					}
					return m.change
				})
				run(t, targetOf(srv))
				wantPassword(t, srv)
			})
		}
	}
}

func TestRunRestoresThePasswordWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	for i, c := range contract.Plan(nil) {
		if !c.SetsPassword && i%10 > 0 {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			srv := newServer(t)
			target := targetOf(srv)
			left := i
			target.OnCheck = func(contract.Check) {
				left--
				if left < 0 {
					cancel()
				}
			}
			report, err := contract.Run(ctx, target)
			if report.Err == "" || len(report.Checks) < i || !errors.Is(err, context.Canceled) {
				t.Errorf("Run = %v, %v", report, err)
			}
			wantPassword(t, srv)
		})
	}
}

func TestRunTriesAgainToRestoreThePassword(t *testing.T) {
	t.Parallel()
	var confirmed, failed atomic.Int32
	srv := serverWith(t, func(*kalshiauthtest.Server) middleware {
		return changed("ResetPassword", func(_ *http.Request, a *reply) {
			if confirmed.Load() > 0 && failed.Add(1) == 1 {
				a.fail(503)
			}
		})
	})
	target := targetOf(srv)
	target.OnCheck = func(c contract.Check) {
		if c.ID == changes {
			confirmed.Add(1)
		}
	}
	target.Only = []string{changes}
	if report := run(t, target); !report.OK() || failed.Load() != 2 {
		t.Error(written(t, report, contract.FormatText))
	}
	wantPassword(t, srv)
}

func TestRunSaysWhereThePasswordIsAnother(t *testing.T) {
	t.Parallel()
	var confirmed atomic.Int32
	srv := serverWith(t, func(*kalshiauthtest.Server) middleware {
		return changed("ResetPassword", func(_ *http.Request, a *reply) {
			if confirmed.Load() > 0 {
				a.fail(500)
			}
		})
	})
	target := targetOf(srv)
	target.OnCheck = func(c contract.Check) {
		if c.ID == changes {
			confirmed.Add(1)
		}
	}
	last := run(t, target).Checks
	c := last[len(last)-1]
	if c.Outcome != contract.Failed || !strings.Contains(c.Detail, "another password than before") {
		t.Error(c)
	}
}

func TestRunCannotRun(t *testing.T) {
	t.Parallel()
	secure := newServer(t, kalshiauthtest.WithTLS())
	wrong := newServer(t)
	locked := serverWith(t, func(*kalshiauthtest.Server) middleware { return notServed(403) })
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx    func() context.Context
		target contract.Target
		want   string
	}{
		"no base URL":       {t.Context, contract.Target{}, "the base URL is not absolute"},
		"a password in it":  {t.Context, contract.Target{BaseURL: "https://user:hunter2@example.com"}, "has a user"},
		"half an account":   {t.Context, contract.Target{BaseURL: wrong.URL, Credentials: kalshiauth.Credentials{Email: email}}, "lack"},
		"nobody listens":    {t.Context, contract.Target{BaseURL: "http://127.0.0.1:1"}, "no answer"},
		"no trust":          {t.Context, contract.Target{BaseURL: secure.URL}, "certificate"},
		"refused":           {t.Context, contract.Target{BaseURL: wrong.URL, Credentials: kalshiauth.Credentials{Email: email, Password: "another horse battery"}}, "refuses the credentials with 401"},
		"locked":            {t.Context, contract.Target{BaseURL: locked.URL, Credentials: credentials}, "refuses the credentials with 403"},
		"the context ended": {func() context.Context { return canceled }, targetOf(wrong), "context canceled"},
	} {
		report, err := contract.Run(c.ctx(), c.target)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Run = %v, %v; want %q", name, report, err, c.want)
		}
		if report != nil && !strings.Contains(err.Error(), report.Err) {
			t.Errorf("%s: the report says %q, and the error %q", name, report.Err, err)
		}
		wantNoSecret(t, fmt.Sprint(err))
	}
}

func TestRunGivesUpOnAServerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	var connections atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = conn.Close()
		}
	}()
	report, err := contract.Run(t.Context(), contract.Target{BaseURL: "http://" + listener.Addr().String()})
	if report == nil || report.Err == "" || err == nil || connections.Load() > 10 {
		t.Errorf("Run = %v, %v after %d connections", report, err, connections.Load())
	}
}

func TestEveryRequestIsBoundedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := kalshiauthtest.NewUnstartedServer()
		defer fake.Close()
		start := time.Now()
		report := run(t, contract.Target{
			BaseURL: "https://example.com",
			HTTPClient: &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				if req.URL.Path == "/log_out" {
					<-req.Context().Done()
					return nil, req.Context().Err()
				}
				rec := httptest.NewRecorder()
				fake.Handler().ServeHTTP(rec, req)
				return rec.Result(), nil
			})},
		})
		if got := outcomes(report)[noSession]; got != contract.Failed || time.Since(start) > time.Minute {
			t.Errorf("after %v: %s", time.Since(start), got)
		}
	})
}

// endless is a body without end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return copy(p, strings.Repeat("x", len(p))), nil
}

func TestBodiesWithoutEndAreNotReadToIt(t *testing.T) {
	t.Parallel()
	report := run(t, contract.Target{
		BaseURL: "https://example.com",
		HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			body := &endless{}
			t.Cleanup(func() {
				if body.read > 1<<20 {
					t.Errorf("%d bytes were read", body.read)
				}
			})
			return &http.Response{
				StatusCode: 401, Body: io.NopCloser(body), Header: http.Header{"Content-Type": {"application/json"}},
			}, nil
		})},
	})
	if got := outcomes(report)[noSession]; got != contract.Failed {
		t.Error(written(t, report, contract.FormatText))
	}
}

func TestRunUsesNeitherTheJarNorFollowsRedirects(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	seen := &traffic{}
	srv := serverWith(t, func(*kalshiauthtest.Server) middleware {
		return chain(seen.watched, kalshiauthtest.On("ResetPassword", kalshiauthtest.Redirect(307, other.URL)))
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	target := targetOf(srv)
	target.Schemes = []string{"authorization"}
	target.HTTPClient = &http.Client{Jar: jar}
	report := run(t, target)
	if elsewhere.Load() > 0 || seen.count("sessions=") > 0 {
		t.Errorf("%d requests went elsewhere: %q", elsewhere.Load(), seen.all)
	}
	if outcomes(report)[knownReset] != contract.Failed {
		t.Error(written(t, report, contract.FormatText))
	}
	if target.HTTPClient.CheckRedirect != nil || target.HTTPClient.Jar != jar {
		t.Error("the caller's client was changed")
	}
}

func TestOnCheckSeesEachCheckInOrder(t *testing.T) {
	t.Parallel()
	var seen []contract.Check
	target := targetOf(newServer(t))
	target.OnCheck = func(c contract.Check) { seen = append(seen, c) }
	if report := run(t, target); !reflect.DeepEqual(seen, report.Checks) {
		t.Errorf("OnCheck saw %v", seen)
	}
}

func TestACodeThatCannotBeHadFailsItsCheck(t *testing.T) {
	t.Parallel()
	for want, resetCode := range map[string]func(context.Context, string) (string, string, error){
		"the mailbox is closed": func(context.Context, string) (string, string, error) {
			return "", "", errors.New("the mailbox is closed")
		},
		"there is none": func(context.Context, string) (string, string, error) { return "", userID, nil },
		"its user ID":   func(context.Context, string) (string, string, error) { return code, "42", nil },
	} {
		target := targetOf(newServer(t))
		target.ResetCode = resetCode
		report := run(t, target)
		for _, c := range report.Checks {
			if c.ID == knownReset && (c.Outcome != contract.Failed || !strings.Contains(c.Detail, want)) {
				t.Errorf("%s: %v", want, c)
			}
		}
		if outcomes(report)[rightCode] != contract.Failed {
			t.Error(written(t, report, contract.FormatText))
		}
	}
}

// echo repeats every secret that it receives wherever it can.
func echo(next http.Handler) http.Handler {
	return replaced("", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
		a := answer(next, r)
		said := strings.Map(func(r rune) rune {
			if r == '"' || r == '{' || r == '}' {
				return ' '
			}
			return r
		}, body+" "+presented(r)+" "+r.URL.Path)
		a.header.Set("Content-Type", "text/"+said)
		a.header.Set("message", said)
		a.header.Set("Location", "https://"+said)
		a.body = append(a.body, said...)
		a.write(w)
		return true
	})(next)
}

func TestReportsShowNoSecret(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]middleware{
		"a server that echoes": echo, "a server that redirects": chain(echo, changed("", func(_ *http.Request, a *reply) { a.status = 302 })),
		"a sound server": changed("", func(*http.Request, *reply) {}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			secrets := []string{password}
			remember := func(values ...string) {
				mu.Lock()
				defer mu.Unlock()
				secrets = append(secrets, values...)
			}
			srv := serverWith(t, func(*kalshiauthtest.Server) middleware {
				return chain(change, replaced("", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
					a := answer(next, r)
					remember(field(body, "password"), presented(r), field(string(a.body), "token"))
					if parts := strings.Split(r.URL.Path, "/"); len(parts) > 3 {
						remember(parts[3])
					}
					a.write(w)
					return true
				}))
			})
			target := targetOf(srv)
			found := &violations{}
			checker, err := contract.New(srv.URL, found.report)
			if err != nil {
				t.Fatal(err)
			}
			target.HTTPClient = &http.Client{Transport: checker.Transport(nil)}
			target.ResetCode = func(ctx context.Context, email string) (string, string, error) {
				code, userID, _ := outbox(srv)(ctx, email)
				return code, userID, nil
			}
			report := run(t, target)
			text := fmt.Sprintf("%v %+v %#v", found.all, found.all, report)
			for _, f := range formats {
				text += written(t, report, f)
			}
			for _, secret := range secrets {
				if len(secret) > 1 && strings.Contains(text, secret) {
					t.Errorf("the report shows %q", secret)
				}
			}
			if len(secrets) < 20 {
				t.Errorf("only %d secrets passed", len(secrets))
			}
		})
	}
}

func TestNetworkErrorsShowNoSecret(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	target := targetOf(srv)
	var sent []string
	target.HTTPClient = &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(req.Body)
		if strings.HasSuffix(req.URL.Path, "/confirm") {
			sent = append(sent, field(string(body), "password"), strings.Split(req.URL.Path, "/")[3])
			return nil, fmt.Errorf("lost %s with %s", req.URL, body)
		}
		req.Body = io.NopCloser(strings.NewReader(string(body)))
		return srv.Client().Transport.RoundTrip(req)
	})}
	report := run(t, target)
	text := written(t, report, contract.FormatJSON)
	for _, secret := range sent {
		if secret != "" && strings.Contains(text, secret) {
			t.Errorf("the report shows %q: %s", secret, text)
		}
	}
	if outcomes(report)[rightCode] != contract.Failed || len(sent) < 3 {
		t.Error(text)
	}
}
