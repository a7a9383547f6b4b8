package contract_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// crashes answers some requests with a 500, or breaks the connection where status is 0.
func crashes(operation string, status int, match func(r *http.Request, body string) bool) middleware {
	return replaced(operation, func(w http.ResponseWriter, r *http.Request, body string, _ http.Handler) bool {
		if !match(r, body) {
			return false
		}
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		says(w, status, "Something went wrong.")
		return true
	})
}

// has matches requests in which a property of the body is a text of a kind.
func has(property string, match func(value string) bool) func(*http.Request, string) bool {
	return func(_ *http.Request, body string) bool { v := field(body, property); return v != "" && match(v) }
}

func with(part string) func(string) bool {
	return func(s string) bool { return strings.Contains(s, part) }
}

func longer(n int) func(string) bool { return func(s string) bool { return len(s) > n } }

// raw matches bodies by their bytes.
func raw(match func(body string) bool) func(*http.Request, string) bool {
	return func(_ *http.Request, body string) bool { return match(body) }
}

func inCode(match func(code string) bool) func(*http.Request, string) bool {
	return func(r *http.Request, _ string) bool { return match(codeOf(r)) }
}

func session(match func(token string) bool) func(*http.Request, string) bool {
	return func(r *http.Request, _ string) bool { return match(bare(r)) }
}

func depth(n int) func(string) bool {
	return func(body string) bool { return strings.Count(body, "[")+strings.Count(body, "{") > n }
}

func valid(match func(string) bool) func(string) bool {
	return func(body string) bool { return match(body) && json.Valid([]byte(body)) }
}

// is4Bytes matches text that a database of three bytes a sign does not take.
func is4Bytes(s string) bool { return strings.ContainsFunc(s, func(r rune) bool { return r > 0xFFFF }) }

// apartOdd fail where they must refuse.
var apartOdd = []namedMutant{
	{name: "a NUL in an address fails at a log-in", class: "odd", change: crashes("Login", 500, has("email", with("\x00")))},
	{name: "a NUL in a password fails at a log-in", class: "odd", change: crashes("Login", 500, has("password", with("\x00")))},
	{name: "a NUL in an address breaks a reset", class: "odd", change: crashes("ResetPassword", 0, has("email", with("\x00")))},
	{name: "a NUL in a password fails at a confirm", class: "odd", change: crashes("ResetPasswordConfirm", 500, has("password", with("\x00")))},
	{name: "a NUL in a user ID fails at a confirm", class: "odd", change: crashes("ResetPasswordConfirm", 500, has("user_id", with("\x00")))},
	{name: "more than 72 bytes of a password fail at a log-in", class: "odd", change: crashes("Login", 500, has("password", longer(72)))},
	{name: "more than 72 bytes of a password fail at a confirm", class: "odd", change: crashes("ResetPasswordConfirm", 500, has("password", longer(72)))},
	{name: "more than 255 bytes of an address fail at a reset", class: "odd", change: crashes("ResetPassword", 503, has("email", longer(255)))},
	{name: "more than 3000 bytes of an address break a log-in", class: "odd", change: crashes("Login", 0, has("email", longer(3000)))},
	{name: "a sign of four bytes fails at a log-in", class: "odd", change: crashes("Login", 500, has("password", is4Bytes))},
	{name: "a sign of four bytes fails at a reset", class: "odd", change: crashes("ResetPassword", 500, has("email", is4Bytes))},
	{name: "a quote fails at a log-in", class: "odd", change: crashes("Login", 500, has("email", with("'")))},
	{name: "a quote fails at a reset", class: "odd", change: crashes("ResetPassword", 500, has("email", with("'")))},
	{name: "a quote in a password fails at a log-in", class: "odd", change: crashes("Login", 500, has("password", with("'")))},
	{name: "a quote in a code fails", class: "odd", change: crashes("ResetPasswordConfirm", 500, inCode(with("'")))},
	{name: "nesting breaks a confirm", class: "odd", change: crashes("ResetPasswordConfirm", 0, raw(depth(500)))},
	{name: "nesting in valid JSON fails at a log-in", class: "odd", change: crashes("Login", 500, raw(valid(depth(100))))},
	{name: "half a surrogate pair fails at a reset", class: "odd", change: crashes("ResetPassword", 500,
		raw(func(s string) bool {
			return regexp.MustCompile(`(?i)\\ud[89a-f]`).MatchString(s) && strings.Contains(s, "email")
		}))},
	{name: "bytes that are not UTF-8 fail at a log-in", class: "odd", change: crashes("Login", 500, raw(func(s string) bool { return !utf8.ValidString(s) }))},
	{name: "a huge number fails at a confirm", class: "odd", change: crashes("ResetPasswordConfirm", 500,
		raw(func(s string) bool { return regexp.MustCompile(`[:,[]\s*\d[\d.]*[eE]\+?\d{3}|\d{20}`).MatchString(s) }))},
	{name: "a text in place of an object fails at a confirm", class: "odd", change: crashes("ResetPasswordConfirm", 500, raw(valueIn("text")))},
	{name: "an array in place of an address fails at a reset", class: "odd", change: crashes("ResetPassword", 500,
		raw(func(s string) bool { _, ok := parsed(s)["email"].([]any); return ok }))},
	{name: "a user ID that is none fails at a confirm", class: "odd", change: crashes("ResetPasswordConfirm", 500,
		has("user_id", func(s string) bool { return len(s) != 36 }))},
	{name: "another content type fails at a confirm", class: "odd", change: crashes("ResetPasswordConfirm", 500,
		contentType(func(t string) bool { return !strings.Contains(strings.ToLower(t), "json") }))},
	{name: "a content type that is none breaks a log-in", class: "odd", change: crashes("Login", 0, contentType(func(t string) bool { return !strings.Contains(t, "/") }))},
	{name: "a percent sign in a code fails", class: "odd", change: crashes("ResetPasswordConfirm", 500, inCode(with("%")))},
	{name: "a slash in a code fails", class: "odd", change: crashes("ResetPasswordConfirm", 500, inCode(with("/")))},
	{name: "a code of 2000 characters fails", class: "odd", change: crashes("ResetPasswordConfirm", 500, inCode(longer(2000)))},
	{name: "a code that is not ASCII breaks the connection", class: "odd", change: crashes("ResetPasswordConfirm", 0, inCode(notASCII))},
	{name: "a session of 1000 characters fails", class: "odd", change: crashes("Logout", 500, session(longer(1000)))},
	{name: "a session with three parts fails", class: "odd", change: crashes("Logout", 500, session(func(s string) bool { return strings.Count(s, ".") == 2 }))},
	{name: "a scheme without a token fails", class: "odd", change: crashes("Logout", 500,
		authorization(func(v string) bool { return strings.EqualFold(strings.TrimSpace(v), "Bearer") }))},
	{name: "three words in the header fail", class: "odd", change: crashes("Logout", 500, authorization(func(v string) bool { return len(strings.Fields(v)) > 2 }))},
	{name: "a cookie without a name fails", class: "odd", change: crashes("Logout", 500, func(r *http.Request, _ string) bool {
		c := r.Header.Get("Cookie")
		return c != "" && !strings.Contains(c, "=")
	})},
	{name: "an escape in the cookie that is none fails", class: "odd", change: crashes("Logout", 500, session(func(s string) bool { _, err := url.PathUnescape(s); return err != nil }))},
	{name: "two cookies of the name fail", class: "odd", change: crashes("Logout", 500, func(r *http.Request, _ string) bool { return len(r.CookiesNamed("sessions")) > 1 })},
}
