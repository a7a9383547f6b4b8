package contract

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// scenarios returns the scenarios in the order in which Run runs them. The first one logs in: if the server rejects the
// credentials, Run stops. The calls that an operation must refuse are derived from the document. Scenarios that combine
// operations are in this file.
func scenarios(ctx context.Context, r *runner) []*scenario {
	all := []*scenario{{
		name: "Login lets the right password in", op: r.Operation("Login"), want: success, needs: account,
		send: loginFirst,
	}}
	for _, op := range r.Operations {
		all = append(all, derived(ctx, r, op)...)
	}
	all = append(all, withoutAccount(r)...)
	all = append(all, withAccount(r)...)
	all = append(all, withMailbox(r)...)
	// A document may lack an operation.
	all = slices.DeleteFunc(all, func(s *scenario) bool { return s.op == nil })
	for _, s := range all {
		if keys := success.statuses(s.op); s.rule == "" && len(keys) > 0 {
			s.rule = "/responses/" + keys[0]
		}
	}
	return all
}

func withoutAccount(r *runner) []*scenario {
	return []*scenario{
		{
			name: "Login refuses an unknown account", op: r.Operation("Login"), rule: "/responses/401", want: refusal,
			send: func(ctx context.Context, r *runner) (*answer, error) { return r.send(ctx, r.call("Login", nil)) },
		},
		{ // a refusal tells who has an account, but the document allows it
			name: "ResetPassword answers for an unknown e-mail", op: r.Operation("ResetPassword"), rule: "/responses",
			want: success | refusal,
			send: func(ctx context.Context, r *runner) (*answer, error) { return r.reset(ctx, unknownEmail()) },
		},
		{
			name: "ResetPasswordConfirm refuses an unknown code", op: r.Operation("ResetPasswordConfirm"),
			rule: "/parameters/0", want: refusal,
			send: func(ctx context.Context, r *runner) (*answer, error) {
				return r.send(ctx, r.call("ResetPasswordConfirm", nil))
			},
		},
	}
}

func withAccount(r *runner) []*scenario {
	return []*scenario{
		{
			name: "Login refuses a wrong password", op: r.Operation("Login"), rule: "/responses/401", want: refusal,
			needs: account, send: func(ctx context.Context, r *runner) (*answer, error) {
				return r.send(ctx, r.call("Login", map[string]any{"email": r.target.Credentials.Email}))
			},
		},
		{
			name: "Logout ends a session", op: r.Operation("Logout"), want: success, needs: account,
			send: func(ctx context.Context, r *runner) (*answer, error) {
				if r.session == (session{}) {
					return nil, errNoSession
				}
				a, err := r.logout(ctx, r.session)
				r.over = err == nil && success.includes(r.Operation("Logout"), a.status)
				return a, err
			},
		},
		{
			name: "Logout refuses a session that has ended", op: r.Operation("Logout"), rule: "/description", want: refusal,
			needs: account, send: func(ctx context.Context, r *runner) (*answer, error) {
				if !r.over {
					return nil, skipError("it needs a session that is logged out")
				}
				return r.logout(ctx, r.session)
			},
		},
	}
}

func withMailbox(r *runner) []*scenario {
	confirm := r.Operation("ResetPasswordConfirm")
	all := []*scenario{
		{
			name: "ResetPassword mails a code to a known e-mail", op: r.Operation("ResetPassword"), want: success,
			needs: mailbox, send: func(ctx context.Context, r *runner) (*answer, error) { return r.mailCode(ctx) },
		},
		{
			name: "ResetPasswordConfirm refuses a code for another user", op: confirm, rule: "/requestBody", want: refusal,
			needs: mailbox, send: func(ctx context.Context, r *runner) (*answer, error) {
				if r.mailed == (mailed{}) {
					return nil, errNoCode
				}
				return r.confirm(ctx, mailed{r.mailed.code, randomUUID()}, newPassword(r, 0))
			},
		},
	}
	if password := passwordOf(confirm); password != nil && password.Schema.MinLength > 0 {
		all = append(all, &scenario{
			name: "ResetPasswordConfirm refuses a too short password with the mailed code", op: confirm,
			rule: password.Rule + "/minLength", want: refusal, needs: mailbox,
			send: func(ctx context.Context, r *runner) (*answer, error) {
				if r.mailed == (mailed{}) {
					return nil, errNoCode
				}
				return r.confirm(ctx, r.mailed, newPassword(r, int(password.Schema.MinLength)-1)) //nolint:gosec // a length
			},
		})
	}
	return append(all,
		&scenario{
			name: "ResetPasswordConfirm sets a password with the mailed code", op: confirm, want: success, needs: mailbox,
			send: confirmReset,
		},
		afterReset("ResetPasswordConfirm refuses a used code", confirm, "/parameters/0", refusal,
			func(ctx context.Context, r *runner) (*answer, error) {
				return r.confirm(ctx, r.used, newPassword(r, 0))
			}),
		afterReset("Logout refuses a session from before a reset", r.Operation("Logout"), descriptionOf(confirm), refusal,
			func(ctx context.Context, r *runner) (*answer, error) {
				if r.before == (session{}) {
					return nil, errNotReset
				}
				return r.logout(ctx, r.before)
			}),
		afterReset("Login refuses the old password after a reset", r.Operation("Login"), "/responses/401", refusal,
			func(ctx context.Context, r *runner) (*answer, error) {
				a, _, err := r.login(ctx, r.target.Credentials.Email, r.target.Credentials.Password)
				return a, err
			}),
		afterReset("Login lets the new password in after a reset", r.Operation("Login"), "", success,
			func(ctx context.Context, r *runner) (*answer, error) {
				a, _, err := r.login(ctx, r.target.Credentials.Email, r.password)
				return a, err
			}),
		&scenario{
			name: "ResetPasswordConfirm sets the first password again", op: confirm, want: success, needs: mailbox,
			restores: true, send: restore,
		})
}

// afterReset returns a scenario that runs only after a successful reset.
func afterReset(name string, op *document.Operation, rule string, want wanted,
	send func(context.Context, *runner) (*answer, error),
) *scenario {
	return &scenario{
		name: name, op: op, rule: rule, want: want, needs: mailbox,
		send: func(ctx context.Context, r *runner) (*answer, error) {
			if r.used == (mailed{}) {
				return nil, errNotReset
			}
			return send(ctx, r)
		},
	}
}

func descriptionOf(op *document.Operation) string {
	if op == nil {
		return ""
	}
	return op.Pointer + "/description"
}

// passwordOf returns the password in the body of an operation, or nil.
func passwordOf(op *document.Operation) *document.Input {
	if op == nil {
		return nil
	}
	for _, in := range op.Inputs() {
		if in.In == document.InBody && isPassword(in.Schema) {
			return in
		}
	}
	return nil
}

// newPassword returns a password of a given length or, if length is 0, one that follows the document.
func newPassword(r *runner, length int) string {
	if password := passwordOf(r.Operation("ResetPasswordConfirm")); password != nil && length == 0 {
		return fmt.Sprint(r.value(password.Schema))
	}
	return r.random(length)
}

func loginFirst(ctx context.Context, r *runner) (*answer, error) {
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

func confirmReset(ctx context.Context, r *runner) (*answer, error) {
	if r.mailed == (mailed{}) {
		return nil, errNoCode
	}
	_, before, err := r.login(ctx, r.target.Credentials.Email, r.password)
	if err != nil {
		return nil, err
	}
	r.before = before
	op, password := r.Operation("ResetPasswordConfirm"), newPassword(r, 0)
	a, err := r.confirm(ctx, r.mailed, password)
	if err == nil && refusal.includes(op, a.status) {
		// The document does not say whether a failed try uses up the code: try another one.
		if _, err := r.mailCode(ctx); err != nil {
			return nil, err
		}
		a, err = r.confirm(ctx, r.mailed, password)
	}
	if err == nil && success.includes(op, a.status) {
		r.used = r.mailed
	}
	return a, err
}

// restore sets the account's original password.
func restore(ctx context.Context, r *runner) (*answer, error) {
	const unchanged = skipError("the password has not been changed")
	first := r.target.Credentials
	if !r.touched || !r.changed && r.letsIn(ctx, first.Email, first.Password) {
		return nil, unchanged
	}
	var a *answer
	var err error
	for range 3 { // retry, so that an outage does not leave the account with an unknown password
		if a, err = r.mailCode(ctx); err == nil && a.status < 300 {
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
