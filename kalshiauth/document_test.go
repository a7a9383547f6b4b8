package kalshiauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/api"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

func TestTheClientDoesWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	for _, problem := range compareWithDocument(t, api.Document) {
		t.Error(problem)
	}
}

func TestTheComparisonFindsWhatTheClientLacks(t *testing.T) {
	t.Parallel()
	const operation = `
  /sessions:
    get:
      operationId: ListSessions
      responses:
        '204':
          description: None.
components:`
	for want, change := range map[string]func(doc []byte) []byte{
		"ListSessions: Client has no such method": func(doc []byte) []byte {
			return bytes.Replace(doc, []byte("\ncomponents:"), []byte(operation), 1)
		},
		"LoginRequest.password": func(doc []byte) []byte {
			return bytes.Replace(doc, []byte("minLength: 6"), []byte("minLength: 8"), 1)
		},
		"Logout: 402": func(doc []byte) []byte {
			return bytes.Replace(doc, []byte("        '204':\n          description: Logged out."),
				[]byte("        '402':\n          description: Pay.\n        '204':\n          description: Logged out."), 1)
		},
		"server": func(doc []byte) []byte {
			return bytes.Replace(doc, []byte("https://demo-api.kalshi.co/v1"), []byte("https://demo.example.com"), 1)
		},
		"cookie": func(doc []byte) []byte {
			return bytes.Replace(doc, []byte("name: sessions"), []byte("name: session"), 1)
		},
	} {
		changed := change(bytes.Clone(api.Document))
		if bytes.Equal(changed, api.Document) {
			t.Fatalf("%s: the document did not change", want)
		}
		problems := compareWithDocument(t, changed)
		if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("the comparison found %q, and not %s", problems, want)
		}
	}
}

// compareWithDocument holds the client against each operation, status and limit of a document, and returns where they
// differ.
func compareWithDocument(t *testing.T, document []byte) (problems []string) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		t.Fatal(err)
	}
	differ := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for i, want := range []string{kalshiauth.ProductionURL, kalshiauth.DemoURL} {
		if doc.Servers[i].URL != want {
			differ("server %d is %s, and the client's %s", i, doc.Servers[i].URL, want)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			name := op.OperationID
			if _, ok := reflect.TypeFor[*kalshiauth.Client]().MethodByName(name); !ok {
				differ("%s: Client has no such method", name)
				continue
			}
			call, ok := operations[name]
			if !ok {
				differ("%s: the tests do not call it", name)
				continue
			}
			for status, response := range op.Responses.Map() {
				code, err := strconv.Atoi(status)
				if err != nil {
					differ("%s: the status %s", name, status)
					continue
				}
				compareStatus(t, differ, name, call, code, response.Value, func(r *http.Request) string {
					want := strings.Replace(path, "{code}", code4url, 1)
					if r.Method != method || r.URL.EscapedPath() != want {
						return r.Method + " " + r.URL.EscapedPath()
					}
					return compareSecurity(doc, op, r)
				})
			}
		}
	}
	compareLimits(t, differ, doc)
	return problems
}

const code4url = "4fzyo%2F82+myh"

// compareStatus has the client get one documented answer, with the documented example.
func compareStatus(t *testing.T, differ func(string, ...any), name string, call func(*testing.T, *kalshiauth.Client) error,
	status int, response *openapi3.Response, check func(*http.Request) string,
) {
	t.Helper()
	var body []byte
	var example map[string]any
	if media := response.Content.Get("application/json"); media != nil {
		example, _ = media.Example.(map[string]any)
		body, _ = json.Marshal(example)
	}
	err := call(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if problem := check(r); problem != "" {
			differ("%s: the client sent %s", name, problem)
		}
		reply(status, string(body))(w, r)
	}))
	if status < 400 {
		if err != nil {
			differ("%s: %d is %v", name, status, err)
		}
		return
	}
	want, ok := map[int]error{
		400: kalshiauth.ErrBadRequest, 401: kalshiauth.ErrUnauthorized, 403: kalshiauth.ErrForbidden,
		429: kalshiauth.ErrRateLimited, 500: kalshiauth.ErrServer, 503: kalshiauth.ErrUnavailable,
	}[status]
	if !ok || !errors.Is(err, want) {
		differ("%s: %d is %v, and has the sentinel %v", name, status, err, want)
	}
	var answer *kalshiauth.Error
	if !errors.As(err, &answer) {
		differ("%s: %d is no *Error", name, status)
		return
	}
	got := map[string]any{
		"code": answer.Code, "message": answer.Message, "details": answer.Details, "service": answer.Service,
	}
	if !maps.Equal(got, example) {
		differ("%s: %d has the fields %v, want %v", name, status, got, example)
	}
	for field := range response.Headers {
		if _, ok := got[field]; !ok {
			differ("%s: %d has the header %s", name, status, field)
		}
	}
}

// compareSecurity says how a request presents the session otherwise than the first way that the document allows.
func compareSecurity(doc *openapi3.T, op *openapi3.Operation, r *http.Request) string {
	want := ""
	if op.Security != nil && len(*op.Security) > 0 {
		for scheme := range (*op.Security)[0] {
			want = doc.Components.SecuritySchemes[scheme].Value.Name + "=" + token
		}
	}
	if got := r.Header.Get("Cookie"); got != want {
		return "the cookie " + got
	}
	return ""
}

// compareLimits finds where the client and the document's schemas disagree on what is too short, or of a wrong form.
func compareLimits(t *testing.T, differ func(string, ...any), doc *openapi3.T) {
	t.Helper()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		status := map[string]int{"/log_in": 200, "/passwords/reset": 202}[r.URL.Path]
		if status == 0 {
			status = 204
		}
		reply(status, loginBody)(w, r)
	})
	login := func(email, password string) error {
		_, err := client.Login(t.Context(), kalshiauth.Credentials{Email: email, Password: password})
		return err
	}
	confirm := func(code, id, password string) error {
		return client.ResetPasswordConfirm(t.Context(), kalshiauth.PasswordResetConfirmation{Code: code, UserID: id, NewPassword: password})
	}
	codeParameter := doc.Paths.Find("/passwords/reset/{code}/confirm").Put.Parameters[0].Value.Schema.Value
	schema := func(model, field string) *openapi3.Schema {
		return doc.Components.Schemas[model].Value.Properties[field].Value
	}
	for name, limit := range map[string]struct {
		schema *openapi3.Schema
		call   func(value string) error
	}{
		"LoginRequest.email":    {schema("LoginRequest", "email"), func(v string) error { return login(v, password) }},
		"LoginRequest.password": {schema("LoginRequest", "password"), func(v string) error { return login(email, v) }},
		"ResetPasswordRequest.email": {
			schema("ResetPasswordRequest", "email"),
			func(v string) error { return client.ResetPassword(t.Context(), v) },
		},
		"ConfirmPasswordResetRequest.user_id": {
			schema("ConfirmPasswordResetRequest", "user_id"), func(v string) error { return confirm(code, v, newPassword) },
		},
		"ConfirmPasswordResetRequest.password": {
			schema("ConfirmPasswordResetRequest", "password"), func(v string) error { return confirm(code, userID, v) },
		},
		"code": {codeParameter, func(v string) error { return confirm(v, userID, newPassword) }},
	} {
		values := map[string]bool{} // and whether they fit
		switch limit.schema.Format {
		case "email":
			values = map[string]bool{email: true, "trader": false}
		case "uuid":
			values = map[string]bool{userID: true, "42": false}
		default:
			least := int(limit.schema.MinLength) //nolint:gosec // small
			values[strings.Repeat("x", least)] = true
			values[strings.Repeat("x", least-1)] = false
			values[strings.Repeat("é", least)] = true
			values[strings.Repeat("é", least-1)] = false
		}
		for value, fits := range values {
			if err := limit.call(value); fits != (err == nil) || !fits && !errors.Is(err, kalshiauth.ErrInvalidInput) {
				differ("%s: %q fits the document: %t; the client says %v", name, value, fits, err)
			}
		}
	}
}
