package contract

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// A flow is what a right call of an operation needs beyond the document.
type flow struct {
	needs needs
	right func(ctx context.Context, r *runner) (call, error)
}

// flows are those of the document's operations. A call with an unknown e-mail address is a right one to ResetPassword.
var flows = map[string]flow{
	"Login": {needsAccount, func(_ context.Context, r *runner) (call, error) {
		return r.loginCall(r.main.email, r.main.present()), nil
	}},
	"Logout": {needsAccount, func(_ context.Context, r *runner) (call, error) { return r.call("Logout", nil), nil }},
	"ResetPassword": {needsNothing, func(_ context.Context, r *runner) (call, error) {
		return r.call("ResetPassword", nil), nil
	}},
	"ResetPasswordConfirm": {needsMailbox, func(ctx context.Context, r *runner) (call, error) {
		m, err := r.unused(ctx, r.main)
		return r.confirmCall(m, r.main.present()), err
	}},
}

// call returns a sample of an operation with some properties of its body set.
func (r *runner) call(operation string, fields map[string]any) call {
	c := r.sample(r.Operation(operation))
	for name, value := range fields {
		c = c.with(&document.Input{Name: name, In: document.InBody}, value)
	}
	return c
}

// checks returns all checks in the order in which Run runs them. The first one logs in: if the server refuses the
// credentials, Run stops. Those with a mailbox begin by setting the present password again, so that a server which
// refuses that shows before anything is lost.
func (r *runner) checks(ctx context.Context) (all []*check) {
	all = append(all, first(r)...)
	for _, op := range r.Operations {
		all = append(all, r.derived(ctx, op)...)
		all = append(all, r.lenient(op)...)
		all = append(all, r.odd(op)...)
	}
	all = append(all, logins(r)...)
	all = append(all, r.logouts()...)
	all = append(all, resets(r)...)
	all = append(all, guesses(r)...)
	return all
}

func first(r *runner) []*check {
	return []*check{
		{"right", "lets the right password in", r.Operation("Login"), "", needsAccount, loginFirst},
		{
			"right", "mails a code to a known e-mail", r.Operation("ResetPassword"), "", needsMailbox,
			func(ctx context.Context, r *runner) error {
				_, err := r.mail(ctx, r.main)
				return err
			},
		},
		{
			"right", "sets a password with the mailed code", r.Operation("ResetPasswordConfirm"), "", needsMailbox,
			confirmPresent,
		},
	}
}

func loginFirst(ctx context.Context, r *runner) error {
	c := r.loginCall(r.main.email, r.main.given)
	a, err := r.expect(ctx, c, success)
	if a != nil && (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden) {
		r.fatal = fmt.Errorf("the server refuses the credentials with %d", a.status)
	}
	if err == nil {
		if s, _ := r.sessionOf(c, a); !s.usable() {
			return errors.New("the log-in gives neither a token nor a cookie")
		}
	}
	return err
}

// reused finds an error that is about the password and not about the code.
var reused = regexp.MustCompile(`(?i)password|passphrase|reuse|re-use|history|recent`)

// confirmPresent sets the password that the account has. If the server refuses it because it is the present one, no
// check sets another: it could not be set back.
func confirmPresent(ctx context.Context, r *runner) error {
	op := r.Operation("ResetPasswordConfirm")
	_, a, err := r.set(ctx, r.main, r.main.given, nil)
	switch {
	case a != nil && refusal.includes(op, a.status) && reused.MatchString(said(r, a)):
		r.keep = fmt.Sprintf("the server refuses the present password as the new one, with %d: no other one is set, "+
			"since it could not be set back", a.status)
		return skipError(r.keep)
	case a == nil || !success.includes(op, a.status):
		r.keep, r.broken = "the present password could not be set with a mailed code, so no other one is set", true
		return err
	}
	if e := r.stillIn(ctx, r.main); e != nil {
		r.keep, r.broken = "the password that was set does not let in, so no other one is set", true
		return errors.Join(err, e)
	}
	return err
}

// said returns what an error response says.
func said(r *runner, a *answer) string {
	texts := []string{string(a.body().data)}
	for _, name := range r.errorFields {
		texts = append(texts, a.header.Get(name))
	}
	return strings.Join(texts, " ")
}

// wrongPasswords are near misses of a password. A server that cuts, trims or changes what it compares takes one of
// them.
var wrongPasswords = []struct {
	id, name string
	of       func(password string) []string
}{
	{"cut", "without its last character", func(p string) []string { return []string{p[:max(0, len(p)-1)]} }},
	{"case", "in another case", func(p string) []string {
		return []string{otherCase(p), strings.ToLower(p), strings.ToUpper(p), otherCase(p[:min(1, len(p))]) + p[min(1, len(p)):]}
	}},
	{"padded", "with a space", func(p string) []string { return []string{" " + p, p + " ", p + "\n"} }},
	{"longer", "with one more character", func(p string) []string {
		return []string{p + "x", p + "\x00x", "x" + p}
	}},
	{"empty", "that is empty", func(string) []string { return []string{""} }},
}

func logins(r *runner) (all []*check) {
	op := r.Operation("Login")
	const unauthorized = "/responses/401"
	add := func(id, name, rule string, n needs, run action) {
		all = append(all, &check{id, name, op, rule, n, run})
	}
	add("unknown", "refuses an unknown account", unauthorized, needsNothing, func(ctx context.Context, r *runner) error {
		return r.refused(ctx, r.call("Login", nil))
	})
	for i, wrong := range wrongPasswords {
		n := needsMailbox // each is a log-in with a wrong password
		if i == 0 {
			n = needsAccount
		}
		add("wrong."+wrong.id, "refuses a password "+wrong.name, unauthorized, n, func(ctx context.Context, r *runner) error {
			s, err := r.live(ctx)
			if err != nil {
				return err
			}
			for _, password := range wrong.of(r.main.present()) {
				if password == r.main.present() {
					continue
				}
				if err := r.refused(ctx, r.loginCall(r.main.email, password)); err != nil {
					return err
				}
			}
			if i > 0 {
				return nil
			}
			return r.works(ctx, s) // a wrong password ends no session
		})
	}
	add("wrong.other", "refuses other values of the account as a password", unauthorized, needsMailbox,
		func(ctx context.Context, r *runner) error {
			s, err := r.live(ctx)
			if err != nil {
				return err
			}
			for _, password := range []string{s.token, r.main.userID(), r.main.email, r.main.code.code} {
				if password == "" {
					continue
				}
				if err := r.refused(ctx, r.loginCall(r.main.email, password)); err != nil {
					return err
				}
			}
			return nil
		})
	add("wrong.account", "refuses the password of another account", unauthorized, needsMailbox|needsOther,
		func(ctx context.Context, r *runner) error {
			if r.main.present() == r.other.present() {
				return skipError("both accounts have the same password")
			}
			return r.refused(ctx, r.loginCall(r.main.email, r.other.present()), r.loginCall(r.other.email, r.main.present()))
		})
	add("last", "lets the right password in after wrong ones", "", needsAccount,
		func(ctx context.Context, r *runner) error {
			_, err := r.expect(ctx, r.loginCall(r.main.email, r.main.present()), success)
			return err
		})
	add("user-id", "gives the same user ID each time", "/responses/200", needsAccount, sameUserID)
	for _, scheme := range r.schemes {
		if isCookie(scheme) {
			add("fixation", "gives a new session to who presents one", "/description", needsAccount,
				func(ctx context.Context, r *runner) error { return r.fixation(ctx, scheme) })
		}
	}
	return all
}

func sameUserID(ctx context.Context, r *runner) error {
	for range enough {
		if _, err := r.login(ctx, r.main); err != nil {
			return err
		}
	}
	if len(r.main.userIDs) == 0 {
		return errors.New("log-ins give no user ID")
	}
	for _, id := range r.main.userIDs {
		if !strings.EqualFold(id, r.main.userID()) {
			return errors.New("log-ins of one account give different user IDs")
		}
	}
	return nil
}

// fixation checks that the session which a log-in presents does not become the new one.
func (r *runner) fixation(ctx context.Context, scheme document.Scheme) error {
	chosen := r.random(secretLength)
	old, err := r.live(ctx)
	if err != nil {
		return err
	}
	for _, s := range []session{{cookie: chosen, token: chosen}, old} {
		c := r.loginCall(r.main.email, r.main.present()).withCookie(scheme.Name + "=" + s.cookie)
		a, err := r.expect(ctx, c, success)
		if err != nil {
			return err
		}
		begun, _ := r.sessionOf(c, a)
		if begun.token == s.token || begun.cookie == s.cookie {
			return errors.New("the new session is the one that the log-in presented")
		}
	}
	chosenSession := session{cookie: chosen, token: chosen}
	if _, err := r.expect(ctx, r.logoutCall(chosenSession, scheme), refusal); err != nil {
		return fmt.Errorf("the log-out of a session that a log-in presented: %w", err)
	}
	return nil
}

func guesses(r *runner) []*check {
	return []*check{
		{
			"unguessable", "gives tokens that cannot be guessed", r.Operation("Login"), "/responses/200", needsAccount,
			unguessableTokens,
		},
		{
			"unguessable", "mails codes that cannot be guessed", r.Operation("ResetPassword"), "/description", needsMailbox,
			unguessableCodes,
		},
	}
}

// staysOut checks that the answer to a refused log-in holds no session that works.
func (r *runner) staysOut(ctx context.Context, c call, a *answer) error {
	if c.op.ID != "Login" || a.status/100 != 4 {
		return nil
	}
	s, _ := r.sessionOf(c, a)
	if !s.usable() {
		return nil
	}
	for _, scheme := range r.schemes {
		answer, err := r.send(ctx, r.logoutCall(s, scheme))
		if err == nil && answer.status/100 == 2 {
			return errors.New("the answer to a refused log-in has a session that works")
		}
	}
	return nil
}
