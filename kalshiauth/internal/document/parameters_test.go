package document_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// A document with parameters in all places and of all styles, each of them in an operation of its own.
func parameters(lines ...string) []byte {
	var b strings.Builder
	b.WriteString("openapi: 3.0.3\ninfo: {title: Parameters, version: '1'}\npaths:\n")
	for i, line := range lines {
		_, _ = fmt.Fprintf(&b, "  /p%d/{id}:\n    get:\n      operationId: P%d\n      parameters:\n"+
			"        - {name: id, in: path, required: true, schema: {type: integer}}\n        - {name: p, %s}\n"+
			"      responses: {'200': {description: OK}}\n", i, i, line)
	}
	return []byte(b.String())
}

func TestParametersOfEachStyleAreChecked(t *testing.T) {
	t.Parallel()
	const ints = "schema: {type: array, maxItems: 2, items: {type: integer}}"
	object := func(more string) string {
		return "schema: {type: object, " + more + "properties: {a: {type: integer}, b: {type: string}}}"
	}
	content := "content: {application/json: {schema: " + strings.TrimPrefix(object("required: [a], "), "schema: ") + "}}"
	cases := []struct {
		parameter string
		requests  map[string]string // a query, or a header, and the problem; "": none
	}{
		{"in: query, schema: {type: integer}", map[string]string{
			"?p=1": "", "": "", "?p=1&p=1": "p: more than one value", "?p=x": "p: integer", "?p=%zz": "p: not escaped",
			"?q=%zz": "", "?%zz=1": "", "?p=1;p=2": "p: integer", "?p=": "p: empty value",
		}},
		{"in: query, required: true, schema: {type: string, minLength: 2}", map[string]string{
			"": "p: missing", "?p=ab": "", "?p=a;b": "", "?p=a": "p: at least 2", "?p=%zz": "p: not escaped", "?p=a&p=bc": "p: more than",
		}},
		{"in: query, " + ints, map[string]string{
			"?p=1&p=2": "", "?p=1&p=2&p=3": "p: maximum number", "?p=1&p=x": "p: array",
		}},
		{"in: query, explode: false, " + ints, map[string]string{
			"?p=1,2": "", "?p=1,2,3": "p: maximum number", "?p=1,x": "p: array", "?p=1&p=2": "p: more than one value",
		}},
		{"in: query, style: spaceDelimited, " + ints, map[string]string{
			"?p=1%202": "", "?p=1%202%203": "p: maximum number", "?p=1&p=2": "p: more than one value",
		}},
		{"in: query, style: pipeDelimited, " + ints, map[string]string{"?p=1|2": "", "?p=1|2|3": "p: maximum number"}},
		{"in: query, style: deepObject, " + object(""), map[string]string{
			"?p[a]=1&p[b]=x": "", "?p[a]=x": "p: object", "": "",
		}},
		{"in: query, required: true, " + content, map[string]string{
			`?p={"a":1}`: "", `?p={"b":"x"}`: "p/a: missing", `?p=[`: "p: does not fit", "": "p: missing",
		}},
		{"in: query, schema: {}", map[string]string{"?p=1": "", "?p=": "p: empty value", "": ""}},
		{"in: query, content: {text/plain: {}}", map[string]string{"?p=1": ""}},
		{"in: query, schema: {allOf: [{type: integer}, {maximum: 5}]}", map[string]string{"?p=1&p=2": "p: more than one value"}},
		{"in: query, schema: {oneOf: [{type: integer}, {type: array, items: {type: integer}}]}", map[string]string{"?p=1": ""}},
		{"in: header, schema: {type: integer}", map[string]string{
			"p: 1": "", "p: x": "p: integer", "p: 1\np: 1": "p: more than one value",
		}},
		{"in: header, schema: {type: string, enum: [x, y]}", map[string]string{
			"p: x": "", "p: z": "p: allowed values", "p: x\np: z": "p: allowed values",
		}},
		{"in: header, schema: {type: string}", map[string]string{"p: x\np: y": ""}},
		{"in: header, required: true, " + ints, map[string]string{
			"p: 1, 2": "", "p: 1\np: 2": "", "p: 1, 2\np: 3": "p: maximum number", "": "p: missing", "p: x": "p: array",
		}},
		{"in: header, " + object(""), map[string]string{"p: a,1,b,x": "", "p: a,x": "p: object"}},
		{"in: cookie, required: true, schema: {type: integer}", map[string]string{
			"Cookie: p=1": "", "Cookie: a=b\nCookie: p=1; c=d": "", "Cookie: p=x": "p: integer", "Cookie: a=1": "p: missing",
			"Cookie: p=1; p=2": "p: more than one value", `Cookie: p=a\b`: "p: a character", "Cookie: q=\"\\": "p: missing",
		}},
		{"in: cookie, " + ints, map[string]string{ // exploded
			"": "", "Cookie: p=1": "", "Cookie: p=1&p=2": "", "Cookie: p=1; p=2; p=3": "p: maximum number", "Cookie: p=x": "p: array",
		}},
		{"in: cookie, explode: false, " + ints, map[string]string{
			"": "", "Cookie: p=1,2": "", "Cookie: p=1,2,3": "p: maximum number", "Cookie: p=1; p=2": "p: more than one value",
		}},
		{"in: cookie, " + object(""), map[string]string{"": "", "Cookie: a=1; b=x": ""}},
	}
	lines := make([]string, len(cases))
	for i, c := range cases {
		lines[i] = c.parameter
	}
	d := load(t, parameters(lines...))
	for i, c := range cases {
		op := d.Operation(fmt.Sprintf("P%d", i))
		for sent, want := range c.requests {
			query, headers := sent, []string(nil)
			if strings.Contains(sent, ": ") {
				query, headers = "", strings.Split(sent, "\n")
			}
			r := request(t, "/p", headers...)
			r.URL.RawQuery = strings.TrimPrefix(query, "?")
			got := op.CheckRequest(r, map[string]string{"id": "7"}, nil)
			if wanted := slices.DeleteFunc([]string{want}, func(s string) bool { return s == "" }); !matches(got, wanted) {
				t.Errorf("%s: %q: the problems are %q, want %q", c.parameter, sent, got, wanted)
			}
		}
	}
}

func TestHeadersOfResponsesAreCheckedAsParameters(t *testing.T) {
	t.Parallel()
	d := load(t, []byte(`
openapi: 3.0.3
info: {title: Headers, version: '1'}
paths:
  /p:
    get:
      operationId: P
      responses:
        '200':
          description: OK
          headers:
            X-Limit: {required: true, schema: {type: integer, minimum: 1}}
            X-Names: {schema: {type: array, maxItems: 2, items: {type: string}}}
            Set-Cookie: {schema: {type: string, maxLength: 3}}
            Content-Type: {schema: {type: integer}}
`))
	for sent, want := range map[string][]string{
		"X-Limit: 1":               nil,
		"X-Limit: 0":               {"X-Limit: at least 1"},
		"X-Limit: x":               {"X-Limit: integer"},
		"X-Limit: 1\nX-Limit: 2":   {"X-Limit: more than one value"},
		"Content-Type: text/plain": {"X-Limit: missing"},
		"X-Limit: 1\nSet-Cookie: a\nSet-Cookie: b":  nil,
		"X-Limit: x\nX-Names: a, b\nX-Names: c":     {"X-Limit: integer", "X-Names: maximum number"},
		"X-Limit: 1\nX-Names: a\nX-Names: b":        nil,
		"X-Limit: 1\nContent-Type: application/xml": nil,
	} {
		header := http.Header{}
		for line := range strings.SplitSeq(sent, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			header.Add(name, value)
		}
		got := d.Operation("P").CheckHeaders("200", header)
		if !matches(got, want) {
			t.Errorf("%q: the problems are %q, want %q", sent, got, want)
		}
		for _, p := range got {
			if rule := "#/paths/~1p/get/responses/200/headers/" + p.Place; p.Rule != rule {
				t.Errorf("the rule is %s, want %s", p.Rule, rule)
			}
		}
	}
}

func TestBodiesThatAreNotJSONAreChecked(t *testing.T) {
	t.Parallel()
	op := load(t, []byte(`
openapi: 3.0.3
info: {title: Bodies, version: '1'}
paths:
  /p:
    post:
      operationId: P
      requestBody:
        content:
          application/x-www-form-urlencoded:
            schema: {type: object, required: [a], properties: {a: {type: integer}}}
          text/plain: {schema: {type: string, maxLength: 3}}
          image/png: {}
          text/html: {schema: {type: string, maxLength: 3}}
      responses:
        '200': {description: OK, content: {text/plain: {schema: {type: string, maxLength: 3}}}}
`)).Operation("P")
	for sent, want := range map[string][]string{
		"application/x-www-form-urlencoded\na=1": nil,
		"application/x-www-form-urlencoded\nb=1": {"a: missing"},
		"text/plain\nabc":                        nil,
		"text/plain; charset=utf-8\nabcd":        {"body: maximum string length"},
		"image/png\n\x89PNG":                     nil,
		"text/html\n<html>":                      nil, // kin-openapi does not know it
	} {
		contentType, body, _ := strings.Cut(sent, "\n")
		got := op.CheckRequest(request(t, "", "Content-Type: "+contentType), nil, []byte(body))
		wantProblems(t, got, want...)
	}
	wantProblems(t, op.CheckOther("200", http.Header{"Content-Type": {"text/plain"}}, []byte("abcd")), "body: maximum string length")
}

// matches reports whether problems have these places and texts.
func matches(got []document.Problem, want []string) bool {
	return slices.EqualFunc(got, want, func(p document.Problem, want string) bool {
		place, found, _ := strings.Cut(want, ": ")
		return strings.HasPrefix(p.String(), place+": ") && strings.Contains(p.String(), found)
	})
}
