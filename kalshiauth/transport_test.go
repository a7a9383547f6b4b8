package kalshiauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// newFake starts the fake server with a user, and an endpoint that echoes what it gets.
func newFake(t *testing.T, opts ...kalshiauthtest.Option) *kalshiauthtest.Server {
	t.Helper()
	fake := kalshiauthtest.NewServer(opts...)
	t.Cleanup(fake.Close)
	fake.AddUser(email, password)
	fake.Handle("/echo", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Method+" "+r.Header.Get("Authorization")+" "+r.Header.Get("Cookie")+" "+string(body))
	}))
	return fake
}

// clientOf returns a client of the fake server, whose exchanges are all held against the document.
func clientOf(t *testing.T, fake *kalshiauthtest.Server, opts ...kalshiauth.Option) *kalshiauth.Client {
	t.Helper()
	pool := &http.Transport{MaxIdleConnsPerHost: 200}
	t.Cleanup(pool.CloseIdleConnections)
	return newClient(t, append([]kalshiauth.Option{
		kalshiauth.WithBaseURL(fake.URL), kalshiauth.WithHTTPClient(&http.Client{
			Transport: checked(t, fake.URL, pool, contract.Request, contract.Response),
		}),
	}, opts...)...)
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

func get(t *testing.T, client *http.Client, url string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

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
		src := client.LoginSource(creds())
		status, body := get(t, client.HTTPClient(src), fake.URL+"/echo")
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

func newRequest(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestA401RenewsTheSessionAndReplaysTheRequest(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	logins := countLogins(fake)
	client := clientOf(t, fake)
	authed := client.HTTPClient(client.LoginSource(creds()))
	warmUp(t, authed, fake)
	for i, body := range []io.Reader{nil, http.NoBody, strings.NewReader("body")} {
		fake.ExpireSessions()
		resp, err := authed.Do(newRequest(t, http.MethodPost, fake.URL+"/echo", body))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 200 || strings.HasSuffix(string(got), " body") != (i == 2) || logins.Load() != int64(i+2) {
			t.Errorf("%d %q, %d logins, want %d", resp.StatusCode, got, logins.Load(), i+2)
		}
	}
}

func TestARenewalCostsNoConnection(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	var connections sync.Map
	fake.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			connections.Store(r.RemoteAddr, nil)
			next.ServeHTTP(w, r)
		})
	})
	client := clientOf(t, fake)
	authed := client.HTTPClient(client.LoginSource(creds()))
	for range 10 {
		warmUp(t, authed, fake)
		fake.ExpireSessions()
	}
	n := 0
	connections.Range(func(any, any) bool { n++; return true })
	if n > 2 { // the login's, and the one whose 401 nobody has read by then
		t.Errorf("%d connections, want 2", n)
	}
}

func TestAReplaySendsTheBodyAnew(t *testing.T) {
	t.Parallel()
	var bodies []string
	client := newClient(t, kalshiauth.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			data, _ := io.ReadAll(req.Body)
			bodies = append(bodies, string(data))
			return &http.Response{StatusCode: 401, Body: http.NoBody}, nil
		}),
	}))
	req := newRequest(t, http.MethodPost, client.BaseURL()+"/x", strings.NewReader("body"))
	resp, err := client.Transport(&ownInvalidator{}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if len(bodies) != 2 || bodies[0] != "body" || bodies[1] != "body" {
		t.Errorf("the bodies were %q", bodies)
	}
}

func TestAnErrorBelowTheTransportIsTheCallers(t *testing.T) {
	t.Parallel()
	cause := errors.New("the cause")
	client := newClient(t, kalshiauth.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("cannot send %q: %w", req.Header, cause)
		}),
	}))
	authed := client.HTTPClient(kalshiauth.StaticSource(kalshiauth.SessionFromToken(userID, token)))
	_, err := authed.Do(newRequest(t, http.MethodGet, client.BaseURL(), nil)) //nolint:bodyclose // none
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), "cannot send") {
		t.Errorf("%v, want the cause", err)
	}
	assertNoSecret(t, "the error", err, token)
}

func TestARequestWhoseBodyCannotBeHadAgainGetsThe401(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	logins := countLogins(fake)
	client := clientOf(t, fake)
	authed := client.HTTPClient(client.LoginSource(creds()))
	warmUp(t, authed, fake)
	for name, getBody := range map[string]func() (io.ReadCloser, error){
		"no GetBody":      nil,
		"GetBody's error": func() (io.ReadCloser, error) { return nil, errors.New("gone") },
	} {
		fake.ExpireSessions()
		before := logins.Load()
		req := newRequest(t, http.MethodPost, fake.URL+"/echo", io.MultiReader(strings.NewReader("body")))
		req.GetBody = getBody
		resp, err := authed.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 401 || !strings.Contains(string(answer), "code") {
			t.Errorf("%s: %d %q, want the 401 as it came", name, resp.StatusCode, answer)
		}
		warmUp(t, authed, fake) // the next request has a new session
		if n := logins.Load() - before; n != 1 {
			t.Errorf("%s: %d logins, want 1", name, n)
		}
	}
}

func TestManyRequestsThatMeetADeadSessionCauseOneLogin(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	logins := countLogins(fake)
	client := clientOf(t, fake)
	authed := client.HTTPClient(client.LoginSource(creds()))
	warmUp(t, authed, fake)
	for round := range 5 {
		fake.ExpireSessions()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if status, body := get(t, authed, fake.URL+"/echo"); status != 200 {
					t.Errorf("%d %s", status, body)
				}
			})
		}
		wg.Wait()
		if logins.Load() != int64(round+2) {
			t.Fatalf("%d logins after %d endings", logins.Load(), round+1)
		}
	}
}

func TestAnEndpointThatRefusesEverybodyCostsNoLoginARequest(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	logins := countLogins(fake)
	var requests atomic.Int64
	fake.Handle("/locked", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	client := clientOf(t, fake)
	authed := client.HTTPClient(client.LoginSource(creds()))
	for _, warm := range []bool{false, true} {
		if warm {
			warmUp(t, authed, fake)
		}
		before := logins.Load()
		for range 1000 {
			if status, _ := get(t, authed, fake.URL+"/locked"); status != 401 {
				t.Fatalf("%d, want 401", status)
			}
		}
		if n := logins.Load() - before; n > 2 {
			t.Errorf("%d logins, want at most 2", n)
		}
	}
	warmUp(t, authed, fake) // nothing is stuck
	if n := requests.Load(); n > 2000+logins.Load() {
		t.Errorf("%d requests for 2000 calls and %d logins", n, logins.Load())
	}
}

func TestASessionThatNothingAcceptedIsRenewedAfterItsPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{}
		everybody := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "log_in") {
				srv.ServeHTTP(w, r)
				return
			}
			reply(401, "")(w, r)
		})
		client := newClient(t, inMemory(everybody))
		authed := client.HTTPClient(client.LoginSource(creds()))
		for range 3600 { // for an hour, ten times a second
			for range 10 {
				if status, _ := get(t, authed, client.BaseURL()+"/x"); status != 401 {
					t.Fatalf("%d, want 401", status)
				}
				time.Sleep(100 * time.Millisecond)
			}
		}
		if n := srv.logins.Load(); n < 60 || n > 70 {
			t.Errorf("%d logins in an hour, want one a minute", n)
		}
	})
}

func TestAnAcceptedSessionEndsThePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{}
		good := "" // the token that is accepted
		client := newClient(t, inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch cookie, _ := r.Cookie("sessions"); {
			case strings.HasSuffix(r.URL.Path, "log_in"):
				srv.ServeHTTP(w, r)
			case cookie != nil && cookie.Value == good:
				reply(200, "")(w, r)
			default:
				reply(401, "")(w, r)
			}
		})))
		authed := client.HTTPClient(client.LoginSource(creds()))
		want := func(status int, logins int64) {
			t.Helper()
			if got, _ := get(t, authed, client.BaseURL()); got != status || srv.logins.Load() != logins {
				t.Errorf("%d and %d logins, want %d and %d", got, srv.logins.Load(), status, logins)
			}
		}
		want(401, 1)
		time.Sleep(time.Second)
		want(401, 2)
		time.Sleep(2 * time.Second)
		want(401, 3) // the next pause would be four seconds
		good = "token-3"
		want(200, 3)
		good = "token-4"
		want(200, 4) // one that was accepted is renewed at once
		good = ""
		want(401, 5)
		time.Sleep(time.Second)
		want(401, 6) // and the pause is a second again
	})
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
		authed := client.HTTPClient(client.LoginSource(creds()))
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
		get(t, client.HTTPClient(kalshiauth.StaticSource(kalshiauth.SessionFromToken(userID, token))), url)
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
	authed := client.HTTPClient(client.LoginSource(creds()))
	if authed.Jar != nil || authed.Timeout != time.Minute || mine.Jar != jar || mine.Transport != nil {
		t.Errorf("HTTPClient has the jar %v and the timeout %v; the caller's transport is %v", authed.Jar, authed.Timeout, mine.Transport)
	}
	get(t, authed, fake.URL+"/set")
	fake.ExpireSessions()
	req := newRequest(t, http.MethodGet, fake.URL+"/echo", nil)
	req.Header.Set("Cookie", "mine=1; yours=2")
	resp, err := authed.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if !strings.HasPrefix(string(body), "GET  mine=1; yours=2; sessions=") {
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
	fake := newFake(t)
	client := clientOf(t, fake, kalshiauth.WithRetries(0))
	authed := client.HTTPClient(client.LoginSource(creds()))
	warmUp(t, authed, fake)
	fake.ExpireSessions()
	fake.Intercept(kalshiauthtest.On("Login", kalshiauthtest.Status(503)))
	body := &trackedBody{Reader: strings.NewReader("body")}
	for _, b := range []io.Reader{nil, body} { // the first one meets the 401, the second one no session
		resp, err := authed.Do(newRequest(t, http.MethodPost, fake.URL+"/echo", b)) //nolint:bodyclose // nil
		var answer *kalshiauth.Error
		if resp != nil || !errors.As(err, &answer) || answer.Op != "Login" || !errors.Is(err, kalshiauth.ErrUnavailable) {
			t.Errorf("got %v, %v", resp, err)
		}
	}
	if !body.closed.Load() {
		t.Error("the body of a request that was not sent is not closed")
	}
	fake.Intercept(nil)
	warmUp(t, authed, fake)
}

// ownSource is a source that a user wrote.
type ownSource struct{ sessions, invalidated int }

func (s *ownSource) Session(context.Context) (*kalshiauth.Session, error) {
	s.sessions++
	return kalshiauth.SessionFromToken(userID, strings.Repeat("t", s.sessions)), nil
}

type ownInvalidator struct{ ownSource }

func (s *ownInvalidator) Invalidate(*kalshiauth.Session) { s.invalidated++ }

func TestAUsersOwnSourceIsAskedToRenewIfItCan(t *testing.T) {
	t.Parallel()
	requests := 0
	client := serve(t, func(w http.ResponseWriter, r *http.Request) { requests++; reply(401, "")(w, r) })
	source := &ownSource{}
	if status, _ := get(t, client.HTTPClient(source), client.BaseURL()); status != 401 || requests != 1 || source.sessions != 1 {
		t.Errorf("%d after %d requests and %d sessions", status, requests, source.sessions)
	}
	requests = 0
	renewing := &ownInvalidator{}
	status, _ := get(t, client.HTTPClient(renewing), client.BaseURL())
	if status != 401 || requests != 2 || renewing.sessions != 2 || renewing.invalidated != 2 {
		t.Errorf("%d after %d requests, %d sessions and %d invalidations", status, requests, renewing.sessions, renewing.invalidated)
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
	for want, source := range map[string]kalshiauth.SessionSource{
		"ErrInvalidInput": kalshiauth.StaticSource(theirs), "ErrNoSession": noSource{},
	} {
		body := &trackedBody{Reader: strings.NewReader("body")}
		req := newRequest(t, http.MethodPost, client.BaseURL(), body)
		resp, err := client.Transport(source).RoundTrip(req)
		if resp != nil {
			_ = resp.Body.Close()
			t.Errorf("a session that is not for it: %s", resp.Status)
		}
		if kinds(err) != want || !body.closed.Load() {
			t.Errorf("%v, want %s; the body is closed: %t", err, want, body.closed.Load())
		}
	}
}

func TestADeadSessionFromTheStoreReachesNoCaller(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	logins := countLogins(fake)
	client, store := clientOf(t, fake), &memoryStore{}
	first := client.HTTPClient(client.LoginSource(creds(), kalshiauth.WithStore(store)))
	warmUp(t, first, fake)
	fake.ExpireSessions()
	second := client.HTTPClient(client.LoginSource(creds(), kalshiauth.WithStore(store)))
	warmUp(t, second, fake) // finds a dead session in the store
	fake.ExpireSessions()
	warmUp(t, first, fake) // has one dead session, and finds another
	warmUp(t, second, fake)
	if logins.Load() != 3 {
		t.Errorf("%d logins, want 3", logins.Load())
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
	client.HTTPClient(kalshiauth.StaticSource(nil)).CloseIdleConnections()
	if !closed {
		t.Error("the transport below was not told")
	}
	newClient(t, inMemory(reply(200, ""))).HTTPClient(kalshiauth.StaticSource(nil)).CloseIdleConnections() // has none
}
