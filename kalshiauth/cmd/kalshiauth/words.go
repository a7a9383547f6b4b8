package main

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// newClientAt returns a client of a server. Its errors name the flags, and are usage errors.
func newClientAt(
	flag, baseURL string, insecureHTTP bool, more ...kalshiauth.Option,
) (*kalshiauth.Client, error) {
	opts := append([]kalshiauth.Option{kalshiauth.WithBaseURL(baseURL), kalshiauth.WithUserAgent("kalshiauth")}, more...)
	if insecureHTTP {
		opts = append(opts, kalshiauth.WithInsecureHTTP())
	}
	client, err := kalshiauth.New(opts...)
	if err != nil {
		flags := strings.NewReplacer("-base-url", "-"+flag)
		return nil, wordedError{flags.Replace(inWords(err).Error()), err}
	}
	return client, nil
}

// A wordedError is an error in the words of the command.
type wordedError struct {
	text  string
	cause error
}

func (e wordedError) Error() string { return e.text }
func (e wordedError) Unwrap() error { return e.cause }

// functionNames are what errors of the packages begin with.
var functionNames = regexp.MustCompile(`^(kalshiauth|contract): (New|Run|HAR|Proxy)?(: )?(invalid input: )?`)

// inWords returns err in the words of the command.
func inWords(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return wordedError{"interrupted", err}
	}
	return wordedError{plainWords(functionNames.ReplaceAllString(err.Error(), "")), err}
}

// hint returns what the user can do about an error, or "".
func hint(err error) string {
	var answer *kalshiauth.Error
	hasAnswer := errors.As(err, &answer)
	switch {
	case errors.Is(err, kalshiauth.ErrNoSession):
		return "Log in first: kalshiauth login -email ADDRESS"
	case errors.Is(err, kalshiauth.ErrRateLimited), errors.Is(err, kalshiauth.ErrServer):
		return "The server has a problem: try again later."
	case errors.Is(err, kalshiauth.ErrUnexpectedResponse): // first: a 401 of this kind says nothing about the password
		return wrongServer
	case hasAnswer && answer.Op == "Login" && errors.Is(err, kalshiauth.ErrUnauthorized):
		return "Check the e-mail address and the password, or have a new one mailed: kalshiauth reset-password"
	case hasAnswer && answer.Op == "ResetPasswordConfirm" && errors.Is(err, kalshiauth.ErrBadRequest):
		return "The code may be wrong, used or too old. Have a new one mailed: kalshiauth reset-password"
	case errors.Is(err, context.DeadlineExceeded):
		return "The server does not answer: check -base-url and the network, or try again later."
	}
	var network *url.Error
	if errors.As(err, &network) {
		return "The server cannot be reached: check -base-url and the network."
	}
	return ""
}
