package contract_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// everyNth answers each nth request to an operation itself.
func everyNth(operation string, n int64, busy func(w http.ResponseWriter)) func(*kalshiauthtest.Server) middleware {
	return func(*kalshiauthtest.Server) middleware {
		var requests atomic.Int64
		return replaced(operation, func(w http.ResponseWriter, _ *http.Request, _ string, _ http.Handler) bool {
			if requests.Add(1)%n != 0 {
				return false
			}
			busy(w)
			return true
		})
	}
}

// codes makes a server mail codes of its own. They are kept in the mailbox of the server.
func codes(next func() string) func(*kalshiauthtest.Server) middleware {
	return func(srv *kalshiauthtest.Server) middleware {
		mine := &memory{}
		ownCodes.Store(srv, func(code string) string {
			if own, ok := mine.get(code); ok {
				return own
			}
			own := next()
			mine.put(code, own)
			mine.put("own "+own, code)
			return own
		})
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			sent := strings.Split(r.URL.Path, "/")[3]
			code, ok := mine.get("own " + sent)
			if ok {
				next.ServeHTTP(w, withPath(r, strings.Replace(r.URL.Path, sent, code, 1), body))
			}
			return ok
		})
	}
}

// ownCodes are those of servers that mail others than the fake server's.
var ownCodes sync.Map

func digits() string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	for i := range b {
		b[i] = '0' + b[i]%10
	}
	return string(b[:])
}

// sessionsOf keeps at most n sessions of an account.
func sessionsOf(n int) func(*kalshiauthtest.Server) middleware {
	return func(*kalshiauthtest.Server) middleware {
		var mu sync.Mutex
		last := map[string][]string{}
		return chain(successes("Login", func(a *reply) {
			mu.Lock()
			defer mu.Unlock()
			id := field(string(a.body), "user_id")
			last[id] = append(last[id], field(string(a.body), "token"))
			last[id] = last[id][max(0, len(last[id])-n):]
		}), replaced("Logout", func(w http.ResponseWriter, r *http.Request, _ string, _ http.Handler) bool {
			mu.Lock()
			defer mu.Unlock()
			for _, tokens := range last {
				if slices.Contains(tokens, bare(r)) {
					return false
				}
			}
			says(w, 401, "The session has ended.")
			return true
		}))
	}
}

// frontPage answers with a page, as a server in front of the API does.
func frontPage(status int, match func(r *http.Request, body string) bool) func(*kalshiauthtest.Server) middleware {
	return only(replaced("", func(w http.ResponseWriter, r *http.Request, body string, _ http.Handler) bool {
		if !match(r, body) {
			return false
		}
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<h1>Bad request</h1>"))
		return true
	}))
}

// errorStatus changes the status of errors.
func errorStatus(operation string, from, to int) func(*kalshiauthtest.Server) middleware {
	return only(errorsOf(operation, func(a *reply) {
		if a.status == from {
			a.status = to
		}
	}))
}

var moreConforming = map[string]func(*kalshiauthtest.Server) middleware{
	// Sessions.
	"one session an account":    sessionsOf(1),
	"two sessions an account":   sessionsOf(2),
	"three sessions an account": sessionsOf(3),
	"a log-in ends the session that it presents": func(*kalshiauthtest.Server) middleware {
		return replaced("Login", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			if c, err := r.Cookie("sessions"); err == nil {
				answer(next, presenting(mustRequest("POST", strings.Replace(r.URL.Path, "log_in", "log_out", 1), ""), c.Value))
			}
			next.ServeHTTP(w, withBody(r, body))
			return true
		})
	},
	"a log-out clears the cookie":        only(successes("Logout", func(a *reply) { a.header.Add("Set-Cookie", "sessions=; Path=/; Max-Age=0") })),
	"a refused log-in clears the cookie": only(errorsOf("Login", func(a *reply) { a.header.Add("Set-Cookie", "sessions=; Path=/; Max-Age=0") })),
	"a refused log-out clears the cookie": only(errorsOf("Logout", func(a *reply) {
		a.header.Add("Set-Cookie", "sessions=deleted; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
	})),
	"a cookie for anonymous visitors":      only(errorsOf("Login", func(a *reply) { a.header.Add("Set-Cookie", "visitor="+rand.Text()+"; Path=/") })),
	"a session for anonymous visitors":     only(errorsOf("Login", func(a *reply) { a.header.Add("Set-Cookie", "sessions="+rand.Text()+"; Path=/") })),
	"a cookie of two lines, the last good": only(setCookie("sessions=old; Path=/", "sessions=%s; Path=/")),
	"a cookie that lives 30 minutes":       only(setCookie("sessions=%s; Path=/; Max-Age=1800; HttpOnly; SameSite=Lax")),
	"a cookie for a year":                  only(setCookie("sessions=%s; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=None")),

	// Tokens and codes.
	"JWT": issues(func() string {
		part := func(v any) string { data, _ := json.Marshal(v); return base64.RawURLEncoding.EncodeToString(data) }
		return strings.Join([]string{
			part(map[string]any{"alg": "HS256", "typ": "JWT"}),
			part(map[string]any{"sub": email, "iat": time.Now().Unix(), "jti": rand.Text()}), base64.RawURLEncoding.EncodeToString([]byte(rand.Text() + rand.Text())),
		}, ".")
	}),
	"UUIDs":              issues(uuid.NewString),
	"UUIDs of version 7": issues(func() string { return uuid.Must(uuid.NewV7()).String() }),
	"hexadecimal tokens": issues(func() string { return hex.EncodeToString([]byte(rand.Text())) }),
	"short tokens":       issues(func() string { return rand.Text()[:16] }),
	"long tokens":        issues(func() string { return strings.Repeat(rand.Text(), 100) }),
	"tokens with a counter and a secret": func() func(*kalshiauthtest.Server) middleware {
		n := counter("%d")
		return issues(func() string { return "s" + n() + "_" + rand.Text() })
	}(),
	"tokens with a time and a secret": issues(func() string { return fmt.Sprint(time.Now().UnixNano(), ".", rand.Text()) }),
	"tokens of the signs of a cookie": issues(func() string { return "!#$&'()*+-./:<=>?@[]^_`{|}~" + rand.Text() }),
	"decimal tokens":                  issues(func() string { return digits() + digits() + digits() + digits() + digits() }),
	"codes of six digits":             codes(digits),
	"codes in groups":                 codes(func() string { t := rand.Text(); return t[:3] + "-" + t[3:6] + "-" + t[6:9] }),
	"codes of signs":                  codes(func() string { return "~!$&'()*+,;=:@" + rand.Text() }),
	"a new code voids the older ones": func(srv *kalshiauthtest.Server) middleware {
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, _ string, _ http.Handler) bool {
			newest := map[string]string{}
			for _, m := range srv.Outbox() {
				newest[m.Email] = m.Code
			}
			for _, m := range srv.Outbox() {
				if strings.Contains(r.URL.Path, m.Code) && newest[m.Email] != m.Code {
					says(w, 400, "The code is void.")
					return true
				}
			}
			return false
		})
	},

	// Load and limits.
	"429 now and then": everyNth("", 150, tooMany("1")),
	"503 now and then, with a date": everyNth("", 170, func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", time.Now().Add(time.Second).UTC().Format(http.TimeFormat))
		says(w, 503, "Busy.")
	}),
	"429 as a page": everyNth("Login", 50, func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(429)
		_, _ = w.Write([]byte("<h1>Slow down</h1>"))
	}),
	"slow refusals": only(errorsOf("Login", func(*reply) { time.Sleep(5 * time.Millisecond) })),
	"a lock after three wrong passwords": func(*kalshiauthtest.Server) middleware {
		wrong := map[string]int{}
		var mu sync.Mutex
		return replaced("Login", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			mu.Lock()
			defer mu.Unlock()
			address := field(body, "email")
			if a := answer(next, r); a.status == 200 && wrong[address] < 3 {
				wrong[address] = 0
				a.write(w)
				return true
			}
			if wrong[address]++; wrong[address] > 3 {
				says(w, 403, "The account is locked.")
				return true
			}
			return false
		})
	},
	"a policy for passwords": only(policy(func(p string) bool { return p != password && p != other.Password && weak(p) }, "The password is weak.")),
	"a minimum of twelve":    only(policy(func(p string) bool { return len(p) < 12 }, "The password is short.")),

	// Statuses and texts.
	"400 for all refused log-ins": errorStatus("Login", 401, 400),
	"403 for an ended session":    errorStatus("Logout", 401, 403),
	"401 for malformed log-ins":   errorStatus("Login", 400, 401),
	"errors in another language":  only(errorsOf("", func(a *reply) { a.bare(); a.body = []byte(`{"code":"nein","message":"Größe: 東京 😀"}`) })),
	"errors as problems, with headers": only(errorsOf("", func(a *reply) {
		a.header.Set("Content-Type", "application/problem+json")
		a.body = []byte(`{"title":"No."}`)
	})),
	"errors with numbers and lists": only(errorsOf("", func(a *reply) {
		a.fields(func(f map[string]any) { f["retry"], f["path"] = 1.5e300, []any{nil, true, map[string]any{}} })
	})),
	"numbers beyond 2^53":         only(loginBytes("{", `{"id":90071992547409931234,`)),
	"another order of properties": only(successes("Login", reversed)),
	"a log-in with many headers":  only(changed("", func(_ *http.Request, a *reply) { maps.Copy(a.header, manyHeaders) })),
	"a page for odd paths":        frontPage(400, func(r *http.Request, _ string) bool { return strings.Contains(r.URL.EscapedPath(), "%00") }),
	"a page for long bodies":      frontPage(413, func(_ *http.Request, body string) bool { return len(body) > 3000 }),
	"a page for long queries":     frontPage(414, func(r *http.Request, _ string) bool { return len(r.URL.RawQuery) > 1000 }),
	"a page for long headers":     frontPage(431, func(r *http.Request, _ string) bool { return len(r.Header.Get("Cookie")) > 3000 }),
	"a page for other content types": frontPage(415, func(r *http.Request, _ string) bool {
		t := r.Header.Get("Content-Type")
		return r.Method == "POST" && t != "" && !strings.Contains(t, "json")
	}),
	"a firewall": frontPage(403, func(_ *http.Request, body string) bool {
		return strings.Contains(body, "--") && strings.Contains(body, "odd'")
	}),
	"gzip for those who ask for it": only(changed("", func(r *http.Request, a *reply) {
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && len(a.body) > 0 {
			a.body = []byte(encoded("gzip", string(a.body)))
			a.header.Set("Content-Encoding", "gzip")
			a.header.Set("Vary", "Accept-Encoding")
		}
	})),
	"a body with each success": only(changed("", func(_ *http.Request, a *reply) {
		if a.status == 202 {
			a.set(202, `"ok"`)
		}
	})),
}

// manyHeaders are those of a server behind others.
var manyHeaders = http.Header{
	"Cache-Control": {"no-store"}, "Server-Timing": {"db;dur=53", "app;dur=47.2"}, "Via": {"1.1 a", "1.1 b"}, "Age": {"0"},
	"Content-Language": {"en"}, "X-Frame-Options": {"DENY"}, "Content-Security-Policy": {"default-src 'none'"}, "Etag": {`"7"`},
	"Set-Cookie2": {"a=b"}, "Alt-Svc": {`h3=":443"`}, "Nel": {"{}"}, "X-Padding": {strings.Repeat("x", 4000)},
}

// reversed reverses the order of the properties of an object.
func reversed(a *reply) {
	fields := map[string]json.RawMessage{}
	_ = json.Unmarshal(a.body, &fields)
	var parts [][]byte
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(fields))) {
		parts = append(parts, fmt.Appendf(nil, "%q : %s", name, fields[name]))
	}
	a.body = slices.Concat([]byte("{ "), bytes.Join(parts, []byte(" ,\n")), []byte(" }"))
}
