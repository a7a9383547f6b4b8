// Package robustness has the one table of operations that all tests walk, helpers that several test packages share, and
// tests that send faults, load, random answers and fuzzed input through the public API.
package robustness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// Valid input of the operations. Each value is another one, so that a test sees where two are mixed up.
const (
	Email       = "trader@example.com"
	Password    = "correct horse battery"
	NewPassword = "staple-and-better"
	UserID      = "6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e"
	Token       = "tok-3q2-7wSECRET" //nolint:gosec // made up
	Code        = "4fzyo/82+myh"
)

// SessionInput is the name of the session in an [Input].
const SessionInput = "session"

const jsonType = "application/json"

// An Input has the values that an operation sends, by their names in the document: properties of the body and
// parameters. A value that is not a string is there as JSON. The token of the session that it presents is there as
// [SessionInput].
type Input map[string]string

// An Operation is what tests know about an operation. The table has what the document does not say; the rest comes from
// the document. [Gaps] says what an entry lacks.
type Operation struct {
	*document.Operation // ID, Method, Path and the specification

	Input   Input    // a valid value for each input of the document, also for an optional one
	Secrets []string // the names of the inputs that no error may show
	Retries Retries
	Call    func(ctx context.Context, c *kalshiauth.Client, in Input) error

	Success int    // the status
	Answer  string // the body of a success, from the document's example; "": none
}

// Retries says after which failures a call is retried: see kalshiauth.WithRetries.
type Retries int

// The classes of retries.
const (
	Unanswered  Retries = iota // also where the server may have processed the request
	Unprocessed                // only where it cannot have
)

// table has an entry for each operation of the document, by its operationId.
var table = map[string]Operation{
	"Login": {
		Input: Input{"email": Email, "password": Password}, Secrets: []string{"password"}, Retries: Unanswered,
		Call: func(ctx context.Context, c *kalshiauth.Client, in Input) error {
			session, err := c.Login(ctx, kalshiauth.Credentials{Email: in["email"], Password: in["password"]})
			return valueOrError(session != nil, err)
		},
	},
	"Logout": {
		Input: Input{SessionInput: Token}, Secrets: []string{SessionInput}, Retries: Unanswered,
		Call: func(ctx context.Context, c *kalshiauth.Client, in Input) error {
			return c.Logout(ctx, kalshiauth.SessionFromToken(UserID, in[SessionInput]))
		},
	},
	"ResetPassword": {
		Input: Input{"email": Email}, Retries: Unprocessed,
		Call: func(ctx context.Context, c *kalshiauth.Client, in Input) error {
			return c.ResetPassword(ctx, in["email"])
		},
	},
	"ResetPasswordConfirm": {
		Input:   Input{"code": Code, "user_id": UserID, "password": NewPassword},
		Secrets: []string{"code", "password"}, Retries: Unprocessed,
		Call: func(ctx context.Context, c *kalshiauth.Client, in Input) error {
			return c.ResetPasswordConfirm(ctx, kalshiauth.PasswordResetConfirmation{
				Code: in["code"], UserID: in["user_id"], NewPassword: in["password"],
			})
		},
	},
}

// valueOrError returns err, or an error of its own where a call returned both a value and an error, or neither.
func valueOrError(hasValue bool, err error) error {
	if hasValue == (err == nil) {
		return err
	}
	return fmt.Errorf("the call returned a value: %t, and the error %w, want one of them", hasValue, err)
}

// Operations returns the operations that both the document of the module and the table have, sorted by ID.
func Operations() []Operation { return OperationsOf(document.API()) }

// OperationsOf returns the operations that both a document and the table have, sorted by ID.
func OperationsOf(doc *document.Document) (ops []Operation) {
	for _, spec := range doc.Operations {
		op, ok := table[spec.ID]
		if !ok {
			continue
		}
		op.Operation = spec
		for status, response := range spec.Operation.Responses.Map() {
			code, err := strconv.Atoi(status)
			if err != nil || code < 200 || code > 299 || op.Success != 0 && op.Success < code {
				continue
			}
			op.Success, op.Answer = code, ""
			if media := response.Value.Content.Get(jsonType); media != nil {
				answer, _ := json.Marshal(media.Example) //nolint:errchkjson // it came from JSON
				op.Answer = string(answer)
			}
		}
		ops = append(ops, op)
	}
	slices.SortFunc(ops, func(a, b Operation) int { return strings.Compare(a.ID, b.ID) })
	return ops
}

// Lookup returns an operation of [Operations]. It panics if there is none.
func Lookup(id string) Operation {
	ops := Operations()
	return ops[slices.IndexFunc(ops, func(op Operation) bool { return op.ID == id })]
}

// With returns the valid input with one value changed.
func (op *Operation) With(name, value string) Input {
	in := maps.Clone(op.Input)
	in[name] = value
	return in
}

// SecretValues returns those of the valid input.
func (op *Operation) SecretValues() (values []string) {
	for _, name := range op.Secrets {
		values = append(values, op.Input[name])
	}
	return values
}

// NeedsSession reports whether the operation presents a session.
func (op *Operation) NeedsSession() bool {
	schemes, _ := op.Security()
	return len(schemes) > 0
}

// EscapedPath returns the path of a call with this input, as it is sent.
func (op *Operation) EscapedPath(in Input) string {
	escaped := op.Path
	for name, value := range in {
		escaped = strings.ReplaceAll(escaped, "{"+name+"}", url.PathEscape(value))
	}
	return escaped
}

// Request returns the request that a call with this input is to send, below the URL baseURL, and its body. The session
// is presented as a cookie.
func (op *Operation) Request(baseURL string, in Input) (r *http.Request, body []byte) {
	query, header, fields := url.Values{}, http.Header{"Accept": {jsonType}}, map[string]any{}
	for _, p := range op.Inputs() {
		value, ok := in[p.Name]
		switch {
		case !ok:
		case p.In == "query":
			query.Set(p.Name, value)
		case p.In == "header":
			header.Set(p.Name, value)
		case p.In == document.InBody && p.Schema.Type.Is("string"):
			fields[p.Name] = value
		case p.In == document.InBody:
			fields[p.Name] = json.RawMessage(value)
		}
	}
	schemes, _ := op.Security()
	for _, scheme := range schemes {
		if scheme.In == "cookie" {
			header.Set("Cookie", scheme.Name+"="+in[SessionInput])
		}
	}
	if op.Route.Operation.RequestBody != nil {
		header.Set("Content-Type", jsonType)
		body, _ = json.Marshal(fields) //nolint:errchkjson // strings, and JSON
	}
	address := baseURL + op.EscapedPath(in)
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(context.Background(), op.Method, address, bytes.NewReader(body))
	if err != nil {
		panic(err) // an escaped path is a URL
	}
	r.Header = header
	return r, body
}

// Problems returns what the document says against a call with this input.
func (op *Operation) Problems(in Input) []document.Problem {
	r, body := op.Request("https://example.com", in)
	return op.CheckRequest(r, in, body)
}

// Gaps says where the table and the client's methods do not fit a document, and what to add where. Tests that walk the
// table and the document are complete where there are none.
func Gaps(doc *document.Document) (gaps []string) {
	const file = "kalshiauth/internal/robustness/operations.go"
	add := func(format string, args ...any) { gaps = append(gaps, fmt.Sprintf(format, args...)) }
	for _, spec := range doc.Operations {
		if _, ok := table[spec.ID]; !ok {
			add("%s: add an entry to table in %s", spec.ID, file)
		}
		if _, ok := reflect.TypeFor[*kalshiauth.Client]().MethodByName(spec.ID); !ok {
			add("%s: Client has no such method: add it in kalshiauth/client.go", spec.ID)
		}
	}
	client := reflect.TypeFor[*kalshiauth.Client]()
	for i := range client.NumMethod() {
		method := client.Method(i)
		calls := method.Type.NumIn() > 1 && method.Type.In(1) == reflect.TypeFor[context.Context]()
		if calls && doc.Operation(method.Name) == nil {
			add("%s: Client has this method, and the document no such operation: add it to api/openapi.yaml", method.Name)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(table)) {
		if doc.Operation(id) == nil {
			add("%s: the document has no such operation: remove it from table in %s", id, file)
		}
	}
	for _, op := range OperationsOf(doc) {
		for _, gap := range op.gaps() {
			add("%s in %s", gap, file)
		}
	}
	return gaps
}

// gaps says what the entry of an operation lacks.
func (op *Operation) gaps() (gaps []string) {
	add := func(format string, args ...any) { gaps = append(gaps, fmt.Sprintf(format, args...)) }
	known := map[string]bool{}
	secret := func(place, name, why string) {
		if !slices.Contains(op.Secrets, name) {
			add("%s %s: add %q to Secrets of %s", place, why, name, op.ID)
		}
	}
	if op.NeedsSession() {
		known[SessionInput] = true
		secret(op.ID, SessionInput, "presents a session")
		if op.Input[SessionInput] == "" {
			add("%s presents a session: add SessionInput to Input of %s", op.ID, op.ID)
		}
	}
	for _, p := range op.Inputs() {
		known[p.Name] = true
		if _, ok := op.Input[p.Name]; !ok {
			add("%s: add %q, with a valid value, to Input and to Call of %s", p.Place, p.Name, op.ID)
		}
		if p.Schema.Format == "password" {
			secret(p.Place, p.Name, "has the format password")
		}
		if p.In == "path" {
			secret(p.Place, p.Name, "is in the URL, which errors quote")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(op.Input)) {
		if !known[name] {
			add("%s: the document has no input %q: remove it from Input of %s", op.ID, name, op.ID)
		}
		for _, other := range slices.Sorted(maps.Keys(op.Input)) {
			if name != other && len(op.Input[name]) > 3 && strings.Contains(op.Input[other], op.Input[name]) {
				add("%s: %q and %q have the same value, so that no test sees them swapped: change one in Input of %s",
					op.ID, name, other, op.ID)
			}
		}
	}
	for _, name := range op.Secrets {
		if len(op.Input[name]) < 8 {
			add("%s: the secret %q is too short to be searched for: change it in Input of %s", op.ID, name, op.ID)
		}
	}
	if problems := op.Problems(op.Input); len(gaps) == 0 && len(problems) > 0 {
		add("%s: the document refuses the input (%v): change Input of %s", op.ID, problems[0], op.ID)
	}
	return gaps
}
