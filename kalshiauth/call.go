package kalshiauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/gen"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

// A call describes one operation: how to send its input In, and how to get its result Out. Each operation has a method
// of Client, which fills in one call.
type call[In, Out any] struct {
	op      string                       // the operationId
	check   func(s *sender, in In) error // returns why in cannot be sent, and does not quote it
	success int                          // the documented success
	retry   func(err error) bool         // whether to retry after an error: unanswered or unprocessed
	repeat  func(err error) bool         // whether an error of a retry means that an earlier try succeeded; nil: never
	secrets func(in In) redact.Secrets   // what errors and log records must not show
	send    func(ctx context.Context, s *sender, in In) (*http.Response, error)
	// decode reads the JSON body of a success. nil: a success has no body.
	decode func(s *sender, in In, resp *http.Response, body []byte) (Out, error)
}

// A sender sends calls to one server, as configured by the options.
type sender struct {
	base         *url.URL
	origin       string // of base
	caller       http.Client
	timeout      time.Duration
	retries      int
	userAgent    string
	present      func(h http.Header, session *Session)
	log          *slog.Logger
	insecureHTTP bool
	gen          *gen.Client
}

// limit returns ctx with a timeout; 0 means none.
func limit(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}

// backoff returns a random wait, so that clients that failed at the same time do not retry at the same time.
func backoff(retries int) time.Duration {
	ceiling := 100 * time.Millisecond << min(retries, 6)
	return ceiling/2 + rand.N(ceiling/2) //nolint:gosec // not a secret
}

// Do sends one request for gen.Client, without redirects and cookie jar. An http.Client with a CheckRedirect would not
// do: if it cannot parse a Location header, it returns an error without the status.
func (c *sender) Do(req *http.Request) (*http.Response, error) {
	req.URL.Scheme, req.URL.Host, req.Host = c.base.Scheme, c.base.Host, c.base.Host
	values := []string{jsonType, c.userAgent}
	req.Header["Accept"], req.Header["User-Agent"] = values[:1:1], values[1:]
	resp, err := cmp.Or(c.caller.Transport, http.DefaultTransport).RoundTrip(req)
	switch {
	case err != nil:
		return nil, &url.Error{Op: req.Method, URL: req.URL.String(), Err: err}
	case resp == nil:
		return nil, errors.New("the transport returned neither a response nor an error")
	case resp.Body == nil:
		resp.Body = http.NoBody
	}
	return resp, nil
}

// accepts returns an error for a session that has no secret or belongs to another server.
func (c *sender) accepts(session *Session) error {
	if session.hidden().pair == "" {
		return ErrNoSession
	}
	if from := session.Origin(); from != "" && from != c.origin {
		return fmt.Errorf("%w: the session belongs to %q, and this client talks to %s", ErrInvalidInput, from, c.origin)
	}
	return nil
}

// authorize returns an editor that adds a session to a request of the generated client.
func (c *sender) authorize(session *Session) gen.RequestEditorFn {
	return func(_ context.Context, req *http.Request) error {
		c.present(req.Header, session)
		return nil
	}
}

// do sends a call, and retries it where that is safe.
func do[In, Out any](ctx context.Context, s *sender, in In, call *call[In, Out]) (out Out, err error) {
	if err := call.check(s, in); err != nil {
		return out, fmt.Errorf("kalshiauth: %s: %w", call.op, err)
	}
	ctx, cancel := limit(ctx, s.timeout)
	defer cancel()
	for retries := 0; ; retries++ {
		out, err = try(ctx, s, in, call)
		switch {
		case err == nil, retries > 0 && call.repeat != nil && call.repeat(err):
			return out, nil
		case retries == s.retries || !call.retry(err) || ctx.Err() != nil:
			return out, err
		}
		wait := backoff(retries) + answerOf(err).RetryAfter
		if deadline, ok := ctx.Deadline(); wait > time.Minute || ok && time.Until(deadline) <= wait {
			return out, err
		}
		s.log.LogAttrs(ctx, slog.LevelInfo, "kalshiauth: retrying", slog.String("op", call.op),
			slog.Duration("after", wait), call.secrets(in).LogError(err))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return out, fmt.Errorf("%w; while waiting to retry: %w", err, ctx.Err())
		}
	}
}

// try sends one request. It is the only place where a response becomes a success or an *Error.
func try[In, Out any](ctx context.Context, s *sender, in In, call *call[In, Out]) (out Out, err error) {
	ctx, cancel := limit(ctx, s.caller.Timeout)
	defer cancel()
	debug, start, status := s.log.Enabled(ctx, slog.LevelDebug), time.Time{}, 0
	if debug {
		start = time.Now()
	}
	resp, err := call.send(ctx, s, in)
	if err != nil {
		err = fmt.Errorf("kalshiauth: %s: %w", call.op, call.secrets(in).Error(err))
	} else {
		status = resp.StatusCode
		if status == call.success && call.decode != nil {
			var body []byte
			if body, err = readBody(resp, jsonType); err == nil {
				out, err = call.decode(s, in, resp, body)
			}
		}
		if status != call.success || err != nil {
			err = newError(call.op, call.success, call.secrets(in), resp, err)
		}
		_ = resp.Body.Close() // an error of Close does not change the result
	}
	if debug {
		s.log.LogAttrs(ctx, slog.LevelDebug, "kalshiauth: call", slog.String("op", call.op),
			slog.Duration("took", time.Since(start)), slog.Int("status", status), call.secrets(in).LogError(err))
	}
	return out, err
}

// answerOf returns err as an *Error, or one without Op if no response came. It does not unwrap err: a wrapped *Error is
// another call's, such as a transport's.
func answerOf(err error) *Error {
	answer, _ := err.(*Error) //nolint:errorlint // as said
	return cmp.Or(answer, &Error{})
}

// unanswered allows a retry if no response came, or only one of a gateway in front of the server.
func unanswered(err error) bool {
	answer := answerOf(err)
	return answer.Op == "" || answer.StatusCode >= http.StatusBadGateway && answer.StatusCode <= http.StatusGatewayTimeout
}

// unprocessed allows a retry only if the server cannot have processed the request.
func unprocessed(err error) bool {
	if answer := answerOf(err); answer.Op != "" {
		return answer.StatusCode == http.StatusServiceUnavailable && answer.hasRetryAfter
	}
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// sessionOver reports whether an error means that the server no longer knows the session. An HTML page or plain text
// does not mean that: it comes from a proxy, or from a host that no longer serves this API.
func sessionOver(err error) bool {
	answer := answerOf(err)
	return answer.StatusCode == http.StatusUnauthorized &&
		(answer.ContentType == "" || strings.HasSuffix(answer.ContentType, "json"))
}
