package contract

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// An account is one of the target's.
type account struct {
	email     string
	given     string   // the password that the target has for it
	passwords []string // that it may have; the last one is the most probable
	lost      bool     // it may have a password that is not known
	touched   bool     // something was sent that may have changed the password
	refused   bool     // its last log-in was refused
	userIDs   []string // of its log-ins
	code      mailed   // the last mail, while its code is not used
}

func newAccount(c kalshiauth.Credentials) *account {
	return &account{email: c.Email, given: c.Password, passwords: []string{c.Password}}
}

// present returns the password that the account most probably has.
func (a *account) present() string { return a.passwords[len(a.passwords)-1] }

// userID returns the ID from the first log-in, or "".
func (a *account) userID() string {
	if len(a.userIDs) == 0 {
		return ""
	}
	return a.userIDs[0]
}

// mayHave notes a password that the account may have from now on.
func (a *account) mayHave(password string) {
	a.touched = true
	a.passwords = append(slices.DeleteFunc(a.passwords, func(p string) bool { return p == password }), password)
}

// has notes the password that the account has.
func (a *account) has(password string) { a.passwords, a.lost = []string{password}, false }

// A session is the secret of a log-in in both forms.
type session struct {
	cookie, token string
	owner         *account
}

// usable reports whether there is a secret.
func (s session) usable() bool { return s.cookie != "" || s.token != "" }

// owner returns the account with an e-mail address, a user ID or a mailed code, or nil.
func (r *runner) owner(value any) *account {
	text, _ := value.(string)
	for _, a := range []*account{r.main, r.other} {
		if text != "" &&
			(strings.EqualFold(text, a.email) || strings.EqualFold(text, a.userID()) || text == a.code.code) {
			return a
		}
	}
	return nil
}

// settle notes what a call has done to the accounts.
func (r *runner) settle(c call, a *answer, err error) {
	accepted := a != nil && a.status/100 == 2
	switch c.op.ID {
	case "Login":
		owner := r.owner(c.fields["email"])
		if owner != nil && a != nil {
			owner.refused = !accepted
		}
		if accepted {
			r.began(c, owner, a)
		}
	case "Logout":
		if accepted {
			left := len(r.open)
			r.open = slices.DeleteFunc(r.open, func(s session) bool { return c.bearer != nil && s == *c.bearer })
			if left == len(r.open) {
				r.open = nil // something else was taken for a session, and any of them may have ended
			}
		}
	case "ResetPassword":
		if owner := r.owner(c.fields["email"]); owner != nil && accepted {
			owner.code = mailed{} // the next mail has another one
		}
	default:
		if accepted || err != nil { // without an answer, the password may have been set
			r.maySet(c, accepted)
		}
	}
}

// began notes a new session.
func (r *runner) began(c call, owner *account, a *answer) {
	s, userID := r.sessionOf(c, a)
	s.owner = owner
	if s.usable() {
		r.open = append(r.open, s)
	}
	if owner != nil && userID != "" {
		owner.userIDs = append(owner.userIDs, userID)
		r.secrets = append(r.secrets, userID)
	}
	if s.token != "" {
		r.issued.tokens = append(r.issued.tokens, s.token)
	}
}

// maySet notes the passwords that a call may have set.
func (r *runner) maySet(c call, accepted bool) {
	owner := r.owner(c.fields["user_id"])
	for _, value := range c.path {
		owner = cmp.Or(owner, r.owner(value))
	}
	if owner == nil && c.bearer != nil {
		owner = c.bearer.owner
	}
	if owner != nil && accepted {
		owner.code = mailed{} // whatever code it was, it may have used up this one
	}
	for _, in := range passwordsOf(c.op) {
		password, isText := c.fields[in.Name].(string)
		switch {
		case owner == nil:
		case isText:
			owner.mayHave(password)
		default:
			owner.touched, owner.lost = true, true
		}
	}
}

// passwordsOf returns the inputs of an operation that are passwords.
func passwordsOf(op *document.Operation) []*document.Input {
	return slices.DeleteFunc(
		op.Inputs(),
		func(in *document.Input) bool { return in.In != document.InBody || !isPassword(in.Schema) },
	)
}

// sessionOf returns the session and the user ID of a log-in. The session is empty if the response has none.
func (r *runner) sessionOf(c call, a *answer) (s session, userID string) {
	var body struct {
		Token  string `json:"token"`
		UserID string `json:"user_id"`
	}
	plain, _ := decoded(a.header, a.body(), func(string) bool { return true })
	if json.Unmarshal(plain.data, &body) == nil {
		s.token = body.Token
	}
	if cookie, _ := r.sessionCookie(c.op, a.header); cookie != nil {
		s.cookie = cookie.Value
		if cookie.Quoted {
			s.cookie = `"` + s.cookie + `"`
		}
	}
	r.secrets = append(r.secrets, s.token, strings.Trim(s.cookie, `"`))
	// If one form is missing, a check reports that. Use the other one, so that the rest can be checked.
	s.token, s.cookie = cmp.Or(s.token, s.cookie), cmp.Or(s.cookie, s.token)
	return s, body.UserID
}

// calm logs in to an account whose last log-in was refused before a wrong password is tried again, so that no lock
// counts two of them in a row.
func (r *runner) calm(ctx context.Context, c call) error {
	if c.op.ID != "Login" {
		return nil
	}
	owner := r.owner(c.fields["email"])
	if password, _ := c.fields["password"].(string); owner == nil || !owner.refused ||
		slices.Contains(owner.passwords, password) {
		return nil
	}
	_, err := r.login(ctx, owner)
	return err
}

func (r *runner) loginCall(email string, password any) call {
	return r.call("Login", map[string]any{"email": email, "password": password})
}

// login logs in to an account with the password that it has. If an earlier call has destroyed that, login resets it.
func (r *runner) login(ctx context.Context, owner *account) (session, error) {
	s, err := r.tryLogin(ctx, owner)
	if err == nil || !owner.touched || !owner.refused || r.keep != "" {
		return s, err
	}
	owner.lost = true
	if _, _, e := r.set(ctx, owner, owner.given, nil); e != nil {
		return s, err
	}
	return r.tryLogin(ctx, owner)
}

// stillIn checks that the present password of an account lets in.
func (r *runner) stillIn(ctx context.Context, owner *account) error {
	_, err := r.tryLogin(ctx, owner)
	if err != nil {
		owner.touched, owner.lost = true, true
	}
	return err
}

func (r *runner) tryLogin(ctx context.Context, owner *account) (s session, err error) {
	for _, password := range slices.Backward(slices.Clone(owner.passwords)) {
		c := r.loginCall(owner.email, password)
		a, e := r.send(ctx, c)
		if e != nil {
			return s, fmt.Errorf("a log-in with the right password: %w", e)
		}
		if success.includes(c.op, a.status) {
			owner.has(password)
			if s, _ = r.sessionOf(c, a); !s.usable() {
				return s, errors.New("a log-in with the right password gives neither a token nor a cookie")
			}
			s.owner = owner
			return s, nil
		}
		err = fmt.Errorf("the answer to a log-in with the right password is %d", a.status)
	}
	return s, err
}

// live returns a session of the account that has not ended. It logs in if there is none.
func (r *runner) live(ctx context.Context) (session, error) {
	for _, s := range slices.Backward(r.open) {
		if s.owner == r.main {
			return s, nil
		}
	}
	return r.login(ctx, r.main)
}

// logout logs a session out, by a scheme.
func (r *runner) logoutCall(s session, scheme document.Scheme) call {
	return r.call("Logout", nil).presenting(s, scheme)
}

// works checks that a session has not ended, and ends it.
func (r *runner) works(ctx context.Context, s session) error {
	if len(r.schemes) == 0 {
		return nil
	}
	if _, err := r.expect(ctx, r.logoutCall(s, r.schemes[0]), success); err != nil {
		return fmt.Errorf("the log-out of a session from before: %w", err)
	}
	return nil
}

// tidy ends the open sessions except the last one of the account.
func (r *runner) tidy(ctx context.Context) {
	kept := -1
	for i, s := range r.open {
		if s.owner == r.main {
			kept = i
		}
	}
	for i, s := range slices.Clone(r.open) {
		if i != kept {
			r.end(ctx, s)
		}
	}
}

// end ends a session, unless log-outs fail.
func (r *runner) end(ctx context.Context, s session) {
	if len(r.schemes) == 0 || r.untidy {
		return
	}
	a, err := r.send(ctx, r.logoutCall(s, r.schemes[len(r.schemes)-1]))
	r.untidy = err != nil || a.status/100 == 5
	r.open = slices.DeleteFunc(r.open, func(o session) bool { return o == s }) // even if it had ended before
}
