package robustness_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
)

// bodies401 are bodies of a 401, behind a head with a chunked Transfer-Encoding.
var bodies401 = map[string]struct {
	body string
	then func(net.Conn)
}{
	"whole":    {"2\r\n{}\r\n0\r\n\r\n", nil},
	"empty":    {"0\r\n\r\n", nil},
	"cut":      {"5\r\n{\"a", nil},
	"reset":    {"5\r\n{\"a", reset},
	"hanging":  {"1\r\n{\r\n", hang},
	"silent":   {"", hang},
	"trickles": {"", trickle("1\r\n \r\n")},
	"endless":  {"", endlessly("1000\r\n" + strings.Repeat("x", 0x1000) + "\r\n")},
	"garbage":  {"zz\r\n", nil},
}

// TestA401WithAnyBodyIsRenewedAndReplayed has an API that always answers 401. One connection at a time is allowed, which
// the log-in needs, too.
func TestA401WithAnyBodyIsRenewedAndReplayed(t *testing.T) {
	t.Parallel()
	for name, body := range bodies401 {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newHostileAPI(t, "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"+
				body.body, body.then)
			defer api.stop()
			labeled(t.Context(), t.Name(), func(ctx context.Context) {
				ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
				defer cancel()
				transport := &http.Transport{MaxConnsPerHost: 1}
				defer transport.CloseIdleConnections()
				source := api.source(t, transport, autologin.WithLoginLimit(time.Hour, 3))
				resp, err := get(ctx, source.HTTPClient(), api.url+requestPath)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close() // that of the second 401 is as the server sends it, and may have no end
				if resp.StatusCode != http.StatusUnauthorized {
					t.Errorf("the answer is %d", resp.StatusCode)
				}
				if logins, requests := api.logins.Load(), api.requests.Load(); logins != 2 || requests != 2 {
					t.Errorf("%d log-ins and %d requests, want 2 of each", logins, requests)
				}

				// One log-in is left, which this request begins with. So the caller gets this 401, with what came of its body within a second.
				resp, err = get(ctx, source.HTTPClient(), api.url+requestPath)
				if err != nil {
					t.Fatal(err)
				}
				data, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusUnauthorized || err != nil || len(data) > maxBody {
					t.Errorf("the answer is %d with %d bytes, %v", resp.StatusCode, len(data), err)
				}
				if name == "endless" && len(data) != maxBody || name == "whole" && string(data) != "{}" {
					t.Errorf("%d bytes of the body are left", len(data))
				}
				if logins, requests := api.logins.Load(), api.requests.Load(); logins != 3 || requests != 3 {
					t.Errorf("%d log-ins and %d requests, want 3 of each", logins, requests)
				}
			})
			assertNothingLeft(t, t.Name())
		})
	}
}

// A hostileAPI serves log-ins well, and everything else badly.
type hostileAPI struct {
	url              string
	logins, requests atomic.Int64
	stop             func() // waits until every connection is closed
}

// newHostileAPI answers all requests but log-ins with the bytes of an answer, and does then what then says.
func newHostileAPI(t *testing.T, answer string, then func(net.Conn)) *hostileAPI {
	t.Helper()
	api := &hostileAPI{}
	var connections sync.WaitGroup
	login := robustness.Lookup("Login")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == login.Path {
			reply(login.Success, sessionNumber(api.logins.Add(1)))(w, nil)
			return
		}
		api.requests.Add(1)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		connections.Go(func() {
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, answer); err == nil && then != nil {
				then(conn)
			}
		})
	}))
	api.url = server.URL
	api.stop = func() {
		server.Close()
		connections.Wait()
	}
	return api
}

// sessionNumber is the body of a log-in with a token of its own.
func sessionNumber(n int64) string {
	return strings.ReplaceAll(loginBody, token, token+strconv.FormatInt(n, 10))
}

func (api *hostileAPI) source(t *testing.T, transport http.RoundTripper, opts ...autologin.Option) *autologin.Source {
	t.Helper()
	return newSource(t, newClient(t, kalshiauth.WithBaseURL(api.url), kalshiauth.WithRetries(0),
		kalshiauth.WithHTTPClient(&http.Client{Transport: transport})), opts...)
}

func newSource(t *testing.T, client *kalshiauth.Client, opts ...autologin.Option) *autologin.Source {
	t.Helper()
	source, err := autologin.New(client, autologin.StaticCredentials(credentials), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func get(ctx context.Context, client *http.Client, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(req)
}

func TestAThousandEndless401sAtOnceTakeBoundedMemory(t *testing.T) { //nolint:paralleltest // measures the heap
	api := newHostileAPI(t, "HTTP/1.1 401 Unauthorized\r\n\r\n", endlessly(" "))
	defer api.stop()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := api.source(t, transport, autologin.WithLoginLimit(time.Hour, 1)).HTTPClient()
	grown := growth(t, func() {
		var calling sync.WaitGroup
		for range callsAtOnce {
			calling.Go(func() {
				resp, err := get(t.Context(), client, api.url+requestPath)
				if err != nil {
					t.Error(err)
					return
				}
				if n, err := io.Copy(io.Discard, resp.Body); n > maxBody || err != nil || resp.StatusCode != http.StatusUnauthorized {
					t.Errorf("%d bytes of a %d, %v", n, resp.StatusCode, err)
				}
				_ = resp.Body.Close()
			})
		}
		calling.Wait()
	})
	t.Logf("endless 401s: %d at once grew the heap by %d MiB, limit %d MiB", callsAtOnce, grown>>20, maxForThousand>>20)
}

// TestRandomAnswersNeverBreakASource has many goroutines use a source's client, its session and its log-out, while the
// server answers at random, log-ins included.
func TestRandomAnswersNeverBreakASource(t *testing.T) {
	t.Parallel()
	const sources, goroutines, usesEach = 20, 20, 5
	label := t.Name()
	var logins atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login := robustness.Lookup("Login")
		switch {
		case r.URL.Path == login.Path:
			n := logins.Add(1)
			if rand.IntN(4) > 0 {
				reply(login.Success, sessionNumber(n))(w, nil)
				return
			}
			randomAnswer(w, &login)
		case rand.IntN(3) == 0:
			randomBody(w, r)
		default:
			op := robustness.Lookup("Logout")
			randomAnswer(w, &op)
		}
	}))
	transport := &http.Transport{MaxIdleConnsPerHost: goroutines}
	var answers, failures atomic.Int64
	labeled(t.Context(), label, func(ctx context.Context) {
		api := newClient(t, kalshiauth.WithBaseURL(server.URL), kalshiauth.WithRetries(1), kalshiauth.WithTimeout(time.Second),
			kalshiauth.WithHTTPClient(&http.Client{Transport: transport}))
		var using sync.WaitGroup
		for range sources { // several, since after a failure most uses of a source only wait
			source := newSource(t, api, autologin.WithLoginLimit(0, 1))
			client := source.HTTPClient()
			for range goroutines {
				using.Go(func() {
					for range usesEach {
						if err := useAtRandom(ctx, source, client, server.URL); err != nil {
							failures.Add(1)
							robustness.AssertNoSecret(t, "the error", err, "vsqx", password, token)
						} else {
							answers.Add(1)
						}
					}
				})
			}
		}
		using.Wait()
	})
	transport.CloseIdleConnections()
	assertNothingLeft(t, label)
	server.Close()
	if answers.Load() < 100 || failures.Load() < 100 || logins.Load() < sources {
		t.Errorf("%d answers and %d failures, with %d log-ins", answers.Load(), failures.Load(), logins.Load())
	}
	t.Logf("random answers: %d uses ended with an answer and %d with an error, with %d log-ins", answers.Load(), failures.Load(),
		logins.Load())
}

// useAtRandom does one of the things that a program does with a source, for half a second at most.
func useAtRandom(ctx context.Context, source *autologin.Source, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	switch rand.IntN(20) {
	case 0:
		return source.Logout(ctx)
	case 1:
		session, err := source.Session(ctx)
		if (session == nil) == (err == nil) {
			return errors.New("Session returned both a session and an error, or neither: " + password) // fails the test
		}
		source.Invalidate(session)
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+requestPath, strings.NewReader("an order"))
	if err != nil {
		return err
	}
	if rand.IntN(2) == 0 {
		req.GetBody = nil
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.Request.Header.Get("Cookie") != "" {
		return errors.New("the response shows the session: " + token) // fails the test
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 2*maxBody)); err != nil {
		return fmt.Errorf("the body: %w", err)
	}
	return nil
}

// randomBody answers with a 401, mostly, which repeats the session, and whose body often does not end well.
func randomBody(w http.ResponseWriter, r *http.Request) {
	session := r.Header.Get("Cookie")
	w.Header().Set("Content-Type", []string{"application/json", "text/plain", ""}[rand.IntN(3)])
	w.WriteHeader([]int{401, 401, 401, 403, 500}[rand.IntN(5)])
	_, _ = io.WriteString(w, `{"message":"`+session)
	_ = http.NewResponseController(w).Flush()
	switch rand.IntN(4) {
	case 0:
		panic(http.ErrAbortHandler) // cuts the body
	case 1:
		<-r.Context().Done()
	case 2:
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte(strings.Repeat(session, 100))); err != nil {
				return
			}
		}
	}
}
