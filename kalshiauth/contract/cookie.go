package contract

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// setsSession reports whether a response of an operation starts a session. Other operations may set cookies, too: a
// document of the user's own may have some. status is as in the document.
func setsSession(op *document.Operation, status string) bool {
	known := ours(op)
	if known == nil {
		return false
	}
	ref := known.Operation.Responses.Value(status)
	return ref != nil && ref.Value.Headers["Set-Cookie"] != nil
}

// sessionProblems returns what is wrong with the token and the cookie of a log-in. rule is the JSON pointer to the
// response, and value is the JSON value of its body.
func (r *rules) sessionProblems(
	op *document.Operation, rule string, header http.Header, value any,
) (problems []document.Problem) {
	fields, _ := value.(map[string]any)
	token, _ := fields["token"].(string) // a wrong body is reported separately
	if !isSendable(token) {
		problems = append(problems, document.Problem{
			Rule: rule, Place: "/token", Found: "a token that no header can carry, because of its characters",
		})
	}
	if found := r.cookieProblem(op, header, token); found != "" {
		problems = append(problems, document.Problem{Rule: rule + "/headers/Set-Cookie", Place: "Set-Cookie", Found: found})
	}
	return problems
}

// isSendable reports whether a header can carry a token unchanged: it has only ASCII characters, no control characters,
// and no space at its ends.
func isSendable(token string) bool {
	return strings.Trim(token, " ") == token &&
		!strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' })
}

// cookieProblem returns what is wrong with the cookie of a log-in. token is that of the body; "": not known.
func (r *rules) cookieProblem(op *document.Operation, header http.Header, token string) string {
	cookie, missing := r.sessionCookie(op, header)
	switch {
	case cookie == nil && missing == "":
		return "" // no operation takes the cookie
	case cookie == nil && setsUnreadable(header, r.cookie):
		return fmt.Sprintf("the cookie %s has a character that cookies cannot have", r.cookie)
	case cookie == nil:
		return fmt.Sprintf("no cookie %s that a browser would send to %s", r.cookie, missing)
	}
	if problem := unstorable(cookie, r.base.Hostname()); problem != "" {
		return fmt.Sprintf("browsers do not store the cookie %s: %s", r.cookie, problem)
	}
	if token == "" || token == cookie.Value {
		return ""
	}
	if unescaped, err := url.PathUnescape(cookie.Value); err == nil && unescaped == token {
		return ""
	}
	return fmt.Sprintf("the cookie %s is not the token", r.cookie)
}

// setsUnreadable reports whether a response sets a cookie that net/http cannot read.
func setsUnreadable(header http.Header, name string) bool {
	return slices.ContainsFunc(header["Set-Cookie"], func(line string) bool {
		_, err := http.ParseSetCookie(line)
		got, _, _ := strings.Cut(line, "=")
		return err != nil && strings.TrimSpace(got) == name
	})
}

// maxCookie is how many bytes the name and the value of a cookie may have (RFC 6265bis, section 5.6).
const maxCookie = 4096

// unstorable returns why no browser stores a cookie of a host, or "".
func unstorable(c *http.Cookie, host string) string {
	name, domain := strings.ToLower(c.Name), strings.TrimPrefix(c.Domain, ".")
	switch {
	case len(c.Name)+len(c.Value) > maxCookie:
		return fmt.Sprintf("it has more than %d bytes", maxCookie)
	case (c.SameSite == http.SameSiteNoneMode || c.Partitioned) && !c.Secure:
		return "it is SameSite=None or Partitioned, and not Secure"
	case strings.HasPrefix(name, "__secure-") && !c.Secure:
		return "its name begins with __Secure-, and it is not Secure"
	case strings.HasPrefix(name, "__host-") && (!c.Secure || c.Path != "/" || domain != ""):
		return "its name begins with __Host-, and it is not Secure, has a Domain or no Path=/"
	case domain != "" && !strings.Contains(domain, ".") && !strings.EqualFold(domain, host):
		return "its Domain is a top-level domain"
	}
	return ""
}

// sessionCookie returns the cookie that a browser would send to each operation that takes it, after a response of op
// with this header. If the browser would not send it to one of them, sessionCookie returns the path of that operation.
func (r *rules) sessionCookie(op *document.Operation, header http.Header) (cookie *http.Cookie, missing string) {
	jar, _ := cookiejar.New(nil) // never fails
	// Browsers send secure cookies to http on loopback, too.
	at := func(path string) *url.URL {
		return &url.URL{Scheme: "https", Host: r.base.Host, Path: r.base.Path + path}
	}
	cookies := (&http.Response{Header: header}).Cookies()
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		for _, c := range cookies {
			if !c.Expires.IsZero() { // by the server's clock
				c.Expires = time.Now().Add(c.Expires.Sub(date))
			}
		}
	}
	jar.SetCookies(at(op.Path), cookies)
	for _, other := range r.taking {
		sent := jar.Cookies(at(other.Path))
		i := slices.IndexFunc(sent, func(c *http.Cookie) bool { return c.Name == r.cookie && c.Value != "" })
		if i < 0 {
			return nil, other.Path
		}
		cookie = sent[i]
	}
	for _, set := range cookies { // with its attributes
		if cookie != nil && set.Name == cookie.Name && set.Value == cookie.Value {
			return set, ""
		}
	}
	return cookie, ""
}
