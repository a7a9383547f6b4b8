package kalshiauthtest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func TestUsersAreListedInTheirOrder(t *testing.T) {
	t.Parallel()
	const id = "4D519708-24e1-4eaf-a0bd-d1cc3689779d"
	srv, first := newServer(t)
	second := srv.AddUserWithID(id, "a@example.com", password)
	if want := strings.ToLower(id); second.ID != want || second.Email != "a@example.com" {
		t.Errorf("the user is %+v, want one with the ID %s", second, want)
	}
	if got, want := srv.Users(), []kalshiauthtest.User{first, second}; !reflect.DeepEqual(got, want) {
		t.Errorf("the users are %v, want %v", got, want)
	}
	wantStatus(t, login(t, srv, "a@example.com", password), http.StatusOK)
	for _, wrong := range []string{"", "7", "{" + id + "}", strings.ReplaceAll(id, "-", "")} {
		wantPanic(t, "not a UUID", func() { srv.AddUserWithID(wrong, "b@example.com", password) })
	}
	wantPanic(t, "another user has the ID", func() { srv.AddUserWithID(id, "b@example.com", password) })
	wantPanic(t, "has an account already", func() { srv.AddUserWithID(second.ID, "A@example.com", password) })
	wantPanic(t, "at least", func() { srv.AddUserWithID(first.ID, "b@example.com", short) })
	srv.Reset()
	if got := srv.Users(); len(got) != 0 {
		t.Errorf("the users are %v after a reset", got)
	}
	srv.AddUserWithID(id, "b@example.com", password)
}

func TestSessionListHasNoSecretAndNoEndedSession(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv, user := newServer(t, kalshiauthtest.WithClock(clock.now))
	other := srv.AddUser("a@example.com", password)
	begin := clock.now()
	tokens := []string{session(t, srv)}
	clock.advance(time.Minute)
	wantStatus(t, login(t, srv, other.Email, password), http.StatusOK)
	want := []kalshiauthtest.Session{
		{User: user, IssuedAt: begin, Expiry: begin.Add(30 * time.Minute)},
		{User: other, IssuedAt: begin.Add(time.Minute), Expiry: begin.Add(31 * time.Minute)},
	}
	if got := srv.SessionList(); !reflect.DeepEqual(got, want) {
		t.Errorf("the sessions are %v, want %v", got, want)
	}
	if text := fmt.Sprintf("%+v", srv.SessionList()); strings.Contains(text, tokens[0]) {
		t.Errorf("the list shows a token: %s", text)
	}
	clock.advance(29 * time.Minute)
	if got := srv.SessionList(); !reflect.DeepEqual(got, want[1:]) {
		t.Errorf("the sessions are %v, want %v", got, want[1:])
	}
	srv.ExpireSessions()
	if got := srv.SessionList(); len(got) != 0 {
		t.Errorf("the sessions are %v, want none", got)
	}
}

func TestUnlockLetsTheUserLogInAgain(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	srv.Lock(email)
	if !srv.Locked(strings.ToUpper(email)) || srv.Locked("nobody@example.com") {
		t.Error("Locked does not tell which account is locked")
	}
	wantError(t, login(t, srv, email, password), http.StatusForbidden)
	srv.Unlock(email)
	if srv.Locked(email) {
		t.Error("the account is still locked")
	}
	wantStatus(t, login(t, srv, email, password), http.StatusOK)
	wantPanic(t, "no account", func() { srv.Unlock("nobody@example.com") })
}

func TestClearOutboxKeepsTheCodes(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t)
	mail := resetCode(t, srv, email)
	srv.ClearOutbox()
	if got := srv.Outbox(); len(got) != 0 {
		t.Errorf("the outbox is %v, want none", got)
	}
	wantEmpty(t, confirm(t, srv, mail.Code, user.ID, newPassword), http.StatusNoContent)
}

func TestClearRequestLogClearsTheCounts(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	session(t, srv)
	srv.ClearRequestLog()
	if log, count := srv.RequestLog(), srv.Requests("Login"); len(log) != 0 || count != 0 {
		t.Errorf("the log has %d requests and counts %d, want none", len(log), count)
	}
	wantSessions(t, srv, 1)
}

func TestWithResetPageSetsTheLink(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"http://localhost:3000/new-password", "http://localhost:3000/new-password/"} {
		srv, user := newServer(t, kalshiauthtest.WithResetPage(page))
		mail := resetCode(t, srv, email)
		if want := "http://localhost:3000/new-password/" + mail.Code + "?user_id=" + user.ID; mail.Link != want {
			t.Errorf("the link is %s, want %s", mail.Link, want)
		}
	}
	for _, wrong := range []string{"", "/reset", "ftp://example.com", "http://", "http://example.com/?a", "http://example.com/#", ":"} {
		wantPanic(t, "WithResetPage", func() { kalshiauthtest.WithResetPage(wrong) })
	}
}

func TestTheCookieIsNoneWithTLSOnly(t *testing.T) {
	t.Parallel()
	for want, opts := range map[string][]kalshiauthtest.Option{
		"; SameSite=None":   {kalshiauthtest.WithCookieSameSite(http.SameSiteNoneMode), kalshiauthtest.WithTLS()},
		"; SameSite=Lax":    {kalshiauthtest.WithCookieSameSite(http.SameSiteNoneMode)},
		"; SameSite=Strict": {kalshiauthtest.WithCookieSameSite(http.SameSiteStrictMode)},
	} {
		srv, _ := newServer(t, opts...)
		if cookie := login(t, srv, email, password).header.Get("Set-Cookie"); !strings.HasSuffix(cookie, want) {
			t.Errorf("the cookie is %q, want %q", cookie, want)
		}
	}
	for _, wrong := range []http.SameSite{0, http.SameSiteDefaultMode, 9} {
		wantPanic(t, "WithCookieSameSite", func() { kalshiauthtest.WithCookieSameSite(wrong) })
	}
}

func TestWriteErrorIsAnErrorOfTheAPI(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	srv.Handle("/teapot", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		kalshiauthtest.WriteError(w, 418, "teapot", "This is a teapot.", "Use a coffee machine.")
	}))
	got := send(t, srv, "GET", "/teapot", "", "Authorization: "+session(t, srv))
	wantError(t, got, 418)
	if got.header.Get("details") != "Use a coffee machine." {
		t.Errorf("the headers are %v", got.header)
	}
	wantPanic(t, "WriteError", func() { kalshiauthtest.WriteError(httptest.NewRecorder(), 200, "", "", "") })
}

func TestOnPathBreaksPathsThatNothingServes(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]kalshiauthtest.Option{nil, {kalshiauthtest.WithPathPrefix("/v1")}} {
		srv, _ := newServer(t, opts...)
		for pattern, paths := range map[string]map[string]bool{
			"/portfolio/{rest...}":            {"GET /portfolio/x/y": true, "PUT /portfolio/": true, "GET /markets": false},
			"POST /log_in":                    {"POST /log_in": true, "GET /log_in": false, "POST /log_out": false},
			"/passwords/reset/{code}/confirm": {"PUT /passwords/reset/a%2Fb/confirm": true, "PUT /passwords/reset/a/b/confirm": false},
			"/v1/log_in":                      {"POST /log_in": false, "POST /v1/log_in": true},
		} {
			srv.Intercept(kalshiauthtest.OnPath(pattern, kalshiauthtest.Status(599)))
			for request, broken := range paths {
				method, path, _ := strings.Cut(request, " ")
				if got := send(t, srv, method, path, "", jsonType); (got.status == 599) != broken {
					t.Errorf("%v: with %s broken, %s is %d", opts, pattern, request, got.status)
				}
			}
		}
	}
	wantPanic(t, "not a pattern", func() { kalshiauthtest.OnPath("Login", kalshiauthtest.Status(500)) })
	rec := httptest.NewRecorder()
	outside := kalshiauthtest.OnPath("/", kalshiauthtest.Status(500))(http.NotFoundHandler())
	outside.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/", http.NoBody))
	if rec.Code != http.StatusNotFound {
		t.Errorf("the status outside a server is %d, want 404", rec.Code)
	}
}
