package kalshiauthtest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func TestUnknownPathIs404(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	for _, path := range []string{
		"", "/", "/login", "/log_in/", "/v1/log_in", "//log_in", "/x/../log_in", "/passwords/reset//confirm",
		"/passwords/reset/../confirm", "/passwords/reset/code",
	} {
		t.Run(path, func(t *testing.T) {
			got := send(t, srv, "POST", path, "", jsonType)
			wantError(t, got, http.StatusNotFound)
			if got.header.Get("Location") != "" {
				t.Error("the answer is a redirect")
			}
		})
	}
}

func TestWrongMethodIs405(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	whoami(srv)
	for path, allow := range map[string]string{
		"/log_in": "POST", "/log_out": "POST", "/passwords/reset": "POST", "/passwords/reset/code/confirm": "PUT",
		"/whoami": "GET, HEAD",
	} {
		got := send(t, srv, "DELETE", path, "")
		wantError(t, got, http.StatusMethodNotAllowed)
		if got.header.Get("Allow") != allow {
			t.Errorf("%s allows %q, want %q", path, got.header.Get("Allow"), allow)
		}
	}
}

func TestPathPrefixIsInFrontOfEverything(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t, kalshiauthtest.WithPathPrefix("/trade-api/v1"))
	if !strings.HasSuffix(srv.URL, "/trade-api/v1") {
		t.Errorf("the URL is %s, want one with the prefix", srv.URL)
	}
	whoami(srv)
	token := session(t, srv)
	wantStatus(t, send(t, srv, "GET", "/whoami", "", "Authorization: "+token), http.StatusOK)
	wantStatus(t, confirm(t, srv, resetCode(t, srv, email).Code, user.ID, newPassword), http.StatusNoContent)

	srv.URL = strings.TrimSuffix(srv.URL, "/trade-api/v1")
	wantError(t, login(t, srv, email, password), http.StatusNotFound)
	wantError(t, send(t, srv, "GET", "/whoami", "", "Authorization: "+token), http.StatusNotFound)
}

func TestHandleTakesPatternsOfServeMux(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	token := "Authorization: " + session(t, srv)
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s", r.Method, r.PathValue("id"))
	})
	srv.Handle("GET /users/{id}/balance", echo)
	srv.Handle("/any", echo)
	srv.Handle("DELETE   /spaces", echo)
	for request, want := range map[string]string{
		"GET /users/7/balance": "GET 7", "POST /any": "POST ", "GET /any": "GET ", "DELETE /spaces": "DELETE ",
	} {
		method, path, _ := strings.Cut(request, " ")
		got := send(t, srv, method, path, "", token)
		wantStatus(t, got, http.StatusOK)
		if got.body != want {
			t.Errorf("%s is %q, want %q", request, got.body, want)
		}
		wantError(t, send(t, srv, method, path, ""), http.StatusUnauthorized)
	}
}

func TestHandlePanicsForAWrongPattern(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	whoami(srv)
	wantPanic(t, "not a pattern", func() { srv.Handle("GET example.com/x", http.NotFoundHandler()) })
	wantPanic(t, "not a pattern", func() { srv.Handle("", http.NotFoundHandler()) })
	wantPanic(t, "not a pattern", func() { srv.Handle("GET /{x", http.NotFoundHandler()) })
	wantPanic(t, "handler is nil", func() { srv.Handle("/x", nil) })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a pattern that is taken does not panic")
			}
		}()
		whoami(srv)
	}()
	wantStatus(t, send(t, srv, "GET", "/whoami", "", "Authorization: "+session(t, srv)), http.StatusOK)
}

func TestUserFromContextKnowsNobodyElsewhere(t *testing.T) {
	t.Parallel()
	if user, ok := kalshiauthtest.UserFromContext(t.Context()); ok {
		t.Errorf("the user is %v, want none", user)
	}
}

func TestWrongOptionsPanic(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"v1", "/", "/v1/", "//v1", "/v1/../v2", "/{x}", "/a b", "/v1?x", "/é"} {
		wantPanic(t, "WithPathPrefix", func() { kalshiauthtest.WithPathPrefix(prefix) })
	}
	wantPanic(t, "WithSessionLifetime", func() { kalshiauthtest.WithSessionLifetime(0) })
	wantPanic(t, "WithCodeLifetime", func() { kalshiauthtest.WithCodeLifetime(-time.Second) })
	wantPanic(t, "WithClock", func() { kalshiauthtest.WithClock(nil) })
	wantPanic(t, "WithMailer", func() { kalshiauthtest.WithMailer(nil) })
}

func TestUnstartedServerIsServedByTheCaller(t *testing.T) {
	t.Parallel()
	srv := kalshiauthtest.NewUnstartedServer(kalshiauthtest.WithPathPrefix("/v1"))
	if srv.URL != "" || srv.Client() != nil {
		t.Errorf("the server has the URL %q and the client %v, want none", srv.URL, srv.Client())
	}
	srv.AddUser(email, password)
	listener := httptest.NewUnstartedServer(srv.Handler())
	listener.EnableHTTP2 = true
	listener.StartTLS()
	defer listener.Close()
	body := strings.NewReader(`{"email":"trader@example.com","password":"correct horse"}`)
	req, err := http.NewRequestWithContext(t.Context(), "POST", listener.URL+"/v1/log_in", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := listener.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("the answer is %s %s, want 200 over HTTP/2", resp.Proto, resp.Status)
	}
	srv.Close()
	srv.Close()
}

// A transport in memory hands over a client's request, which may have no body.
func TestHandlerTakesARequestWithoutBody(t *testing.T) {
	t.Parallel()
	srv := kalshiauthtest.NewUnstartedServer()
	for _, path := range []string{"/log_in", "/log_out"} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://kalshi.example"+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Body = nil
		req.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		srv.Handler().ServeHTTP(rec, req)
		if rec.Code != 400 && rec.Code != 401 {
			t.Errorf("%s without a body is %d", path, rec.Code)
		}
	}
}

func TestCloseCanBeRepeated(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	srv.Close()
	srv.Close()
	if _, err := try(t, srv, "POST", "/log_in", "", jsonType); err == nil {
		t.Error("a closed server answers")
	}
}

func TestCloseDoesNotWaitForAHandlerThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	begun := make(chan struct{})
	srv.Handle("/stream", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	}))
	token := session(t, srv)
	failed := make(chan error)
	go func() {
		_, err := try(t, srv, "GET", "/stream", "", "Authorization: "+token)
		failed <- err
	}()
	<-begun
	srv.Close()
	if err := <-failed; err == nil {
		t.Error("the handler answered")
	}
}

func TestManyGoroutinesUseAServerWhileItIsChanged(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	whoami(srv)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			path := fmt.Sprintf("/mounted/%d", i)
			srv.Handle(path, http.NotFoundHandler())
			srv.Intercept(kalshiauthtest.On("ResetPasswordConfirm", kalshiauthtest.Status(500)))
			token := "Cookie: sessions=" + session(t, srv)
			for range 5 {
				wantStatus(t, send(t, srv, "GET", "/whoami", "", token), http.StatusOK)
			}
			wantStatus(t, send(t, srv, "GET", path, "", token), http.StatusNotFound)
			resetCode(t, srv, email)
			srv.Sessions()
			srv.Intercept(nil)
			wantStatus(t, send(t, srv, "POST", "/log_out", "", token), http.StatusNoContent)
			srv.AddUser(fmt.Sprintf("user%d@example.com", i), password)
		})
	}
	wg.Wait()
	wantSessions(t, srv, 0)
	if mails := len(srv.Outbox()); mails != 100 {
		t.Errorf("%d mails were sent, want 100", mails)
	}
}
