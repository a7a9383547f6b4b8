package fakeserver

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
)

// ControlPath is where the control interface is. It is not below the prefix of the API.
const ControlPath = "/__fake/"

// A route of the control interface.
type route struct {
	pattern string // of [http.ServeMux], below ControlPath
	serve   func(*Server, http.ResponseWriter, *http.Request) error
}

// routes are those for programs, which speak JSON, and those for a browser.
func routes() []route {
	return []route{
		{"GET users", (*Server).listUsers},
		{"POST users", (*Server).addUser},
		{"PATCH users/{email}", (*Server).changeUser},
		{"GET sessions", (*Server).listSessions},
		{"DELETE sessions", (*Server).endSessions},
		{"DELETE sessions/{email}", (*Server).endSessionsOf},
		{"GET outbox", (*Server).listMails},
		{"DELETE outbox", (*Server).clearMails},
		{"GET requests", (*Server).listRequests},
		{"DELETE requests", (*Server).clearRequests},
		{"GET faults", (*Server).listFaults},
		{"POST faults", (*Server).addFault},
		{"DELETE faults", (*Server).clearFaults},
		{"DELETE faults/{id}", (*Server).removeFault},
		{"POST reset", (*Server).reset},
		{"GET {$}", (*Server).showOverview},
		{"GET style.css", (*Server).showStyle},
		{"POST end-sessions", (*Server).endSessionsByForm},
		{"GET reset-password/{code}", (*Server).showResetForm},
		{"POST reset-password/{code}", (*Server).confirmByForm},
		{"GET password-set", (*Server).showPasswordSet},
	}
}

// Routes returns the method and path of each route of the control interface.
func Routes() (all []string) {
	for _, r := range routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		all = append(all, method+" "+ControlPath+strings.TrimSuffix(path, "{$}"))
	}
	return all
}

func (s *Server) newControl() *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		mux.HandleFunc(method+" "+ControlPath+path, func(w http.ResponseWriter, req *http.Request) {
			if err := r.serve(s, w, req); err != nil {
				fail(w, err)
			}
		})
	}
	return mux
}

// serveControl serves a request to the control interface, if it may use it.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "+
		"frame-ancestors 'none'; base-uri 'none'")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "same-origin") // with no-referrer, the forms would have no Origin
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	if refused := s.guard(r); refused != nil {
		fail(w, refused)
		return
	}
	if handler, pattern := s.control.Handler(r); pattern == "" {
		noRoute(w, r, handler)
		return
	}
	s.control.ServeHTTP(w, r)
}

// noRoute answers as JSON what the mux answers as text: 404, or 405 with Allow.
func noRoute(w http.ResponseWriter, r *http.Request, muxSays http.Handler) {
	rec := httptest.NewRecorder()
	muxSays.ServeHTTP(rec, r)
	if allow := rec.Header().Get("Allow"); rec.Code == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", allow)
		fail(w, &problem{rec.Code, fmt.Sprintf("%s does not take %s: use %s", r.URL.Path, r.Method, allow)})
		return
	}
	fail(w, &problem{http.StatusNotFound, fmt.Sprintf("there is no %s: the paths are %s", r.URL.Path, paths())})
}

// paths returns the paths for programs.
func paths() string {
	var all []string
	for _, name := range []string{"users", "sessions", "outbox", "requests", "faults", "reset"} {
		all = append(all, ControlPath+name)
	}
	return strings.Join(all, ", ") + ", and " + ControlPath + " for a browser"
}

// A problem is an error that the client can do something about.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

func invalid(err error) error { return &problem{http.StatusBadRequest, err.Error()} }

func notFound(format string, args ...any) error {
	return &problem{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

// failure is the body of an error.
type failure struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, err error) {
	p := new(problem)
	if !errors.As(err, &p) {
		p = &problem{http.StatusInternalServerError, err.Error()}
	}
	writeJSON(w, p.status, failure{p.text})
}
