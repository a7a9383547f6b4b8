package contract

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// What is random has more than enough characters, or one less than the document's minLength of a password.
const (
	secretLength = 26
	shortLength  = 5
)

const (
	errNoCode   = skipError("it needs a mailed code")
	errNotReset = skipError("it needs a reset that has succeeded")
)

// refusal is a scenario in which an operation has to refuse something. play gets a new password.
func refusal(name, operation, rule string, play func(context.Context, *runner, string) (*answer, error)) *scenario {
	statuses := refusedSession
	if operation == "ResetPassword" || operation == "ResetPasswordConfirm" {
		statuses = refusedReset
	}
	return &scenario{
		name: name, operation: operation, rule: rule, statuses: statuses,
		play: func(ctx context.Context, r *runner) (*answer, error) { return play(ctx, r, r.random(secretLength)) },
	}
}

// malformed is a scenario in which an operation has to refuse a body, without an account. The code is an unknown one.
func malformed(name, operation, rule string, body func(*runner) string) *scenario {
	return refusal(name, operation, rule, func(ctx context.Context, r *runner, code string) (*answer, error) {
		return r.send(ctx, operation, code, body(r), nil)
	})
}

// raw is a body as it is.
func raw(body string) func(*runner) string { return func(*runner) string { return body } }

// fields is a body with these fields, "name=value" or only the name. What is not given is well-formed, and unknown.
func fields(names ...string) func(*runner) string {
	return func(r *runner) string {
		all := map[string]string{"email": unknownEmail(), "password": r.random(secretLength), "user_id": randomUUID()}
		body := map[string]any{}
		for _, name := range names {
			name, value, given := strings.Cut(name, "=")
			if !given {
				value = all[name]
			}
			body[name] = value
		}
		return object(body)
	}
}

// with has a scenario need something of the target.
func with(n needs, s *scenario) *scenario {
	s.needs = n
	return s
}

func playLogin(ctx context.Context, r *runner) (*answer, error) {
	a, s, err := r.login(ctx, r.target.Credentials.Email, r.password)
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
		r.fatal = fmt.Errorf("the server refuses the credentials with %d", a.status)
	}
	r.session = s
	return a, nil
}

func playLogout(ctx context.Context, r *runner) (*answer, error) {
	if r.session == (session{}) {
		return nil, skipError("it needs the session of a log-in")
	}
	a, err := r.logout(ctx, r.session)
	r.over = err == nil && a.status == http.StatusNoContent
	return a, err
}

func playReset(ctx context.Context, r *runner) (*answer, error) {
	a, err := r.reset(ctx, r.target.Credentials.Email)
	if err == nil && a.status < 300 {
		err = r.fetchCode(ctx)
	}
	return a, err
}

func playConfirm(ctx context.Context, r *runner) (*answer, error) {
	if r.mailed == (mailed{}) {
		return nil, errNoCode
	}
	_, before, err := r.login(ctx, r.target.Credentials.Email, r.password)
	if err != nil {
		return nil, err
	}
	r.before = before
	password := r.random(secretLength)
	a, err := r.confirm(ctx, r.mailed, password)
	if err == nil && a.status == http.StatusBadRequest {
		// The attempts before may have used the code up, which the document leaves to the server.
		if _, err := playReset(ctx, r); err != nil {
			return nil, err
		}
		a, err = r.confirm(ctx, r.mailed, password)
	}
	if err == nil && a.status == http.StatusNoContent {
		r.used = r.mailed
	}
	return a, err
}

// playRestore leaves the account with the password that Run found.
func playRestore(ctx context.Context, r *runner) (*answer, error) {
	const unchanged = skipError("the password has not been changed")
	first := r.target.Credentials
	if !r.touched || !r.changed && r.letsIn(ctx, first.Email, first.Password) {
		return nil, unchanged
	}
	var a *answer
	var err error
	for range 3 { // an outage must not cost the user the account
		if a, err = playReset(ctx, r); err == nil && a.status < 300 {
			a, err = r.confirm(ctx, r.mailed, first.Password)
		}
		if err == nil && a.status < 300 {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the account has another password than before: reset it: %w", err)
	}
	if !r.letsIn(ctx, first.Email, first.Password) {
		return nil, errors.New("the account has another password than before: reset it")
	}
	return a, nil
}

// letsIn tells whether a password is good.
func (r *runner) letsIn(ctx context.Context, email, password string) bool {
	a, s, err := r.login(ctx, email, password)
	if err != nil || a.status != http.StatusOK {
		return false
	}
	_, _ = r.logout(ctx, s) // leaves no session behind
	return true
}
