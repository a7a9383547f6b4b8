package autologin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func TestHTTPClientPresentsTheSession(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		opts []kalshiauth.Option
		want func(s *kalshiauth.Session) string
	}{
		"cookie":     {nil, func(s *kalshiauth.Session) string { return "GET  sessions=" + s.Token() + " " }},
		"bare token": {[]kalshiauth.Option{kalshiauth.WithAuthorizationScheme("")}, func(s *kalshiauth.Session) string { return "GET " + s.Token() + "  " }},
		"bearer":     {[]kalshiauth.Option{kalshiauth.WithAuthorizationScheme("Bearer")}, func(s *kalshiauth.Session) string { return "GET Bearer " + s.Token() + "  " }},
	} {
		fake := newFake(t, kalshiauthtest.WithPathPrefix("/v1"))
		client := clientOf(t, fake, test.opts...)
		src := newSource(t, client, creds())
		status, body := get(t, httpClient(client, src), fake.URL+"/echo")
		if want := test.want(mustSession(t, src)); status != 200 || body != want {
			t.Errorf("%s: %d %q, want %q", name, status, body, want)
		}
	}
}

// warmUp has the source's session accepted by the server.
func warmUp(t *testing.T, client *http.Client, fake *kalshiauthtest.Server) {
	t.Helper()
	if status, body := get(t, client, fake.URL+"/echo"); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
}

// countLogins counts the requests to log in.
func countLogins(fake *kalshiauthtest.Server) *atomic.Int64 {
	var logins atomic.Int64
	fake.Intercept(kalshiauthtest.On("Login", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			logins.Add(1)
			next.ServeHTTP(w, r)
		})
	}))
	return &logins
}

func TestAnErrorBelowTheTransportIsTheCallers(t *testing.T) {
	t.Parallel()
	cause := errors.New("the cause")
	client := newClient(t, kalshiauth.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("cannot send %q: %w", req.Header, cause)
		}),
	}))
	authed := httpClient(client, autologin.Static(kalshiauth.SessionFromToken(userID, token)))
	_, err := authed.Do(newRequest(t, http.MethodGet, client.BaseURL(), nil)) //nolint:bodyclose // none
	if !errors.Is(err, cause) {
		t.Errorf("%v, want the cause", err)
	}
	robustness.AssertNoSecret(t, "the error", err, robustness.AllVerbs, token)
}

func TestTheSessionGoesToTheAPIsOriginOnly(t *testing.T) {
	t.Parallel()
	var leaked atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "mine=1" || r.Header.Get("Authorization") != "" {
			leaked.Add(1)
		}
		w.WriteHeader(http.StatusUnauthorized) // which is no business of the session's
	}))
	t.Cleanup(elsewhere.Close)
	for _, opts := range [][]kalshiauth.Option{nil, {kalshiauth.WithAuthorizationScheme("Bearer")}} {
		fake := newFake(t)
		logins := countLogins(fake)
		fake.Handle("/away", http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
		fake.Handle("/around", http.RedirectHandler("/echo", http.StatusFound))
		client := clientOf(t, fake, opts...)
		authed := httpClient(client, newSource(t, client, creds()))
		warmUp(t, authed, fake)
		for _, url := range []string{
			elsewhere.URL, fake.URL + "/away", strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1),
		} {
			req := newRequest(t, http.MethodGet, url, nil)
			req.Header.Set("Cookie", "mine=1")
			resp, err := authed.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != 401 || leaked.Load() != 0 || logins.Load() != 1 {
				t.Errorf("%s: %d, the session leaked %d times, %d logins", url, resp.StatusCode, leaked.Load(), logins.Load())
			}
		}
		if status, body := get(t, authed, fake.URL+"/around"); status != 200 {
			t.Errorf("a redirect within the origin: %d %s", status, body)
		}
	}
}

func TestOriginsAreComparedAsSuch(t *testing.T) {
	t.Parallel()
	for url, same := range map[string]bool{
		"https://api.example.com/v1/x": true, "https://api.example.com": true, "https://API.Example.com:443/other": true,
		"http://api.example.com/v1": false, "https://api.example.com:444/v1": false, "https://example.com/v1": false,
		"https://api.example.com.evil.com": false, "http://api.example.com:443/": false,
	} {
		var cookie string
		client := newClient(t, kalshiauth.WithBaseURL("https://api.example.com/v1"), kalshiauth.WithHTTPClient(&http.Client{
			Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				cookie = req.Header.Get("Cookie")
				return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{}}, nil
			}),
		}))
		get(t, httpClient(client, autologin.Static(kalshiauth.SessionFromToken(userID, token))), url)
		if (cookie != "") != same {
			t.Errorf("%s got the cookie %q", url, cookie)
		}
	}
}

func TestTheCallersRequestClientAndJarAreNotChanged(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	fake.Handle("/set", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "sessions", Value: "another", Path: "/"})
	}))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	mine := &http.Client{Jar: jar, Timeout: time.Minute}
	client := clientOf(t, fake, kalshiauth.WithHTTPClient(mine))
	authed := httpClient(client, newSource(t, client, creds()))
	if authed.Jar != nil || authed.Timeout != time.Minute || mine.Jar != jar || mine.Transport != nil {
		t.Errorf("HTTPClient has the jar %v and the timeout %v; the caller's transport is %v", authed.Jar, authed.Timeout, mine.Transport)
	}
	if authed.Timeout = 0; newSource(t, client, creds()).HTTPClient().Timeout != time.Minute {
		t.Error("a change of one HTTPClient changes another")
	}
	get(t, authed, fake.URL+"/set")
	fake.ExpireSessions()
	req := newRequest(t, http.MethodGet, fake.URL+"/echo", nil)
	req.Header.Set("Cookie", "mine=1; yours=2")
	_, body := do(t, authed, req)
	if !strings.HasPrefix(body, "GET  mine=1; yours=2; sessions=") {
		t.Errorf("the server got %q", body)
	}
	if len(req.Header) != 1 || req.Header.Get("Cookie") != "mine=1; yours=2" || len(jar.Cookies(req.URL)) != 0 {
		t.Errorf("the request's header is %v, the jar has %v", req.Header, jar.Cookies(req.URL))
	}
}

// trackedBody is a request's body that knows whether it was closed.
type trackedBody struct {
	io.Reader
	closed atomic.Bool
}

func (b *trackedBody) Close() error { b.closed.Store(true); return nil }

func TestALoginThatFailsInTheMiddleOfARequestIsItsError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, client := bubble(t)
		authed := newSource(t, client, creds()).HTTPClient()
		if status, _ := get(t, authed, client.BaseURL()+"/good"); status != 200 {
			t.Fatal(status)
		}
		fake.ExpireSessions()
		fake.Intercept(kalshiauthtest.On("Login", kalshiauthtest.Status(503)))
		resp, err := authed.Do(newRequest(t, http.MethodGet, client.BaseURL()+"/good", nil)) //nolint:bodyclose // nil
		var answer *kalshiauth.Error
		if resp != nil || !errors.As(err, &answer) || answer.Op != "Login" || !errors.Is(err, kalshiauth.ErrUnavailable) {
			t.Errorf("%v, %v, want the error of the log-in", resp, err)
		}
		if status, body := get(t, authed, client.BaseURL()+"/good"); status != 401 || !strings.Contains(body, "no_session") {
			t.Errorf("%d %s, want the 401 while no log-in is tried", status, body)
		}
		fake.Intercept(nil)
		time.Sleep(time.Second)
		if status, body := get(t, authed, client.BaseURL()+"/good"); status != 200 {
			t.Errorf("%d %s after the outage", status, body)
		}
	})
}

func TestARequestWithoutASessionIsNotSent(t *testing.T) {
	t.Parallel()
	client := newClient(t, inMemory(&loginServer{steps: always(401)}))
	for name, transport := range map[string]*autologin.Transport{
		"the log-in fails": newTransport(client, newSource(t, client, creds())),
		"no client":        {Source: autologin.Static(nil)},
		"no source":        {Client: client},
	} {
		body := &trackedBody{Reader: strings.NewReader("body")}
		resp, err := transport.RoundTrip(newRequest(t, http.MethodPost, client.BaseURL()+"/good", body)) //nolint:bodyclose // nil
		want := "ErrInvalidInput"
		if name == "the log-in fails" {
			want = "ErrUnauthorized ErrUnexpectedResponse"
		}
		if resp != nil || kinds(err) != want || !body.closed.Load() {
			t.Errorf("%s: %v, %v; the body is closed: %t", name, resp, err, body.closed.Load())
		}
	}
}

func TestTheUserAgentIsOursWhereARequestHasNone(t *testing.T) {
	t.Parallel()
	var got []string
	client := newClient(t, kalshiauth.WithUserAgent("mybot/1.2"), inMemory(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { got = r.Header["User-Agent"]; reply(200, "")(w, r) })))
	authed := httpClient(client, autologin.Static(kalshiauth.SessionFromToken(userID, token)))
	for _, test := range []struct {
		header http.Header
		want   []string
	}{
		{http.Header{}, []string{client.UserAgent()}},
		{http.Header{"User-Agent": {"mine"}}, []string{"mine"}},
		{http.Header{"User-Agent": {""}}, []string{""}},
		{http.Header{"User-Agent": nil}, nil},
	} {
		req := newRequest(t, http.MethodGet, client.BaseURL(), nil)
		req.Header = test.header
		do(t, authed, req)
		if !slices.Equal(got, test.want) {
			t.Errorf("%v was sent as %q", test.header, got)
		}
	}
}

func TestWhatIsBelowTheTransportChangesNoOtherHeader(t *testing.T) {
	t.Parallel()
	var sent []http.Header
	client := newClient(t, withTransport(roundTripper(func(req *http.Request) (*http.Response, error) {
		sent = append(sent, req.Header.Clone())
		for name, values := range req.Header {
			_ = append(values, "appended")
			req.Header[name] = append(values[:0:0], values...)
			values[0] = "overwritten"
		}
		req.Header.Set("Added", "1")
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})))
	for _, source := range []autologin.SessionSource{autologin.Static(kalshiauth.SessionFromToken(userID, token))} {
		values := make([]string, 2, 8)
		values[0], values[1] = "one", "two"
		req := newRequest(t, http.MethodGet, client.BaseURL(), nil)
		req.Header = http.Header{"Mine": values, "Cookie": {"mine=1"}, "User-Agent": {"mine"}, "Authorization": {"mine"}}
		before := req.Header.Clone()
		for range 2 {
			do(t, httpClient(client, source), req)
		}
		if !reflect.DeepEqual(req.Header, before) || values[:3][2] != "" { //nolint:gosec // it has room for three
			t.Errorf("the caller's header is %q, want %q", req.Header, before)
		}
		if !reflect.DeepEqual(sent[0], sent[1]) {
			t.Errorf("the second request was sent with %q, and the first one with %q", sent[1], sent[0])
		}
	}
}

func TestATransportBelowThatBreaksItsContractIsAnError(t *testing.T) {
	t.Parallel()
	for name, resp := range map[string]*http.Response{
		"no response": nil, "a 401 without a body": {StatusCode: 401}, "a 200 without a body": {StatusCode: 200},
	} {
		client := newClient(t, withTransport(roundTripper(func(*http.Request) (*http.Response, error) { return resp, nil })))
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%s: panic: %v", name, p)
				}
			}()
			got, err := httpClient(client, &ownInvalidator{}).Do(newRequest(t, http.MethodGet, client.BaseURL(), nil))
			if err == nil {
				_ = got.Body.Close()
			}
			if (err == nil) != (resp != nil) {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}()
	}
}

type noSource struct{}

func (noSource) Session(context.Context) (*kalshiauth.Session, error) { return nil, nil }

func TestTransportPresentsNoSessionThatIsNotForIt(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, reply(200, loginBody))
	theirs, err := elsewhere.Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	client := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	for want, source := range map[string]autologin.SessionSource{
		"ErrInvalidInput": autologin.Static(theirs), "ErrNoSession": noSource{},
	} {
		body := &trackedBody{Reader: strings.NewReader("body")}
		req := newRequest(t, http.MethodPost, client.BaseURL(), body)
		resp, err := newTransport(client, source).RoundTrip(req)
		if resp != nil {
			_ = resp.Body.Close()
			t.Errorf("a session that is not for it: %s", resp.Status)
		}
		if kinds(err) != want || !body.closed.Load() {
			t.Errorf("%v, want %s; the body is closed: %t", err, want, body.closed.Load())
		}
	}
}

type idleCloser struct {
	roundTripper
	closed *bool
}

func (c idleCloser) CloseIdleConnections() { *c.closed = true }

func TestCloseIdleConnectionsIsPassedOn(t *testing.T) {
	t.Parallel()
	closed := false
	client := newClient(t, kalshiauth.WithHTTPClient(&http.Client{Transport: idleCloser{nil, &closed}}))
	httpClient(client, autologin.Static(nil)).CloseIdleConnections()
	if !closed {
		t.Error("the transport below was not told")
	}
	newTransport(newClient(t, inMemory(reply(200, ""))), autologin.Static(nil)).CloseIdleConnections() // has none
}
