package kalshiauth_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
)

// step is one answer of a server, or the lack of one.
type step struct {
	status      int
	body        string // of a 200; "": loginBody
	retryAfter  string
	contentType string // "": JSON; "none": none
	err         error
}

// play answers each request with the next step, and counts the requests.
func play(calls *int, steps ...step) kalshiauth.Option {
	return kalshiauth.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		s := steps[min(*calls, len(steps)-1)]
		*calls++
		if s.err != nil {
			return nil, s.err
		}
		rec := httptest.NewRecorder()
		if s.retryAfter != "" {
			rec.Header().Set("Retry-After", s.retryAfter)
		}
		body := s.body
		if s.status == 200 {
			body = cmp.Or(body, loginBody)
		}
		reply(s.status, body, "Content-Type: "+s.contentType)(rec, req)
		if s.contentType == "none" {
			rec.Header().Del("Content-Type")
		}
		resp := rec.Result()
		resp.Header = rec.Header()
		return resp, nil
	})})
}

func TestCallsAreRetriedWhereThatIsSafe(t *testing.T) {
	t.Parallel()
	dial := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for name, test := range map[string]struct {
		first                   step
		unanswered, unprocessed bool // whether operations of these classes are retried
	}{
		"no connection":           {step{err: dial}, true, true},
		"no connection to proxy":  {step{err: &net.OpError{Op: "proxyconnect", Err: dial}}, true, true},
		"reset connection":        {step{err: &net.OpError{Op: "read", Err: errors.New("connection reset")}}, true, false},
		"closed connection":       {step{err: io.EOF}, true, false},
		"502":                     {step{status: 502}, true, false},
		"502 with Retry-After":    {step{status: 502, retryAfter: "1"}, true, false},
		"503":                     {step{status: 503}, true, false},
		"503 with Retry-After":    {step{status: 503, retryAfter: "1"}, true, true},
		"503 with Retry-After: 0": {step{status: 503, retryAfter: "0"}, true, true},
		"503 with a date":         {step{status: 503, retryAfter: "Sat, 01 Jan 2000 00:00:03 GMT"}, true, true},
		"503 with nonsense":       {step{status: 503, retryAfter: "soon"}, true, false},
		"504":                     {step{status: 504}, true, false},
		"500":                     {step{status: 500}, false, false},
		"501":                     {step{status: 501}, false, false},
		"429 with Retry-After":    {step{status: 429, retryAfter: "1"}, false, false},
		"400":                     {step{status: 400}, false, false},
		"401":                     {step{status: 401}, false, false},
		"a redirect":              {step{status: 307}, false, false},
		"another success":         {step{status: 206}, false, false},
	} {
		for _, op := range operations {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				client := newClient(t, play(&calls, test.first, test.first, step{status: op.Success, body: op.Answer}))
				err := op.Call(t.Context(), client, op.Input)
				want := test.unanswered
				if op.Retries == robustness.Unprocessed {
					want = test.unprocessed
				}
				if want != (calls == 3) || want != (err == nil) || !want && calls != 1 {
					t.Errorf("%s after %s: %d calls, error %v; want retries: %t: change retry in Client.%s in kalshiauth/client.go, "+
						"or Retries in kalshiauth/internal/robustness/operations.go", op.ID, name, calls, err, want, op.ID)
				}
			})
		}
	}
}

func TestRetriesEndAndTheLastAnswerIsReturned(t *testing.T) {
	t.Parallel()
	for retries := range 4 {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			_, err := newClient(t, play(&calls, step{status: 503}), kalshiauth.WithRetries(retries)).Login(t.Context(), credentials)
			if calls != retries+1 || !errors.Is(err, kalshiauth.ErrUnavailable) {
				t.Errorf("WithRetries(%d): %d calls, %v", retries, calls, err)
			}
		})
	}
}

func TestTheTimeBetweenTriesGrowsAndIsRandom(t *testing.T) {
	t.Parallel()
	const retries = 8
	shortest, longest := map[int]time.Duration{}, map[int]time.Duration{}
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			var last time.Time
			tries := 0
			client := newClient(t, kalshiauth.WithRetries(retries), kalshiauth.WithTimeout(0), kalshiauth.WithHTTPClient(&http.Client{
				Transport: roundTripper(func(*http.Request) (*http.Response, error) {
					if wait := time.Since(last); tries > 0 {
						shortest[tries] = min(wait, cmp.Or(shortest[tries], wait))
						longest[tries] = max(wait, longest[tries])
					}
					tries++
					last = time.Now()
					return nil, io.EOF
				}),
			}))
			_, _ = client.Login(t.Context(), credentials)
		}
	})
	for n := 1; n <= retries; n++ {
		most := 100 * time.Millisecond << min(n-1, 6)
		if shortest[n] < most/2 || shortest[n] > most*6/10 || longest[n] >= most || longest[n] < most*9/10 {
			t.Errorf("retry %d came after %v to %v, want %v to %v", n, shortest[n], longest[n], most/2, most)
		}
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls, start := 0, time.Now()
		if _, err := newClient(t, play(&calls, step{status: 503, retryAfter: "20"}, step{status: 200})).
			Login(t.Context(), credentials); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 20*time.Second || took > 21*time.Second {
			t.Errorf("tried again after %v, want 20s", took)
		}
	})
}

func TestARetryAfterBeyondTheDeadlineEndsTheCallAtOnce(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]kalshiauth.Option{
		"WithTimeout": kalshiauth.WithTimeout(10 * time.Second), "the context": kalshiauth.WithTimeout(0),
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := t.Context(), func() {}
			if name == "the context" {
				ctx, cancel = context.WithTimeout(ctx, 10*time.Second)
			}
			defer cancel()
			calls, start := 0, time.Now()
			_, err := newClient(t, play(&calls, step{status: 503, retryAfter: "10"}), opt).Login(ctx, credentials)
			var answer *kalshiauth.Error
			if !errors.As(err, &answer) || answer.RetryAfter != 10*time.Second || calls != 1 || time.Since(start) != 0 {
				t.Errorf("%s: %d calls, %v, after %v", name, calls, err, time.Since(start))
			}
		})
	}
}

func TestAWaitOfMoreThanAMinuteIsNotBegun(t *testing.T) {
	t.Parallel()
	for retryAfter, want := range map[string]int{
		"59": 3, "60": 1, "3600": 1, "99999999999999999999": 1, "Fri, 31 Dec 9999 23:59:59 GMT": 1,
	} {
		for _, op := range operations {
			synctest.Test(t, func(t *testing.T) {
				calls, start := 0, time.Now()
				client := newClient(t, play(&calls, step{status: 503, retryAfter: retryAfter}), kalshiauth.WithTimeout(0))
				err := op.Call(t.Context(), client, op.Input)
				var answer *kalshiauth.Error
				if !errors.As(err, &answer) || answer.StatusCode != 503 || calls != want || want == 1 && time.Since(start) != 0 {
					t.Errorf("%s: Retry-After %s: %d calls, want %d; %v after %v", op.ID, retryAfter, calls, want, err, time.Since(start))
				}
			})
		}
	}
}

func TestAContextThatEndsBetweenTriesLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		client := newClient(t, play(&calls, step{status: 503, retryAfter: "20"}))
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := client.Login(ctx, credentials)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, kalshiauth.ErrUnavailable) || calls != 1 || time.Since(start) != time.Second {
			t.Errorf("%d calls, %v, after %v", calls, err, time.Since(start))
		}
	})
}

func TestAContextThatEndsATryIsNotWaitedOn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	client := newClient(t, kalshiauth.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(*http.Request) (*http.Response, error) { cancel(); return nil, context.Canceled }),
	}))
	_, err := client.Login(ctx, credentials)
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "waiting") {
		t.Errorf("got %v", err)
	}
}

func TestTheEarlierOfTimeoutAndDeadlineHolds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ timeout, deadline, want time.Duration }{
		{time.Second, time.Minute, time.Second}, {time.Minute, time.Second, time.Second}, {0, time.Hour, time.Hour},
	} {
		for _, op := range operations {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), test.deadline)
				defer cancel()
				client := newClient(t, kalshiauth.WithTimeout(test.timeout), kalshiauth.WithHTTPClient(&http.Client{
					Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
						<-req.Context().Done()
						return nil, fmt.Errorf("%s: %w", req.URL, req.Context().Err())
					}),
				}))
				start := time.Now()
				err := op.Call(ctx, client, op.Input)
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != test.want {
					t.Errorf("%s: %v after %v, want %v", op.ID, err, time.Since(start), test.want)
				}
				robustness.AssertNoSecret(t, op.ID, err, robustness.AllVerbs, op.SecretValues()...)
			})
		}
	}
}

func TestTheDefaultTimeoutIs30Seconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, kalshiauth.WithHTTPClient(&http.Client{
			Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				return nil, req.Context().Err()
			}),
		}))
		start := time.Now()
		if err := client.ResetPassword(t.Context(), email); err == nil || time.Since(start) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestALogoutThatWasRepeatedAndFindsNoSessionHasSucceeded(t *testing.T) {
	t.Parallel()
	session := kalshiauth.SessionFromToken(userID, token)
	for name, test := range map[string]struct {
		steps []step
		want  string
	}{
		"401 at once":         {[]step{{status: 401, body: `{"code":"c"}`}}, "ErrUnauthorized"},
		"401 after no answer": {[]step{{err: io.EOF}, {status: 401}}, ""},
		"401 after 502":       {[]step{{status: 502}, {status: 401}}, ""},
		"empty 401 after 502": {[]step{{status: 502}, {status: 401, contentType: "none"}}, ""},
		"403 after 502":       {[]step{{status: 502}, {status: 403, body: `{"code":"c"}`}}, "ErrForbidden"},
		"HTML 401 after 502":  {[]step{{status: 502}, {status: 401, contentType: "text/html"}}, "ErrUnauthorized ErrUnexpectedResponse"},
		"text 401 after 502":  {[]step{{status: 502}, {status: 401, contentType: "text/plain"}}, "ErrUnauthorized ErrUnexpectedResponse"},
	} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			if err := newClient(t, play(&calls, test.steps...)).Logout(t.Context(), session); kinds(err) != test.want || (err == nil) != (test.want == "") {
				t.Errorf("%s: %v, want %q", name, err, test.want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		_, err := newClient(t, play(&calls, step{status: 502}, step{status: 401})).Login(t.Context(), credentials)
		if !errors.Is(err, kalshiauth.ErrUnauthorized) {
			t.Errorf("a login that was repeated and refused: %v", err)
		}
	})
}

func TestTheTimeoutOfTheCallersClientLimitsEachTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		client := newClient(t, kalshiauth.WithHTTPClient(&http.Client{
			Timeout: time.Second,
			Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				tries++
				<-req.Context().Done()
				return nil, req.Context().Err()
			}),
		}))
		start := time.Now()
		_, err := client.Login(t.Context(), credentials)
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || tries != 3 || took < 3*time.Second || took > 4*time.Second {
			t.Errorf("%v after %d tries and %v, want 3 tries of 1s", err, tries, took)
		}
	})
}

func TestATransportThatReturnsNothingIsAnError(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		client := newClient(t, kalshiauth.WithRetries(0), kalshiauth.WithHTTPClient(&http.Client{
			Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, nil }),
		}))
		if err := op.Call(t.Context(), client, op.Input); err == nil {
			t.Errorf("%s: no response is a success", op.ID)
		}
		client = newClient(t, kalshiauth.WithRetries(0), kalshiauth.WithHTTPClient(&http.Client{
			Transport: roundTripper(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 500}, nil }),
		}))
		if err := op.Call(t.Context(), client, op.Input); !errors.Is(err, kalshiauth.ErrServer) {
			t.Errorf("%s: a response without header and body: %v", op.ID, err)
		}
	}
}

func TestTheContextOfATryEndsWithIt(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]kalshiauth.Option{
		"WithTimeout":          kalshiauth.WithTimeout(time.Hour),
		"the timeout of a try": kalshiauth.WithTimeout(0),
	} {
		var used context.Context
		client := newClient(t, limit, kalshiauth.WithHTTPClient(&http.Client{
			Timeout: map[bool]time.Duration{true: time.Hour}[name == "the timeout of a try"],
			Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				used = req.Context() //nolint:fatcontext // to look at
				return nil, errors.New("no")
			}),
		}))
		_ = client.ResetPassword(t.Context(), email)
		if used.Err() == nil {
			t.Errorf("%s: the context lives, and with it a timer", name)
		}
	}
}
