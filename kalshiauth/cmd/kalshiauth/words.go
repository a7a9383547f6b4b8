package main

import (
	"regexp"
	"strings"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// newClientAt returns a client of a server. Its errors name the flags, and are usage errors.
func newClientAt(flag, baseURL string, insecureHTTP bool) (*kalshiauth.Client, error) {
	opts := []kalshiauth.Option{kalshiauth.WithBaseURL(baseURL), kalshiauth.WithUserAgent("kalshiauth")}
	if insecureHTTP {
		opts = append(opts, kalshiauth.WithInsecureHTTP())
	}
	client, err := kalshiauth.New(opts...)
	if err != nil {
		flags := strings.NewReplacer("WithBaseURL", "-"+flag, "WithInsecureHTTP", "-insecure-http")
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

// inWords returns err without the name of a Go function.
func inWords(err error) error {
	if err == nil {
		return nil
	}
	return wordedError{functionNames.ReplaceAllString(err.Error(), ""), err}
}
