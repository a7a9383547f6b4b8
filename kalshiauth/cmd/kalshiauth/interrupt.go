package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// An interruption is the signal that ended a command.
type interruption struct{ signal os.Signal }

func (i interruption) Error() string {
	if i.signal == os.Interrupt {
		return "interrupted"
	}
	return i.signal.String()
}

// Is makes an interruption a [context.Canceled], as which it ends calls.
func (i interruption) Is(target error) bool { return target == context.Canceled }

// exitCode returns the exit code by which shells know the signal.
func (i interruption) exitCode() int {
	if number, ok := i.signal.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return 1
}

// untilSignal returns a context that a signal to end ends. Its cause is an interruption.
func untilSignal(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		select {
		case s := <-signals:
			cancel(interruption{s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// interruptionOf returns the interruption that caused err, if one did.
func interruptionOf(ctx context.Context, err error) (i interruption, ok bool) {
	if errors.As(err, &i) {
		return i, true
	}
	if ctx.Err() == nil || !errors.Is(err, context.Canceled) {
		return interruption{}, false
	}
	if !errors.As(context.Cause(ctx), &i) {
		i = interruption{os.Interrupt}
	}
	return i, true
}

// await returns what read returns. If ctx ends first, it returns the cause, and read goes on.
func await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	results := make(chan result, 1)
	go func() {
		value, err := read()
		results <- result{value, err}
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
		return *new(T), context.Cause(ctx) //nolint:wrapcheck // run looks for it
	}
}
