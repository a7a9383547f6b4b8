package kalshiauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/gen"
)

// maxBody is how much of an answer's body is read, at most. What is longer breaks the contract.
const maxBody = 64 << 10

// An operation is one of the document's, and how it is called.
type operation struct {
	name     string           // its operationId
	status   int              // its documented success
	retry    func(error) bool // whether a call that failed so may be repeated
	repeated error            // what a retry is told where an earlier try has succeeded; nil: nothing
	send     func(ctx context.Context, c *config, in input) (*http.Response, error)
	// session makes a session of a success, or says what is wrong with it. It is nil where a success has no fields.
	session func(c *config, in input, resp *http.Response, body []byte) (_ *Session, problem string)
}

// input is what a call sends.
type input struct {
	email, password, code, userID string

	session *Session
}

// secrets are what no error of the call shows.
func (in input) secrets() secrets {
	return newSecrets(in.password, in.code, in.session.hidden().token, in.session.cookieValue())
}

// do calls an operation, again if need be, until it has a result.
func (c *config) do(ctx context.Context, op *operation, in input) (*Session, error) {
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	for retries := 0; ; retries++ {
		session, err := c.try(ctx, op, in)
		switch {
		case err == nil:
			return session, nil
		case retries > 0 && op.repeated != nil && errors.Is(err, op.repeated):
			return nil, nil //nolint:nilnil // an operation without a session
		case retries == c.retries || !op.retry(err) || ctx.Err() != nil:
			return nil, err
		}
		wait := backoff(retries)
		if answer, ok := err.(*Error); ok { //nolint:errorlint // as in unanswered
			wait += answer.RetryAfter
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait { // mutant: they are never equal
			return nil, err
		}
		c.log.LogAttrs(ctx, slog.LevelInfo, "kalshiauth: retrying", slog.String("op", op.name),
			slog.Duration("after", wait), slog.String("error", err.Error()))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; while waiting to try again: %w", err, ctx.Err())
		}
	}
}

// backoff is the time before a retry: random, so that clients that failed together do not come back together.
func backoff(retries int) time.Duration {
	ceiling := 100 * time.Millisecond << min(retries, 6)
	return ceiling/2 + rand.N(ceiling/2) //nolint:gosec // not a secret
}

// try sends one request and turns its answer into a result.
func (c *config) try(ctx context.Context, op *operation, in input) (session *Session, err error) {
	if c.caller.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.caller.Timeout)
		defer cancel()
	}
	debug, start := c.log.Enabled(ctx, slog.LevelDebug), time.Time{}
	if debug {
		start = time.Now()
	}
	resp, err := op.send(ctx, c, in) //nolint:bodyclose // result does
	if err != nil {
		err = fmt.Errorf("kalshiauth: %s: %w", op.name, in.secrets().scrubError(err))
	} else {
		session, err = c.result(op, in, resp)
	}
	if debug {
		attrs := []slog.Attr{slog.String("op", op.name), slog.Duration("took", time.Since(start))}
		if resp != nil {
			attrs = append(attrs, slog.Int("status", resp.StatusCode))
		}
		if err != nil {
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		c.log.LogAttrs(ctx, slog.LevelDebug, "kalshiauth: call", attrs...)
	}
	return session, err
}

// unanswered allows a retry where no answer came, or only that of something in front of the server.
func unanswered(err error) bool {
	if answer, ok := err.(*Error); ok { //nolint:errorlint // one that is wrapped is not of this call
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
	if answer, ok := err.(*Error); ok { //nolint:errorlint // as in unanswered
		return answer.StatusCode == http.StatusServiceUnavailable && answer.hasRetryAfter
	}
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// result is the one place where an answer becomes a success or an *Error.
func (c *config) result(op *operation, in input, resp *http.Response) (*Session, error) {
	defer func() { _ = resp.Body.Close() }() // what is left of it has no meaning
	var problem string
	var cause error
	if resp.StatusCode == op.status {
		if op.session == nil {
			return nil, nil //nolint:nilnil // an operation without a session
		}
		body, err := readBody(resp, "application/json")
		if err != nil {
			problem, cause = err.Error(), errors.Unwrap(err)
		} else if session, wrong := op.session(c, in, resp, body); wrong == "" {
			return session, nil
		} else {
			problem = wrong
		}
	}
	e := &Error{Op: op.name, StatusCode: resp.StatusCode, unexpected: problem, cause: cause}
	switch {
	case e.StatusCode >= 400:
		e.readFields(resp)
	case e.StatusCode != op.status:
		e.unexpected = fmt.Sprintf("the documented success is %d", op.status)
		if location := resp.Header.Get("Location"); e.StatusCode >= 300 && location != "" {
			e.unexpected = "a redirect is not followed; check the base URL"
			if to, err := url.Parse(location); err == nil && to.Host != "" {
				e.unexpected = fmt.Sprintf("a redirect to %s is not followed; check the base URL", to.Host)
			}
		}
	}
	secrets := in.secrets()
	for _, text := range [...]*string{&e.Code, &e.Message, &e.Details, &e.Service, &e.unexpected} {
		*text = secrets.scrub(*text)
	}
	e.cause = secrets.scrubError(e.cause)
	return nil, e
}

// readFields takes what an error response says, from its body or else from its headers.
func (e *Error) readFields(resp *http.Response) {
	e.RetryAfter, e.hasRetryAfter = retryAfter(resp)
	var said gen.ErrorResponse
	// Servers are careless with the content type of an error.
	body, err := readBody(resp, "application/json", "application/problem+json", "text/plain", "")
	if err == nil && json.Unmarshal(body, &said) != nil {
		said, err = looseFields(body)
	}
	field := func(flat, nested, name string) string {
		if flat = cmp.Or(flat, nested); flat == "" {
			return resp.Header.Get(name)
		}
		return flat
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

// looseFields reads those of an error that is not quite the document's: a value that is not a string is its JSON
// text, and a field error that is not an object is the message.
func looseFields(body []byte) (said gen.ErrorResponse, err error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return gen.ErrorResponse{}, errors.New("the body is not the JSON of an error") // the decoder's own may quote it
	}
	text := func(value json.RawMessage) (s string) {
		if json.Unmarshal(value, &s) != nil {
			return string(value)
		}
		return s
	}
	read := func(fields map[string]json.RawMessage) gen.JSONError {
		return gen.JSONError{
			Code: text(fields["code"]), Message: text(fields["message"]),
			Details: text(fields["details"]), Service: text(fields["service"]),
		}
	}
	flat := read(fields)
	said.Code, said.Message, said.Details, said.Service = flat.Code, flat.Message, flat.Details, flat.Service
	var nested map[string]json.RawMessage
	if json.Unmarshal(fields["error"], &nested) == nil {
		said.Error = read(nested)
	} else {
		said.Error.Message = text(fields["error"])
	}
	return said, nil
}

// readBody returns the body of an answer whose content type is one of those given. What it cannot read has no
// meaning.
func readBody(resp *http.Response, contentTypes ...string) ([]byte, error) {
	contentType := resp.Header.Get("Content-Type")
	shown, _, _ := strings.Cut(contentType, ";") // as it came, so that a secret in it is found
	if !slices.Contains(contentTypes, contentType) {
		if mediaType, _, _ := mime.ParseMediaType(contentType); mediaType != "" { // its parameters may be wrong
			contentType = mediaType
		}
	}
	switch {
	case !slices.Contains(contentTypes, contentType):
		return nil, fmt.Errorf("the body is %q, not application/json; something in front of the API may have answered",
			shown)
	case resp.ContentLength > maxBody:
		return nil, errTooLarge
	}
	size := resp.ContentLength + 1 // mutant: one more than there is, to see its end without another buffer
	if size <= 0 {                 // mutant: any size does, since a buffer grows
		size = 1 << 10
	}
	body, err := make([]byte, 0, size), error(nil)
	for err == nil && len(body) < maxBody {
		if len(body) == cap(body) { // mutant: any other time does, too
			body = slices.Grow(body, maxBody-len(body)) // at once, so that thousands of endless bodies do no harm
		}
		var n int
		n, err = resp.Body.Read(body[len(body):min(cap(body), maxBody)])
		body = body[:len(body)+n]
	}
	switch {
	case err != nil && err != io.EOF: //nolint:errorlint // a reader's own
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
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(serverTime(resp))), math.MaxUint32*time.Second), true // as long as a number can be
	}
	return 0, false
}
