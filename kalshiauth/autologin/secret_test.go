package autologin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
)

func TestNoRenderingOfASourceShowsASecret(t *testing.T) {
	t.Parallel()
	client := newClient(t, inMemory(&loginServer{}))
	src := newSource(t, client, creds(), autologin.WithStore(&memoryStore{}))
	_ = mustSession(t, src)
	static := autologin.Static(kalshiauth.SessionFromToken(userID, token))
	rejected := newSource(t, newClient(t, inMemory(reply(401, ""))), creds())
	_, _ = rejected.Session(t.Context())
	_, wait := rejected.Session(t.Context())
	type hidden struct {
		src       *autologin.Source
		value     autologin.Source
		static    autologin.SessionSource
		client    *http.Client
		transport http.RoundTripper
	}
	for what, v := range map[string]any{
		"Source": src, "value": *src, "static": static, "rejected": rejected, "HTTPClient": src.HTTPClient(),
		"Transport": newTransport(client, src), "value of Transport": *newTransport(client, static), "WaitError": wait,
		"hidden": hidden{src, *rejected, static, src.HTTPClient(), newTransport(client, static)},
	} {
		robustness.AssertNoSecret(t, what, v, robustness.AllVerbs, password, "token-1", token)
	}
}

func TestTheRequestOfAResponseIsTheCallersOwn(t *testing.T) {
	t.Parallel()
	srv := &loginServer{}
	for _, scheme := range []kalshiauth.Option{kalshiauth.WithRetries(0), kalshiauth.WithAuthorizationScheme("Bearer")} {
		client := newClient(t, inMemory(srv), scheme)
		src := newSource(t, client, creds())
		for _, path := range []string{"/good", "/bad", "/nowhere"} {
			req := newRequest(t, http.MethodGet, client.BaseURL()+path, nil)
			resp, err := newTransport(client, src).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.Request != req || len(req.Header) != 0 {
				t.Errorf("%s: the response's request is %p with %v, want the caller's own", path, resp.Request, resp.Request.Header)
			}
			resp, err = src.HTTPClient().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			robustness.AssertNoSecret(t, path, resp.Request.Header, robustness.AllVerbs, mustSession(t, src).Token())
			if text := fmt.Sprintf("%+v", resp.Request); strings.Contains(text, mustSession(t, src).Token()) {
				t.Errorf("%s: %s", path, text)
			}
		}
	}
}

// noisyStore puts the session into its errors.
type noisyStore struct{ memoryStore }

func (s *noisyStore) Save(_ context.Context, session *kalshiauth.Session) error {
	return fmt.Errorf("cannot write %s", session.Token())
}

func TestNoLogRecordShowsASecretOrAnAddress(t *testing.T) {
	t.Parallel()
	noisy := fmt.Sprintf(`{"code":"wrong","message":"%s has the password %s"}`, email, password)
	for name, test := range map[string]struct {
		answer      http.Handler
		credentials autologin.CredentialsFunc
		store       autologin.Store
	}{
		"message": {reply(401, noisy), creds(), &memoryStore{}},
		"text":    {reply(500, noisy, "Content-Type: text/plain"), creds(), &memoryStore{}},
		"success": {&loginServer{}, creds(), &memoryStore{}},
		"store":   {&loginServer{}, creds(), &noisyStore{}},
		"lock":    {&loginServer{}, creds(), &hookStore{unlock: func() error { return errors.New(email) }}},
		"credentials": {&loginServer{}, func(context.Context) (kalshiauth.Credentials, error) {
			return credentials, fmt.Errorf("%s has the password %s", email, password)
		}, &memoryStore{}},
		"network": {nil, creds(), &memoryStore{}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log logBuffer
			client := newClient(t, kalshiauth.WithRetries(0), withTransport(roundTripper(func(req *http.Request) (*http.Response, error) {
				if test.answer == nil {
					body, _ := io.ReadAll(req.Body)
					return nil, fmt.Errorf("cannot send %s to %s", body, email)
				}
				return answering(test.answer)(req)
			})))
			src := newSource(t, client, test.credentials, autologin.WithStore(test.store), log.option())
			for range 3 {
				_, _ = src.Session(t.Context())
				_ = src.Logout(t.Context())
				time.Sleep(time.Hour)
			}
			for _, secret := range []string{email, password, "token-1", "token-2"} {
				if strings.Contains(log.String(), secret) {
					t.Errorf("%s: the log shows %q: %s", name, secret, log.String())
				}
			}
			if name != "credentials" && len(log.lines("INFO")) != 3 {
				t.Errorf("%s: the log: %s", name, log.String())
			}
		})
	}
}

func TestEachLoginIsOneLogRecordThatSaysWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		srv := &loginServer{cookie: "; Max-Age=1800", steps: failing(401, 4, 5)}
		src := newSource(t, newClient(t, inMemory(srv)), creds(), log.option())
		session := mustSession(t, src)
		src.Invalidate(session)
		_ = mustSession(t, src)
		time.Sleep(27 * time.Minute)
		_ = mustSession(t, src)
		synctest.Wait()
		src.Invalidate(mustSession(t, src))
		for range 100 {
			_, _ = src.Session(t.Context())
		}
		next := time.Now().Add(time.Minute)
		if err := src.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			_, _ = src.Session(t.Context())
		}
		time.Sleep(time.Minute)
		_, _ = src.Session(t.Context())
		last := time.Now().Add(2 * time.Minute)
		records := log.lines("INFO")
		if len(records) != int(srv.logins.Load()) || len(records) != 5 {
			t.Fatalf("%d records of %d log-ins: %s", len(records), srv.logins.Load(), log.String())
		}
		for i, want := range [][]string{
			{"logged in", "none yet"},
			{"logged in", "ended"},
			{"logged in", "ahead of time"},
			{"failed", "ended", "next=", next.Format(time.RFC3339), "401"},
			{"failed", "none yet", "next=", last.Format(time.RFC3339), "401"},
		} {
			for _, text := range want {
				if !strings.Contains(records[i], text) {
					t.Errorf("record %d does not say %q: %s", i+1, text, records[i])
				}
			}
		}
	})
}
