package kalshiauth

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

// Kinds of errors, for [errors.Is].
var (
	// ErrInvalidInput means that the caller passed an invalid value. Nothing was sent.
	ErrInvalidInput = errors.New("invalid input")
	// ErrNoSession means that there is no session, or that the session has no secret. Nothing was sent.
	ErrNoSession = errors.New("no session")

	// ErrBadRequest is the status 400: the request is malformed, or the reset code is wrong.
	ErrBadRequest = errors.New("bad request")
	// ErrUnauthorized is the status 401: wrong credentials, or a session that has ended. If the error also matches
	// [ErrUnexpectedResponse], the response is probably not the API's, and says nothing about the credentials.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrForbidden is the status 403: the account may not do this.
	ErrForbidden = errors.New("forbidden")
	// ErrRateLimited is the status 429. See [Error.RetryAfter].
	ErrRateLimited = errors.New("rate limited")
	// ErrServer is any status from 500 to 599.
	ErrServer = errors.New("server error")
	// ErrUnavailable is the status 503. It matches [ErrServer], too.
	ErrUnavailable = errors.New("unavailable")
	// ErrUnexpectedResponse is a response that the API does not document: another 2xx, a redirect, a success whose
	// content type, body or size is wrong, or an error status without code, message, details and service. Such a response
	// often comes from a proxy, or from a host that no longer serves this API. Check the base URL.
	ErrUnexpectedResponse = errors.New("unexpected response")
)

// ofStatus maps a status to its sentinel, if it has one of its own.
var ofStatus = map[int]error{
	http.StatusBadRequest: ErrBadRequest, http.StatusUnauthorized: ErrUnauthorized, http.StatusForbidden: ErrForbidden,
	http.StatusTooManyRequests: ErrRateLimited, http.StatusServiceUnavailable: ErrUnavailable,
}

// An Error is a response that is not the documented success of the operation. No field holds a secret of the call: a
// text of the server that repeats a secret is replaced by "[redacted]".
type Error struct {
	Op         string // the operation, such as "Login": the operationId of the OpenAPI document
	StatusCode int    // the HTTP status

	// The server's description of the error, from the body or else from the headers. Each may be empty. If the body is
	// plain text, Message is its first 300 characters.
	Code, Message, Details, Service string

	RequestID   string        // the X-Request-Id header, for questions to the provider's support
	ContentType string        // the media type of the body, such as "application/json"; "": none
	RetryAfter  time.Duration // how long the server asks to wait; 0: not given

	hasRetryAfter bool   // the response has a Retry-After, which may be 0
	unexpected    bool   // the response is not a documented one
	problem       string // what is wrong with the response
	cause         error  // why the body could not be read
}

// A text is a part of the server's description of an error, and its name in the body and in the headers.
type text struct {
	name  string
	value *string
}

func (e *Error) texts() []text {
	return []text{{"message", &e.Message}, {"details", &e.Details}, {"code", &e.Code}, {"service", &e.Service}}
}

// mask returns a copy of e with mask applied to each text.
func (e *Error) mask(mask func(string) string) *Error {
	masked := *e
	for _, t := range append(masked.texts(), text{value: &masked.RequestID}, text{value: &masked.problem}) {
		*t.value = mask(*t.value)
	}
	return &masked
}

// Error returns the operation, the status, the server's texts and, where that helps, what to do.
func (e *Error) Error() string {
	var b strings.Builder
	status := fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode))
	b.WriteString("kalshiauth: " + e.Op + ": " + strings.TrimSpace(status))
	for _, t := range e.texts() {
		if *t.value != "" { // quoted and cut, since a server may say anything
			fmt.Fprintf(&b, ", %s%.300q", strings.TrimPrefix(t.name+" ", "message "), *t.value)
		}
	}
	if e.problem != "" {
		fmt.Fprintf(&b, ": %.300s", e.problem)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, "; retry after %v", e.RetryAfter)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, "; request ID %.100q", e.RequestID)
	}
	return b.String()
}

// LogValue returns the text of Error, with each text of the server that may hold an e-mail address masked.
func (e *Error) LogValue() slog.Value {
	return slog.StringValue(e.mask(redact.Secrets{}.LogText).Error())
}

// Is reports whether target is the sentinel of the status, or [ErrUnexpectedResponse] and the response is not a
// documented one.
func (e *Error) Is(target error) bool {
	return target == ErrUnexpectedResponse && e.unexpected || target == ErrServer && e.StatusCode/100 == 5 ||
		target != nil && target == ofStatus[e.StatusCode]
}

// Unwrap returns the error that ended the reading of the body early, such as [io.ErrUnexpectedEOF] or the context's
// error. It returns nil if the body was read completely, or not at all.
func (e *Error) Unwrap() error { return e.cause }

const (
	jsonType, textType = "application/json", "text/plain"

	maxBody       = 64 << 10                     // bytes of a body that are read
	maxText       = 300                          // characters of a plain-text body that become the message of an error
	maxRetryAfter = math.MaxUint32 * time.Second // a longer one is cut, so that sums do not overflow
)

// newError describes a response that is not the documented success, or whose body has a problem. Text is masked before
// it is cut, since a part of a secret would not be found.
func newError(op string, success int, secrets redact.Secrets, resp *http.Response, problem error) *Error {
	e := &Error{
		Op: op, StatusCode: resp.StatusCode, RequestID: resp.Header.Get("X-Request-Id"),
		ContentType: mediaType(secrets.Text(resp.Header.Get("Content-Type"))), unexpected: true,
	}
	e.RetryAfter, e.hasRetryAfter = retryAfter(resp)
	switch {
	case e.StatusCode >= 400:
		problem = e.readTexts(resp, secrets)
	case problem == nil:
		problem = notSuccess(e.StatusCode, success, secrets.Text(resp.Header.Get("Location")))
	}
	if errors.Is(problem, errNotJSON) {
		problem = fmt.Errorf("the body is %q, not %s; a proxy or another host may have sent it", e.ContentType, jsonType)
	}
	if problem != nil {
		e.problem, e.cause = problem.Error(), secrets.Error(errors.Unwrap(problem))
	}
	return e.mask(secrets.Text)
}

// readTexts sets the texts of e from the body of an error response or else from its headers. It returns what is wrong
// with the response, if anything.
func (e *Error) readTexts(resp *http.Response, secrets redact.Secrets) error {
	body, problem := readBody(resp, jsonType, "application/problem+json", textType, "")
	var flat, nested looseJSON
	if json.Unmarshal(body, &flat) != nil && problem == nil {
		problem = errors.New("the body is not the JSON of an error") // the decoder's own error may quote it
	}
	if json.Unmarshal(flat["error"], &nested) != nil {
		nested = looseJSON{"message": flat["error"]} // later versions of the API nest the fields
	}
	for _, t := range e.texts() {
		*t.value = cmp.Or(flat.text(t.name), nested.text(t.name), resp.Header.Get(t.name))
	}
	e.unexpected = e.Message+e.Details+e.Code+e.Service == ""
	switch {
	case errors.Unwrap(problem) != nil:
		return problem
	case !e.unexpected:
		return nil
	case e.ContentType == textType:
		text := strings.TrimSpace(strings.ToValidUTF8(secrets.Text(string(body)), "?"))
		e.Message = strings.TrimSpace(fmt.Sprintf("%.*s", maxText, text))
		return errNotJSON
	case problem == nil:
		return errors.New("the body has no error message")
	}
	return problem
}

// looseJSON is a JSON object whose fields may have other types than documented.
type looseJSON map[string]json.RawMessage

// text returns a string as it is, and any other value as JSON.
func (l looseJSON) text(name string) (text string) {
	if json.Unmarshal(l[name], &text) != nil {
		return string(l[name])
	}
	return text
}

// notSuccess describes a status that is neither the documented success nor an error.
func notSuccess(status, success int, location string) error {
	if status < 300 || location == "" {
		return fmt.Errorf("the documented success is %d", success)
	}
	if to, err := url.Parse(location); err == nil && to.Host != "" {
		return fmt.Errorf("a redirect to %s is not followed; check the base URL", to.Host)
	}
	return errors.New("a redirect is not followed; check the base URL")
}

// mediaType returns a content type in lower case, without parameters.
func mediaType(contentType string) string {
	mediaType, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(mediaType))
}

var (
	errTooLarge = fmt.Errorf("the body is larger than %d KiB", maxBody>>10)
	errNotJSON  = errors.New("the body is not JSON")
)

// readBody returns the body of a response that has one of the media types. For an incomplete body, it returns an error
// that wraps the reader's.
func readBody(resp *http.Response, mediaTypes ...string) ([]byte, error) {
	switch {
	case !slices.Contains(mediaTypes, mediaType(resp.Header.Get("Content-Type"))):
		return nil, errNotJSON
	case resp.ContentLength > maxBody:
		return nil, errTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
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

// retryAfter returns the wait that a response asks for, and whether it asks for one.
func retryAfter(resp *http.Response) (time.Duration, bool) {
	value := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(serverTime(resp))), maxRetryAfter), true
	}
	return 0, false
}

// serverTime returns the time of a response by the server's clock or, without a Date header, by the local clock.
func serverTime(resp *http.Response) time.Time {
	if t, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		return t
	}
	return time.Now()
}
