package kalshiauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/kalshiauth/kalshiauth-go/gen"
)

// minPassword is the document's minLength of a password, in characters.
const minPassword = 6

// Login exchanges credentials for a session (POST /log_in). A password that the server refuses is [ErrUnauthorized]
// or [ErrForbidden]; credentials that no account can have are [ErrInvalidInput], and are not sent.
//
// A program that runs for longer than a session lives wants [Client.LoginSource] instead.
func (c *Client) Login(ctx context.Context, creds Credentials) (*Session, error) {
	if err := errors.Join(checkEmail(creds.Email), checkPassword(creds.Password)); err != nil {
		return nil, inputError("Login", err)
	}
	return c.config().do(ctx, &opLogin, input{email: creds.Email, password: creds.Password})
}

var opLogin = operation{
	name:   "Login",
	status: http.StatusOK,
	retry:  unanswered,
	send: func(ctx context.Context, c *config, in input) (*http.Response, error) {
		return c.api.Login(ctx, gen.LoginRequest{Email: in.email, Password: in.password})
	},
	session: func(c *config, in input, resp *http.Response, body []byte) (_ *Session, problem string) {
		var login gen.LoginResponse
		if err := json.Unmarshal(body, &login); err != nil {
			return nil, "the body is not the JSON of a LoginResponse" // err may quote the token
		}
		if login.UserID == "" {
			return nil, "the body has no user_id"
		}
		cookie, lifetime := loginCookie(resp, c.base.Hostname())
		if cookie == nil {
			cookie = &http.Cookie{Name: cookieName, Value: login.Token}
		}
		if login.Token == "" {
			login.Token = cookie.Value
		}
		var expiry time.Time
		if lifetime > 0 {
			expiry = time.Now().Add(lifetime)
		}
		session := newSession(login.UserID, login.AccessLevel, expiry, &sessionSecret{
			token: login.Token, cookie: cookie, origin: c.origin, account: in.email,
		})
		if session.hidden().cookie == nil {
			return nil, "there is neither a session cookie for this host nor a token that a cookie can carry"
		}
		return session, ""
	},
}

// Logout ends a session (POST /log_out). A session that the server does not know any more is [ErrUnauthorized],
// except after a retry, when it is one that an earlier try has ended. A nil session, or one without a secret, is
// [ErrNoSession], and one that belongs to another server is [ErrInvalidInput]; neither is sent.
func (c *Client) Logout(ctx context.Context, s *Session) error {
	if s.hidden().cookie == nil {
		return fmt.Errorf("kalshiauth: Logout: %w", ErrNoSession)
	}
	if err := c.config().checkOrigin(s); err != nil {
		return fmt.Errorf("kalshiauth: Logout: %w", err)
	}
	_, err := c.config().do(ctx, &opLogout, input{session: s})
	return err
}

var opLogout = operation{
	name:     "Logout",
	status:   http.StatusNoContent,
	retry:    unanswered,
	repeated: ErrUnauthorized,
	send: func(ctx context.Context, c *config, in input) (*http.Response, error) {
		return c.api.Logout(ctx, func(_ context.Context, req *http.Request) error {
			c.present(req, in.session)
			return nil
		})
	},
}

// ResetPassword has a link for a new password mailed to the owner of an account (POST /passwords/reset). It succeeds
// for an address without an account, too, where the server keeps that to itself.
func (c *Client) ResetPassword(ctx context.Context, email string) error {
	if err := checkEmail(email); err != nil {
		return inputError("ResetPassword", err)
	}
	_, err := c.config().do(ctx, &opResetPassword, input{email: email})
	return err
}

var opResetPassword = operation{
	name:   "ResetPassword",
	status: http.StatusAccepted,
	retry:  unprocessed,
	send: func(ctx context.Context, c *config, in input) (*http.Response, error) {
		return c.api.ResetPassword(ctx, gen.ResetPasswordRequest{Email: in.email})
	},
}

// ResetPasswordConfirm sets a new password with the code from the e-mailed link (PUT
// /passwords/reset/{code}/confirm). A code that is wrong, used or over is [ErrBadRequest].
func (c *Client) ResetPasswordConfirm(ctx context.Context, confirm PasswordResetConfirmation) error {
	err := errors.Join(checkCode(confirm.Code), checkUserID(confirm.UserID), checkPassword(confirm.NewPassword))
	if err != nil {
		return inputError("ResetPasswordConfirm", err)
	}
	_, err = c.config().do(ctx, &opResetPasswordConfirm, input{
		code: confirm.Code, userID: confirm.UserID, password: confirm.NewPassword,
	})
	return err
}

var opResetPasswordConfirm = operation{
	name:   "ResetPasswordConfirm",
	status: http.StatusNoContent,
	retry:  unprocessed,
	send: func(ctx context.Context, c *config, in input) (*http.Response, error) {
		return c.api.ResetPasswordConfirm(ctx, in.code, gen.ConfirmPasswordResetRequest{
			UserID: in.userID, Password: in.password,
		})
	},
}

// checkOrigin refuses a session that is known to belong to another server.
func (c *config) checkOrigin(s *Session) error {
	if from, to := s.hidden().origin, c.origin; from != "" && from != to {
		return fmt.Errorf("%w: the session belongs to %s, and this client talks to %s", ErrInvalidInput, from, to)
	}
	return nil
}

// inputError joins what is wrong with the input of op into one line. It shows nothing of the input: a field may hold
// a secret that was meant for another.
func inputError(op string, err error) error {
	return fmt.Errorf("kalshiauth: %s: %w: %s", op, ErrInvalidInput, strings.ReplaceAll(err.Error(), "\n", "; "))
}

func checkEmail(email string) error {
	if local, domain, _ := strings.Cut(email, "@"); isDotAtom(local) && isDotAtom(domain) {
		return nil // as nearly all are; the parser costs a tenth of a log-in
	}
	addr, err := mail.ParseAddress(email)
	if err != nil || addr.Address != email && addr.String() != "<"+email+">" {
		return errors.New("the e-mail address is not one, such as trader@example.com")
	}
	return nil
}

// isDotAtom tells whether s is words of letters, digits and +, -, _ with single dots between them.
func isDotAtom(s string) bool {
	last := '.'
	for _, r := range s {
		switch {
		// mutant: what is taken for none here is the parser's to judge
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '+', r == '-', r == '_':
		case r == '.' && last != '.': // mutant: as above
		default:
			return false
		}
		last = r // mutant: as above
	}
	return last != '.'
}

func checkPassword(password string) error {
	if utf8.RuneCountInString(password) < minPassword {
		return fmt.Errorf("the password has fewer than %d characters", minPassword)
	}
	if !utf8.ValidString(password) {
		return errors.New("the password is not UTF-8, and JSON would change it")
	}
	return nil
}

func checkUserID(id string) error {
	if _, err := uuid.Parse(id); err != nil || len(id) != len(uuid.Nil.String()) {
		return errors.New("the user ID is not a UUID, such as the query parameter user_id of the e-mailed link")
	}
	return nil
}

func checkCode(code string) error {
	// url.URL.JoinPath and servers take dots for folders, and an empty code for none.
	if code == "" || code == "." || code == ".." {
		return errors.New("the code is not one from an e-mailed link")
	}
	return nil
}
