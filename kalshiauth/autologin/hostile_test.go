package autologin_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
)

func TestInvalidatingAnOlderSessionRevivesNone(t *testing.T) {
	t.Parallel()
	srv := &loginServer{}
	source := newSource(t, newClient(t, inMemory(srv)), creds())
	first := mustSession(t, source)
	source.Invalidate(first)
	second := mustSession(t, source)
	source.Invalidate(second)
	source.Invalidate(first) // a request that was late
	source.Invalidate(nil)
	if got := mustSession(t, source); got.Equal(second) || srv.logins.Load() != 3 {
		t.Errorf("%d log-ins, want 3; the ended session is returned: %t", srv.logins.Load(), got.Equal(second))
	}
}

func TestAStaleStoreGivesNoSessionTwice(t *testing.T) {
	t.Parallel()
	stale := kalshiauth.SessionFromToken(userID, "stale-token")
	store := &memoryStore{}
	if err := store.Save(t.Context(), stale); err != nil {
		t.Fatal(err)
	}
	store.saveErr = errors.New("read-only")
	source := newSource(t, newClient(t, inMemory(&loginServer{})), creds(), autologin.WithStore(store))
	for i := range 5 {
		session := mustSession(t, source)
		if session.Equal(stale) != (i == 0) {
			t.Errorf("call %d got the stored session: %t", i+1, session.Equal(stale))
		}
		source.Invalidate(session)
	}
}

func TestARejectionThatArrivesDuringALogoutIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{
			before: func(int64) { time.Sleep(100 * time.Millisecond) }, steps: func(int64) step { return step{status: 401} },
		}
		late := roundTripper(func(req *http.Request) (*http.Response, error) {
			return answering(srv)(req.WithContext(context.WithoutCancel(req.Context())))
		})
		source := newSource(t, newClient(t, withTransport(late), kalshiauth.WithRetries(0)), creds())
		for start := time.Now(); time.Since(start) < time.Hour; time.Sleep(time.Second) {
			go func() { _, _ = source.Session(context.Background()) }() //nolint:usetesting // it outlives nothing
			time.Sleep(50 * time.Millisecond)
			_ = source.Logout(t.Context())
		}
		if n := srv.logins.Load(); n > 7 {
			t.Errorf("%d rejected log-ins in an hour, want 7 at most", n)
		}
	})
}

func TestAnExpiredSessionThatTheServerDoesNotEndIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{cookie: "; Max-Age=60"}
		client := newClient(t, kalshiauth.WithRetries(0), inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/log_out" {
				reply(500, "")(w, r)
				return
			}
			srv.ServeHTTP(w, r)
		})))
		source := newSource(t, client, creds())
		_ = mustSession(t, source)
		time.Sleep(2 * time.Minute) // by our clock, which may be wrong
		if err := source.Logout(t.Context()); err == nil {
			t.Error("Logout returned nil, and the server did not end the session")
		}
	})
}

func TestTheKept401SaysNoLengthThatItDoesNotHave(t *testing.T) {
	t.Parallel()
	srv := &loginServer{}
	mixed := newClient(t, inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/log_in" {
			srv.ServeHTTP(w, r)
			return
		}
		reply(401, string(make([]byte, 100_000)), "Content-Length: 100000")(w, r)
	})))
	source := newSource(t, mixed, creds(), autologin.WithLoginLimit(time.Hour, 1))
	resp, body := get401(t, source.HTTPClient(), mixed.BaseURL()+"/x") //nolint:bodyclose // get401 does
	if length := resp.Header.Get("Content-Length"); len(body) != 64<<10 || length != "" {
		t.Errorf("%d bytes, and the header says %q", len(body), length)
	}
}
