package kalshiauthtest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func TestSetPasswordEndsWhatTheOldOneGranted(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t)
	other := srv.AddUser("other@example.com", password)
	session(t, srv)
	wantStatus(t, login(t, srv, other.Email, password), http.StatusOK)
	code := resetCode(t, srv, email).Code
	srv.SetPassword("TRADER@example.com", newPassword)
	wantSessions(t, srv, 1) // the other user's
	wantError(t, login(t, srv, email, password), http.StatusUnauthorized)
	wantStatus(t, login(t, srv, email, newPassword), http.StatusOK)
	wantError(t, confirm(t, srv, code, user.ID, password), http.StatusBadRequest)
	wantPanic(t, "no account", func() { srv.SetPassword("nobody@example.com", newPassword) })
	wantPanic(t, tooShort, func() { srv.SetPassword(email, short) })
	wantStatus(t, login(t, srv, email, newPassword), http.StatusOK)
}

func TestLockForbidsLogins(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t)
	srv.AddUser("other@example.com", password)
	token := session(t, srv)
	wantStatus(t, login(t, srv, "other@example.com", password), http.StatusOK)
	srv.Lock("Trader@Example.com")
	wantSessions(t, srv, 1) // the other user's
	wantError(t, send(t, srv, "POST", "/log_out", "", "Authorization: "+token), http.StatusUnauthorized)
	wantError(t, login(t, srv, email, password), http.StatusForbidden)
	wantError(t, login(t, srv, email, newPassword), http.StatusUnauthorized)
	wantStatus(t, confirm(t, srv, resetCode(t, srv, email).Code, user.ID, newPassword), http.StatusNoContent)
	wantError(t, login(t, srv, email, newPassword), http.StatusForbidden)
	wantStatus(t, login(t, srv, "other@example.com", password), http.StatusOK)
	wantPanic(t, "no account", func() { srv.Lock("nobody@example.com") })
}

func TestExpireSessionsOfEndsThoseOfOneAccount(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	srv.AddUser("other@example.com", password)
	session(t, srv)
	session(t, srv)
	wantStatus(t, login(t, srv, "other@example.com", password), http.StatusOK)
	srv.ExpireSessionsOf("TRADER@example.com")
	wantSessions(t, srv, 1)
	wantStatus(t, login(t, srv, email, password), http.StatusOK)
	wantPanic(t, "no account", func() { srv.ExpireSessionsOf("nobody@example.com") })
}

func TestResetLeavesOptionsAndHandlers(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t, kalshiauthtest.WithPathPrefix("/v1"))
	whoami(srv)
	url, token, code := srv.URL, session(t, srv), resetCode(t, srv, email).Code
	srv.Intercept(kalshiauthtest.Status(500))
	srv.Reset()
	if len(srv.Outbox()) != 0 || len(srv.RequestLog()) != 0 || srv.Requests("Login") != 0 || srv.URL != url {
		t.Errorf("the server is not as it was made: %v %v %s", srv.Outbox(), srv.RequestLog(), srv.URL)
	}
	wantSessions(t, srv, 0)
	wantError(t, send(t, srv, "GET", "/whoami", "", "Authorization: "+token), http.StatusUnauthorized)
	wantError(t, login(t, srv, email, password), http.StatusUnauthorized)
	wantError(t, confirm(t, srv, code, user.ID, newPassword), http.StatusBadRequest)
	again := srv.AddUser(email, password)
	got := send(t, srv, "GET", "/whoami", "", "Authorization: "+session(t, srv))
	if want := fmt.Sprint(again.ID, " true"); got.body != want {
		t.Errorf("the handler says %q, want %q", got.body, want)
	}
}
