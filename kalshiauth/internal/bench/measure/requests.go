package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
)

// The clients of a request.
const (
	bareClient = "bare http.Client"
	jarClient  = "net/http/cookiejar"
	oauth2Name = "oauth2.Transport"
	ours       = "kalshiauth"
)

const request = "authenticated GET"

func requestTasks(p place) ([]task, error) {
	base := &http.Client{Transport: p.transport}

	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("making a jar: %w", err)
	}
	server, err := url.Parse(p.url)
	if err != nil {
		return nil, fmt.Errorf("parsing the server's URL: %w", err)
	}
	jar.SetCookies(server, []*http.Cookie{{Name: "sessions", Value: token, Path: "/"}})

	tokens := oauth2.ReuseTokenSource(nil, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}))

	client, err := kalshiauth.New(kalshiauth.WithBaseURL(p.url), kalshiauth.WithHTTPClient(base))
	if err != nil {
		return nil, err
	}
	credentials := autologin.StaticCredentials(kalshiauth.Credentials{Email: email, Password: password})
	source, err := autologin.New(client, credentials)
	if err != nil {
		return nil, err
	}
	return []task{{request, []candidate{
		{bareClient, get(base, p)},
		{jarClient, get(&http.Client{Transport: p.transport, Jar: jar}, p)},
		{oauth2Name, get(&http.Client{Transport: &oauth2.Transport{Source: tokens, Base: p.transport}}, p)},
		{ours, get(source.HTTPClient(), p)},
	}}}, nil
}

// get returns a call that sends a request as a careful caller does.
func get(client *http.Client, p place) func() error {
	ctx, target := context.Background(), p.url+balance
	return func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return fmt.Errorf("get: %w", err)
		}
		req.Header.Set("Accept", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return fmt.Errorf("get: %w", err)
		}
		defer func() { _ = resp.Body.Close() }()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return fmt.Errorf("get: %w", err)
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("get: unexpected status %s", resp.Status)
		}
		return nil
	}
}
