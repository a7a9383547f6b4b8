package autologin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func TestStaticSourceHandsOutItsSession(t *testing.T) {
	t.Parallel()
	session := kalshiauth.SessionFromToken(userID, token)
	if got := mustSession(t, autologin.Static(session)); got != session {
		t.Errorf("got %v", got)
	}
	for _, none := range []*kalshiauth.Session{nil, {}, kalshiauth.SessionFromToken(userID, "")} {
		if _, err := autologin.Static(none).Session(t.Context()); kinds(err) != "ErrNoSession" {
			t.Errorf("a session without a secret: %v", err)
		}
	}
}

func TestWrongArgumentsOfNewAreErrors(t *testing.T) {
	t.Parallel()
	client := newClient(t)
	for name, test := range map[string]struct {
		client      *kalshiauth.Client
		credentials autologin.CredentialsFunc
		opt         autologin.Option
	}{
		"no client":       {nil, creds(), autologin.WithLifetime(0)},
		"no credentials":  {client, nil, autologin.WithLifetime(0)},
		"a nil option":    {client, creds(), nil},
		"a nil store":     {client, creds(), autologin.WithStore(nil)},
		"a nil logger":    {client, creds(), autologin.WithLogger(nil)},
		"lifetime":        {client, creds(), autologin.WithLifetime(-1)},
		"a negative time": {client, creds(), autologin.WithLoginLimit(-1, 1)},
		"no log-in ever":  {client, creds(), autologin.WithLoginLimit(time.Minute, 0)},
	} {
		if source, err := autologin.New(test.client, test.credentials, test.opt); source != nil || kinds(err) != "ErrInvalidInput" {
			t.Errorf("%s: %v, %v", name, source, err)
		}
	}
}

func TestASourceLogsInOnceAndOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{}
		src := newSource(t, newClient(t, inMemory(srv)), creds())
		if srv.logins.Load() != 0 {
			t.Error("a log-in before anybody asked")
		}
		first := mustSession(t, src)
		time.Sleep(24 * time.Hour)
		if mustSession(t, src) != first || srv.logins.Load() != 1 {
			t.Errorf("%d logins, want 1", srv.logins.Load())
		}
	})
}

func TestTenThousandGoroutinesCauseOneLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{before: func(int64) { time.Sleep(time.Second) }}
		src := newSource(t, newClient(t, inMemory(srv)), creds())
		for round := range 3 {
			dead, _ := src.Session(t.Context())
			before := srv.logins.Load()
			var wg sync.WaitGroup
			for range 10_000 {
				wg.Go(func() {
					src.Invalidate(dead)
					if session, err := src.Session(t.Context()); err != nil || session == dead {
						t.Errorf("got %v, %v", session, err)
					}
				})
			}
			wg.Wait()
			if n := srv.logins.Load() - before; n != 1 {
				t.Errorf("round %d: %d logins, want 1", round, n)
			}
		}
	})
}

// slowContext lets something happen when it is first asked whether it has ended.
type slowContext struct {
	context.Context //nolint:containedctx // is one

	once sync.Once
	then func()
}

func (c *slowContext) Err() error {
	c.once.Do(c.then)
	return c.Context.Err()
}

func TestACallerWhoFindsNoSessionWhileALoginEndsCausesNoOther(t *testing.T) {
	t.Parallel()
	srv := &loginServer{}
	src := newSource(t, newClient(t, inMemory(srv)), creds())
	var first *kalshiauth.Session
	ctx := &slowContext{Context: t.Context(), then: func() { first = mustSession(t, src) }}
	if session, err := src.Session(ctx); session == nil || session != first || srv.logins.Load() != 1 {
		t.Errorf("%v, %v after %d logins, want the session of the first", session, err, srv.logins.Load())
	}
}

func TestAWaiterThatGivesUpLeavesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{before: func(int64) { time.Sleep(10 * time.Second) }}
		src := newSource(t, newClient(t, inMemory(srv)), creds())
		impatient, cancel := context.WithCancel(t.Context())
		contexts := []context.Context{impatient, t.Context()} // the first one, who causes the login, is impatient
		var wg sync.WaitGroup
		var got, gaveUp atomic.Int64
		for i := range 1000 {
			wg.Go(func() {
				switch session, err := src.Session(contexts[i%2]); {
				case err == nil && session.Valid():
					got.Add(1)
				case errors.Is(err, context.Canceled):
					gaveUp.Add(1)
				default:
					t.Errorf("got %v, %v", session, err)
				}
			})
			if i == 0 {
				synctest.Wait()
			}
		}
		time.Sleep(time.Second)
		cancel()
		start := time.Now()
		wg.Wait()
		if got.Load() != 500 || gaveUp.Load() != 500 || srv.logins.Load() != 1 || time.Since(start) != 9*time.Second {
			t.Errorf("%d sessions, %d gave up, %d logins, after %v", got.Load(), gaveUp.Load(), srv.logins.Load(), time.Since(start))
		}
		if _, err := src.Session(impatient); err != nil {
			t.Errorf("an ended context, but there is a session: %v", err)
		}
	})
}

func TestAnEndedContextCausesNoLogin(t *testing.T) {
	t.Parallel()
	srv := &loginServer{}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	_, err := newSource(t, newClient(t, inMemory(srv)), creds()).Session(ctx)
	if !errors.Is(err, why) || srv.logins.Load() != 0 {
		t.Errorf("%v, %d logins", err, srv.logins.Load())
	}
}

func TestInvalidateForgetsOnlyTheDeadSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{}
		src := newSource(t, newClient(t, inMemory(srv)), creds())
		src.Invalidate(nil)
		first := mustSession(t, src)
		time.Sleep(time.Hour)
		src.Invalidate(nil)
		src.Invalidate(kalshiauth.SessionFromToken(userID, "another"))
		if mustSession(t, src) != first {
			t.Error("a session was forgotten for another's death")
		}
		src.Invalidate(first)
		second := mustSession(t, src)
		time.Sleep(time.Hour)
		src.Invalidate(first)
		if second == first || mustSession(t, src) != second || srv.logins.Load() != 2 {
			t.Errorf("%d logins, want 2", srv.logins.Load())
		}
	})
}

func TestTheTraceOfACallerWhoLeftIsNotCalled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, client := bubble(t)
		fake.Intercept(kalshiauthtest.On("Login", kalshiauthtest.Delay(10*time.Second)))
		type key struct{}
		var seen atomic.Int64
		note := func(ctx context.Context) {
			if httptrace.ContextClientTrace(ctx) != nil || ctx.Value(key{}) != nil {
				seen.Add(1)
			}
		}
		client = newClient(t, kalshiauth.WithBaseURL(client.BaseURL()), withTransport(roundTripper(
			func(req *http.Request) (*http.Response, error) {
				note(req.Context())
				return fake.Transport().RoundTrip(req)
			})))
		store := newLockingStore()
		var used []context.Context
		store.used = &used
		source := newSource(t, client, func(ctx context.Context) (kalshiauth.Credentials, error) {
			note(ctx)
			return credentials, nil
		}, autologin.WithStore(store))
		ctx := httptrace.WithClientTrace(context.WithValue(t.Context(), key{}, 1), &httptrace.ClientTrace{})
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := source.Session(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if session := mustSession(t, source); !session.Valid() || fake.Requests("Login") != 1 {
			t.Errorf("%v after %d log-ins: the log-in ended with its first caller", session, fake.Requests("Login"))
		}
		for _, ctx := range used {
			note(ctx)
		}
		if seen.Load() != 0 || len(used) != 2 {
			t.Errorf("%d contexts have values of the caller; the store was used %d times", seen.Load(), len(used))
		}
	})
}

func TestASourceIsUsedByManyWhileItsSessionsEnd(t *testing.T) {
	t.Parallel()
	srv := &loginServer{}
	source := newSource(t, newClient(t, inMemory(srv)), creds(), autologin.WithLoginLimit(0, 1))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 1000 {
				session, err := source.Session(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				source.Invalidate(session)
				if next, err := source.Session(t.Context()); err != nil || next.Equal(session) {
					t.Errorf("%v, %v: the session that ended is handed out", next, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
