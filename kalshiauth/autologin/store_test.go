package autologin_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func TestAStoredSessionSavesALogin(t *testing.T) {
	t.Parallel()
	srv, store := &loginServer{}, &memoryStore{emptyMeansNilAndNil: true}
	client := newClient(t, inMemory(srv))
	first := mustSession(t, newSource(t, client, creds(), autologin.WithStore(store), autologin.WithLifetime(time.Hour)))
	second := mustSession(t, newSource(t, client, creds(), autologin.WithStore(store)))
	if srv.logins.Load() != 1 || second.Token() != first.Token() || second.IssuedAt.IsZero() {
		t.Errorf("%d logins, want 1; the stored session was issued at %v", srv.logins.Load(), second.IssuedAt)
	}
}

func TestAStoredSessionThatIsOverOrDeadIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv, store := &loginServer{cookie: "; Max-Age=1800"}, &memoryStore{}
		client := newClient(t, inMemory(srv))
		_ = mustSession(t, newSource(t, client, creds(), autologin.WithStore(store)))
		time.Sleep(time.Hour)
		src := newSource(t, client, creds(), autologin.WithStore(store))
		second := mustSession(t, src)
		if srv.logins.Load() != 2 {
			t.Errorf("a stored session past its Expiry: %d logins, want 2", srv.logins.Load())
		}
		src.Invalidate(second)
		third := mustSession(t, src)
		if srv.logins.Load() != 3 || store.saves != 3 {
			t.Errorf("a stored session that is dead: %d logins, want 3, and %d saves", srv.logins.Load(), store.saves)
		}
		// A session that somebody else has saved in the meantime is taken.
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
		_ = mustSession(t, newSource(t, here, creds(), autologin.WithStore(store)))
		logins, data := srv.logins.Load(), string(store.data)
		src := newSource(t, test.client, autologin.StaticCredentials(kalshiauth.Credentials{Email: test.email, Password: password}),
			autologin.WithStore(store))
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
	_ = mustSession(t, newSource(t, here, creds(), autologin.WithStore(store)))
	upper := autologin.StaticCredentials(kalshiauth.Credentials{Email: strings.ToUpper(email), Password: password})
	_ = mustSession(t, newSource(t, here, upper, autologin.WithStore(store)))
	_ = store.Save(t.Context(), kalshiauth.SessionFromToken(userID, token))
	if got := mustSession(t, newSource(t, there, upper, autologin.WithStore(store))); got.Token() != token {
		t.Errorf("a token from elsewhere does not go anywhere: %v", got)
	}
}

func TestTheAccountOfAStoredSessionIsCheckedBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	srv, store := &loginServer{}, &memoryStore{}
	client := newClient(t, inMemory(srv))
	_ = mustSession(t, newSource(t, client, creds(), autologin.WithStore(store)))
	sealed := errors.New("the vault is sealed")
	src := newSource(t, client, func(context.Context) (kalshiauth.Credentials, error) {
		return kalshiauth.Credentials{}, sealed
	}, autologin.WithStore(store))
	if session, err := src.Session(t.Context()); session != nil || !errors.Is(err, sealed) {
		t.Errorf("%v, %v", session, err)
	}
	if err := src.Logout(t.Context()); !errors.Is(err, sealed) || srv.logouts.Load() != 0 || store.data == nil {
		t.Errorf("%v, %d log-outs: the owner of the session is not known", err, srv.logouts.Load())
	}
}

func TestAStoreThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	for name, fail := range map[string]func(*lockingStore, error){
		"load": func(s *lockingStore, err error) { s.loadErr = err },
		"lock": func(s *lockingStore, err error) { s.lockErr = err },
	} {
		synctest.Test(t, func(t *testing.T) {
			srv, store := &loginServer{}, newLockingStore()
			fail(store, broken)
			src := newSource(t, newClient(t, inMemory(srv)), creds(), autologin.WithStore(store))
			for start := time.Now(); time.Since(start) < time.Hour; time.Sleep(time.Second) {
				if _, err := src.Session(t.Context()); !errors.Is(err, broken) {
					t.Fatalf("%s: %v", name, err)
				}
			}
			if srv.logins.Load() != 0 || store.saves != 0 {
				t.Errorf("%s: %d log-ins and %d saves in an hour, want none", name, srv.logins.Load(), store.saves)
			}
			fail(store, nil)
			if !mustSession(t, src).Valid() {
				t.Errorf("%s: the store can be read again, and there is no session", name)
			}
		})
	}
}

func TestAStoreThatCannotBeWrittenIsLoggedAndTheSessionUsed(t *testing.T) {
	t.Parallel()
	var log logBuffer
	srv, store := &loginServer{}, newLockingStore()
	store.saveErr, store.unlockErr = errors.New("disk full"), errors.New("lock lost")
	src := newSource(t, newClient(t, inMemory(srv)), creds(), autologin.WithStore(store), log.option())
	first := mustSession(t, src)
	warnings := strings.Join(log.lines("WARN"), "\n")
	if !first.Valid() || !strings.Contains(warnings, "disk full") || !strings.Contains(warnings, "lock lost") {
		t.Errorf("the log: %s", log.String())
	}
	if mustSession(t, src) != first || srv.logins.Load() != 1 {
		t.Errorf("%d log-ins, want 1", srv.logins.Load())
	}
}

func TestAStoreThatCannotBeLockedForPermissionIsUsedWithoutALock(t *testing.T) {
	t.Parallel()
	var log logBuffer
	srv, store := &loginServer{}, newLockingStore()
	client := newClient(t, inMemory(srv))
	first := mustSession(t, newSource(t, client, creds(), autologin.WithStore(store)))
	store.lockErr = &fs.PathError{Op: "open", Path: "session.lock", Err: fs.ErrPermission}
	src := newSource(t, client, creds(), autologin.WithStore(store), log.option())
	if got := mustSession(t, src); !got.Equal(first) || len(log.lines("WARN")) != 1 || !strings.Contains(log.String(), "session.lock") {
		t.Errorf("%v; the log: %s", got, log.String())
	}
	if err := src.Logout(t.Context()); err != nil || srv.logouts.Load() != 1 || store.data != nil {
		t.Errorf("%v, %d log-outs", err, srv.logouts.Load())
	}
}

func TestTheStoreAndTheLoginGetTheLocksContext(t *testing.T) {
	t.Parallel()
	store := newLockingStore()
	var used []context.Context
	store.used = &used
	var login atomic.Int64
	srv := &loginServer{}
	client := newClient(t, withTransport(roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Context().Value(lockKey{}) == store {
			login.Add(1)
		}
		return answering(srv)(req)
	})))
	src := newSource(t, client, creds(), autologin.WithStore(store))
	_ = mustSession(t, src)
	if login.Load() != 1 {
		t.Error("the log-in does not have lockCtx")
	}
	if err := src.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, ctx := range used {
		if ctx.Value(lockKey{}) != store {
			t.Errorf("use %d of the store does not have lockCtx", i+1)
		}
	}
	if len(used) != 4 {
		t.Errorf("the store was used %d times, want 4", len(used))
	}
}

func TestALoginWhoseLockIsLostIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newLockingStore()
		store.lose = func(cancel context.CancelCauseFunc) {
			time.AfterFunc(time.Second, func() { cancel(errors.New("the lease has expired")) })
		}
		fake, client := bubble(t)
		fake.Intercept(kalshiauthtest.On("Login", kalshiauthtest.Times(1, kalshiauthtest.Hang())))
		log := &strings.Builder{}
		src := newSource(t, client, creds(), autologin.WithStore(store),
			autologin.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
		start := time.Now()
		if session := mustSession(t, src); !session.Valid() || time.Since(start) != time.Second || fake.Sessions() != 1 {
			t.Errorf("%v after %v, %d sessions; want a session after a second", session, time.Since(start), fake.Sessions())
		}
		if store.saves != 1 || len(store.lock) != 0 || strings.Count(log.String(), "msg=") != 1 ||
			!strings.Contains(log.String(), `msg="autologin: logged in" why="the lock was lost"`) {
			t.Errorf("%d saves; locked: %d; log:\n%s", store.saves, len(store.lock), log)
		}
	})
}

// What another process has saved meanwhile is used.
func TestALoginWhoseLockIsLostGivesWayToAnotherProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, client := bubble(t)
		theirs, err := client.Login(t.Context(), credentials)
		if err != nil {
			t.Fatal(err)
		}
		store := newLockingStore()
		store.lose = func(cancel context.CancelCauseFunc) {
			time.AfterFunc(time.Second, func() {
				cancel(errors.New("the lease has expired"))
				_ = store.Save(t.Context(), theirs)
			})
		}
		fake.Intercept(kalshiauthtest.On("Login", kalshiauthtest.Hang()))
		if session := mustSession(t, newSource(t, client, creds(), autologin.WithStore(store))); !session.Equal(theirs) {
			t.Errorf("got %v, want the session of the other process", session)
		}
	})
}

func TestALoginWhoseLockIsLostTwiceFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("the lease has expired")
		store := newLockingStore()
		store.lose = func(cancel context.CancelCauseFunc) { time.AfterFunc(time.Second, func() { cancel(lost) }) }
		fake, client := bubble(t)
		fake.Intercept(kalshiauthtest.On("Login", kalshiauthtest.Times(2, kalshiauthtest.Hang())))
		src := newSource(t, client, creds(), autologin.WithStore(store))
		start := time.Now()
		if session, err := src.Session(t.Context()); session != nil || !errors.Is(err, lost) || time.Since(start) != 2*time.Second {
			t.Errorf("%v, %v after %v, want the loss of the lock after two seconds", session, err, time.Since(start))
		}
		if store.saves != 0 || len(store.lock) != 0 {
			t.Errorf("%d saves; locked: %d", store.saves, len(store.lock))
		}
		time.Sleep(time.Second)
		if session := mustSession(t, src); !session.Valid() || fake.Sessions() != 1 {
			t.Errorf("%v, %d sessions", session, fake.Sessions())
		}
	})
}

func TestSourcesThatShareALockedStoreLogInOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{before: func(int64) { time.Sleep(time.Second) }}
		client, store := newClient(t, inMemory(srv)), newLockingStore()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if session := mustSession(t, newSource(t, client, creds(), autologin.WithStore(store))); session.Token() != "token-1" {
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

func TestTheContextsOfASourceEnd(t *testing.T) {
	t.Parallel()
	var used []context.Context
	store := &memoryStore{used: &used}
	src := newSource(t, newClient(t, inMemory(&loginServer{})), creds(), autologin.WithStore(store))
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
