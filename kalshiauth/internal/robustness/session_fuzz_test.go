package robustness_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

func FuzzCookie(f *testing.F) {
	for _, lines := range []string{
		"", "sessions=abc", "sessions={secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age=1800", "sessions=\"a b\"",
		"sessions=a; Domain=example.com\nsessions=b; Domain=evil.com", "sessions=a; Domain=.api.example.com; Secure",
		"sessions=a; Domain=com", "sessions=a; Max-Age=0", "sessions=a\nsessions=; Max-Age=-1", "other=1\nsessions2=2",
		"sessions=a; Expires=Mon, 02 Jan 2006 16:04:05 GMT", "sessions=a; Expires=Fri, 31 Dec 9999 23:59:59 GMT",
		"sessions=a; Max-Age=99999999999999999999", "sessions=a; Max-Age=100000000", "sessions=a; Max-Age=9223372036854775807", "sessions=a,b c",
		"sessions=a\r\nX: y", "sessions", "=a", "Sessions=a; Unknown=1", `sessions="`,
		"sessions=ä", "sessions=a; Secure; secure; Path=/a; Path=/b",
	} {
		f.Add(lines, "")
		f.Add(lines, "Mon, 02 Jan 2006 15:04:05 GMT")
	}
	f.Fuzz(func(t *testing.T, lines, date string) {
		t.Parallel()
		secret := canary + "Cookie"
		header := "Content-Type: application/json\nDate: " + strings.ReplaceAll(date, "\n", "")
		values := []string{token}
		for line := range strings.SplitSeq(lines, "\n") {
			header += "\nSet-Cookie: " + line
			if cookie, err := http.ParseSetCookie(fill(line, secret)); err == nil && cookie.Name == "sessions" {
				values = append(values, cookie.Value)
			}
		}
		start := time.Now()
		session := anyAnswer{200, header, loginBody, -1, 0}.toLogin(t, secret)
		if session == nil {
			t.Fatal("a login with a token is no session")
		}
		assertUsable(t, session, secret)
		cookie := session.Cookie()
		if !slices.Contains(values, cookie.Value) || session.Token() != token {
			t.Errorf("the cookie is %q and the token %q, and the server said %q", cookie.Value, session.Token(), values)
		}
		domain := strings.ToLower(strings.TrimPrefix(cookie.Domain, "."))
		if domain != "" && domain != "example.com" && domain != "api.example.com" {
			t.Errorf("a cookie for %q is taken", cookie.Domain)
		}
		const longest = 400 * 24 * time.Hour
		if e := session.Expiry; !e.IsZero() && (e.Before(start) || e.After(time.Now().Add(longest))) {
			t.Errorf("Expiry is %v", e)
		}
	})
}

func FuzzToken(f *testing.F) {
	for _, token := range []string{
		"", token, "a b", "a,b", " a", "a ", "a;b", `a"b`, `a\b`, "a\r\nX: y", "ä", "\x00", "\x7f",
		"~!#$%&'()*+-./:<=>?@[]^_`{|}",
	} {
		for _, had := range []string{
			"", "a=1; b=2\nc=3", "a=1;sessions=old;b=2", "sessions2=x; mysessions=y", "; ;", `a="b"; c="sessions=old"`, "a",
			"=a", "a==", "a=1\t; b=\xff;\x00=1", "Sessions=a",
		} {
			f.Add(token, had)
		}
	}
	f.Fuzz(func(t *testing.T, token, had string) {
		t.Parallel()
		carried := token != "" && !strings.ContainsFunc(token, func(r rune) bool {
			return r < ' ' || r > '~' || strings.ContainsRune(`";\`, r)
		})
		session := kalshiauth.SessionFromToken(userID, token)
		want := token
		if !carried {
			want = ""
		}
		if session.Valid() != carried || session.Token() != want || session.UserID != userID {
			t.Errorf("Valid() = %t, want %t; Token() = %q, want %q", session.Valid(), carried, session.Token(), want)
		}
		lines := strings.Split(had, "\n")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fuzzURL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header["Cookie"] = slices.Clone(lines)
		others, _ := cookies(req)
		err = newClient(t, kalshiauth.WithBaseURL(fuzzURL)).Authorize(req, session)
		if !carried {
			if kinds(err) != "ErrNoSession" {
				t.Errorf("Authorize: %v, want ErrNoSession", err)
			}
			if !slices.Equal(req.Header["Cookie"], lines) {
				t.Errorf("a session without a cookie made %q of %q", req.Header["Cookie"], lines)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		kept, sessions := cookies(req)
		if !slices.Equal(kept, others) || !slices.Equal(sessions, []string{token}) {
			t.Errorf("of the cookies %q are left %q, and the session's are %q, want %q", others, kept, sessions, token)
		}
		secret := canary + token
		session = kalshiauth.SessionFromToken(userID, secret)
		assertUsable(t, session, secret)
	})
}

// cookies are what a server reads of a request: the values of the session's cookie, and the other cookies.
func cookies(req *http.Request) (others, sessions []string) {
	for _, cookie := range req.Cookies() {
		if cookie.Name == "sessions" {
			sessions = append(sessions, cookie.Value)
		} else {
			others = append(others, cookie.String())
		}
	}
	return others, sessions
}

func FuzzImportSession(f *testing.F) {
	for _, data := range []string{
		"", "null", "[]", "{}", "{secret}", `{"version":1}`, `{"version":"{secret}"}`, `{"version":2,"token":"{secret}"}`,
		`{"version":1,"user_id":"u","token":"{quoted}","cookie":"sessions={secret}; Path=/; Max-Age=60; HttpOnly"}`,
		`{"version":1,"user_id":"u","access_level":"a","expiry":"2026-01-02T15:04:05.123456789+01:00","token":"{secret}",` +
			`"cookie":"sessions=\"a b\"; Domain=example.com; SameSite=Lax","origin":"https://example.com:443",` +
			`"account":"trader@example.com"}`,
		`{"version":1,"expiry":"0001-01-01T00:00:00Z","token":"a;b",` +
			`"cookie":"sessions=a; Expires=Fri, 31 Dec 9999 23:59:59 GMT"}`,
		`{"version":1,"token":"t","cookie":"sessions={secret};x","expiry":"{secret}"}`,
		`{"VERSION":1,"token":{"{secret}":1}}`,
		`{"version":1,"token":"{secret}","cookie":"other={secret}"}`, `{"version":1e400,"token":"{secret}"} {secret}`,
		`{"version":1,"token":"t","cookie":"sessions=a; Domain=-; Path=ä; Max-Age=-1; SameSite=Strict; Unknown={secret}"}`,
	} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data string) {
		t.Parallel()
		secret := canary + "Import"
		session, err := kalshiauth.ImportSession([]byte(fill(data, secret)))
		if err != nil {
			if session != nil || kinds(err) != "ErrInvalidInput" {
				t.Errorf("ImportSession = %v, %v; want ErrInvalidInput", session, err)
			}
			assertHides(t, "the error", err, secret)
			return
		}
		assertUsable(t, session, secret)
	})
}
