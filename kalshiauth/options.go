package kalshiauth

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// An Option configures a [Client]. The order matters only for options that set the same thing: the last one counts.
type Option func(*sender) error

// WithBaseURL sets the base URL of the API, such as [DemoURL]. It must be absolute, without user, query or fragment. It
// must be https, unless the host is loopback or [WithInsecureHTTP] is given. The default is [ProductionURL].
func WithBaseURL(baseURL string) Option {
	return func(c *sender) error {
		u, err := url.Parse(baseURL)
		if err != nil && !strings.Contains(baseURL, "@") { // any part of it may be a password
			return fmt.Errorf("WithBaseURL: %w", err)
		}
		if err != nil || u.User != nil {
			return errors.New("WithBaseURL: not a URL, or one with a user; pass credentials to Login")
		}
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		server := url.URL{Scheme: u.Scheme, Host: strings.TrimSuffix(u.Host, ":")}
		// Dot segments are resolved as the generated client does, so that BaseURL returns where the requests go.
		path := strings.TrimRight(server.ResolveReference(&url.URL{Path: u.Path, RawPath: u.RawPath}).EscapedPath(), "/")
		switch {
		case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
			return errors.New("WithBaseURL: not an absolute URL, such as " + ProductionURL)
		case u.RawQuery != "" || u.ForceQuery || strings.Contains(baseURL, "#") || strings.HasPrefix(path, "//"):
			return errors.New("WithBaseURL: the URL has a query, a fragment, or a path that begins with two slashes")
		case u.Port() != "" && (err != nil || port == 0):
			return fmt.Errorf("WithBaseURL: there is no port %s: ports are from 1 to 65535", u.Port())
		}
		c.base, err = url.Parse(server.String() + path)
		return err //nolint:wrapcheck // what was parsed once can be parsed again
	}
}

// option returns an Option that calls set if the argument is valid (ok), and else fails with the text why.
func option(ok bool, why string, set func(*sender)) Option {
	return func(c *sender) error {
		if ok {
			set(c)
		}
		return check(ok, why)
	}
}

// WithHTTPClient sets the HTTP client that sends the requests. [Client] uses a copy of it: its transport, with proxies,
// TLS and instrumentation, and its Timeout, which limits each try. The calls of [Client] do not use its cookie jar and
// its redirect policy. The default is an [http.Client] without settings.
//
// The transport sees passwords, sessions and, in the URL of [Client.ResetPasswordConfirm], the reset code. A transport
// that records URLs, such as that of otelhttp, needs a filter for these requests. The transport must not follow
// redirects and must not retry, as that of go-retryablehttp does: it would send the password to another address, and
// repeat calls where [WithRetries] does not. The page .github/docs/interop.md in the repository shows how to use such
// libraries.
func WithHTTPClient(client *http.Client) Option {
	return option(client != nil, "WithHTTPClient: the client is nil", func(c *sender) { c.caller = *client })
}

// WithTimeout limits the duration of a whole call, including retries and the waits between them. The default is 30
// seconds. With 0, only the context limits a call.
func WithTimeout(d time.Duration) Option {
	return option(d >= 0, "WithTimeout: the duration is negative", func(c *sender) { c.timeout = d })
}

// WithUserAgent puts the name of your program, such as "mybot/1.2", in front of the SDK's own in the User-Agent header.
func WithUserAgent(product string) Option {
	control := strings.ContainsFunc(product, func(r rune) bool { return r < ' ' || r == 0x7f })
	return option(!control, "WithUserAgent: the name has a control character", func(c *sender) {
		c.userAgent = strings.TrimSpace(product + " " + ownUserAgent)
	})
}

// WithLogger sets the logger: it gets each try at level Debug, and each retry at level Info. The default is to log
// nothing. No record holds a secret or an e-mail address: text that may hold one is replaced by "[redacted]".
func WithLogger(logger *slog.Logger) Option {
	return option(logger != nil, "WithLogger: the logger is nil", func(c *sender) { c.log = logger })
}

// WithRetries sets the maximum number of retries of a call. The default is 2; 0 means none.
//
// [Client.Login] and [Client.Logout] are retried if no response came, and after a 502, 503 or 504. The two reset
// operations are retried only if the server cannot have processed the request: no connection was made, or the response
// is a 503 with Retry-After. The wait before a retry is the server's Retry-After plus a random backoff, which grows
// from about 0.1 seconds. If the wait would be longer than a minute, or than the time left, the call returns its error
// without a retry.
func WithRetries(n int) Option {
	return option(n >= 0, "WithRetries: the number is negative", func(c *sender) { c.retries = n })
}

// WithAuthorizationScheme sends the session's token in the Authorization header instead of a cookie: "Bearer" gives
// "Bearer TOKEN", and "" gives the token alone.
func WithAuthorizationScheme(scheme string) Option {
	// A cookie's name and a scheme are both what RFC 9110 calls a token.
	ok := scheme == "" || (&http.Cookie{Name: scheme}).Valid() == nil
	return option(ok, "WithAuthorizationScheme: the scheme is not one word, such as Bearer", func(c *sender) {
		c.present = func(h http.Header, s *Session) {
			replaceCookie(h, "")
			h["Authorization"] = []string{strings.TrimSpace(scheme + " " + s.Token())}
		}
	})
}

// WithInsecureHTTP allows a base URL with http for any host. Passwords and sessions are then sent unencrypted. Without
// this option, http is allowed for loopback only.
func WithInsecureHTTP() Option {
	return option(true, "", func(c *sender) { c.insecureHTTP = true })
}

func presentCookie(h http.Header, s *Session) { replaceCookie(h, s.hidden().pair) }

// replaceCookie removes the session cookies of a request, keeps its other cookies, and adds pair unless it is "".
func replaceCookie(h http.Header, pair string) {
	var cookies []string
	for _, line := range h["Cookie"] {
		for cookie := range strings.SplitSeq(line, ";") {
			cookie = strings.Trim(cookie, " \t")
			if name, _, _ := strings.Cut(cookie, "="); cookie != "" && strings.Trim(name, " \t") != cookieName {
				cookies = append(cookies, cookie)
			}
		}
	}
	if pair != "" {
		cookies = append(cookies, pair)
	}
	if len(cookies) == 0 {
		delete(h, "Cookie")
		return
	}
	h["Cookie"] = append(cookies[:0], strings.Join(cookies, "; "))
}

// origin returns the origin of a URL (RFC 6454), always with a port, so that origins can be compared.
func origin(u *url.URL) string {
	scheme, port := strings.Replace(u.Scheme, "ws", "http", 1), u.Port() // also wss: https
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	host := strings.ReplaceAll(u.Hostname(), "İ", "i\u0307") // ToLower would make it an i, which is another host
	return scheme + "://" + net.JoinHostPort(strings.ToLower(host), port)
}

func isLoopback(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}
