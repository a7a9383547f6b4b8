package kalshiauthtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

type middleware = func(http.Handler) http.Handler

func TestInterceptReplacesAndNilRestores(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	srv.Intercept(kalshiauthtest.Status(500))
	srv.Intercept(kalshiauthtest.Status(503))
	wantError(t, login(t, srv, email, password), 503)
	wantError(t, send(t, srv, "GET", "/nothing", ""), 503)
	srv.Intercept(nil)
	wantStatus(t, login(t, srv, email, password), http.StatusOK)
	wantPanic(t, "no handler", func() { srv.Intercept(func(http.Handler) http.Handler { return nil }) })
}

func TestInterceptTakesAnyMiddleware(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	srv.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Seen", r.URL.Path)
			next.ServeHTTP(w, r)
		})
	})
	got := login(t, srv, email, password)
	wantStatus(t, got, http.StatusOK)
	if got.header.Get("X-Seen") != "/log_in" {
		t.Error("the middleware was not called")
	}
}

func TestStatusIsADocumentedError(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	for _, status := range []int{400, 401, 403, 404, 418, 429, 500, 502, 503, 504, 599} {
		srv.Intercept(kalshiauthtest.Status(status))
		wantError(t, login(t, srv, email, password), status)
	}
	wantSessions(t, srv, 0)
	for _, status := range []int{0, 200, 302, 399, 600} {
		wantPanic(t, "Status", func() { kalshiauthtest.Status(status) })
	}
}

func TestStatusRetryAfterRoundsUp(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	for d, want := range map[time.Duration]string{
		0: "0", 1: "1", time.Second: "1", time.Second + 1: "2", 90 * time.Second: "90", 1<<63 - 1: "9223372037",
	} {
		srv.Intercept(kalshiauthtest.StatusRetryAfter(429, d))
		got := login(t, srv, email, password)
		wantError(t, got, 429)
		if got.header.Get("Retry-After") != want {
			t.Errorf("%v is Retry-After: %s, want %s", d, got.header.Get("Retry-After"), want)
		}
	}
	wantPanic(t, "StatusRetryAfter", func() { kalshiauthtest.StatusRetryAfter(200, 0) })
	wantPanic(t, "negative", func() { kalshiauthtest.StatusRetryAfter(503, -1) })
}

func TestHTMLIsAProxysPage(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	for _, status := range []int{200, 502} {
		srv.Intercept(kalshiauthtest.HTML(status))
		got := login(t, srv, email, password)
		wantStatus(t, got, status)
		ct := got.header.Get("Content-Type")
		if !strings.HasPrefix(ct, "text/html") || !strings.Contains(got.body, "<html>") {
			t.Errorf("the page is %q of type %q", got.body, ct)
		}
		if got.header.Get("code") != "" {
			t.Error("a proxy's page has the headers of an error")
		}
	}
	wantSessions(t, srv, 0)
	for _, status := range []int{100, 204, 304, 600} {
		wantPanic(t, "HTML", func() { kalshiauthtest.HTML(status) })
	}
}

func TestRedirectSaysWhereTo(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	srv.Intercept(kalshiauthtest.Redirect(307, "https://elsewhere.example/log_in"))
	got := login(t, srv, email, password)
	wantStatus(t, got, 307)
	if location := got.header.Get("Location"); location != "https://elsewhere.example/log_in" {
		t.Errorf("the location is %q", location)
	}
	wantPanic(t, "Redirect", func() { kalshiauthtest.Redirect(200, "/") })
}

func TestGarbageKeepsStatusAndHeaders(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	srv.Intercept(kalshiauthtest.Garbage())
	garbage := func(got answer, status int) {
		t.Helper()
		wantStatus(t, got, status)
		if got.body == "" || json.Valid([]byte(got.body)) || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("the body is %q of type %q, want nonsense", got.body, got.header.Get("Content-Type"))
		}
	}
	got := login(t, srv, email, password)
	garbage(got, 200)
	if !strings.HasPrefix(got.header.Get("Set-Cookie"), "sessions=") {
		t.Errorf("the headers are %v, want the cookie", got.header)
	}
	wantSessions(t, srv, 1)
	got = login(t, srv, email, newPassword)
	garbage(got, 401)
	if got.header.Get("code") == "" {
		t.Errorf("the headers are %v, want those of an error", got.header)
	}
	garbage(send(t, srv, "POST", "/passwords/reset", `{"email":"trader@example.com"}`, jsonType), 202)

	srv.Handle("/sized", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "2")
		_, _ = io.WriteString(w, "{}")
	}))
	srv.Intercept(nil)
	token := session(t, srv)
	srv.Intercept(kalshiauthtest.Garbage())
	garbage(send(t, srv, "GET", "/sized", "", "Authorization: "+token), 200)
	wantEmpty(t, send(t, srv, "POST", "/log_out", "", "Authorization: "+token), http.StatusNoContent)
}

func TestCutBodyBreaksOffInTheMiddle(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]kalshiauthtest.Option{"HTTP/1": nil, "HTTP/2": {kalshiauthtest.WithTLS()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, _ := newServer(t, opts...)
			srv.Intercept(kalshiauthtest.CutBody())
			got := login(t, srv, email, password)
			length, err := strconv.Atoi(got.header.Get("Content-Length"))
			if got.status != http.StatusOK || err != nil || got.body == "" || len(got.body) >= length || got.err == nil {
				t.Errorf("the answer is %d with %d of %d bytes (%v), want a part of them and an error",
					got.status, len(got.body), length, got.err)
			}
			if name == "HTTP/1" && !errors.Is(got.err, io.ErrUnexpectedEOF) {
				t.Errorf("the body ends with %v, want an unexpected EOF", got.err)
			}
			wantSessions(t, srv, 1)
			wantEmpty(t, send(t, srv, "POST", "/passwords/reset", `{"email":"trader@example.com"}`, jsonType), 202)
		})
	}
}

// inMemory has srv answer a login without a network, and reports whether it aborted.
func inMemory(ctx context.Context, srv *kalshiauthtest.Server, body io.Reader) (status int, aborted bool) {
	req := httptest.NewRequestWithContext(ctx, "POST", "/log_in", body)
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			status, aborted = 0, true
		default:
			panic(p)
		}
	}()
	srv.Handler().ServeHTTP(rec, req)
	return rec.Code, false
}

const goodLogin = `{"email":"trader@example.com","password":"correct horse"}`

func TestDelayLetsTimePassAndThenAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := kalshiauthtest.NewUnstartedServer()
		srv.AddUser(email, password)
		srv.Intercept(kalshiauthtest.Delay(time.Minute))
		begin := time.Now()
		status, aborted := inMemory(t.Context(), srv, strings.NewReader(goodLogin))
		if took := time.Since(begin); status != 200 || aborted || took != time.Minute {
			t.Errorf("the answer is %d (aborted: %v) after %v, want 200 after a minute", status, aborted, took)
		}
	})
}

func TestDelayKeepsALongBody(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	srv.Handle("/echo", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	token := session(t, srv)
	srv.Intercept(kalshiauthtest.Delay(0))
	body := strings.Repeat("0123456789", 50_000)
	got := send(t, srv, "POST", "/echo", body, "Authorization: "+token)
	wantStatus(t, got, http.StatusOK)
	if got.body != body {
		t.Errorf("%d of %d bytes came back", len(got.body), len(body))
	}
}

func TestDelayAndHangEndWithTheContextOrTheServer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]middleware{
		"Delay": kalshiauthtest.Delay(time.Hour), "Hang": kalshiauthtest.Hang(),
	} {
		ends := map[string]func(*kalshiauthtest.Server, context.CancelFunc){
			"context": func(_ *kalshiauthtest.Server, cancel context.CancelFunc) { cancel() },
			"server":  func(srv *kalshiauthtest.Server, _ context.CancelFunc) { srv.Close() },
		}
		for by, end := range ends {
			t.Run(name+" "+by, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					srv := kalshiauthtest.NewUnstartedServer()
					srv.AddUser(email, password)
					srv.Intercept(fault)
					begin := time.Now()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					ended := make(chan bool, 1)
					go func() {
						_, aborted := inMemory(ctx, srv, strings.NewReader(goodLogin))
						ended <- aborted
					}()
					synctest.Wait()
					if len(ended) != 0 {
						t.Fatal("the fault did not wait")
					}
					end(srv, cancel)
					if aborted := <-ended; !aborted || time.Since(begin) != 0 {
						t.Errorf("aborted: %v after %v, want at once", aborted, time.Since(begin))
					}
					wantSessions(t, srv, 0)
				})
			})
		}
	}
}

// watched tells when a request has reached a fault, and when the fault has ended.
func watched(fault middleware) (m middleware, reached, ended chan struct{}) {
	reached, ended = make(chan struct{}), make(chan struct{})
	return func(next http.Handler) http.Handler {
		broken := fault(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(reached)
			defer close(ended)
			broken.ServeHTTP(w, r)
		})
	}, reached, ended
}

// Over a network, a server notices that the client has left only when it has read the body.
func TestDelayAndHangEndWhenTheClientLeavesOrTheServerCloses(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]middleware{
		"Delay": kalshiauthtest.Delay(time.Hour), "Hang": kalshiauthtest.Hang(),
	} {
		for _, tls := range []bool{false, true} {
			for _, closes := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, TLS %v, closes %v", name, tls, closes), func(t *testing.T) {
					t.Parallel()
					var opts []kalshiauthtest.Option
					if tls {
						opts = append(opts, kalshiauthtest.WithTLS())
					}
					srv, _ := newServer(t, opts...)
					slow, reached, ended := watched(fault)
					srv.Intercept(slow)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/log_in", strings.NewReader(goodLogin))
					if err != nil {
						t.Fatal(err)
					}
					req.Header.Set("Content-Type", "application/json")
					failed := make(chan error, 1)
					go func() {
						resp, err := srv.Client().Do(req)
						if err == nil {
							_ = resp.Body.Close()
						}
						failed <- err
					}()
					<-reached
					if closes {
						srv.Close()
					} else {
						cancel()
					}
					if err := <-failed; err == nil {
						t.Error("there was an answer")
					}
					<-ended
					wantSessions(t, srv, 0)
				})
			}
		}
	}
}

func TestOnBreaksOneOperationOnly(t *testing.T) {
	t.Parallel()
	requests := map[string][2]string{
		"Login":                {"POST", "/log_in"},
		"Logout":               {"POST", "/log_out"},
		"ResetPassword":        {"POST", "/passwords/reset"},
		"ResetPasswordConfirm": {"PUT", "/passwords/reset/4fzyo%2F82myh/confirm"},
		"":                     {"GET", "/log_in"},
	}
	for _, opts := range [][]kalshiauthtest.Option{nil, {kalshiauthtest.WithPathPrefix("/v1")}} {
		srv, _ := newServer(t, opts...)
		for broken := range requests {
			if broken == "" {
				continue
			}
			srv.Intercept(kalshiauthtest.On(broken, kalshiauthtest.Status(599)))
			for operation, r := range requests {
				if got := send(t, srv, r[0], r[1], "", jsonType); (got.status == 599) != (operation == broken) {
					t.Errorf("with %s broken, %s %s is %d", broken, r[0], r[1], got.status)
				}
			}
		}
	}
	for _, unknown := range []string{"", "login", "Signup"} {
		wantPanic(t, "no such operation", func() { kalshiauthtest.On(unknown, kalshiauthtest.Status(500)) })
	}
}

func TestOnBreaksOnePatternOnly(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]kalshiauthtest.Option{nil, {kalshiauthtest.WithPathPrefix("/v1")}} {
		srv, _ := newServer(t, opts...)
		whoami(srv)
		srv.Handle("/users/{id}/balance", http.NotFoundHandler())
		for _, pattern := range []string{"GET  /whoami", "/users/{id}/balance"} {
			srv.Intercept(kalshiauthtest.On(pattern, kalshiauthtest.Status(599)))
			for path, broken := range map[string]bool{
				"/whoami": pattern == "GET  /whoami", "/users/7/balance": pattern != "GET  /whoami", "/log_in": false,
			} {
				if got := send(t, srv, "GET", path, ""); (got.status == 599) != broken {
					t.Errorf("with %s broken, GET %s is %d", pattern, path, got.status)
				}
			}
		}
	}
	for _, wrong := range []string{"GET example.com/", "GET /{x", "G=T /x"} {
		wantPanic(t, "not a pattern", func() { kalshiauthtest.On(wrong, kalshiauthtest.Status(500)) })
	}
}

func TestOnOutsideAServerBreaksNothing(t *testing.T) {
	t.Parallel()
	handler := kalshiauthtest.On("Login", kalshiauthtest.Status(500))(http.NotFoundHandler())
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "POST", "/log_in", http.NoBody))
	if rec.Code != http.StatusNotFound {
		t.Errorf("the status is %d, want 404", rec.Code)
	}
}

func TestTimesBreaksTheFirstRequestsOnly(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	fault := kalshiauthtest.Times(2, kalshiauthtest.Status(503))
	for range 2 { // intercepting anew counts anew
		srv.Intercept(fault)
		for _, status := range []int{503, 503, 200, 200} {
			wantStatus(t, login(t, srv, email, password), status)
		}
	}
	srv.Intercept(kalshiauthtest.Times(0, kalshiauthtest.Status(503)))
	wantStatus(t, login(t, srv, email, password), http.StatusOK)
	wantPanic(t, "Times", func() { kalshiauthtest.Times(-1, kalshiauthtest.Status(503)) })
}

func TestTimesCountsWhatComesToIt(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	fault := kalshiauthtest.Status(503)
	srv.Intercept(kalshiauthtest.On("Login", kalshiauthtest.Times(1, fault)))
	wantStatus(t, send(t, srv, "POST", "/log_out", ""), 401)
	wantStatus(t, login(t, srv, email, password), 503)
	wantStatus(t, login(t, srv, email, password), 200)

	srv.Intercept(kalshiauthtest.Times(1, kalshiauthtest.On("Login", fault)))
	wantStatus(t, send(t, srv, "POST", "/log_out", ""), 401)
	wantStatus(t, login(t, srv, email, password), 200)
}

func TestTimesIsExactForManyAtOnce(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	srv.Intercept(kalshiauthtest.Times(7, kalshiauthtest.Status(503)))
	var broken atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if login(t, srv, email, password).status == 503 {
				broken.Add(1)
			}
		})
	}
	wg.Wait()
	if got := broken.Load(); got != 7 {
		t.Errorf("%d requests were broken, want 7", got)
	}
}
