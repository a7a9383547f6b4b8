package robustness_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

var soakRequests = flag.Int("soak.requests", 20_000, "how many requests TestSoak sends; make soak sends 1,000,000")

const (
	soakCallers   = 200
	soakEndEvery  = 20_000  // requests, until the server ends all sessions; fewer in a short run
	soakMaxGrowth = 1 << 20 // bytes of heap, from the first tenth of the requests to the last
)

// TestSoakNobodyNoticesThatSessionsEnd has many goroutines send requests for as long as -soak.requests says, while the
// server ends all sessions again and again.
func TestSoakNobodyNoticesThatSessionsEnd(t *testing.T) { //nolint:paralleltest // it measures the heap
	total := *soakRequests
	endEvery := min(total/5, soakEndEvery)
	if endEvery < 10*soakCallers {
		t.Fatalf("-soak.requests=%d: too few, as a session has to serve more than are under way at once", total)
	}
	fake := kalshiauthtest.NewServer()
	defer fake.Close()
	fake.AddUser(email, password)
	var accepted, endings atomic.Int64
	fake.Handle("POST /orders", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		// Only requests with a live session come here, so no session ends before it has served.
		if n := int(accepted.Add(1)); n%endEvery == 0 && n <= total {
			fake.ExpireSessions()
			endings.Add(1)
		}
		_, _ = w.Write(body)
	}))

	connections := &http.Transport{MaxIdleConnsPerHost: soakCallers}
	defer connections.CloseIdleConnections()
	var refused atomic.Int64 // what the transport of the session gets, and hides
	client := newClient(t, kalshiauth.WithBaseURL(fake.URL), kalshiauth.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			resp, err := connections.RoundTrip(req)
			if err == nil && resp.StatusCode == http.StatusUnauthorized {
				refused.Add(1)
			}
			return resp, err
		}),
	}))
	// The server ends sessions more often than the default limit allows.
	source, err := autologin.New(client, autologin.StaticCredentials(credentials), autologin.WithLoginLimit(0, 1))
	if err != nil {
		t.Fatal(err)
	}
	httpClient := source.HTTPClient()
	url := fake.URL + "/orders"

	var seen401, failed atomic.Int64
	place := func(number int) {
		switch err := placeOrder(t.Context(), httpClient, url, number); {
		case err == nil:
		case errors.Is(err, errSaw401):
			seen401.Add(1)
		case failed.Add(1) == 1: // one error is enough to read
			t.Errorf("request %d: %v", number, err)
		}
	}

	start := time.Now()
	var heaps [10]uint64
	sent := 0
	for i := range heaps {
		until := total * (i + 1) / len(heaps)
		fromMany(soakCallers, sent, until, place)
		sent = until
		heaps[i] = heapAtRest()
	}
	took := time.Since(start)
	place(total) // one more, since the last of the others may have ended a session that nobody has asked for since
	logins := int64(fake.Requests("Login"))
	first, last := heaps[0], heaps[len(heaps)-1]

	t.Logf("%d requests from %d goroutines in %v: %.0f a second", total, soakCallers, took.Round(time.Millisecond),
		float64(total)/took.Seconds())
	t.Logf("the server ended all sessions %d times, each %d requests, and said 401 %d times", endings.Load(), endEvery,
		refused.Load())
	t.Logf("logins: %d, the first one and %d more", logins, logins-1)
	t.Logf("callers saw %d answers of 401 and %d errors", seen401.Load(), failed.Load())
	t.Logf("heap after the first tenth: %d KiB, after the last: %d KiB", first>>10, last>>10)

	if seen401.Load() != 0 || failed.Load() != 0 {
		t.Errorf("callers saw %d answers of 401 and %d errors, want none", seen401.Load(), failed.Load())
	}
	if got, want := accepted.Load(), int64(total)+1; got != want {
		t.Errorf("the server accepted %d requests, want %d: each one once", got, want)
	}
	if got, want := endings.Load(), int64(total/endEvery); got != want {
		t.Errorf("the server ended all sessions %d times, want %d", got, want)
	}
	if got, want := logins, 1+endings.Load(); got != want {
		t.Errorf("%d logins, want %d: the first one, and one for each ending", got, want)
	}
	if refused.Load() < endings.Load() {
		t.Errorf("the server said 401 %d times, want at least one for each ending: %d", refused.Load(), endings.Load())
	}
	if last > first+soakMaxGrowth {
		t.Errorf("the heap grew from %d to %d KiB, want a growth of %d KiB at most", first>>10, last>>10, soakMaxGrowth>>10)
	}
}

var errSaw401 = errors.New("the answer is 401")

// placeOrder sends a request with a body of its own, which a replay has to send again, and expects it back.
func placeOrder(ctx context.Context, client *http.Client, url string, number int) error {
	order := "order " + strconv.Itoa(number)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(order))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusUnauthorized:
		return errSaw401
	case resp.StatusCode != http.StatusOK || string(body) != order:
		return fmt.Errorf("the answer is %d %q, want 200 %q", resp.StatusCode, body, order)
	}
	return nil
}

// fromMany calls do for the numbers from first to before end, from many goroutines.
func fromMany(goroutines, first, end int, do func(number int)) {
	next := atomic.Int64{}
	next.Store(int64(first))
	var callers sync.WaitGroup
	for range goroutines {
		callers.Go(func() {
			for number := int(next.Add(1)) - 1; number < end; number = int(next.Add(1)) - 1 {
				do(number)
			}
		})
	}
	callers.Wait()
}

// heapAtRest returns how many bytes of the heap are in use, when nothing runs. The second collection frees what pools
// still held at the first.
func heapAtRest() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
