package contract

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// cookieProblem returns what is wrong with the cookie of a log-in.
func (r *rules) cookieProblem(op *document.Operation, header http.Header, got body) string {
	cookie, missing := r.sessionCookie(op, header)
	if cookie == nil {
		if missing == "" {
			return "" // no operation takes the cookie
		}
		return fmt.Sprintf("no cookie %s that a browser would send to %s", r.cookie, missing)
	}
	if problem := unstorable(cookie); problem != "" {
		return problem
	}
	var login struct {
		Token string `json:"token"`
	}
	// A wrong body is reported separately.
	if json.Unmarshal(got.data, &login) != nil || login.Token == "" || login.Token == cookie.Value {
		return ""
	}
	if unescaped, err := url.PathUnescape(cookie.Value); err == nil && unescaped == login.Token {
		return ""
	}
	return fmt.Sprintf("the cookie %s is not the token", r.cookie)
}

// maxCookie is how many bytes the name and the value of a cookie may have, or browsers do not store it (RFC 6265bis).
const maxCookie = 4096

// unstorable returns why no browser stores a cookie that a response sets, or "".
func unstorable(c *http.Cookie) string {
	switch {
	case len(c.Name)+len(c.Value) > maxCookie:
		return fmt.Sprintf("the cookie %s has more than %d bytes, and no browser stores it", c.Name, maxCookie)
	case (c.SameSite == http.SameSiteNoneMode || c.Partitioned) && !c.Secure:
		return fmt.Sprintf("the cookie %s is SameSite=None or Partitioned, and not Secure: browsers do not store it",
			c.Name)
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
	for _, other := range r.Operations {
		schemes, _ := other.Security()
		if !slices.ContainsFunc(schemes, func(s document.Scheme) bool {
			return s.In == openapi3.ParameterInCookie && s.Name == r.cookie
		}) {
			continue
		}
		sent := jar.Cookies(at(other.Path))
		i := slices.IndexFunc(sent, func(c *http.Cookie) bool { return c.Name == r.cookie && c.Value != "" })
		if i < 0 {
			return nil, other.Path
		}
		cookie = sent[i]
	}
	for _, set := range cookies {
		if cookie != nil && set.Name == cookie.Name && set.Value == cookie.Value {
			return set, ""
		}
	}
	return cookie, ""
}
