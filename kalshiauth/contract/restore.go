package contract

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// maxRestores is how often Run tries to restore a password. A server that refuses the last passwords takes the first
// one again when enough others were set in between.
const maxRestores = 8

// restore gives an account the password back that it had.
func (r *runner) restore(ctx context.Context, owner *account) (err error) {
	for range maxRestores {
		r.noMail, r.silent = nil, map[string]int{} // an outage may be over
		if !slices.Equal(owner.passwords, []string{owner.given}) || owner.lost {
			var a *answer
			if _, a, err = r.set(ctx, owner, owner.given, nil); a != nil && a.status/100 == 4 {
				if other := r.newPassword(); r.keep == "" {
					_, _, _ = r.set(ctx, owner, other, nil)
				}
			}
		}
		if slices.Contains(owner.passwords, owner.given) && r.letsIn(ctx, owner, owner.given) {
			owner.has(owner.given)
			return nil
		}
		owner.lost = true
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("an account has another password than before, and it could not be restored: %w",
		errors.Join(err, ctx.Err()))
}

// letsIn reports whether a password of an account is right.
func (r *runner) letsIn(ctx context.Context, owner *account, password string) bool {
	c := r.loginCall(owner.email, password)
	a, err := r.send(ctx, c)
	return err == nil && success.includes(c.op, a.status)
}

// restoreAll restores the passwords of all accounts, and notes the result in the report.
func (r *runner) restoreAll(ctx context.Context) error {
	var all []error
	var changed []kalshiauth.Credentials
	r.report.Password = PasswordUntouched
	for _, owner := range []*account{r.main, r.other} {
		if !owner.touched {
			continue
		}
		err := r.restore(ctx, owner)
		all = append(all, err)
		state := PasswordKept
		if err != nil {
			state = PasswordUnknown
			if r.stillIn(ctx, owner) == nil {
				state = PasswordChanged
			}
			changed = append(changed, kalshiauth.Credentials{Email: owner.email, Password: owner.present()})
		}
		if owner == r.main {
			r.report.Password = state
		}
	}
	if changed != nil {
		r.report.changed = func() []kalshiauth.Credentials { return changed }
	}
	return errors.Join(all...)
}
