package contract

import (
	"net/http"
)

// Middleware returns a handler that serves requests by next and checks those below the base URL, and their responses.
// Which those are is told by the host that the client asked for and the path, as next sees them; the scheme is not
// known to a server, and any will do. Responses stream as they do without it, and [http.ResponseController] works. A
// request body that next does not read to its end is judged only if what was read of it is a whole JSON value.
func (c *Checker) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := c.base.below(c.base.Scheme, r.Host, r.URL)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		x := c.begin(r, path) // it also ends if next panics
		defer x.end()         //nolint:contextcheck // what it calls takes a context, and does not use it
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
		recorded := &responseWriter{ResponseWriter: w, exchange: x, body: capture{length: -1}}
		next.ServeHTTP(recorded, r)
		recorded.commit(http.StatusOK)
		recorded.body.end()
	})
}

// responseWriter looks at what passes to a ResponseWriter.
type responseWriter struct {
	http.ResponseWriter

	exchange *exchange
	body     capture
}

// commit notes the head of the response when it leaves. Interim responses are not the one.
func (w *responseWriter) commit(status int) {
	if w.exchange.response == nil && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.exchange.response = &answer{status: status, header: canonical(w.Header()), body: w.body.body}
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

// FlushError is what ResponseController calls, and Flush what older handlers do. A flush sends the head.
func (w *responseWriter) FlushError() error {
	w.commit(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush() //nolint:wrapcheck // the writer's, unchanged
}

func (w *responseWriter) Flush() { _ = w.FlushError() }

// Unwrap is for ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
