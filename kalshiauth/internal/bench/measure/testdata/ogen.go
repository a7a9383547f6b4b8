package main

import (
	"context"
	"net/http"

	"github.com/ogen-go/ogen/ogenerrors"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/bench/measure/ogenclient"
)

func ogenCalls(ctx context.Context, url string, caller *http.Client) (*calls, error) {
	c, err := ogenclient.NewClient(url, ogenCookie{}, ogenclient.WithClient(caller))
	if err != nil {
		return nil, err
	}
	return &calls{
		logIn: func() error {
			resp, err := c.Login(ctx, &ogenclient.LoginRequest{Email: email, Password: password})
			if err != nil {
				return err
			}
			login, ok := resp.(*ogenclient.LoginResponseHeaders)
			if !ok {
				return &unexpectedError{resp}
			}
			cookie, err := http.ParseSetCookie(login.SetCookie.Value)
			if err == nil && sessionCookie([]*http.Cookie{cookie}) == nil {
				err = &unexpectedError{resp}
			}
			return err
		},
		logOut: func() error {
			resp, err := c.Logout(ctx)
			if _, ok := resp.(*ogenclient.LogoutNoContent); err == nil && !ok {
				err = &unexpectedError{resp}
			}
			return err
		},
	}, nil
}

type ogenCookie struct{}

func (ogenCookie) Cookie(context.Context, ogenclient.OperationName) (ogenclient.Cookie, error) {
	return ogenclient.Cookie{APIKey: token}, nil
}

func (ogenCookie) Authorization(context.Context, ogenclient.OperationName) (ogenclient.Authorization, error) {
	return ogenclient.Authorization{}, ogenerrors.ErrSkipClientSecurity
}
