package contract_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// A namedMutant is a server that was broken by one who had not read the checks, so it names none.
type namedMutant struct {
	name, class string
	change      middleware
	// stateful is a change that needs the server; it is used instead of change.
	stateful func(*kalshiauthtest.Server) middleware
}

// A book knows the accounts of a fake server: what a server with a fault in its depths knows.
type book struct {
	srv       *kalshiauthtest.Server
	mu        sync.Mutex
	passwords map[string]string // by e-mail
	ids       map[string]string // by e-mail
	tokens    []string          // all that were given, oldest first
	owners    map[string]string // the e-mail of each token
	dead      map[string]bool   // the codes that cannot be used any more
}

func bookOf(srv *kalshiauthtest.Server) *book {
	b := &book{srv: srv, passwords: map[string]string{}, ids: map[string]string{}, owners: map[string]string{}, dead: map[string]bool{}}
	for _, c := range []kalshiauth.Credentials{credentials, other} {
		b.passwords[c.Email] = c.Password
		b.ids[c.Email] = field(string(b.enter(srv.Handler(), mustRequest("POST", "/log_in", ""), c.Email).body), "user_id")
	}
	srv.ExpireSessions()
	return b
}

// by gives a change the book of its server.
func by(change func(b *book) middleware) func(*kalshiauthtest.Server) middleware {
	return func(srv *kalshiauthtest.Server) middleware {
		b := bookOf(srv)
		return chain(change(b), b.watch())
	}
}

// watch keeps the book.
func (b *book) watch() middleware {
	return chain(replaced("Login", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
		a := answer(next, r)
		if token := field(string(a.body), "token"); a.status == 200 {
			b.mu.Lock()
			b.tokens, b.owners[token] = append(b.tokens, token), strings.ToLower(field(body, "email"))
			b.mu.Unlock()
		}
		a.write(w)
		return true
	}), replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
		a := answer(next, r)
		if a.status == 204 {
			b.keep(b.account(field(body, "user_id")), field(body, "password"))
		}
		a.write(w)
		return true
	}))
}

func (b *book) keep(email, password string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.passwords[email] = password
	for _, m := range b.srv.Outbox() {
		b.dead[m.Code] = b.dead[m.Code] || m.Email == email
	}
}

// set sets a password, as a confirm does.
func (b *book) set(email, password string) {
	b.srv.SetPassword(email, password)
	b.keep(email, password)
}

// account returns the e-mail address of a user ID.
func (b *book) account(id string) string {
	for email, known := range b.ids {
		if strings.EqualFold(known, id) {
			return email
		}
	}
	return ""
}

func (b *book) password(email string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.passwords[email]
}

// rights are the right credentials of an account, as a body.
func (b *book) rights(email string) string {
	return object("email", email, "password", b.password(email))
}

// enter logs in.
func (b *book) enter(next http.Handler, r *http.Request, email string) *reply {
	return answer(next, withBody(r, b.rights(email)))
}

// all returns the tokens that were given, oldest first.
func (b *book) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.tokens)
}

// owner is the e-mail address of the account of a token.
func (b *book) owner(token string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.owners[token]
}

// mailed returns the account of a code, and whether the code can still be used.
func (b *book) mailed(code string) (email string, good bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.srv.Outbox() {
		if m.Code == code {
			return m.Email, !b.dead[code]
		}
	}
	return "", false
}

// codeOf is the code in the path of a confirm.
func codeOf(r *http.Request) string {
	code, _ := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/passwords/reset/"), "/confirm")
	return code
}

// object is a JSON object of texts.
func object(pairs ...string) string {
	fields := map[string]string{}
	for pair := range slices.Chunk(pairs, 2) {
		fields[pair[0]] = pair[1]
	}
	data, _ := json.Marshal(fields)
	return string(data)
}

// parsed returns the fields of an object; nil: body is not one.
func parsed(body string) map[string]any {
	var fields map[string]any
	_ = json.Unmarshal([]byte(body), &fields)
	return fields
}

// repairs puts a right body in place of a wrong one, so that the request has a real effect. "" leaves it alone.
func repairs(operation string, fix func(b *book, r *http.Request, body string) string) func(*kalshiauthtest.Server) middleware {
	return by(func(b *book) middleware {
		return replaced(operation, func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			fixed := fix(b, r, body)
			if fixed == "" {
				return false
			}
			r = withBody(r, fixed)
			r.Header.Set("Content-Type", "application/json")
			next.ServeHTTP(w, r)
			return true
		})
	})
}

// start starts the server.
func (m *namedMutant) start(t *testing.T) *kalshiauthtest.Server {
	t.Helper()
	return serverWith(t, func(srv *kalshiauthtest.Server) middleware {
		if m.stateful != nil {
			return m.stateful(srv)
		}
		return m.change
	})
}

func namedMutants() []namedMutant {
	return slices.Concat(apartInput, apartForms, apartOdd, apartSessions, apartSecrets, apartResets)
}

func TestMoreMutantsAreCaught(t *testing.T) {
	t.Parallel()
	all := namedMutants()
	var caught atomic.Int32
	t.Run("mutants", func(t *testing.T) {
		t.Parallel()
		names := map[string]bool{}
		for _, m := range all {
			if names[m.name] {
				t.Errorf("there are two mutants %q", m.name)
			}
			names[m.name] = true
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				srv := m.start(t)
				target := ownTarget(srv)
				target.HTTPClient = &http.Client{Transport: srv.Transport()}
				report, err := contract.Run(t.Context(), target)
				if err == nil && report.OK() {
					t.Errorf("%s: not caught: %s", m.class, report)
					return
				}
				caught.Add(1)
			})
		}
	})
	t.Cleanup(func() { fmt.Printf("more mutants: %d of %d caught\n", caught.Load(), len(all)) })
}
