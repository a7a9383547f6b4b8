package interop_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// retrying returns a client for the rest of the API. It retries requests, but no log-in that has failed.
func retrying(source *autologin.Source) *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.HTTPClient = source.HTTPClient()
	c.Logger = nil // the default logs each URL to standard error
	c.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		if errors.As(err, new(*kalshiauth.Error)) || errors.As(err, new(*autologin.WaitError)) {
			return false, err
		}
		return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	}
	return c
}

// underneath returns a client for kalshiauth.WithHTTPClient, as nobody should make it.
func underneath(base http.RoundTripper) *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.HTTPClient = &http.Client{Transport: base}
	c.Logger = nil
	return c
}

// readFirst reads the body of a request before anything answers it, so that a request that is sent again needs a new one.
func readFirst(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		whole := r.WithContext(r.Context())
		whole.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, whole)
	})
}

// The cases send an order with a body of each kind, through retryablehttp's own client and its standard one.
func TestRetryablehttpAboveRetriesFailuresAndRenewsSessions(t *testing.T) {
	t.Parallel()
	const order = `{"side":"yes"}`
	readers := map[string]func() io.Reader{
		"a strings.Reader": func() io.Reader { return strings.NewReader(order) },
		"another reader":   func() io.Reader { return io.MultiReader(strings.NewReader(order)) },
	}
	clients := map[string]func(c *retryablehttp.Client, body io.Reader) (*http.Response, error){
		"retryablehttp.Client": func(c *retryablehttp.Client, body io.Reader) (*http.Response, error) {
			return c.Post(baseURL+"/orders", "application/json", body)
		},
		"StandardClient": func(c *retryablehttp.Client, body io.Reader) (*http.Response, error) {
			req, err := http.NewRequest(http.MethodPost, baseURL+"/orders", body) //nolint:noctx // as in Post above
			if err != nil {
				return nil, err
			}
			return c.StandardClient().Do(req)
		},
	}
	for what, body := range readers {
		for through, post := range clients {
			t.Run(what+" through "+through, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					server, _ := newServer(t)
					server.Handle("POST /orders", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.WriteHeader(http.StatusCreated)
						_, _ = io.Copy(w, r.Body)
					}))
					unavailable := kalshiauthtest.On("POST /orders", kalshiauthtest.Times(1, kalshiauthtest.Status(503)))
					server.Intercept(func(next http.Handler) http.Handler { return readFirst(unavailable(next)) })
					source := newSource(t, newClient(t, &http.Client{Transport: server.Transport()}))
					if _, err := source.Session(t.Context()); err != nil {
						t.Fatal(err)
					}
					server.ExpireSessions()
					resp, err := post(retrying(source), body())
					if err != nil {
						t.Fatal(err)
					}
					defer func() { _ = resp.Body.Close() }()
					answer, err := io.ReadAll(resp.Body)
					if err != nil {
						t.Fatal(err)
					}
					status, requests := http.StatusCreated, "Login OK, POST /orders Service Unavailable, POST /orders Unauthorized, Login OK, POST /orders Created"
					if what == "another reader" && through == "StandardClient" { // it sets no GetBody
						status, requests = http.StatusUnauthorized, "Login OK, POST /orders Service Unavailable, POST /orders Unauthorized"
					}
					if resp.StatusCode != status || status == http.StatusCreated && string(answer) != order {
						t.Errorf("status %d with the body %q, want %d with the order", resp.StatusCode, answer, status)
					}
					if got := requestLog(server); got != requests {
						t.Errorf("the requests are %s, want %s", got, requests)
					}
					for _, r := range server.RequestLog() {
						if r.Operation == "POST /orders" && r.Body != order {
							t.Errorf("a request with status %d has the body %q, want the order", r.Status, r.Body)
						}
					}
				})
			})
		}
	}
}

func TestRetryablehttpAboveReturnsARejectedLoginAtOnce(t *testing.T) {
	t.Parallel()
	for _, withCheck := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			server, _ := newServer(t)
			server.SetPassword(email, "another password")
			c := retrying(newSource(t, newClient(t, &http.Client{Transport: server.Transport()})))
			if !withCheck {
				c.CheckRetry = retryablehttp.DefaultRetryPolicy
			}
			start := time.Now()
			resp, err := c.Get(baseURL + "/balance")
			if err == nil {
				_ = resp.Body.Close()
			}
			if !errors.Is(err, kalshiauth.ErrUnauthorized) {
				t.Errorf("error %v, want ErrUnauthorized", err)
			}
			want := map[bool]time.Duration{true: 0, false: 15 * time.Second}[withCheck]
			if took := time.Since(start); took != want {
				t.Errorf("it took %v, want %v", took, want)
			}
			if n := server.Requests("Login"); n != 1 {
				t.Errorf("%d log-ins, want 1", n)
			}
		})
	}
}

// A multiplied case is a call that retryablehttp repeats.
type multiplied struct {
	call    string
	fault   string
	counted string // what count counts
	inject  func(http.Handler) http.Handler
	do      func(ctx context.Context, c *kalshiauth.Client, server *kalshiauthtest.Server) error
	count   func(server *kalshiauthtest.Server) int
}

// processed passes requests on, and answers with a status of a gateway.
func processed(status int) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		failing := kalshiauthtest.Status(status)(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(httptest.NewRecorder(), r)
			failing.ServeHTTP(w, r)
		})
	}
}

var multiplications = []multiplied{
	failingLogin(500), failingLogin(503), failingLogin(429),
	{
		"ResetPassword", "502 after it was processed", "e-mails", kalshiauthtest.On("ResetPassword", processed(502)),
		func(ctx context.Context, c *kalshiauth.Client, _ *kalshiauthtest.Server) error {
			return c.ResetPassword(ctx, email)
		},
		func(server *kalshiauthtest.Server) int { return len(server.Outbox()) },
	},
	{
		"ResetPasswordConfirm", "502 after it was processed", "requests",
		kalshiauthtest.On("ResetPasswordConfirm", kalshiauthtest.Times(1, processed(502))),
		func(ctx context.Context, c *kalshiauth.Client, server *kalshiauthtest.Server) error {
			if err := c.ResetPassword(ctx, email); err != nil {
				return err
			}
			mail := server.Outbox()[0]
			err := c.ResetPasswordConfirm(ctx, kalshiauth.PasswordResetConfirmation{
				Code: mail.Code, UserID: mail.UserID, NewPassword: "another password",
			})
			if _, err := c.Login(ctx, kalshiauth.Credentials{Email: email, Password: "another password"}); err != nil {
				return fmt.Errorf("the new password does not work: %w", err)
			}
			return err
		},
		func(server *kalshiauthtest.Server) int { return server.Requests("ResetPasswordConfirm") },
	},
}

func failingLogin(status int) multiplied {
	return multiplied{
		"Login", fmt.Sprintf("%d, always", status), "requests", kalshiauthtest.On("Login", kalshiauthtest.Status(status)),
		func(ctx context.Context, c *kalshiauth.Client, _ *kalshiauthtest.Server) error {
			_, err := c.Login(ctx, credentials)
			return err
		},
		func(server *kalshiauthtest.Server) int { return server.Requests("Login") },
	}
}

// TestRetryablehttpBelowMultipliesRetries measures each row of the table of the page, with all settings at their
// defaults.
func TestRetryablehttpBelowMultipliesRetries(t *testing.T) {
	t.Parallel()
	text := page(t)
	for _, m := range multiplications {
		measure := func(client func(http.RoundTripper) *http.Client) (count int, result string) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := newServer(t)
				server.Intercept(m.inject)
				start := time.Now()
				err := m.do(t.Context(), newClient(t, client(server.Transport())), server)
				kinds := "the end of the context"
				if names := strings.Fields(robustness.Kinds(err)); len(names) > 0 {
					kinds = "`" + names[len(names)-1] + "`"
				} else if !errors.Is(err, context.DeadlineExceeded) {
					kinds = "an error without a status"
				}
				count, result = m.count(server), fmt.Sprintf("%s after %v", kinds, time.Since(start).Round(time.Second))
			})
			return count, result
		}
		without, resultWithout := measure(func(base http.RoundTripper) *http.Client { return &http.Client{Transport: base} })
		with, resultWith := measure(func(base http.RoundTripper) *http.Client { return underneath(base).StandardClient() })
		counted := func(n int) string {
			return fmt.Sprint(n, " ", strings.TrimSuffix(m.counted, map[bool]string{n == 1: "s"}[true]))
		}
		row := fmt.Sprintf("| %#q | %s | %s, %s | %s, %s |",
			m.call, m.fault, counted(without), resultWithout, counted(with), resultWith)
		if with <= without || !strings.Contains(text, row) {
			t.Errorf("the page does not have this row:\n%s", row)
		}
	}
}

func TestRetryablehttpBelowFollowsRedirectsWithThePassword(t *testing.T) {
	t.Parallel()
	for _, below := range []bool{false, true} {
		server, _ := newServer(t)
		server.Intercept(kalshiauthtest.Redirect(307, "https://elsewhere.example/log_in"))
		var elsewhere []string
		network := robustness.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host != "elsewhere.example" {
				return server.Transport().RoundTrip(r)
			}
			body, err := io.ReadAll(r.Body)
			elsewhere = append(elsewhere, string(body))
			return &http.Response{StatusCode: 404, Body: http.NoBody}, err
		})
		httpClient := &http.Client{Transport: network}
		if below {
			httpClient = underneath(network).StandardClient()
		}
		_, err := newClient(t, httpClient).Login(t.Context(), credentials)
		sent := slices.ContainsFunc(elsewhere, func(body string) bool { return strings.Contains(body, password) })
		if err == nil || sent != below {
			t.Errorf("with retryablehttp: %t, the password went elsewhere: %t, error %v", below, sent, err)
		}
	}
}

func TestRetryablehttpBelowLogsTheResetCode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, user := newServer(t)
		server.Intercept(kalshiauthtest.Status(503))
		var printed strings.Builder
		c := underneath(server.Transport())
		c.Logger = log.New(&printed, "", 0) // the default has the same, to standard error
		err := newClient(t, c.StandardClient()).ResetPasswordConfirm(t.Context(), kalshiauth.PasswordResetConfirmation{
			Code: robustness.Code, UserID: user.ID, NewPassword: "another password",
		})
		robustness.AssertNoSecret(t, "the error", err, robustness.AllVerbs, robustness.Code)
		if err == nil || !strings.Contains(printed.String(), url.PathEscape(robustness.Code)) {
			t.Errorf("the log of retryablehttp does not have the code: %q; error %v", printed.String(), err)
		}
	})
}
