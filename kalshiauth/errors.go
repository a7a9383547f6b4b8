package kalshiauth

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Kinds of errors, for [errors.Is].
var (
	// ErrInvalidInput is the caller's mistake: nothing was sent.
	ErrInvalidInput = errors.New("invalid input")
	// ErrNoSession is no session, or one without a secret.
	ErrNoSession = errors.New("no session")

	// ErrBadRequest is the status 400: the server finds the request malformed, or a reset code wrong.
	ErrBadRequest = errors.New("bad request")
	// ErrUnauthorized is the status 401: wrong credentials, or a session that is over.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrForbidden is the status 403: the account may not do this.
	ErrForbidden = errors.New("forbidden")
	// ErrRateLimited is the status 429; see [Error.RetryAfter].
	ErrRateLimited = errors.New("rate limited")
	// ErrServer is any status of 500 to 599.
	ErrServer = errors.New("server error")
	// ErrUnavailable is the status 503, which is [ErrServer] too.
	ErrUnavailable = errors.New("unavailable")
	// ErrUnexpectedResponse is neither the documented success nor an error status: another 2xx, a redirect, or a
	// success whose content type, body or size breaks the contract.
	ErrUnexpectedResponse = errors.New("unexpected response")
)

// An Error is an answer of the server that is not the documented success of the operation. No field of it holds a
// secret of the call, even where the server's message did.
type Error struct {
	Op         string // the operation: "Login", "Logout", "ResetPassword" or "ResetPasswordConfirm"
	StatusCode int    // the HTTP status

	// What the server says of the error, in its body or its headers. Each may be empty.
	Code, Message, Details, Service string

	RetryAfter time.Duration // how long the server asks to wait; 0: it does not say

	hasRetryAfter bool   // it may ask to wait for no time at all
	unexpected    string // what came instead of the contract
	cause         error  // why the body could not be read
}

// Error says what was called, what came back and, where that helps, what to do about it.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kalshiauth: %s: %d", e.Op, e.StatusCode)
	if text := http.StatusText(e.StatusCode); text != "" {
		b.WriteString(" " + text)
	}
	for _, field := range []struct{ name, value string }{
		{"", e.Message}, {"details ", e.Details}, {"code ", e.Code}, {"service ", e.Service},
	} {
		if field.value != "" {
			// Quoted and cut, since a server may say anything.
			fmt.Fprintf(&b, ", %s%.300q", field.name, field.value)
		}
	}
	if e.unexpected != "" {
		fmt.Fprintf(&b, ": %.300s", e.unexpected)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, "; retry after %v", e.RetryAfter)
	}
	return b.String()
}

// Is reports whether target is the sentinel of the status.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrBadRequest:
		return e.StatusCode == http.StatusBadRequest
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized
	case ErrForbidden:
		return e.StatusCode == http.StatusForbidden
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrServer:
		return e.StatusCode >= 500 && e.StatusCode <= 599
	case ErrUnavailable:
		return e.StatusCode == http.StatusServiceUnavailable
	case ErrUnexpectedResponse:
		return e.StatusCode < 400
	}
	return false
}

// Unwrap returns why the answer could not be read to its end, such as [io.ErrUnexpectedEOF] or the context's error.
// It is nil for an answer that was.
func (e *Error) Unwrap() error { return e.cause }
