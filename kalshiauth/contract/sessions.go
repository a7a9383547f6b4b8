package contract

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// A nearMiss is a value that is almost a secret.
type nearMiss struct{ id, name string }

// nearMisses are those of a session and of a mailed code.
var nearMisses = []nearMiss{
	{"case", "in another case"},
	{"cut", "without its last character"},
	{"altered", "with another character"},
	{"appended", "with one more character"},
	{"encoded", "encoded once more"},
}

// of returns the near misses of a secret, which may have none.
func (n nearMiss) of(secret string) (all []string) {
	if secret == "" {
		return nil
	}
	last := len(secret) - 1
	switch n.id {
	case "case":
		all = []string{otherCase(secret), strings.ToLower(secret), strings.ToUpper(secret), otherCase(secret[:1]) + secret[1:]}
	case "cut":
		all = []string{secret[:last], secret[1:]}
	case "altered":
		for _, i := range []int{0, len(secret) / 2, last} {
			all = append(all, secret[:i]+otherSign(secret[i])+secret[i+1:])
		}
	case "appended":
		all = []string{secret + "x", "x" + secret}
	case "encoded":
		var b strings.Builder
		for _, char := range []byte(secret) {
			fmt.Fprintf(&b, "%%%02X", char)
		}
		escaped := b.String()
		if plain, err := url.PathUnescape(secret); err == nil && plain != secret {
			escaped = url.PathEscape(secret) // the server escapes its secrets itself
		}
		all = []string{escaped, base64.RawURLEncoding.EncodeToString([]byte(secret))}
	}
	return slices.DeleteFunc(all, func(near string) bool { return near == secret })
}

// otherSign returns another sign. In base64, it differs in the first bits: the last bits of a text may mean nothing.
func otherSign(sign byte) string {
	if 'A' <= sign && sign <= 'P' {
		return "g"
	}
	return "A"
}

// otherCase returns a text with each letter in its other case.
func otherCase(text string) string {
	return strings.Map(func(char rune) rune {
		if unicode.IsUpper(char) {
			return unicode.ToLower(char)
		}
		return unicode.ToUpper(char)
	}, text)
}

func isCookie(s document.Scheme) bool { return s.In == openapi3.ParameterInCookie }

// withoutSession returns the checks that an operation which requires a session refuses everything else.
func (r *runner) withoutSession(op *document.Operation) (all []*check) {
	schemes := r.schemesOf(op)
	if len(schemes) == 0 {
		return nil
	}
	add := func(id, name string, n needs, run action) {
		all = append(all, &check{"session." + id, "refuses " + name, op, "/security", n, run})
	}
	add("none", "a request without a session", needsNothing, func(ctx context.Context, r *runner) error {
		return r.refused(ctx, r.sample(op))
	})
	live := needsAccount
	if len(passwordsOf(op)) > 0 {
		live = needsMailbox // a server that takes a near miss may change the password
	}
	for _, scheme := range schemes {
		by := " by the " + scheme.In + " " + scheme.Name
		presented := func(ctx context.Context, r *runner, secret string) error {
			return r.refused(ctx, r.sample(op).presenting(session{cookie: secret, token: secret}, scheme))
		}
		add(scheme.ID+".unknown", "an unknown session"+by, needsNothing, func(ctx context.Context, r *runner) error {
			return presented(ctx, r, r.random(secretLength))
		})
		add(scheme.ID+".empty", "an empty session"+by, needsNothing, func(ctx context.Context, r *runner) error {
			if err := presented(ctx, r, "bearer"); err != nil { // the prefix alone
				return err
			}
			return presented(ctx, r, "")
		})
		for _, n := range nearMisses {
			add(scheme.ID+"."+n.id, "a session "+n.name+by, live, func(ctx context.Context, r *runner) error {
				s, err := r.live(ctx)
				if err != nil {
					return err
				}
				secret := s.token
				if isCookie(scheme) {
					secret = s.cookie
				}
				for _, near := range n.of(secret) {
					if err := presented(ctx, r, near); err != nil {
						return err
					}
				}
				if n.of(secret) == nil {
					return needless("the session has no such form")
				}
				return nil
			})
		}
		other := func(ctx context.Context, r *runner) error {
			if _, err := r.live(ctx); err != nil {
				return err
			}
			values := []string{r.main.userID(), r.main.email}
			if r.target.ResetCode != nil {
				m, err := r.unused(ctx, r.main)
				if err != nil {
					return err
				}
				values = append(values, m.code, r.main.present())
			}
			for _, value := range values {
				if value == "" {
					continue
				}
				if err := presented(ctx, r, value); err != nil {
					return err
				}
			}
			return nil
		}
		add(scheme.ID+".other", "the account's other values as a session"+by, live, other)
	}
	return all
}

// logouts returns the checks of log-outs, for each way to present a session.
func (r *runner) logouts() (all []*check) {
	op := r.Operation("Logout")
	for _, scheme := range r.schemesOf(op) {
		by := " by the " + scheme.In + " " + scheme.Name
		all = append(all,
			&check{
				scheme.ID + ".ends", "ends a session" + by, op, "/description", needsAccount,
				func(ctx context.Context, r *runner) error { return r.ends(ctx, scheme) },
			},
			&check{
				scheme.ID + ".ends-one", "ends no other session" + by, op, "/description", needsAccount,
				func(ctx context.Context, r *runner) error { return r.endsOne(ctx, scheme) },
			},
			&check{
				scheme.ID + ".lasts", "takes a session" + by + " after others were refused", op, "/security", needsAccount,
				func(ctx context.Context, r *runner) error { return r.lasts(ctx, scheme) },
			})
	}
	return all
}

// ends checks that a session is over after its log-out, by whatever scheme it is presented.
func (r *runner) ends(ctx context.Context, scheme document.Scheme) error {
	s, err := r.login(ctx, r.main)
	if err != nil {
		return err
	}
	if _, err := r.expect(ctx, r.logoutCall(s, scheme), success); err != nil {
		return err
	}
	for _, scheme := range r.schemes {
		if err := r.refused(ctx, r.logoutCall(s, scheme)); err != nil {
			return fmt.Errorf("after the log-out: %w", err)
		}
	}
	return nil
}

// endsOne checks that a log-out ends no other session. A server may keep only one session for an account.
func (r *runner) endsOne(ctx context.Context, scheme document.Scheme) error {
	for _, newest := range []bool{false, true} {
		var sessions []session
		for range 2 {
			s, err := r.login(ctx, r.main)
			if err != nil {
				return err
			}
			sessions = append(sessions, s)
		}
		if sessions[0].token == sessions[1].token {
			return errors.New("two log-ins give the same session")
		}
		if newest {
			slices.Reverse(sessions)
		}
		c := r.logoutCall(sessions[0], scheme)
		a, err := r.send(ctx, c)
		switch {
		case err != nil:
			return err
		case !newest && refusal.includes(c.op, a.status):
			if _, err := r.expect(ctx, r.logoutCall(sessions[1], scheme), success); err != nil {
				return fmt.Errorf("the log-out of the second session: %w", err)
			}
			return needless("the server keeps one session for an account")
		case !success.includes(c.op, a.status):
			return fmt.Errorf("the answer to a log-out is %d", a.status)
		}
		if _, err := r.expect(ctx, r.logoutCall(sessions[1], scheme), success); err != nil {
			return fmt.Errorf("the log-out of the other session: %w", err)
		}
	}
	return nil
}

// lasts checks that a session works until it is ended, although others were refused in between.
func (r *runner) lasts(ctx context.Context, scheme document.Scheme) error {
	s, err := r.login(ctx, r.main)
	if err != nil {
		return err
	}
	for _, c := range []call{r.call("Login", nil), r.sample(r.Operation("Logout"))} {
		if _, err := r.send(ctx, c); err != nil {
			return err
		}
	}
	for _, n := range nearMisses {
		secret := s.token
		if isCookie(scheme) {
			secret = s.cookie
		}
		for _, near := range n.of(secret) {
			if _, err := r.send(ctx, r.logoutCall(session{cookie: near, token: near}, scheme)); err != nil {
				return err
			}
		}
	}
	_, err = r.expect(ctx, r.logoutCall(s, scheme), success)
	return err
}
