package kalshiauthtest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kalshiauth/kalshiauth-go/gen/server"
)

// closeGrace is how long Close lets requests finish that are no hanging faults.
const closeGrace = time.Second

// A Server is the auth API in memory. All methods are safe for concurrent use, also while it serves. It remembers
// sessions, codes and mails for as long as it exists.
type Server struct {
	// URL is what to pass to kalshiauth.WithBaseURL: where the server listens, and the path prefix if there is one. It is
	// empty for a server that does not listen.
	URL string

	accounts *accounts
	prefix   string
	tls      bool

	mux     *http.ServeMux
	names   http.Handler                 // tells which operation a request is
	handler atomic.Pointer[http.Handler] // the routes, behind what intercepts them

	http   *httptest.Server // nil: does not listen
	cancel context.CancelFunc
	closed <-chan struct{}
}

// NewServer starts a server on a free port of loopback. The caller closes it.
func NewServer(opts ...Option) *Server {
	s := NewUnstartedServer(opts...)
	s.http = httptest.NewUnstartedServer(s.Handler())
	if s.tls {
		s.http.EnableHTTP2 = true
		s.http.StartTLS()
	} else {
		s.http.Start()
	}
	s.URL = s.http.URL + s.prefix
	return s
}

// NewUnstartedServer returns a server that does not listen, for a caller that serves [Server.Handler] itself. It cannot
// be started.
func NewUnstartedServer(opts ...Option) *Server {
	s := &Server{accounts: newAccounts(), mux: http.NewServeMux()}
	for _, opt := range opts {
		opt(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.closed, s.cancel = ctx.Done(), cancel
	server.HandlerWithOptions(handlers{s.accounts}, server.StdHTTPServerOptions{
		BaseURL: s.prefix, BaseRouter: s.mux, ErrorHandlerFunc: wrongParameter,
	})
	s.names = server.HandlerWithOptions(operationNames{}, server.StdHTTPServerOptions{BaseURL: s.prefix})
	s.Intercept(nil)
	return s
}

// Close shuts the server down. Faults that hang are ended at once; other requests have a second to finish before their
// connections are closed.
func (s *Server) Close() {
	s.cancel()
	if s.http == nil {
		return
	}
	force := time.AfterFunc(closeGrace, s.http.CloseClientConnections)
	defer force.Stop()
	s.http.Close()
}

// Client returns a client that trusts the server's certificate and whose idle connections [Server.Close] closes. It is
// nil for a server that does not listen.
func (s *Server) Client() *http.Client {
	if s.http == nil {
		return nil
	}
	return s.http.Client()
}

// Handler returns everything that the server does, faults included, to be served on another listener. A fault that
// breaks a connection panics with [http.ErrAbortHandler], as every handler may that runs below an [http.Server].
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Handle serves handler to requests that present a live session, and the documented 401 to others. The pattern is one
// of [http.ServeMux] without a host, such as "GET /portfolio/balance", below the path prefix. A pattern that is taken
// panics, as in [http.ServeMux].
func (s *Server) Handle(pattern string, handler http.Handler) {
	if handler == nil {
		panic(fmt.Sprintf("kalshiauthtest: Handle(%q): the handler is nil", pattern))
	}
	method, below, found := strings.Cut(pattern, " ")
	if !found {
		method, below = "", pattern
	}
	below = strings.TrimLeft(below, " \t")
	if !strings.HasPrefix(below, "/") {
		panic(fmt.Sprintf("kalshiauthtest: Handle(%q): not a pattern such as GET /portfolio/balance", pattern))
	}
	// A ServeMux has a lock of its own, so that it can grow while it serves.
	s.mux.Handle(strings.TrimSpace(method+" "+s.prefix+below), s.accounts.authenticated(handler))
}

// Intercept puts a middleware in front of all that the server does, instead of the one before. Requests that have begun
// are not affected. nil removes it.
func (s *Server) Intercept(middleware func(http.Handler) http.Handler) {
	var handler http.Handler = http.HandlerFunc(s.route)
	if middleware != nil {
		if handler = middleware(handler); handler == nil {
			panic("kalshiauthtest: Intercept: the middleware returned no handler")
		}
	}
	s.handler.Store(&handler)
}

type serverKey struct{}

// serverOf returns the server that r came to, or nil if a fault runs without one.
func serverOf(r *http.Request) *Server {
	s, _ := r.Context().Value(serverKey{}).(*Server)
	return s
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	r = r.WithContext(context.WithValue(r.Context(), serverKey{}, s))
	if r.Body == nil { // a client's request, which a test hands over without a network
		r.Body = http.NoBody
	}
	(*s.handler.Load()).ServeHTTP(w, r)
}

func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	// http.ServeMux redirects "//" and "/../", which would hide a client's mistake.
	escaped := r.URL.EscapedPath()
	if clean := path.Clean(escaped); clean != escaped && clean+"/" != escaped {
		notFound(w)
		return
	}
	if handler, pattern := s.mux.Handler(r); pattern == "" {
		noRoute(w, r, handler)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// noRoute says as the API does what the mux's own handler says as text: 404, or 405 with Allow.
func noRoute(w http.ResponseWriter, r *http.Request, muxSays http.Handler) {
	rec := httptest.NewRecorder()
	muxSays.ServeHTTP(rec, r)
	if rec.Code != http.StatusMethodNotAllowed {
		notFound(w)
		return
	}
	allow := rec.Header().Get("Allow")
	w.Header().Set("Allow", allow)
	writeError(w, http.StatusMethodNotAllowed, "method_not_allowed", "The method is not allowed.", "Allowed: "+allow)
}

func notFound(w http.ResponseWriter) {
	writeError(w, http.StatusNotFound, "not_found", "There is nothing here.", "No operation has this path.")
}
