package kalshiauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/gen"
)

// Base URLs of Kalshi's servers, as the OpenAPI document lists them.
const (
	ProductionURL = gen.ServerURLProduction
	DemoURL       = gen.ServerURLDemo
)

const defaultTimeout = 30 * time.Second

const userAgent = "kalshiauth-go/0.1.0"

// A Client calls the auth operations of one server. It holds no session and is safe for concurrent use.
type Client struct {
	// A func, since fmt follows every other kind of field, down to the buffers of connections.
	config func() *config
}

type config struct {
	base         *url.URL
	origin       string      // of base
	caller       http.Client // as the caller gave it
	api          *gen.Client // sends by Do
	timeout      time.Duration
	retries      int
	userAgent    []string
	present      func(req *http.Request, s *Session)
	log          *slog.Logger
	insecureHTTP bool
}

// New returns a client of [ProductionURL], or of the server that [WithBaseURL] names. A wrong option is an error that
// wraps [ErrInvalidInput].
func New(opts ...Option) (*Client, error) {
	c := &config{
		timeout:   defaultTimeout,
		retries:   2,
		userAgent: []string{userAgent},
		present:   func(req *http.Request, s *Session) { s.Apply(req) },
		log:       slog.New(slog.DiscardHandler),
	}
	for _, opt := range append([]Option{WithBaseURL(ProductionURL)}, opts...) {
		if opt == nil {
			return nil, fmt.Errorf("kalshiauth: New: %w: an option is nil", ErrInvalidInput)
		}
		if err := opt(c); err != nil {
			return nil, fmt.Errorf("kalshiauth: New: %w: %w", ErrInvalidInput, err)
		}
	}
	if c.base.Scheme == "http" && !c.insecureHTTP && !isLoopback(c.base.Hostname()) {
		return nil, fmt.Errorf("kalshiauth: New: %w: WithBaseURL: http would send the password to %s in the clear: "+
			"use https, or allow it with WithInsecureHTTP", ErrInvalidInput, c.base.Host)
	}
	c.origin = origin(c.base)
	c.caller.Transport = cmp.Or(c.caller.Transport, http.DefaultTransport)
	// Its URLs are the document's paths: the base URL is parsed once, here.
	c.api = &gen.Client{Server: "/", Client: c, RequestEditors: []gen.RequestEditorFn{c.address}}
	return &Client{config: func() *config { return c }}, nil
}

// BaseURL returns the URL below which the client's server serves the API, without a slash at the end.
func (c *Client) BaseURL() string { return c.config().base.String() }

// String names the client's server.
func (c *Client) String() string { return "Client(" + c.BaseURL() + ")" }

// acceptJSON is a header of each request. Nobody changes it.
var acceptJSON = []string{"application/json"}

// address makes a request to one of the document's paths one to the server.
func (c *config) address(_ context.Context, req *http.Request) error {
	u := *c.base
	if u.RawPath != "" || req.URL.RawPath != "" {
		u.RawPath = u.EscapedPath() + req.URL.EscapedPath()
	}
	u.Path += req.URL.Path
	*req.URL = u
	req.Host = u.Host
	req.Header["Accept"] = acceptJSON
	req.Header["User-Agent"] = c.userAgent
	return nil
}

// Do sends one request, for gen.Client. It is what remains of http.Client.Do without redirects and jar. With its
// CheckRedirect, http.Client follows none either, but fails on a Location that it cannot parse, and loses the status.
func (c *config) Do(req *http.Request) (*http.Response, error) {
	resp, err := c.caller.Transport.RoundTrip(req)
	if err == nil && resp == nil {
		err = errors.New("the transport returned neither a response nor an error")
	}
	if err != nil {
		return nil, &url.Error{Op: req.Method, URL: req.URL.String(), Err: err}
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	return resp, nil
}

// origin is what RFC 6454 calls so, in a form that can be compared: the port is always there.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

// An Option configures a [Client]. Options may come in any order; of two that say the same thing, the last one holds.
type Option func(*config) error

// WithBaseURL sets the URL below which the server serves the API, such as [DemoURL]. It is absolute, without user,
// query or fragment, and https unless the host is loopback or [WithInsecureHTTP] is given.
func WithBaseURL(baseURL string) Option {
	return func(c *config) error {
		u, err := url.Parse(baseURL)
		if err != nil {
			if strings.Contains(baseURL, "@") { // any part of it may be a password
				return errors.New("WithBaseURL: not a URL, or one with a user; credentials go to Login")
			}
			return fmt.Errorf("WithBaseURL: %w", err)
		}
		switch {
		case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
			return errors.New("WithBaseURL: not an absolute URL, such as " + ProductionURL)
		case u.User != nil:
			return errors.New("WithBaseURL: the URL has a user; credentials go to Login")
		case u.RawQuery != "" || u.ForceQuery:
			return errors.New("WithBaseURL: the URL has a query")
		case u.Fragment != "" || strings.Contains(baseURL, "#"):
			return errors.New("WithBaseURL: the URL has a fragment")
		}
		server := url.URL{Scheme: u.Scheme, Host: strings.TrimSuffix(u.Host, ":")}
		c.base, err = url.Parse(server.String() + strings.TrimRight(u.EscapedPath(), "/"))
		return err //nolint:wrapcheck // mutant: what was parsed once can be parsed again
	}
}

// WithHTTPClient sets the client that sends the requests: its transport, with proxies, TLS and instrumentation, and
// its Timeout, which limits each try. It is copied, not changed; its jar and its redirect policy are not used. Its
// transport must not follow redirects by itself (that of retryablehttp does), since it would take the password
// along.
func WithHTTPClient(client *http.Client) Option {
	return func(c *config) error {
		if client == nil {
			return errors.New("WithHTTPClient: the client is nil")
		}
		c.caller = *client
		return nil
	}
}

// WithTimeout limits a whole call, retries and the time between them included. The default is 30 seconds; 0 means no
// limit but the context's.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("WithTimeout: %v is negative", d)
		}
		c.timeout = d
		return nil
	}
}

// WithUserAgent puts the name of your program, such as "mybot/1.2", in front of our own in the User-Agent header.
func WithUserAgent(product string) Option {
	return func(c *config) error {
		if strings.ContainsFunc(product, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return errors.New("WithUserAgent: the name has a control character")
		}
		c.userAgent = []string{strings.TrimSpace(product + " " + userAgent)}
		return nil
	}
}

// WithLogger sets where calls and retries are logged: each try at level Debug, each retry at level Info. The default
// is to log nothing. No record holds a secret or an e-mail address.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) error {
		if logger == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		c.log = logger
		return nil
	}
}

// WithRetries sets how often a call is tried again, at most. The default is 2; 0 means never.
//
// [Client.Login] and [Client.Logout] are retried where no answer came, and after a 502, 503 or 504. The two reset
// operations are retried only where the server cannot have processed the request: no connection was made, or the
// answer is a 503 with Retry-After. Between the tries passes what the server's Retry-After says, or a random time
// that grows from about 0.1 seconds. A wait that would outlast the deadline is not begun: the call ends with the
// answer it has.
func WithRetries(n int) Option {
	return func(c *config) error {
		if n < 0 {
			return fmt.Errorf("WithRetries: %d is negative", n)
		}
		c.retries = n
		return nil
	}
}

// WithAuthorizationScheme presents the session's token in the Authorization header instead of the cookie: behind a
// scheme such as "Bearer", or bare if the scheme is empty.
func WithAuthorizationScheme(scheme string) Option {
	return func(c *config) error {
		prefix := ""
		if scheme != "" {
			// A cookie's name and a scheme are both what RFC 9110 calls a token.
			if (&http.Cookie{Name: scheme}).Valid() != nil {
				return fmt.Errorf("WithAuthorizationScheme: %q is not one word, such as Bearer", scheme)
			}
			prefix = scheme + " "
		}
		c.present = func(req *http.Request, s *Session) { req.Header.Set("Authorization", prefix+s.Token()) }
		return nil
	}
}

// WithInsecureHTTP allows a base URL with http to any host, which sends passwords and sessions in the clear. Without
// it, http is allowed to loopback only.
func WithInsecureHTTP() Option {
	return func(c *config) error {
		c.insecureHTTP = true
		return nil
	}
}
