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
)

// The clients of a request.
const (
	bareClient = "bare http.Client"
	jarClient  = "net/http/cookiejar"
	oauth2Name = "oauth2.Transport"
	ours       = "kalshiauth"
)

const request = "a request"

// requestSuite compares what a session adds to a request that is not about the session.
func requestSuite() suite {
	return suite{
		name: "The path of a request",
		note: "A GET of a small JSON body, with a session that lives: what each client " +
			"adds to a bare `http.Client`: time, memory, allocations.",
		tasks: requestTasks,
		judge: judgeRequests,
	}
}

func requestTasks(p place) ([]task, error) {
	base := &http.Client{Transport: p.transport}

	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("the jar: %w", err)
	}
	server, err := url.Parse(p.url)
	if err != nil {
		return nil, fmt.Errorf("the server: %w", err)
	}
	jar.SetCookies(server, []*http.Cookie{{Name: "sessions", Value: token, Path: "/"}})

	tokens := oauth2.ReuseTokenSource(nil, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}))

	client, err := kalshiauth.New(kalshiauth.WithBaseURL(p.url), kalshiauth.WithHTTPClient(base))
	if err != nil {
		return nil, err
	}
	source := client.LoginSource(kalshiauth.StaticCredentials(kalshiauth.Credentials{Email: email, Password: password}))

	return []task{{request, []candidate{
		{bareClient, get(base, p)},
		{ours, get(client.HTTPClient(source), p)},
		{jarClient, get(&http.Client{Transport: p.transport, Jar: jar}, p)},
		{oauth2Name, get(&http.Client{Transport: &oauth2.Transport{Source: tokens, Base: p.transport}}, p)},
	}}}, nil
}

// get returns a call of a request as a careful caller makes it.
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
			return fmt.Errorf("the answer is %s", resp.Status)
		}
		return nil
	}
}

// judgeRequests judges times in memory alone: over loopback, what a client adds is less than the noise.
func judgeRequests(all results) (verdicts []verdict, err error) {
	of := func(place, cores, candidate string) (f figure) {
		f, e := all.of(key{request, place, cores, candidate})
		if e != nil {
			err = e
		}
		return f
	}
	for _, place := range []string{inMemory, onLoopback} {
		for _, cores := range []string{oneCore, allCores} {
			added := of(place, cores, ours).allocs - of(place, cores, bareClient).allocs
			verdicts = append(verdicts, allocLimit(fmt.Sprintf("%s, %s: ours adds to the bare client", place, cores), added, 3))
		}
	}
	for _, cores := range []string{oneCore, allCores} {
		added := of(inMemory, cores, ours).more
		verdicts = append(verdicts,
			timeLimit(cores+": ours adds, against half of what the jar adds", added, of(inMemory, cores, jarClient).more/2),
			timeLimit(cores+": ours adds, against what oauth2.Transport adds", added, of(inMemory, cores, oauth2Name).more))
	}
	for _, place := range []string{inMemory, onLoopback} {
		verdicts = append(verdicts, timeLimit(place+": a request at all cores, against one goroutine",
			of(place, allCores, ours).nanoseconds, of(place, oneCore, ours).nanoseconds))
	}
	return verdicts, err
}
