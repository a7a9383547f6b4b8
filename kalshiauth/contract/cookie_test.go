package contract_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// login answers with a token and a cookie.
func loginWith(token, setCookie string) http.Handler {
	quoted, _ := json.Marshal(token)
	body := strings.Replace(loginOut, `"tok-3q2-7wSECRET"`, string(quoted), 1)
	return canned(200, body, jsonType, "Set-Cookie: "+setCookie)
}

func TestTokensThatNobodyCanSendAreViolations(t *testing.T) {
	t.Parallel()
	onBothSides(t, func(t *testing.T, start starter) {
		t.Helper()
		for name, c := range map[string]struct{ token, cookie, place, found string }{
			"usual":             {token, token, "", ""},
			"escaped":           {`a"b;c\d,e f`, "a%22b%3Bc%5Cd%2Ce%20f", "", ""},
			"a space":           {"a b", `"a b"`, "", ""},
			"base64":            {"a+/b==", "a+/b==", "", ""},
			"JSON Web Token":    {"eyJh.eyJz.c2ln_-", "eyJh.eyJz.c2ln_-", "", ""},
			"not ASCII":         {"tökén", "t%C3%B6k%C3%A9n", "/token", "no header can carry"},
			"a line feed":       {"a\nb", "a%0Ab", "/token", "no header can carry"},
			"NUL":               {"a\x00b", "a%00b", "/token", "no header can carry"},
			"a space at last":   {"ab ", "ab%20", "/token", "no header can carry"},
			"a raw backslash":   {`a\b`, `a\b`, "Set-Cookie", "a character that cookies cannot have"},
			"a raw quote":       {`a"b`, `a"b`, "Set-Cookie", "a character that cookies cannot have"},
			"a raw semicolon":   {"a;b", "a;b", "Set-Cookie", "is not the token"},
			"raw and not ASCII": {"xyz", "tökén", "Set-Cookie", "a character that cookies cannot have"},
		} {
			base, rt, found := start(loginWith(c.token, "sessions="+c.cookie))
			call(t, rt, "POST", base+"/log_in", loginIn, jsonType)
			wantOne(t, name, found.take(), c.place, c.found)
		}
	})
}

func TestCookiesThatNoBrowserStoresAreViolations(t *testing.T) {
	t.Parallel()
	const missing = "no cookie sessions that a browser would send"
	onBothSides(t, func(t *testing.T, start starter) {
		t.Helper()
		for attributes, want := range map[string]string{
			"Path=/; HttpOnly; Secure; SameSite=None": "",
			"Path=/; Secure; Partitioned":             "",
			"Path=/; SameSite=Lax":                    "",
			"SameSite=None":                           "not Secure",
			"Partitioned":                             "not Secure",
			"Domain=example.org":                      missing,
			"Domain=1":                                missing,
			"Path=/elsewhere":                         missing,
			"Max-Age=0":                               missing,
		} {
			base, rt, found := start(loginWith(token, "sessions="+token+"; "+attributes))
			call(t, rt, "POST", base+"/log_in", loginIn, jsonType)
			wantOne(t, attributes, found.take(), "Set-Cookie", want)
		}
	})
	for domain, want := range map[string]string{"example.com": "", ".example.com": "", "api.example.com": "", "com": "top-level"} {
		checker, found := newChecker(t, "https://api.example.com")
		rt := checker.Transport(inMemory(loginWith(token, "sessions="+token+"; Domain="+domain)))
		call(t, rt, "POST", "https://api.example.com/log_in", loginIn, jsonType)
		wantOne(t, domain, found.take(), "Set-Cookie", want)
	}
}

func TestThePrefixOfACookieIsAPromise(t *testing.T) {
	t.Parallel()
	for cookie, want := range map[string]string{
		"__Host-sessions=%; Path=/; Secure":                     "",
		"__Host-sessions=%; Path=/":                             "__Host-",
		"__Host-sessions=%; Secure":                             "__Host-",
		"__Host-sessions=%; Path=/; Secure; Domain=example.com": "__Host-",
		"__Secure-sessions=%; Secure":                           "",
		"__Secure-sessions=%; Path=/":                           "__Secure-",
		"__sEcUrE-sessions=%; Path=/":                           "__Secure-",
	} {
		name, _, _ := strings.Cut(cookie, "=")
		document := contract.WithDocument(changedText(t, "name: sessions", "name: "+name))
		checker, found := newChecker(t, "https://example.com", document)
		rt := checker.Transport(inMemory(loginWith(token, strings.Replace(cookie, "%", token, 1))))
		call(t, rt, "POST", "https://example.com/log_in", loginIn, jsonType)
		wantOne(t, cookie, found.take(), "Set-Cookie", want)
	}
}

// wantOne wants one violation with a place and a text, or none if found is "".
func wantOne(t *testing.T, name string, got []contract.Violation, place, found string) {
	t.Helper()
	switch {
	case found == "" && len(got) > 0, found != "" && len(got) != 1:
		t.Errorf("%s: %v, want %q", name, got, found)
	case found != "" && (got[0].Place != place || !strings.Contains(got[0].Found, found)):
		t.Errorf("%s: %v, want %q at %s", name, got, found, place)
	}
}
