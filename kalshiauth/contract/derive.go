package contract

import (
	"context"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// derived returns the scenarios that follow from the description of an operation: the calls that it must refuse.
// Package document decides whether a call is malformed. A limit that no value here breaks has no scenario.
//
// Malformed calls of an operation that needs a session present the account's session: without it, the server would
// refuse them for that reason. Passwords in such a call are the account's own. If the server accepts the call, it may
// have changed the account's password. So these scenarios need a mailbox, to restore the password.
func derived(ctx context.Context, r *runner, op *document.Operation) (all []*scenario) {
	if len(refusal.statuses(op)) == 0 {
		return nil
	}
	valid := r.sample(op)
	schemes, secured := op.Security()
	secured = secured && len(schemes) > 0
	inputs := inputsOf(op)
	var passwords []*document.Input
	for _, in := range inputs {
		if in.In == document.InBody && isPassword(in.Schema) {
			passwords = append(passwords, in)
		}
	}
	needed := nothing
	switch {
	case secured && len(passwords) > 0:
		needed = mailbox
	case secured:
		needed = account
	}
	add := func(name, rule string, n needs, send func(context.Context, *runner) (*answer, error)) {
		all = append(all, &scenario{
			name: op.ID + " refuses " + name, op: op, rule: rule, want: refusal, needs: n, send: send,
		})
	}
	// malformed adds a scenario that sends a call in which one input is wrong.
	malformed := func(name, rule string, c call, wrong string) {
		add(name, rule, needed, func(ctx context.Context, r *runner) (*answer, error) {
			if !secured {
				return r.send(ctx, c)
			}
			if r.session == (session{}) {
				return nil, errNoSession
			}
			for _, in := range passwords {
				if _, sent := c.fields[in.Name]; sent && in.Name != wrong {
					c = c.with(in, r.password)
				}
			}
			a, err := r.send(ctx, c.presenting(r.session, r.target.inHeader()))
			r.touched = r.touched || len(passwords) > 0 && (err != nil || a.status < 300)
			return a, err
		})
	}

	if secured {
		add("a request without a session", "/security", nothing, func(ctx context.Context, r *runner) (*answer, error) {
			return r.send(ctx, valid)
		})
		add("an unknown session", "/security", nothing, func(ctx context.Context, r *runner) (*answer, error) {
			secret := r.random(secretLength)
			return r.send(ctx, valid.presenting(session{secret, secret}, r.target.inHeader()))
		})
	}
	if body := op.Operation.RequestBody; body != nil && body.Value.Required {
		malformed("a missing body", "/requestBody/required", valid.withBody(""), "")
	}
	if schema, _ := op.JSONBody(); schema != nil {
		begin := "{"
		if len(inputs) > 0 {
			begin = `{"` + inputs[0].Name + `":`
		}
		malformed("malformed JSON", "/requestBody", valid.withBody(begin), "")
		if c := valid.withBody("null"); len(c.problems(ctx, r.base)) > 0 {
			malformed("a body that is not an object", "/requestBody", c, "")
		}
	}
	for _, in := range inputs {
		if c := valid.without(in); in.Required != "" && c.breaks(ctx, in, r.base) {
			what := "a request"
			if in.In == document.InBody {
				what = "a body"
			}
			malformed(what+" without "+in.Name, in.Required, c, in.Name)
		}
		for _, limit := range limits {
			for _, value := range limit.broken(r, in.Schema) {
				if c := valid.with(in, value); c.breaks(ctx, in, r.base) {
					malformed(strings.Replace(limit.name, "%", in.Name, 1), in.Rule+"/"+limit.keyword, c, in.Name)
					break
				}
			}
		}
	}
	return all
}

func isPassword(s *openapi3.Schema) bool { return s.Format == "password" }

// limits are the keywords of a schema that a value can break.
var limits = []struct {
	keyword string
	name    string // of a value that breaks it; % is the name of the input
	// broken returns values that may break the keyword, to try in this order; none if the schema does not have it.
	broken func(r *runner, s *openapi3.Schema) []any
}{
	{"type", "a wrong type of %", func(_ *runner, s *openapi3.Schema) []any {
		if s.Type == nil {
			return nil
		}
		return []any{42, "x", true, []any{}, map[string]any{}}
	}},
	{"format", "a malformed %", func(_ *runner, s *openapi3.Schema) []any {
		switch {
		case s.Format == "":
			return nil
		case s.Type.Is(openapi3.TypeString):
			return []any{strings.Repeat("x", max(1, int(s.MinLength)))}
		}
		return []any{1 << 40} // for int32
	}},
	{"minLength", "a too short %", func(r *runner, s *openapi3.Schema) []any {
		if s.MinLength == 0 {
			return nil
		}
		return []any{r.random(int(s.MinLength) - 1)}
	}},
	{"maxLength", "a too long %", func(r *runner, s *openapi3.Schema) []any {
		if s.MaxLength == nil {
			return nil
		}
		return []any{r.random(int(*s.MaxLength) + 1)}
	}},
	{"pattern", "a % of a wrong form", func(_ *runner, s *openapi3.Schema) []any {
		if s.Pattern == "" {
			return nil
		}
		length := max(1, int(s.MinLength))
		return []any{strings.Repeat("x", length), strings.Repeat("0", length), strings.Repeat("~", length)}
	}},
	{"enum", "an unknown %", func(r *runner, s *openapi3.Schema) []any {
		if s.Enum == nil {
			return nil
		}
		return []any{r.random(secretLength), 1 << 30}
	}},
	{"minimum", "a too small %", func(_ *runner, s *openapi3.Schema) []any {
		if s.Min == nil {
			return nil
		}
		return []any{*s.Min - 1}
	}},
	{"maximum", "a too large %", func(_ *runner, s *openapi3.Schema) []any {
		if s.Max == nil {
			return nil
		}
		return []any{*s.Max + 1}
	}},
	{"minItems", "a % with too few items", func(r *runner, s *openapi3.Schema) []any {
		if s.MinItems == 0 {
			return nil
		}
		return []any{r.items(s, int(s.MinItems)-1)}
	}},
	{"maxItems", "a % with too many items", func(r *runner, s *openapi3.Schema) []any {
		if s.MaxItems == nil {
			return nil
		}
		return []any{r.items(s, int(*s.MaxItems)+1)}
	}},
}
