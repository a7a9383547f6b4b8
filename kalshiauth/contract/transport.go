package contract

import (
	"io"
	"net/http"
)

// Transport returns a transport that sends requests with base, and checks those to operations of the document below
// the base URL, and their responses. A nil base means [http.DefaultTransport]. Bodies stream as without the
// transport; it keeps the beginning of each body for the check: 64 KiB, or 1 MiB for an operation that this module's
// document does not have. A response body that is closed before its end is checked only if what was read is a complete
// JSON value.
func (c *Checker) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{c, base}
}

type transport struct {
	checker *Checker
	base    http.RoundTripper
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var x *exchange
	if path, ok := t.checker.rules.base.below(req.URL.Scheme, req.URL.Host, req.URL); ok {
		x = t.checker.begin(req, path)
	}
	if x == nil {
		return t.base.RoundTrip(req) //nolint:wrapcheck // a transport's errors are http.Client's to wrap
	}
	resp, err := t.base.RoundTrip(x.captureRequest(req))
	if err != nil {
		x.end()
		return resp, err //nolint:wrapcheck // a transport's errors are http.Client's to wrap
	}
	passed := newCapture(x.op, resp.ContentLength)
	x.response = &answer{
		status:  resp.StatusCode,
		header:  resp.Header.Clone(),
		body:    passed.body,
		request: x.request.Header,
	}
	if resp.StatusCode == http.StatusSwitchingProtocols || resp.Body == nil || resp.Body == http.NoBody {
		passed.end()
		x.end() // there is no body, or it is a connection, which the caller uses
		return resp, nil
	}
	resp.Body = &capturedBody{resp.Body, passed, x.end}
	return resp, nil
}

// captureRequest returns the request to send, and captures its body.
func (x *exchange) captureRequest(req *http.Request) *http.Request {
	if req.Body == nil || req.Body == http.NoBody {
		x.requestBody.end()
		return req
	}
	if req.GetBody != nil {
		// Capture a copy, which is complete: a server may answer before it has read the whole body.
		if copied, err := req.GetBody(); err == nil {
			captured := &capturedBody{copied, x.requestBody, func() {}}
			_, _ = io.Copy(io.Discard, io.LimitReader(captured, int64(x.requestBody.max)+1))
			_ = copied.Close()
		}
		return req
	}
	req = req.WithContext(req.Context())
	req.Body = &capturedBody{req.Body, x.requestBody, func() {}}
	return req
}

// CloseIdleConnections closes those of base, for [http.Client.CloseIdleConnections].
func (t *transport) CloseIdleConnections() {
	if closer, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}
