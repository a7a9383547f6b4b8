package kalshiauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/api"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
)

func TestTheClientDoesWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	for _, difference := range differences(t, document.API()) {
		t.Error(difference)
	}
}

// differences says where the client and a document differ, and what to change where.
func differences(t *testing.T, doc *document.Document) []string {
	t.Helper()
	found := robustness.Gaps(doc)
	for i, want := range []string{kalshiauth.ProductionURL, kalshiauth.DemoURL} {
		if got := doc.Spec.Servers[i].URL; got != want {
			found = append(found, fmt.Sprintf("server %d is %s, and the client's %s: run make generate", i, got, want))
		}
	}
	ops := robustness.OperationsOf(doc)
	for i := range ops {
		op := &ops[i]
		found = append(found, differencesOfRequest(t, op)...)
		found = append(found, differencesOfStatuses(t, op)...)
		for _, p := range op.Inputs() {
			found = append(found, differencesOfLimits(t, op, p)...)
		}
	}
	return found
}

// answering returns a client whose requests go to see, and are answered with the success of an operation.
func answering(t *testing.T, op *robustness.Operation, see func(r *http.Request, body []byte), opts ...kalshiauth.Option) *kalshiauth.Client {
	t.Helper()
	return newClient(t, append(opts, kalshiauth.WithRetries(0), inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		see(r, body)
		reply(op.Success, op.Answer)(w, r)
	})))...)
}

// differencesOfRequest compares what a call sends with what the document asks for.
func differencesOfRequest(t *testing.T, op *robustness.Operation) (found []string) {
	t.Helper()
	want, wantBody := op.Request(kalshiauth.ProductionURL, op.Input)
	want.Header.Set("User-Agent", "kalshiauth-go/0.1.0")
	sent := 0
	err := op.Call(t.Context(), answering(t, op, func(r *http.Request, body []byte) {
		sent++
		differ := func(what string, got, want any) {
			if !reflect.DeepEqual(got, want) {
				found = append(found, fmt.Sprintf("%s: the client sends %s %v, want %v: change send in Client.%s in kalshiauth/client.go",
					op.ID, what, got, want, op.ID))
			}
		}
		differ("the method", r.Method, want.Method)
		differ("the path", r.URL.EscapedPath(), want.URL.EscapedPath())
		differ("the query", r.URL.Query(), want.URL.Query())
		differ("the header", r.Header, want.Header)
		differ("the body", decoded(body), decoded(wantBody))
	}), op.Input)
	if err != nil || sent != 1 {
		found = append(found, fmt.Sprintf("%s: %d requests were sent, and the call returned %v: change check, success or decode in "+
			"Client.%s in kalshiauth/client.go", op.ID, sent, err, op.ID))
	}
	return found
}

func decoded(body []byte) any {
	var value any
	if len(body) > 0 && json.Unmarshal(body, &value) != nil {
		return string(body)
	}
	return value
}

// differencesOfStatuses has the client get each documented answer, with the document's example in each place.
func differencesOfStatuses(t *testing.T, op *robustness.Operation) (found []string) {
	t.Helper()
	const file = ": change ofStatus or Error in kalshiauth/errors.go"
	differ := func(format string, args ...any) { found = append(found, op.ID+": "+fmt.Sprintf(format, args...)) }
	for name, response := range op.Route.Operation.Responses.Map() {
		status, err := strconv.Atoi(name)
		if err != nil || status < 400 {
			if status != op.Success {
				differ("the client does not know the status %s: change success in Client.%s in kalshiauth/client.go", name, op.ID)
			}
			continue
		}
		fields := map[string]string{}
		media := response.Value.Content.Get("application/json")
		if media != nil {
			data, _ := json.Marshal(media.Example) //nolint:errchkjson // it came from JSON
			_ = json.Unmarshal(data, &fields)
		}
		if len(fields) == 0 {
			differ("the document has no example for %d", status)
			continue
		}
		body, _ := json.Marshal(fields) //nolint:errchkjson // strings
		var headers []string
		for name, value := range fields {
			if response.Value.Headers[name] == nil {
				differ("%d has no header %s", status, name)
			}
			headers = append(headers, name+": "+value)
		}
		for where, handler := range map[string]http.HandlerFunc{
			"body": reply(status, string(body)), "nested": reply(status, `{"error":`+string(body)+`}`), "headers": reply(status, "", headers...),
		} {
			err := op.Call(t.Context(), newClient(t, kalshiauth.WithRetries(0), inMemory(handler)), op.Input)
			var answer *kalshiauth.Error
			if !errors.As(err, &answer) {
				differ("%d is no *Error", status)
				continue
			}
			if answer.Op != op.ID {
				differ("the client calls itself %s: change op in Client.%s in kalshiauth/client.go", answer.Op, op.ID)
			}
			got := map[string]string{
				"code": answer.Code, "message": answer.Message, "details": answer.Details, "service": answer.Service,
			}
			maps.DeleteFunc(got, func(_, value string) bool { return value == "" })
			if !maps.Equal(got, fields) {
				differ("%d with the fields in %s has %v, want %v"+file, status, where, got, fields)
			}
			if kinds(err) == "" || errors.Is(err, kalshiauth.ErrUnexpectedResponse) {
				differ("the client has no sentinel for %d: it is %q"+file, status, kinds(err))
			}
		}
	}
	return found
}

// oddAddresses and oddIDs are for the comparison of the client's rules with those of the document's formats.
var oddAddresses = []string{
	"trader@example.com", `"john doe"@example.com`, "o'neill+kalshi@sub.example.co.uk", "jürgen@例え.jp", "a@b", "a@[127.0.0.1]",
	"", "trader", "@example.com", "trader@", "Trader <trader@example.com>", "<trader@example.com>", " trader@example.com",
	"trader@example.com\n", "a@example.com,b@example.com", "a b@example.com", "a@b@example.com", "a b@localhost",
	".a@example.com", "a.@example.com", "a..b@example.com", "a@.example.com", "a@example.com.", "a@example..com", ".@.",
	`"a"@example.com`, `"a\"b"@example.com`, "a@example.com (comment)", "=?utf-8?q?a?=@example.com", "a;b@example.com", "a\x00@b.c",
}

var oddIDs = []string{
	userID, strings.ToUpper(userID), "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
	"42", userID + "0", userID[1:], "{" + userID + "}", "urn:uuid:" + userID, strings.ReplaceAll(userID, "-", ""),
	strings.Replace(userID, "6", "g", 1), strings.Replace(userID, "-", "_", 1), userID + "\n", "0" + strings.Replace(userID, "-", "", 1),
}

// candidates are values on both sides of each limit of a schema.
func candidates(p *document.Input, valid string) []string {
	schema, values := p.Schema, []string{valid}
	if !schema.Type.Is(openapi3.TypeString) {
		for _, limit := range []*float64{schema.Min, schema.Max} {
			for d := -1.0; limit != nil && d <= 1; d++ {
				values = append(values, strconv.FormatFloat(*limit+d, 'f', -1, 64))
			}
		}
		if schema.Type.Is(openapi3.TypeBoolean) {
			values = append(values, "true", "false")
		}
		return values
	}
	limits := []uint64{schema.MinLength}
	if schema.MaxLength != nil {
		limits = append(limits, *schema.MaxLength)
	}
	limits = append(limits, 1, 100) // where the document has no limit, the client has none
	for _, limit := range limits {
		for n := max(limit, 1) - 1; n <= limit+1; n++ {
			for _, char := range []string{"x", "é", "😀"} {
				values = append(values, strings.Repeat(char, int(n))) //nolint:gosec // small
			}
		}
	}
	for _, value := range schema.Enum {
		values = append(values, fmt.Sprint(value), fmt.Sprint(value)+"x")
	}
	values = append(values, valid+"x", strings.ToUpper(valid), " "+valid)
	values = append(append(values, oddAddresses...), oddIDs...)
	return slices.DeleteFunc(values, func(value string) bool { return value == "" && p.Required == "" }) // "" means: not given
}

// differencesOfLimits compares what the client refuses of one input with what the document refuses.
func differencesOfLimits(t *testing.T, op *robustness.Operation, p *document.Input) (found []string) {
	t.Helper()
	sent := 0
	client := answering(t, op, func(*http.Request, []byte) { sent++ })
	told := map[bool]bool{}
	for _, value := range candidates(p, op.Input[p.Name]) {
		sent = 0
		in := op.With(p.Name, value)
		problems := op.Problems(in)
		err := op.Call(t.Context(), client, in)
		fits := len(problems) == 0
		if told[fits] || fits && err == nil && sent == 1 || !fits && errors.Is(err, kalshiauth.ErrInvalidInput) && sent == 0 {
			continue
		}
		told[fits] = true // one of each is enough
		verdict := "allows it"
		if !fits {
			verdict = "refuses it (" + problems[0].Found + ")"
		}
		found = append(found, fmt.Sprintf("%s: %.40q has %d characters: the document %s, Client.%s sends %d requests and returns %v: "+
			"change check in Client.%s in kalshiauth/client.go, or the rule for %q in kalshiauth/input.go",
			p.Place, value, len([]rune(value)), verdict, op.ID, sent, err, op.ID, p.Name))
	}
	return found
}

func TestDifferencesSayWhatToChangeWhere(t *testing.T) {
	t.Parallel()
	if len(differences(t, document.API())) > 0 {
		t.Skip("TestTheClientDoesWhatTheDocumentSays says more")
	}
	const loggedOut = "        '204':\n          description: Logged out."
	for _, test := range []struct{ want, old, new string }{
		{`LoginRequest.email: "" has 0 characters: the document allows it`, "          format: email\n", ""},
		{
			`ConfirmPasswordResetRequest.user_id: "" has 0 characters: the document allows it`,
			"          format: uuid\n          description: The user's ID, a query", "          description: The user's ID, a query",
		},
		{
			`ResetPasswordConfirm.code: "x" has 1 characters: the document refuses it`,
			"minLength: 1\n          example: 4", "minLength: 2\n          example: 4",
		},
		{
			"Unknown: add an entry to table", "\ncomponents:",
			"\n  /unknown:\n    get:\n      operationId: Unknown\n      responses:\n        '204':\n          description: None.\ncomponents:",
		},
		{"Logout: the client does not know the status 204: change success in Client.Logout in kalshiauth/client.go", loggedOut, "        '200':\n          description: Fine.\n" + loggedOut},
		{
			`Logout: the client has no sentinel for 402: it is ""`, loggedOut,
			"        '402':\n          $ref: '#/components/responses/Forbidden'\n" + loggedOut,
		},
		{"Logout: the document has no example for 402", loggedOut, "        '402':\n          description: Pay.\n" + loggedOut},
		{
			"Login: 401 with the fields in body has",
			"            code: invalid_credentials\n", "            code: invalid_credentials\n            reason: none\n",
		},
		{
			"server 1 is https://demo.example.com, and the client's " + kalshiauth.DemoURL,
			"https://demo-api.kalshi.co/v1", "https://demo.example.com",
		},
		{"Logout: the client sends the header", "name: sessions", "name: session"},
		{"Logout: the client sends the method POST, want PUT", "  /log_out:\n    post:", "  /log_out:\n    put:"},
		{"Logout: the client sends the path /v1/log_out, want /v1/logout", "  /log_out:", "  /logout:"},
		{
			"Logout: the client sends the query map[], want map[session:[" + token, "      operationId: Logout\n",
			"      operationId: Logout\n      parameters:\n        - {name: session, in: query, schema: {type: string}}\n",
		},
		{"LoginRequest.pin: add \"pin\"", "        password:\n", "        pin:\n          type: string\n        password:\n"},
	} {
		data := strings.Replace(string(api.Document), test.old, test.new, 1)
		if data == string(api.Document) {
			t.Fatalf("the document does not have %q", test.old)
		}
		doc, err := document.Load([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		found := differences(t, doc)
		if !slices.ContainsFunc(found, func(difference string) bool { return strings.Contains(difference, test.want) }) {
			t.Errorf("the comparison does not find %q in\n%s", test.want, strings.Join(found, "\n"))
		}
	}
}

func TestALimitThatDiffersIsNamedWithItsPlace(t *testing.T) {
	t.Parallel()
	if len(differences(t, document.API())) > 0 {
		t.Skip("TestTheClientDoesWhatTheDocumentSays says more")
	}
	least := document.API().Spec.Components.Schemas["LoginRequest"].Value.Properties["password"].Value.MinLength
	enough := strings.Repeat("x", int(least)) //nolint:gosec // small
	most := uint64(len(password))
	for want, change := range map[string]func(s *openapi3.Schema){
		fmt.Sprintf(`LoginRequest.password: %q has %d characters: the document refuses it (at least %d characters), Client.Login sends 1 `+
			`requests and returns <nil>: change check in Client.Login in kalshiauth/client.go, or the rule for "password" in kalshiauth/input.go`, enough, least, least+1): func(s *openapi3.Schema) { s.MinLength++ },
		fmt.Sprintf(`LoginRequest.password: %q has %d characters: the document allows it, Client.Login sends 0 requests`,
			enough[1:], least-1): func(s *openapi3.Schema) { s.MinLength-- },
		fmt.Sprintf(`LoginRequest.password: %q has %d characters: the document refuses it (maximum string length is %d)`,
			strings.Repeat("x", len(password)+1), most+1, most): func(s *openapi3.Schema) { s.MaxLength = &most },
		"the document refuses it (value is not one of the allowed values": func(s *openapi3.Schema) { s.Enum = []any{password} },
		"the document refuses it (string doesn't match":                   func(s *openapi3.Schema) { s.Pattern = "^" + password + "$" },
	} {
		doc, err := document.Load(api.Document)
		if err != nil {
			t.Fatal(err)
		}
		change(doc.Spec.Components.Schemas["LoginRequest"].Value.Properties["password"].Value)
		if found := strings.Join(differences(t, doc), "\n"); !strings.Contains(found, want) || strings.Contains(found, "ResetPassword") {
			t.Errorf("the comparison does not find %q, or more, in\n%s", want, found)
		}
	}
}

func TestARefusedInputNeverLeavesTheProgram(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		client := newClient(t, inMemory(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Errorf("%s: an invalid input is sent: change check in Client.%s in kalshiauth/client.go", op.ID, op.ID)
		})))
		for _, p := range op.Inputs() {
			var bad []string
			if p.In == "path" { // in a URL's path, dots are folders, and an empty segment is another path
				bad = append(bad, "", ".", "..")
			}
			if p.In == document.InBody && p.Schema.Type.Is(openapi3.TypeString) && p.Required != "" {
				bad = append(bad, op.Input[p.Name]+"\xff") // JSON would change it
			}
			for _, value := range bad {
				if err := op.Call(t.Context(), client, op.With(p.Name, value)); kinds(err) != "ErrInvalidInput" {
					t.Errorf("%s: %q: %v, want ErrInvalidInput: change check in Client.%s in kalshiauth/client.go", p.Place, value, err, op.ID)
				}
			}
		}
	}
}

func TestASessionIsPresentedAsTheClientIsTold(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		if !op.NeedsSession() {
			continue
		}
		for want, opt := range map[string]kalshiauth.Option{
			token: kalshiauth.WithAuthorizationScheme(""), "Bearer " + token: kalshiauth.WithAuthorizationScheme("Bearer"),
		} {
			client := answering(t, &op, func(r *http.Request, _ []byte) {
				if got := r.Header.Get("Authorization"); got != want || r.Header["Cookie"] != nil {
					t.Errorf("%s: Authorization %q, cookie %q; want only %q: pass s.authorize in send of Client.%s in kalshiauth/client.go",
						op.ID, got, r.Header["Cookie"], want, op.ID)
				}
			}, opt)
			if err := op.Call(t.Context(), client, op.Input); err != nil {
				t.Errorf("%s: %v", op.ID, err)
			}
		}
		client := newClient(t, inMemory(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Errorf("%s: a request without a session is sent: call s.accepts in check of Client.%s in kalshiauth/client.go", op.ID, op.ID)
		})))
		for _, none := range []string{"", "a\nb"} {
			if err := op.Call(t.Context(), client, op.With(robustness.SessionInput, none)); kinds(err) != "ErrNoSession" {
				t.Errorf("%s: a session with the token %q: %v, want ErrNoSession", op.ID, none, err)
			}
		}
	}
}

func TestAllThatCanBeInAURLIsSentAsItIs(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		for _, p := range op.Inputs() {
			if p.In != "path" && p.In != "query" || !p.Schema.Type.Is(openapi3.TypeString) {
				continue
			}
			for _, value := range []string{"...", "a b", "a?b#c", "%2e%2e", "../log_out", "ü", "a%", `a\b`, "a:b", "\x01", "a&b=c", "a+b"} {
				in := op.With(p.Name, value)
				if len(op.Problems(in)) > 0 {
					continue
				}
				want, _ := op.Request(kalshiauth.ProductionURL, in)
				client := answering(t, &op, func(r *http.Request, _ []byte) {
					if got, _ := url.PathUnescape(r.URL.EscapedPath()); got != want.URL.Path || !reflect.DeepEqual(r.URL.Query(), want.URL.Query()) {
						t.Errorf("%s: %q is sent as %s", p.Place, value, r.URL)
					}
				})
				if err := op.Call(t.Context(), client, in); err != nil {
					t.Errorf("%s: %q: %v", p.Place, value, err)
				}
			}
		}
	}
}

func TestEachTrySendsTheWholeBodyAnew(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		var bodies [][]byte
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			data, _ := io.ReadAll(r.Body)
			bodies = append(bodies, data)
			if len(bodies) < 3 {
				reply(503, "", "Retry-After: 0")(w, r)
				return
			}
			reply(op.Success, op.Answer)(w, r)
		}, kalshiauth.WithRetries(2))
		if err := op.Call(t.Context(), client, op.Input); err != nil {
			t.Fatal(err)
		}
		_, want := op.Request("", op.Input)
		for _, body := range bodies {
			if !bytes.Equal(body, bodies[0]) || (len(want) > 0) != (len(body) > 0) {
				t.Errorf("%s: the bodies were %q", op.ID, bodies)
			}
		}
	}
}
