package contract

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
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
	onReset := func(id, name, rule string, n needs, run action) {
		all = append(all, &check{id, name, reset, rule, n, run})
	}
	onConfirm := func(id, name, rule string, n needs, run action) {
		all = append(all, &check{id, name, confirm, rule, n, run})
	}
	const code, body, description = "/parameters/0", "/requestBody", "/description"
	sets := needsMailbox | needsNewPassword
	// A refusal tells who has an account, but the document allows it.
	onReset("unknown", "answers for an unknown e-mail", "/responses", needsNothing, resetUnknown)
	onReset("changes-nothing", "changes neither the password nor sessions", description, needsMailbox, resetChangesNothing)
	onConfirm("unknown", "refuses an unknown code", code, needsNothing, func(ctx context.Context, r *runner) error {
		return r.refused(ctx, r.call("ResetPasswordConfirm", nil))
	})
	onConfirm("known.unknown", "refuses an unknown code for the known account", code, sets, unknownCode)
	for _, n := range nearMisses {
		onConfirm("code."+n.id, "refuses a mailed code "+n.name, code, needsMailbox, n.refusedAsCode)
	}
	onConfirm("code.session", "refuses other values of the account as a code", code, needsMailbox, tokenAsCode)
	onConfirm("code.user", "refuses a code for another user", body, needsMailbox, otherUser)
	onConfirm("code.account", "refuses the code of another account", body, sets|needsOther, codeOfOther)
	onConfirm("right.forms", "takes a right request in an unusual form", body, sets, takesAllForms)
	onConfirm("code.earlier", "refuses the code of an earlier request after a reset", code, sets, earlierCode)
	onConfirm("changes", "changes the password, ends every session, uses up the code", description, sets, confirmChanges)
	onConfirm("changes.other", "leaves another account alone", description, sets|needsOther, leavesAlone)
	onConfirm("password.long", "sets all of a long password, or refuses it", body, sets,
		func(ctx context.Context, r *runner) error {
			return r.setsAll(ctx, r.newPassword()+strings.Repeat("aB3", 24)+r.random(4))
		})
	onConfirm("password.signs", "sets all of a password with signs and spaces, or refuses it", body, sets,
		func(ctx context.Context, r *runner) error { return r.setsAll(ctx, ` aB3<&"'\>`+r.random(5)+" ") })
	onConfirm("password.non-ascii", "sets all of a password that is not ASCII, or refuses it", body, sets,
		func(ctx context.Context, r *runner) error { return r.setsAll(ctx, "Größe7ë"+r.random(8)+"東京Ω") })
	return all
}

func resetUnknown(ctx context.Context, r *runner) error {
	_, err := r.expect(ctx, r.call("ResetPassword", nil), success|refusal)
	return err
}

// refusedAsCode tries a near miss of a mailed code.
func (n nearMiss) refusedAsCode(ctx context.Context, r *runner) error {
	m, err := r.unused(ctx, r.main)
	if err != nil {
		return err
	}
	near := n.of(m.code)
	if n.id == "appended" {
		near = append(near, " "+m.code, m.code+" ")
	}
	for _, code := range near {
		// What stands in front of the API may refuse such a path.
		if err := r.refusedAs(ctx, refusal|undocumented, r.confirmCall(mailed{code, m.userID}, r.main.present())); err != nil {
			return err
		}
	}
	if near == nil {
		return needless("the code has no such form")
	}
	return nil
}

func tokenAsCode(ctx context.Context, r *runner) error {
	s, err := r.live(ctx)
	if err != nil {
		return err
	}
	// A percent sign and an asterisk stand for any text in some databases.
	for _, code := range []string{s.token, r.main.userID(), r.main.email, r.main.present(), "%", "*"} {
		if code == "" || strings.Contains(code, "/") {
			continue
		}
		c := r.confirmCall(mailed{code, r.main.userID()}, r.main.present())
		if err := r.refusedAs(ctx, refusal|undocumented, c); err != nil {
			return err
		}
	}
	return nil
}

func otherUser(ctx context.Context, r *runner) error {
	m, err := r.unused(ctx, r.main)
	if err != nil {
		return err
	}
	return r.refused(ctx, r.confirmCall(mailed{m.code, randomUUID()}, r.main.present()))
}

func resetChangesNothing(ctx context.Context, r *runner) error {
	s, err := r.login(ctx, r.main)
	if err != nil {
		return err
	}
	if _, err := r.mail(ctx, r.main); err != nil {
		return err
	}
	if err := r.works(ctx, s); err != nil {
		return err
	}
	return r.stillIn(ctx, r.main)
}

// unknownCode sends a code that was not mailed, with a new password, which must not be set.
func unknownCode(ctx context.Context, r *runner) error {
	s, err := r.live(ctx)
	if err != nil {
		return err
	}
	password := r.newPassword()
	if err := r.refused(ctx, r.confirmCall(mailed{r.random(secretLength), r.main.userID()}, password)); err != nil {
		return err
	}
	if err := r.works(ctx, s); err != nil {
		return err
	}
	if err := r.stillIn(ctx, r.main); err != nil {
		r.main.mayHave(password) // the refusal is a lie
		return fmt.Errorf("after the refused reset: %w", err)
	}
	return nil
}

// codeOfOther tries the code of one account for the other one.
func codeOfOther(ctx context.Context, r *runner) error {
	mine, err := r.unused(ctx, r.main)
	if err != nil {
		return err
	}
	theirs, err := r.unused(ctx, r.other)
	if err != nil {
		return skipError("no code is mailed to the second account: " + err.Error())
	}
	password := r.newPassword()
	if err := r.refused(ctx, r.confirmCall(mailed{theirs.code, mine.userID}, password),
		r.confirmCall(mailed{mine.code, theirs.userID}, password)); err != nil {
		return err
	}
	for _, owner := range []*account{r.main, r.other} {
		if err := r.stillIn(ctx, owner); err != nil {
			owner.mayHave(password) // the refusal is a lie
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
	if err := r.works(ctx, s); err != nil {
		return fmt.Errorf("the other account: %w", err)
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
	last := len(runes) - 1
	for _, near := range []string{string(runes[:last]), string(runes[:last-1]) + "?" + string(runes[last:])} {
		if err := r.refused(ctx, r.loginCall(r.main.email, near)); err != nil {
			return fmt.Errorf("a part of the password: %w", err)
		}
	}
	return nil
}
