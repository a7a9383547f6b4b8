package autologin_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func TestLogoutForgetsTheSessionEverywhere(t *testing.T) {
	t.Parallel()
	srv, store := &loginServer{}, newLockingStore()
	src := newSource(t, newClient(t, inMemory(srv)), creds(), autologin.WithStore(store))
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
	src := newSource(t, client, creds(), autologin.WithStore(store))
	_ = mustSession(t, src)
	other := newSource(t, client, creds(), autologin.WithStore(store))
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

func TestLogoutReturnsNilOnlyIfTheSessionIsOver(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	network := errors.New("the network is down")
	moved := reply(401, "API has been moved", "Content-Type: text/plain")
	for name, test := range map[string]struct {
		answer  http.HandlerFunc // nil: the network is down
		fail    func(*memoryStore)
		want    error
		deleted bool // whether the stored session is removed
	}{
		"success":         {reply(204, ""), nil, nil, true},
		"dead session":    {reply(401, ""), nil, nil, true},
		"server error":    {reply(500, ""), nil, kalshiauth.ErrServer, false},
		"rate limit":      {reply(429, ""), nil, kalshiauth.ErrRateLimited, false},
		"forbidden":       {reply(403, ""), nil, kalshiauth.ErrForbidden, false},
		"another host":    {moved, nil, kalshiauth.ErrUnauthorized, false},
		"network":         {nil, nil, network, false},
		"delete fails":    {reply(204, ""), func(s *memoryStore) { s.deleteErr = broken }, broken, false},
		"load fails":      {reply(204, ""), func(s *memoryStore) { s.loadErr = broken }, broken, true},
		"corrupt":         {reply(204, ""), func(s *memoryStore) { s.data = []byte("?") }, kalshiauth.ErrInvalidInput, true},
		"load and delete": {reply(204, ""), func(s *memoryStore) { s.loadErr, s.deleteErr = network, broken }, broken, false},
	} {
		srv, store := &loginServer{}, &memoryStore{}
		fails := true
		client := newClient(t, kalshiauth.WithRetries(0), withTransport(roundTripper(func(req *http.Request) (*http.Response, error) {
			switch {
			case !fails || !strings.HasSuffix(req.URL.Path, "log_out"):
				return answering(srv)(req)
			case test.answer == nil:
				return nil, network
			}
			return answering(test.answer)(req)
		})))
		src := newSource(t, client, creds(), autologin.WithStore(store))
		first := mustSession(t, src)
		if test.fail != nil {
			test.fail(store)
		}
		err := src.Logout(t.Context())
		if (err == nil) != (test.want == nil) || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		robustness.AssertNoSecret(t, name, err, robustness.AllVerbs, first.Token())
		if deleted := store.data == nil; deleted != test.deleted {
			t.Errorf("%s: the stored session is removed: %t", name, deleted)
		}
		store.loadErr, store.deleteErr = nil, nil
		if alive := test.want != nil && !errors.Is(err, broken) && name != "corrupt"; alive {
			if !strings.Contains(err.Error(), userID) {
				t.Errorf("%s: the error does not name the session: %v", name, err)
			}
			if err := src.Logout(t.Context()); err == nil {
				t.Errorf("%s: the second Logout forgets the session", name)
			}
		}
		if got := mustSession(t, src); got.Token() == first.Token() || srv.logins.Load() != 2 {
			t.Errorf("%s: the session is handed out again", name)
		}
		fails = false
		if err := src.Logout(t.Context()); err != nil || store.data != nil {
			t.Errorf("%s: %v, the store has %q", name, err, store.data)
		}
		if err := src.Logout(t.Context()); err != nil {
			t.Errorf("%s: %v after a Logout that succeeded", name, err)
		}
	}
}

func TestTheNextLogoutEndsTheSessionThatTheLastOneLeft(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]autologin.Option{nil, {autologin.WithStore(&memoryStore{})}, {autologin.WithStore(newLockingStore())}} {
		fake := newFake(t)
		src := newSource(t, clientOf(t, fake, kalshiauth.WithRetries(0)), creds(), opts...)
		for range 3 {
			_ = mustSession(t, src)
			fake.Intercept(kalshiauthtest.On("Logout", kalshiauthtest.Status(500)))
			if err := src.Logout(t.Context()); kinds(err) != "ErrServer" {
				t.Errorf("%v, want the server's error", err)
			}
			fake.Intercept(nil)
		}
		if fake.Sessions() != 3 {
			t.Errorf("%d sessions, want 3", fake.Sessions())
		}
		if err := src.Logout(t.Context()); err != nil || fake.Sessions() != 0 {
			t.Errorf("%v, %d sessions are alive", err, fake.Sessions())
		}
	}
}

func TestLogoutSaysThatAStoreCannotBeLocked(t *testing.T) {
	t.Parallel()
	srv, store := &loginServer{}, newLockingStore()
	src := newSource(t, newClient(t, inMemory(srv)), creds(), autologin.WithStore(store))
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
	_ = mustSession(t, newSource(t, client, creds(), autologin.WithStore(store)))
	store.deleteErr = errors.New("disk on fire")
	src := newSource(t, client, creds(), autologin.WithStore(store)) // has not used the session yet
	if err := src.Logout(t.Context()); !errors.Is(err, store.deleteErr) || srv.logouts.Load() != 1 {
		t.Errorf("%v, %d log-outs", err, srv.logouts.Load())
	}
}

func TestASessionThatLogoutEndedButCouldNotDeleteIsNeverUsedAgain(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	store := &memoryStore{}
	src := newSource(t, clientOf(t, fake), creds(), autologin.WithStore(store), autologin.WithLoginLimit(0, 1))
	first := mustSession(t, src)
	store.deleteErr, store.saveErr = errors.New("disk on fire"), errors.New("read-only")
	for i := range 40 {
		if err := src.Logout(t.Context()); !errors.Is(err, store.deleteErr) {
			t.Errorf("%v, want the store's error", err)
		}
		if got := mustSession(t, src); got.Equal(first) {
			t.Fatalf("the ended session is handed out after %d log-outs", i+1)
		}
	}
	if n := fake.Requests("Logout"); n > 2*40 {
		t.Errorf("%d requests to end 40 sessions", n)
	}
}

func TestASessionThatCouldNotBeDeletedIsNotUsedAfterAnotherLogout(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	store := newLockingStore()
	src := newSource(t, clientOf(t, fake), creds(), autologin.WithStore(store))
	first := mustSession(t, src)
	store.deleteErr = errors.New("disk on fire")
	if err := src.Logout(t.Context()); !errors.Is(err, store.deleteErr) {
		t.Errorf("%v, want the store's error", err)
	}
	store.lockErr = errors.New("no lock")
	if err := src.Logout(t.Context()); !errors.Is(err, store.lockErr) {
		t.Errorf("%v, want the store's error", err)
	}
	store.lockErr = nil
	if got := mustSession(t, src); got.Equal(first) {
		t.Error("a session that a log-out has ended is handed out again")
	}
}

func TestLogoutLeavesTheStoredSessionOfAnotherAccount(t *testing.T) {
	t.Parallel()
	srv, store := &loginServer{}, &memoryStore{}
	client := newClient(t, inMemory(srv))
	src := newSource(t, client, creds(), autologin.WithStore(store))
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
