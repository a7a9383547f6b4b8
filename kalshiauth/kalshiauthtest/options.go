package kalshiauthtest

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// An Option configures a [Server]. An option with an invalid argument panics.
type Option func(*Server)

// WithPathPrefix serves everything below a path, such as "/v1", as Kalshi does. The default is none.
func WithPathPrefix(prefix string) Option {
	u := url.URL{Path: prefix}
	if prefix != "" && (prefix[0] != '/' || prefix == "/" || path.Clean(prefix) != prefix || u.EscapedPath() != prefix) {
		panic(fmt.Sprintf("kalshiauthtest: WithPathPrefix(%q): not a path that begins, and does not end, with a slash, "+
			"such as /v1", prefix))
	}
	return func(s *Server) { s.prefix = prefix }
}

// WithSessionLifetime sets how long a session lives after the log-in, whether it is used or not. The default is 30
// minutes. The server does not announce the end: later requests get a 401.
func WithSessionLifetime(d time.Duration) Option {
	mustBePositive("WithSessionLifetime", d)
	return func(s *Server) { s.accounts.sessionLifetime = d }
}

// WithCodeLifetime sets how long a mailed code can be used. The default is an hour.
func WithCodeLifetime(d time.Duration) Option {
	mustBePositive("WithCodeLifetime", d)
	return func(s *Server) { s.accounts.codeLifetime = d }
}

func mustBePositive(option string, d time.Duration) {
	if d <= 0 {
		panic(fmt.Sprintf("kalshiauthtest: %s(%v): not a positive duration", option, d))
	}
}

// WithClock sets the clock by which sessions and codes expire. The default is [time.Now]. now must be safe for
// concurrent use.
func WithClock(now func() time.Time) Option {
	if now == nil {
		panic("kalshiauthtest: WithClock: the clock is nil")
	}
	return func(s *Server) { s.accounts.now = now }
}

// WithMailer sets a function that the server calls for each mail, after adding it to [Server.Outbox] and before it
// answers the request for the reset. send must be safe for concurrent use.
func WithMailer(send func(Mail)) Option {
	if send == nil {
		panic("kalshiauthtest: WithMailer: the mailer is nil")
	}
	return func(s *Server) { s.accounts.mailer = send }
}

// WithResetPage sets the page that the link of a mail leads to: [Mail.Link] is page, the code as a further segment of
// its path, and the query parameter user_id. page is an absolute URL without a query, such as
// "http://localhost:3000/new-password". The default is a site that does not exist.
func WithResetPage(page string) Option {
	u, err := url.Parse(page)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.ContainsAny(page, "?#") {
		panic(fmt.Sprintf("kalshiauthtest: WithResetPage(%q): not an absolute http or https URL without a query", page))
	}
	return func(s *Server) { s.accounts.resetPage = strings.TrimSuffix(page, "/") }
}

// WithCookieSameSite sets the attribute SameSite of the session cookie. The default is [http.SameSiteLaxMode]. For a
// page of another site, a browser sends the cookie only if it is [http.SameSiteNoneMode], which needs TLS: without TLS,
// the server sends [http.SameSiteLaxMode] in its place.
func WithCookieSameSite(mode http.SameSite) Option {
	if mode < http.SameSiteLaxMode || mode > http.SameSiteNoneMode {
		panic(fmt.Sprintf("kalshiauthtest: WithCookieSameSite(%d): not Lax, Strict or None", mode))
	}
	return func(s *Server) { s.accounts.sameSite = mode }
}

// WithTLS makes [NewServer] listen with TLS, and offer HTTP/2. [Server.Client] trusts the certificate. It has no effect
// on [NewUnstartedServer].
func WithTLS() Option {
	return func(s *Server) { s.tls = true }
}
