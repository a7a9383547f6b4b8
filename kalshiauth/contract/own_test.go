package contract_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// withMarkets is the document with operations that have nothing to do with sessions.
func withMarkets(t *testing.T) contract.Option {
	t.Helper()
	return contract.WithDocument(changedText(t, "\ncomponents:", `
  /markets:
    get:
      operationId: Markets
      security: []
      responses:
        '200':
          description: Markets.
          headers:
            Set-Cookie: {schema: {type: string}}
            X-Left: {required: true, schema: {type: integer}}
          content:
            application/json: {schema: {type: object, required: [markets], properties: {markets: {type: array, items: {}}}}}
            text/csv: {schema: {type: string}}
            image/png: {}
        '400': {description: Refused.}
        '429':
          description: Wait.
          content: {application/json: {schema: {type: object, required: [reason], properties: {reason: {type: string}}}}}
        '503': {$ref: '#/components/responses/ServiceUnavailable'}
    head:
      operationId: HasMarkets
      security: []
      responses:
        '200': {description: Markets., content: {application/json: {schema: {type: object}}}}
    post:
      operationId: Import
      security: []
      requestBody: {required: true, content: {image/png: {}, application/json: {schema: {type: object}}}}
      responses:
        '204': {description: Imported.}
components:`))
}

// What only the client of this module requires is not required of other operations.
func TestOtherOperationsFollowTheirDocumentOnly(t *testing.T) {
	t.Parallel()
	const left = "X-Left: 7"
	long := `{"markets":[` + strings.Repeat(`"x",`, 20_000) + `"x"]}`
	for name, c := range map[string]struct {
		method  string
		handler http.Handler
		want    []string // what the violations say
	}{
		"JSON":                  {"GET", canned(200, `{"markets":[]}`, jsonType, left), nil},
		"a cookie":              {"GET", canned(200, `{"markets":[]}`, jsonType, left, "Set-Cookie: theme=dark"), nil},
		"a long body":           {"GET", canned(200, long, jsonType, left), nil},
		"a wrong long body":     {"GET", canned(200, strings.Replace(long, "markets", "market", 1), jsonType, left), []string{"/markets"}},
		"a very long body":      {"GET", canned(200, strings.Repeat(" ", 2<<20)+"x", jsonType, left), nil},
		"no limit":              {"GET", canned(200, `{"markets":[]}`, jsonType), []string{"X-Left: value is required"}},
		"a wrong limit":         {"GET", canned(200, `{"markets":[]}`, jsonType, "X-Left: few"), []string{"X-Left: value must be"}},
		"wrong JSON":            {"GET", canned(200, `{}`, jsonType, left), []string{"/markets"}},
		"not JSON":              {"GET", canned(200, `{"markets":[]}x`, jsonType, left), []string{"not one JSON value"}},
		"CSV":                   {"GET", canned(200, "a,b\n\xff,d\n", "Content-Type: text/csv", left), nil},
		"a picture":             {"GET", canned(200, "\x89PNG", "Content-Type: image/png", left), nil},
		"nothing of a picture":  {"GET", canned(200, "", "Content-Type: image/png", left), nil},
		"a page":                {"GET", canned(200, "<p>", "Content-Type: text/html", left), []string{"the content type is text/html"}},
		"an empty error":        {"GET", canned(400, ""), nil},
		"an error of its own":   {"GET", canned(429, `{"reason":"busy"}`, jsonType), nil},
		"a wrong error":         {"GET", canned(429, `{}`, jsonType), []string{"/reason"}},
		"an error like ours":    {"GET", canned(503, `{}`, jsonType), []string{"none of the fields"}},
		"HEAD":                  {"HEAD", canned(200, "", jsonType), nil},
		"a request of a file":   {"POST", canned(204, ""), nil},
		"an undocumented error": {"GET", canned(404, ""), []string{"undocumented status 404"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for side := range sides {
				base, rt, found := sides[side](t, c.handler, withMarkets(t))
				if c.method == "POST" {
					call(t, rt, c.method, base+"/markets", "\x89PNG\xff", "Content-Type: image/png")
					call(t, rt, c.method, base+"/markets", long, jsonType)
					call(t, rt, c.method, base+"/markets", strings.Repeat(" ", 2<<20)+"{}", jsonType)
				} else {
					call(t, rt, c.method, base+"/markets", "")
				}
				got := found.take()
				if !slices.EqualFunc(got, c.want, func(v contract.Violation, want string) bool {
					return strings.Contains(v.String(), want)
				}) {
					t.Errorf("%s: %v, want %q", side, got, c.want)
				}
			}
		})
	}
}
