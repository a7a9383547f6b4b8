package contract_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// middleware changes what a server does.
type middleware = func(http.Handler) http.Handler

// reply is an answer that can be changed before it is sent.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// set makes the answer JSON.
func (a *reply) set(status int, body string) {
	a.status, a.body = status, []byte(body)
	a.header.Set("Content-Type", "application/json")
}

// fail makes the answer an error as the fake server writes it.
func (a *reply) fail(status int) {
	a.set(status, `{"code":"mutant","message":"No.","details":"","service":"users"}`)
	a.header.Set("code", "mutant")
}

// bare removes an error's fields from the headers.
func (a *reply) bare() {
	for _, name := range []string{"code", "message", "details", "service"} {
		a.header.Del(name)
	}
}

// fields changes the fields of a JSON body.
func (a *reply) fields(edit func(fields map[string]any)) {
	fields := map[string]any{}
	_ = json.Unmarshal(a.body, &fields)
	edit(fields)
	a.body, _ = json.Marshal(fields)
}

// changed edits the answers of an operation ("": of all).
func changed(operation string, edit func(r *http.Request, a *reply)) middleware {
	return on(operation, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a := answer(next, r)
			edit(r, a)
			a.write(w)
		})
	})
}

// errorsOf edits the errors of an operation.
func errorsOf(operation string, edit func(a *reply)) middleware {
	return changed(operation, func(_ *http.Request, a *reply) {
		if a.status >= 400 {
			edit(a)
		}
	})
}

// successes edits the successes of an operation.
func successes(operation string, edit func(a *reply)) middleware {
	return changed(operation, func(_ *http.Request, a *reply) {
		if a.status < 300 {
			edit(a)
		}
	})
}

// replaced answers some requests to an operation itself: answer reports whether it did.
func replaced(operation string, answer func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool) middleware {
	return on(operation, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			data, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(data))
			if !answer(w, r, string(data), next) {
				r.Body = io.NopCloser(bytes.NewReader(data))
				next.ServeHTTP(w, r)
			}
		})
	})
}

func on(operation string, m middleware) middleware {
	if operation == "" {
		return m
	}
	return kalshiauthtest.On(operation, m)
}

func answer(next http.Handler, r *http.Request) *reply {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	return &reply{rec.Code, rec.Result().Header, rec.Body.Bytes()}
}

func (a *reply) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// withBody returns a copy of a request with another body.
func withBody(r *http.Request, body string) *http.Request {
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(strings.NewReader(body))
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return r
}

// field returns a field of a JSON body.
func field(body, name string) string {
	fields := map[string]any{}
	_ = json.Unmarshal([]byte(body), &fields)
	value, _ := fields[name].(string)
	return value
}

func edited(body, name, value string) string {
	fields := map[string]any{}
	_ = json.Unmarshal([]byte(body), &fields)
	fields[name] = value
	data, _ := json.Marshal(fields)
	return string(data)
}

// presented is the token of a request.
func presented(r *http.Request) string {
	if c, err := r.Cookie("sessions"); err == nil {
		return c.Value
	}
	return r.Header.Get("Authorization")
}

// A memory is what a broken server remembers.
type memory struct {
	mu   sync.Mutex
	seen map[string]string
}

func (m *memory) put(key, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil {
		m.seen = map[string]string{}
	}
	m.seen[key] = value
}

func (m *memory) get(key string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.seen[key]
	return value, ok
}

// all returns the keys.
func (m *memory) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.seen))
}

// chain combines middlewares, the first one outermost.
func chain(ms ...middleware) middleware {
	return func(next http.Handler) http.Handler {
		for i := range ms {
			next = ms[len(ms)-1-i](next)
		}
		return next
	}
}

// serverWith starts a fake server with a change.
func serverWith(t *testing.T, change func(srv *kalshiauthtest.Server) middleware) *kalshiauthtest.Server {
	t.Helper()
	srv := newServer(t)
	srv.Intercept(change(srv))
	return srv
}

// known reports whether a body has the e-mail of an account, or no e-mail.
func known(body string) bool {
	return field(body, "email") == email || field(body, "email") == other.Email || !strings.Contains(body, "@")
}

// whenBody answers requests with some bodies with an error.
func whenBody(operation string, match func(body string) bool, status int) middleware {
	return replaced(operation, func(w http.ResponseWriter, _ *http.Request, body string, _ http.Handler) bool {
		if !match(body) {
			return false
		}
		a := &reply{header: http.Header{}}
		a.fail(status)
		a.write(w)
		return true
	})
}

func unless(match func(body string) bool, status int) middleware {
	return whenBody("ResetPassword", func(body string) bool { return !match(body) }, status)
}

// accepted accepts some resets without doing anything.
func accepted(match func(body string) bool) middleware {
	return replaced("ResetPassword", func(w http.ResponseWriter, _ *http.Request, body string, _ http.Handler) bool {
		if match(body) {
			w.WriteHeader(http.StatusAccepted)
			return true
		}
		return false
	})
}

func loginFields(edit func(fields map[string]any)) middleware {
	return successes("Login", func(a *reply) { a.fields(edit) })
}

// setCookie replaces the cookie of a log-in. "%s" is the token.
func setCookie(lines ...string) middleware {
	return successes("Login", func(a *reply) {
		token := field(string(a.body), "token")
		a.header.Del("Set-Cookie")
		for _, line := range lines {
			if line != "" {
				a.header.Add("Set-Cookie", strings.ReplaceAll(line, "%s", token))
			}
		}
	})
}

// immortal lets each session be logged out n times, whatever happens in between.
func immortal(n int) func(*kalshiauthtest.Server) middleware {
	return func(*kalshiauthtest.Server) middleware {
		alive := &memory{}
		return chain(
			successes("Login", func(a *reply) { alive.put(field(string(a.body), "token"), strings.Repeat("x", n)) }),
			changed("Logout", func(r *http.Request, a *reply) {
				if left, _ := alive.get(presented(r)); left != "" {
					alive.put(presented(r), left[1:])
					*a = reply{204, http.Header{}, nil}
				}
			}))
	}
}

// notServed answers as a server does that does not have the path or method.
func notServed(status int) middleware {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			a := &reply{header: http.Header{}}
			a.fail(status)
			a.write(w)
		})
	}
}
