package contract

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// oddTexts are values of inputs that make some servers fail. They are long enough to be masked in a report.
var oddTexts = []string{
	"\x00\x00\x00\x00", "odd\x00text", "odd'text", `odd" OR ""="`, "odd'; --", "odd%00text", "odd%", "odd%zz",
	"${7*7}", "{{7*7}}",
	"odd\r\nSet-Cookie: a=b", `odd\`, "odd\u202etext", "odd 𝕳😀\u0301", "odd\ufffe", strings.Repeat("a", 4<<10),
	strings.Repeat("é", 300), strings.Repeat("a@", 200) + "example.invalid",
}

// oddSessions are sessions that make some servers fail.
var oddSessions = []string{
	"session%", "session%00", "undefined", "session.a.b.c", "session.a.b", "session a b", `odd"session`, "====", "Basic Og==",
	strings.Repeat("a", 4<<10),
}

// oddBodies are bodies that make some servers fail.
var oddBodies = []string{
	strings.Repeat("[", 5000), strings.Repeat(`{"a":`, 5000), `{"a":1e999999}`, `{"a":123456789012345678901234567890}`,
	`{"a":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`, `{"":""}`, "\xff\xfe", "\ufeff{}", `{"a":"\ud800"}`,
	`{"email":"\ud800","password":"odd\udfffpassword","user_id":"\ud800"}`, `{"__proto__":{"a":1}}`,
	`{"email":"a","email":"b"}`, "a=b&c=d", "<a/>",
}

// odd returns the checks that input, however odd, makes no operation fail: a client's input never makes a 5xx. What
// stands in front of the API may refuse it with any 4xx.
func (r *runner) odd(op *document.Operation) (all []*check) {
	schemes := r.schemesOf(op)
	_, known := flows[op.ID]
	if !known && !isSafe(op) && len(schemes) == 0 {
		return nil // an odd value may be a right one
	}
	want := refusal | undocumented
	if op.ID == "ResetPassword" || !known && len(schemes) == 0 {
		want |= success
	}
	add := func(id, name, rule string, calls func(r *runner) []call) {
		all = append(all, &check{"odd." + id, name, op, rule, needsNothing, func(ctx context.Context, r *runner) error {
			for i, c := range calls(r) {
				if _, err := r.expect(ctx, c, want); err != nil {
					return fmt.Errorf("request %d: %w", i+1, err)
				}
			}
			return nil
		}})
	}
	for _, in := range op.Inputs() {
		if !in.Schema.Type.Includes(openapi3.TypeString) || in.In == openapi3.ParameterInHeader ||
			in.In == openapi3.ParameterInCookie {
			continue
		}
		// Long enough, or the server would not look at the rest.
		padding := strings.Repeat("a", int(in.Schema.MinLength)) //nolint:gosec // a length
		add(in.Name, "does not fail at an odd "+in.Name, in.Rule, func(r *runner) (calls []call) {
			for _, text := range oddTexts {
				calls = append(calls, r.sample(op).with(in, text+padding))
			}
			if in.In == openapi3.ParameterInPath {
				calls = append(calls, r.sample(op).with(in, "slash-a/slash-b"), r.sample(op).with(in, "slash-a/../slash-b"))
			}
			return calls
		})
	}
	if schema, _ := op.JSONBody(); schema != nil {
		add("body", "does not fail at an odd body", "/requestBody", func(r *runner) (calls []call) {
			for _, text := range oddBodies {
				calls = append(calls, r.sample(op).withBody(text))
			}
			for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "application/xml", "x", ""} {
				calls = append(calls, r.sample(op).withHeader("Content-Type", contentType))
			}
			return calls
		})
	}
	if len(schemes) > 0 {
		add("session", "does not fail at an odd session", "/security", func(r *runner) (calls []call) {
			for _, scheme := range schemes {
				if isCookie(scheme) {
					for _, line := range []string{"=a", "b", ";;", scheme.Name, scheme.Name + "=; " + scheme.Name + "="} {
						calls = append(calls, r.sample(op).withHeader("Cookie", line))
					}
				}
				for _, text := range oddSessions {
					calls = append(calls, r.sample(op).presenting(session{cookie: text, token: text}, scheme))
				}
			}
			return calls
		})
	}
	add("query", "does not fail at an odd query", "", func(r *runner) []call {
		c := r.sample(op)
		c.query = "a=%zz&&=&b;c=%00&" + strings.Repeat("d", 2<<10)
		return []call{c}
	})
	return all
}

// isSafe reports whether calls to an operation change nothing (RFC 9110).
func isSafe(op *document.Operation) bool {
	return op.Method == http.MethodGet || op.Method == http.MethodHead || op.Method == http.MethodOptions
}
