package autologin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func TestA401RenewsTheSessionAndReplaysTheRequest(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	logins := countLogins(fake)
	client := clientOf(t, fake)
	authed := httpClient(client, newSource(t, client, creds()))
	warmUp(t, authed, fake)
	for i, body := range []io.Reader{nil, http.NoBody, strings.NewReader("body")} {
		fake.ExpireSessions()
		status, got := do(t, authed, newRequest(t, http.MethodPost, fake.URL+"/echo", body))
		if status != 200 || strings.HasSuffix(got, " body") != (i == 2) || logins.Load() != int64(i+2) {
			t.Errorf("%d %q, %d logins, want %d", status, got, logins.Load(), i+2)
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
	authed := httpClient(client, newSource(t, client, creds()))
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
	resp, err := newTransport(client, &ownInvalidator{}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if len(bodies) != 2 || bodies[0] != "body" || bodies[1] != "body" {
		t.Errorf("the bodies were %q", bodies)
	}
}

func TestARequestWhoseBodyCannotBeHadAgainGetsThe401(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	logins := countLogins(fake)
	client := clientOf(t, fake)
	authed := httpClient(client, newSource(t, client, creds()))
	warmUp(t, authed, fake)
	for name, getBody := range map[string]func() (io.ReadCloser, error){
		"no GetBody":      nil,
		"GetBody's error": func() (io.ReadCloser, error) { return nil, errors.New("gone") },
	} {
		fake.ExpireSessions()
		before := logins.Load()
		req := newRequest(t, http.MethodPost, fake.URL+"/echo", io.MultiReader(strings.NewReader("body")))
		req.GetBody = getBody
		status, answer := do(t, authed, req)
		if status != 401 || !strings.Contains(answer, "code") {
			t.Errorf("%s: %d %q, want the 401 as it came", name, status, answer)
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
	authed := httpClient(client, newSource(t, client, creds()))
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

func TestAConnectionLimitDoesNotLockUpRequestsThatMeetA401(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 2, 5} {
		fake := newFake(t)
		fake.Intercept(kalshiauthtest.On("/echo", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Padding", strings.Repeat("p", 1000))
				next.ServeHTTP(w, r)
			})
		}))
		pool := &http.Transport{MaxConnsPerHost: limit}
		t.Cleanup(pool.CloseIdleConnections)
		client := newClient(t, kalshiauth.WithBaseURL(fake.URL), withTransport(pool))
		authed := newSource(t, client, creds()).HTTPClient()
		for range 5 {
			warmUp(t, authed, fake)
			fake.ExpireSessions()
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					req := newRequest(t, http.MethodPost, fake.URL+"/echo", strings.NewReader("body"))
					if status, body := do(t, authed, req); status != 200 || !strings.HasSuffix(body, "body") {
						t.Errorf("%d connections: %d %s", limit, status, body)
					}
				})
			}
			wg.Wait()
		}
		if fake.Requests("Login") != 6 {
			t.Errorf("%d log-ins, want 6", fake.Requests("Login"))
		}
	}
}

// unending are bodies that do not end while the client reads them.
var unending = map[string]func(w io.Writer, flush func(), left <-chan struct{}){
	"hangs": func(w io.Writer, flush func(), left <-chan struct{}) {
		_, _ = io.WriteString(w, "begun")
		flush()
		<-left
	},
	"trickles": func(w io.Writer, flush func(), left <-chan struct{}) {
		for {
			if _, err := io.WriteString(w, "x"); err != nil {
				return
			}
			flush()
			select {
			case <-left:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	},
	"is endless": func(w io.Writer, _ func(), _ <-chan struct{}) {
		for {
			if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
				return
			}
		}
	},
}

// neverEnding answers each request without a live session with a 401 whose body does not end.
func neverEnding(fake *kalshiauthtest.Server, write func(io.Writer, func(), <-chan struct{})) {
	fake.Intercept(kalshiauthtest.On("/good", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			if rec.Code != http.StatusUnauthorized {
				w.WriteHeader(rec.Code)
				return
			}
			w.WriteHeader(http.StatusUnauthorized)
			write(w, w.(http.Flusher).Flush, r.Context().Done())
		})
	}))
}

func TestA401WhoseBodyDoesNotEndIsReplaced(t *testing.T) {
	t.Parallel()
	for name, write := range unending {
		synctest.Test(t, func(t *testing.T) {
			fake, client := bubble(t)
			authed := newSource(t, client, creds()).HTTPClient()
			get(t, authed, client.BaseURL()+"/good")
			neverEnding(fake, write)
			fake.ExpireSessions()
			start := time.Now()
			status, _ := get(t, authed, client.BaseURL()+"/good")
			if took := time.Since(start); status != 200 || took > time.Second {
				t.Errorf("a 401 that %s: %d after %v, want 200 within a second", name, status, took)
			}
			// The last 401 is kept in part.
			fake.Intercept(nil)
			fake.Lock(email)
			neverEnding(fake, write)
			_, _ = get401(t, authed, client.BaseURL()+"/good") //nolint:bodyclose // get401 does
			start = time.Now()
			resp, body := get401(t, authed, client.BaseURL()+"/good") //nolint:bodyclose // get401 does
			if took := time.Since(start); resp.StatusCode != 401 || body == "" || len(body) > 64<<10 || took > time.Second {
				t.Errorf("a 401 that %s: %d with %d bytes after %v", name, resp.StatusCode, len(body), took)
			}
		})
	}
}

// get401 gets an answer, or an error of the log-in. It returns a response without a body and the body.
func get401(t *testing.T, client *http.Client, url string) (resp *http.Response, text string) {
	t.Helper()
	resp, err := client.Do(newRequest(t, http.MethodGet, url, nil))
	if err != nil {
		return nil, ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp, string(body)
}

func TestAnUnendingBodyDoesNotKeepTheOnlyConnection(t *testing.T) {
	t.Parallel()
	for name, write := range unending {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := newFake(t)
			fake.Handle("/good", reply(200, ""))
			pool := &http.Transport{MaxConnsPerHost: 1}
			t.Cleanup(pool.CloseIdleConnections)
			authed := newSource(t, newClient(t, kalshiauth.WithBaseURL(fake.URL), withTransport(pool)), creds()).HTTPClient()
			warmUp(t, authed, fake)
			neverEnding(fake, write)
			fake.ExpireSessions()
			if status, _ := get(t, authed, fake.URL+"/good"); status != 200 {
				t.Errorf("%d, want 200", status)
			}
		})
	}
}

func TestTheBodyOfTheLast401IsKept(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 1000, 64 << 10, 64<<10 + 1, 1 << 20} {
		content := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		srv := &loginServer{}
		client := newClient(t, inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "log_in") {
				srv.ServeHTTP(w, r)
				return
			}
			reply(401, content, fmt.Sprintf("Content-Length: %d", size), "Mine: 1")(w, r)
		})))
		authed := newSource(t, client, creds(), autologin.WithLoginLimit(time.Hour, 1)).HTTPClient()
		resp, body := get401(t, authed, client.BaseURL()+"/x") //nolint:bodyclose // get401 does
		want := content[:min(size, 64<<10)]
		if resp == nil || resp.StatusCode != 401 || body != want || resp.Header.Get("Mine") != "1" {
			t.Fatalf("%d bytes: %v with %d bytes, want %d", size, resp, len(body), len(want))
		}
		if resp.ContentLength > int64(len(want)) {
			t.Errorf("%d bytes: ContentLength is %d, and the body has %d", size, resp.ContentLength, len(want))
		}
	}
}

func TestARequestThatIsOverWhileTheSessionIsRenewedIsItsError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, client := bubble(t)
		authed := newSource(t, client, creds()).HTTPClient()
		get(t, authed, client.BaseURL()+"/good")
		fake.ExpireSessions()
		fake.Intercept(kalshiauthtest.On("Login", kalshiauthtest.Hang()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		resp, err := authed.Do(newRequest(t, http.MethodGet, client.BaseURL()+"/good", nil).WithContext(ctx)) //nolint:bodyclose // nil
		if resp != nil || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v, %v after %v", resp, err, time.Since(start))
		}
	})
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
	if status, _ := get(t, httpClient(client, source), client.BaseURL()); status != 401 || requests != 1 || source.sessions != 1 {
		t.Errorf("%d after %d requests and %d sessions", status, requests, source.sessions)
	}
	requests = 0
	renewing := &ownInvalidator{}
	status, _ := get(t, httpClient(client, renewing), client.BaseURL())
	if status != 401 || requests != 2 || renewing.sessions != 2 || renewing.invalidated != 2 {
		t.Errorf("%d after %d requests, %d sessions and %d invalidations", status, requests, renewing.sessions, renewing.invalidated)
	}
}
