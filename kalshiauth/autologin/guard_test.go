package autologin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
)

func TestALoginThatNobodyWaitsForHasATimeLimit(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, test := range map[string]struct {
		credentials autologin.CredentialsFunc
		store       *hookStore
		want        time.Duration
	}{
		"CredentialsFunc": {func(ctx context.Context) (kalshiauth.Credentials, error) {
			return credentials, hang(ctx)
		}, &hookStore{}, time.Minute},
		"Load":   {creds(), &hookStore{load: hang}, time.Minute},
		"Lock":   {creds(), &hookStore{lock: hang}, time.Minute},
		"server": {creds(), &hookStore{}, 30 * time.Second}, // the client's own limit
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := http.Handler(&loginServer{})
			if name == "server" {
				srv = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			}
			src := newSource(t, newClient(t, inMemory(srv)), test.credentials, autologin.WithStore(test.store))
			start := time.Now()
			_, err := src.Session(t.Context())
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != test.want {
				t.Errorf("%s: %v after %v, want %v", name, err, time.Since(start), test.want)
			}
		})
	}
}

// hookStore is a store whose methods call functions, if they are not nil.
type hookStore struct {
	memoryStore

	load, save, remove, lock func(ctx context.Context) error
	unlock                   func() error
}

func hook(f func(context.Context) error, ctx context.Context) error { //nolint:revive // f comes first, as in a call
	if f == nil {
		return nil
	}
	return f(ctx)
}

func (s *hookStore) Load(ctx context.Context) (*kalshiauth.Session, error) {
	if err := hook(s.load, ctx); err != nil {
		return nil, err
	}
	return s.memoryStore.Load(ctx)
}

func (s *hookStore) Save(ctx context.Context, session *kalshiauth.Session) error {
	return errors.Join(hook(s.save, ctx), s.memoryStore.Save(ctx, session))
}

func (s *hookStore) Delete(ctx context.Context) error {
	return errors.Join(hook(s.remove, ctx), s.memoryStore.Delete(ctx))
}

func (s *hookStore) Lock(ctx context.Context) (context.Context, func() error, error) {
	unlock := s.unlock
	if unlock == nil {
		unlock = func() error { return nil }
	}
	return ctx, unlock, hook(s.lock, ctx)
}

func TestAPanicOfTheCallersCodeIsAnErrorThatDoesNotShowIt(t *testing.T) {
	t.Parallel()
	const secret = "the panic's own secret"
	for how, fail := range map[string]func(){
		"panic": func() { panic(secret) }, "nil panic": func() { panic(nil) }, "Goexit": runtime.Goexit, //nolint:govet // on purpose
	} {
		f := func(ctx context.Context) error { fail(); return ctx.Err() }
		for what, test := range map[string]struct {
			store   *hookStore
			session bool // whether Session succeeds all the same
			logout  bool // whether Logout does
		}{
			"CredentialsFunc": {nil, false, true},
			"transport":       {nil, false, true},
			"Load":            {&hookStore{load: f}, false, false},
			"Save":            {&hookStore{save: f}, true, true},
			"Delete":          {&hookStore{remove: f}, true, false},
			"Lock":            {&hookStore{lock: f}, false, false},
			"unlock":          {&hookStore{unlock: func() error { return f(t.Context()) }}, true, true},
		} {
			srv := &loginServer{}
			client := newClient(t, kalshiauth.WithRetries(0), withTransport(roundTripper(func(req *http.Request) (*http.Response, error) {
				if what == "transport" {
					fail()
				}
				return answering(srv)(req)
			})))
			var log logBuffer
			opts := []autologin.Option{log.option()}
			if test.store != nil {
				opts = append(opts, autologin.WithStore(test.store))
			}
			src := newSource(t, client, func(context.Context) (kalshiauth.Credentials, error) {
				if what == "CredentialsFunc" {
					fail()
				}
				return credentials, nil
			}, opts...)
			session, err := src.Session(t.Context())
			if (err == nil) != test.session || session.Valid() != test.session {
				t.Errorf("%s in %s: Session: %v, %v", how, what, session, err)
			}
			logout := src.Logout(t.Context())
			if (logout == nil) != test.logout {
				t.Errorf("%s in %s: Logout: %v", how, what, logout)
			}
			said := fmt.Sprint(err, logout, log.String())
			if strings.Contains(said, secret) || !strings.Contains(said, "panicked") {
				t.Errorf("%s in %s: %s", how, what, said)
			}
		}
	}
}

func TestACredentialsFuncThatExitsItsGoroutineStrandsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{}
		exits := true
		src := newSource(t, newClient(t, inMemory(srv)), func(context.Context) (kalshiauth.Credentials, error) {
			if exits {
				exits = false
				runtime.Goexit()
			}
			return credentials, nil
		})
		if _, err := src.Session(t.Context()); err == nil {
			t.Error("a session without a login")
		}
		time.Sleep(time.Second)
		_ = mustSession(t, src)
	})
}

func TestAPanicOfTheTransportInALogoutStrandsNobody(t *testing.T) {
	t.Parallel()
	srv := &loginServer{}
	broken := false
	src := newSource(t, newClient(t, withTransport(roundTripper(func(req *http.Request) (*http.Response, error) {
		if broken {
			panic("broken")
		}
		return answering(srv)(req)
	}))), creds())
	_ = mustSession(t, src)
	broken = true
	if err := src.Logout(t.Context()); err == nil || strings.Contains(err.Error(), "broken") {
		t.Errorf("%v, want an error that does not show the panic", err)
	}
	broken = false
	if err := src.Logout(t.Context()); err != nil || srv.logouts.Load() != 1 {
		t.Errorf("%v, %d log-outs, want 1", err, srv.logouts.Load())
	}
}
