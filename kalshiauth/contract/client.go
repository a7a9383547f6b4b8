package contract

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// readers call the operations of our own client.
var readers = map[string]func(context.Context, *kalshiauth.Client) error{
	"Login": func(ctx context.Context, c *kalshiauth.Client) error {
		_, err := c.Login(ctx, kalshiauth.Credentials{Email: unknownEmail(), Password: unknownEmail()})
		return err
	},
	"Logout": func(ctx context.Context, c *kalshiauth.Client) error {
		return c.Logout(ctx, kalshiauth.SessionFromToken(randomUUID(), randomUUID()))
	},
	"ResetPassword": func(ctx context.Context, c *kalshiauth.Client) error {
		return c.ResetPassword(ctx, unknownEmail())
	},
	"ResetPasswordConfirm": func(ctx context.Context, c *kalshiauth.Client) error {
		return c.ResetPasswordConfirm(ctx, kalshiauth.PasswordResetConfirmation{
			Code: randomUUID(), UserID: randomUUID(), NewPassword: unknownEmail(),
		})
	},
}

// A replay is a transport that answers each request with a response that came before.
type replay struct{ *answer }

func (p replay) RoundTrip(req *http.Request) (*http.Response, error) {
	data := p.body().data
	return &http.Response{
		StatusCode: p.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: p.header.Clone(),
		ContentLength: int64(len(data)), Body: io.NopCloser(bytes.NewReader(data)), Request: req,
	}, nil
}

// read has our own client read a response of an operation.
func read(ctx context.Context, operation string, a *answer) error {
	call := readers[operation]
	client, err := kalshiauth.New(
		kalshiauth.WithHTTPClient(&http.Client{Transport: replay{a}}),
		kalshiauth.WithRetries(0),
	)
	if err != nil || call == nil {
		return err
	}
	return call(ctx, client)
}

// unreadable returns why our own client cannot read a response, or "".
func unreadable(ctx context.Context, operation string, a *answer) string {
	if err := read(ctx, operation, a); errors.Is(err, kalshiauth.ErrUnexpectedResponse) {
		return "the Go client of this module cannot read the response"
	}
	return ""
}

// retryAfter returns how long a response asks to wait, or 0.
func retryAfter(ctx context.Context, a *answer) time.Duration {
	var answered *kalshiauth.Error
	if errors.As(read(ctx, "ResetPassword", a), &answered) {
		return answered.RetryAfter
	}
	return 0
}
