package kalshiauthtest

import (
	"bufio"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

// logLength is how many requests the log keeps.
const logLength = 1000

// A Request is a request that the server received, in a form that is safe to print: values that contain a secret are
// replaced by "[redacted]".
type Request struct {
	ID        string    // the X-Request-Id of the response
	Time      time.Time // when the server received it, by the server's clock
	Method    string
	Path      string // escaped, with the path prefix
	Query     string // without "?"
	Operation string // an operationId, a pattern of [Server.Handle], or "" if nothing serves it
	Status    int    // of the response; 0: none was sent yet, or the connection was broken before
	Header    http.Header
	Body      string // what the server has read of it, at most 64 KiB
}

// requestLog counts all requests, and keeps the last ones.
type requestLog struct {
	mu      sync.Mutex // guards the fields below
	counts  map[string]int
	entries []*entry
}

func newRequestLog() *requestLog {
	l := new(requestLog)
	l.reset()
	return l
}

func (l *requestLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts = make(map[string]int)
	l.entries = nil
}

func (l *requestLog) add(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[e.request.Operation]++
	if len(l.entries) == logLength {
		l.entries = slices.Delete(l.entries, 0, 1)
	}
	l.entries = append(l.entries, e)
}

func (l *requestLog) count(operation string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[operation]
}

// masked returns the requests without secrets.
func (l *requestLog) masked(secrets redact.Secrets, doc *document.Document) []Request {
	l.mu.Lock()
	entries := slices.Clone(l.entries)
	l.mu.Unlock()
	requests := make([]Request, len(entries))
	for i, e := range entries {
		requests[i] = e.masked(secrets, doc)
	}
	return requests
}

// An entry is a request of the log as it was received, with its secrets.
type entry struct {
	params map[string]string // of the path, if the operation requires no session

	mu      sync.Mutex // guards the fields below
	request Request    // without Body
	body    []byte
}

func (e *entry) masked(secrets redact.Secrets, doc *document.Document) Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	// The parameters of an operation without a session may be its credentials, such as the code of a reset.
	secrets = slices.AppendSeq(slices.Clone(secrets), maps.Values(e.params))
	hidden := []string{"Authorization", "Cookie"}
	for _, scheme := range doc.Schemes {
		hidden = append(hidden, scheme.Name)
	}
	shown := e.request
	shown.Path = secrets.URL(shown.Path)
	shown.Query = secrets.Query(shown.Query, doc.IsPassword)
	shown.Header = secrets.Header(shown.Header, hidden...)
	shown.Body = secrets.Body(e.body, doc.IsPassword)
	return shown
}

// Write appends what the handler reads of the body.
func (e *entry) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.body = append(e.body, p[:min(len(p), maxBody-len(e.body))]...)
	return len(p), nil
}

// answered records the final status of the response, if it is the first one.
func (e *entry) answered(status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.request.Status == 0 {
		e.request.Status = status
	}
}

// logged is a response writer that records the status in the log.
type logged struct {
	http.ResponseWriter

	entry *entry
}

func (w logged) WriteHeader(status int) {
	if status >= 200 { // others are informational
		w.entry.answered(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w logged) Write(p []byte) (int, error) {
	w.entry.answered(http.StatusOK)
	return w.ResponseWriter.Write(p) //nolint:wrapcheck // it stands for the writer
}

func (w logged) Flush() {
	w.entry.answered(http.StatusOK)
	_ = http.NewResponseController(w.ResponseWriter).Flush() // as http.Flusher, it has no error
}

// Hijack is for WebSocket libraries that need an [http.Hijacker]. It records the status that they send themselves.
func (w logged) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffer, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.entry.answered(http.StatusSwitchingProtocols)
	}
	return conn, buffer, err //nolint:wrapcheck // it stands for the writer
}

// Unwrap is for [http.ResponseController].
func (w logged) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// A body is a request body whose Reader has been replaced.
type body struct {
	io.Reader
	io.Closer
}
