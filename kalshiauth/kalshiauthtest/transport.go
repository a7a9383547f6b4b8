package kalshiauthtest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// memory is a transport that passes requests to a handler without a network.
type memory struct {
	handler http.Handler
	closed  <-chan struct{}
}

func (m memory) RoundTrip(req *http.Request) (*http.Response, error) {
	received, err := m.received(req)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	a := newAnswer(req, received.Body)
	go a.serve(m.handler, received.WithContext(a.ctx)) //nolint:contextcheck // a server has a context of its own
	select {
	case resp := <-a.response:
		return resp, nil
	case err := <-a.failed:
		return nil, err
	case <-req.Context().Done():
		return nil, context.Cause(req.Context()) //nolint:wrapcheck // as http.Transport
	}
}

// received returns req as a server sees it.
func (m memory) received(req *http.Request) (*http.Request, error) {
	select {
	case <-m.closed:
		return nil, errors.New("kalshiauthtest: the server is closed")
	default:
	}
	if err := context.Cause(req.Context()); err != nil {
		return nil, err //nolint:wrapcheck // as http.Transport
	}
	if req.URL == nil || req.URL.Scheme != "http" && req.URL.Scheme != "https" || req.URL.Host == "" {
		return nil, errors.New("kalshiauthtest: the request's URL is not absolute, with http or https")
	}
	r := req.Clone(req.Context())
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.RemoteAddr, r.RequestURI = "127.0.0.1:1", req.URL.RequestURI()
	r.URL = &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
	r.GetBody, r.Response = nil, nil
	if r.Host == "" {
		r.Host = req.URL.Host
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	switch {
	case r.Body == nil:
		r.Body = http.NoBody
	case r.Body != http.NoBody && r.ContentLength == 0:
		r.ContentLength = -1 // in a client's request, 0 may mean an unknown length
	}
	if req.URL.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: req.URL.Hostname()}
	}
	return r, nil
}

// An answer is the response that a handler writes and a client reads. It is the handler's http.ResponseWriter.
type answer struct {
	req      *http.Request
	response chan *http.Response
	failed   chan error // instead of a response

	// The handler's context ends when the handler returns, when the client closes the body, and when the context of the
	// client's request ends. It has none of the values of that context.
	ctx       context.Context //nolint:containedctx // it is the answer's own
	cancel    context.CancelFunc
	closeSent func()      // closes the body of the client's request
	unwatch   func() bool // stops watching the client's context

	// Used by the handler's goroutine only.
	header  http.Header
	status  int         // 0: not written yet
	final   http.Header // header at the time when status was written
	length  int64       // of the body, as declared by the handler; -1: not declared
	written int64
	sent    bool
	buffer  *bufio.Writer // in front of pipe
	pipe    *io.PipeWriter
	reader  *io.PipeReader
}

func newAnswer(req *http.Request, sent io.Closer) *answer {
	a := &answer{req: req, response: make(chan *http.Response, 1), failed: make(chan error, 1), header: http.Header{}}
	a.reader, a.pipe = io.Pipe()
	a.buffer = bufio.NewWriter(sender{a})
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.closeSent = sync.OnceFunc(func() { _ = sent.Close() })
	a.unwatch = context.AfterFunc(req.Context(), func() { //nolint:contextcheck // leave ends the server's
		_ = a.pipe.CloseWithError(context.Cause(req.Context()))
		a.leave()
	})
	return a
}

// leave does what the end of a client's connection does: it ends the handler's context and closes the request's body.
func (a *answer) leave() {
	a.cancel()
	a.closeSent()
}

func (a *answer) serve(handler http.Handler, r *http.Request) {
	defer a.unwatch()
	defer a.leave()
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			a.fail(io.EOF)
		default:
			a.fail(fmt.Errorf("the handler panicked: %v", p))
		}
	}()
	handler.ServeHTTP(a, r)
	a.closeSent()
	a.finish()
}

func (a *answer) Header() http.Header { return a.header }

// WriteHeader ignores informational statuses, and all but the first.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 || status < 200 {
		return
	}
	a.status, a.final, a.length = status, a.header.Clone(), -1
	if length, err := strconv.ParseInt(a.final.Get("Content-Length"), 10, 64); err == nil {
		a.length = length
	} else if !hasBody(status) {
		a.length = 0
	}
	if a.final.Get("Date") == "" {
		a.final.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	switch {
	case !hasBody(a.status):
		return 0, http.ErrBodyNotAllowed
	case a.length >= 0 && a.written+int64(len(p)) > a.length:
		return 0, http.ErrContentLength
	}
	a.written += int64(len(p))
	if a.req.Method == http.MethodHead {
		return len(p), nil
	}
	return a.buffer.Write(p) //nolint:wrapcheck // it stands for the buffer
}

// Flush is for [http.Flusher].
func (a *answer) Flush() {
	a.WriteHeader(http.StatusOK)
	a.send(nil)
	_ = a.buffer.Flush() // fails only if the client has left
}

// sender sends the content of an answer's buffer.
type sender struct{ answer *answer }

func (s sender) Write(p []byte) (int, error) {
	s.answer.send(p)
	return s.answer.pipe.Write(p) //nolint:wrapcheck // it stands for the pipe
}

// send sends the status and the headers. begin is the beginning of the body, for the content type.
func (a *answer) send(begin []byte) {
	if a.sent {
		return
	}
	a.sent = true
	if len(begin) > 0 && a.final["Content-Type"] == nil {
		a.final.Set("Content-Type", http.DetectContentType(begin))
	}
	a.response <- &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.final, ContentLength: a.length, Body: answerBody{a.reader, a}, Request: a.req,
	}
}

// finish sends the rest of the response. Like net/http, it adds a Content-Length to a short body.
func (a *answer) finish() {
	a.WriteHeader(http.StatusOK)
	if !a.sent && a.length < 0 && hasBody(a.status) && a.req.Method != http.MethodHead {
		a.length = a.written
		a.final.Set("Content-Length", strconv.FormatInt(a.length, 10))
	}
	if a.buffer.Buffered() == 0 {
		a.send(nil)
	}
	_ = a.buffer.Flush() // fails only if the client has left
	if a.written < a.length && a.req.Method != http.MethodHead {
		_ = a.pipe.CloseWithError(io.ErrUnexpectedEOF)
	}
	_ = a.pipe.Close()
}

// fail breaks the connection.
func (a *answer) fail(err error) {
	if !a.sent {
		a.failed <- fmt.Errorf("kalshiauthtest: the server broke the connection: %w", err)
	}
	_ = a.pipe.CloseWithError(io.ErrUnexpectedEOF)
}

// answerBody is the body that the client reads.
type answerBody struct {
	*io.PipeReader

	answer *answer
}

func (b answerBody) Close() error {
	b.answer.leave()
	return b.PipeReader.Close() //nolint:wrapcheck // it stands for the reader
}
