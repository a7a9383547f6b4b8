package kalshiauth_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

func TestWrongInputIsNotSent(t *testing.T) {
	t.Parallel()
	client := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, kalshiauth.ErrInvalidInput) {
			t.Errorf("%s: %v, want ErrInvalidInput", what, err)
		}
	}
	for _, bad := range []string{
		"", "trader", "@example.com", "trader@", "Trader <trader@example.com>", " trader@example.com",
		"trader@example.com\n", "a@example.com,b@example.com", "trad\xffer@example.com", "a b@example.com", "a@b@example.com",
		".a@localhost", "a..b@localhost", "a.@localhost", "a b@localhost",
		".a@example.com", "a.@example.com", "a..b@example.com", "a@.example.com", "a@example.com.", "a@example..com", ".@.",
	} {
		_, err := client.Login(t.Context(), kalshiauth.Credentials{Email: bad, Password: password})
		check("Login with e-mail "+bad, err)
		check("ResetPassword with e-mail "+bad, client.ResetPassword(t.Context(), bad))
	}
	for _, bad := range []string{"", "12345", "äöüßé", password + "\xff"} {
		_, err := client.Login(t.Context(), kalshiauth.Credentials{Email: email, Password: bad})
		check("Login with password "+bad, err)
		confirm := confirmation
		confirm.NewPassword = bad
		check("ResetPasswordConfirm with password "+bad, client.ResetPasswordConfirm(t.Context(), confirm))
	}
	for _, bad := range []string{"", ".", ".."} {
		confirm := confirmation
		confirm.Code = bad
		check("ResetPasswordConfirm with code "+bad, client.ResetPasswordConfirm(t.Context(), confirm))
	}
	for _, bad := range []string{
		"", "42", userID + "0", "{" + userID + "}", "urn:uuid:" + userID, strings.ReplaceAll(userID, "-", ""),
		strings.Replace(userID, "6", "g", 1),
	} {
		confirm := confirmation
		confirm.UserID = bad
		check("ResetPasswordConfirm with user ID "+bad, client.ResetPasswordConfirm(t.Context(), confirm))
	}
}

func TestErrorsOfInputNameEachMistakeAndShowNoValue(t *testing.T) {
	t.Parallel()
	client := newClient(t)
	_, err := client.Login(t.Context(), kalshiauth.Credentials{Email: "hunter2", Password: "hunter2 and more"})
	if err == nil || err.Error() != "kalshiauth: Login: invalid input: the e-mail address is malformed: it must be like trader@example.com" {
		t.Error(err)
	}
	err = client.ResetPasswordConfirm(t.Context(), kalshiauth.PasswordResetConfirmation{UserID: "hunter2"})
	for _, want := range []string{"ResetPasswordConfirm", "code", "user ID", "password"} {
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error does not name the %s, or shows a value: %v", want, err)
		}
	}
}

func TestUnusualInputIsSentAsItIs(t *testing.T) {
	t.Parallel()
	for _, creds := range []kalshiauth.Credentials{
		{Email: `"john doe"@example.com`, Password: `<&>"\` + "\n\x00" + password},
		{Email: "o'neill+kalshi@sub.example.co.uk", Password: strings.Repeat(" ", 30)},
		{Email: "jürgen@例え.jp", Password: strings.Repeat("äöüßéñ😀", 4)},
	} {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			var got struct{ Email, Password string }
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
				t.Error(err)
			}
			if got.Email != creds.Email || got.Password != creds.Password {
				t.Errorf("the server got %q, want %q and %q", got, creds.Email, creds.Password)
			}
			reply(200, loginBody)(w, r)
		})
		if _, err := client.Login(t.Context(), creds); err != nil {
			t.Error(err)
		}
	}
}

func TestLoginTakesTheSessionFromCookieOrToken(t *testing.T) {
	t.Parallel()
	const noToken = `{"user_id":"` + userID + `","access_level":"trading"}`
	for name, test := range map[string]struct {
		body          string
		setCookie     []string
		cookie, token string // "": no session
	}{
		"both":                   {loginBody, []string{"sessions=c1; Path=/; HttpOnly"}, "c1", token},
		"token only":             {loginBody, nil, token, token},
		"cookie only":            {noToken, []string{"sessions=c1"}, "c1", "c1"},
		"null token":             {`{"user_id":"u","token":null}`, []string{"sessions=c1"}, "c1", "c1"},
		"neither":                {noToken, nil, "", ""},
		"cookie of another name": {noToken, []string{"session=c1", "Sessions=c1"}, "", ""},
		"empty cookie":           {noToken, []string{"sessions="}, "", ""},
		"empty cookie and token": {loginBody, []string{"sessions="}, token, token},
		"deleted by Max-Age":     {loginBody, []string{"sessions=c1; Max-Age=0"}, token, token},
		"deleted by Expires":     {loginBody, []string{"sessions=c1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"}, token, token},
		"set and deleted":        {noToken, []string{"sessions=c1", "sessions=; Max-Age=0"}, "", ""},
		"set twice":              {noToken, []string{"sessions=c1", "sessions=c2"}, "c2", "c2"},
		"of another host":        {loginBody, []string{"sessions=c1; Domain=example.com"}, token, token},
		"of a top-level domain":  {loginBody, []string{"sessions=c1; Domain=1"}, token, token},
		"of a part of the IP":    {loginBody, []string{"sessions=c1; Domain=0.0.1"}, token, token},
		"of this host":           {loginBody, []string{"sessions=c1; Domain=127.0.0.1"}, "c1", token},
		"of another host, then":  {noToken, []string{"sessions=c1", "sessions=c2; Domain=example.com"}, "c1", "c1"},
		"quoted":                 {noToken, []string{`sessions="c 1"`}, "c 1", "c 1"},
		"strange path":           {noToken, []string{"sessions=c1; Path=/\x80"}, "c1", "c1"},
		"token for no cookie":    {`{"user_id":"u","token":"a;b"}`, nil, "", ""},
		"no user_id":             {`{"token":"t"}`, []string{"sessions=c1"}, "", ""},
		"user_id of other form":  {`{"user_id":"u-1","token":"t"}`, nil, "t", "t"},
		"unknown fields":         {`{"user_id":"u","token":"t","x":{"y":[1]}}`, nil, "t", "t"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				for _, c := range test.setCookie {
					w.Header().Add("Set-Cookie", c)
				}
				reply(200, test.body)(w, r)
			})
			session, err := client.Login(t.Context(), credentials)
			if test.cookie == "" {
				if session != nil || !errors.Is(err, kalshiauth.ErrUnexpectedResponse) {
					t.Fatalf("Login = %v, %v; want ErrUnexpectedResponse", session, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c := session.Cookie(); c.Name != "sessions" || c.Value != test.cookie || session.Token() != test.token {
				t.Errorf("cookie %q, token %q; want %q, %q", c, session.Token(), test.cookie, test.token)
			}
			if !session.Valid() {
				t.Error("the session is not valid")
			}
		})
	}
}

func TestACookieOfTheParentDomainIsTheHosts(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{
		"kalshi.com": "c1", ".Kalshi.com": "c1", "trading-api.kalshi.com": "c1",
		"com": token, "ding-api.kalshi.com": token, "x.trading-api.kalshi.com": token,
	} {
		client := newClient(t, inMemory(reply(200, loginBody, "Set-Cookie: sessions=c1; Domain="+domain)))
		session, err := client.Login(t.Context(), credentials)
		if err != nil {
			t.Fatal(err)
		}
		if got := session.Cookie().Value; got != want {
			t.Errorf("Domain=%s: the cookie is %q, want %q", domain, got, want)
		}
	}
}

func TestExpiryIsReckonedByTheServersClock(t *testing.T) {
	t.Parallel()
	const thirty = 30 * time.Minute
	for name, test := range map[string]struct {
		serverClock time.Duration // ahead of ours
		attributes  func(serverNow time.Time) string
		want        time.Duration // 0: no Expiry
	}{
		"not said": {0, func(time.Time) string { return "" }, 0},
		"Max-Age":  {0, func(time.Time) string { return "; Max-Age=1800" }, thirty},
		"Max-Age before Expires": {0, func(now time.Time) string {
			return "; Max-Age=1800; Expires=" + now.Add(time.Hour).Format(http.TimeFormat)
		}, thirty},
		"Expires": {0, func(now time.Time) string { return "; Expires=" + now.Add(thirty).Format(http.TimeFormat) }, thirty},
		"Expires, server an hour ahead": {
			time.Hour, func(now time.Time) string { return "; Expires=" + now.Add(thirty).Format(http.TimeFormat) }, thirty,
		},
		"Expires, server an hour behind": {
			-time.Hour, func(now time.Time) string { return "; Expires=" + now.Add(thirty).Format(http.TimeFormat) }, thirty,
		},
		"Max-Age beyond all": {0, func(time.Time) string { return "; Max-Age=9223372036854775807" }, 400 * 24 * time.Hour},
		"Expires beyond all": {0, func(time.Time) string { return "; Expires=Fri, 31 Dec 9999 23:59:59 GMT" }, 400 * 24 * time.Hour},
		"unreadable Expires": {0, func(time.Time) string { return "; Expires=soon" }, 0},
	} {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			now := time.Now().Add(test.serverClock).UTC().Truncate(time.Second)
			w.Header().Set("Date", now.Format(http.TimeFormat))
			w.Header().Set("Set-Cookie", "sessions=c1"+test.attributes(now))
			reply(200, loginBody)(w, r)
		})
		session, err := client.Login(t.Context(), credentials)
		if err != nil {
			t.Fatal(err)
		}
		if session.Expiry.IsZero() != (test.want == 0) {
			t.Errorf("%s: Expiry %v", name, session.Expiry)
		}
		if off := time.Until(session.Expiry) - test.want; test.want != 0 && (off > 0 || off < -time.Minute) {
			t.Errorf("%s: Expiry is off by %v", name, off)
		}
	}
}

func TestAnAnswerWithoutDateIsReckonedByOurClock(t *testing.T) {
	t.Parallel()
	expires := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	client := newClient(t, inMemory(reply(200, loginBody, "Set-Cookie: sessions=c1; Expires="+expires)))
	session, err := client.Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(session.Expiry); left < 59*time.Minute || left > time.Hour {
		t.Errorf("the session has %v left", left)
	}
}

func TestLogoutNeedsASessionOfThisServer(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, reply(200, loginBody))
	theirs, err := elsewhere.Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	client := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	for name, session := range map[string]*kalshiauth.Session{
		"nil": nil, "zero": {}, "without token": kalshiauth.SessionFromToken(userID, ""),
		"token for no cookie": kalshiauth.SessionFromToken(userID, "a\nb"),
	} {
		if err := client.Logout(t.Context(), session); !errors.Is(err, kalshiauth.ErrNoSession) {
			t.Errorf("%s: %v, want ErrNoSession", name, err)
		}
	}
	err = client.Logout(t.Context(), theirs)
	if !errors.Is(err, kalshiauth.ErrInvalidInput) || !strings.Contains(err.Error(), client.BaseURL()) ||
		!strings.Contains(err.Error(), elsewhere.BaseURL()) {
		t.Errorf("a session of another server: %v", err)
	}
}
