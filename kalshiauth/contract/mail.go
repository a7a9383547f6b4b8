package contract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// mailed is the content of a mail.
type mailed struct{ code, userID string }

// mail has a code mailed to an account, and gets it from the target's ResetCode. A server may limit the mails: then the
// last mail is an old one.
func (r *runner) mail(ctx context.Context, owner *account) (m mailed, err error) {
	if r.noMail != nil { // do not wait for each mail
		return mailed{}, r.noMail
	}
	for try := 0; ; try++ {
		c := r.call("ResetPassword", map[string]any{"email": owner.email})
		a, err := r.send(ctx, c)
		if err != nil {
			return mailed{}, err
		}
		if !success.includes(c.op, a.status) {
			return mailed{}, fmt.Errorf("the answer to a request for a reset is %d", a.status)
		}
		if m, err = r.lastMail(ctx, owner); err != nil {
			r.noMail = err
			return mailed{}, err
		}
		if !slices.Contains(r.issued.used, m.code) {
			if !slices.Contains(r.issued.codes, m.code) {
				r.issued.codes = append(r.issued.codes, m.code)
			}
			owner.code = m
			return m, nil
		}
		if try == 0 {
			c := r.confirmCall(m, owner.present())
			if a, err := r.send(ctx, c); err == nil && success.includes(c.op, a.status) {
				r.noMail = errors.New("the mail has a code that was used before, and that still works")
				return mailed{}, r.noMail
			}
		}
		if wait := time.Second << try; wait > maxWait/2 || pause(ctx, wait) != nil {
			r.noMail = errors.New("the last mail has a code that was used before: no other mail was sent")
			return mailed{}, r.noMail
		}
	}
}

// lastMail returns the content of the last mail to an account.
func (r *runner) lastMail(ctx context.Context, owner *account) (mailed, error) {
	ctx, cancel := context.WithTimeout(ctx, codeTimeout)
	defer cancel()
	code, userID, err := r.target.ResetCode(ctx, owner.email)
	r.secrets = append(r.secrets, code)
	c := r.call("ResetPasswordConfirm", map[string]any{"user_id": userID})
	switch {
	case err != nil:
		return mailed{}, fmt.Errorf("the mailed code is not available: %w", r.secrets.Error(err))
	case code == "" || code == "." || code == "..":
		return mailed{}, errors.New("the mailed code is not available: there is none")
	case c.breaks(ctx, &document.Input{Name: "user_id", In: document.InBody}, r.base):
		return mailed{}, errors.New("the mailed code is not available: its user ID is not a UUID")
	}
	return mailed{code, userID}, nil
}

// unused returns a mailed code that is not used. It has one mailed if there is none.
func (r *runner) unused(ctx context.Context, owner *account) (mailed, error) {
	if owner.code != (mailed{}) {
		return owner.code, nil
	}
	return r.mail(ctx, owner)
}

func (r *runner) confirmCall(m mailed, password any) call {
	c := r.call("ResetPasswordConfirm", map[string]any{"user_id": m.userID, "password": password})
	for _, in := range c.op.Inputs() {
		if in.In == openapi3.ParameterInPath {
			c = c.with(in, m.code)
		}
	}
	return c
}

// set sets a password of an account with a mailed code, and returns the code. edit, if not nil, changes the call.
func (r *runner) set(
	ctx context.Context,
	owner *account,
	password string,
	edit func(call) call,
) (m mailed, a *answer, err error) {
	owner.touched = true
	for fresh := owner.code == (mailed{}); ; fresh = true {
		if m, err = r.unused(ctx, owner); err != nil {
			return m, nil, err
		}
		c := r.confirmCall(m, password)
		if edit != nil {
			c = edit(c)
		}
		a, err = r.expect(ctx, c, success)
		switch {
		case a != nil && success.includes(c.op, a.status):
			owner.has(password)
			owner.code = mailed{}
			r.issued.used = append(r.issued.used, m.code)
			r.open = slices.DeleteFunc(r.open, func(s session) bool { return s.owner == owner })
			return m, a, err
		case fresh || a == nil || a.status/100 != 4:
			return m, a, err
		}
		// The document does not say whether a failed try uses up the code: try another one.
		r.issued.used = append(r.issued.used, m.code)
		owner.code = mailed{}
	}
}
