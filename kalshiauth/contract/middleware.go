package contract

import (
	"net/http"
)

// Middleware returns a handler that serves requests with next, and checks those to operations of the document below
// the base URL, and their responses. It compares the Host header and the path of a request with the base URL, but not
// the scheme, which a server does not know. Responses stream as without the middleware, and [http.ResponseController]
// works. A request body that next does not read to its end is checked only if what next has read is a complete JSON
// value.
func (c *Checker) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var x *exchange
		if path, ok := c.rules.base.below(c.rules.base.Scheme, r.Host, r.URL); ok {
			x = c.begin(r, path)
		}
		if x == nil {
			next.ServeHTTP(w, r)
			return
		}
		defer x.end() //nolint:contextcheck // kin-openapi takes a context and does not use it
		if x.undocumented != nil {
			next.ServeHTTP(w, r)
			return
		}
		if r.Body == nil || r.Body == http.NoBody {
			x.requestBody.end()
		} else {
			r = r.WithContext(r.Context())
			r.Body = &capturedBody{r.Body, x.requestBody, func() {}}
		}
		recorded := &responseWriter{ResponseWriter: w, exchange: x, body: newCapture(x.op, -1)}
		next.ServeHTTP(recorded, r)
		recorded.commit(http.StatusOK)
		recorded.body.end()
	})
}

// A responseWriter records what is written to a ResponseWriter.
type responseWriter struct {
	http.ResponseWriter

	exchange *exchange
	body     *capture
}

// commit records the status and the headers when they are sent. It ignores informational responses.
func (w *responseWriter) commit(status int) {
	if w.exchange.response == nil && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.exchange.response = &answer{
			status:  status,
			header:  canonical(w.Header()),
			body:    w.body.body,
			request: w.exchange.request.Header,
		}
	}
}

func (w *responseWriter) WriteHeader(status int) {
	w.commit(status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(p []byte) (int, error) {
	w.commit(http.StatusOK)
	n, err := w.ResponseWriter.Write(p)
	w.body.write(p[:n])
	return n, err //nolint:wrapcheck // the writer's, unchanged
}

// FlushError is for ResponseController, and Flush for older handlers. A flush sends status and headers.
func (w *responseWriter) FlushError() error {
	w.commit(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush() //nolint:wrapcheck // the writer's, unchanged
}

func (w *responseWriter) Flush() { _ = w.FlushError() }

// Unwrap is for ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
