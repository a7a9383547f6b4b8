package kalshiauthtest_test

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func TestRequestsAreCountedByOperationAndPattern(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]kalshiauthtest.Option{nil, {kalshiauthtest.WithPathPrefix("/v1")}} {
		srv, _ := newServer(t, opts...)
		whoami(srv)
		session(t, srv)
		send(t, srv, "GET", "/whoami", "")
		send(t, srv, "GET", "/nothing", "")
		send(t, srv, "GET", "/log_in", "")
		srv.Intercept(kalshiauthtest.Status(500))
		login(t, srv, email, password)
		for target, want := range map[string]int{"Login": 2, "Logout": 0, "GET /whoami": 1, "GET   /whoami": 1} {
			if got := srv.Requests(target); got != want {
				t.Errorf("%d requests came for %s, want %d", got, target, want)
			}
		}
		wantPanic(t, "no such operation", func() { srv.Requests("Signup") })
		wantPanic(t, "no such pattern", func() { srv.Requests("POST /whoami") })
		wantPanic(t, "not a pattern", func() { srv.Requests("GET example.com/") })
	}
}

func TestRequestLogSaysWhatCame(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv, _ := newServer(t, kalshiauthtest.WithClock(clock.now), kalshiauthtest.WithPathPrefix("/v1"))
	whoami(srv)
	got := send(t, srv, "POST", "/passwords/reset?a=b", `{"email":"trader@example.com","n":1}`, jsonType, "X-Test: yes")
	clock.advance(time.Second)
	send(t, srv, "GET", "/whoami", "")
	send(t, srv, "PUT", "/no%20thing", "")
	requests := srv.RequestLog()
	if len(requests) != 3 {
		t.Fatalf("the log is %+v, want three requests", requests)
	}
	first := requests[0]
	if first.ID == "" || first.ID != got.header.Get("X-Request-Id") || first.Header.Get("X-Test") != "yes" {
		t.Errorf("the first request is %+v, want the ID %s", first, got.header.Get("X-Request-Id"))
	}
	for i := range requests {
		requests[i].ID, requests[i].Header = "", nil
	}
	want := []kalshiauthtest.Request{
		{
			Time: clock.now().Add(-time.Second), Method: "POST", Path: "/v1/passwords/reset", Query: "a=b",
			Operation: "ResetPassword", Status: 202, Body: `{"email":"trader@example.com","n":1}`,
		},
		{Time: clock.now(), Method: "GET", Path: "/v1/whoami", Operation: "GET /whoami", Status: 401},
		{Time: clock.now(), Method: "PUT", Path: "/v1/no%20thing", Status: 404},
	}
	if !reflect.DeepEqual(requests, want) {
		t.Errorf("the log is %+v, want %+v", requests, want)
	}
}

func TestRequestLogShowsNoSecret(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t)
	srv.Handle("/echo/{x}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	token := session(t, srv)
	login(t, srv, email, "a wrong password")
	code := resetCode(t, srv, email).Code
	confirm(t, srv, code, user.ID, short)
	confirm(t, srv, "4fzyo82myh", user.ID, newPassword)
	auth := "Authorization: Bearer " + token
	send(t, srv, "POST", "/echo/"+token+"?t="+token+"&password=other-secret", `["`+code+`"]`, auth, "X-Token: "+token)
	send(t, srv, "POST", "/echo/correct%2520horse", "x=correct+horse", auth, "X-Test: a correct horse")
	send(t, srv, "POST", "/nothing/"+code, "", "Cookie: other=cookie-value; sessions="+token)
	confirm(t, srv, code, user.ID, newPassword)
	send(t, srv, "POST", "/log_out", "", "Cookie: sessions=another-token", "Authorization: a-third-token")
	text := fmt.Sprintf("%+v", srv.RequestLog())
	for _, secret := range []string{
		password, newPassword, "correct+horse", "correct%2520horse", short, token, code, "a wrong password", "4fzyo82myh",
		"other-secret", "cookie-value", "another-token", "a-third-token",
	} {
		if strings.Contains(text, secret) {
			t.Errorf("the log shows %q: %s", secret, text)
		}
	}
	for _, shown := range []string{
		"/passwords/reset/[redacted]/confirm", `{"email":"trader@example.com","password":"[redacted]"}`, user.ID,
		"/echo/[redacted]", "t=[redacted]&password=[redacted]",
	} {
		if !strings.Contains(text, shown) {
			t.Errorf("the log does not show %q: %s", shown, text)
		}
	}
}

func TestAHandlerMayHijackAConnection(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	srv.Handle("GET /upgrade", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil { // the server does not listen
			w.WriteHeader(http.StatusNotImplemented)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
		_ = conn.Close()
	}))
	token := session(t, srv)
	for want, transport := range map[int]http.RoundTripper{101: srv.Client().Transport, 501: srv.Transport()} {
		req := newRequest(t, "GET", srv.URL+"/upgrade", nil)
		req.Header.Set("Authorization", token)
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		requests := srv.RequestLog()
		if logged := requests[len(requests)-1].Status; resp.StatusCode != want || logged != want {
			t.Errorf("the answer is %d, and in the log %d, want %d", resp.StatusCode, logged, want)
		}
	}
}

func TestRequestLogKeepsTheLastThousand(t *testing.T) {
	t.Parallel()
	srv := kalshiauthtest.NewUnstartedServer()
	client := &http.Client{Transport: srv.Transport()}
	for i := range 1002 {
		resp, err := client.Do(newRequest(t, "GET", fmt.Sprintf("http://kalshi.example/%d", i), nil))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	requests := srv.RequestLog()
	if len(requests) != 1000 || requests[0].Path != "/2" || requests[999].Path != "/1001" {
		t.Errorf("%d requests are logged, from %s", len(requests), requests[0].Path)
	}
}

func TestRequestLogKeepsSixtyFourKiBOfABody(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	srv.Handle("/sink", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	send(t, srv, "POST", "/sink", strings.Repeat("x", 70_000), "Authorization: "+session(t, srv))
	if got := len(srv.RequestLog()[1].Body); got != 64<<10 {
		t.Errorf("%d bytes are logged, want 64 KiB", got)
	}
}

func TestEveryAnswerHasItsOwnID(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	var ids []string
	for _, fault := range []middleware{nil, kalshiauthtest.Status(500), kalshiauthtest.HTML(200), kalshiauthtest.Garbage()} {
		srv.Intercept(fault)
		ids = append(ids, login(t, srv, email, password).header.Get("X-Request-Id"))
	}
	slices.Sort(ids)
	if ids[0] == "" || len(slices.Compact(ids)) != 4 {
		t.Errorf("the IDs are %q, want four", ids)
	}
}

func TestAMiddlewareMayFlush(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	srv.Intercept(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Errorf("the connection is hidden: %v", err)
			}
			_, _ = io.WriteString(w, r.URL.Path)
		})
	})
	if got := send(t, srv, "GET", "/x", ""); got.body != "/x" {
		t.Errorf("the body is %q", got.body)
	}
	if status := srv.RequestLog()[0].Status; status != 200 {
		t.Errorf("the log has the status %d, want 200", status)
	}
}
