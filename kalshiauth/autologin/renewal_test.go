package autologin_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
)

func TestASessionIsRenewedAheadOfItsEndWithoutAWait(t *testing.T) {
	t.Parallel()
	lifetime := autologin.WithLifetime
	for name, test := range map[string]struct {
		cookie string
		opts   []autologin.Option
	}{
		"Expiry":              {"; Max-Age=1800", nil},
		"lifetime":            {"", []autologin.Option{lifetime(30 * time.Minute)}},
		"the earlier of them": {"; Max-Age=1800", []autologin.Option{lifetime(time.Hour)}},
		"with a store":        {"; Max-Age=1800", []autologin.Option{autologin.WithStore(&memoryStore{})}},
		"the other way round": {"; Max-Age=3600", []autologin.Option{lifetime(30 * time.Minute)}},
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := &loginServer{cookie: test.cookie, before: func(int64) { time.Sleep(5 * time.Second) }}
			src := newSource(t, newClient(t, inMemory(srv)), creds(), test.opts...)
			first := mustSession(t, src)
			time.Sleep(25*time.Minute - 1)
			if got := mustSession(t, src); !got.Valid() || srv.logins.Load() != 1 {
				t.Errorf("%s: %d log-ins before the margin", name, srv.logins.Load())
			}
			time.Sleep(75*time.Second + 2) // a quarter of the margin
			start := time.Now()
			for range 100 {
				if got := mustSession(t, src); got.Token() != first.Token() || time.Since(start) != 0 {
					t.Errorf("%s: a caller waited %v while the old session works", name, time.Since(start))
				}
			}
			time.Sleep(6 * time.Second)
			if got := mustSession(t, src); got.Token() == first.Token() || srv.logins.Load() != 2 {
				t.Errorf("%s: %d log-ins after the margin began, want 2", name, srv.logins.Load())
			}
			time.Sleep(31 * time.Minute)
			if got := mustSession(t, src); !got.Valid() || srv.logins.Load() != 3 {
				t.Errorf("%s: %d log-ins after the session's end, want 3", name, srv.logins.Load())
			}
		})
	}
}

func TestRenewalsAreJittered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		times := map[time.Duration]bool{}
		for range 20 {
			srv := &loginServer{cookie: "; Max-Age=1800"}
			src := newSource(t, newClient(t, inMemory(srv)), creds())
			start := time.Now()
			for srv.logins.Load() < 2 {
				_ = mustSession(t, src)
				time.Sleep(time.Second)
			}
			took := time.Since(start)
			times[took] = true
			if took < 25*time.Minute || took > 26*time.Minute+17*time.Second {
				t.Errorf("renewed after %v, want 25m to 26m15s", took)
			}
		}
		if len(times) < 5 {
			t.Errorf("20 sessions were renewed at %d times", len(times))
		}
	})
}

func TestAShortSessionIsRenewedInItsLastQuarter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{cookie: "; Max-Age=120", steps: failing(500, 2)}
		src := newSource(t, newClient(t, inMemory(srv)), creds())
		for _, test := range []struct {
			after  time.Duration
			logins int64
		}{
			{0, 1},
			{90*time.Second - 1, 1},
			{7500*time.Millisecond + 2, 2}, // that fails, and is tried again within a second
			{500*time.Millisecond - 1, 2},
			{501 * time.Millisecond, 3},
		} {
			time.Sleep(test.after)
			_ = mustSession(t, src)
			synctest.Wait()
			if n := srv.logins.Load(); n != test.logins {
				t.Errorf("%v later: %d log-ins, want %d", test.after, n, test.logins)
			}
		}
	})
}

func TestARenewalThatFailsLeavesTheOldSessionAndIsTriedAgainWithBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{cookie: "; Max-Age=1800", steps: failing(500, 2, 3, 4, 5, 6)}
		var log logBuffer
		src := newSource(t, newClient(t, inMemory(srv)), creds(), log.option())
		first := mustSession(t, src)
		time.Sleep(27 * time.Minute)
		start := time.Now()
		var tries []time.Duration
		for srv.logins.Load() < 7 && time.Since(start) < 3*time.Minute {
			before := srv.logins.Load()
			got, err := src.Session(t.Context())
			synctest.Wait()
			if srv.logins.Load() > before {
				tries = append(tries, time.Since(start))
			}
			if err != nil || got != first {
				t.Fatalf("%v, %v, want the old session", got, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if got := mustSession(t, src); got == first || srv.logins.Load() != 7 {
			t.Errorf("%d log-ins, want 7, at %v", srv.logins.Load(), tries)
		}
		for i := 2; i < len(tries); i++ {
			least := time.Second << (i - 1) / 2
			if wait := tries[i] - tries[i-1]; wait < least || wait > 2*least+1100*time.Millisecond {
				t.Errorf("try %d came %v after the one before, want %v to %v", i+1, wait, least, 2*least)
			}
		}
		if failed := log.lines("INFO"); len(failed) != 7 || !strings.Contains(failed[1], "ahead of time") {
			t.Errorf("the log: %s", strings.Join(failed, "\n"))
		}
	})
}

func TestASessionPastItsExpiryIsNotHandedOutInAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{cookie: "; Max-Age=1800", steps: func(n int64) step {
			return step{status: map[bool]int{true: 200, false: 500}[n == 1]}
		}}
		src := newSource(t, newClient(t, inMemory(srv)), creds())
		_ = mustSession(t, src)
		time.Sleep(30*time.Minute - 100*time.Millisecond)
		_ = mustSession(t, src) // and a renewal, which fails
		synctest.Wait()
		time.Sleep(100 * time.Millisecond)
		for range 3 {
			if session, err := src.Session(t.Context()); session != nil || kinds(err) != "ErrServer ErrUnexpectedResponse" || !isWait(err) {
				t.Errorf("%v, %v; want the log-in's error", session, err)
			}
		}
	})
}

func TestASessionPastItsLifetimeIsUsedInAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{steps: func(n int64) step { return step{status: map[bool]int{true: 200, false: 500}[n == 1]} }}
		src := newSource(t, newClient(t, inMemory(srv)), creds(), autologin.WithLifetime(time.Minute))
		first := mustSession(t, src)
		time.Sleep(time.Hour)
		if session, err := src.Session(t.Context()); session != nil || kinds(err) != "ErrServer ErrUnexpectedResponse" {
			t.Errorf("%v, %v; want the error of the log-in", session, err)
		}
		if session := mustSession(t, src); session != first {
			t.Errorf("%v, want the last session, whose end the server did not say", session)
		}
	})
}

func TestTheLifetimeOfAStoredSessionCountsFromWhenItWasIssued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv, store := &loginServer{}, &memoryStore{}
		client := newClient(t, inMemory(srv))
		opts := []autologin.Option{autologin.WithStore(store), autologin.WithLifetime(40 * time.Minute)}
		first := mustSession(t, newSource(t, client, creds(), opts...))
		time.Sleep(34 * time.Minute)
		src := newSource(t, client, creds(), opts...)
		if got := mustSession(t, src); !got.Equal(first) || srv.logins.Load() != 1 {
			t.Errorf("%v after %d log-ins, want the stored session", got, srv.logins.Load())
		}
		time.Sleep(3 * time.Minute)
		_ = mustSession(t, src)
		synctest.Wait()
		if srv.logins.Load() != 2 {
			t.Errorf("%d log-ins after 37 of 40 minutes, want 2", srv.logins.Load())
		}
		time.Sleep(41 * time.Minute)
		if got := mustSession(t, newSource(t, client, creds(), opts...)); got.Token() != "token-3" {
			t.Errorf("%s: a stored session older than its lifetime is used", got.Token())
		}
		// A session whose age is not known is as old as its use.
		_ = store.Save(t.Context(), kalshiauth.SessionFromToken(userID, token))
		src = newSource(t, client, creds(), opts...)
		_ = mustSession(t, src)
		time.Sleep(34 * time.Minute)
		if got := mustSession(t, src); got.Token() != token || srv.logins.Load() != 3 {
			t.Errorf("%s after %d log-ins, want %s", got.Token(), srv.logins.Load(), token)
		}
	})
}

func TestARenewalTakesTheSessionThatAnotherProcessHasSaved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv, store := &loginServer{cookie: "; Max-Age=1800"}, newLockingStore()
		client := newClient(t, inMemory(srv))
		first := newSource(t, client, creds(), autologin.WithStore(store))
		second := newSource(t, client, creds(), autologin.WithStore(store))
		for range 3 {
			_, _ = mustSession(t, first), mustSession(t, second)
			time.Sleep(27 * time.Minute)
			_ = mustSession(t, first)
			synctest.Wait()
			_ = mustSession(t, second)
			synctest.Wait()
			if a, b := mustSession(t, first), mustSession(t, second); !a.Equal(b) {
				t.Errorf("%s and %s, want one session", a.Token(), b.Token())
			}
		}
		if srv.logins.Load() != 4 {
			t.Errorf("%d log-ins of two sources in three renewals, want 4", srv.logins.Load())
		}
	})
}

func TestAFreshLoginIsHandedOutWhateverItsExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{cookie: "; Max-Age=1"}
		src := newSource(t, newClient(t, inMemory(srv)), creds(), autologin.WithLifetime(1))
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
			src := newSource(t, client, creds())
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

func TestTheEndOfASessionIsReckonedByTheWallClock(t *testing.T) {
	t.Parallel()
	client := newClient(t, inMemory(&loginServer{cookie: "; Max-Age=1800"}))
	session := mustSession(t, newSource(t, client, creds()))
	// A monotonic clock stands still while a computer sleeps.
	for name, when := range map[string]time.Time{"IssuedAt": session.IssuedAt, "Expiry": session.Expiry} {
		if when.IsZero() || !when.Equal(when.Round(0)) || strings.Contains(when.String(), "m=") {
			t.Errorf("%s has a monotonic reading: %v", name, when)
		}
	}
}
