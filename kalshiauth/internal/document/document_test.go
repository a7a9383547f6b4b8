package document_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/api"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// A document with what that of the module does not have yet.
const other = `
openapi: 3.0.3
info: {title: Other, version: "1"}
security: [{bearer: []}, {key: []}]
paths:
  /users/{user}:
    parameters:
      - {name: user, in: path, required: true, schema: {type: string, maxLength: 8}}
    get:
      operationId: GetUser
      responses: {'200': {description: OK}}
    delete:
      responses: {'204': {description: OK}}
  /users/me:
    get:
      operationId: GetMe
      security: [{}, {key: []}]
      responses: {'200': {description: OK}}
  /reports/{name}.{ext}:
    get:
      operationId: GetReport
      security: []
      parameters:
        - {name: name, in: path, required: true, schema: {type: string}}
        - {name: ext, in: path, required: true, schema: {type: string, enum: [csv, json]}}
        - {name: extend, in: query, schema: {type: boolean}}
        - {name: status, in: query, schema: {type: array, items: {type: string, enum: [open, closed]}}}
        - {name: limit, in: query, required: true, schema: {type: integer, minimum: 1, maximum: 100}}
        - {name: X-Trace, in: header, schema: {type: string, pattern: '^[0-9a-f]+$'}}
      responses: {'200': {description: OK}}
  /things:
    post:
      operationId: MakeThing
      requestBody:
        content:
          application/json:
            schema:
              allOf:
                - $ref: '#/components/schemas/Thing'
                - type: object
                  properties:
                    at: {type: string, format: date-time}
                    day: {type: string, format: date}
                    raw: {type: string, format: byte}
                    zip: {type: string, format: zip-code}
      responses: {'204': {description: OK}}
components:
  securitySchemes:
    bearer: {type: http, scheme: bearer}
    key: {type: apiKey, in: cookie, name: key}
    query: {type: apiKey, in: query, name: key}
  schemas:
    Thing:
      type: object
      additionalProperties: {type: integer}
      properties:
        id: {type: string, format: uuid, readOnly: true}
        secret: {type: string, format: password, writeOnly: true, minLength: 8}
        tags: {type: array, maxItems: 2, uniqueItems: true, items: {type: string}}
        kind: {type: string, enum: [a, b]}
        at: {}
        day: {}
        raw: {}
        zip: {}
        inner: {type: object, additionalProperties: false, properties: {size: {type: number, multipleOf: 0.5}}}
`

func load(t *testing.T, data []byte) *document.Document {
	t.Helper()
	d, err := document.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func request(t *testing.T, target string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://example.com"+target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// wantProblems wants problems with these places, the text of each of which has what follows the place.
func wantProblems(t *testing.T, got []document.Problem, want ...string) {
	t.Helper()
	texts := make([]string, len(got))
	for i, p := range got {
		texts[i] = p.String()
	}
	if !slices.EqualFunc(texts, want, func(text, want string) bool {
		place, found, _ := strings.Cut(want, ": ")
		return strings.HasPrefix(text, place+": ") && strings.Contains(text, found)
	}) {
		t.Errorf("the problems are %q, want %q", texts, want)
	}
}

func TestLoadFindsEveryOperation(t *testing.T) {
	t.Parallel()
	d := load(t, []byte(other))
	var got []string
	for _, op := range d.Operations {
		got = append(got, op.ID+" "+op.Method+" "+op.Path+" "+op.Pointer)
	}
	want := []string{
		"GetReport GET /reports/{name}.{ext} #/paths/~1reports~1{name}.{ext}/get",
		"MakeThing POST /things #/paths/~1things/post",
		"GetMe GET /users/me #/paths/~1users~1me/get",
		"DELETE /users/{user} DELETE /users/{user} #/paths/~1users~1{user}/delete",
		"GetUser GET /users/{user} #/paths/~1users~1{user}/get",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the operations are %q, want %q", got, want)
	}
	if op := d.Operation("DELETE /users/{user}"); op != d.Operations[3] || d.Operation("getMe") != nil {
		t.Errorf("Operation finds %v", op)
	}
}

func TestLoadRefusesWhatIsNoDocument(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		"", "{", "openapi: 3.0.3", "openapi: 3.0.3\ninfo: {title: x, version: '1'}",
		strings.Replace(other, "GetMe", "GetUser", 1),
		strings.Replace(other, "'#/components/schemas/Thing'", "other.yaml#/Thing", 1),
	} {
		if _, err := document.Load([]byte(data)); err == nil {
			t.Errorf("%.40q is a document", data)
		}
	}
}

func TestFindTakesTheMostConcretePath(t *testing.T) {
	t.Parallel()
	d := load(t, []byte(other))
	for request, want := range map[string]string{
		"GET /users/me":               "GetMe map[]",
		"GET /users/m%65":             "GetMe map[]",
		"GET /users/you":              "GetUser map[user:you]",
		"GET /users/a%2Fb%20c":        "GetUser map[user:a/b c]",
		"GET /users/a%0Ab":            "GetUser map[user:a\nb]",
		"GET /reports/2026.q1.csv":    "GetReport map[ext:csv name:2026.q1]",
		"DELETE /users/me":            "DELETE /users/{user} map[user:me]",
		"POST /users/me":              "none; GetMe DELETE /users/{user} GetUser",
		"GET /users/":                 "none;",
		"GET /users":                  "none;",
		"GET /users/a/b":              "none;",
		"GET /users/%zz":              "none;",
		"GET ":                        "none;",
		"GET users/me":                "none;",
		"GET /reports/csv":            "none;",
		"GET //users/me":              "none;",
		"GET /users/me/":              "none;",
		"get /users/me":               "none; GetMe DELETE /users/{user} GetUser",
		"GET /reports/a.csv?limit=10": "GetReport map[ext:csv?limit=10 name:a]", // a query is no part of a path
	} {
		method, path, _ := strings.Cut(request, " ")
		op, params, same := d.Find(method, path)
		got := "none;"
		for _, op := range same {
			got += " " + op.ID
		}
		if op != nil {
			got = fmt.Sprint(op.ID, " ", params)
		}
		if got != want {
			t.Errorf("%s is %q, want %q", request, got, want)
		}
	}
}

func TestSecurityNamesHeadersFirst(t *testing.T) {
	t.Parallel()
	cookie, header := document.Scheme{"cookie", "cookie", "sessions"}, document.Scheme{"authorization", "header", "Authorization"}
	if got := document.API().Schemes; !slices.Equal(got, []document.Scheme{header, cookie}) {
		t.Errorf("the schemes are %v", got)
	}
	d := load(t, []byte(other))
	bearer, key := document.Scheme{"bearer", "header", "Authorization"}, document.Scheme{"key", "cookie", "key"}
	for id, want := range map[string]struct {
		schemes  []document.Scheme
		required bool
	}{
		"GetUser":   {[]document.Scheme{bearer, key}, true}, // the document's default
		"GetMe":     {[]document.Scheme{key}, false},
		"GetReport": {nil, false},
	} {
		schemes, required := d.Operation(id).Security()
		if !slices.Equal(schemes, want.schemes) || required != want.required {
			t.Errorf("%s takes %v, required: %v; want %v", id, schemes, required, want)
		}
	}
}

func TestParametersAreChecked(t *testing.T) {
	t.Parallel()
	d := load(t, []byte(other))
	op := d.Operation("GetReport")
	good := map[string]string{"name": "a", "ext": "csv"}
	wantProblems(t, op.CheckRequest(request(t, "?limit=1&extend=true&status=open&status=closed&x=y", "X-Trace: 0f"), good, nil))
	wantProblems(t, op.CheckRequest(request(t, ""), good, nil), "limit: missing")
	wantProblems(t, op.CheckRequest(request(t, "?limit=101&extend=maybe&status=open&status=hunter22", "X-Trace: hunter22"),
		map[string]string{"name": "a", "ext": "hunter22"}, nil),
		"X-Trace: regular expression", "ext: allowed values", "extend: boolean", "limit: at most 100", "status/1: allowed values")
	wantProblems(t, op.CheckRequest(request(t, "?limit=hunter22"), good, nil), "limit: integer")
	wantProblems(t, op.CheckRequest(request(t, "?limit="), good, nil), "limit: empty")
	wantProblems(t, op.CheckRequest(request(t, "?limit=1&limit=2"), good, nil), "limit: more than one value")
	user := d.Operation("GetUser").CheckRequest(request(t, ""), map[string]string{"user": "123456789"}, nil)
	wantProblems(t, user, "user: maximum string length is 8")
	for rule, problem := range map[string]document.Problem{
		"#/paths/~1reports~1{name}.{ext}/get/parameters/4": op.CheckRequest(request(t, "?limit=0"), good, nil)[0],
		"#/paths/~1users~1{user}/parameters":               user[0],
	} {
		if problem.Rule != rule {
			t.Errorf("the rule is %s, want %s", problem.Rule, rule)
		}
	}
}

func TestBodiesAreChecked(t *testing.T) {
	t.Parallel()
	op := load(t, []byte(other)).Operation("MakeThing")
	for body, want := range map[string][]string{
		``: nil, // it is not required
		`{"secret":"12345678","tags":["a","b"],"kind":"b","n":7}`: nil,
		`{"id":"6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e"}`:           {"id: readOnly"},
		`{"secret":"hunter2","kind":"hunter2"}`:                   {"kind: allowed values", "secret: at least 8 characters"},
		`{"tags":["a","a","a"]}`:                                  {"tags: maximum number of items", "tags: duplicate"},
		`{"tags":["a",1]}`:                                        {"tags/1: string"},
		`{"hunter2":"hunter2"}`:                                   {"*: integer"},
		`{"inner":{"hunter2":1}}`:                                 {"inner: properties"},
		`{"inner":{"size":0.7}}`:                                  {"inner/size: multiple"},
		`{"at":"2026-11-24T00:00:00Z","day":"2026-11-24","raw":"aGk=","zip":"any"}`: nil,
		`{"at":"hunter2","day":"hunter2","raw":"hunter"}`:                           {"at: not a date and time", "day: not a date", "raw: not base64"},
		`null`:                   {"body: nullable", "body: nullable"},
		`{"secret":"12345678"}{`: {"body: not one JSON value"},
		`hunter2`:                {"body: not one JSON value"},
	} {
		got := op.CheckRequest(request(t, "", "Content-Type: application/json"), nil, []byte(body))
		wantProblems(t, got, want...)
		if text := fmt.Sprint(got); strings.Contains(text, "hunter") {
			t.Errorf("the problems quote the body: %s", text)
		}
	}
	for contentType, want := range map[string][]string{
		"Application/JSON; charset=utf-8": nil,
		"text/plain":                      {"Content-Type: not application/json"},
		";":                               {"Content-Type: not application/json"},
	} {
		got := op.CheckRequest(request(t, "", "Content-Type: "+contentType), nil, []byte(`{}`))
		wantProblems(t, got, want...)
	}
	login := document.API().Operation("Login")
	wantProblems(t, login.CheckRequest(request(t, ""), nil, nil), "body: missing")
	wantProblems(t, document.API().Operation("Logout").CheckRequest(request(t, ""), nil, []byte("anything")))
}

func TestALimitIsTheDocuments(t *testing.T) {
	t.Parallel()
	limit := int(document.API().Spec.Components.Schemas["LoginRequest"].Value.Properties["password"].Value.MinLength) //nolint:gosec // small
	credentials := map[string]string{"email": "trader@example.com", "password": strings.Repeat("x", limit)}
	wantProblems(t, document.API().Operation("Login").CheckBody(credentials))
	changed := load(t, bytes.ReplaceAll(api.Document, fmt.Append(nil, "minLength: ", limit), fmt.Append(nil, "minLength: ", limit+1)))
	wantProblems(t, changed.Operation("Login").CheckBody(credentials), fmt.Sprintf("password: at least %d characters", limit+1))
	wantProblems(t, changed.Operation("ResetPasswordConfirm").
		CheckBody(map[string]string{"user_id": "x", "password": strings.Repeat("x", limit+1)}),
		"user_id: not a UUID")
	wantProblems(t, changed.Operation("Login").CheckBody(func() {}), "body: not a JSON value")
}

func TestEmailIsABareAddress(t *testing.T) {
	t.Parallel()
	for email, ok := range map[string]bool{
		"trader@example.com": true, "a+b@c": true, `"a b"@example.com`: true, "jürgen@example.com": true,
		"": false, "trader": false, "trader@": false, "<trader@example.com>": false, "T <trader@example.com>": false,
		"trader@example.com ": false, "a@b, c@d": false, "trader@example.com (comment)": false,
	} {
		got := document.API().Operation("ResetPassword").CheckBody(map[string]string{"email": email})
		if ok {
			wantProblems(t, got)
		} else {
			wantProblems(t, got, "email: not an e-mail address")
		}
	}
}

func TestUUIDsAreOfAnyVersion(t *testing.T) {
	t.Parallel()
	for id, ok := range map[string]bool{
		"6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e": true, "6D7D8A3B-9C0F-0A43-0D0C-0A5E3F3C6B1E": true,
		"00000000-0000-0000-0000-000000000000": true,
		"":                                     false, "6d7d8a3b9c0f4a439d0c0a5e3f3c6b1e": false, "{6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e}": false,
		"6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1g": false, "6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e\n": false,
	} {
		body := map[string]string{"user_id": id, "password": "a new password"}
		got := document.API().Operation("ResetPasswordConfirm").CheckBody(body)
		if ok {
			wantProblems(t, got)
		} else {
			wantProblems(t, got, "user_id: not a UUID")
		}
	}
}

func TestPropertiesAreKnownByName(t *testing.T) {
	t.Parallel()
	d := load(t, []byte(other))
	for name, want := range map[string][3]bool{
		"secret": {true, true, false}, "size": {true, false, false}, "at": {true, false, false},
		"Secret": {false, true, true}, "SIZE": {false, false, true}, "other": {}, "": {},
	} {
		if got := [3]bool{d.HasProperty(name), d.IsPassword(name), d.IsLookalike(name)}; got != want {
			t.Errorf("%q is a property, a password, a lookalike: %v, want %v", name, got, want)
		}
	}
}

// Formats are the document's own, whatever else in the process registers.
func TestFormatsAreNotGlobal(t *testing.T) { //nolint:paralleltest // it changes what is global
	called := false
	wrong := openapi3.NewCallbackValidator(func(string) error {
		called = true
		return errors.New("nothing is right")
	})
	for _, format := range []string{"email", "uuid", "password", "zip-code"} {
		openapi3.DefineStringFormatValidator(format, wrong)
		t.Cleanup(func() { delete(openapi3.SchemaStringFormats, format) })
	}
	wantProblems(t, load(t, api.Document).Operation("Login").
		CheckBody(map[string]string{"email": "trader@example.com", "password": "correct horse battery"}))
	wantProblems(t, load(t, []byte(other)).Operation("MakeThing").CheckBody(map[string]string{"zip": "1", "secret": "12345678"}))
	if called {
		t.Error("a global format decides")
	}
}
