package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	rounds := func(value float64, n int) (values []float64) {
		for range n {
			values = append(values, value)
		}
		return values
	}
	for name, test := range map[string]struct {
		values []float64
		want   grade
	}{
		"within the limit":             {rounds(1, 61), pass},
		"at the limit":                 {rounds(1.2, 61), pass},
		"beyond the limit":             {rounds(1.3, 61), fail},
		"outliers are no miss":         {append(rounds(1, 40), rounds(9, 21)...), pass},
		"half of the rounds beyond it": {append(rounds(1, 30), rounds(1.3, 31)...), near},
		"two of three beyond it":       {append(rounds(1, 20), rounds(1.3, 41)...), fail},
	} {
		if got := judge("", test.values, 1.2, "%.2f"); got.grade != test.want {
			t.Errorf("%s: %+v, want %s", name, got, test.want)
		}
	}
}

func TestJudgeAllFailsWithoutSamples(t *testing.T) {
	t.Parallel()
	if _, err := judgeAll(results{}); err == nil {
		t.Error("no error, although nothing was measured")
	}
}

// What an allocation target compares is counted in every round, and comes out the same.
func TestRunBatchCountsCallsAndAllocations(t *testing.T) { //nolint:paralleltest // counts allocations of the process
	var kept []byte
	for _, cores := range []string{oneCore, allCores} {
		got, err := runBatch(func() error {
			time.Sleep(10 * time.Microsecond)
			if cores == oneCore {
				kept = make([]byte, 1000)
			}
			return nil
		}, 1000, cores)
		if err != nil || got.nanoseconds < 5000/2 {
			t.Errorf("%s: %+v, %v", cores, got, err)
		}
		if cores == oneCore && (got.allocs < 1 || got.allocs > 1.2 || got.bytes < 1000 || got.bytes > 1100) {
			t.Errorf("%d bytes at a time: %+v", len(kept), got)
		}
	}
}

func TestEveryFramingArrivesAsItsNameSays(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(reply))
	defer server.Close()
	for _, p := range places(server.URL) {
		client := &http.Client{Transport: p.transport}
		for _, f := range p.framings {
			for i, size := range bodySizes {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+framingPath(f, size)+"/log_in", nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				want := map[framing]int64{length: int64(len(body)), zero: 0, absent: -1, chunked: -1, gzipped: -1}[f]
				if err != nil || resp.ContentLength != want || resp.Uncompressed != (f == gzipped) {
					t.Errorf("%s, %s, %s KiB: Content-Length %d, uncompressed %t, %v", p.name, f, size, resp.ContentLength,
						resp.Uncompressed, err)
				}
				if chunks := strings.Join(resp.TransferEncoding, ""); chunks != map[bool]string{true: "chunked"}[f == chunked] {
					t.Errorf("%s, %s, %s KiB: transfer encoding %q", p.name, f, size, chunks)
				}
				if got := len(body); got != []int{204, 2048, 20480}[i] {
					t.Errorf("%s, %s, %s KiB: %d bytes", p.name, f, size, got)
				}
			}
		}
	}
}
