package contract_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/api"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// changedText returns the document with one text in place of another, everywhere.
func changedText(t *testing.T, old, replacement string) []byte {
	t.Helper()
	if !bytes.Contains(api.Document, []byte(old)) {
		t.Fatalf("the document does not have %q", old)
	}
	return bytes.ReplaceAll(api.Document, []byte(old), []byte(replacement))
}

// notLimits are the keywords of a schema that no value can break, and those of schemas inside, for which no scenarios are
// derived.
var notLimits = []string{
	"default", "deprecated", "description", "example", "externalDocs", "items", "nullable", "properties", "required", "title",
}

// uncovered returns a sentence for each operation, session, required value and limit of a document without a check.
func uncovered(t *testing.T, data []byte) (missing []string) {
	t.Helper()
	doc, err := document.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	ids, rules, covered := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range contract.Plan(data) {
		ids[c.ID], rules[c.Operation+" "+c.Rule], covered[c.Operation] = true, true, true
	}
	for _, op := range doc.Operations {
		if !covered[op.ID] {
			missing = append(missing, op.ID+" has no check: add a right call to flows in flows.go")
			continue
		}
		if _, secured := op.Security(); secured && !ids[op.ID+".session.none"] {
			missing = append(missing, op.ID+" needs a session, and no check omits it: see withoutSession in sessions.go")
		}
		for _, in := range contract.Inputs(op) {
			if in.Required && in.In != "path" && !rules[op.ID+" "+in.RequiredBy] {
				missing = append(missing, op.ID+" requires "+in.Name+", and no check omits it: see sample in values.go")
			}
			for keyword, value := range in.Keywords {
				known := keyword != "format" || slices.Contains([]string{"byte", "date", "date-time", "email", "uuid"}, fmt.Sprint(value))
				text := in.In == "path" && in.Text && keyword == "type" // each path is text
				if known && !text && !slices.Contains(notLimits, keyword) && !rules[op.ID+" "+in.Rule+"/"+keyword] {
					missing = append(missing, fmt.Sprintf("no check breaks %s/%s: add a value that does to limits in values.go", in.Rule, keyword))
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

func TestTheDocumentIsCoveredByChecks(t *testing.T) {
	t.Parallel()
	for _, missing := range uncovered(t, api.Document) {
		t.Error(missing)
	}
	// The flows are written by hand, and left out where a document lacks the operation.
	for _, id := range []string{"Login", "Logout", "ResetPassword", "ResetPasswordConfirm"} {
		if document.API().Operation(id) == nil {
			t.Errorf("flows.go calls %s, which the document does not have", id)
		}
	}
}

func TestWhatIsNotCoveredIsNamed(t *testing.T) {
	t.Parallel()
	minLength := fmt.Sprintf("\n          minLength: %d\n", minPassword)
	for want, change := range map[string][2]string{
		"ListSessions has no check": {
			"\ncomponents:", "\n  /sessions:\n    post:\n      operationId: ListSessions\n      security: []\n      responses:\n" +
				"        '204':\n          description: None.\ncomponents:",
		},
		"LoginRequest/properties/password/multipleOf": {minLength, minLength + "          multipleOf: 3\n"},
		"LoginRequest/properties/password/pattern":    {minLength, minLength + "          pattern: '^.*$'\n"},
	} {
		missing := uncovered(t, changedText(t, change[0], change[1]))
		if !slices.ContainsFunc(missing, func(text string) bool { return strings.Contains(text, want) }) {
			t.Errorf("want %q in %q", want, missing)
		}
	}
}

// Each keyword of a schema in a body, in a query and in a header has a scenario that breaks it.
func TestChecksBreakEachLimit(t *testing.T) {
	t.Parallel()
	const order = `
  /orders/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer}}
      - {name: X-Side, in: header, required: true, schema: {type: string, enum: [yes, no]}}
    post:
      operationId: Order
      security: []
      parameters:
        - {name: page, in: query, required: true, schema: {type: integer, format: int32, minimum: 1, maximum: 9}}
        - {name: dry, in: query, schema: {type: boolean}}
      requestBody:
        required: true
        content:
          application/json:
            schema:
              allOf:
                - $ref: '#/components/schemas/ResetPasswordRequest'
                - type: object
                  required: [ticker, day, legs, note]
                  properties:
                    ticker: {type: string, minLength: 3, maxLength: 8, pattern: '^[A-Z0-9]+$', example: ABC1}
                    day: {type: string, format: date}
                    at: {type: string, format: date-time}
                    legs: {type: array, minItems: 1, maxItems: 2, items: {type: object, required: [n], properties: {n: {type: integer}}}}
                    note: {type: string, format: byte}
                    price: {type: number, minimum: 0.5, maximum: 99.5, nullable: true}
      responses:
        '201': {description: Ordered.}
        '4XX': {description: Refused.}
components:`
	doc := changedText(t, "\ncomponents:", order)
	for _, missing := range uncovered(t, doc) {
		t.Error(missing)
	}
	for _, c := range contract.Plan(doc) {
		wantRuleIn(t, doc, c.Rule)
	}
}

// withMore is the document with two more operations.
func withMore(t *testing.T) []byte {
	t.Helper()
	return changedText(t, "\ncomponents:", strings.ReplaceAll(`
  /fixture/password:
    post:
      operationId: FixturePassword
      security:
        - cookie: []
        - authorization: []
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [old_password, new_password]
              properties:
                old_password: {type: string, format: password, minLength: MIN}
                new_password: {type: string, format: password, minLength: MIN}
      responses:
        '204': {description: Changed.}
        '400': {$ref: '#/components/responses/BadRequest'}
        '401': {$ref: '#/components/responses/Unauthorized'}
  /fixture/session:
    get:
      operationId: FixtureSession
      security:
        - cookie: []
        - authorization: []
      parameters:
        - {name: extend, in: query, required: true, schema: {type: boolean}}
      responses:
        '200': {description: The session.}
        '400': {$ref: '#/components/responses/BadRequest'}
        '401': {$ref: '#/components/responses/Unauthorized'}
components:`, "MIN", strconv.Itoa(minPassword+2)))
}

// fixturePassword changes the password, unless the new one has fewer than n characters.
func fixturePassword(srv *kalshiauthtest.Server, n int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		changed := field(string(data), "new_password")
		if field(string(data), "old_password") != password || utf8.RuneCountInString(changed) < n {
			notServed(400)(nil).ServeHTTP(w, r)
			return
		}
		srv.SetPassword(email, changed)
		w.WriteHeader(http.StatusNoContent)
	})
}

// An operation that is new in the document needs no scenario of its own.
func TestChecksOfANewOperationAreDerived(t *testing.T) {
	t.Parallel()
	doc := withMore(t)
	for _, missing := range uncovered(t, doc) {
		t.Error(missing)
	}
	for name, c := range map[string]struct {
		short      int // passwords of fewer characters are refused
		needExtend bool
		want       string // the check that fails
	}{
		"a careful server":                       {minPassword + 2, true, ""},
		"a short new password will do":           {minPassword, true, "FixturePassword.new_password.minLength"},
		"an extension that is not true or false": {minPassword + 2, false, "FixtureSession.query.extend.text"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t)
			srv.Handle("POST /fixture/password", fixturePassword(srv, c.short))
			srv.Handle("GET /fixture/session", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := strconv.ParseBool(r.URL.Query().Get("extend")); err != nil && c.needExtend {
					notServed(400)(nil).ServeHTTP(w, r)
				}
			}))
			for _, authorization := range []bool{false, true} {
				target := targetOf(srv)
				target.Schemes = []string{map[bool]string{true: "authorization", false: "cookie"}[authorization]}
				target.Document = doc
				report, err := contract.Run(t.Context(), target)
				if err != nil {
					t.Fatal(err)
				}
				for _, check := range report.Checks {
					if check.Outcome == contract.Failed && check.ID != c.want && check.Operation == "FixturePassword" {
						t.Error(check)
					}
				}
				if got := outcomes(report); c.want != "" && got[c.want] != contract.Failed || (c.want == "") != report.OK() {
					t.Errorf("Authorization %t:\n%s", authorization, written(t, report, contract.FormatText))
				}
				wantPassword(t, srv)
			}
		})
	}
}

// A derived scenario may change the password, too, and be the last one that runs.
func TestRunRestoresThePasswordAfterADerivedCheck(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	srv.Handle("POST /fixture/password", fixturePassword(srv, minPassword))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	target := targetOf(srv)
	broken := false
	target.OnCheck = func(c contract.Check) {
		if c.ID == "FixturePassword.new_password.minLength" {
			broken = c.Outcome == contract.Failed
			cancel()
		}
	}
	target.Document = withMore(t)
	if _, err := contract.Run(ctx, target); !errors.Is(err, context.Canceled) || !broken {
		t.Errorf("%v; the check failed: %t", err, broken)
	}
	wantPassword(t, srv)
}

// A server that is asked too much says nothing about the request.
func TestADocumented429IsNoRefusal(t *testing.T) {
	t.Parallel()
	const logout = "        '204':\n          description: Logged out."
	doc := changedText(t, logout, "        '429':\n          description: Wait.\n"+logout)
	srv := serverWith(t, func(*kalshiauthtest.Server) middleware {
		return errorsOf("Logout", func(a *reply) { a.fail(429) })
	})
	target := targetOf(srv)
	target.Document = doc
	report := run(t, target)
	for _, c := range report.Checks {
		if c.ID == noSession && (c.Outcome != contract.Failed || !strings.Contains(c.Detail, "429, want 400, 401 or 403")) {
			t.Error(c)
		}
	}
}

// Without a mailbox that restores the password, nothing is sent that may change it.
func TestANewOperationWithPasswordsNeedsAMailbox(t *testing.T) {
	t.Parallel()
	seen, tokens := &traffic{}, &memory{}
	srv := serverWith(t, func(*kalshiauthtest.Server) middleware {
		return chain(seen.watched, successes("Login", func(a *reply) { tokens.put(field(string(a.body), "token"), "") }))
	})
	target := targetOf(srv)
	target.ResetCode = nil
	target.Document = withMore(t)
	run(t, target)
	for _, token := range tokens.all() {
		if n := seen.count("/fixture/password", token[:len(token)-1]); n != 0 {
			t.Errorf("%d changes with a session", n)
		}
	}
}

func operationOf(r *http.Request) string {
	op, _, _ := document.API().Find(r.Method, r.URL.EscapedPath())
	if op == nil {
		return ""
	}
	return op.ID
}

func TestALimitOfTheDocumentIsTheLimitOfTheChecks(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{2, minPassword, 12, 40} {
		doc := changedText(t, fmt.Sprint("minLength: ", minPassword), fmt.Sprint("minLength: ", limit))
		var mu sync.Mutex
		short := map[string]bool{} // the operations to which a password with one character too few was sent
		srv := serverWith(t, func(*kalshiauthtest.Server) middleware {
			return replaced("", func(_ http.ResponseWriter, r *http.Request, body string, _ http.Handler) bool {
				mu.Lock()
				defer mu.Unlock()
				sent := field(body, "password")
				short[operationOf(r)] = short[operationOf(r)] || len(sent) == limit-1
				return false
			})
		})
		target := targetOf(srv)
		target.Document = doc
		run(t, target)
		if !short["Login"] || !short["ResetPasswordConfirm"] {
			t.Errorf("with a limit of %d, a password of %d characters was sent to %v", limit, limit-1, short)
		}
		wantPassword(t, srv)
	}
}

func TestEveryCheckRestsOnTheDocument(t *testing.T) {
	t.Parallel()
	for _, c := range run(t, targetOf(newServer(t))).Checks {
		wantRule(t, c.Rule)
	}
	for _, rule := range []string{"#/paths/~1log_in/get", "#/paths/~1log_out/post/security/7", "log_in", "#/info/title/x"} {
		if resolve(map[string]any{"info": map[string]any{"title": "x"}, "paths": map[string]any{}}, rule) == nil {
			t.Errorf("%s is in the document", rule)
		}
	}
}

// A format that something else in the process registers does not change the document's.
func TestFormatsAreTheDocumentsOwn(t *testing.T) { //nolint:paralleltest // it changes what is global
	var called bool
	wrong := openapi3.NewCallbackValidator(func(string) error {
		called = true
		return errors.New("nothing is right")
	})
	for _, format := range []string{"email", "uuid", "password"} {
		openapi3.DefineStringFormatValidator(format, wrong)
		t.Cleanup(func() { delete(openapi3.SchemaStringFormats, format) })
	}
	mutant := serverWith(t, func(*kalshiauthtest.Server) middleware {
		return loginFields(func(f map[string]any) { f["user_id"] = "42" })
	})
	report := run(t, targetOf(mutant))
	if outcomes(report)[rightPassword] != contract.Failed || called {
		t.Errorf("a global format decides (called: %t):\n%s", called, written(t, report, contract.FormatText))
	}
}
