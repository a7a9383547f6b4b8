package robustness_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// TestTenThousandRandomAnswersAreEachAValueOrAnError is not parallel, so that it can count goroutines.
func TestTenThousandRandomAnswersAreEachAValueOrAnError(t *testing.T) { //nolint:paralleltest // counts goroutines
	before := runtime.NumGoroutine()
	fake := kalshiauthtest.NewServer()
	fake.Intercept(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			op := operationOf(t, r, "")
			randomAnswer(w, &op)
		})
	})
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	client := newClient(t, kalshiauth.WithBaseURL(fake.URL), kalshiauth.WithRetries(0),
		kalshiauth.WithHTTPClient(&http.Client{Transport: transport}))
	operations := robustness.Operations()
	var successes, failures atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 10_000 / 20 / len(operations) {
				for _, op := range operations {
					err := op.Call(t.Context(), client, op.Input)
					var answer *kalshiauth.Error
					switch {
					case err == nil:
						successes.Add(1)
					case errors.As(err, &answer) && answer.Op == op.ID && answer.StatusCode >= 200:
						failures.Add(1)
					default:
						t.Errorf("%s: neither a value nor an *Error: %v", op.ID, err)
					}
				}
			}
		})
	}
	wg.Wait()
	if successes.Load() < 500 || failures.Load() < 5000 {
		t.Errorf("%d successes and %d failures", successes.Load(), failures.Load())
	}
	transport.CloseIdleConnections()
	fake.Close()
	for range 1000 { // goroutines of closed connections take a moment to end
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
	var stacks bytes.Buffer
	buf := make([]byte, 1<<20)
	stacks.Write(buf[:runtime.Stack(buf, true)])
	t.Errorf("%d goroutines before and %d after:\n%s", before, runtime.NumGoroutine(), stacks.String())
}

func randomAnswer(w http.ResponseWriter, op *robustness.Operation) {
	const fields = `{"code":"c","message":"m","details":"d","service":"s"}`
	pick := func(from ...string) string { return from[rand.IntN(len(from))] }
	h := w.Header()
	switch rand.IntN(4) {
	case 0: // success
		h.Set("Content-Type", "application/json")
		h.Set("Set-Cookie", pick("sessions="+token, "sessions=; Max-Age=0", "sessions=\"", ""))
		w.WriteHeader(op.Success)
		_, _ = io.WriteString(w, op.Answer)
	case 1: // a documented error
		h.Set("Content-Type", "application/json")
		body := pick(fields, `{"error":`+fields+`}`, "")
		if body == "" {
			for _, name := range []string{"code", "message", "details", "service"} {
				h.Set(name, name)
			}
		}
		w.WriteHeader([]int{400, 401, 403, 500, 503}[rand.IntN(5)])
		_, _ = w.Write([]byte(body))
	case 2: // garbage
		h.Set("Content-Type", pick("application/json", "text/html", "text/plain", ";;", "é"))
		h.Set("Retry-After", pick("", "1", "-1", "soon", "999999999999"))
		h.Set("Location", pick("", "/", "https://example.com", "%zz:"))
		w.WriteHeader([]int{200, 201, 204, 206, 302, 304, 400, 404, 429, 499, 502, 600, 999}[rand.IntN(13)])
		garbage := make([]byte, rand.IntN(2000))
		for i := range garbage {
			garbage[i] = " \t{}[]<>\"\\,:abc\x00\xff"[rand.IntN(17)]
		}
		_, _ = w.Write(garbage)
	default: // broken JSON
		h.Set("Content-Type", "application/json")
		w.WriteHeader([]int{200, 400, 401, 503}[rand.IntN(4)])
		whole := pick(fields, `{"error":`+fields+`}`, loginBody, "[]", "null", `{"error":[]}`)
		_, _ = w.Write([]byte(whole[:rand.IntN(len(whole))+1]))
	}
}
