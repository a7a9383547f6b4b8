package kalshiauthtest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func TestLoginGivesTheTokenInBodyAndCookie(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t)
	got := login(t, srv, email, password)
	wantStatus(t, got, http.StatusOK)
	if ct := got.header.Values("Content-Type"); !reflect.DeepEqual(ct, []string{"application/json"}) {
		t.Errorf("the content type is %q, want application/json", ct)
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatal(err)
	}
	if body["user_id"] != user.ID || body["token"] == "" || body["access_level"] != "trading" {
		t.Errorf("the body is %v, want the user %s, a token and the access level trading", body, user.ID)
	}
	want := []string{fmt.Sprintf("sessions=%s; Path=/; HttpOnly; SameSite=Lax", body["token"])}
	if cookies := got.header.Values("Set-Cookie"); !reflect.DeepEqual(cookies, want) {
		t.Errorf("the cookies are %q, want %q", cookies, want)
	}
	wantSessions(t, srv, 1)
}

func TestTLSHasHTTP2AndASecureCookie(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t, kalshiauthtest.WithTLS())
	if !strings.HasPrefix(srv.URL, "https://") {
		t.Errorf("the URL is %s, want https", srv.URL)
	}
	got := login(t, srv, email, password)
	wantStatus(t, got, http.StatusOK)
	if got.proto != "HTTP/2.0" {
		t.Errorf("the answer came over %s, want HTTP/2", got.proto)
	}
	if cookie := got.header.Get("Set-Cookie"); !strings.HasSuffix(cookie, "; Path=/; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("the cookie is %q, want a secure one", cookie)
	}
}

func TestEmailIsMatchedInAnyCase(t *testing.T) {
	t.Parallel()
	srv := kalshiauthtest.NewServer()
	defer srv.Close()
	user := srv.AddUser("Trader@Example.com", password)
	if user.Email != "Trader@Example.com" {
		t.Errorf("the user's address is %s, want it as it was added", user.Email)
	}
	wantStatus(t, login(t, srv, "tRADER@example.COM", password), http.StatusOK)
	if mail := resetCode(t, srv, "TRADER@EXAMPLE.COM"); mail.UserID != user.ID {
		t.Errorf("the mail is %+v, want one to %s", mail, user.ID)
	}
}

func TestWrongPasswordIs401(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	wantError(t, login(t, srv, email, newPassword), http.StatusUnauthorized)
	wantSessions(t, srv, 0)
}

func TestUnknownEmailAndWrongPasswordAreTheSame(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	wrong, unknown := login(t, srv, email, newPassword), login(t, srv, "nobody@example.com", password)
	wantError(t, unknown, http.StatusUnauthorized)
	for _, differs := range []string{"Date", "X-Request-Id"} {
		wrong.header.Del(differs)
		unknown.header.Del(differs)
	}
	if fmt.Sprint(wrong) != fmt.Sprint(unknown) {
		t.Errorf("a wrong password is %v, and an unknown e-mail address %v", wrong, unknown)
	}
}

// A body that no operation takes, and one that is too long for any.
var malformed = map[string]string{
	"empty body":      ``,
	"no JSON":         `email=trader@example.com`,
	"cut JSON":        `{"email":"trader@example.com","password":"correct horse","user_id":"x"`,
	"null":            `null`,
	"array":           `[]`,
	"string":          `"trader@example.com"`,
	"no fields":       `{}`,
	"wrong type":      `{"email":1,"password":2}`,
	"trailing letter": `{"email":"trader@example.com","password":"correct horse"}x`,
	"trailing value":  `{"email":"trader@example.com","password":"correct horse"}{}`,
	"too long": `{"email":"trader@example.com","password":"correct horse","x":"` +
		strings.Repeat("x", 64<<10) + `"}`,
}

func TestMalformedLoginIs400(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"no password":        `{"email":"trader@example.com"}`,
		"no email":           `{"password":"correct horse"}`,
		"no e-mail address":  `{"email":"trader","password":"correct horse"}`,
		"e-mail with a name": `{"email":"Trader <trader@example.com>","password":"correct horse"}`,
		"e-mail in brackets": `{"email":"<trader@example.com>","password":"correct horse"}`,
		"short password":     `{"email":"trader@example.com","password":"` + short + `"}`,
		"long characters":    `{"email":"trader@example.com","password":"` + strings.Repeat("é", minPassword-1) + `"}`,
	}
	srv, _ := newServer(t)
	maps.Copy(cases, malformed)
	for name, body := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantError(t, send(t, srv, "POST", "/log_in", body, jsonType), http.StatusBadRequest)
		})
	}
}

func TestTheLengthOfAPasswordIsInCharacters(t *testing.T) {
	t.Parallel()
	srv := kalshiauthtest.NewServer()
	defer srv.Close()
	least := strings.Repeat("語", minPassword)
	srv.AddUser(email, least)
	wantStatus(t, login(t, srv, email, least), http.StatusOK)
}

func TestUnknownFieldsAreAccepted(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	body := `{"email":"trader@example.com","password":"correct horse","remember":{"me":true}}` + "\n"
	wantStatus(t, send(t, srv, "POST", "/log_in", body, jsonType), http.StatusOK)
}

func TestContentTypeMustBeJSON(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	body := `{"email":"trader@example.com","password":"correct horse"}`
	for header, status := range map[string]int{
		"Content-Type: application/json":                  200,
		"Content-Type: application/json; charset=utf-8":   200,
		"Content-Type: Application/JSON":                  200,
		"Content-Type: text/plain":                        400,
		"Content-Type: application/x-www-form-urlencoded": 400,
		"Content-Type: application/jsonp":                 400,
		"Content-Type: ;":                                 400,
		"X-No-Content-Type: at all":                       400,
	} {
		if got := send(t, srv, "POST", "/log_in", body, header); status == 200 {
			wantStatus(t, got, status)
		} else {
			wantError(t, got, status)
		}
	}
}

func TestSessionIsPresentedByCookieOrAuthorization(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t)
	whoami(srv)
	token := session(t, srv)
	const dead = "0123456789"
	cases := map[string]struct {
		headers []string
		alive   bool
	}{
		"cookie":                         {[]string{"Cookie: sessions=" + token}, true},
		"cookie beside others":           {[]string{"Cookie: a=b; sessions=" + token + "; c=d"}, true},
		"bare token":                     {[]string{"Authorization: " + token}, true},
		"Bearer":                         {[]string{"Authorization: Bearer " + token}, true},
		"another scheme":                 {[]string{"Authorization: KalshiToken " + token}, true},
		"both, the header's alive":       {[]string{"Authorization: " + token, "Cookie: sessions=" + dead}, true},
		"both, the cookie's alive":       {[]string{"Authorization: " + dead, "Cookie: sessions=" + token}, false},
		"nothing":                        {nil, false},
		"dead cookie":                    {[]string{"Cookie: sessions=" + dead}, false},
		"empty cookie":                   {[]string{"Cookie: sessions="}, false},
		"another cookie":                 {[]string{"Cookie: session=" + token}, false},
		"dead token":                     {[]string{"Authorization: Bearer " + dead}, false},
		"scheme without a token":         {[]string{"Authorization: Bearer"}, false},
		"more than a scheme and a token": {[]string{"Authorization: Bearer " + token + " x"}, false},
		"no token, but a cookie":         {[]string{"Authorization: a b c", "Cookie: sessions=" + token}, false},
		"token in another case":          {[]string{"Authorization: " + strings.ToLower(token)}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := send(t, srv, "GET", "/whoami", "", c.headers...)
			if !c.alive {
				wantError(t, got, http.StatusUnauthorized)
				wantError(t, send(t, srv, "POST", "/log_out", "", c.headers...), http.StatusUnauthorized)
				return
			}
			wantStatus(t, got, http.StatusOK)
			if got.body != user.ID+" true" {
				t.Errorf("the handler saw the user %q, want %s", got.body, user.ID)
			}
		})
	}
	wantSessions(t, srv, 1)
}

func TestLogoutEndsTheSessionThatIsPresented(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	whoami(srv)
	first, second, third := session(t, srv), session(t, srv), session(t, srv)
	wantSessions(t, srv, 3)
	for i, headers := range [][]string{
		{"Cookie: sessions=" + first},
		{"Authorization: " + second, "Cookie: sessions=" + third}, // the header decides
	} {
		wantEmpty(t, send(t, srv, "POST", "/log_out", "", headers...), http.StatusNoContent)
		wantSessions(t, srv, 2-i)
		wantError(t, send(t, srv, "GET", "/whoami", "", headers...), http.StatusUnauthorized)
		wantError(t, send(t, srv, "POST", "/log_out", "", headers...), http.StatusUnauthorized)
	}
	wantStatus(t, send(t, srv, "GET", "/whoami", "", "Cookie: sessions="+third), http.StatusOK)
}

func TestSessionEndsWithItsLifetime(t *testing.T) {
	t.Parallel()
	for lifetime, opts := range map[time.Duration][]kalshiauthtest.Option{
		30 * time.Minute: nil,
		time.Hour:        {kalshiauthtest.WithSessionLifetime(time.Hour)},
	} {
		clock := newClock()
		srv, _ := newServer(t, append(opts, kalshiauthtest.WithClock(clock.now))...)
		whoami(srv)
		cookie := "Cookie: sessions=" + session(t, srv)
		clock.advance(lifetime - 1)
		wantStatus(t, send(t, srv, "GET", "/whoami", "", cookie), http.StatusOK)
		wantSessions(t, srv, 1)
		clock.advance(1) // using it has not prolonged it
		wantSessions(t, srv, 0)
		clock.advance(1)
		wantSessions(t, srv, 0)
		wantError(t, send(t, srv, "GET", "/whoami", "", cookie), http.StatusUnauthorized)
		wantError(t, send(t, srv, "POST", "/log_out", "", cookie), http.StatusUnauthorized)
	}
}

func TestExpireSessionsEndsAll(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	whoami(srv)
	first, second := session(t, srv), session(t, srv)
	srv.ExpireSessions()
	wantSessions(t, srv, 0)
	for _, token := range []string{first, second} {
		wantError(t, send(t, srv, "GET", "/whoami", "", "Authorization: "+token), http.StatusUnauthorized)
	}
	wantStatus(t, send(t, srv, "GET", "/whoami", "", "Authorization: "+session(t, srv)), http.StatusOK)
}

func TestUsersHaveUUIDs(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t)
	other := srv.AddUser("other@example.com", password)
	for _, id := range []string{user.ID, other.ID} {
		if parsed, err := uuid.Parse(id); err != nil || parsed.String() != id {
			t.Errorf("the user ID is %q, want a UUID", id)
		}
	}
	if user.ID == other.ID {
		t.Error("two users have the same ID")
	}
}

func TestAddUserPanicsForWhatNobodyCanLogInWith(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	wantPanic(t, "already", func() { srv.AddUser("TRADER@example.com", password) })
	wantPanic(t, "not an e-mail address", func() { srv.AddUser("trader", password) })
	wantPanic(t, tooShort, func() { srv.AddUser("other@example.com", short) })
	wantStatus(t, login(t, srv, email, password), http.StatusOK)
}

func TestPrintingAServerShowsNoSecret(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	token, mail := session(t, srv), resetCode(t, srv, email)
	text := fmt.Sprintf("%v %+v %#v", srv, srv, srv)
	for _, secret := range []string{password, token, mail.Code} {
		if strings.Contains(text, secret) {
			t.Errorf("fmt shows %q", secret)
		}
	}
}

// clock is one that stands still until it is told otherwise.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.nanos.Store(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }
