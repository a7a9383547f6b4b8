package kalshiauthtest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/kalshiauth/kalshiauth-go/gen/server"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// closeGrace is how long Close waits for requests in flight, other than those in a fault that hangs.
const closeGrace = time.Second

// A Server is a fake of the auth API. It is safe for concurrent use. It keeps sessions, codes and mails in memory until
// [Server.Reset].
type Server struct {
	// URL is the base URL for kalshiauth.WithBaseURL: the server's address and its path prefix, if there is one. It is
	// empty for a server that does not listen.
	URL string

	doc      *document.Document
	accounts *accounts
	log      *requestLog
	prefix   string
	tls      bool

	mux     *http.ServeMux
	handler atomic.Pointer[http.Handler] // the mux, behind the middleware of Intercept
	count   atomic.Int64                 // of all requests

	mu      sync.RWMutex
	targets map[string]string // the argument for On, by pattern of mux; guarded by mu

	http   *httptest.Server // nil: does not listen
	cancel context.CancelFunc
	closed <-chan struct{}
}

// NewServer starts a server on a free port of the loopback interface. The caller must call [Server.Close]. It panics if
// it cannot listen.
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

// NewUnstartedServer returns a server that does not listen, and cannot be started. Use it through [Server.Transport],
// or serve its [Server.Handler]. For a bubble of testing/synctest, create the server in the bubble.
func NewUnstartedServer(opts ...Option) *Server {
	s := &Server{
		doc: document.API(), accounts: newAccounts(), log: newRequestLog(), mux: http.NewServeMux(),
		targets: make(map[string]string),
	}
	for _, opt := range opts {
		opt(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.closed, s.cancel = ctx.Done(), cancel
	server.HandlerWithOptions(handlers{s.accounts, s.doc}, server.StdHTTPServerOptions{
		BaseURL: s.prefix, BaseRouter: generated{s.mux, s}, ErrorHandlerFunc: wrongParameter,
	})
	s.Intercept(nil)
	return s
}

// Close shuts the server down. Faults that hang end at once. Requests over the network get a second to finish before
// their connections are closed. After Close, [Server.Transport] returns errors.
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
// nil for a server that does not listen: use [Server.Transport] there.
func (s *Server) Client() *http.Client {
	if s.http == nil {
		return nil
	}
	return s.http.Client()
}

// Handler returns the server's handler, including faults, for another listener. A fault that breaks a connection panics
// with [http.ErrAbortHandler], which an [http.Server] handles.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Transport returns a transport that passes requests to the server in memory, whatever their host. Requests need the
// path prefix, if there is one. For an https request, the session cookie is Secure.
//
// Responses stream as over a connection: once a small buffer is full, the server's writes wait for the client's reads.
// Faults work. When a request's context ends, RoundTrip and reads of the response's body return the context's error.
// When a fault breaks the connection, RoundTrip returns [io.EOF], or a read of the body [io.ErrUnexpectedEOF]. Read
// each body to its end or close it, so that no goroutine leaks. A handler cannot take over the connection, as those for
// WebSockets do: use [NewServer] for them.
//
// The transport works in a bubble of testing/synctest, where [Delay] takes no real time.
func (s *Server) Transport() http.RoundTripper { return memory{s.Handler(), s.closed} }

// Handle serves handler to requests with a valid session, and the documented 401 to others. The pattern is one of
// [http.ServeMux] without a host, such as "GET /portfolio/balance", below the path prefix. Handle panics if the pattern
// is malformed or conflicts with another one.
func (s *Server) Handle(pattern string, handler http.Handler) {
	if handler == nil {
		panic(fmt.Sprintf("kalshiauthtest: Handle(%q): the handler is nil", pattern))
	}
	p := newPattern("Handle", pattern)
	s.handle(p, p.String(), gate{s.accounts, s.doc}.session(s.doc.Schemes, true, handler))
}

// handle serves handler below the prefix. target is the argument for [On].
func (s *Server) handle(p pattern, target string, handler http.Handler) {
	s.mux.Handle(p.below(s.prefix), handler) // the mux has its own lock, so that a handler can be added while it serves
	s.mu.Lock()
	defer s.mu.Unlock()
	s.targets[p.below(s.prefix)] = target
}

// Intercept puts a middleware in front of the server. It replaces the middleware of an earlier call; nil removes that.
// Requests in flight are not affected. Intercept panics if the middleware returns nil.
func (s *Server) Intercept(middleware func(http.Handler) http.Handler) {
	var handler http.Handler = http.HandlerFunc(s.route)
	if middleware != nil {
		if handler = middleware(handler); handler == nil {
			panic("kalshiauthtest: Intercept: the middleware returned no handler")
		}
	}
	s.handler.Store(&handler)
}

// AddUser adds an account. It panics if the e-mail address has an account already, in whatever case, and if the
// document does not allow the address or the password in a log-in.
func (s *Server) AddUser(email, password string) User {
	call := fmt.Sprintf("AddUser(%q)", email)
	s.mustAllow(call, email, password)
	return s.accounts.add(call, User{ID: uuid.NewString(), Email: email}, password)
}

// AddUserWithID is [Server.AddUser] with an ID of the caller's, so that a user has the same ID in each run. It also
// panics if the ID is not a UUID, or belongs to another user.
func (s *Server) AddUserWithID(id, email, password string) User {
	call := fmt.Sprintf("AddUserWithID(%q, %q)", id, email)
	parsed, err := uuid.Parse(id)
	if err != nil || !strings.EqualFold(parsed.String(), id) {
		panic(fmt.Sprintf("kalshiauthtest: %s: the ID is not a UUID", call))
	}
	s.mustAllow(call, email, password)
	return s.accounts.add(call, User{ID: parsed.String(), Email: email}, password)
}

// Users returns the users, in the order in which they were added.
func (s *Server) Users() []User { return s.accounts.listUsers() }

// SetPassword changes the password of an account, and ends its sessions and codes, as a reset does. It panics if no
// account has the address, and if the document does not allow the password in a log-in.
func (s *Server) SetPassword(email, password string) {
	s.mustAllow(fmt.Sprintf("SetPassword(%q)", email), email, password)
	s.accounts.mustChange("SetPassword", email, func(owner *account) { s.accounts.setPassword(owner, password) })
}

// mustAllow panics if nobody can log in with an e-mail address and a password.
func (s *Server) mustAllow(call, email, password string) {
	credentials := map[string]string{"email": email, "password": password}
	for _, problem := range s.doc.Operation("Login").CheckBody(credentials) {
		if _, ok := credentials[strings.TrimPrefix(problem.Place, "/")]; ok {
			panic(fmt.Sprintf("kalshiauthtest: %s: %s", call, problem))
		}
	}
}

// Lock locks an account and ends its sessions. From then on, a log-in with the right password gets a 403. A log-in with
// a wrong password still gets a 401, so that it does not tell which accounts exist. A new password does not unlock the
// account. Lock panics if no account has the address.
func (s *Server) Lock(email string) {
	s.accounts.mustChange("Lock", email, func(owner *account) {
		owner.locked = true
		deleteOf(s.accounts.sessions, owner)
	})
}

// Unlock ends what [Server.Lock] does. The account's sessions stay ended. Unlock panics if no account has the address.
func (s *Server) Unlock(email string) {
	s.accounts.mustChange("Unlock", email, func(owner *account) { owner.locked = false })
}

// Locked reports whether the account of an address is locked. It is false if no account has the address.
func (s *Server) Locked(email string) bool { return s.accounts.isLocked(email) }

// Outbox returns the mails that were sent, oldest first.
func (s *Server) Outbox() []Mail { return s.accounts.mails() }

// ClearOutbox removes the mails from [Server.Outbox]. Their codes still work.
func (s *Server) ClearOutbox() { s.accounts.clearMails() }

// Sessions returns the number of sessions that have not ended.
func (s *Server) Sessions() int { return len(s.accounts.listSessions()) }

// SessionList returns the sessions that have not ended, oldest first.
func (s *Server) SessionList() []Session { return s.accounts.listSessions() }

// ExpireSessions ends all sessions, as if they had expired.
func (s *Server) ExpireSessions() { s.accounts.expireSessions() }

// ExpireSessionsOf ends all sessions of an account. It panics if no account has the address.
func (s *Server) ExpireSessionsOf(email string) {
	s.accounts.mustChange("ExpireSessionsOf", email, func(owner *account) { deleteOf(s.accounts.sessions, owner) })
}

// Requests returns the number of requests for an operation, such as "Login", or for a pattern of [Server.Handle],
// whatever their result. It panics if the server has no such operation or pattern.
func (s *Server) Requests(operation string) int {
	target := mustBeTarget("Requests", operation)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, served := range s.targets {
		if served == target {
			return s.log.count(target)
		}
	}
	panic(fmt.Sprintf("kalshiauthtest: Requests(%q): the server has no such pattern", operation))
}

// RequestLog returns the last 1,000 requests, oldest first, without their secrets. Secrets are
//   - the passwords that accounts have or had, and the server's tokens and codes;
//   - the values of Cookie and Authorization headers;
//   - the values of fields and query parameters that are named like a password in the document;
//   - the path parameters of an operation without a session.
//
// A value that contains a secret is replaced by "[redacted]": a header's value, a segment of the path, a name or value
// of the query, a string or number of a JSON body, or a whole body that is not JSON. A wrong password is recognized
// only in a field or query parameter that is named like a password.
func (s *Server) RequestLog() []Request { return s.log.masked(s.accounts.secrets(), s.doc) }

// ClearRequestLog removes the requests from [Server.RequestLog], and sets the counts of [Server.Requests] to 0.
func (s *Server) ClearRequestLog() { s.log.reset() }

// Reset removes accounts, sessions, codes, mails, the request log with its counts, and the middleware of
// [Server.Intercept]. It keeps the options, the handlers of [Server.Handle] and the URL.
func (s *Server) Reset() {
	s.Intercept(nil)
	s.accounts.reset()
	s.log.reset()
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
	e := s.newEntry(r)
	s.log.add(e)
	w.Header().Set("X-Request-Id", e.request.ID)
	if r.Body != http.NoBody {
		r.Body = body{io.TeeReader(r.Body, e), r.Body}
	}
	(*s.handler.Load()).ServeHTTP(logged{w, e}, r)
	e.answered(http.StatusOK) // net/http's status for a handler that sets none
}

func (s *Server) newEntry(r *http.Request) *entry {
	e := &entry{request: Request{
		ID: fmt.Sprintf("kalshiauthtest-%d", s.count.Add(1)), Time: s.accounts.now(), Operation: s.target(r),
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header.Clone(),
	}}
	if op, params, _ := s.doc.Find(r.Method, strings.TrimPrefix(r.URL.EscapedPath(), s.prefix)); op != nil {
		if _, required := op.Security(); !required {
			e.params = params
		}
	}
	return e
}

func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	switch handler, pattern := s.match(r); {
	case handler == nil:
		notFound(w, r)
	case pattern == "":
		noRoute(w, r, handler)
	default:
		s.mux.ServeHTTP(w, r)
	}
}

// match returns the mux's handler and pattern for r, or nil if the path of r is not clean: the mux redirects "//" and
// "/../", which would hide a client's mistake.
func (s *Server) match(r *http.Request) (handler http.Handler, pattern string) {
	escaped := r.URL.EscapedPath()
	if clean := path.Clean(escaped); clean != escaped && clean+"/" != escaped {
		return nil, ""
	}
	return s.mux.Handler(r)
}

// target returns the operationId or the pattern of [Server.Handle] that r is for, or "".
func (s *Server) target(r *http.Request) string {
	_, pattern := s.match(r)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.targets[pattern]
}

// noRoute answers in the API's form what the mux's own handler answers as text: 404, or 405 with Allow.
func noRoute(w http.ResponseWriter, r *http.Request, muxSays http.Handler) {
	rec := httptest.NewRecorder()
	muxSays.ServeHTTP(rec, r)
	if rec.Code != http.StatusMethodNotAllowed {
		notFound(w, r)
		return
	}
	allow := rec.Header().Get("Allow")
	w.Header().Set("Allow", allow)
	(&apiError{
		http.StatusMethodNotAllowed, "method_not_allowed", "The method is not allowed.", "Allowed: " + allow,
	}).write(w)
}

// generated registers the routes of the generated package, each behind the gate of its operation.
type generated struct {
	*http.ServeMux

	server *Server
}

func (g generated) HandleFunc(text string, handler func(http.ResponseWriter, *http.Request)) {
	s := g.server
	p := newPattern("NewServer", text)
	p.path = strings.TrimPrefix(p.path, s.prefix)
	// The template's own parameters, such as {code}, are what its wildcards match.
	op, wildcards, _ := s.doc.Find(p.method, p.path)
	if op == nil {
		panic(fmt.Sprintf("kalshiauthtest: NewServer: the document has no operation %s", p))
	}
	for name, wildcard := range wildcards {
		wildcards[name] = strings.Trim(wildcard, "{}")
	}
	s.handle(p, op.ID, gate{s.accounts, s.doc}.operation(op, wildcards, http.HandlerFunc(handler)))
}
