package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/ogen-go/ogen/ogenerrors"

	"github.com/kalshiauth/kalshiauth-go/gen"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/bench/ogenclient"
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

// operationSuite compares what calls of the auth API cost.
func operationSuite() suite {
	return suite{
		name: "The operations",
		note: "By hand: `net/http` and `encoding/json`, typed and careful. gen: what oapi-codegen generates from our " +
			"document, alone. ogen: what ogen generates by default, its telemetry going nowhere. " +
			"All come back with the cookie; ours and the one by hand have a time limit, too. In brackets: times by hand.",
		ratios: true,
		tasks:  operationTasks,
		judge:  judgeOperations,
	}
}

func operationTasks(p place) ([]task, error) {
	ctx := context.Background()
	caller := &http.Client{Transport: p.transport}
	tasks := []task{{name: logIn}, {name: refused}, {name: logOut}}
	for _, clients := range []func(ctx context.Context, url string, caller *http.Client) (*calls, error){
		handCalls, genCalls, ogenCalls, ourCalls,
	} {
		good, err := clients(ctx, p.url, caller)
		if err != nil {
			return nil, err
		}
		bad, err := clients(ctx, p.url+refusing, caller)
		if err != nil {
			return nil, err
		}
		for i, call := range []func() error{good.logIn, mustFail(bad.logIn), good.logOut} {
			tasks[i].candidates = append(tasks[i].candidates, candidate{good.client, call})
		}
	}
	return tasks, nil
}

// calls are those of one client. An answer that is not the documented success is an error.
type calls struct {
	client        string
	logIn, logOut func() error
}

func mustFail(call func() error) func() error {
	return func() error {
		if call() == nil {
			return errors.New("no error")
		}
		return nil
	}
}

func handCalls(ctx context.Context, url string, caller *http.Client) (*calls, error) {
	c := &byHand{url: url, http: caller}
	session := &byHandSession{UserID: userID, Token: token, Cookie: &http.Cookie{Name: "sessions", Value: token}}
	return &calls{
		client: handClient,
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
	present := func(_ context.Context, req *http.Request) error { //nolint:unparam // what gen calls
		req.AddCookie(cookie)
		return nil
	}
	return &calls{
		client: genClient,
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

func ogenCalls(ctx context.Context, url string, caller *http.Client) (*calls, error) {
	c, err := ogenclient.NewClient(url, ogenCookie{}, ogenclient.WithClient(caller))
	if err != nil {
		return nil, err
	}
	return &calls{
		client: ogenClient,
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

// sessionCookie returns the one that presents the session, which every program wants of a log-in.
func sessionCookie(cookies []*http.Cookie) *http.Cookie {
	for _, cookie := range cookies {
		if cookie.Name == "sessions" {
			return cookie
		}
	}
	return nil
}

type ogenCookie struct{}

func (ogenCookie) Cookie(context.Context, ogenclient.OperationName) (ogenclient.Cookie, error) {
	return ogenclient.Cookie{APIKey: token}, nil
}

func (ogenCookie) Authorization(context.Context, ogenclient.OperationName) (ogenclient.Authorization, error) {
	return ogenclient.Authorization{}, ogenerrors.ErrSkipClientSecurity
}

func ourCalls(ctx context.Context, url string, caller *http.Client) (*calls, error) {
	c, err := kalshiauth.New(kalshiauth.WithBaseURL(url), kalshiauth.WithHTTPClient(caller))
	if err != nil {
		return nil, err
	}
	session := kalshiauth.SessionFromToken(userID, token)
	return &calls{
		client: ours,
		logIn: func() error {
			_, err := c.Login(ctx, kalshiauth.Credentials{Email: email, Password: password})
			return err
		},
		logOut: func() error { return c.Logout(ctx, session) },
	}, nil
}

// unexpectedError stands for an answer that its client does not call an error.
type unexpectedError struct{ answer any }

func (e *unexpectedError) Error() string {
	return fmt.Sprintf("an unexpected answer of the type %T", e.answer)
}

// Limits of ours, as ratios to the code by hand.
const (
	memoryLimit   = 1.1
	loopbackLimit = 1.05
)

func judgeOperations(all results) (verdicts []verdict, err error) {
	of := func(task, place, cores, candidate string) figure {
		f, e := all.of(key{task, place, cores, candidate})
		if e != nil {
			err = e
		}
		return f
	}
	for _, cores := range []string{oneCore, allCores} {
		f := of(logIn, inMemory, cores, ours)
		at := fmt.Sprintf("%s, %s, %s: ", logIn, inMemory, cores)
		verdicts = append(verdicts,
			ratioLimit(at+"against by hand", f.times, memoryLimit),
			allocLimit(at+"allocations, against by hand", f.allocs, memoryLimit*of(logIn, inMemory, cores, handClient).allocs),
			ratioLimit(at+"against gen", f.times/of(logIn, inMemory, cores, genClient).times, 1),
			ratioLimit(at+"against ogen", f.times/of(logIn, inMemory, cores, ogenClient).times, 1),
			ratioLimit(fmt.Sprintf("%s, %s, %s: against by hand", logIn, onLoopback, cores),
				of(logIn, onLoopback, cores, ours).times, loopbackLimit),
			timeLimit(fmt.Sprintf("%s, %s, %s: against a success", refused, inMemory, cores),
				of(refused, inMemory, cores, ours).nanoseconds, f.nanoseconds))
	}
	for _, place := range []string{inMemory, onLoopback} {
		for _, task := range []string{logIn, refused, logOut} {
			verdicts = append(verdicts, timeLimit(fmt.Sprintf("%s, %s: all cores against one goroutine", task, place),
				of(task, place, allCores, ours).nanoseconds, of(task, place, oneCore, ours).nanoseconds))
		}
	}
	return verdicts, err
}
