package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/kalshiauth/kalshiauth-go/gen"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// The clients of an operation, besides ours.
const (
	handClient = "by hand"
	genClient  = "gen"
	ogenClient = "ogen"
)

// The operations.
const (
	logIn   = "log-in"
	refused = "log-in refused"
	logOut  = "log-out"
)

// A newCalls returns the calls of a client of the server at url.
type newCalls func(ctx context.Context, url string, caller *http.Client) (*calls, error)

// calls are those of one client. An answer that is not the documented success is an error.
type calls struct {
	logIn, logOut func() error
}

var clients = []struct {
	name string
	new  newCalls
}{{handClient, handCalls}, {genClient, genCalls}, {ogenClient, ogenCalls}, {ours, ourCalls}}

func loginTasks(p place) ([]task, error) {
	t := task{name: logIn}
	for _, client := range clients {
		c, err := client.new(context.Background(), p.url, &http.Client{Transport: p.transport})
		if err != nil {
			return nil, err
		}
		t.candidates = append(t.candidates, candidate{client.name, c.logIn})
	}
	return []task{t}, nil
}

func otherTasks(p place) ([]task, error) {
	caller, tasks := &http.Client{Transport: p.transport}, []task{{name: refused}, {name: logOut}}
	for _, client := range clients {
		bad, err := client.new(context.Background(), p.url+refusing, caller)
		if err != nil {
			return nil, err
		}
		good, err := client.new(context.Background(), p.url, caller)
		if err != nil {
			return nil, err
		}
		for i, call := range []func() error{mustFail(bad.logIn), good.logOut} {
			tasks[i].candidates = append(tasks[i].candidates, candidate{client.name, call})
		}
	}
	return tasks, nil
}

// framingTasks are log-ins with answers of each framing and size, by hand and with ours.
func framingTasks(p place) (tasks []task, err error) {
	caller := &http.Client{Transport: p.transport}
	for _, f := range p.framings {
		for _, size := range bodySizes {
			url := p.url + framingPath(f, size)
			hand, err := handCalls(context.Background(), url, caller)
			if err != nil {
				return nil, err
			}
			our, err := ourCalls(context.Background(), url, caller)
			if err != nil {
				return nil, err
			}
			tasks = append(tasks, task{framingTask(f, size), []candidate{{handClient, hand.logIn}, {ours, our.logIn}}})
		}
	}
	return tasks, nil
}

func framingTask(f framing, size string) string { return string(f) + ", " + size + " KiB" }

func mustFail(call func() error) func() error {
	return func() error {
		if call() == nil {
			return errors.New("the call did not fail")
		}
		return nil
	}
}

func handCalls(ctx context.Context, url string, caller *http.Client) (*calls, error) {
	c := &byHand{url: url, http: caller}
	session := &byHandSession{UserID: userID, Token: token, Cookie: &http.Cookie{Name: "sessions", Value: token}}
	return &calls{
		logIn: func() error {
			_, err := c.login(ctx, email, password)
			return err
		},
		logOut: func() error { return c.logout(ctx, session) },
	}, nil
}

func genCalls(ctx context.Context, url string, caller *http.Client) (*calls, error) {
	c, err := gen.NewClientWithResponses(url, gen.WithHTTPClient(caller))
	if err != nil {
		return nil, err
	}
	cookie := &http.Cookie{Name: "sessions", Value: token}
	present := func(_ context.Context, req *http.Request) error { //nolint:unparam // gen's signature
		req.AddCookie(cookie)
		return nil
	}
	return &calls{
		logIn: func() error {
			resp, err := c.LoginWithResponse(ctx, gen.LoginRequest{Email: email, Password: password})
			if err == nil && (resp.JSON200 == nil || sessionCookie(resp.HTTPResponse.Cookies()) == nil) {
				err = &unexpectedError{resp}
			}
			return err
		},
		logOut: func() error {
			resp, err := c.LogoutWithResponse(ctx, present)
			if err == nil && resp.StatusCode() != http.StatusNoContent {
				err = &unexpectedError{resp}
			}
			return err
		},
	}, nil
}

// sessionCookie returns the cookie that presents the session. Every program needs it after a log-in.
func sessionCookie(cookies []*http.Cookie) *http.Cookie {
	for _, cookie := range cookies {
		if cookie.Name == "sessions" {
			return cookie
		}
	}
	return nil
}

func ourCalls(ctx context.Context, url string, caller *http.Client) (*calls, error) {
	c, err := kalshiauth.New(kalshiauth.WithBaseURL(url), kalshiauth.WithHTTPClient(caller))
	if err != nil {
		return nil, err
	}
	session := kalshiauth.SessionFromToken(userID, token)
	return &calls{
		logIn: func() error {
			_, err := c.Login(ctx, kalshiauth.Credentials{Email: email, Password: password})
			return err
		},
		logOut: func() error { return c.Logout(ctx, session) },
	}, nil
}

// unexpectedError is an answer that its client does not call an error.
type unexpectedError struct{ answer any }

func (e *unexpectedError) Error() string {
	return fmt.Sprintf("unexpected answer of type %T", e.answer)
}
