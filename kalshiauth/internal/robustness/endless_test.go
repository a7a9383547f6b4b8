package robustness_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
)

// How much memory hostile answers may take, with some room for the race detector.
const (
	maxForOne      = 512 << 10 // bytes allocated
	maxForMasking  = 12 << 20  // bytes allocated
	callsAtOnce    = 1000
	maxForThousand = 184 << 20 // bytes of the heap
)

// endlessAnswers are heads of answers, with a body without end to follow.
var endlessAnswers = []string{
	"HTTP/1.1 SUCCESS\r\nContent-Type: application/json\r\n\r\n",
	"HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\n\r\n",
	"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\r\n",
	"HTTP/1.1 302 Found\r\n\r\n",
}

func TestAnEndlessBodyTakesLittleMemory(t *testing.T) { //nolint:paralleltest // measures what all take together
	for _, call := range calls() {
		for _, answer := range endlessAnswers {
			f := &fault{name: call.name + " " + answer, answer: answer, then: endlessly(" ")}
			server := f.listen(t, &call.op)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			server.endure(t, &call, f.name)
			runtime.ReadMemStats(&after)
			if taken := after.TotalAlloc - before.TotalAlloc; taken >= maxForOne { // more than the heap can have grown by
				t.Errorf("%s: %d KiB were allocated, want less than %d", f.name, taken>>10, maxForOne>>10)
			}
			server.stop()
		}
	}
}

func TestAThousandEndlessBodiesAtOnceTakeBoundedMemory(t *testing.T) { //nolint:paralleltest // as above
	much := strings.Repeat(" ", 60<<10)
	for _, head := range endlessAnswers[:2] { // those that a log-in reads
		grown := growthOfAThousand(t, head, much, endlessly(" "))
		t.Logf("endless bodies: %d at once grew the heap by %d MiB, limit %d MiB", callsAtOnce, grown>>20, maxForThousand>>20)
	}
}

func TestAnAnswerThatIsCostlyToMaskTakesBoundedMemory(t *testing.T) { //nolint:paralleltest // measures the heap
	const escapes = `%2525\\u0025&amp;amp;+`
	body := `{"message":"` + strings.Repeat(escapes, 60<<10/len(escapes)) + `"}`
	client := newClient(t, inMemory(reply(http.StatusBadRequest, body)))
	for _, op := range robustness.Operations() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := op.Call(t.Context(), client, op.Input)
		runtime.ReadMemStats(&after)
		if kinds(err) != "ErrBadRequest" {
			t.Errorf("%s: %v", op.ID, err)
		}
		if taken := after.TotalAlloc - before.TotalAlloc; taken >= maxForMasking {
			t.Errorf("%s: %d KiB were allocated, want less than %d", op.ID, taken>>10, maxForMasking>>10)
		}
	}
}

// growthOfAThousand makes calls that all get the same answer, and returns by how much the heap grew. Each server waits
// until all have written the body, and calls then.
func growthOfAThousand(t *testing.T, head, body string, then func(net.Conn)) (grown uint64) {
	t.Helper()
	all := calls()
	login := &all[slices.IndexFunc(all, func(c call) bool { return c.name == "Login" })]
	data := []byte(body)
	var arrived sync.WaitGroup
	arrived.Add(callsAtOnce)
	f := &fault{name: "a thousand of " + head, answer: head, then: func(conn net.Conn) {
		_, _ = conn.Write(data)
		arrived.Done()
		arrived.Wait() // until every call has as much as it can have without an end
		then(conn)
	}}
	server := f.listen(t, &login.op)
	grown = growth(t, func() {
		var calling sync.WaitGroup
		for range callsAtOnce {
			calling.Go(func() { server.endure(t, login, f.name) })
		}
		calling.Wait()
	})
	assertNothingLeft(t, f.name)
	server.stop() // every connection is closed
	return grown
}

// growth returns by how much the heap grows while do runs. It fails if that is too much for a thousand calls.
func growth(t *testing.T, do func()) (grown uint64) {
	t.Helper()
	runtime.GC()
	before := heap()
	var peak atomic.Uint64
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for {
			peak.Store(max(peak.Load(), heap()))
			select {
			case <-ticker.C:
			case <-done:
				return
			}
		}
	})
	do()
	close(done)
	watching.Wait()
	grown = max(peak.Load(), before) - before
	if grown >= maxForThousand {
		t.Errorf("the heap grew by %d MiB, want less than %d MiB", grown>>20, maxForThousand>>20)
	}
	return grown
}

// endure makes a call with a connection of its own. It fails if that ends only with the deadline.
func (s *faultyServer) endure(t *testing.T, call *call, label string) {
	t.Helper()
	labeled(t.Context(), label, func(ctx context.Context) {
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		client := newClient(t, kalshiauth.WithBaseURL(s.url), kalshiauth.WithRetries(0),
			kalshiauth.WithHTTPClient(&http.Client{Transport: transport}))
		if _, err := call.do(ctx, client, time.Minute); errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", call.name, err)
		}
	})
}

// heap returns how many bytes the objects on the heap take.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
