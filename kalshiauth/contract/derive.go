package contract

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// A variant is a way in which a call can be wrong.
type variant struct {
	id    string
	name  string
	rule  string
	input *document.Input // that is wrong; nil: the body
	calls func(right call) []call
}

// want returns the statuses of a refusal. A request with a wrong path or content type may not reach the operation.
func (v variant) want() wanted {
	if v.id == "body.form" || v.input != nil && v.input.In == openapi3.ParameterInPath {
		return refusal | undocumented
	}
	return refusal
}

// variants returns the ways in which calls of an operation can be wrong. Package document decides whether a call is. A
// limit that no value here breaks has no variant.
func (r *runner) variants(ctx context.Context, op *document.Operation) (all []variant) {
	right := r.sample(op)
	all = bodyVariants(op)
	for _, in := range op.Inputs() {
		prefix := in.Name + "."
		if in.In != document.InBody {
			prefix = in.In + "." + prefix
		}
		// broken keeps the calls that break the document by this input.
		broken := func(calls ...call) []call {
			return slices.DeleteFunc(calls, func(c call) bool { return !c.breaks(ctx, in, r.base) })
		}
		if in.Required != "" && in.In != openapi3.ParameterInPath {
			what := "a request"
			if in.In == document.InBody {
				what = "a body"
			}
			all = append(all, variant{prefix + "missing", what + " without " + in.Name, in.Required, in, func(c call) []call {
				return broken(c.without(in))
			}})
		}
		for _, l := range limits {
			name := strings.Replace(l.name, "%", in.Name, 1)
			all = append(all, variant{prefix + l.id, name, in.Rule + "/" + l.keyword, in, func(c call) (calls []call) {
				for _, value := range l.broken(r, in.Schema, c.value(in)) {
					calls = append(calls, broken(c.with(in, value))...)
				}
				return calls
			}})
		}
	}
	return slices.DeleteFunc(all, func(v variant) bool { return len(v.calls(right)) == 0 })
}

// bodyVariants returns the ways in which a JSON body as a whole can be wrong.
func bodyVariants(op *document.Operation) (all []variant) {
	schema, rule := op.JSONBody()
	if schema == nil {
		return nil
	}
	add := func(id, name, rule string, raw func(right string) []string) {
		all = append(all, variant{"body." + id, name, rule, nil, func(c call) (calls []call) {
			for _, text := range raw(c.body()) {
				if wrong := c.withBody(text); len(op.CheckBodyText(text)) > 0 {
					calls = append(calls, wrong)
				}
			}
			return calls
		}})
	}
	fixed := func(texts ...string) func(string) []string { return func(string) []string { return texts } }
	if op.Operation.RequestBody.Value.Required {
		add("missing", "a missing body", "/requestBody/required", fixed(""))
	}
	add("malformed", "malformed JSON", "/requestBody", func(right string) []string {
		key, _, _ := strings.Cut(right, ":")
		return []string{key + ":", right[:len(right)-1], "x" + right, strings.ReplaceAll(right, `"`, `'`)}
	})
	add("null", "a body that is null", rule, fixed("null"))
	add("text", "a body that is a text", rule, fixed(`"x"`, `""`))
	add("number", "a body that is a number", rule, fixed("42"))
	add("boolean", "a body that is true", rule, fixed("true"))
	add("array", "a body that is an array", rule, func(right string) []string { return []string{"[]", "[" + right + "]"} })
	add("empty", "an empty object", rule, fixed("{}"))
	return append(all, variant{"body.form", "a form in place of JSON", "/requestBody/content", nil, func(c call) []call {
		form := url.Values{}
		for name, value := range c.fields {
			form.Set(name, fmt.Sprint(value))
		}
		return []call{c.withBody(form.Encode()).withHeader("Content-Type", "application/x-www-form-urlencoded")}
	}})
}

// derived returns the checks that follow from the description of an operation: calls that it must refuse.
//
// Calls to an operation that needs a session present the account's session: without it, the server would refuse them
// for that reason. Passwords in such a call are the account's own, so these checks need a mailbox, to restore it.
func (r *runner) derived(ctx context.Context, op *document.Operation) (all []*check) {
	all = append(all, r.withoutSession(op)...)
	if len(refusal.statuses(op)) == 0 {
		return all
	}
	variants := r.variants(ctx, op)
	secured := len(r.schemesOf(op)) > 0
	passwords := passwordsOf(op)
	needed := needsNothing
	switch {
	case secured && len(passwords) > 0:
		needed = needsMailbox
	case secured:
		needed = needsAccount
	}
	for _, v := range variants {
		all = append(all, &check{v.id, "refuses " + v.name, op, v.rule, needed, func(ctx context.Context, r *runner) error {
			right := r.sample(op)
			if !secured {
				return r.refusedAs(ctx, v.want(), v.calls(right)...)
			}
			for _, in := range passwords {
				if v.input != in {
					right = right.with(in, r.main.present())
				}
			}
			return r.refusedWithSession(ctx, v.want(), v.calls(right))
		}})
	}
	// What is refused for unknown values must be refused for the right ones.
	if f, ok := flows[op.ID]; ok && len(op.Inputs()) > 0 {
		for _, v := range variants {
			all = append(all, &check{
				"known." + v.id, "refuses " + v.name + " for the known account", op, v.rule, f.needs | needsMailbox,
				func(ctx context.Context, r *runner) error {
					right, err := f.right(ctx, r)
					if err != nil {
						return err
					}
					if op.ID == "ResetPassword" {
						right = r.call(op.ID, map[string]any{"email": r.main.email})
					}
					return r.refusedAs(ctx, v.want(), v.calls(right)...)
				},
			})
		}
	}
	return all
}

// refusedWithSession sends calls with the account's session, which must be refused.
func (r *runner) refusedWithSession(ctx context.Context, want wanted, calls []call) error {
	for _, c := range calls {
		s, err := r.live(ctx)
		if err != nil {
			return err
		}
		schemes := r.schemesOf(c.op)
		if err := r.refusedAs(ctx, want, c.presenting(s, schemes[len(schemes)-1])); err != nil {
			return err
		}
	}
	return nil
}

// schemesOf returns the schemes by which the target presents a session to an operation that requires one.
func (r *runner) schemesOf(op *document.Operation) []document.Scheme {
	schemes, required := op.Security()
	if !required {
		return nil
	}
	return slices.DeleteFunc(schemes, func(s document.Scheme) bool { return !slices.Contains(r.schemes, s) })
}
