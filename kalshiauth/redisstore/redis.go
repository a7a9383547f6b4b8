package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"regexp"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// within calls do, and returns when ctx ends, even if do has not returned: go-redis does not notice that a context is
// canceled while it waits for a reply. If within does not return the result of do, it calls late after do, if it is not
// nil.
func within[T any](ctx context.Context, do func() (T, error), late func()) (result T, err error) {
	if ctx.Err() != nil {
		return result, ctx.Err() //nolint:wrapcheck // failed wraps it
	}
	done := make(chan func() (T, error))
	go func() {
		var result T
		err := errPanic
		defer func() {
			_ = recover()
			select {
			case done <- func() (T, error) { return result, err }:
			case <-ctx.Done():
				if late != nil {
					late()
				}
			}
		}()
		result, err = do()
	}()
	select {
	case get := <-done:
		return get()
	case <-ctx.Done():
		return result, ctx.Err() //nolint:wrapcheck // failed wraps it
	}
}

var errPanic = errors.New("the client of Redis panicked, or ended its goroutine")

var firstWord = regexp.MustCompile(`^[A-Z]{2,20}\b`)

// hints say what the first words of errors of Redis mean.
var hints = map[string]string{ //nolint:gosec // no password
	"LOADING":   ": it is starting",
	"MISCONF":   ": it cannot write to its disk",
	"NOAUTH":    ": the client's options need a password",
	"NOPERM":    ": its user lacks a permission that the documentation of this package names",
	"OOM":       ": its memory is full",
	"READONLY":  ": it is a replica, and only its primary can be written to",
	"WRONGPASS": ": the user or the password in the client's options is wrong",
	"WRONGTYPE": ": the key holds something that this package did not write",
}

// failed returns the error of a method. It shows little of err, which may quote the session.
func failed(ctx context.Context, op string, err error) error {
	fail := func(err error) error { return fmt.Errorf("redisstore: %s: %w", op, err) }
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, ctx.Err()) {
			return fail(cause)
		}
		return fail(fmt.Errorf("%w: %w", ctx.Err(), cause))
	}
	if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) { // ctx does not know it yet
		return fail(context.DeadlineExceeded)
	}
	var answer redis.Error
	if errors.As(err, &answer) {
		word := firstWord.FindString(answer.Error())
		if word == "" {
			word = "without a name"
		}
		return fail(errors.New("Redis answered with the error " + word + hints[word]))
	}
	if errors.Is(err, context.DeadlineExceeded) { // a limit of the client, not of ctx
		return fail(errors.New("no answer of Redis in time"))
	}
	var network net.Error
	switch {
	case errors.As(err, &network) && errors.Is(err, fs.ErrPermission): // which would mean that there are no locks
		return fail(errors.New(network.Error()))
	case network != nil:
		return fail(network)
	}
	for _, known := range []error{
		errPanic, redis.ErrClosed, redis.ErrPoolTimeout, redis.ErrPoolExhausted, io.ErrUnexpectedEOF, io.EOF,
	} {
		if errors.Is(err, known) {
			return fail(known)
		}
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return fail(fmt.Errorf("the client of Redis failed with a %T: is this a server of Redis?", err))
}

// gates let one goroutine for each client and lock try to get that lock, so that others in the process do not poll
// Redis meanwhile.
var gates = struct {
	mu sync.Mutex // guards all
	of map[leaseOf]*gate
}{of: map[leaseOf]*gate{}}

type gate struct {
	sem   chan struct{} // full while somebody is in the gate
	users int           // guarded by gates.mu; those in the gate or waiting for it
}

// enter waits for the gate of a lock, until ctx ends.
func enter(ctx context.Context, of leaseOf) (leave func(), err error) {
	gates.mu.Lock()
	g := gates.of[of]
	if g == nil {
		g = &gate{sem: make(chan struct{}, 1)}
		gates.of[of] = g
	}
	g.users++
	gates.mu.Unlock()
	forget := func() {
		gates.mu.Lock()
		defer gates.mu.Unlock()
		g.users--
		if g.users == 0 {
			delete(gates.of, of)
		}
	}
	select {
	case g.sem <- struct{}{}:
		return func() { <-g.sem; forget() }, nil
	case <-ctx.Done():
		forget()
		return nil, ctx.Err() //nolint:wrapcheck // failed wraps it
	}
}
