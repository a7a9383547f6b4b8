package kalshiauth

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
)

// HTTPClient returns a client for the rest of the API, with the session of src: see [Client.Transport]. It has the
// timeout and the redirect policy of [WithHTTPClient], and no jar.
func (c *Client) HTTPClient(src SessionSource) *http.Client {
	client := c.config().caller
	client.Jar = nil
	client.Transport = c.Transport(src)
	return &client
}

// Transport returns a transport that presents the session of src to the API's origin (scheme, host and port), and
// sends every other request as it is. Below it is the transport of [WithHTTPClient].
//
// Where a request is answered by 401 and src is an [Invalidator], the session is renewed and the request sent once
// more, if its body can be had again (GetBody); a source's own store may cost one more try. Where the renewal fails,
// its error is returned. The response is the caller's in any case, a second 401 included.
//
// Middleware that retries goes around this transport. Middleware that observes can go below it, by [WithHTTPClient],
// too.
func (c *Client) Transport(src SessionSource) http.RoundTripper {
	return &transport{config: c.config, src: src}
}

type transport struct {
	config func() *config
	src    SessionSource
}

// maxReplays bounds what a store can cause that has ever other sessions, all of them over.
const maxReplays = 3

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	c := t.config()
	if !c.isOrigin(req.URL) {
		return c.caller.Transport.RoundTrip(req) //nolint:wrapcheck // a transport's errors are http.Client's to wrap
	}
	session, err := t.session(req.Context())
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	body := req.Body
	if body == http.NoBody {
		body = nil
	}
	for replays := 0; ; replays++ {
		resp, err := c.caller.Transport.RoundTrip(c.withSession(req, session, body))
		if err != nil {
			return nil, input{session: session}.secrets().scrubError(err) // a malformed header may echo the session
		}
		doubt := &session.hidden().doubt
		if resp.StatusCode != http.StatusUnauthorized {
			if doubt.Load() != noDoubt {
				doubt.Store(noDoubt)
			}
			return resp, nil
		}
		source, ok := t.src.(Invalidator)
		if !ok {
			return resp, nil
		}
		inDoubt := doubt.Load()
		source.Invalidate(session)
		if replays > 0 && inDoubt != fromStore || replays == maxReplays || body != nil && req.GetBody == nil {
			return resp, nil
		}
		renewed, err := t.session(req.Context())
		if err != nil {
			_ = resp.Body.Close()
			return nil, err
		}
		if renewed.same(session) {
			return resp, nil
		}
		if body != nil {
			if body, err = req.GetBody(); err != nil {
				return resp, nil //nolint:nilerr // without a body there is no replay, and the answer is the 401
			}
		}
		_, _ = io.CopyN(io.Discard, resp.Body, 2<<10) // as http.Client: what is read whole keeps its connection
		_ = resp.Body.Close()
		session = renewed
	}
}

// session asks the source for a session that this client may present.
func (t *transport) session(ctx context.Context) (*Session, error) {
	session, err := t.src.Session(ctx)
	switch {
	case err != nil:
		return nil, err
	case session.hidden().cookie == nil:
		return nil, fmt.Errorf("kalshiauth: Transport: %w", ErrNoSession)
	}
	if err := t.config().checkOrigin(session); err != nil {
		return nil, fmt.Errorf("kalshiauth: Transport: %w", err)
	}
	return session, nil
}

// CloseIdleConnections closes those of the transport below.
func (t *transport) CloseIdleConnections() {
	if below, ok := t.config().caller.Transport.(interface{ CloseIdleConnections() }); ok {
		below.CloseIdleConnections()
	}
}

// isOrigin tells whether u is at the API's origin.
func (c *config) isOrigin(u *url.URL) bool {
	return u.Host == c.base.Host && u.Scheme == c.base.Scheme || origin(u) == c.origin
}

// withSession returns a copy of req that presents a session. The values of the headers are shared, and not changed.
func (c *config) withSession(req *http.Request, s *Session, body io.ReadCloser) *http.Request {
	r := *req
	r.Body = body
	r.Header = make(http.Header, len(req.Header)+1) // mutant: a hint
	maps.Copy(r.Header, req.Header)
	c.present(&r, s)
	return &r
}
