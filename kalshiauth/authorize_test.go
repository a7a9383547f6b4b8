package kalshiauth_test

import (
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// requestTo is a request without header.
func requestTo(t *testing.T, address string) *http.Request {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Request{Method: http.MethodGet, URL: u}
}

func TestAuthorizeReplacesAnEarlierSessionAndKeepsOtherCookies(t *testing.T) {
	t.Parallel()
	session := kalshiauth.SessionFromToken(userID, token)
	for name, test := range map[string]struct {
		had  []string
		want string // without the session
	}{
		"none":            {nil, ""},
		"some":            {[]string{"a=1; b=2", "c=3"}, "a=1; b=2; c=3"},
		"an old session":  {[]string{"a=1; sessions=old; b=2", "sessions =older"}, "a=1; b=2"},
		"only a session":  {[]string{"sessions=old"}, ""},
		"a similar name":  {[]string{"sessions2=x;mysessions=y"}, "sessions2=x; mysessions=y"},
		"only separators": {[]string{"; ;"}, ""},
	} {
		for scheme, opt := range map[string]kalshiauth.Option{
			"bare": kalshiauth.WithAuthorizationScheme(""), "Bearer": kalshiauth.WithAuthorizationScheme("Bearer"),
			"cookie": kalshiauth.WithRetries(0),
		} {
			client := newClient(t, opt)
			req := requestTo(t, kalshiauth.ProductionURL+"/balance")
			if test.had != nil {
				req.Header = http.Header{"Cookie": slices.Clone(test.had), "Authorization": {"an old one"}}
			}
			mine := req.Header["Cookie"]
			for range 2 { // twice is as good as once
				if err := client.Authorize(req, session); err != nil {
					t.Fatal(err)
				}
			}
			cookie, authorization := test.want, map[string]string{"bare": token, "Bearer": "Bearer " + token}[scheme]
			if scheme == "cookie" {
				if cookie != "" {
					cookie += "; "
				}
				cookie += "sessions=" + token
			}
			if got := req.Header["Cookie"]; req.Header.Get("Cookie") != cookie || len(got) != min(len(cookie), 1) {
				t.Errorf("%s, %s: the cookie is %q, want %q", name, scheme, got, cookie)
			}
			if got := req.Header["Authorization"]; scheme != "cookie" && !slices.Equal(got, []string{authorization}) {
				t.Errorf("%s, %s: Authorization is %q, want %q", name, scheme, got, authorization)
			}
			if !slices.Equal(mine, test.had) {
				t.Errorf("%s, %s: the caller's slice has become %q", name, scheme, mine)
			}
		}
	}
}

func TestAuthorizeRefusesAndChangesNothing(t *testing.T) {
	t.Parallel()
	good := kalshiauth.SessionFromToken(userID, token)
	theirs, err := newClient(t, inMemory(reply(200, loginBody)), kalshiauth.WithBaseURL("https://example.com")).
		Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range []*kalshiauth.Client{newClient(t), newClient(t, kalshiauth.WithAuthorizationScheme("Bearer"))} {
		for name, test := range map[string]struct {
			address string
			session *kalshiauth.Session
			want    string
		}{
			"another host":               {"https://example.com/v1", good, "ErrInvalidInput"},
			"http":                       {"http://trading-api.kalshi.com/v1", good, "ErrInvalidInput"},
			"another port":               {"https://trading-api.kalshi.com:8443/v1", good, "ErrInvalidInput"},
			"a host below":               {"https://x.trading-api.kalshi.com/v1", good, "ErrInvalidInput"},
			"a relative URL":             {"/v1", good, "ErrInvalidInput"},
			"a session of another host":  {kalshiauth.ProductionURL, theirs, "ErrInvalidInput"},
			"no session":                 {kalshiauth.ProductionURL, nil, "ErrNoSession"},
			"a session without a secret": {kalshiauth.ProductionURL, &kalshiauth.Session{UserID: userID}, "ErrNoSession"},
		} {
			for _, header := range []http.Header{nil, {}, {"Cookie": {"sessions=old; a=1"}, "Authorization": {"old"}}} {
				req := requestTo(t, test.address)
				req.Header = maps.Clone(header)
				if err := client.Authorize(req, test.session); kinds(err) != test.want {
					t.Errorf("%s: %v, want %s", name, err, test.want)
				}
				if !maps.EqualFunc(req.Header, header, slices.Equal) || (req.Header == nil) != (header == nil) {
					t.Errorf("%s: the header has become %v", name, req.Header)
				}
			}
		}
		if err := client.Authorize(nil, good); kinds(err) != "ErrInvalidInput" {
			t.Errorf("a nil request: %v", err)
		}
		if err := client.Authorize(&http.Request{}, good); kinds(err) != "ErrInvalidInput" {
			t.Errorf("a request without URL: %v", err)
		}
	}
}

func TestTwoRequestsShareNoHeaderSlice(t *testing.T) {
	t.Parallel()
	session := kalshiauth.SessionFromToken(userID, token)
	for _, client := range []*kalshiauth.Client{newClient(t), newClient(t, kalshiauth.WithAuthorizationScheme("Bearer"))} {
		first, second := requestTo(t, kalshiauth.ProductionURL), requestTo(t, kalshiauth.ProductionURL)
		for _, req := range []*http.Request{first, second} {
			if err := client.Authorize(req, session); err != nil {
				t.Fatal(err)
			}
		}
		want := second.Header.Clone()
		for _, values := range first.Header {
			clear(values)
			_ = append(values, "x")
		}
		if !maps.EqualFunc(second.Header, want, slices.Equal) || session.Token() != token {
			t.Errorf("a change of the first request's header made the second one's %v", second.Header)
		}
	}
}

func TestServesComparesSchemeHostAndPort(t *testing.T) {
	t.Parallel()
	for base, addresses := range map[string]map[string]bool{
		"https://api.example.com/v1": {
			"https://api.example.com": true, "https://API.Example.com:443/other": true, "wss://api.example.com/x": true,
			"wss://api.example.com:443": true, "HTTPS://api.example.com": true, "https://user@api.example.com": true,
			"http://api.example.com": false, "ws://api.example.com": false, "http://api.example.com:443": false,
			"https://api.example.com:444": false, "https://example.com": false, "https://api.example.com.evil.net": false,
			"https://api.example.com@evil.net": false, "//api.example.com": false, "/v1": false, "https:api.example.com": false, "": false,
		},
		"https://api.example.com:443": {"https://api.example.com": true, "wss://api.example.com": true, "https://api.example.com:8443": false},
		"http://[::1]:8080": {
			"http://[::1]:8080/x": true, "ws://[::1]:8080": true, "http://[::1]": false, "http://[::2]:8080": false, "http://localhost:8080": false,
		},
		"http://[::1]":     {"http://[::1]:80": true, "ws://[::1]": true},
		"http://localhost": {"http://LOCALHOST:80": true, "ws://localhost:80": true, "http://localhost:443": false},
	} {
		client := newClient(t, kalshiauth.WithBaseURL(base))
		for address, want := range addresses {
			if got := client.Serves(requestTo(t, address).URL); got != want {
				t.Errorf("a client of %s serves %q: %t, want %t", base, address, got, want)
			}
		}
		if client.Serves(nil) {
			t.Error("a nil URL is served")
		}
	}
}

func TestHTTPClientIsACopyWithoutJar(t *testing.T) {
	t.Parallel()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	mine := &http.Client{Jar: jar, Timeout: 7, Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
	client := newClient(t, kalshiauth.WithHTTPClient(mine))
	for range 2 {
		got := client.HTTPClient()
		if got == mine || got.Jar != nil || got.Timeout != 7 || got.Transport != mine.Transport || got.CheckRedirect == nil {
			t.Errorf("HTTPClient() = %v", got)
		}
		got.Timeout, got.Transport, got.CheckRedirect = 0, nil, nil
	}
	if mine.Jar != jar || mine.Timeout != 7 {
		t.Error("the caller's client was changed")
	}
}

func TestAHostThatOnlyLooksAlikeIsAnotherOrigin(t *testing.T) {
	t.Parallel()
	client := newClient(t, kalshiauth.WithBaseURL("https://api.kalshi.com/v1"))
	for _, target := range []string{"https://api.kalshİ.com/v1", "https://api.kalsh%C4%B0.com/v1"} {
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		if client.Serves(u) {
			t.Errorf("%s is taken for the API's origin", target)
		}
	}
	opaque := &url.URL{Scheme: "https", Host: "api.kalshi.com", Opaque: "//evil.example/steal"}
	if client.Serves(opaque) {
		t.Errorf("%s is taken for the API's origin", opaque)
	}
}

func TestSessionsWithOneTokenAndTwoCookiesAreTwo(t *testing.T) {
	t.Parallel()
	login := func(cookie string) *kalshiauth.Session {
		client := serve(t, reply(200, loginBody, "Set-Cookie: sessions="+cookie))
		session, err := client.Login(t.Context(), credentials)
		if err != nil {
			t.Fatal(err)
		}
		return session
	}
	if a, b := login("c1"), login("c2"); a.Equal(b) {
		t.Errorf("%v and %v with other cookies are equal", a, b)
	}
}

func TestAUserIDThatRepeatsTheTokenIsNotShown(t *testing.T) {
	t.Parallel()
	if text := kalshiauth.SessionFromToken(token, token).String(); strings.Contains(text, token) {
		t.Errorf("String shows the token: %s", text)
	}
}
