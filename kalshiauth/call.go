package kalshiauth

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// maxBody is how much of an answer's body is read, at most. What is longer breaks the contract.
const maxBody = 64 << 10

// operation is one call of an operation of the document.
type operation struct {
	name    string           // its operationId
	status  int              // its documented success
	retry   func(error) bool // whether a call that failed so may be repeated
	secrets secrets          // what the call sends and no error shows
	send    func(context.Context) (*http.Response, error)
	// accept takes the body of a success, and says what is wrong with it. It is nil where a success has no fields.
	accept func(resp *http.Response, body []byte) (problem string)
}

// do calls an operation, again if need be, until it has a result.
func (c *config) do(ctx context.Context, op operation) error {
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	for retries := 0; ; retries++ {
		err := c.try(ctx, op)
		if err == nil || retries == c.retries || !op.retry(err) || ctx.Err() != nil {
			return err
		}
		wait := backoff(retries)
		if answer := (*Error)(nil); errors.As(err, &answer) {
			wait += answer.RetryAfter
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
			return err
		}
		c.log.LogAttrs(ctx, slog.LevelInfo, "kalshiauth: retrying", slog.String("op", op.name),
			slog.Duration("after", wait), slog.String("error", err.Error()))
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w; while waiting to try again: %w", err, ctx.Err())
		}
	}
}

// backoff is the time before a retry: random, so that clients that failed together do not come back together.
func backoff(retries int) time.Duration {
	ceiling := 100 * time.Millisecond << min(retries, 6)
	return ceiling/2 + rand.N(ceiling/2) //nolint:gosec // not a secret
}

// try sends one request and turns its answer into a result.
func (c *config) try(ctx context.Context, op operation) error {
	if c.caller.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.caller.Timeout)
		defer cancel()
	}
	start := time.Now()
	resp, err := op.send(ctx) //nolint:bodyclose // result does
	if err != nil {
		err = fmt.Errorf("kalshiauth: %s: %w", op.name, op.secrets.forms().scrubError(err))
	} else {
		err = op.result(resp)
	}
	if c.log.Enabled(ctx, slog.LevelDebug) {
		attrs := []slog.Attr{slog.String("op", op.name), slog.Duration("took", time.Since(start))}
		if resp != nil {
			attrs = append(attrs, slog.Int("status", resp.StatusCode))
		}
		if err != nil {
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		c.log.LogAttrs(ctx, slog.LevelDebug, "kalshiauth: call", attrs...)
	}
	return err
}

// unanswered allows a retry where no answer came, or only that of something in front of the server.
func unanswered(err error) bool {
	if answer := (*Error)(nil); errors.As(err, &answer) {
		switch answer.StatusCode {
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	return true
}

// unprocessed allows a retry only where the server cannot have processed the request.
func unprocessed(err error) bool {
	if answer := (*Error)(nil); errors.As(err, &answer) {
		return answer.StatusCode == http.StatusServiceUnavailable && answer.hasRetryAfter
	}
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// result is the one place where an answer becomes a success or an *Error.
func (op operation) result(resp *http.Response) error {
	defer func() { _ = resp.Body.Close() }() // what is left of it has no meaning
	e := &Error{Op: op.name, StatusCode: resp.StatusCode}
	switch {
	case resp.StatusCode == op.status:
		if op.accept == nil {
			return nil
		}
		body, err := readBody(resp, "application/json")
		if err != nil {
			e.unexpected, e.cause = err.Error(), errors.Unwrap(err)
		} else if e.unexpected = op.accept(resp, body); e.unexpected == "" {
			return nil
		}
	case resp.StatusCode < 400:
		e.unexpected = fmt.Sprintf("the documented success is %d", op.status)
		if location := resp.Header.Get("Location"); resp.StatusCode >= 300 && location != "" {
			e.unexpected = "a redirect is not followed; check the base URL"
			if to, err := url.Parse(location); err == nil && to.Host != "" {
				e.unexpected = fmt.Sprintf("a redirect to %s is not followed; check the base URL", to.Host)
			}
		}
	default:
		e.readFields(resp)
	}
	forms := op.secrets.forms()
	for _, text := range [...]*string{&e.Code, &e.Message, &e.Details, &e.Service, &e.unexpected} {
		*text = forms.scrub(*text)
	}
	e.cause = forms.scrubError(e.cause)
	return e
}

// readFields takes what an error response says, from its body or else from its headers.
func (e *Error) readFields(resp *http.Response) {
	e.RetryAfter, e.hasRetryAfter = retryAfter(resp)
	var said struct {
		errorFields
		Error nestedFields `json:"error"`
	}
	// Servers are careless with the content type of an error.
	body, err := readBody(resp, "application/json", "application/problem+json", "text/plain", "")
	if err == nil && json.Unmarshal(body, &said) != nil {
		err = errors.New("the body is not the JSON of an error") // the decoder's own may quote it
	}
	field := func(flat, nested looseString, name string) string {
		return cmp.Or(string(flat), string(nested), resp.Header.Get(name))
	}
	e.Code = field(said.Code, said.Error.Code, "Code")
	e.Message = field(said.Message, said.Error.Message, "Message")
	e.Details = field(said.Details, said.Error.Details, "Details")
	e.Service = field(said.Service, said.Error.Service, "Service")
	silent := e.Code == "" && e.Message == "" && e.Details == "" && e.Service == ""
	switch {
	case err != nil && (silent || errors.Unwrap(err) != nil):
		e.unexpected, e.cause = err.Error(), errors.Unwrap(err)
	case silent:
		e.unexpected = "the body does not say why"
	}
}

// errorFields are those of the document's JSONError, in whatever type they come.
type errorFields struct {
	Code    looseString `json:"code"`
	Message looseString `json:"message"`
	Details looseString `json:"details"`
	Service looseString `json:"service"`
}

// nestedFields are those below a field error. Some servers have only a message there.
type nestedFields struct{ errorFields }

func (f *nestedFields) UnmarshalJSON(data []byte) error {
	if data[0] == '{' {
		return json.Unmarshal(data, &f.errorFields) //nolint:wrapcheck // a decoder's error
	}
	return f.Message.UnmarshalJSON(data)
}

// looseString takes a JSON value of another type as its JSON text.
type looseString string

func (s *looseString) UnmarshalJSON(data []byte) error {
	if data[0] != '"' && string(data) != "null" {
		*s = looseString(data)
		return nil
	}
	return json.Unmarshal(data, (*string)(s)) //nolint:wrapcheck // a decoder's error
}

// readBody returns the body of an answer whose content type is one of those given. What it cannot read has no
// meaning.
func readBody(resp *http.Response, contentTypes ...string) ([]byte, error) {
	contentType := resp.Header.Get("Content-Type")
	if !slices.Contains(contentTypes, contentType) {
		if mediaType, _, err := mime.ParseMediaType(contentType); err == nil {
			contentType = mediaType
		}
	}
	switch {
	case !slices.Contains(contentTypes, contentType):
		return nil, fmt.Errorf("the body is %.100q, not application/json; something in front of the API may have answered",
			contentType)
	case resp.ContentLength > maxBody:
		return nil, errTooLarge
	}
	var buf bytes.Buffer
	buf.Grow(int(max(resp.ContentLength, 0)) + bytes.MinRead)
	_, err := buf.ReadFrom(io.LimitReader(resp.Body, maxBody))
	body := buf.Bytes()
	switch {
	case err != nil:
		return nil, fmt.Errorf("the body cannot be read to its end: %w", err)
	case len(body) == maxBody && resp.ContentLength != maxBody:
		return nil, errTooLarge
	case len(body) == 0:
		return nil, errors.New("the body is empty")
	}
	return body, nil
}

var errTooLarge = fmt.Errorf("the body is larger than %d KiB", maxBody>>10)

// retryAfter returns how long an answer asks to wait, and whether it asks at all.
func retryAfter(resp *http.Response) (time.Duration, bool) {
	value := resp.Header.Get("Retry-After")
	if value == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(serverTime(resp))), true
	}
	return 0, false
}
