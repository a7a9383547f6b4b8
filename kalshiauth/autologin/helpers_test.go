package autologin_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

const (
	email     = robustness.Email
	password  = robustness.Password
	userID    = robustness.UserID
	token     = robustness.Token
	loginBody = robustness.LoginBody
)

type roundTripper = robustness.RoundTripper

var (
	newClient = robustness.NewClient
	inMemory  = robustness.InMemory
	reply     = robustness.Reply
	kinds     = robustness.Kinds
	answering = robustness.Answering
)

var credentials = kalshiauth.Credentials{Email: email, Password: password}

// A step is how a server answers one request.
type step struct {
	status     int
	retryAfter string
}

// loginServer logs everybody in, with a new token each time, unless a step says otherwise. It is an API, too: /good
// answers 200 to a live session, and /bad answers 401 to everybody.
type loginServer struct {
	logins, logouts atomic.Int64
	before          func(n int64) // called in the n-th log-in, if not nil
	steps           func(n int64) step
	cookie          string // attributes
	single          bool   // whether a log-in ends the session of the one before

	mu   sync.Mutex
	live map[string]bool // guarded by mu
}

func (s *loginServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch strings.TrimPrefix(r.URL.Path, "/v1") {
	case "/log_in":
		s.login(w, r)
	case "/log_out":
		s.logouts.Add(1)
		reply(204, "")(w, r)
	case "/good":
		cookie, err := r.Cookie("sessions")
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil || !s.live[cookie.Value] {
			reply(401, "")(w, r)
			return
		}
		reply(200, "")(w, r)
	case "/bad":
		reply(401, `{"code":"bad"}`)(w, r)
	default:
		reply(404, "")(w, r)
	}
}

func (s *loginServer) login(w http.ResponseWriter, r *http.Request) {
	n := s.logins.Add(1)
	if s.before != nil {
		s.before(n)
	}
	if s.steps != nil {
		if step := s.steps(n); step.status != 200 {
			reply(step.status, "", "Retry-After: "+step.retryAfter)(w, r)
			return
		}
	}
	tok := fmt.Sprintf("token-%d", n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil || s.single {
		s.live = make(map[string]bool)
	}
	s.live[tok] = true
	reply(200, strings.Replace(loginBody, token, tok, 1), "Set-Cookie: sessions="+tok+s.cookie)(w, r)
}

// end ends all sessions.
func (s *loginServer) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.live)
}

// always answers each log-in alike.
func always(status int) func(int64) step { return func(int64) step { return step{status: status} } }

// failing answers some log-ins with a status, and the others with 200.
func failing(status int, numbers ...int64) func(int64) step {
	return func(n int64) step {
		if slices.Contains(numbers, n) {
			return step{status: status}
		}
		return step{status: 200}
	}
}

func creds() autologin.CredentialsFunc { return autologin.StaticCredentials(credentials) }

func newSource(
	t *testing.T, client *kalshiauth.Client, credentials autologin.CredentialsFunc, opts ...autologin.Option,
) *autologin.Source {
	t.Helper()
	source, err := autologin.New(client, credentials, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func newTransport(client *kalshiauth.Client, source autologin.SessionSource) *autologin.Transport {
	return &autologin.Transport{Client: client, Source: source}
}

// httpClient returns a client that presents the sessions of source.
func httpClient(client *kalshiauth.Client, source autologin.SessionSource) *http.Client {
	if source, ok := source.(*autologin.Source); ok {
		return source.HTTPClient()
	}
	c := client.HTTPClient()
	c.Transport = newTransport(client, source)
	return c
}

func mustSession(t *testing.T, src autologin.SessionSource) *kalshiauth.Session {
	t.Helper()
	session, err := src.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// isWait reports whether err is a WaitError, which wraps an error.
func isWait(err error) bool {
	var wait *autologin.WaitError
	return errors.As(err, &wait) && wait.Err != nil && errors.Is(err, wait.Err) && time.Now().Before(wait.Until)
}

func withTransport(transport http.RoundTripper) kalshiauth.Option {
	return kalshiauth.WithHTTPClient(&http.Client{Transport: transport})
}

// serve returns a client of a server on loopback, without retries.
func serve(t *testing.T, handler http.HandlerFunc) *kalshiauth.Client {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	pool := &http.Transport{}
	t.Cleanup(pool.CloseIdleConnections)
	return newClient(t, kalshiauth.WithBaseURL(srv.URL), kalshiauth.WithRetries(0), withTransport(pool))
}

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

// clientOf returns a client of the fake server, all of whose exchanges are checked against the document.
func clientOf(t *testing.T, fake *kalshiauthtest.Server, opts ...kalshiauth.Option) *kalshiauth.Client {
	t.Helper()
	pool := &http.Transport{MaxIdleConnsPerHost: 200}
	t.Cleanup(pool.CloseIdleConnections)
	checker, err := contract.New(fake.URL, func(v contract.Violation) {
		if v.Operation != "" {
			t.Error(v)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, append([]kalshiauth.Option{
		kalshiauth.WithBaseURL(fake.URL), withTransport(checker.Transport(pool)),
	}, opts...)...)
}

// bubble returns the fake server in memory, for use in a bubble of synctest, and a client of it without retries.
func bubble(t *testing.T) (*kalshiauthtest.Server, *kalshiauth.Client) {
	t.Helper()
	fake := kalshiauthtest.NewUnstartedServer()
	t.Cleanup(fake.Close)
	fake.AddUser(email, password)
	fake.Handle("/good", reply(200, ""))
	return fake, newClient(t,
		kalshiauth.WithBaseURL("https://api.example.com"), kalshiauth.WithRetries(0), withTransport(fake.Transport()))
}

func get(t *testing.T, client *http.Client, url string) (status int, text string) {
	t.Helper()
	return do(t, client, newRequest(t, http.MethodGet, url, nil))
}

func newRequest(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body) //nolint:gosec // of the test
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// do sends a request, and returns the answer's status and body.
func do(t *testing.T, client *http.Client, req *http.Request) (status int, text string) {
	t.Helper()
	resp, err := client.Do(req) //nolint:gosec // of the test
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

// logBuffer collects log records as lines.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// lines returns the records of a level.
func (b *logBuffer) lines(level string) (found []string) {
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, "level="+level) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

func (b *logBuffer) option() autologin.Option {
	handler := slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})
	return autologin.WithLogger(slog.New(handler))
}
