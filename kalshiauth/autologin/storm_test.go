package autologin_test

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
)

// forAnHour calls f again and again in a simulated hour.
func forAnHour(every time.Duration, f func()) {
	for end := time.Now().Add(time.Hour); time.Now().Before(end); time.Sleep(every) {
		f()
	}
}

// maxLogins is how many log-ins a source makes in an hour, at most.
const maxLogins = 70

// counted returns a client of a server, and the number of its log-ins.
func counted(t *testing.T, srv http.Handler) (*kalshiauth.Client, *atomic.Int64) {
	t.Helper()
	var logins atomic.Int64
	return newClient(t, kalshiauth.WithRetries(0), withTransport(roundTripper(func(req *http.Request) (*http.Response, error) {
		if strings.HasSuffix(req.URL.Path, "/log_in") {
			logins.Add(1)
		}
		return answering(srv)(req)
	}))), &logins
}

// assertLogins checks the number of log-ins in an hour.
func assertLogins(t *testing.T, what string, logins *atomic.Int64, least, most int64) {
	t.Helper()
	t.Logf("%s: %d log-ins in an hour", what, logins.Load())
	if n := logins.Load(); n < least || n > most {
		t.Errorf("%s: %d log-ins in an hour, want %d to %d", what, n, least, most)
	}
}

// assertStatus requests a path of the server.
func assertStatus(t *testing.T, what string, client *kalshiauth.Client, source *autologin.Source, path string, want int) {
	t.Helper()
	if status, _ := get(t, source.HTTPClient(), client.BaseURL()+path); status != want {
		t.Fatalf("%s: %d for %s, want %d, at %v", what, status, path, want, time.Now())
	}
}

func TestAStormOfEndpointsThatAlwaysAnswer401IsBounded(t *testing.T) {
	t.Parallel()
	for name, paths := range map[string][]string{
		"a bad endpoint alone":             {"/bad"},
		"a bad endpoint beside a good one": {"/bad", "/good"},
		"ten calls at once":                append(slices.Repeat([]string{"/bad"}, 10), "/good"),
	} {
		for what, opts := range map[string][]autologin.Option{
			"no store": nil, "a store": {autologin.WithStore(&memoryStore{})}, "a lifetime": {autologin.WithLifetime(20 * time.Minute)},
		} {
			what = name + ", " + what
			synctest.Test(t, func(t *testing.T) {
				client, logins := counted(t, &loginServer{})
				source := newSource(t, client, creds(), opts...)
				forAnHour(time.Duration(len(paths))*time.Second, func() {
					for _, path := range paths {
						assertStatus(t, what, client, source, path, map[string]int{"/bad": 401, "/good": 200}[path])
					}
				})
				assertLogins(t, what, logins, 60, maxLogins)
			})
		}
	}
}

func TestAStormOfTwoSourcesOverOneStoreIsBounded(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]autologin.Store{"store": &memoryStore{}, "locker": nil} {
		synctest.Test(t, func(t *testing.T) {
			if store == nil {
				store = newLockingStore()
			}
			srv := &loginServer{}
			var wg sync.WaitGroup
			for i := range 2 {
				what := fmt.Sprintf("%s, source %d of 2", name, i+1)
				client, logins := counted(t, srv)
				source := newSource(t, client, creds(), autologin.WithStore(store))
				wg.Go(func() {
					forAnHour(2*time.Second, func() {
						assertStatus(t, what, client, source, "/bad", 401)
						assertStatus(t, what, client, source, "/good", 200)
					})
					assertLogins(t, what, logins, 1, maxLogins)
				})
			}
			wg.Wait()
		})
	}
}

// staleStore has an ended session forever.
type staleStore struct{ memoryStore }

func (s *staleStore) Load(context.Context) (*kalshiauth.Session, error) {
	return kalshiauth.SessionFromToken(userID, "stale-token"), nil
}

func (s *staleStore) Save(context.Context, *kalshiauth.Session) error { return fs.ErrPermission }

func TestAStormOfAStaleStoreIsBounded(t *testing.T) {
	t.Parallel()
	for name, paths := range map[string][]string{"good": {"/good"}, "bad": {"/bad"}, "bad and good": {"/bad", "/good"}} {
		synctest.Test(t, func(t *testing.T) {
			client, logins := counted(t, &loginServer{})
			source := newSource(t, client, creds(), autologin.WithStore(&staleStore{}))
			forAnHour(2*time.Second, func() {
				for _, path := range paths {
					assertStatus(t, name, client, source, path, map[string]int{"/bad": 401, "/good": 200}[path])
				}
			})
			assertLogins(t, name, logins, 1, maxLogins)
		})
	}
	synctest.Test(t, func(t *testing.T) { // and the server ends the sessions
		srv := &loginServer{}
		client, logins := counted(t, srv)
		source := newSource(t, client, creds(), autologin.WithStore(&staleStore{}))
		forAnHour(time.Minute, func() {
			srv.end()
			assertStatus(t, "sessions of a minute", client, source, "/good", 200)
			assertStatus(t, "sessions of a minute", client, source, "/good", 200)
		})
		assertLogins(t, "sessions of a minute", logins, 60, maxLogins)
	})
}

func TestAStormOfTwoMachinesOfOneAccountIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{single: true}
		var wg sync.WaitGroup
		for i := range 2 {
			client, logins := counted(t, srv)
			source := newSource(t, client, creds())
			wg.Go(func() {
				forAnHour(time.Second, func() { get(t, source.HTTPClient(), client.BaseURL()+"/good") })
				assertLogins(t, fmt.Sprintf("machine %d of 2", i+1), logins, 60, maxLogins)
			})
		}
		wg.Wait()
	})
}

func TestAStormOfFailingLoginsIsBounded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		step
		most int64
	}{
		{step{500, ""}, maxLogins},
		{step{500, "600"}, maxLogins},
		{step{302, ""}, maxLogins},
		{step{429, ""}, maxLogins},
		{step{429, "600"}, 6},
		{step{429, "999999"}, 1},
		{step{503, ""}, maxLogins},
		{step{503, "600"}, 6},
		{step{401, ""}, 7},
		{step{403, ""}, 7},
		{step{403, "3600"}, 1},
		{step{401, "600"}, 6},
	} {
		synctest.Test(t, func(t *testing.T) {
			what := fmt.Sprintf("status %d, Retry-After %q", test.status, test.retryAfter)
			client, logins := counted(t, &loginServer{steps: func(int64) step { return test.step }})
			source := newSource(t, client, creds())
			var wg sync.WaitGroup
			begin := time.Now()
			for i := range 50 {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * 5 * time.Millisecond)
					forAnHour(0, func() {
						start := time.Now()
						if session, err := source.Session(t.Context()); session != nil || err == nil || time.Since(start) != 0 {
							t.Errorf("%s: %v, %v after %v", what, session, err, time.Since(start))
						}
						// 200 calls a second in all, for five seconds every ten minutes, and then fewer, as a test has no hour.
						if time.Since(begin)%(10*time.Minute) < 5*time.Second {
							time.Sleep(250 * time.Millisecond)
						} else {
							time.Sleep(30 * time.Second)
						}
					})
				})
			}
			wg.Wait()
			assertLogins(t, what, logins, 1, test.most)
		})
	}
}

func TestAStormOfChangingCredentialsIsBounded(t *testing.T) {
	t.Parallel()
	for n, most := range map[int]int64{1: 7, 2: 14, 20: maxLogins, 1 << 30: maxLogins} {
		synctest.Test(t, func(t *testing.T) {
			client, logins := counted(t, &loginServer{steps: always(401)})
			asked := 0
			source := newSource(t, client, func(context.Context) (kalshiauth.Credentials, error) {
				asked++
				return kalshiauth.Credentials{Email: email, Password: fmt.Sprintf("wrong password %d", asked%n)}, nil
			})
			forAnHour(time.Second, func() { _, _ = source.Session(t.Context()) })
			assertLogins(t, fmt.Sprintf("%d credentials", n), logins, 6, most)
		})
	}
}

func TestTheLast16CredentialsThatWereRejectedAreRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, logins := counted(t, &loginServer{steps: func(n int64) step {
			return step{401, map[bool]string{true: "3600"}[n <= 30]}
		}})
		pass := ""
		source := newSource(t, client, func(context.Context) (kalshiauth.Credentials, error) {
			return kalshiauth.Credentials{Email: email, Password: pass}, nil
		}, autologin.WithLoginLimit(0, 1))
		for i := range 30 {
			time.Sleep(time.Second)
			pass = fmt.Sprintf("wrong password %d", i)
			_, _ = source.Session(t.Context())
		}
		for i := range 16 {
			pass = fmt.Sprintf("wrong password %d", 29-i)
			if _, err := source.Session(t.Context()); !isWait(err) {
				t.Errorf("credentials %d are tried again: %v", 30-i, err)
			}
		}
		pass = "the last wrong password"
		forAnHour(time.Second, func() { _, _ = source.Session(t.Context()) })
		assertLogins(t, "after 30 other credentials", logins, 36, 37)
	})
}
