package kalshiauth

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/gen"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

// cookieName is the name of the document's security scheme "cookie".
const cookieName = "sessions"

// A Session is the result of a log-in. It is immutable: do not change its fields. Any number of goroutines may share
// it. It hides its secret from fmt, slog and encoders. To store a session, use [Session.Export]: an encoder writes only
// the exported fields. Its times are those of the local wall clock. The zero value and nil are sessions without a
// secret.
type Session struct {
	UserID      string    `json:"user_id"`                // the user's ID, a part of every path below /users/{user_id}
	AccessLevel string    `json:"access_level,omitempty"` // limits what the account may do; the set of values is open
	IssuedAt    time.Time `json:"issued_at,omitzero"`     // when the client received it; zero: not known
	Expiry      time.Time `json:"expiry,omitzero"`        // when it expires; zero: the server did not say

	secret func() *secret // a func: fmt prints the contents of every other kind of field; nil: none
}

// secret is what a Session hides.
type secret struct {
	token  string
	cookie *http.Cookie
	pair   string // the cookie as in the Cookie header
	origin string // of the server that accepts the session; "": any
	email  string // of the account; "": not known
}

// newSession returns a session, which has a secret only if a cookie can carry it. The times lose their monotonic clock
// reading, because that clock stops while a computer sleeps.
func newSession(s Session, hidden secret) *Session { //nolint:gocritic // a copy of s is part of the result
	s.IssuedAt, s.Expiry = s.IssuedAt.Round(0), s.Expiry.Round(0)
	hidden.cookie.Raw, hidden.cookie.Unparsed = "", nil // copies of the server's text
	whole := &struct {
		Session
		hidden secret
	}{s, hidden}
	value := hidden.cookie.Value
	if value != "" && (&http.Cookie{Name: cookieName, Value: value}).Valid() == nil {
		whole.hidden.pair = cookieName + "=" + value
		if hidden.cookie.Quoted || strings.ContainsAny(value, " ,") { // as http.Cookie.String writes it
			whole.hidden.pair = cookieName + `="` + value + `"`
		}
		whole.secret = func() *secret { return &whole.hidden }
	}
	return &whole.Session
}

// SessionFromToken returns a session for a token that was obtained elsewhere. A client of any server accepts it. If the
// token is empty or has a character that no cookie can carry, the session has no secret.
func SessionFromToken(userID, token string) *Session {
	return newSession(Session{UserID: userID}, secret{token: token, cookie: &http.Cookie{Name: cookieName, Value: token}})
}

// hidden returns the secret of s, or an empty one.
func (s *Session) hidden() *secret {
	if s == nil || s.secret == nil {
		return &secret{}
	}
	return s.secret()
}

// Token returns the access token, which is a secret, or "" if there is none. If the server sent only a cookie, it is
// the cookie's value.
func (s *Session) Token() string { return s.hidden().token }

// Cookie returns a copy of the session's cookie, with the attributes that the server set, or nil if there is none. Its
// value is a secret.
func (s *Session) Cookie() *http.Cookie {
	if s.hidden().cookie == nil {
		return nil
	}
	cookie := *s.hidden().cookie
	return &cookie
}

// secrets returns what errors must not show. The session must have a secret.
func (s *Session) secrets() redact.Secrets { return redact.Secrets{s.Token(), s.hidden().cookie.Value} }

// Valid reports whether s is not nil, has a secret, and is not past its Expiry. The server may have ended such a
// session earlier: only a request can tell.
func (s *Session) Valid() bool {
	return s.hidden().pair != "" && (s.Expiry.IsZero() || time.Now().Before(s.Expiry))
}

// Equal reports whether both sessions have the same secret: the same token and the same cookie. A session without a
// secret equals no session.
func (s *Session) Equal(other *Session) bool {
	return s.Token() != "" && s.Token() == other.Token() && s.hidden().pair == other.hidden().pair
}

// Email returns the e-mail address of the account that logged in, or "" if it is not known.
func (s *Session) Email() string { return s.hidden().email }

// Origin returns the origin of the server that accepts the session, such as "https://trading-api.kalshi.com:443",
// always with a port. It is "" for a session that is not bound to a server.
func (s *Session) Origin() string { return s.hidden().origin }

// String returns a text with the user's ID and no secret.
func (s Session) String() string {
	return fmt.Sprintf("Session(user %q)", redact.Secrets{s.Token()}.Text(s.UserID))
}

// exportVersion is the version of Export's format. Raise it for a change that an older ImportSession would misread.
const exportVersion = 1

// An exportedSession has the exported fields of a Session and its secret.
type exportedSession struct {
	Version int `json:"version"`
	Session
	Token  string `json:"token"`
	Cookie string `json:"cookie"` // as in Set-Cookie
	Origin string `json:"origin,omitempty"`
	Email  string `json:"email,omitempty"`
}

// Export returns the session as versioned JSON for [ImportSession]. The JSON holds the secret: protect it like a
// password. Export fails with [ErrNoSession] if the session has no secret.
func (s *Session) Export() ([]byte, error) {
	h := s.hidden()
	if h.cookie == nil {
		return nil, fmt.Errorf("kalshiauth: Export: %w", ErrNoSession)
	}
	data, err := json.Marshal(exportedSession{
		Version: exportVersion, Session: *s, Token: h.token, Cookie: h.cookie.String(), Origin: h.origin, Email: h.email,
	})
	if err != nil {
		return nil, fmt.Errorf("kalshiauth: Export: %w", err)
	}
	return data, nil
}

// ImportSession returns the session that [Session.Export] wrote. It fails with [ErrInvalidInput] if the data is
// malformed, or written by a later version of this package that changed the format. The error does not quote the data.
func ImportSession(data []byte) (*Session, error) {
	var e exportedSession
	err := json.Unmarshal(data, &e) // may quote the data
	if e.Version > exportVersion {
		return nil, fmt.Errorf("kalshiauth: ImportSession: %w: the data has version %d, and this package reads up to %d: "+
			"update kalshiauth-go", ErrInvalidInput, e.Version, exportVersion)
	}
	cookie, noCookie := http.ParseSetCookie(e.Cookie)
	if err == nil && noCookie == nil && e.Version > 0 && e.Token != "" && cookie.Name == cookieName {
		session := newSession(e.Session, secret{token: e.Token, cookie: cookie, origin: e.Origin, email: e.Email})
		if session.secret != nil {
			return session, nil
		}
	}
	return nil, fmt.Errorf("kalshiauth: ImportSession: %w: damaged, or not written by Export", ErrInvalidInput)
}

// maxLifetime is the longest time that a browser keeps a cookie (RFC 6265bis, section 5.5).
const maxLifetime = 400 * 24 * time.Hour

// sessionOf returns the session of a successful log-in, or an error that describes what is wrong with the response.
func sessionOf(s *sender, creds Credentials, resp *http.Response, body []byte) (*Session, error) {
	var login gen.LoginResponse
	if err := json.Unmarshal(body, &login); err != nil {
		return nil, errors.New("the body is not the JSON of a LoginResponse") // err may quote the token
	}
	if login.UserID == "" {
		return nil, errors.New("the body has no user_id")
	}
	session := Session{UserID: login.UserID, AccessLevel: login.AccessLevel, IssuedAt: time.Now()}
	cookie, lifetime := loginCookie(resp, s.base)
	if lifetime > 0 {
		session.Expiry = session.IssuedAt.Add(lifetime)
	}
	if cookie == nil {
		cookie = &http.Cookie{Name: cookieName, Value: login.Token}
	}
	hidden := secret{token: cmp.Or(login.Token, cookie.Value), cookie: cookie, origin: s.origin, email: creds.Email}
	if session := newSession(session, hidden); session.secret != nil {
		return session, nil
	}
	return nil, errors.New("there is neither a session cookie for this host nor a token that a cookie can carry")
}

// loginCookie returns the session cookie that a response of host sets, and its lifetime (0: not given). It returns nil
// if the response sets none, sets one for another host, or deletes it again.
func loginCookie(resp *http.Response, host *url.URL) (*http.Cookie, time.Duration) {
	var found *http.Cookie
	var lifetime time.Duration
	for _, line := range resp.Header["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil || c.Name != cookieName || c.Domain != "" && !domainMatches(c.Domain, host.Hostname()) {
			continue
		}
		found, lifetime = c, 0
		switch {
		case c.MaxAge > 0:
			lifetime = time.Duration(min(c.MaxAge, int(maxLifetime/time.Second))) * time.Second
		case c.MaxAge == 0 && !c.Expires.IsZero():
			// Expires is by the server's clock, and so is serverTime: the local clock may be wrong.
			if lifetime = min(c.Expires.Sub(serverTime(resp)), maxLifetime); lifetime <= 0 {
				c.MaxAge = -1
			}
		}
		if c.Value == "" || c.MaxAge < 0 {
			found, lifetime = nil, 0
		}
	}
	return found, lifetime
}

// domainMatches reports whether a host may set a cookie for domain (RFC 6265, section 5.1.3).
func domainMatches(domain, host string) bool {
	domain, host = strings.ToLower(strings.TrimPrefix(domain, ".")), strings.ToLower(host)
	return domain == "" || domain == host ||
		strings.Contains(domain, ".") && strings.HasSuffix(host, "."+domain) && net.ParseIP(host) == nil
}
