package contract

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// A form is an unusual form of a right call, which a server must take.
type form struct {
	id, name string
	ofBody   bool // it changes the body
	edit     func(call) call
}

// forms are the forms that each operation must take.
var forms = []form{
	{"extra", "with properties that the document does not have", true, func(c call) call {
		for name, value := range map[string]any{
			"x_text": "a", "x_number": 1.5, "x_null": nil, "x_list": []any{1, "b"},
			"x_object": map[string]any{"c": map[string]any{}},
		} {
			c = c.with(&document.Input{Name: name, In: document.InBody}, value)
		}
		return c
	}},
	{"non-ascii", "with text that is not ASCII", true, func(c call) call {
		return c.with(&document.Input{Name: "x_größe_大_😀", In: document.InBody}, "Zoë, 東京, Ω, עברית, 😀")
	}},
	{"order", "with its properties in another order", true, func(c call) call {
		var properties []string
		for _, name := range slices.Backward(slices.Sorted(maps.Keys(c.fields))) {
			data, _ := json.Marshal(map[string]any{name: c.fields[name]}) //nolint:errchkjson // strings, numbers and the like
			properties = append(properties, string(data[1:len(data)-1]))
		}
		return c.withBody("{" + strings.Join(properties, ",") + "}")
	}},
	{"escapes", "with escaped JSON and white space", true, func(c call) call {
		return c.withBody("\n\t" + escaped(c.body()) + " \r\n")
	}},
	{"charset", "with a charset in the content type", true, func(c call) call {
		return c.withHeader("Content-Type", "application/json; charset=utf-8")
	}},
	{"cookies", "with other cookies", false, func(c call) call {
		line := c.header.Get("Cookie")
		c.header = c.header.Clone()
		c.header.Del("Cookie")
		c = c.withCookie("theme=dark")
		if name, _, _ := strings.Cut(line, "="); line != "" { // between others whose names look like it
			c = c.withCookie("x" + name + "=a").withCookie(line).withCookie(name + "x=b")
		}
		return c.withCookie(`lang="en"`)
	}},
	{"gzip", "of a client that takes gzip", false, func(c call) call { return c.withHeader("Accept-Encoding", "gzip") }},
}

// escaped returns JSON with each character of a string as an escape.
func escaped(body string) string {
	var b strings.Builder
	inString := false
	for i := 0; i < len(body); i++ {
		switch char := body[i]; {
		case char == '"':
			inString = !inString
			b.WriteByte(char)
		case !inString:
			b.WriteByte(char)
			if char == ',' || char == ':' || char == '{' {
				b.WriteString("\n ")
			}
		default: // the rest of the string
			end := i + strings.IndexByte(strings.ReplaceAll(body[i:], `\"`, `xx`), '"')
			var text string
			_ = json.Unmarshal([]byte(`"`+body[i:end]+`"`), &text)
			for _, unit := range utf16.Encode([]rune(text)) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
			i = end - 1
		}
	}
	return b.String()
}

// lenient returns the checks that an operation takes unusual forms of right calls. Only the operations of [flows] have
// right calls, and those that change nothing: their answer must be of the same kind as to the usual form.
func (r *runner) lenient(op *document.Operation) (all []*check) {
	f, ok := flows[op.ID]
	switch {
	case op.ID == "ResetPasswordConfirm":
		return nil // each right call needs a mail: see takesAllForms
	case !ok && !isSafe(op):
		return nil // nobody knows what a right call does
	case !ok:
		f = flow{needsNothing, func(_ context.Context, r *runner) (call, error) { return r.sample(op), nil }}
	}
	schemes := r.schemesOf(op)
	if len(schemes) > 0 {
		f.needs = needsAccount
	}
	for _, form := range r.formsOf(op) {
		all = append(all, &check{
			"right." + form.id, "takes a right request " + form.name, op, "/requestBody", f.needs,
			func(ctx context.Context, r *runner) error {
				usual, err := r.usual(ctx, f, form.scheme)
				if err != nil {
					return err
				}
				if op.ID == "ResetPassword" || !ok {
					a, err := r.send(ctx, usual)
					if err != nil {
						return err
					}
					if usual, err = r.succeeding(usual, a); err != nil {
						return err
					}
				}
				_, err = r.expect(ctx, form.edit(usual), success)
				return err
			},
		})
	}
	for _, c := range all {
		if op.Operation.RequestBody == nil {
			c.rule = ""
		}
	}
	return all
}

// A presentedForm is a form of a call that presents a session by a scheme, if the operation requires one.
type presentedForm struct {
	form

	scheme *document.Scheme
}

// formsOf returns the forms of calls of an operation.
func (r *runner) formsOf(op *document.Operation) (all []presentedForm) {
	schemes := r.schemesOf(op)
	body, _ := op.JSONBody()
	add := func(id, name string, edit func(call) call, scheme *document.Scheme) {
		all = append(all, presentedForm{form{id + "." + scheme.ID, name, false, edit}, scheme})
	}
	for _, f := range forms {
		if f.ofBody && body == nil {
			continue
		}
		if len(schemes) == 0 {
			all = append(all, presentedForm{f, nil})
			continue
		}
		for _, scheme := range schemes {
			add(f.id, f.name+", session by "+scheme.ID, f.edit, &scheme)
		}
	}
	for _, scheme := range schemes {
		add("usual", "of the usual form, session by "+scheme.ID, func(c call) call { return c }, &scheme)
		if scheme.Name != "Authorization" {
			continue
		}
		add("prefix", "with a scheme before the token", func(c call) call {
			return c.withHeader(scheme.Name, "Bearer "+c.bearer.token)
		}, &scheme)
	}
	return all
}

// usual returns a right call of a flow, with a session.
func (r *runner) usual(ctx context.Context, f flow, scheme *document.Scheme) (call, error) {
	c, err := f.right(ctx, r)
	if err != nil || scheme == nil {
		return c, err
	}
	s, err := r.live(ctx)
	if err != nil {
		return c, err
	}
	return c.presenting(s, *scheme), nil
}

// succeeding returns a call that succeeds in place of one with the answer a.
func (r *runner) succeeding(c call, a *answer) (call, error) {
	if success.includes(c.op, a.status) {
		return c, nil
	}
	if c.op.ID == "ResetPassword" && r.target.ResetCode != nil && r.main.email != "" {
		return r.call(c.op.ID, map[string]any{"email": r.main.email}), nil // the server refuses unknown addresses
	}
	return c, skipError(fmt.Sprintf("the answer to a usual request is %d", a.status))
}

// takesAllForms checks that a confirmed reset takes all forms, with few requests: each needs a mail, and servers limit
// mails. Escapes come last, since they hide what else is unusual in a body.
func takesAllForms(ctx context.Context, r *runner) error {
	for _, escapes := range []bool{false, true} {
		if _, _, err := r.set(ctx, r.main, r.main.present(), func(c call) call {
			for _, f := range forms {
				if (f.id == "escapes" || f.id == "order") == escapes {
					c = f.edit(c)
				}
			}
			return c
		}); err != nil {
			return err
		}
	}
	return nil
}
