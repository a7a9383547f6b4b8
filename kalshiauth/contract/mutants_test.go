package contract_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// A mutant is a server that breaks the contract in one way, and the check that must fail.
type mutant struct {
	name   string
	check  string // the ID of the check that must fail
	change middleware
	// stateful is a change that needs the server; it is used instead of change.
	stateful func(srv *kalshiauthtest.Server) middleware
}

const (
	rightPassword  = "Login.right"
	wrongPassword  = "Login.wrong.cut"
	noBody         = "Login.body.missing"
	badJSON        = "Login.body.malformed"
	unknownAccount = "Login.unknown"
	logout         = "Logout.cookie.ends"
	noSession      = "Logout.session.none"
	knownReset     = "ResetPassword.right"
	unknownReset   = "ResetPassword.unknown"
	badReset       = "ResetPassword.email.format"
	unknownCode    = "ResetPasswordConfirm.unknown"
	rightCode      = "ResetPasswordConfirm.right"
	changes        = "ResetPasswordConfirm.changes"
)

// mutants, by what is wrong with them.
var mutants = []mutant{
	// Statuses.
	{name: "a log-in is 201", check: rightPassword, change: successes("Login", func(a *reply) { a.status = 201 })},
	{name: "a log-in is 202", check: rightPassword, change: successes("Login", func(a *reply) { a.status = 202 })},
	{name: "a log-in redirects", check: rightPassword, change: successes("Login", func(a *reply) {
		a.status = 303
		a.header.Set("Location", "/home")
	})},
	{name: "a log-in redirects for good", check: rightPassword, change: kalshiauthtest.On("Login", kalshiauthtest.Redirect(308, "/v2/log_in"))},
	{name: "a log-in redirects to nowhere", check: rightPassword, change: kalshiauthtest.On("Login", kalshiauthtest.Redirect(302, ":"))},
	{name: "a log-in is 304", check: rightPassword, change: successes("Login", func(a *reply) { a.status, a.body = 304, nil })},
	{name: "a right password is 400", check: rightPassword, change: successes("Login", func(a *reply) { a.fail(400) })},
	{name: "a log-out is 200", check: logout, change: successes("Logout", func(a *reply) { a.status = 200 })},
	{name: "a log-out redirects", check: logout, change: successes("Logout", func(a *reply) {
		a.status = 307
		a.header.Set("Location", "/")
	})},
	{name: "a reset is 200", check: knownReset, change: successes("ResetPassword", func(a *reply) { a.status = 200 })},
	{name: "a reset is 204", check: knownReset, change: successes("ResetPassword", func(a *reply) { a.status = 204 })},
	{name: "a confirm is 200", check: rightCode, change: successes("ResetPasswordConfirm", func(a *reply) { a.status = 200 })},
	{name: "a wrong password is 404", check: wrongPassword, change: errorsOf("Login", func(a *reply) { a.fail(404) })},
	{name: "a wrong password is 422", check: wrongPassword, change: errorsOf("Login", func(a *reply) { a.fail(422) })},
	{name: "a missing session is 404", check: noSession, change: errorsOf("Logout", func(a *reply) { a.fail(404) })},
	{name: "a wrong code is 401", check: unknownCode, change: errorsOf("ResetPasswordConfirm", func(a *reply) { a.fail(401) })},
	{name: "a wrong code is 404", check: unknownCode, change: errorsOf("ResetPasswordConfirm", func(a *reply) { a.fail(404) })},
	{name: "an unknown e-mail is 404", check: unknownReset, change: unless(known, 404)},

	// 5xx where a 4xx is due.
	{name: "a wrong password is 500", check: wrongPassword, change: errorsOf("Login", func(a *reply) { a.fail(500) })},
	{name: "an unknown account is 503", check: unknownAccount, change: errorsOf("Login", func(a *reply) { a.fail(503) })},
	{name: "a missing body is 500", check: noBody, change: whenBody("Login", func(body string) bool { return body == "" }, 500)},
	{name: "malformed JSON is 500", check: badJSON, change: whenBody("Login", func(body string) bool { return strings.HasSuffix(body, ":") }, 500)},
	{name: "null is 500", check: "Login.body.null", change: whenBody("Login", func(body string) bool { return body == "null" }, 500)},
	{
		name: "a wrong type is 500", check: "Login.email.number",
		change: whenBody("Login", func(body string) bool { return strings.Contains(body, "42") }, 500),
	},
	{name: "a missing session is 500", check: noSession, change: errorsOf("Logout", func(a *reply) { a.fail(500) })},
	{
		name: "a dead session is 500", check: "Logout.cookie.ends",
		change: errorsOf("Logout", func(a *reply) { a.fail(500) }),
	},
	{name: "a wrong code is 500", check: unknownCode, change: errorsOf("ResetPasswordConfirm", func(a *reply) { a.fail(500) })},
	{
		name: "a malformed user ID is 500", check: "ResetPasswordConfirm.user_id.format",
		change: whenBody("ResetPasswordConfirm", func(body string) bool { return field(body, "user_id") == "x" }, 500),
	},
	{
		name: "a missing user ID is 500", check: "ResetPasswordConfirm.user_id.missing",
		change: whenBody("ResetPasswordConfirm", func(body string) bool { return field(body, "user_id") == "" }, 500),
	},
	{name: "a reset fails", check: knownReset, change: kalshiauthtest.On("ResetPassword", kalshiauthtest.Status(503))},
	{name: "an unknown e-mail is 500", check: unknownReset, change: unless(known, 500)},
	{name: "a missing body breaks the connection", check: noBody, change: replaced("Login",
		func(_ http.ResponseWriter, _ *http.Request, body string, _ http.Handler) bool {
			if body == "" {
				panic(http.ErrAbortHandler)
			}
			return false
		})},

	// The body of a log-in.
	{name: "no user_id", check: rightPassword, change: loginFields(func(f map[string]any) { delete(f, "user_id") })},
	{name: "no token", check: rightPassword, change: loginFields(func(f map[string]any) { delete(f, "token") })},
	{name: "no access_level", check: rightPassword, change: loginFields(func(f map[string]any) { delete(f, "access_level") })},
	{name: "an empty token", check: rightPassword, change: loginFields(func(f map[string]any) { f["token"] = "" })},
	{name: "a null token", check: rightPassword, change: loginFields(func(f map[string]any) { f["token"] = nil })},
	{name: "a user_id that is a number", check: rightPassword, change: loginFields(func(f map[string]any) { f["user_id"] = 42 })},
	{name: "a user_id that is no UUID", check: rightPassword, change: loginFields(func(f map[string]any) { f["user_id"] = "user-42" })},
	{name: "an access_level that is a list", check: rightPassword, change: loginFields(func(f map[string]any) { f["access_level"] = []string{"trading"} })},
	{name: "another case of a name", check: rightPassword, change: loginFields(func(f map[string]any) { f["userId"] = f["user_id"]; delete(f, "user_id") })},
	{name: "the fields in an envelope", check: rightPassword, change: successes("Login", func(a *reply) { a.body = fmt.Appendf(nil, `{"data":%s}`, a.body) })},
	{name: "a list of one", check: rightPassword, change: successes("Login", func(a *reply) { a.body = fmt.Appendf(nil, `[%s]`, a.body) })},
	{name: "trailing garbage", check: rightPassword, change: successes("Login", func(a *reply) { a.body = append(a.body, "<!-- served in 3 ms -->"...) })},
	{name: "two values", check: rightPassword, change: successes("Login", func(a *reply) { a.body = append(a.body, a.body...) })},
	{name: "half a body", check: rightPassword, change: successes("Login", func(a *reply) { a.body = a.body[:len(a.body)/2] })},
	{name: "a body that breaks off", check: rightPassword, change: kalshiauthtest.On("Login", kalshiauthtest.CutBody())},
	{name: "an empty body", check: rightPassword, change: successes("Login", func(a *reply) { a.body = nil })},
	{name: "a body without end", check: rightPassword, change: successes("Login", func(a *reply) {
		a.body = []byte(`{"padding":"` + strings.Repeat("x", 1<<20) + `",` + string(a.body[1:]))
	})},
	{name: "garbage", check: rightPassword, change: kalshiauthtest.On("Login", kalshiauthtest.Garbage())},
	{name: "HTML", check: rightPassword, change: kalshiauthtest.On("Login", kalshiauthtest.HTML(200))},
	{name: "JSON as text", check: rightPassword, change: successes("Login", func(a *reply) { a.header.Set("Content-Type", "text/plain") })},
	{name: "JSON as HTML", check: rightPassword, change: successes("Login", func(a *reply) { a.header.Set("Content-Type", "text/html; charset=utf-8") })},
	{name: "no content type", check: rightPassword, change: successes("Login", func(a *reply) { a.header["Content-Type"] = nil })},
	{name: "two content types", check: rightPassword, change: successes("Login", func(a *reply) { a.header.Set("Content-Type", "application/json, text/html") })},

	// The cookie of a log-in.
	{name: "no cookie", check: rightPassword, change: setCookie("")},
	{name: "a cookie of another name", check: rightPassword, change: setCookie("session=%s; Path=/")},
	{name: "a cookie of another case", check: rightPassword, change: setCookie("Sessions=%s; Path=/")},
	{name: "a cookie for another host", check: rightPassword, change: setCookie("sessions=%s; Path=/; Domain=kalshi.example")},
	{name: "a cookie for another path", check: rightPassword, change: setCookie("sessions=%s; Path=/admin")},
	{name: "a cookie for the log-in only", check: rightPassword, change: setCookie("sessions=%s; Path=/log_in")},
	{name: "an expired cookie", check: rightPassword, change: setCookie("sessions=%s; Path=/; Max-Age=0")},
	{name: "a cookie of long ago", check: rightPassword, change: setCookie("sessions=%s; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT")},
	{name: "an empty cookie", check: rightPassword, change: setCookie("sessions=; Path=/")},
	{name: "a cookie that holds something else", check: rightPassword, change: setCookie("sessions=another; Path=/")},

	// Errors of a wrong shape.
	{name: "an error says nothing", check: wrongPassword, change: errorsOf("Login", func(a *reply) { a.bare(); a.body = nil })},
	{name: "an error says an empty object", check: wrongPassword, change: errorsOf("Login", func(a *reply) { a.bare(); a.body = []byte(`{}`) })},
	{name: "an error says empty fields", check: noSession, change: errorsOf("Logout", func(a *reply) { a.bare(); a.body = []byte(`{"code":"","message":""}`) })},
	{name: "an error says it in other fields", check: noSession, change: errorsOf("Logout", func(a *reply) { a.bare(); a.body = []byte(`{"reason":"no"}`) })},
	{name: "an error is HTML", check: wrongPassword, change: errorsOf("Login", func(a *reply) {
		a.bare()
		a.header.Set("Content-Type", "text/html")
		a.body = []byte("<h1>401</h1>")
	})},
	{name: "an error is text", check: unknownCode, change: errorsOf("ResetPasswordConfirm", func(a *reply) {
		a.bare()
		a.header.Set("Content-Type", "text/plain")
		a.body = []byte("wrong code")
	})},
	{name: "an error's code is a number", check: wrongPassword, change: errorsOf("Login", func(a *reply) { a.body = []byte(`{"code":1,"message":"no"}`) })},
	{name: "an error's message is an object", check: badReset, change: errorsOf("ResetPassword", func(a *reply) { a.body = []byte(`{"message":{"en":"no"}}`) })},
	{name: "an error is a string in error", check: noSession, change: errorsOf("Logout", func(a *reply) { a.bare(); a.body = []byte(`{"error":"no"}`) })},
	{name: "an error is a list", check: noSession, change: errorsOf("Logout", func(a *reply) { a.bare(); a.body = []byte(`[{"code":"no"}]`) })},
	{name: "an error is null", check: noSession, change: errorsOf("Logout", func(a *reply) { a.bare(); a.body = []byte(`null`) })},
	{name: "an error has trailing garbage", check: noBody, change: errorsOf("Login", func(a *reply) { a.body = append(a.body, "}"...) })},
	{name: "an error is JSON in name only", check: noBody, change: errorsOf("Login", func(a *reply) { a.body = []byte("Bad Request") })},

	// What is let in, and what stays.
	{name: "a wrong password gets in", check: wrongPassword, change: replaced("Login",
		func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			if field(body, "email") != email {
				return false
			}
			next.ServeHTTP(w, withBody(r, edited(body, "password", password)))
			return true
		})},
	{name: "anybody gets in", check: unknownAccount, change: replaced("Login",
		func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			if field(body, "email") == "" || field(body, "password") == "" {
				return false
			}
			next.ServeHTTP(w, withBody(r, edited(edited(body, "email", email), "password", password)))
			return true
		})},
	{name: "no password is needed", check: "Login.password.missing", change: replaced("Login",
		func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			if field(body, "password") != "" || field(body, "email") == "" {
				return false
			}
			next.ServeHTTP(w, withBody(r, edited(edited(body, "email", email), "password", password)))
			return true
		})},
	{name: "a log-out needs no session", check: noSession, change: changed("Logout", func(r *http.Request, a *reply) {
		if presented(r) == "" {
			*a = reply{204, http.Header{}, nil}
		}
	})},
	{name: "a log-out takes any session", check: "Logout.session.cookie.unknown", change: changed("Logout", func(r *http.Request, a *reply) {
		if presented(r) != "" {
			*a = reply{204, http.Header{}, nil}
		}
	})},
	{name: "a session outlives its log-out", check: "Logout.cookie.ends", stateful: immortal(2)},
	{name: "a session outlives a reset", check: changes, stateful: immortal(1)},
	{name: "a log-out knows no session", check: logout, change: successes("Logout", func(a *reply) { a.fail(401) })},
	{name: "a code sets any user's password", check: "ResetPasswordConfirm.code.user", stateful: func(srv *kalshiauthtest.Server) middleware {
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			if field(body, "user_id") == "" {
				return false
			}
			for _, m := range srv.Outbox() {
				body = edited(body, "user_id", m.UserID)
			}
			next.ServeHTTP(w, withBody(r, body))
			return true
		})
	}},
	{name: "any code will do", check: unknownCode, change: changed("ResetPasswordConfirm", func(_ *http.Request, a *reply) {
		if strings.Contains(string(a.body), "invalid_code") {
			*a = reply{204, http.Header{}, nil}
		}
	})},
	{name: "a code is good twice", check: changes, stateful: func(*kalshiauthtest.Server) middleware {
		used := &memory{}
		return changed("ResetPasswordConfirm", func(r *http.Request, a *reply) {
			if _, again := used.get(r.URL.Path); again {
				*a = reply{204, http.Header{}, nil}
			}
			if a.status == 204 {
				used.put(r.URL.Path, "")
			}
		})
	}},
	{name: "a short password will do", check: "ResetPasswordConfirm.known.password.minLength", change: replaced("ResetPasswordConfirm",
		func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			short := field(body, "password")
			if short == "" || len(short) >= minPassword {
				return false
			}
			next.ServeHTTP(w, withBody(r, edited(body, "password", short+"padding")))
			return true
		})},
	{name: "a confirm does nothing", check: changes, stateful: func(srv *kalshiauthtest.Server) middleware {
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, _ http.Handler) bool {
			for _, m := range srv.Outbox() {
				if strings.Contains(r.URL.Path, m.Code) && field(body, "user_id") == m.UserID && len(field(body, "password")) >= minPassword {
					w.WriteHeader(http.StatusNoContent)
					return true
				}
			}
			return false
		})
	}},
	{name: "the old password stays good", check: changes, stateful: func(*kalshiauthtest.Server) middleware {
		now := &memory{}
		return chain(
			replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
				a := answer(next, r)
				if a.status == 204 {
					now.put("password", field(body, "password"))
				}
				a.write(w)
				return true
			}),
			replaced("Login", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
				current, ok := now.get("password")
				if !ok || field(body, "password") != password {
					return false
				}
				next.ServeHTTP(w, withBody(r, edited(body, "password", current)))
				return true
			}))
	}},
	{name: "the mailed code is no good", check: rightCode, change: successes("ResetPasswordConfirm", func(a *reply) { a.fail(400) })},
	{name: "no mail is sent", check: knownReset, change: accepted(func(body string) bool { return field(body, "email") == email })},
	{name: "a malformed e-mail will do", check: badReset, change: accepted(func(body string) bool { return field(body, "email") == "x" })},
	{name: "a missing e-mail will do", check: "ResetPassword.email.missing", change: accepted(func(body string) bool { return body == "{}" })},
	{name: "a reset without a body will do", check: "ResetPassword.body.missing", change: accepted(func(body string) bool { return body == "" })},
	{name: "a reset with malformed JSON will do", check: "ResetPassword.body.malformed", change: accepted(func(body string) bool { return body == `{"email":` })},

	// What is not served.
	{name: "no log-out", check: logout, change: on("Logout", notServed(404))},
	{name: "no reset", check: knownReset, change: on("ResetPassword", notServed(404))},
	{name: "no confirm", check: rightCode, change: on("ResetPasswordConfirm", notServed(404))},
	{name: "a log-in by another method", check: rightPassword, change: on("Login", notServed(405))},
	{name: "a confirm by another method", check: unknownCode, change: on("ResetPasswordConfirm", notServed(405))},
	{name: "a log-out that never answers", check: logout, change: kalshiauthtest.On("Logout", kalshiauthtest.Hang())},
}

func TestMutantsAreCaughtByTheCheckThatShould(t *testing.T) {
	t.Parallel()
	var caught atomic.Int32
	t.Run("mutants", func(t *testing.T) {
		t.Parallel()
		names := map[string]bool{}
		for _, m := range mutants {
			if names[m.name] {
				t.Errorf("there are two mutants %q", m.name)
			}
			names[m.name] = true
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				srv := serverWith(t, func(srv *kalshiauthtest.Server) middleware {
					if m.stateful != nil {
						return m.stateful(srv)
					}
					return m.change
				})
				target := targetOf(srv)
				client := *srv.Client()
				client.Timeout = 500 * time.Millisecond // for the one that never answers
				if !strings.Contains(m.name, "never answers") {
					client.Timeout = 0
				}
				target.HTTPClient = &client
				report := run(t, target)
				if got := outcomes(report)[m.check]; got != contract.Failed {
					t.Errorf("the check %q has %s:\n%s", m.check, got, written(t, report, contract.FormatText))
					return
				}
				caught.Add(1)
			})
		}
	})
	t.Cleanup(func() {
		fmt.Printf("contract mutants: %d of %d caught\n", caught.Load(), len(mutants))
	})
}
