package autologin

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

// A Transport adds a source's session to requests to the API's origin (scheme, host and port), and the SDK's User-Agent
// to those of them that have none. It sends other requests unchanged. [Source.HTTPClient] uses a Transport. It is safe
// for concurrent use.
//
// After a 401, if Source is an [Invalidator], the Transport asks Source for a new session and sends the request again,
// if it can replay the body (GetBody). It sends the request a third time if the new session came from a store and got a
// 401, too. If Source has no new session, or returns a [*WaitError], the caller gets the 401 with the beginning of its
// body: what arrives within a second, and at most 64 KiB. Any other error of Source is returned. If the body cannot be
// replayed, the caller gets the 401 unchanged, and the next request gets a new session.
//
// Put middleware that retries requests above this transport. Middleware that only observes requests can also go below
// it, as Base, where it sees the session.
type Transport struct {
	Client *kalshiauth.Client // adds the session; its base URL is the API's
	Source SessionSource      // provides the session
	Base   http.RoundTripper  // sends the requests; nil: the transport of Client.HTTPClient
}

// RoundTrip implements [http.RoundTripper]. It fails with [kalshiauth.ErrInvalidInput] if Client or Source is nil.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.Client == nil || t.Source == nil {
		return fail(req, fmt.Errorf("autologin: Transport: %w: Client or Source is nil", kalshiauth.ErrInvalidInput))
	}
	if !t.Client.Serves(req.URL) {
		return t.base().RoundTrip(req) //nolint:wrapcheck // a transport's errors are http.Client's to wrap
	}
	session, err := t.Source.Session(req.Context())
	if err != nil {
		return fail(req, err)
	}
	body := req.Body
	for replays := 0; ; replays++ {
		resp, err := t.send(req, body, session)
		if err != nil || resp == nil { // http.Client reports a nil response
			return nil, err
		}
		backed, ok := t.Source.(interface {
			unproven(*kalshiauth.Session, bool) bool
		})
		unproven := ok && backed.unproven(session, resp.StatusCode != http.StatusUnauthorized)
		source, ok := t.Source.(Invalidator)
		if resp.StatusCode != http.StatusUnauthorized || !ok {
			return resp, nil
		}
		source.Invalidate(session)
		if replays > 1 || replays == 1 && !unproven || body != nil && body != http.NoBody && req.GetBody == nil {
			return resp, nil
		}
		// Close the body of the 401 before the log-in: if the number of connections is limited, it may need this one.
		keep(resp)
		renewed, err := t.Source.Session(req.Context())
		if errors.As(err, new(*WaitError)) || err == nil && renewed.Equal(session) {
			return resp, nil
		}
		if err != nil {
			return nil, err
		}
		if session = renewed; req.GetBody != nil {
			if body, err = req.GetBody(); err != nil {
				return resp, nil //nolint:nilerr // the request cannot be sent again
			}
		}
	}
}

// CloseIdleConnections closes the idle connections of Base.
func (t *Transport) CloseIdleConnections() {
	(&http.Client{Transport: t.base()}).CloseIdleConnections()
}

func (t *Transport) base() http.RoundTripper {
	return cmp.Or(t.Base, t.Client.HTTPClient().Transport, http.DefaultTransport)
}

// request is a copy of a request, with space for its header values, so that both take one allocation.
type request struct {
	http.Request

	values [8]string
}

// send sends a copy of req with the session. The response refers to req, so that it does not show the session.
func (t *Transport) send(req *http.Request, body io.ReadCloser, session *kalshiauth.Session) (*http.Response, error) {
	r := request{Request: *req}
	r.Body = body
	r.Header = make(http.Header, len(req.Header)+2)
	values := r.values[:0]
	for name, v := range req.Header {
		values = append(values, v...)
		r.Header[name] = values[len(values)-len(v) : len(values) : len(values)]
	}
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header["User-Agent"] = append(values, t.Client.UserAgent())[len(values):]
	}
	if err := t.Client.Authorize(&r.Request, session); err != nil {
		return fail(&r.Request, err)
	}
	resp, err := t.base().RoundTrip(&r.Request)
	if err != nil || resp == nil { // an error may quote a malformed header
		return nil, redact.Secrets{session.Token(), session.Cookie().Value}.Error(err)
	}
	resp.Request = req
	return resp, nil
}

// fail closes the body of a request that is not sent, as a transport must.
func fail(req *http.Request, err error) (*http.Response, error) {
	_ = cmp.Or(req.Body, io.ReadCloser(http.NoBody)).Close()
	return nil, err
}

// keep replaces a response's body by its beginning: what arrives within a second, and at most 64 KiB.
func keep(resp *http.Response) {
	if body := resp.Body; body != nil {
		timer := time.AfterFunc(time.Second, func() { _ = body.Close() }) // this ends a Read
		kept, _ := io.ReadAll(io.LimitReader(body, 64<<10))
		timer.Stop()
		_ = body.Close()
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(kept)), int64(len(kept))
		resp.Header.Del("Content-Length")
	}
}
