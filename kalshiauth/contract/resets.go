package contract

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// newPassword returns a password that follows the document and common policies.
func (r *runner) newPassword() string {
	for _, in := range passwordsOf(r.Operation("ResetPasswordConfirm")) {
		return fmt.Sprint(r.value(in.Schema))
	}
	return r.random(passwordLength)
}

// resets returns the checks of password resets.
func resets(r *runner) (all []*check) {
	reset, confirm := r.Operation("ResetPassword"), r.Operation("ResetPasswordConfirm")
	if reset == nil || confirm == nil {
		return nil
	}
	add := func(id, name string, op *document.Operation, rule string, n needs, run func(ctx context.Context, r *runner) error) {
		all = append(all, &check{id, name, op, rule, n, run})
	}
	// A refusal tells who has an account, but the document allows it.
	add("unknown", "answers for an unknown e-mail", reset, "/responses", needsNothing, func(ctx context.Context, r *runner) error {
		_, err := r.expect(ctx, r.call("ResetPassword", nil), success|refusal)
		return err
	})
	add("changes-nothing", "changes neither the password nor sessions", reset, "/description", needsMailbox, resetChangesNothing)
	add("unknown", "refuses an unknown code", confirm, "/parameters/0", needsNothing, func(ctx context.Context, r *runner) error {
		return r.refused(ctx, r.call("ResetPasswordConfirm", nil))
	})
	add("known.unknown", "refuses an unknown code for the known account", confirm, "/parameters/0", needsMailbox|needsNewPassword, unknownCode)
	for _, n := range nearMisses {
		add("code."+n.id, "refuses a mailed code "+n.name, confirm, "/parameters/0", needsMailbox, func(ctx context.Context, r *runner) error {
			m, err := r.unused(ctx, r.main)
			if err != nil {
				return err
			}
			near := n.of(m.code)
			if near == "" {
				return needless("the code has no such form")
			}
			return r.refused(ctx, r.confirmCall(mailed{near, m.userID}, r.main.present()))
		})
	}
	add("code.session", "refuses a token as a code", confirm, "/parameters/0", needsMailbox, func(ctx context.Context, r *runner) error {
		s, err := r.live(ctx)
		if err != nil {
			return err
		}
		for _, code := range []string{s.token, r.main.userID()} {
			if code == "" || strings.Contains(code, "/") {
				continue
			}
			if err := r.refused(ctx, r.confirmCall(mailed{code, r.main.userID()}, r.main.present())); err != nil {
				return err
			}
		}
		return nil
	})
	add("code.user", "refuses a code for another user", confirm, "/requestBody", needsMailbox, func(ctx context.Context, r *runner) error {
		m, err := r.unused(ctx, r.main)
		if err != nil {
			return err
		}
		return r.refused(ctx, r.confirmCall(mailed{m.code, randomUUID()}, r.main.present()))
	})
	add("code.account", "refuses the code of another account", confirm, "/requestBody", needsMailbox|needsOther, otherCode)
	add("right.forms", "takes a right request in an unusual form", confirm, "/requestBody", needsMailbox|needsNewPassword, takesAllForms)
	add("code.earlier", "refuses the code of an earlier request after a reset", confirm, "/parameters/0", needsMailbox|needsNewPassword, earlierCode)
	add("changes", "changes the password, ends every session and uses up the code", confirm, "/description", needsMailbox|needsNewPassword, confirmChanges)
	add("changes.other", "leaves another account alone", confirm, "/description", needsMailbox|needsOther|needsNewPassword, leavesAlone)
	add("password.long", "sets all of a long password, or refuses it", confirm, "/requestBody", needsMailbox|needsNewPassword,
		func(ctx context.Context, r *runner) error {
			return r.setsAll(ctx, r.newPassword()+strings.Repeat("aB3", 24)+r.random(4))
		})
	add("password.non-ascii", "sets all of a password that is not ASCII, or refuses it", confirm, "/requestBody", needsMailbox|needsNewPassword,
		func(ctx context.Context, r *runner) error { return r.setsAll(ctx, "Zoë7"+r.random(8)+"東京Ω") })
	return all
}

func resetChangesNothing(ctx context.Context, r *runner) error {
	s, err := r.login(ctx, r.main)
	if err != nil {
		return err
	}
	if _, err := r.mail(ctx, r.main); err != nil {
		return err
	}
	for _, scheme := range r.schemes[:min(1, len(r.schemes))] {
		if _, err := r.expect(ctx, r.logoutCall(s, scheme), success); err != nil {
			return fmt.Errorf("the log-out of a session after the request: %w", err)
		}
	}
	return r.stillIn(ctx, r.main)
}

// unknownCode sends a code that was not mailed, with a new password, which must not be set.
func unknownCode(ctx context.Context, r *runner) error {
	if _, err := r.live(ctx); err != nil {
		return err
	}
	password := r.newPassword()
	if err := r.refused(ctx, r.confirmCall(mailed{r.random(secretLength), r.main.userID()}, password)); err != nil {
		return err
	}
	if err := r.stillIn(ctx, r.main); err != nil {
		r.main.mayHave(password) // the refusal is a lie
		return fmt.Errorf("after the refused reset: %w", err)
	}
	return nil
}

// otherCode tries the code of one account for the other one.
func otherCode(ctx context.Context, r *runner) error {
	mine, err := r.unused(ctx, r.main)
	if err != nil {
		return err
	}
	theirs, err := r.unused(ctx, r.other)
	if err != nil {
		return skipError("no code is mailed to the second account: " + err.Error())
	}
	for _, c := range []call{
		r.confirmCall(mailed{theirs.code, mine.userID}, r.main.present()),
		r.confirmCall(mailed{mine.code, theirs.userID}, r.other.present()),
	} {
		if err := r.refused(ctx, c); err != nil {
			return err
		}
	}
	for _, owner := range []*account{r.main, r.other} {
		if err := r.stillIn(ctx, owner); err != nil {
			return fmt.Errorf("after the refused resets: %w", err)
		}
	}
	return nil
}

func earlierCode(ctx context.Context, r *runner) error {
	earlier, err := r.mail(ctx, r.main)
	if err != nil {
		return err
	}
	later := earlier
	for try := 0; later == earlier; try++ { // the server may limit the mails
		if try == 4 || try > 0 && pause(ctx, time.Second<<(try-1)) != nil {
			return skipError("the server mails one code for two requests")
		}
		if later, err = r.mail(ctx, r.main); err != nil {
			return err
		}
	}
	if _, _, err := r.set(ctx, r.main, r.main.present(), nil); err != nil {
		return err
	}
	return r.refused(ctx, r.confirmCall(earlier, r.main.present()))
}

// setAnother sets a new password. Some servers want one with another kind of character.
func (r *runner) setAnother(ctx context.Context) (m mailed, err error) {
	password := r.newPassword()
	m, a, err := r.set(ctx, r.main, password, nil)
	if a != nil && a.status/100 == 4 {
		password = password[:len(password)-2] + "-!"
		m, _, err = r.set(ctx, r.main, password, nil)
	}
	return m, err
}

// confirmChanges sets another password, and checks what that changes.
func confirmChanges(ctx context.Context, r *runner) error {
	var before []session
	for range 3 {
		s, err := r.login(ctx, r.main)
		if err != nil {
			return err
		}
		before = append(before, s)
	}
	old := r.main.present()
	used, err := r.setAnother(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, s := range before {
		for _, scheme := range r.schemes {
			if err := r.refused(ctx, r.logoutCall(s, scheme)); err != nil {
				problems = append(problems, fmt.Errorf("the log-out of a session from before the reset: %w", err))
			}
		}
	}
	if err := r.refused(ctx, r.loginCall(r.main.email, old)); err != nil {
		problems = append(problems, fmt.Errorf("a log-in with the old password: %w", err))
	}
	if err := r.stillIn(ctx, r.main); err != nil {
		problems = append(problems, fmt.Errorf("the new password: %w", err))
		r.main.mayHave(old)
	}
	if err := r.refused(ctx, r.confirmCall(used, r.newPassword())); err != nil {
		problems = append(problems, fmt.Errorf("the used code: %w", err))
	} else if err := r.stillIn(ctx, r.main); err != nil {
		problems = append(problems, fmt.Errorf("after the used code was refused: %w", err))
	}
	return errors.Join(problems...)
}

// leavesAlone checks that a reset leaves the other account alone.
func leavesAlone(ctx context.Context, r *runner) error {
	s, err := r.login(ctx, r.other)
	if err != nil {
		return fmt.Errorf("the other account: %w", err)
	}
	if _, err := r.setAnother(ctx); err != nil {
		return err
	}
	for _, scheme := range r.schemes[:min(1, len(r.schemes))] {
		if _, err := r.expect(ctx, r.logoutCall(s, scheme), success); err != nil {
			return fmt.Errorf("the log-out of the other account's session: %w", err)
		}
	}
	if err := r.stillIn(ctx, r.other); err != nil {
		return fmt.Errorf("the other account: %w", err)
	}
	return nil
}

// setsAll sets a password and tries parts of it. A server may refuse the password.
func (r *runner) setsAll(ctx context.Context, password string) error {
	m, err := r.unused(ctx, r.main)
	if err != nil {
		return err
	}
	c := r.confirmCall(m, password)
	a, err := r.expect(ctx, c, success|refusal)
	if err != nil || !success.includes(c.op, a.status) {
		return err
	}
	r.main.has(password)
	r.main.code = mailed{}
	r.issued.used = append(r.issued.used, m.code)
	r.open = nil
	if err := r.stillIn(ctx, r.main); err != nil {
		return fmt.Errorf("the new password: %w", err)
	}
	runes := []rune(password)
	for _, near := range []string{string(runes[:len(runes)-1]), string(runes[:len(runes)-2]) + "?" + string(runes[len(runes)-1:])} {
		if err := r.refused(ctx, r.loginCall(r.main.email, near)); err != nil {
			return fmt.Errorf("a part of the password: %w", err)
		}
	}
	return nil
}
