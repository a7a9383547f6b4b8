package kalshiauth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// loginServer logs everybody in, with a new token each time, unless a step says otherwise.
type loginServer struct {
	logins, logouts atomic.Int64
	before          func(n int64) // called in the n-th login, if not nil
	steps           func(n int64) step
	cookie          string // attributes
}

func (s *loginServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/log_in", "/v1/log_in":
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
		reply(200, strings.Replace(loginBody, token, tok, 1), "Set-Cookie: sessions="+tok+s.cookie)(w, r)
	case "/log_out", "/v1/log_out":
		s.logouts.Add(1)
		reply(204, "")(w, r)
	default:
		reply(404, "")(w, r)
	}
}

func creds() kalshiauth.CredentialsFunc { return kalshiauth.StaticCredentials(credentials) }

func mustSession(t *testing.T, src kalshiauth.SessionSource) *kalshiauth.Session {
	t.Helper()
	session, err := src.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func TestStaticSourceHandsOutItsSession(t *testing.T) {
	t.Parallel()
	session := kalshiauth.SessionFromToken(userID, token)
	if got := mustSession(t, kalshiauth.StaticSource(session)); got != session {
		t.Errorf("got %v", got)
	}
	for _, none := range []*kalshiauth.Session{nil, {}, kalshiauth.SessionFromToken(userID, "")} {
		if _, err := kalshiauth.StaticSource(none).Session(t.Context()); kinds(err) != "ErrNoSession" {
			t.Errorf("a session without a secret: %v", err)
		}
	}
}

func TestLoginSourceLogsInOnceAndOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{}
		src := newClient(t, inMemory(srv)).LoginSource(creds())
		if srv.logins.Load() != 0 {
			t.Error("a login before anybody asked")
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
		src := newClient(t, inMemory(srv)).LoginSource(creds())
		for round := range 3 {
			dead, _ := src.Session(t.Context())
			time.Sleep(time.Hour) // nobody would keep it for being fresh
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
	src := newClient(t, inMemory(srv)).LoginSource(creds())
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
		src := newClient(t, inMemory(srv)).LoginSource(creds())
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
	_, err := newClient(t, inMemory(srv)).LoginSource(creds()).Session(ctx)
	if !errors.Is(err, why) || srv.logins.Load() != 0 {
		t.Errorf("%v, %d logins", err, srv.logins.Load())
	}
}

func TestALoginNobodyWaitsForHasATimeLimit(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration]time.Duration{0: 30 * time.Second, time.Minute: time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			src := newClient(t, kalshiauth.WithTimeout(timeout)).LoginSource(
				func(ctx context.Context) (kalshiauth.Credentials, error) {
					<-ctx.Done()
					return kalshiauth.Credentials{}, ctx.Err()
				})
			start := time.Now()
			_, err := src.Session(t.Context())
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != want {
				t.Errorf("%v after %v, want %v", err, time.Since(start), want)
			}
		})
	}
}

func TestRefusedCredentialsAreNotSentAgainForAWhile(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403} {
		synctest.Test(t, func(t *testing.T) {
			srv := &loginServer{steps: func(int64) step { return step{status: status} }}
			asked := 0
			src := newClient(t, inMemory(srv)).LoginSource(func(context.Context) (kalshiauth.Credentials, error) {
				asked++
				return credentials, nil
			})
			start := time.Now()
			var first error
			for i := range 1000 {
				_, err := src.Session(t.Context())
				if i == 0 {
					first = err
				}
				var answer *kalshiauth.Error
				if !errors.As(err, &answer) || answer.StatusCode != status || err.Error() != first.Error() {
					t.Fatalf("call %d: %v, want %v", i, err, first)
				}
			}
			if srv.logins.Load() != 1 || asked != 1000 || time.Since(start) != 0 {
				t.Errorf("%d logins, credentials asked for %d times", srv.logins.Load(), asked)
			}
			for i, minutes := range []int{1, 2, 4, 8, 15, 15} {
				want := time.Duration(minutes) * time.Minute
				time.Sleep(want - time.Nanosecond)
				_, _ = src.Session(t.Context())
				early := srv.logins.Load()
				time.Sleep(time.Nanosecond)
				_, _ = src.Session(t.Context())
				if now := srv.logins.Load(); early != int64(i+1) || now != int64(i+2) {
					t.Errorf("refusal %d: %d logins before %v and %d after", i+1, early, want, now)
				}
			}
		})
	}
}

func TestTheRefusalOfOtherCredentialsIsTheirFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{steps: func(int64) step { return step{status: 401} }}
		password := "wrong password"
		src := newClient(t, inMemory(srv)).LoginSource(func(context.Context) (kalshiauth.Credentials, error) {
			return kalshiauth.Credentials{Email: email, Password: password}, nil
		})
		_, _ = src.Session(t.Context())
		password = "another wrong password"
		_, _ = src.Session(t.Context())
		time.Sleep(time.Minute) // not two
		_, _ = src.Session(t.Context())
		if srv.logins.Load() != 3 {
			t.Errorf("%d logins, want 3", srv.logins.Load())
		}
	})
}

func TestOtherCredentialsAreTriedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{steps: func(n int64) step { return step{status: map[bool]int{true: 200, false: 401}[n == 2]} }}
		password := "wrong password"
		src := newClient(t, inMemory(srv)).LoginSource(func(context.Context) (kalshiauth.Credentials, error) {
			return kalshiauth.Credentials{Email: email, Password: password}, nil
		})
		if _, err := src.Session(t.Context()); kinds(err) != "ErrUnauthorized" {
			t.Fatal(err)
		}
		password = "right password"
		dead := mustSession(t, src)
		// The success has ended the refusal, also for how long the next one lasts.
		time.Sleep(time.Hour)
		src.Invalidate(dead)
		_, _ = src.Session(t.Context())
		time.Sleep(time.Minute)
		_, _ = src.Session(t.Context())
		if srv.logins.Load() != 4 {
			t.Errorf("%d logins, want 4", srv.logins.Load())
		}
	})
}

func TestASuccessEndsARefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{steps: func(n int64) step { return step{status: map[bool]int{true: 200, false: 401}[n == 2]} }}
		src := newClient(t, inMemory(srv)).LoginSource(creds())
		_, _ = src.Session(t.Context())
		time.Sleep(time.Minute)
		dead := mustSession(t, src)
		time.Sleep(time.Minute)
		src.Invalidate(dead)
		_, _ = src.Session(t.Context())
		time.Sleep(time.Minute) // not two
		_, _ = src.Session(t.Context())
		if srv.logins.Load() != 4 {
			t.Errorf("%d logins, want 4", srv.logins.Load())
		}
	})
}

func TestAnOutageIsNoRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		steps := map[int64]step{
			1: {status: 500}, 2: {status: 404}, 3: {status: 429, retryAfter: "60"}, 4: {status: 400},
			5: {status: 429, retryAfter: "4000000000"}, 6: {status: 200},
		}
		srv := &loginServer{steps: func(n int64) step { return steps[n] }}
		src := newClient(t, inMemory(srv)).LoginSource(creds())
		try := func(wantLogins int64, wantKind string) {
			t.Helper()
			_, err := src.Session(t.Context())
			if srv.logins.Load() != wantLogins || kinds(err) != wantKind {
				t.Errorf("%d logins and %v, want %d and %s", srv.logins.Load(), err, wantLogins, wantKind)
			}
		}
		try(1, "ErrServer")
		try(2, "")
		try(3, "ErrRateLimited")
		time.Sleep(time.Minute - time.Nanosecond)
		try(3, "ErrRateLimited")
		time.Sleep(time.Nanosecond)
		try(4, "ErrBadRequest")
		try(5, "ErrRateLimited")
		time.Sleep(24 * time.Hour) // no server is believed for longer
		try(6, "")
	})
}

func TestErrorsOfCredentialsAreTheCallers(t *testing.T) {
	t.Parallel()
	sealed := errors.New("the vault is sealed")
	srv := &loginServer{}
	client := newClient(t, inMemory(srv))
	src := client.LoginSource(func(context.Context) (kalshiauth.Credentials, error) { return kalshiauth.Credentials{}, sealed })
	if _, err := src.Session(t.Context()); !errors.Is(err, sealed) || srv.logins.Load() != 0 {
		t.Error(err)
	}
	if _, err := client.LoginSource(nil).Session(t.Context()); kinds(err) != "ErrInvalidInput" {
		t.Error(err)
	}
	wrong := kalshiauth.StaticCredentials(kalshiauth.Credentials{Email: "nobody"})
	if _, err := client.LoginSource(wrong).Session(t.Context()); kinds(err) != "ErrInvalidInput" {
		t.Error(err)
	}
}

func TestInvalidateForgetsOnlyTheDeadSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{}
		src := newClient(t, inMemory(srv)).LoginSource(creds())
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

func TestAFreshSessionThatNothingAcceptedIsKeptForAPauseThatDoubles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{}
		src := newClient(t, inMemory(srv)).LoginSource(creds())
		for i, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			pause := time.Duration(seconds) * time.Second
			session := mustSession(t, src)
			if n := srv.logins.Load(); n != int64(i+1) {
				t.Fatalf("%d logins, want %d", n, i+1)
			}
			time.Sleep(pause - time.Nanosecond)
			src.Invalidate(session)
			if mustSession(t, src) != session {
				t.Errorf("session %d was renewed before %v", i+1, pause)
			}
			time.Sleep(time.Nanosecond)
			src.Invalidate(session)
		}
	})
}

func TestASessionIsRenewedAheadOfItsEndWithoutAWait(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cookie string
		opts   []kalshiauth.SourceOption
	}{
		"Expiry":              {"; Max-Age=1800", nil},
		"lifetime":            {"", []kalshiauth.SourceOption{kalshiauth.WithLifetime(30 * time.Minute)}},
		"the earlier of them": {"; Max-Age=1800", []kalshiauth.SourceOption{kalshiauth.WithLifetime(time.Hour)}},
		"with a store":        {"; Max-Age=1800", []kalshiauth.SourceOption{kalshiauth.WithStore(newLockingStore())}},
		"the other way round": {"; Max-Age=3600", []kalshiauth.SourceOption{kalshiauth.WithLifetime(30 * time.Minute)}},
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := &loginServer{cookie: test.cookie, before: func(int64) { time.Sleep(5 * time.Second) }}
			src := newClient(t, inMemory(srv)).LoginSource(creds(), test.opts...)
			first := mustSession(t, src)
			time.Sleep(29*time.Minute - time.Second)
			if got := mustSession(t, src); !got.Valid() || srv.logins.Load() != 1 {
				t.Errorf("%s: %d logins before the margin", name, srv.logins.Load())
			}
			time.Sleep(2 * time.Second)
			start := time.Now()
			for range 100 {
				if got := mustSession(t, src); got.Token() != first.Token() || time.Since(start) != 0 {
					t.Errorf("%s: a caller waited %v while the old session works", name, time.Since(start))
				}
			}
			time.Sleep(6 * time.Second)
			if got := mustSession(t, src); got.Token() == first.Token() || srv.logins.Load() != 2 {
				t.Errorf("%s: %d logins after the margin began, want 2", name, srv.logins.Load())
			}
			time.Sleep(31 * time.Minute)
			if got := mustSession(t, src); !got.Valid() || srv.logins.Load() != 3 {
				t.Errorf("%s: %d logins after the session's end, want 3", name, srv.logins.Load())
			}
		})
	}
}

func TestAShortSessionIsRenewedInItsLastQuarter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{cookie: "; Max-Age=120", steps: func(n int64) step {
			return step{status: map[bool]int{true: 500, false: 200}[n == 2]}
		}}
		src := newClient(t, inMemory(srv)).LoginSource(creds())
		for _, test := range []struct {
			after  time.Duration
			logins int64
		}{
			{0, 1},
			{90*time.Second - 1, 1},
			{1, 2}, // that fails, and is tried again after a quarter of what is left
			{7500*time.Millisecond - 1, 2},
			{1, 3},
		} {
			time.Sleep(test.after)
			_ = mustSession(t, src)
			synctest.Wait()
			if n := srv.logins.Load(); n != test.logins {
				t.Errorf("%v later: %d logins, want %d", test.after, n, test.logins)
			}
		}
	})
}

func TestTheContextsOfASourceEnd(t *testing.T) {
	t.Parallel()
	var used []context.Context
	store := &memoryStore{used: &used}
	src := newClient(t, inMemory(&loginServer{})).LoginSource(creds(), kalshiauth.WithStore(store))
	_ = mustSession(t, src)
	if err := src.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, ctx := range used {
		if ctx.Err() == nil {
			t.Errorf("the context of use %d lives, and with it a timer", i)
		}
	}
	if len(used) != 4 {
		t.Errorf("the store was used %d times, want 4", len(used))
	}
}

func TestARenewalThatFailsLeavesTheOldSessionAndIsTriedAgainInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{cookie: "; Max-Age=1800", steps: func(n int64) step {
			return step{status: map[bool]int{true: 500, false: 200}[n == 2 || n == 3]}
		}}
		var log strings.Builder
		src := newClient(t, inMemory(srv), kalshiauth.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))).LoginSource(creds())
		first := mustSession(t, src)
		time.Sleep(29*time.Minute + time.Second)
		for range 1000 { // calls at once cause no renewal each
			if got := mustSession(t, src); got != first {
				t.Error("the old session is not handed out")
			}
			synctest.Wait()
		}
		if srv.logins.Load() != 2 || !strings.Contains(log.String(), "renewing the session failed") {
			t.Errorf("%d logins, want 2; the log: %s", srv.logins.Load(), log.String())
		}
		time.Sleep(15 * time.Second)
		_ = mustSession(t, src)
		synctest.Wait()
		time.Sleep(15 * time.Second)
		_ = mustSession(t, src)
		synctest.Wait()
		if got := mustSession(t, src); got == first || srv.logins.Load() != 4 {
			t.Errorf("%d logins, want 4", srv.logins.Load())
		}
	})
}

func TestASessionPastItsEndIsNotHandedOutWhereTheLoginFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{cookie: "; Max-Age=1800", steps: func(n int64) step {
			return step{status: map[bool]int{true: 200, false: 500}[n == 1]}
		}}
		src := newClient(t, inMemory(srv)).LoginSource(creds())
		_ = mustSession(t, src)
		time.Sleep(30*time.Minute - 500*time.Millisecond)
		_ = mustSession(t, src) // and a renewal, which fails
		synctest.Wait()
		time.Sleep(500 * time.Millisecond)
		for range 3 {
			if session, err := src.Session(t.Context()); session != nil || kinds(err) != "ErrServer" {
				t.Errorf("got %v, %v; want the login's error", session, err)
			}
		}
	})
}

func TestAFreshLoginIsHandedOutWhateverItsExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{cookie: "; Max-Age=1"}
		src := newClient(t, inMemory(srv)).LoginSource(creds(), kalshiauth.WithLifetime(1))
		if got := mustSession(t, src); got.Token() != "token-1" {
			t.Errorf("got %v", got)
		}
	})
}

func TestAWrongClockCausesOneLogin(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			srv := &loginServer{}
			client := newClient(t, inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				now := time.Now().Add(ahead).UTC()
				w.Header().Set("Date", now.Format(http.TimeFormat))
				srv.cookie = "; Expires=" + now.Add(30*time.Minute).Format(http.TimeFormat)
				srv.ServeHTTP(w, r)
			})))
			src := client.LoginSource(creds())
			for range 100 {
				_ = mustSession(t, src)
				time.Sleep(10 * time.Second)
			}
			if srv.logins.Load() != 1 {
				t.Errorf("the server's clock is off by %v: %d logins, want 1", ahead, srv.logins.Load())
			}
		})
	}
}

// memoryStore is a store of our own, with faults. It is a Locker, too, by lockingStore.
type memoryStore struct {
	mu                  sync.Mutex // guards what follows
	data                []byte
	saves               int
	loadErr, saveErr    error
	deleteErr           error
	emptyMeansNilAndNil bool
	used                *[]context.Context // if not nil, by each method
}

func (s *memoryStore) note(ctx context.Context) {
	if s.used != nil {
		*s.used = append(*s.used, ctx)
	}
}

func (s *memoryStore) Load(ctx context.Context) (*kalshiauth.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case s.loadErr != nil:
		return nil, s.loadErr
	case s.data == nil && s.emptyMeansNilAndNil:
		return nil, nil
	case s.data == nil:
		return nil, fmt.Errorf("memory: %w", kalshiauth.ErrNoSession)
	}
	return kalshiauth.ImportSession(s.data)
}

func (s *memoryStore) Save(ctx context.Context, session *kalshiauth.Session) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(ctx)
	s.saves++
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.saveErr != nil {
		return s.saveErr
	}
	s.data, err = session.Export()
	return err
}

func (s *memoryStore) Delete(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.deleteErr == nil {
		s.data = nil
	}
	return s.deleteErr
}

type lockingStore struct {
	*memoryStore
	lock      chan struct{}
	lockErr   error
	unlockErr error
}

func (s *lockingStore) Lock(ctx context.Context) (func() error, error) {
	if s.lockErr != nil {
		return nil, s.lockErr
	}
	select {
	case s.lock <- struct{}{}:
		return func() error { <-s.lock; return s.unlockErr }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func newLockingStore() *lockingStore {
	return &lockingStore{memoryStore: &memoryStore{}, lock: make(chan struct{}, 1)}
}

func TestAStoredSessionSavesALogin(t *testing.T) {
	t.Parallel()
	srv, store := &loginServer{}, &memoryStore{emptyMeansNilAndNil: true}
	client := newClient(t, inMemory(srv))
	first := mustSession(t, client.LoginSource(creds(), kalshiauth.WithStore(store), kalshiauth.WithLifetime(time.Hour)))
	second := mustSession(t, client.LoginSource(creds(), kalshiauth.WithStore(store)))
	if srv.logins.Load() != 1 || second.Token() != first.Token() || second.Expiry.IsZero() {
		t.Errorf("%d logins, want 1; the stored session ends at %v", srv.logins.Load(), second.Expiry)
	}
}

func TestAStoredSessionThatIsOverOrDeadIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv, store := &loginServer{cookie: "; Max-Age=1800"}, &memoryStore{}
		client := newClient(t, inMemory(srv))
		_ = mustSession(t, client.LoginSource(creds(), kalshiauth.WithStore(store)))
		time.Sleep(time.Hour)
		src := client.LoginSource(creds(), kalshiauth.WithStore(store))
		second := mustSession(t, src)
		if srv.logins.Load() != 2 {
			t.Errorf("a stored session past its Expiry: %d logins, want 2", srv.logins.Load())
		}
		time.Sleep(time.Minute)
		src.Invalidate(second)
		third := mustSession(t, src)
		if srv.logins.Load() != 3 || store.saves != 3 {
			t.Errorf("a stored session that is dead: %d logins, want 3, and %d saves", srv.logins.Load(), store.saves)
		}
		// A session that somebody else has saved in the meantime is taken.
		time.Sleep(time.Minute)
		theirs, err := client.Login(t.Context(), credentials)
		if err != nil {
			t.Fatal(err)
		}
		_ = store.Save(t.Context(), theirs)
		src.Invalidate(third)
		if got := mustSession(t, src); got.Token() != theirs.Token() || srv.logins.Load() != 4 {
			t.Errorf("got %s, want the session that somebody else saved; %d logins", got.Token(), srv.logins.Load())
		}
	})
}

func TestAStoredSessionOfAnotherServerOrAccountIsRefused(t *testing.T) {
	t.Parallel()
	srv := &loginServer{}
	here, there := newClient(t, inMemory(srv)), newClient(t, inMemory(srv), kalshiauth.WithBaseURL(kalshiauth.DemoURL))
	for name, test := range map[string]struct {
		client *kalshiauth.Client
		email  string
		want   []string
	}{
		"server":  {there, email, []string{"trading-api.kalshi.com", "demo-api.kalshi.co"}},
		"account": {here, "other@example.com", []string{email, "other@example.com"}},
	} {
		store := newLockingStore()
		_ = mustSession(t, here.LoginSource(creds(), kalshiauth.WithStore(store)))
		logins, data := srv.logins.Load(), string(store.data)
		src := test.client.LoginSource(kalshiauth.StaticCredentials(kalshiauth.Credentials{Email: test.email, Password: password}),
			kalshiauth.WithStore(store))
		_, err := src.Session(t.Context())
		if kinds(err) != "ErrInvalidInput" || srv.logins.Load() != logins || string(store.data) != data {
			t.Errorf("%s: %v, %d logins", name, err, srv.logins.Load()-logins)
		}
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error does not name %s: %v", name, want, err)
			}
		}
	}
	store := &memoryStore{}
	_ = mustSession(t, here.LoginSource(creds(), kalshiauth.WithStore(store)))
	upper := kalshiauth.StaticCredentials(kalshiauth.Credentials{Email: strings.ToUpper(email), Password: password})
	_ = mustSession(t, here.LoginSource(upper, kalshiauth.WithStore(store)))
	_ = store.Save(t.Context(), kalshiauth.SessionFromToken(userID, token))
	if got := mustSession(t, there.LoginSource(upper, kalshiauth.WithStore(store))); got.Token() != token {
		t.Errorf("a token from elsewhere does not go anywhere: %v", got)
	}
}

func TestAStoreThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	for name, store := range map[string]*lockingStore{
		"load": {memoryStore: &memoryStore{loadErr: broken}, lock: make(chan struct{}, 1)},
		"lock": {memoryStore: &memoryStore{}, lockErr: broken},
	} {
		srv := &loginServer{}
		src := newClient(t, inMemory(srv)).LoginSource(creds(), kalshiauth.WithStore(store))
		if _, err := src.Session(t.Context()); !errors.Is(err, broken) || srv.logins.Load() != 0 {
			t.Errorf("%s: %v, %d logins", name, err, srv.logins.Load())
		}
	}
}

func TestAStoreThatCannotBeWrittenIsLoggedAndTheSessionUsed(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	srv, store := &loginServer{}, newLockingStore()
	store.saveErr, store.unlockErr = errors.New("disk full"), errors.New("lock lost")
	src := newClient(t, inMemory(srv), kalshiauth.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))).
		LoginSource(creds(), kalshiauth.WithStore(store))
	if !mustSession(t, src).Valid() || !strings.Contains(log.String(), "disk full") || !strings.Contains(log.String(), "lock lost") {
		t.Errorf("the log: %s", log.String())
	}
}

func TestSourcesThatShareALockedStoreLogInOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{before: func(int64) { time.Sleep(time.Second) }}
		client, store := newClient(t, inMemory(srv)), newLockingStore()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if session := mustSession(t, client.LoginSource(creds(), kalshiauth.WithStore(store))); session.Token() != "token-1" {
					t.Errorf("got %s", session.Token())
				}
			})
		}
		wg.Wait()
		if srv.logins.Load() != 1 {
			t.Errorf("%d logins, want 1", srv.logins.Load())
		}
	})
}

func TestLogoutForgetsTheSessionEverywhere(t *testing.T) {
	t.Parallel()
	srv, store := &loginServer{}, newLockingStore()
	src := newClient(t, inMemory(srv)).LoginSource(creds(), kalshiauth.WithStore(store))
	first := mustSession(t, src)
	if err := src.Logout(t.Context()); err != nil || srv.logouts.Load() != 1 || store.data != nil {
		t.Errorf("%v, %d log-outs, the store has %q", err, srv.logouts.Load(), store.data)
	}
	if err := src.Logout(t.Context()); err != nil || srv.logouts.Load() != 1 {
		t.Errorf("logged out twice: %v, %d log-outs", err, srv.logouts.Load())
	}
	if mustSession(t, src).Token() == first.Token() || srv.logins.Load() != 2 {
		t.Errorf("%d logins after the log-out, want 2", srv.logins.Load())
	}
}

func TestLogoutEndsAStoredSessionThatWasNotUsedYet(t *testing.T) {
	t.Parallel()
	srv, store := &loginServer{}, &memoryStore{}
	client := newClient(t, inMemory(srv))
	src := client.LoginSource(creds(), kalshiauth.WithStore(store))
	_ = mustSession(t, src)
	other := client.LoginSource(creds(), kalshiauth.WithStore(store))
	if err := other.Logout(t.Context()); err != nil || srv.logouts.Load() != 1 || store.data != nil {
		t.Errorf("%v, %d log-outs, the store has %q", err, srv.logouts.Load(), store.data)
	}
	// Another session than that in memory is ended as well.
	theirs, err := client.Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	_ = store.Save(t.Context(), theirs)
	if err := src.Logout(t.Context()); err != nil || srv.logouts.Load() != 3 || store.data != nil {
		t.Errorf("%v, %d log-outs, want 3", err, srv.logouts.Load())
	}
}

func TestLogoutForgetsTheSessionEvenIfTheServerOrTheStoreFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	for name, test := range map[string]struct {
		status int
		fail   func(*memoryStore)
		ended  bool // whether the context has
		want   error
	}{
		"dead session":  {401, nil, false, nil},
		"server error":  {500, nil, false, kalshiauth.ErrServer},
		"ended context": {204, nil, true, context.Canceled},
		"delete fails":  {204, func(s *memoryStore) { s.deleteErr = broken }, false, broken},
		"load fails":    {204, func(s *memoryStore) { s.loadErr = broken }, false, nil},
	} {
		logins, store := &loginServer{}, &memoryStore{}
		client := newClient(t, kalshiauth.WithRetries(0), kalshiauth.WithHTTPClient(&http.Client{Transport: roundTripper(
			func(req *http.Request) (*http.Response, error) {
				if err := req.Context().Err(); err != nil {
					return nil, err
				}
				rec := httptest.NewRecorder()
				if strings.HasSuffix(req.URL.Path, "log_out") {
					reply(test.status, "")(rec, req)
				} else {
					logins.ServeHTTP(rec, req)
				}
				return rec.Result(), nil
			})}))
		src := client.LoginSource(creds(), kalshiauth.WithStore(store))
		first := mustSession(t, src)
		if test.fail != nil {
			test.fail(store)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if test.ended {
			cancel()
		}
		err := src.Logout(ctx)
		cancel()
		if (err == nil) != (test.want == nil) || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if test.want == nil || errors.Is(test.want, broken) {
			assertNoSecret(t, name, err, first.Token())
		} else if !strings.Contains(err.Error(), "forgotten here") {
			t.Errorf("%s: the error does not say what was done: %v", name, err)
		}
		if gone := store.data == nil; gone != (test.want == nil || test.fail == nil) {
			t.Errorf("%s: the store is empty: %t", name, gone)
		}
		store.loadErr, store.deleteErr = nil, nil
		if got := mustSession(t, src); got.Token() == first.Token() || logins.logins.Load() != 2 {
			t.Errorf("%s: the session is still there", name)
		}
	}
}

func TestLogoutSaysThatAStoreCannotBeLocked(t *testing.T) {
	t.Parallel()
	srv, store := &loginServer{}, newLockingStore()
	src := newClient(t, inMemory(srv)).LoginSource(creds(), kalshiauth.WithStore(store))
	_ = mustSession(t, src)
	store.lockErr = errors.New("no lock")
	if err := src.Logout(t.Context()); !errors.Is(err, store.lockErr) || srv.logouts.Load() != 1 {
		t.Errorf("%v, %d log-outs", err, srv.logouts.Load())
	}
}

func TestLogoutEndsAStoredSessionThatCannotBeDeleted(t *testing.T) {
	t.Parallel()
	srv, store := &loginServer{}, &memoryStore{}
	client := newClient(t, inMemory(srv))
	_ = mustSession(t, client.LoginSource(creds(), kalshiauth.WithStore(store)))
	store.deleteErr = errors.New("disk on fire")
	src := client.LoginSource(creds(), kalshiauth.WithStore(store)) // has not used the session yet
	if err := src.Logout(t.Context()); !errors.Is(err, store.deleteErr) || srv.logouts.Load() != 1 {
		t.Errorf("%v, %d log-outs", err, srv.logouts.Load())
	}
}

func TestLogoutLeavesTheStoredSessionOfAnotherAccount(t *testing.T) {
	t.Parallel()
	srv, store := &loginServer{}, &memoryStore{}
	client := newClient(t, inMemory(srv))
	src := client.LoginSource(creds(), kalshiauth.WithStore(store))
	_ = mustSession(t, src)
	theirs, err := client.Login(t.Context(), kalshiauth.Credentials{Email: "other@example.com", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	_ = store.Save(t.Context(), theirs)
	if err := src.Logout(t.Context()); kinds(err) != "ErrInvalidInput" || srv.logouts.Load() != 1 || store.data == nil {
		t.Errorf("%v, %d log-outs", err, srv.logouts.Load())
	}
}

func TestLogoutWaitsForALoginInProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{before: func(int64) { time.Sleep(10 * time.Second) }}
		src := newClient(t, inMemory(srv)).LoginSource(creds())
		go func() { _, _ = src.Session(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := src.Logout(ctx); !errors.Is(err, context.DeadlineExceeded) || srv.logouts.Load() != 0 {
			t.Errorf("a log-out that gave up: %v", err)
		}
		start := time.Now()
		if err := src.Logout(t.Context()); err != nil || srv.logouts.Load() != 1 || time.Since(start) != 9*time.Second {
			t.Errorf("%v, %d log-outs, after %v", err, srv.logouts.Load(), time.Since(start))
		}
		if mustSession(t, src).Token() != "token-2" {
			t.Error("the session of the login is still there")
		}
	})
}

func TestACredentialsFuncThatExitsItsGoroutineStrandsNobody(t *testing.T) {
	t.Parallel()
	srv := &loginServer{}
	exits := true
	src := newClient(t, inMemory(srv)).LoginSource(func(context.Context) (kalshiauth.Credentials, error) {
		if exits {
			exits = false
			runtime.Goexit()
		}
		return credentials, nil
	})
	if _, err := src.Session(t.Context()); err == nil {
		t.Error("a session without a login")
	}
	_ = mustSession(t, src)
}

func TestNoRenderingOfASourceShowsASecret(t *testing.T) {
	t.Parallel()
	client := newClient(t, inMemory(&loginServer{}))
	src := client.LoginSource(creds(), kalshiauth.WithStore(&memoryStore{}))
	_ = mustSession(t, src)
	static := kalshiauth.StaticSource(kalshiauth.SessionFromToken(userID, token))
	refused := newClient(t, inMemory(reply(401, ""))).LoginSource(creds())
	_, _ = refused.Session(t.Context())
	type hidden struct {
		src    *kalshiauth.LoginSource
		value  kalshiauth.LoginSource
		static kalshiauth.SessionSource
		client *http.Client
		rt     http.RoundTripper
	}
	for what, v := range map[string]any{
		"LoginSource": src, "value": *src, "static": static, "refused": refused,
		"hidden": hidden{src, *refused, static, client.HTTPClient(src), client.Transport(static)},
	} {
		assertNoSecret(t, what, v, password, "token-1", token)
	}
}
