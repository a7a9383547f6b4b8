package contract_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// refuses answers some right requests with an error. What the fake server refuses stays refused in its own way.
func refuses(operation string, status int, match func(r *http.Request, body string) bool) middleware {
	return replaced(operation, func(w http.ResponseWriter, r *http.Request, body string, _ http.Handler) bool {
		refused := match(r, body)
		if refused {
			says(w, status, "The request is not valid.")
		}
		return refused
	})
}

func extra(match func(value any) bool) func(*http.Request, string) bool {
	return func(_ *http.Request, body string) bool {
		for name, value := range parsed(body) {
			if name != "email" && name != "password" && name != "user_id" && match(value) {
				return true
			}
		}
		return false
	}
}

func anything(any) bool { return true }

func contentType(match func(t string) bool) func(*http.Request, string) bool {
	return func(r *http.Request, _ string) bool { return match(r.Header.Get("Content-Type")) }
}

// isRight reports whether a request is a right one, apart from what it is refused for.
func isRight(body string) bool { return parsed(body) != nil }

// reads reads a body in another way than JSON says.
func reads(operation string, read func(body string) string) middleware {
	return replaced(operation, func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
		if isRight(body) {
			body = read(body)
		}
		next.ServeHTTP(w, withBody(r, body))
		return true
	})
}

// cookieBy finds the session in the Cookie header in a way of its own.
func cookieBy(find func(header string) string) middleware {
	return replaced("Logout", func(w http.ResponseWriter, r *http.Request, _ string, next http.Handler) bool {
		header := r.Header.Get("Cookie")
		if header == "" {
			return false
		}
		r = r.Clone(r.Context())
		r.Header.Del("Cookie")
		if token := find(header); token != "" {
			r.Header.Set("Cookie", "sessions="+token)
		}
		next.ServeHTTP(w, r)
		return true
	})
}

func authorization(match func(value string) bool) func(*http.Request, string) bool {
	return func(r *http.Request, _ string) bool { v := r.Header.Get("Authorization"); return v != "" && match(v) }
}

var anySession = regexp.MustCompile(`sessions=([^;]*)`)

// apartForms refuse right requests.
var apartForms = []namedMutant{
	{name: "a log-in refuses other properties", class: "extra", change: refuses("Login", 400, extra(anything))},
	{name: "a reset refuses other properties", class: "extra", change: refuses("ResetPassword", 400, extra(anything))},
	{name: "a confirm refuses other properties", class: "extra", change: refuses("ResetPasswordConfirm", 400, extra(anything))},
	{name: "a log-in refuses other properties that are objects", class: "extra", change: refuses("Login", 400,
		extra(func(v any) bool { _, ok := v.(map[string]any); return ok }))},
	{name: "a log-in takes an escape literally", class: "escapes", change: reads("Login",
		func(body string) string { return strings.ReplaceAll(body, `\u`, `\\u`) })},
	{name: "a reset takes an escape literally", class: "escapes", change: reads("ResetPassword",
		func(body string) string { return strings.ReplaceAll(body, `\u`, `\\u`) })},
	{name: "a confirm takes an escape literally", class: "escapes", change: reads("ResetPasswordConfirm",
		func(body string) string { return strings.ReplaceAll(body, `\u00`, `\\u00`) })},
	{name: "a log-in knows plain types only", class: "charset", change: refuses("Login", 400, contentType(func(t string) bool {
		return strings.HasPrefix(t, "application/json") && t != "application/json"
	}))},
	{name: "a reset knows plain types only", class: "charset", change: refuses("ResetPassword", 400, contentType(func(t string) bool {
		return strings.HasPrefix(t, "application/json") && t != "application/json"
	}))},
	{name: "a confirm knows plain types only", class: "charset", change: refuses("ResetPasswordConfirm", 400, contentType(func(t string) bool {
		return strings.HasPrefix(t, "application/json") && t != "application/json"
	}))},
	{name: "a log-in reads Latin-1", class: "non-ASCII", change: reads("Login", func(body string) string {
		if sent := field(body, "password"); notASCII(sent) {
			return edited(body, "password", latin1(sent))
		}
		return body
	})},
	{name: "a log-in decomposes text", class: "non-ASCII", change: reads("Login", func(body string) string {
		if sent := field(body, "password"); decomposed.Replace(sent) != sent {
			return edited(body, "password", decomposed.Replace(sent))
		}
		return body
	})},
	{name: "a log-in with a cookie is refused", class: "cookies", change: refuses("Login", 403,
		func(r *http.Request, _ string) bool { return r.Header.Get("Cookie") != "" })},
	{name: "a reset with a cookie is refused", class: "cookies", change: refuses("ResetPassword", 400,
		func(r *http.Request, _ string) bool { return r.Header.Get("Cookie") != "" })},
	{name: "only the first cookie is read", class: "cookies", change: cookieBy(func(header string) string {
		token, _ := strings.CutPrefix(strings.Split(header, ";")[0], "sessions=")
		return token
	})},
	{name: "only the last cookie is read", class: "cookies", change: cookieBy(func(header string) string {
		parts := strings.Split(header, "; ")
		token, ok := strings.CutPrefix(parts[len(parts)-1], "sessions=")
		if !ok {
			return ""
		}
		return token
	})},
	{name: "a cookie is looked for without its end", class: "cookies", change: cookieBy(func(header string) string {
		_, token, _ := strings.Cut(header, "sessions=")
		return strings.NewReplacer(";", "", " ", "").Replace(token)
	})},
	{name: "the first cookie whose name ends alike is read", class: "cookies", change: cookieBy(func(header string) string {
		if m := anySession.FindStringSubmatch(header); m != nil {
			return m[1]
		}
		return ""
	})},
	{name: "a bare token is refused", class: "scheme", change: refuses("Logout", 401,
		authorization(func(v string) bool { return !strings.Contains(v, " ") }))},
	{name: "Bearer is refused", class: "scheme", change: refuses("Logout", 401,
		authorization(func(v string) bool { return strings.HasPrefix(v, "Bearer ") }))},
	{name: "the header is not read", class: "scheme", change: refuses("Logout", 401, authorization(func(string) bool { return true }))},
	{name: "the cookie is not read", class: "scheme", change: cookieBy(func(string) string { return "" })},
	{name: "the header is read only where there is a cookie", class: "scheme", change: refuses("Logout", 401,
		func(r *http.Request, _ string) bool {
			return r.Header.Get("Authorization") != "" && r.Header.Get("Cookie") == ""
		})},
	{name: "a mailed code is refused if it comes with a cookie", class: "cookies", change: refuses("ResetPasswordConfirm", 400,
		func(r *http.Request, _ string) bool { return r.Header.Get("Cookie") != "" })},
	{name: "white space in JSON is refused", class: "form", change: refuses("Login", 400,
		func(_ *http.Request, body string) bool {
			return isRight(body) && regexp.MustCompile(`[{:,]\s|\s}`).MatchString(body)
		})},
	{name: "the password must come last", class: "form", change: refuses("Login", 400, func(_ *http.Request, body string) bool {
		p, e := strings.Index(body, `"password"`), strings.Index(body, `"email"`)
		return isRight(body) && p >= 0 && p < e
	})},
	{name: "a form in place of JSON logs in", class: "content type", stateful: repairs("Login", func(b *book, r *http.Request, body string) string {
		form, err := url.ParseQuery(body)
		if err != nil || form.Get("email") != email || form.Get("password") != b.password(email) {
			return ""
		}
		return b.rights(email)
	})},
}

// decomposed takes letters apart, as some systems do with the names of files.
var decomposed = strings.NewReplacer("ä", "a\u0308", "ö", "o\u0308", "ü", "u\u0308", "é", "e\u0301", "è", "e\u0300", "ñ", "n\u0303", "ß", "ss")

func notASCII(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

func latin1(s string) string {
	runes := make([]rune, 0, len(s))
	for i := range len(s) {
		runes = append(runes, rune(s[i]))
	}
	return string(runes)
}
