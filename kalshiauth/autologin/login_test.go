package autologin_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
)

func TestRejectedCredentialsAreNotSentAgainForAWhile(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403} {
		synctest.Test(t, func(t *testing.T) {
			srv := &loginServer{steps: always(status)}
			asked := 0
			src := newSource(t, newClient(t, inMemory(srv)), func(context.Context) (kalshiauth.Credentials, error) {
				asked++
				return credentials, nil
			})
			start := time.Now()
			for i := range 1000 {
				_, err := src.Session(t.Context())
				var answer *kalshiauth.Error
				if !errors.As(err, &answer) || answer.StatusCode != status || isWait(err) != (i > 0) {
					t.Fatalf("call %d: %v", i, err)
				}
			}
			if srv.logins.Load() != 1 || asked != 1000 || time.Since(start) != 0 {
				t.Errorf("%d log-ins, credentials asked for %d times", srv.logins.Load(), asked)
			}
			for i, minutes := range []int{1, 2, 4, 8, 15, 15} {
				want := time.Duration(minutes) * time.Minute
				var wait *autologin.WaitError
				if _, err := src.Session(t.Context()); !errors.As(err, &wait) || time.Until(wait.Until) != want {
					t.Errorf("rejection %d: %v, want a wait of %v", i+1, err, want)
				}
				time.Sleep(want - time.Nanosecond)
				_, _ = src.Session(t.Context())
				early := srv.logins.Load()
				time.Sleep(time.Nanosecond)
				_, _ = src.Session(t.Context())
				if now := srv.logins.Load(); early != int64(i+1) || now != int64(i+2) {
					t.Errorf("rejection %d: %d log-ins before %v and %d after", i+1, early, want, now)
				}
			}
		})
	}
}

func TestTheRejectionOfOtherCredentialsIsTheirFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{steps: func(int64) step { return step{status: 401} }}
		password := "wrong password"
		src := newSource(t, newClient(t, inMemory(srv)), func(context.Context) (kalshiauth.Credentials, error) {
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
		src := newSource(t, newClient(t, inMemory(srv)), func(context.Context) (kalshiauth.Credentials, error) {
			return kalshiauth.Credentials{Email: email, Password: password}, nil
		})
		if _, err := src.Session(t.Context()); kinds(err) != "ErrUnauthorized ErrUnexpectedResponse" {
			t.Fatal(err)
		}
		password = "right password"
		dead := mustSession(t, src)
		// The success has ended the rejection, also for how long the next one lasts.
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

func TestASuccessEndsARejection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{steps: func(n int64) step { return step{status: map[bool]int{true: 200, false: 401}[n == 2]} }}
		src := newSource(t, newClient(t, inMemory(srv)), creds())
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

func TestAnOutageWaitsForSecondsNotMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{steps: always(500)}
		src := newSource(t, newClient(t, inMemory(srv), kalshiauth.WithRetries(0)), creds(), autologin.WithLoginLimit(0, 1))
		for i, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			if _, err := src.Session(t.Context()); kinds(err) != "ErrServer ErrUnexpectedResponse" || isWait(err) {
				t.Errorf("try %d: %v", i+1, err)
			}
			most := time.Duration(seconds) * time.Second
			_, err := src.Session(t.Context())
			var wait *autologin.WaitError
			if !errors.As(err, &wait) || time.Until(wait.Until) > most || time.Until(wait.Until) < most/2 {
				t.Fatalf("try %d: %v, want a wait of %v to %v", i+1, err, most/2, most)
			}
			time.Sleep(time.Until(wait.Until) - 1)
			_, _ = src.Session(t.Context())
			if srv.logins.Load() != int64(i+1) {
				t.Errorf("%d log-ins, want %d", srv.logins.Load(), i+1)
			}
			time.Sleep(time.Nanosecond)
		}
	})
}

func TestTheServersRetryAfterHolds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		step
		other bool // whether other credentials wait, too
		wait  time.Duration
	}{
		"429":              {step{429, "600"}, true, 10 * time.Minute},
		"503":              {step{503, "600"}, true, 10 * time.Minute},
		"429, for years":   {step{429, "4000000000"}, true, time.Hour},
		"429, at once":     {step{429, "0"}, false, time.Second},
		"403":              {step{403, "3600"}, false, time.Hour},
		"401, shortly":     {step{401, "1"}, false, time.Minute},
		"403, for years":   {step{403, "4000000000"}, false, 24 * time.Hour},
		"500, which waits": {step{500, "600"}, false, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := &loginServer{steps: func(n int64) step {
				if n == 1 {
					return test.step
				}
				return step{status: 200}
			}}
			pass := password
			client := newClient(t, inMemory(srv), kalshiauth.WithRetries(0))
			src := newSource(t, client, func(context.Context) (kalshiauth.Credentials, error) {
				return kalshiauth.Credentials{Email: email, Password: pass}, nil
			})
			_, _ = src.Session(t.Context())
			time.Sleep(test.wait/2 - 1)
			_, _ = src.Session(t.Context())
			if srv.logins.Load() != 1 {
				t.Errorf("%s: %d log-ins before half of %v", name, srv.logins.Load(), test.wait)
			}
			if !test.other {
				pass = "another password"
				if _, err := src.Session(t.Context()); err != nil || srv.logins.Load() != 2 {
					t.Errorf("%s: other credentials wait, too: %v", name, err)
				}
				return
			}
			time.Sleep(test.wait / 2)
			pass = "another password"
			if _, err := src.Session(t.Context()); !isWait(err) || srv.logins.Load() != 1 {
				t.Errorf("%s: other credentials do not wait: %v", name, err)
			}
			time.Sleep(time.Nanosecond)
			if _, err := src.Session(t.Context()); err != nil {
				t.Errorf("%s: %v after %v", name, err, test.wait)
			}
		})
	}
}

func TestAPageOrALineOfTextIsNotARejection(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"text/plain", "text/html", "application/json", "application/problem+json"} {
		synctest.Test(t, func(t *testing.T) {
			var logins atomic.Int64
			src := newSource(t, newClient(t, inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				logins.Add(1)
				reply(401, "API has been moved to https://elsewhere.example.com", "Content-Type: "+contentType)(w, r)
			}))), creds())
			if _, err := src.Session(t.Context()); kinds(err) != "ErrUnauthorized ErrUnexpectedResponse" {
				t.Error(err)
			}
			time.Sleep(time.Second)
			_, err := src.Session(t.Context())
			if again := !isWait(err); again != strings.HasPrefix(contentType, "text") || logins.Load() == 2 != again {
				t.Errorf("%s: %d log-ins within a second", contentType, logins.Load())
			}
		})
	}
}

func TestErrorsOfCredentialsAreTheCallersAndWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sealed := errors.New("the vault is sealed")
		srv := &loginServer{}
		asked, broken := 0, true
		src := newSource(t, newClient(t, inMemory(srv)), func(context.Context) (kalshiauth.Credentials, error) {
			asked++
			if broken {
				return kalshiauth.Credentials{}, sealed
			}
			return credentials, nil
		})
		for start := time.Now(); time.Since(start) < time.Hour; time.Sleep(100 * time.Millisecond) {
			if _, err := src.Session(t.Context()); !errors.Is(err, sealed) {
				t.Fatal(err)
			}
		}
		if srv.logins.Load() != 0 || asked < 60 || asked > 126 {
			t.Errorf("%d log-ins; the credentials were asked for %d times in an hour, want 60 to 126", srv.logins.Load(), asked)
		}
		broken = false
		time.Sleep(time.Minute)
		_ = mustSession(t, src)
	})
}

func TestCredentialsThatNoAccountCanHaveAreNotSent(t *testing.T) {
	t.Parallel()
	srv := &loginServer{}
	wrong := autologin.StaticCredentials(kalshiauth.Credentials{Email: "nobody"})
	if _, err := newSource(t, newClient(t, inMemory(srv)), wrong).Session(t.Context()); kinds(err) != "ErrInvalidInput" || srv.logins.Load() != 0 {
		t.Errorf("%v, %d log-ins", err, srv.logins.Load())
	}
}

func TestTheLastSessionIsUsedWhileNoLoginIsTried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{cookie: "; Max-Age=3600", steps: func(n int64) step {
			return step{status: map[bool]int{true: 200, false: 500}[n == 1 || n == 4]}
		}}
		pass := password
		client := newClient(t, inMemory(srv), kalshiauth.WithRetries(0))
		src := newSource(t, client, func(context.Context) (kalshiauth.Credentials, error) {
			return kalshiauth.Credentials{Email: email, Password: pass}, nil
		})
		first := mustSession(t, src)
		src.Invalidate(first)
		if _, err := src.Session(t.Context()); kinds(err) != "ErrServer ErrUnexpectedResponse" {
			t.Errorf("%v, want the error of the log-in", err)
		}
		start := time.Now()
		for range 100 {
			src.Invalidate(first)
			if got, err := src.Session(t.Context()); got != first || err != nil || time.Since(start) != 0 {
				t.Fatalf("%v, %v, want the last session at once", got, err)
			}
		}
		time.Sleep(time.Hour) // past its Expiry
		_, _ = src.Session(t.Context())
		start = time.Now()
		got, err := src.Session(t.Context())
		if got != nil || !isWait(err) || kinds(err) != "ErrServer ErrUnexpectedResponse" || time.Since(start) != 0 {
			t.Errorf("%v, %v, want a wait for a session that is past its Expiry", got, err)
		}
		pass = "a new password"
		if got, err := src.Session(t.Context()); err != nil || got.Equal(first) || time.Since(start) != 0 {
			t.Errorf("%v, %v, want a log-in with the new credentials at once", got, err)
		}
		src.Invalidate(mustSession(t, src))
		if got, err := src.Session(t.Context()); got != nil || kinds(err) != "ErrServer ErrUnexpectedResponse" {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestLoginsAreLimitedByNumber(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := &loginServer{}
		src := newSource(t, newClient(t, inMemory(srv)), creds())
		var session *kalshiauth.Session
		for i := range 10 {
			next := mustSession(t, src)
			if next.Equal(session) {
				t.Errorf("log-in %d waits", i+1)
			}
			session = next
			src.Invalidate(session)
		}
		if got := mustSession(t, src); got != session || srv.logins.Load() != 10 {
			t.Errorf("%d log-ins at once, want 10", srv.logins.Load())
		}
		time.Sleep(time.Minute - 1)
		_ = mustSession(t, src)
		early := srv.logins.Load()
		time.Sleep(time.Nanosecond)
		if got := mustSession(t, src); early != 10 || srv.logins.Load() != 11 || got.Equal(session) {
			t.Errorf("%d log-ins before a minute, %d after", early, srv.logins.Load())
		}
		if err := src.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := src.Session(t.Context())
		if !isWait(err) || !strings.Contains(err.Error(), "WithLoginLimit") {
			t.Errorf("%v, want a wait that names the option", err)
		}
	})
}

func TestTheLimitOfLoginsIsTheCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			every time.Duration
			burst int
			want  int64
		}{{0, 1, 100}, {time.Hour, 3, 3}, {time.Second, 1, 1}} {
			srv := &loginServer{}
			src := newSource(t, newClient(t, inMemory(srv)), creds(), autologin.WithLoginLimit(test.every, test.burst))
			for range 100 {
				src.Invalidate(mustSession(t, src))
			}
			if srv.logins.Load() != test.want {
				t.Errorf("WithLoginLimit(%v, %d): %d log-ins, want %d", test.every, test.burst, srv.logins.Load(), test.want)
			}
		}
	})
}
