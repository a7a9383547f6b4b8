package autologin_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// stubborn has the server answer a log-in even if the client has left, as a server does that has begun to.
func stubborn(transport http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if strings.HasSuffix(req.URL.Path, "log_in") {
			req = req.WithContext(context.WithoutCancel(req.Context()))
		}
		return transport.RoundTrip(req)
	})
}

func TestLogoutCancelsALoginInProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, client := bubble(t)
		fake.Intercept(kalshiauthtest.On("Login", kalshiauthtest.Times(1, kalshiauthtest.Delay(10*time.Second))))
		src := newSource(t, client, creds())
		var failed error
		go func() { _, failed = src.Session(t.Context()) }()
		synctest.Wait()
		start := time.Now()
		if err := src.Logout(t.Context()); err != nil || time.Since(start) != 0 || fake.Sessions() != 0 {
			t.Errorf("%v after %v, %d sessions are alive", err, time.Since(start), fake.Sessions())
		}
		synctest.Wait()
		if failed == nil || isWait(failed) {
			t.Errorf("the caller of the log-in got %v", failed)
		}
		if session := mustSession(t, src); !session.Valid() || fake.Requests("Login") != 2 {
			t.Errorf("%v after %d log-ins", session, fake.Requests("Login"))
		}
	})
}

func TestLogoutEndsTheSessionThatACanceledLoginYields(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]autologin.Option{nil, {autologin.WithStore(&memoryStore{})}} {
		synctest.Test(t, func(t *testing.T) {
			fake, client := bubble(t)
			client = newClient(t, kalshiauth.WithBaseURL(client.BaseURL()), withTransport(stubborn(fake.Transport())))
			fake.Intercept(kalshiauthtest.On("Login", kalshiauthtest.Delay(10*time.Second)))
			src := newSource(t, client, creds(), opts...)
			go func() { _, _ = src.Session(t.Context()) }()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			if err := src.Logout(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("%v after %v, want a Logout that gives up after a second", err, time.Since(start))
			}
			if err := src.Logout(t.Context()); err != nil || fake.Sessions() != 0 || fake.Requests("Logout") != 1 {
				t.Errorf("%v, %d sessions are alive after %d log-outs", err, fake.Sessions(), fake.Requests("Logout"))
			}
			if session := mustSession(t, src); !session.Valid() || fake.Requests("Login") != 2 {
				t.Errorf("%v after %d log-ins", session, fake.Requests("Login"))
			}
		})
	}
}

func TestABackgroundRenewalDoesNotOutliveALogout(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(){
		"not begun yet": func() {}, "in progress": synctest.Wait, "about to end": func() { time.Sleep(10*time.Second - 1) },
	} {
		for _, stubbornly := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				fake, client := bubble(t)
				transport := fake.Transport()
				if stubbornly {
					transport = stubborn(transport)
				}
				client = newClient(t, kalshiauth.WithBaseURL(client.BaseURL()), withTransport(transport))
				store := newLockingStore()
				opts := []autologin.Option{autologin.WithLifetime(20 * time.Minute)}
				if !stubbornly {
					opts = append(opts, autologin.WithStore(store))
				}
				src := newSource(t, client, creds(), opts...)
				_ = mustSession(t, src)
				time.Sleep(18 * time.Minute)
				fake.Intercept(kalshiauthtest.On("Login", kalshiauthtest.Delay(10*time.Second)))
				_ = mustSession(t, src) // which begins a renewal
				before()
				if err := src.Logout(t.Context()); err != nil || fake.Sessions() != 0 || !store.empty() {
					t.Errorf("%s: %v, %d sessions are alive", name, err, fake.Sessions())
				}
				time.Sleep(time.Minute)
				if fake.Sessions() != 0 || !store.empty() {
					t.Errorf("%s: %d sessions are alive a minute later; the store is empty: %t", name, fake.Sessions(), store.empty())
				}
				if session := mustSession(t, src); !session.Valid() {
					t.Errorf("%s: no log-in after the log-out", name)
				}
			})
		}
	}
}

func TestALogoutThatWaitsForAnotherEndsTheSessionInBetween(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, client := bubble(t)
		src := newSource(t, client, creds())
		_ = mustSession(t, src)
		fake.Intercept(kalshiauthtest.On("Logout", kalshiauthtest.Times(1, kalshiauthtest.Delay(10*time.Second))))
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := src.Logout(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		left, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := src.Session(left); !errors.Is(err, context.DeadlineExceeded) { // its log-in waits for the log-out
			t.Error(err)
		}
		wg.Go(func() {
			if err := src.Logout(t.Context()); err != nil || fake.Sessions() != 0 {
				t.Errorf("%v, %d sessions are alive", err, fake.Sessions())
			}
		})
		wg.Wait()
		time.Sleep(time.Minute)
		if fake.Sessions() != 0 {
			t.Errorf("%d sessions are alive after two log-outs", fake.Sessions())
		}
	})
}

func TestLogoutObeysItsContext(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(fake *kalshiauthtest.Server, store *lockingStore){
		"the store is locked": func(_ *kalshiauthtest.Server, store *lockingStore) { store.lock <- struct{}{} },
		"the server hangs": func(fake *kalshiauthtest.Server, _ *lockingStore) {
			fake.Intercept(kalshiauthtest.On("Logout", kalshiauthtest.Hang()))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			fake, client := bubble(t)
			store := newLockingStore()
			src := newSource(t, client, creds(), autologin.WithStore(store))
			_ = mustSession(t, src)
			prepare(fake, store)
			for _, limit := range []time.Duration{0, time.Second} {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				start := time.Now()
				if err := src.Logout(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != limit {
					t.Errorf("%s: %v after %v, want %v", name, err, time.Since(start), limit)
				}
				cancel()
			}
			why := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(why) })
			if err := src.Logout(ctx); !errors.Is(err, why) {
				t.Errorf("%s: %v, want the context's cause", name, err)
			}
			fake.Intercept(nil)
			if len(store.lock) > 0 {
				<-store.lock
			}
			if err := src.Logout(t.Context()); err != nil || fake.Sessions() != 0 || store.data != nil {
				t.Errorf("%s: %v, %d sessions are alive", name, err, fake.Sessions())
			}
		})
	}
}

func TestTheNextSessionLogsInAgainWhoeverElseLoggedIn(t *testing.T) {
	t.Parallel()
	source := newSource(t, newClient(t, inMemory(&loginServer{})), creds(), autologin.WithLoginLimit(0, 1))
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_, _ = source.Session(t.Context()) // which a log-out may cancel
				}
			}
		})
	}
	for range 100 {
		if err := source.Logout(t.Context()); err != nil {
			t.Errorf("Logout: %v", err)
		}
		if session, err := source.Session(t.Context()); err != nil || !session.Valid() {
			t.Errorf("Session after Logout: %v, %v", session, err)
			break
		}
	}
	close(done)
	wg.Wait()
}

func TestACallerWhoComesDuringALogoutIsNotCanceledByIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newLockingStore()
		src := newSource(t, newClient(t, inMemory(&loginServer{})), creds(), autologin.WithStore(store))
		store.lock <- struct{}{} // another process has the lock
		ctx := &slowContext{Context: t.Context(), then: func() {
			go func() { _ = src.Logout(t.Context()) }()
			time.Sleep(time.Second)
		}}
		go func() { _, _ = src.Session(ctx) }() // finds no session before the log-out, and logs in after it
		time.Sleep(2 * time.Second)
		var session *kalshiauth.Session
		var err error
		go func() { session, err = src.Session(t.Context()) }()
		synctest.Wait()
		<-store.lock
		synctest.Wait()
		if err != nil || !session.Valid() {
			t.Errorf("%v, %v, want the session of a log-in after the log-out", session, err)
		}
	})
}

func TestAfterManySessionsAndLogoutsNoSessionIsAlive(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]autologin.Option{
		"no store": nil, "store": {autologin.WithStore(&memoryStore{})}, "locker": {autologin.WithStore(newLockingStore())},
	} {
		fake, client := bubble(t)
		client = newClient(t, kalshiauth.WithBaseURL(client.BaseURL()), withTransport(stubborn(fake.Transport())))
		src := newSource(t, client, creds(), append(opts, autologin.WithLoginLimit(0, 1))...)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for n := range 60 {
					ctx, cancel := context.WithCancel(t.Context())
					if n%5 == 4 {
						time.AfterFunc(time.Millisecond, cancel)
					}
					if i < 2 {
						_ = src.Logout(ctx)
					} else {
						_, _ = src.Session(ctx)
					}
					cancel()
				}
			})
		}
		wg.Wait()
		if err := src.Logout(t.Context()); err != nil || fake.Sessions() != 0 {
			t.Errorf("%s: %v, %d of %d sessions are alive", name, err, fake.Sessions(), fake.Requests("Login"))
		}
	}
}
