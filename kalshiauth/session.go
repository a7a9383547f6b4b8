package kalshiauth

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// cookieName is the name of the document's security scheme cookie.
const cookieName = "sessions"

// A Session is what a log-in yields. It is immutable and may be shared; do not change its fields. It shows no secret
// to fmt, logs and encoders. The zero value and nil are sessions without a secret, which are not valid.
type Session struct {
	UserID      string    // the user's ID, needed by every call below /users/{user_id}
	AccessLevel string    // limits what an applicant may do; the set of levels is open
	Expiry      time.Time // when the session ends, by the local clock; zero: the server did not say

	secret func() *sessionSecret // a func, since fmt follows every other kind of field; nil: none
}

// sessionSecret is what a Session hides.
type sessionSecret struct {
	token  string
	cookie *http.Cookie // nil: no cookie can carry the token
	header [1]string    // the cookie as the Cookie header has it

	origin  string // where the session is good; "": anywhere
	account string // whose e-mail address logged in; "": not known

	doubt atomic.Int32 // what a 401 would mean; the one thing that changes
}

// Doubts about a session that a LoginSource hands out. An answer other than 401 ends them.
const (
	noDoubt    int32 = iota // a 401 means that the session is over
	freshLogin              // a 401 may come from an endpoint that says so to everybody
	fromStore               // it may have been over when it was found
)

func newSession(userID, accessLevel string, expiry time.Time, secret *sessionSecret) *Session {
	value := secret.cookie.Value
	switch {
	case value == "" || (&http.Cookie{Name: cookieName, Value: value}).Valid() != nil:
		secret.cookie = nil
	case secret.cookie.Quoted || strings.ContainsAny(value, " ,"): // as http.Cookie.String has it
		secret.header[0] = cookieName + `="` + value + `"`
	default:
		secret.header[0] = cookieName + "=" + value
	}
	return &Session{
		UserID: userID, AccessLevel: accessLevel, Expiry: expiry,
		secret: func() *sessionSecret { return secret },
	}
}

// SessionFromToken returns a session for a token that was obtained elsewhere. It is good for a client of any server,
// and not [Session.Valid] if the token is empty or no cookie can carry it.
func SessionFromToken(userID, token string) *Session {
	cookie := &http.Cookie{Name: cookieName, Value: token}
	return newSession(userID, "", time.Time{}, &sessionSecret{token: token, cookie: cookie})
}

// hidden returns what s hides, and nothing for a session without a secret.
func (s *Session) hidden() *sessionSecret {
	if s == nil || s.secret == nil {
		return &sessionSecret{}
	}
	return s.secret()
}

// cookieValue is the secret in the cookie, or "" if there is none.
func (s *Session) cookieValue() string {
	if cookie := s.hidden().cookie; cookie != nil {
		return cookie.Value
	}
	return ""
}

// same tells whether two sessions are one to the server.
func (s *Session) same(other *Session) bool {
	return s.hidden().cookie != nil && s.hidden().header == other.hidden().header
}

// Token returns the access token, which is a secret, or "" if there is none.
func (s *Session) Token() string { return s.hidden().token }

// Cookie returns a copy of the cookie that presents the session, which is a secret, with the attributes that the
// server gave it. It is nil if there is none.
func (s *Session) Cookie() *http.Cookie {
	cookie := s.hidden().cookie
	if cookie == nil {
		return nil
	}
	c := *cookie
	return &c
}

// Apply adds the session's cookie to req, beside the cookies it has and in place of an earlier session's. It does
// nothing if s is nil or has no cookie. It does not look where req goes: mind that, or use [Client.HTTPClient].
func (s *Session) Apply(req *http.Request) {
	secret := s.hidden()
	if secret.cookie == nil {
		return
	}
	header := secret.header[:] // shared, and full, so that an append copies it
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	if req.Header["Cookie"] == nil {
		req.Header["Cookie"] = header
		return
	}
	var cookies []string
	for _, line := range req.Header["Cookie"] {
		for cookie := range strings.SplitSeq(line, ";") {
			cookie = strings.Trim(cookie, " \t")
			if name, _, _ := strings.Cut(cookie, "="); cookie != "" && strings.Trim(name, " \t") != cookieName {
				cookies = append(cookies, cookie)
			}
		}
	}
	req.Header["Cookie"] = []string{strings.Join(append(cookies, header...), "; ")}
}

// Valid reports whether s is not nil, has a secret that a cookie can carry, and is not past its Expiry. Whether the
// server still knows the session shows only when it is used.
func (s *Session) Valid() bool {
	return s.hidden().cookie != nil && (s.Expiry.IsZero() || time.Now().Before(s.Expiry))
}

// String names the session's user, and shows no secret.
func (s Session) String() string { return fmt.Sprintf("Session(user %s)", s.UserID) }

// exportVersion is the version of what Export writes. A change that an older ImportSession would misread raises it.
const exportVersion = 1

type exportedSession struct {
	Version     int       `json:"version"`
	UserID      string    `json:"user_id"`
	AccessLevel string    `json:"access_level,omitempty"`
	Expiry      time.Time `json:"expiry,omitzero"`
	Token       string    `json:"token"`
	Cookie      string    `json:"cookie,omitempty"` // as in Set-Cookie
	Origin      string    `json:"origin,omitempty"`
	Account     string    `json:"account,omitempty"`
}

// Export returns the session as JSON, for [ImportSession]. It holds the secret: keep it like a password. It fails
// with [ErrNoSession] if there is none.
func (s *Session) Export() ([]byte, error) {
	h := s.hidden()
	if h.cookie == nil {
		return nil, fmt.Errorf("kalshiauth: Export: %w", ErrNoSession)
	}
	data, err := json.Marshal(exportedSession{
		Version: exportVersion, UserID: s.UserID, AccessLevel: s.AccessLevel, Expiry: s.Expiry,
		Token: h.token, Cookie: h.cookie.String(), Origin: h.origin, Account: h.account,
	})
	if err != nil {
		return nil, fmt.Errorf("kalshiauth: Export: %w", err)
	}
	return data, nil
}

// ImportSession returns the session that [Session.Export] wrote. Data that is not that of a session, or that a later
// version of this package wrote, is an error that wraps [ErrInvalidInput] and shows nothing of the data.
func ImportSession(data []byte) (*Session, error) {
	fail := func(why string) (*Session, error) {
		return nil, fmt.Errorf("kalshiauth: ImportSession: %w: %s", ErrInvalidInput, why)
	}
	var e exportedSession
	if err := json.Unmarshal(data, &e); err != nil {
		return fail("not an exported session: not the JSON that Export writes") // err may quote the data
	}
	switch {
	case e.Version > exportVersion:
		return fail(fmt.Sprintf("the session has the format version %d, and this package reads %d: update kalshiauth-go",
			e.Version, exportVersion))
	case e.Version < 1:
		return fail("not an exported session: it has no version")
	}
	cookie, err := http.ParseSetCookie(e.Cookie)
	if err != nil || cookie.Name != cookieName {
		cookie = new(http.Cookie)
	}
	cookie.Raw, cookie.Unparsed = "", nil
	session := newSession(e.UserID, e.AccessLevel, e.Expiry, &sessionSecret{
		token: e.Token, cookie: cookie, origin: e.Origin, account: e.Account,
	})
	if e.Token == "" || session.hidden().cookie == nil {
		return fail("not an exported session: it has no secret")
	}
	return session, nil
}

// maxLifetime is the longest that a browser keeps a cookie (RFC 6265bis, section 5.5).
const maxLifetime = 400 * 24 * time.Hour

// loginCookie returns the session cookie that an answer from host sets, and how long it lives (0: it does not say).
// It is nil if the answer sets none, sets one for another host, or deletes it again.
func loginCookie(resp *http.Response, host string) (*http.Cookie, time.Duration) {
	var found *http.Cookie
	var lifetime time.Duration
	for _, line := range resp.Header["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil || c.Name != cookieName || !domainMatches(c.Domain, host) {
			continue
		}
		c.Raw, c.Unparsed = "", nil
		found, lifetime = c, 0
		switch {
		case c.MaxAge > 0:
			lifetime = time.Duration(min(c.MaxAge, int(maxLifetime/time.Second))) * time.Second
		case c.MaxAge == 0 && !c.Expires.IsZero():
			// By the server's clock, so that a wrong one here does no harm.
			lifetime = min(c.Expires.Sub(serverTime(resp)), maxLifetime)
		}
		if c.Value == "" || c.MaxAge < 0 || lifetime < 0 {
			found, lifetime = nil, 0
		}
	}
	return found, lifetime
}

// serverTime is the server's clock when it answered, or ours if it does not say.
func serverTime(resp *http.Response) time.Time {
	if t, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		return t
	}
	return time.Now()
}

// domainMatches tells whether a host may set a cookie for domain (RFC 6265, section 5.1.3).
func domainMatches(domain, host string) bool {
	domain, host = strings.ToLower(strings.TrimPrefix(domain, ".")), strings.ToLower(host)
	return domain == "" || domain == host ||
		strings.Contains(domain, ".") && strings.HasSuffix(host, "."+domain) && net.ParseIP(host) == nil
}
