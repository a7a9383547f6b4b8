package contract_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// A classMutant is a server that is wrong in one class of checks only.
type classMutant struct {
	name  string
	check string // the ID of a check that must fail
	// change breaks the server.
	change func(srv *kalshiauthtest.Server) middleware
}

func only(m middleware) func(*kalshiauthtest.Server) middleware {
	return func(*kalshiauthtest.Server) middleware { return m }
}

// successOf is what a server that lets a request pass answers.
func successOf(operation string, srv *kalshiauthtest.Server) *reply {
	a := &reply{header: http.Header{}}
	switch operation {
	case "Login":
		token := strings.Repeat("granted-", 4)
		a.set(200, fmt.Sprintf(`{"user_id":%q,"token":%q,"access_level":"trading"}`, userIDOf(srv), token))
		a.header.Set("Set-Cookie", "sessions="+token)
	case "ResetPassword":
		a.status = 202
	default:
		a.status = 204
	}
	return a
}

// userIDOf returns the user ID of the account.
func userIDOf(srv *kalshiauthtest.Server) string {
	rec := answer(srv.Handler(), mustRequest("POST", "/log_in", loginIn))
	return field(string(rec.body), "user_id")
}

func mustRequest(method, path, body string) *http.Request {
	r, err := http.NewRequest(method, path, strings.NewReader(body)) //nolint:noctx,gosec // it is served in memory
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

// letsPass answers requests with some bodies like successes.
func letsPass(operation string, match func(body string) bool) func(*kalshiauthtest.Server) middleware {
	return func(srv *kalshiauthtest.Server) middleware {
		return replaced(operation, func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			if !match(body) {
				return false
			}
			if a := answer(next, withBody(r, body)); a.status < 300 {
				a.write(w)
			} else {
				successOf(operation, srv).write(w)
			}
			return true
		})
	}
}

// isJSON reports whether a body is a JSON value of a kind: 'n'ull, 't'rue, a number '4', a text '"', '[' or '{'.
func isJSON(kind byte) func(body string) bool {
	return func(body string) bool {
		return json.Valid([]byte(body)) && (body[0] == kind || kind == '4' && body[0] >= '0' && body[0] <= '9') &&
			(kind != '{' || body == "{}")
	}
}

// property matches bodies in which a property is missing, or has a value of a kind as of isJSON; 0: missing; '~': an
// empty text.
func property(name string, kind byte) func(body string) bool {
	return func(body string) bool {
		var fields map[string]json.RawMessage
		if json.Unmarshal([]byte(body), &fields) != nil || len(fields) == 0 && kind != 0 {
			return false
		}
		value, ok := fields[name]
		switch kind {
		case 0:
			return !ok
		case '~':
			return string(value) == `""`
		}
		return ok && len(value) > 0 && (value[0] == kind || kind == '4' && value[0] >= '0' && value[0] <= '9')
	}
}

// inputMutants are servers that take wrong input. There is one for each kind of input of each operation.
func inputMutants() (all []classMutant) {
	bodies := map[string]func(string) bool{
		"missing": func(body string) bool { return body == "" },
		"malformed": func(body string) bool {
			return body != "" && utf8.ValidString(body) && !json.Valid([]byte(body)) && len(body) < 500 && body != "a=b&c=d" && body != "<a/>"
		},
		"null": isJSON('n'), "text": isJSON('"'), "number": isJSON('4'), "boolean": isJSON('t'), "array": isJSON('['), "empty": isJSON('{'),
	}
	kinds := map[string]byte{
		"missing": 0, "null": 'n', "number": '4', "boolean": 't', "array": '[', "object": '{', "empty": '~',
	}
	properties := map[string][]string{
		"Login": {"email", "password"}, "ResetPassword": {"email"}, "ResetPasswordConfirm": {"password", "user_id"},
	}
	for operation, names := range properties {
		for id, match := range bodies {
			if id == "empty" && len(names) == 0 {
				continue
			}
			all = append(all, classMutant{
				"a body that is " + id + " will do for " + operation, operation + ".body." + id, letsPass(operation, match),
			})
		}
		for _, name := range names {
			for id, kind := range kinds {
				all = append(all, classMutant{
					name + " " + id + " will do for " + operation, operation + "." + name + "." + id, letsPass(operation, property(name, kind)),
				})
			}
		}
	}
	// Only the known account is at risk.
	for id, kind := range kinds {
		match := property("password", kind)
		all = append(all, classMutant{
			"a password " + id + " lets the known account in", "Login.known.password." + id,
			letsPass("Login", func(body string) bool { return field(body, "email") == email && match(body) }),
		})
	}
	for name, m := range map[string]struct{ operation, property, check string }{
		"an e-mail without an at sign":  {"ResetPassword", "email", "ResetPassword.email.format"},
		"a log-in without an at sign":   {"Login", "email", "Login.email.format"},
		"a user ID that is not one":     {"ResetPasswordConfirm", "user_id", "ResetPasswordConfirm.user_id.format"},
		"a short password at a log-in":  {"Login", "password", "Login.password.minLength"},
		"a short password at a confirm": {"ResetPasswordConfirm", "password", "ResetPasswordConfirm.password.minLength"},
	} {
		all = append(all, classMutant{name + " will do", m.check, letsPass(m.operation, func(body string) bool {
			value := field(body, m.property)
			switch m.property {
			case "email":
				return value != "" && len(value) < 200 && !strings.Contains(value, "@") && !strings.HasPrefix(value, "odd")
			case "user_id":
				return len(value) == 37 || len(value) == 35 // one more or less than a UUID
			}
			return len(value) == minPassword-1
		})})
	}
	return all
}

// refusing answers right requests of a form with an error.
func refusing(operation string, match func(r *http.Request, body string) bool) func(*kalshiauthtest.Server) middleware {
	return only(replaced(operation, func(w http.ResponseWriter, r *http.Request, body string, _ http.Handler) bool {
		if !match(r, body) {
			return false
		}
		a := &reply{header: http.Header{}}
		a.fail(400)
		a.write(w)
		return true
	}))
}

// strictMutants are servers that refuse right requests of an unusual form.
func strictMutants() (all []classMutant) {
	known := []string{"email", "password", "user_id"}
	forms := map[string]func(r *http.Request, body string) bool{
		"extra": func(_ *http.Request, body string) bool {
			var fields map[string]any
			_ = json.Unmarshal([]byte(body), &fields)
			for name := range fields {
				if !slices.Contains(known, name) {
					return true
				}
			}
			return false
		},
		"non-ascii": func(_ *http.Request, body string) bool { return strings.Contains(body, "\u6771") },
		"escapes": func(_ *http.Request, body string) bool {
			return strings.Contains(body, `\u00`) && !strings.Contains(body, `\u0000`)
		},
		"charset": func(r *http.Request, _ string) bool { return strings.Contains(r.Header.Get("Content-Type"), "charset") },
		"cookies": func(r *http.Request, _ string) bool { return strings.Contains(r.Header.Get("Cookie"), "theme=") },
	}
	for id, match := range forms {
		all = append(all,
			classMutant{"Login refuses " + id, "Login.right." + id, refusing("Login", match)},
			classMutant{"ResetPassword refuses " + id, "ResetPassword.right." + id, refusing("ResetPassword", match)},
			classMutant{"ResetPasswordConfirm refuses " + id, "ResetPasswordConfirm.right.forms", refusing("ResetPasswordConfirm", match)})
	}
	for name, c := range map[string]struct {
		check string
		match func(r *http.Request) bool
	}{
		"a prefix": {"Logout.right.prefix.authorization", func(r *http.Request) bool {
			return strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ")
		}},
		"a bare token": {"Logout.right.usual.authorization", func(r *http.Request) bool {
			v := r.Header.Get("Authorization")
			return v != "" && !strings.Contains(v, " ")
		}},
		"the header":               {"Logout.right.usual.authorization", func(r *http.Request) bool { return r.Header.Get("Authorization") != "" }},
		"the cookie":               {"Logout.right.usual.cookie", func(r *http.Request) bool { return strings.Contains(r.Header.Get("Cookie"), "sessions=") }},
		"a cookie after others":    {"Logout.right.cookies.cookie", func(r *http.Request) bool { return strings.Contains(r.Header.Get("Cookie"), "; sessions=") }},
		"a cookie before others":   {"Logout.right.cookies.cookie", func(r *http.Request) bool { return strings.Contains(r.Header.Get("Cookie"), "; lang=") }},
		"a client that takes gzip": {"Logout.right.gzip.cookie", func(r *http.Request) bool { return r.Header.Get("Accept-Encoding") == "gzip" }},
	} {
		all = append(all, classMutant{"Logout refuses " + name, c.check, refusing("Logout", func(r *http.Request, _ string) bool { return c.match(r) })})
	}
	return all
}

// failing answers odd requests with a 500, or breaks the connection.
func failingAt(operation string, status int, match func(r *http.Request, body string) bool) func(*kalshiauthtest.Server) middleware {
	return only(replaced(operation, func(w http.ResponseWriter, r *http.Request, body string, _ http.Handler) bool {
		if !match(r, body) {
			return false
		}
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		a := &reply{header: http.Header{}}
		a.fail(status)
		a.write(w)
		return true
	}))
}

// oddMutants are servers that fail at odd input.
func oddMutants() (all []classMutant) {
	has := func(part string) func(*http.Request, string) bool {
		return func(_ *http.Request, body string) bool { return strings.Contains(body, part) }
	}
	path := func(part string) func(*http.Request, string) bool {
		return func(r *http.Request, _ string) bool { return strings.Contains(r.URL.EscapedPath(), part) }
	}
	long := func(_ *http.Request, body string) bool { return len(body) > 4000 && !strings.Contains(body, "[[") }
	for _, status := range []int{500, 0} {
		what := map[int]string{500: " is 500", 0: " breaks the connection"}[status]
		for _, c := range []struct {
			name, operation, check string
			match                  func(*http.Request, string) bool
		}{
			{"a NUL in the e-mail", "ResetPassword", "ResetPassword.odd.email", has(`\u0000`)},
			{"a NUL in the password", "Login", "Login.odd.password", func(_ *http.Request, body string) bool { return strings.Contains(field(body, "password"), "\x00") }},
			{"a long value", "Login", "Login.odd.email", long},
			{"a quote", "Login", "Login.odd.email", has("odd'")},
			{"deep nesting", "Login", "Login.odd.body", has("[[[[")},
			{"a lone surrogate", "Login", "Login.odd.body", has(`\ud800`)},
			{"a huge number", "ResetPassword", "ResetPassword.odd.body", has("1e999999")},
			{"a byte order mark", "Login", "Login.odd.body", has("\ufeff")},
			{"a NUL in the path", "ResetPasswordConfirm", "ResetPasswordConfirm.odd.code", path("%00")},
			{"a percent sign in the path", "ResetPasswordConfirm", "ResetPasswordConfirm.odd.code", path("%25")},
			{"text that is not ASCII in the path", "ResetPasswordConfirm", "ResetPasswordConfirm.odd.code", path("%C3%A9")},
			{"another content type", "ResetPassword", "ResetPassword.odd.body", func(r *http.Request, _ string) bool { return strings.Contains(r.Header.Get("Content-Type"), "form") }},
			{"no content type", "Login", "Login.odd.body", func(r *http.Request, _ string) bool { return r.Header.Get("Content-Type") == "" }},
			{"a malformed query", "Login", "Login.odd.query", func(r *http.Request, _ string) bool { return strings.Contains(r.URL.RawQuery, "%zz") }},
			{"a malformed JWT", "Logout", "Logout.odd.session", func(r *http.Request, _ string) bool { return strings.Count(presented(r), ".") == 3 }},
			{"a long session", "Logout", "Logout.odd.session", func(r *http.Request, _ string) bool { return len(presented(r)) > 4000 }},
		} {
			all = append(all, classMutant{c.name + " at " + c.operation + what, c.check, failingAt(c.operation, status, c.match)})
		}
	}
	return all
}

// encodedBodies are servers whose answers no client reads.
func bodyMutants() []classMutant {
	coded := func(a *reply, coding string) {
		a.body = []byte(encoded(coding, string(a.body)))
		a.header.Set("Content-Encoding", coding)
	}
	asked := func(r *http.Request) bool { return r.Header.Get("Accept-Encoding") == "gzip" }
	const login = "Login.right"
	return []classMutant{
		{"gzip that was not asked for", login, only(successes("Login", func(a *reply) { coded(a, "gzip") }))},
		{"br that was not asked for", login, only(successes("Login", func(a *reply) { coded(a, "br") }))},
		{"gzip of errors", "Login.wrong.cut", only(errorsOf("Login", func(a *reply) { coded(a, "gzip") }))},
		{"gzip in name only", login, only(successes("Login", func(a *reply) { a.header.Set("Content-Encoding", "gzip") }))},
		{"another coding than asked for", "Login.right.gzip", only(changed("Login", func(r *http.Request, a *reply) {
			if asked(r) {
				coded(a, "zstd")
			}
		}))},
		{"broken gzip", "Login.right.gzip", only(changed("Login", func(r *http.Request, a *reply) {
			if asked(r) {
				coded(a, "gzip")
				a.body = a.body[:len(a.body)-6]
			}
		}))},
		{"Latin-1", login, only(loginBytes("trading", "tr\xe4ding"))},
		{"Latin-1 in errors", "Login.wrong.cut", only(errorsOf("Login", func(a *reply) { a.body = []byte("{\"message\":\"F\xfcr\"}") }))},
		{"a byte order mark before JSON", login, only(loginBytes("{", "\ufeff{"))},
		{"a NUL after JSON", login, only(loginBytes("}", "}\x00"))},
		{"a comment in JSON", login, only(loginBytes("{", "/* v1 */{"))},
		{"a comma too many", login, only(loginBytes("}", ",}"))},
		{"UTF-16", login, only(successes("Login", func(a *reply) {
			a.body = bytes.Join(bytes.Split(a.body, nil), []byte{0})
			a.header.Set("Content-Type", "application/json; charset=utf-16")
		}))},
		{"a cookie that is too long", login, only(longToken(5000))},
		{"a token with a line break", login, only(loginFields(func(f map[string]any) { f["token"] = fmt.Sprint(f["token"], "\n") }))},
		{"a token that is not ASCII", login, only(loginFields(func(f map[string]any) { f["token"] = fmt.Sprint(f["token"], "é") }))},
	}
}

func loginBytes(old, replacement string) middleware {
	return successes("Login", func(a *reply) {
		i := bytes.Index(a.body, []byte(old))
		if old == "}" {
			i = bytes.LastIndex(a.body, []byte(old))
		}
		a.body = slices.Concat(a.body[:i], []byte(replacement), a.body[i+len(old):])
	})
}

// longToken gives tokens of at least n characters.
func longToken(n int) middleware {
	return tokens(func(token string) string { return token + strings.Repeat("x", n) })
}

// tokens gives other tokens than the fake server.
func tokens(other func(token string) string) middleware {
	mine := &memory{}
	return chain(successes("Login", func(a *reply) {
		token := field(string(a.body), "token")
		given := other(token)
		mine.put(given, token)
		a.fields(func(f map[string]any) { f["token"] = given })
		a.header.Set("Set-Cookie", "sessions="+given+"; Path=/")
	}), replaced("Logout", func(w http.ResponseWriter, r *http.Request, _ string, next http.Handler) bool {
		token, ok := mine.get(bare(r))
		if !ok {
			return false
		}
		a := answer(next, presenting(r, token))
		a.write(w)
		return true
	}))
}

// bare is the token of a request without a prefix.
func bare(r *http.Request) string {
	words := strings.Fields(presented(r))
	if len(words) == 0 {
		return ""
	}
	return words[len(words)-1]
}

// presenting returns a copy of a request that presents another token.
func presenting(r *http.Request, token string) *http.Request {
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(strings.NewReader(""))
	r.Header.Del("Cookie")
	r.Header.Set("Authorization", token)
	return r
}
