package kalshiauth

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/kalshiauth/kalshiauth-go/gen"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

// Base URLs of the servers that the OpenAPI document lists.
const (
	ProductionURL = gen.ServerURLProduction
	DemoURL       = gen.ServerURLDemo
)

const ownUserAgent = "kalshiauth-go/0.1.0"

// A Client calls the auth operations of one server. It holds no session and is safe for concurrent use.
type Client struct {
	sender func() *sender // a func: fmt prints the contents of every other kind of field, even buffers of connections
}

// New returns a client of [ProductionURL], or of the server that [WithBaseURL] names. For an invalid option it returns
// an error that wraps [ErrInvalidInput]. It sends nothing.
func New(opts ...Option) (*Client, error) {
	s := &sender{
		timeout: 30 * time.Second, retries: 2, userAgent: ownUserAgent, present: presentCookie,
		log: slog.New(slog.DiscardHandler),
	}
	for _, opt := range append([]Option{WithBaseURL(ProductionURL)}, opts...) {
		if opt == nil {
			return nil, fmt.Errorf("kalshiauth: New: %w: an option is nil", ErrInvalidInput)
		}
		if err := opt(s); err != nil {
			return nil, fmt.Errorf("kalshiauth: New: %w: %w", ErrInvalidInput, err)
		}
	}
	if s.base.Scheme == "http" && !s.insecureHTTP && !isLoopback(s.base.Hostname()) {
		return nil, fmt.Errorf("kalshiauth: New: %w: WithBaseURL: http would send the password to %s unencrypted: "+
			"use https, or allow it with WithInsecureHTTP", ErrInvalidInput, s.base.Host)
	}
	s.origin = origin(s.base)
	// The generated client parses Server for each request. The path is enough: Do sets the scheme and the host.
	s.gen = &gen.Client{Server: s.base.EscapedPath() + "/", Client: s}
	return &Client{func() *sender { return s }}, nil
}

// BaseURL returns the base URL of the API, without a slash at the end.
func (c *Client) BaseURL() string { return c.sender().base.String() }

// String names the client's server.
func (c *Client) String() string { return "Client(" + c.BaseURL() + ")" }

// UserAgent returns the User-Agent header of the client's requests.
func (c *Client) UserAgent() string { return c.sender().userAgent }

// HTTPClient returns a copy of the client from [WithHTTPClient], without its cookie jar. It adds no session to
// requests: use [Client.Authorize] for that.
func (c *Client) HTTPClient() *http.Client {
	client := c.sender().caller
	client.Jar = nil
	return &client
}

// Serves reports whether u has the origin of the API: the same scheme, host and port as the base URL. The scheme ws
// counts as http, and wss as https.
func (c *Client) Serves(u *url.URL) bool {
	s := c.sender()
	return u != nil && u.Opaque == "" && (u.Host == s.base.Host && u.Scheme == s.base.Scheme || origin(u) == s.origin)
}

// Authorize adds session to the headers of req: as a cookie, besides the other cookies of req, or, after
// [WithAuthorizationScheme], in the Authorization header. It replaces a session that was added before in
// the same form.
//
// Authorize fails and does not change req where req goes to another origin or session belongs to another server
// ([ErrInvalidInput]), and where session has no secret ([ErrNoSession]).
//
// An [http.Client] sends the added header along with redirects to the same host name, also with another port or scheme,
// and to its subdomains. Send the request with a client that follows no redirects, or with that of package autologin,
// which presents the session to the API's origin only.
func (c *Client) Authorize(req *http.Request, session *Session) error {
	s := c.sender()
	if req == nil || !c.Serves(req.URL) {
		return fmt.Errorf("kalshiauth: Authorize: %w: the request does not go to %s", ErrInvalidInput, s.origin)
	}
	if err := s.accepts(session); err != nil {
		return fmt.Errorf("kalshiauth: Authorize: %w", err)
	}
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	s.present(req.Header, session)
	return nil
}

// Login exchanges credentials for a session (POST /log_in). If the server rejects them, the error is [ErrUnauthorized]
// or [ErrForbidden]. A malformed e-mail address or a password of fewer than 6 characters is [ErrInvalidInput], and is
// not sent.
//
// Users report that a session expires after about half an hour. A program that runs longer uses package autologin.
func (c *Client) Login(ctx context.Context, creds Credentials) (*Session, error) {
	return do(ctx, c.sender(), creds, &call[Credentials, *Session]{
		op: "Login", success: http.StatusOK, retry: unanswered,
		check: func(_ *sender, in Credentials) error {
			return invalid(checkEmail(in.Email), checkPassword(in.Password))
		},
		secrets: func(in Credentials) redact.Secrets { return redact.Secrets{in.Password} },
		send: func(ctx context.Context, s *sender, in Credentials) (*http.Response, error) {
			return s.gen.Login(ctx, gen.LoginRequest{Email: in.Email, Password: in.Password})
		},
		decode: sessionOf,
	})
}

// Logout ends a session (POST /log_out). If the server no longer knows the session, the error is [ErrUnauthorized],
// except after a retry: then an earlier try has probably ended the session, and Logout returns nil. A nil session, or
// one without a secret, is [ErrNoSession]. A session of another server is [ErrInvalidInput]. Neither is sent.
func (c *Client) Logout(ctx context.Context, session *Session) error {
	_, err := do(ctx, c.sender(), session, &call[*Session, none]{
		op: "Logout", check: (*sender).accepts, success: http.StatusNoContent, retry: unanswered, repeat: sessionOver,
		secrets: (*Session).secrets,
		send: func(ctx context.Context, s *sender, in *Session) (*http.Response, error) {
			return s.gen.Logout(ctx, s.authorize(in))
		},
	})
	return err
}

// ResetPassword asks the server to e-mail the account's owner a link for setting a new password
// (POST /passwords/reset). A server that does not tell which addresses have an account reports success for all of them.
// A malformed address is [ErrInvalidInput], and is not sent.
func (c *Client) ResetPassword(ctx context.Context, email string) error {
	_, err := do(ctx, c.sender(), email, &call[string, none]{
		op: "ResetPassword", success: http.StatusAccepted, retry: unprocessed,
		check:   func(_ *sender, in string) error { return invalid(checkEmail(in)) },
		secrets: func(string) redact.Secrets { return nil },
		send: func(ctx context.Context, s *sender, in string) (*http.Response, error) {
			return s.gen.ResetPassword(ctx, gen.ResetPasswordRequest{Email: in})
		},
	})
	return err
}

// ResetPasswordConfirm sets a new password with the code from the e-mailed link (PUT /passwords/reset/{code}/confirm).
// A wrong, used or expired code is [ErrBadRequest]. Malformed input is [ErrInvalidInput], and is not sent.
func (c *Client) ResetPasswordConfirm(ctx context.Context, confirm PasswordResetConfirmation) error {
	_, err := do(ctx, c.sender(), confirm, &call[PasswordResetConfirmation, none]{
		op: "ResetPasswordConfirm", success: http.StatusNoContent, retry: unprocessed,
		check: func(_ *sender, in PasswordResetConfirmation) error {
			return invalid(checkCode(in.Code), checkUserID(in.UserID), checkPassword(in.NewPassword))
		},
		secrets: func(in PasswordResetConfirmation) redact.Secrets { return redact.Secrets{in.Code, in.NewPassword} },
		send: func(ctx context.Context, s *sender, in PasswordResetConfirmation) (*http.Response, error) {
			body := gen.ConfirmPasswordResetRequest{UserID: in.UserID, Password: in.NewPassword}
			return s.gen.ResetPasswordConfirm(ctx, in.Code, body)
		},
	})
	return err
}

// none is the result of an operation whose success has no body.
type none = struct{}
