package kalshiauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

func TestValidNeedsASecretAndTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		session := kalshiauth.SessionFromToken(userID, token)
		if !session.Valid() {
			t.Error("a session without Expiry is not valid")
		}
		session.Expiry = time.Now().Add(time.Minute)
		time.Sleep(time.Minute - time.Nanosecond)
		if !session.Valid() {
			t.Error("a session before its Expiry is not valid")
		}
		time.Sleep(time.Nanosecond)
		if session.Valid() {
			t.Error("a session at its Expiry is valid")
		}
	})
	for name, session := range map[string]*kalshiauth.Session{
		"nil": nil, "zero": {UserID: userID}, "no token": kalshiauth.SessionFromToken(userID, ""),
		"LF": kalshiauth.SessionFromToken(userID, "a\n"), "semicolon": kalshiauth.SessionFromToken(userID, "a;b"),
	} {
		if session.Valid() || session.Cookie() != nil {
			t.Errorf("%s: the session is valid, or has a cookie", name)
		}
	}
}

func TestApplyAddsTheCookieBesideTheCallersOwn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		had  []string
		want string
	}{
		"none":            {nil, "sessions=" + token},
		"some":            {[]string{"a=1; b=2", "c=3"}, "a=1; b=2; c=3; sessions=" + token},
		"an old session":  {[]string{"a=1; sessions=old; b=2"}, "a=1; b=2; sessions=" + token},
		"a similar name":  {[]string{"sessions2=x;mysessions=y"}, "sessions2=x; mysessions=y; sessions=" + token},
		"only separators": {[]string{"; ;"}, "sessions=" + token},
	} {
		req := &http.Request{}
		if test.had != nil {
			req.Header = http.Header{"Cookie": test.had}
		}
		session := kalshiauth.SessionFromToken(userID, token)
		session.Apply(req)
		session.Apply(req) // twice is as good as once
		if got := req.Header["Cookie"]; len(got) != 1 || got[0] != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	req := &http.Request{}
	(*kalshiauth.Session)(nil).Apply(req)
	(&kalshiauth.Session{}).Apply(req)
	if req.Header != nil {
		t.Errorf("a session without a secret added %v", req.Header)
	}
}

func TestCookieIsACopyWithTheServersAttributes(t *testing.T) {
	t.Parallel()
	client := serve(t, reply(200, loginBody, "Set-Cookie: sessions=c1; Path=/v1; HttpOnly; SameSite=Lax"))
	session, err := client.Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	const want = "sessions=c1; Path=/v1; HttpOnly; SameSite=Lax"
	for range 2 {
		cookie := session.Cookie()
		if got := cookie.String(); got != want || cookie.Raw != "" {
			t.Errorf("the cookie is %q, want %q", got, want)
		}
		cookie.Value = "changed"
	}
}

func TestExportAndImportKeepASession(t *testing.T) {
	t.Parallel()
	client := serve(t, reply(200, loginBody, "Set-Cookie: sessions=c1; Max-Age=1800; Path=/; HttpOnly"))
	fresh, err := client.Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := serve(t, reply(200, loginBody, `Set-Cookie: sessions="a b"`)).Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	for _, session := range []*kalshiauth.Session{fresh, quoted, kalshiauth.SessionFromToken(userID, token)} {
		data, err := session.Export()
		if err != nil {
			t.Fatal(err)
		}
		got, err := kalshiauth.ImportSession(data)
		if err != nil {
			t.Fatal(err)
		}
		if got.UserID != session.UserID || got.AccessLevel != session.AccessLevel || !got.Expiry.Equal(session.Expiry) ||
			got.Token() != session.Token() || got.Cookie().String() != session.Cookie().String() {
			t.Errorf("imported %s", data)
		}
		if got.Cookie().Raw != "" {
			t.Error("the cookie has what it was read from")
		}
		again, err := got.Export()
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("exported again as %s, was %s", again, data)
		}
	}
	elsewhere := newClient(t)
	data, _ := fresh.Export()
	imported, err := kalshiauth.ImportSession(data)
	if err != nil {
		t.Fatal(err)
	}
	err = elsewhere.Logout(t.Context(), imported)
	if !errors.Is(err, kalshiauth.ErrInvalidInput) || !strings.Contains(err.Error(), client.BaseURL()) {
		t.Errorf("an imported session used for another server: %v", err)
	}
}

func TestExportNeedsASecret(t *testing.T) {
	t.Parallel()
	for _, session := range []*kalshiauth.Session{nil, {}, kalshiauth.SessionFromToken(userID, "")} {
		if data, err := session.Export(); data != nil || !errors.Is(err, kalshiauth.ErrNoSession) {
			t.Errorf("Export = %s, %v; want ErrNoSession", data, err)
		}
	}
	late := kalshiauth.SessionFromToken(userID, token)
	late.Expiry = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := late.Export(); err == nil {
		t.Error("a year that JSON cannot hold was exported")
	}
}

func TestImportRefusesWhatIsNotASession(t *testing.T) {
	t.Parallel()
	data, err := kalshiauth.SessionFromToken(userID, token).Export()
	if err != nil {
		t.Fatal(err)
	}
	with := func(field string, value any) string {
		var m map[string]any
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		m[field] = value
		changed, _ := json.Marshal(m)
		return string(changed)
	}
	for name, data := range map[string]string{
		"empty": "", "not JSON": token, "an array": "[]", "null": "null", "cut": string(data[:len(data)-2]),
		"trailing data": string(data) + "{}", "no version": with("version", 0), "negative version": with("version", -1),
		"newer version": with("version", 2), "no token": with("token", ""), "no cookie": with("cookie", ""),
		"token of another type": with("token", 12345), "another cookie": with("cookie", "a=b"),
		"a cookie for nobody": with("cookie", "sessions="), "a bad expiry": with("expiry", token),
	} {
		session, err := kalshiauth.ImportSession([]byte(data))
		if session != nil || !errors.Is(err, kalshiauth.ErrInvalidInput) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: ImportSession = %v, %v; want ErrInvalidInput without the data", name, session, err)
		}
	}
	_, err = kalshiauth.ImportSession([]byte(with("version", 2)))
	if !strings.Contains(err.Error(), "update kalshiauth-go") {
		t.Errorf("a newer version: %v", err)
	}
	if _, err := kalshiauth.ImportSession([]byte(with("unknown", "field"))); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
}
