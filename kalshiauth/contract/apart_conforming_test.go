package contract_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// apartConforming are unusual servers that are right, written apart from the checks.
var apartConforming = map[string]func(*kalshiauthtest.Server) middleware{
	"the book of the mutants alone": by(func(*book) middleware { return func(next http.Handler) http.Handler { return next } }),

	// Tokens and codes.
	"tokens of 80 random bits after a name":    issues(func() string { return "kal_live_" + hexed(10) }),
	"80 random bits in small letters":          issues(func() string { return drawn(16, "abcdefghijklmnopqrstuvwxyz234567") }),
	"a time and 80 random bits in hexadecimal": issues(func() string { return timed() + hexed(10) }),
	"ULIDs": issues(func() string { return strings.ToUpper(timed()) + drawn(16, crockford) }),
	"JWTs with a known payload and a signature": issues(signed()),
	"JWTs with a long signature": issues(func() string {
		return b64(`{"alg":"RS256"}`) + "." + b64(`{"sub":"1"}`) + "." + b64(string(random(256)))
	}),
	"five parts": issues(func() string {
		return b64(`{"enc":"A256GCM"}`) + ".." + b64(string(random(12))) + "." + b64(string(random(40))) + "." + b64(string(random(16)))
	}),
	"tokens with a version before the secret": issues(func() string { return "v4.local." + b64(string(random(96))) }),
	"tokens of 3 KB": issues(func() string { return b64(string(random(2250))) }),
	"2900 known characters and 80 random bits":   issues(func() string { return strings.Repeat("eyJrIjoi", 362) + hexed(10) }),
	"all signs that a cookie permits":            issues(func() string { return shuffled(cookieSigns) }),
	"base64 with signs":                          issues(func() string { return base64Of(random(32)) }),
	"a number, a time and a signature":           issues(func() string { return "1042:" + fmt.Sprint(time.Now().Unix()) + ":" + hexed(20) }),
	"percent signs in the token":                 issues(func() string { return "s%3A" + hexed(12) + "." + strings.ReplaceAll(base64Of(random(31)), "=", "%3D") }),
	"a token with two hyphens":                   issues(func() string { return b64(string(random(30))) + "--" + b64(string(random(12))) }),
	"letters of both cases, 24 of them":          issues(func() string { return drawn(24, "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz") }),
	"a colon at the end of the token":            issues(func() string { return hexed(16) + ":" }),
	"tokens that begin with Bearer":              issues(func() string { return "Bearer-" + hexed(16) }),
	"a token that is a quoted user ID and a key": issues(func() string { return "6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e~" + hexed(16) }),
	"codes of eight digits":                      codes(func() string { return drawn(8, "0123456789") }),
	"codes that are JWTs":                        codes(signed()),
	"codes of 600 characters":                    codes(func() string { return hexed(300) }),
	"codes of eight capitals":                    codes(func() string { return drawn(8, "ABCDEFGHJKLMNPQRSTUVWXYZ") }),
	"codes with a time":                          codes(func() string { return timed() + "-" + hexed(10) }),
	"codes that begin with a dot":                codes(func() string { return "." + hexed(10) + "." }),
	"one wrong attempt makes a code void":        burns(1),
	"three wrong attempts make a code void":      burns(3),

	// Sessions.
	"four sessions an account": sessionsOf(4),
	"a log-out deletes all that the browser stores": only(successes("Logout", func(a *reply) {
		a.header.Set("Clear-Site-Data", `"cookies", "storage"`)
		a.header["Set-Cookie"] = []string{"sessions=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly", "csrf=; Max-Age=0"}
	})),
	"each refusal clears the cookie": only(errorsOf("", func(a *reply) { a.header.Add("Set-Cookie", "sessions=; Path=/; Max-Age=0; HttpOnly; Secure") })),
	"other cookies with each answer": only(changed("", func(_ *http.Request, a *reply) {
		a.header["Set-Cookie"] = append([]string{"__cf_bm=" + hexed(8) + "; Path=/; HttpOnly", "AWSALB=" + hexed(8) + "; Expires=" + then(time.Hour)}, a.header["Set-Cookie"]...)
	})),
	"a cookie with all attributes": only(setCookie("sessions=%s; Expires=" + then(time.Hour) + "; Max-Age=3600; Domain=127.0.0.1; Path=/; Secure; HttpOnly; SameSite=None")),
	"attributes in small letters":  only(setCookie("sessions=%s;path=/;httponly;max-age=1800;samesite=lax")),
	"the cookie counts where both are sent": only(replaced("Logout", func(w http.ResponseWriter, r *http.Request, _ string, next http.Handler) bool {
		if c, err := r.Cookie("sessions"); err == nil && r.Header.Get("Authorization") != "" {
			next.ServeHTTP(w, presenting(r, c.Value))
			return true
		}
		return false
	})),

	// Load, limits and policies.
	"429 with a bare Retry-After": everyNth("", 120, func(w http.ResponseWriter) { w.Header().Set("Retry-After", "1"); w.WriteHeader(429) }),
	"503 as a page now and then": everyNth("ResetPasswordConfirm", 40, func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", then(time.Second))
		w.WriteHeader(503)
		_, _ = w.Write([]byte("upstream connect error"))
	}),
	"503 to the first request":          once("", func(w http.ResponseWriter) { w.Header().Set("Retry-After", "1"); w.WriteHeader(503) }),
	"429 to the first confirm":          once("ResetPasswordConfirm", tooMany("1")),
	"40 log-ins a second":               rate("Login", 40),
	"30 log-outs a second":              rate("Logout", 30),
	"one mail a second":                 only(mailLimit(time.Second, tooMany("1"))),
	"a lock after three wrong in a row": locks(3, time.Hour),
	"a lock of a second after two":      locks(2, time.Second),
	"three classes of characters":       newPolicy(func(p string) bool { return classes(p) < 3 }),
	"four classes of characters":        newPolicy(func(p string) bool { return classes(p) < 4 && !notASCII(p) }),
	"64 characters at most":             newPolicy(func(p string) bool { return len(p) > 64 }),
	"no word of the address, no runs": newPolicy(func(p string) bool {
		return strings.Contains(strings.ToLower(p), "trader") || strings.Contains(p, "aaaa") || strings.Contains(p, "1234")
	}),
	"the last five passwords but the present one": only(history(password, 5, false, "The password was used before.")),
	"a tarpit for wrong passwords": only(errorsOf("Login", func(a *reply) {
		if a.status == 401 {
			time.Sleep(20 * time.Millisecond)
		}
	})),
	"slow answers": paused("", 4*time.Millisecond),
	"slow mails":   paused("ResetPassword", 30*time.Millisecond),

	// Statuses and errors.
	"400 without a session, 403 with a wrong one": only(changed("Logout", func(r *http.Request, a *reply) {
		if a.status == 401 && presented(r) == "" {
			a.status = 400
		} else if a.status == 401 {
			a.status = 403
		}
	})),
	"401 for an unknown account, 403 for a wrong password": only(replaced("Login", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
		a := answer(next, r)
		if a.status == 401 && strings.HasSuffix(field(body, "email"), "@example.com") {
			a.status = 403
		}
		a.write(w)
		return true
	})),
	"400 for an address without an account": only(unless(known, 400)),
	"a challenge with each 401": only(errorsOf("", func(a *reply) {
		if a.status == 401 {
			a.header["Www-Authenticate"] = []string{`Bearer realm="kalshi", error="invalid_token"`, "Cookie"}
		}
	})),
	"problem details with a code": only(errorsOf("", func(a *reply) {
		a.fields(func(f map[string]any) { f["type"], f["title"], f["status"] = "about:blank", "Refused", a.status })
	})),
	"nested errors and headers": only(errorsOf("", func(a *reply) {
		a.body = []byte(`{"error":{"code":"no","message":"Nein: «東京»"},"request":9007199254740993}`)
	})),
	"a front with pages":               front(oddOnes, "Bad Request\n"),
	"a front with empty answers":       front(oddOnes, ""),
	"connections end now and then":     closing(7),
	"a body in two parts":              only(inParts),
	"indented JSON with other numbers": only(chain(loginBytes("{", `{"seq":123456789012345678901234567890,"rate":-1.5E-7,`), changed("", func(_ *http.Request, a *reply) { indented(a) }))),
	"escapes in JSON": only(successes("Login", func(a *reply) {
		a.body = []byte(strings.ReplaceAll(string(a.body), "trading", `tr\u0061ding\/\ud83d\ude00`))
	})),
	"text that is not ASCII": only(loginFields(func(f map[string]any) {
		f["access_level"], f["größe"] = "東京 – ограничен", "ß\u200b😀"
	})),
	"the token twice, and much more": only(chain(successes("Login", reversed), loginFields(func(f map[string]any) {
		f["access_token"], f["token_type"], f["scopes"], f["deep"] = f["token"], "Bearer", []any{}, map[string]any{"a": map[string]any{"b": []any{nil}}}
	}))),
	"eight KB of headers": only(changed("", func(_ *http.Request, a *reply) {
		for i := range 80 {
			a.header.Set(fmt.Sprintf("X-Trace-%d", i), hexed(50))
		}
	})),
	"a user ID of version 8 in a log-in with a nil level": only(loginFields(func(f map[string]any) { f["access_level"] = strings.Repeat("level ", 300) })),
}

// then is a time from now on, as HTTP writes it.
func then(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }

// closing ends each nth connection after its answer.
func closing(n int64) func(*kalshiauthtest.Server) middleware {
	return func(*kalshiauthtest.Server) middleware {
		var requests atomic.Int64
		return changed("", func(_ *http.Request, a *reply) {
			if requests.Add(1)%n == 0 {
				a.header.Set("Connection", "close")
			}
		})
	}
}

// inParts sends bodies in two parts.
func inParts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := answer(next, r)
		body := a.body
		a.body = body[:len(body)/2]
		a.write(w)
		if len(body) > 0 {
			_ = http.NewResponseController(w).Flush()
			time.Sleep(2 * time.Millisecond)
			_, _ = w.Write(body[len(body)/2:])
		}
	})
}

func TestMoreConformingServersAreNotReported(t *testing.T) {
	t.Parallel()
	var passed atomic.Int32
	t.Run("servers", func(t *testing.T) {
		t.Parallel()
		for _, name := range slices.Sorted(maps.Keys(apartConforming)) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				srv := serverWith(t, apartConforming[name])
				target := ownTarget(srv)
				report, err := contract.Run(t.Context(), target)
				works(t, &target)
				if err != nil || !report.OK() || report.Count(contract.Skipped) > 0 {
					t.Error(err, failures(report))
					return
				}
				passed.Add(1)
			})
		}
	})
	t.Cleanup(func() { fmt.Printf("more conforming servers: %d of %d passed\n", passed.Load(), len(apartConforming)) })
}

// works checks that the plain client can use a server, by the password that the account had before.
func works(t *testing.T, target *contract.Target) {
	t.Helper()
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(target.BaseURL), kalshiauth.WithHTTPClient(target.HTTPClient))
	if err != nil {
		t.Fatal(err)
	}
	var session *kalshiauth.Session
	var code, id string
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"log in", func() (err error) { session, err = client.Login(t.Context(), target.Credentials); return err }},
		{"log out", func() error { return client.Logout(t.Context(), session) }},
		{"reset", func() error { return client.ResetPassword(t.Context(), email) }},
		{"mail", func() (err error) { code, id, err = target.ResetCode(t.Context(), email); return err }},
		{"confirm", func() error {
			return client.ResetPasswordConfirm(t.Context(), kalshiauth.PasswordResetConfirmation{Code: code, UserID: id, NewPassword: password})
		}},
		{"log in again", func() error { _, err := client.Login(t.Context(), target.Credentials); return err }},
	} {
		err := step.do()
		for range 2 { // a limit
			if err != nil {
				time.Sleep(1100 * time.Millisecond)
				err = step.do()
			}
		}
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
	}
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
