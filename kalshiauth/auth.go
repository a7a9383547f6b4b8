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
	var session *Session
	err := c.config().do(ctx, operation{
		name:    "Login",
		status:  http.StatusOK,
		retry:   unanswered,
		secrets: secrets{creds.Password},
		send: func(ctx context.Context) (*http.Response, error) {
			return c.config().api.Login(ctx, gen.LoginRequest{Email: creds.Email, Password: creds.Password})
		},
		accept: func(resp *http.Response, body []byte) (problem string) {
			session, problem = c.config().sessionFrom(resp, body, creds.Email)
			return problem
		},
	})
	if err != nil {
		return nil, err
	}
	return session, nil
}

// sessionFrom makes a session of the answer to a login, or says what is wrong with the answer.
func (c *config) sessionFrom(resp *http.Response, body []byte, account string) (_ *Session, problem string) {
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
		token: login.Token, cookie: cookie, origin: c.origin, account: account,
	})
	if session.hidden().cookie == nil {
		return nil, "there is neither a session cookie for this host nor a token that a cookie can carry"
	}
	return session, ""
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
	tries := 0
	err := c.config().do(ctx, operation{
		name:    "Logout",
		status:  http.StatusNoContent,
		retry:   unanswered,
		secrets: secrets{s.hidden().token, s.hidden().cookie.Value},
		send: func(ctx context.Context) (*http.Response, error) {
			tries++
			return c.config().api.Logout(ctx, func(_ context.Context, req *http.Request) error {
				c.config().present(req, s)
				return nil
			})
		},
	})
	if tries > 1 && errors.Is(err, ErrUnauthorized) {
		return nil
	}
	return err
}

// ResetPassword has a link for a new password mailed to the owner of an account (POST /passwords/reset). It succeeds
// for an address without an account, too, where the server keeps that to itself.
func (c *Client) ResetPassword(ctx context.Context, email string) error {
	if err := checkEmail(email); err != nil {
		return inputError("ResetPassword", err)
	}
	return c.config().do(ctx, operation{
		name:   "ResetPassword",
		status: http.StatusAccepted,
		retry:  unprocessed,
		send: func(ctx context.Context) (*http.Response, error) {
			return c.config().api.ResetPassword(ctx, gen.ResetPasswordRequest{Email: email})
		},
	})
}

// ResetPasswordConfirm sets a new password with the code from the e-mailed link (PUT
// /passwords/reset/{code}/confirm). A code that is wrong, used or over is [ErrBadRequest].
func (c *Client) ResetPasswordConfirm(ctx context.Context, confirm PasswordResetConfirmation) error {
	err := errors.Join(checkCode(confirm.Code), checkUserID(confirm.UserID), checkPassword(confirm.NewPassword))
	if err != nil {
		return inputError("ResetPasswordConfirm", err)
	}
	return c.config().do(ctx, operation{
		name:    "ResetPasswordConfirm",
		status:  http.StatusNoContent,
		retry:   unprocessed,
		secrets: secrets{confirm.Code, confirm.NewPassword},
		send: func(ctx context.Context) (*http.Response, error) {
			return c.config().api.ResetPasswordConfirm(ctx, confirm.Code, gen.ConfirmPasswordResetRequest{
				UserID: confirm.UserID, Password: confirm.NewPassword,
			})
		},
	})
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
	addr, err := mail.ParseAddress(email)
	if err != nil || addr.Address != email && addr.String() != "<"+email+">" {
		return errors.New("the e-mail address is not one, such as trader@example.com")
	}
	return nil
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
