package robustness //nolint:testpackage // it changes an entry of the table

import (
	"slices"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/api"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

func TestTheTableHasWhatTheDocumentAndTheClientHave(t *testing.T) {
	t.Parallel()
	for _, gap := range Gaps(document.API()) {
		t.Error(gap)
	}
}

// changed returns the document of the module with one text replaced by another.
func changed(t *testing.T, old, text string) *document.Document {
	t.Helper()
	data := strings.Replace(string(api.Document), old, text, 1)
	if data == string(api.Document) {
		t.Fatalf("the document does not have %q", old)
	}
	doc, err := document.Load([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestEachGapIsASentenceThatSaysWhatToAddWhere(t *testing.T) {
	t.Parallel()
	if len(Gaps(document.API())) > 0 {
		t.Skip("TestTheTableHasWhatTheDocumentAndTheClientHave says more")
	}
	for want, change := range map[string][2]string{
		"Unknown: add an entry to table in kalshiauth/internal/robustness/operations.go": {
			"\ncomponents:", "\n  /unknown:\n    get:\n      operationId: Unknown\n      responses:\n        '204':\n          description: None.\ncomponents:",
		},
		"SignIn: Client has no such method: add it in kalshiauth/client.go":                        {"operationId: Login\n", "operationId: SignIn\n"},
		"Login: the document has no such operation: remove it from table":                          {"operationId: Login\n", "operationId: SignIn\n"},
		"Login: Client has this method, and the document no such operation":                        {"operationId: Login\n", "operationId: SignIn\n"},
		`LoginRequest.pin: add "pin", with a valid value, to Input and to Call of Login`:           {"        password:\n", "        pin:\n          type: string\n        password:\n"},
		`LoginRequest.email has the format password: add "email" to Secrets of Login`:              {"          format: email\n", "          format: password\n"},
		`Login: the document has no input "email": remove it from Input of Login`:                  {"        email:\n          type", "        mail:\n          type"},
		`ResetPassword.id is in the URL, which errors quote: add "id" to Secrets of ResetPassword`: {"  /passwords/reset:\n", "  /passwords/{id}/reset:\n    parameters:\n      - {name: id, in: path, required: true, schema: {type: string}}\n"},
		`Login presents a session: add SessionInput to Input of Login`:                             {"      security: []\n", "      security: [{cookie: []}]\n"},
		`Login presents a session: add "session" to Secrets of Login`:                              {"      security: []\n", "      security: [{cookie: []}]\n"},
		`Login: the document refuses the input (password: value is not one of the allowed`:         {"        password:\n          type: string\n", "        password:\n          type: string\n          enum: [x]\n"},
		`Logout.trace: add "trace", with a valid value, to Input and to Call of Logout`: {
			"      operationId: Logout\n", "      operationId: Logout\n      parameters:\n        - {name: trace, in: query, schema: {type: boolean}}\n",
		},
	} {
		gaps := Gaps(changed(t, change[0], change[1]))
		if !slices.ContainsFunc(gaps, func(gap string) bool { return strings.Contains(gap, want) }) {
			t.Errorf("there is no gap %q in %q", want, gaps)
		}
	}
}

func TestInputsThatNoTestCouldTellApartAreGaps(t *testing.T) {
	t.Parallel()
	op := Lookup("ResetPasswordConfirm")
	op.Input = op.With("code", NewPassword)
	op.Secrets = append(slices.Clone(op.Secrets), "unknown")
	gaps := strings.Join(op.gaps(), "\n")
	for _, want := range []string{`"code" and "password" have the same value`, `the secret "unknown" is too short`} {
		if !strings.Contains(gaps, want) {
			t.Errorf("there is no gap %q in %q", want, gaps)
		}
	}
}

func TestARequestIsMadeOfTheDocument(t *testing.T) {
	t.Parallel()
	doc := changed(t, "      operationId: Login\n", "      operationId: Login\n      parameters:\n"+
		"        - {name: extend, in: query, schema: {type: boolean}}\n        - {name: X-Trace, in: header, schema: {type: string}}\n")
	doc.Operation("Login").PathItem.Post.RequestBody.Value.Content.Get(jsonType).Schema.Value.Properties["password"].Value.Type.Slice()[0] = "integer"
	ops := OperationsOf(doc)
	login := ops[slices.IndexFunc(ops, func(op Operation) bool { return op.ID == "Login" })]
	r, body := login.Request("https://example.com/v1", Input{"email": Email, "password": "12", "extend": "true", "X-Trace": "a"})
	if got, want := r.Method+" "+r.URL.String(), "POST https://example.com/v1/log_in?extend=true"; got != want || r.Header.Get("X-Trace") != "a" {
		t.Errorf("the request is %s with %v, want %s", got, r.Header, want)
	}
	if want := `{"email":"` + Email + `","password":12}`; string(body) != want {
		t.Errorf("the body is %s, want %s", body, want)
	}
	logout := Lookup("Logout")
	if r, _ := logout.Request("https://example.com", logout.Input); r.Header.Get("Cookie") != "sessions="+Token || r.Header.Get("Content-Type") != "" {
		t.Errorf("the header of a log-out is %v", r.Header)
	}
}

func TestLookupPanicsForAnUnknownOperation(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("Lookup found an unknown operation")
		}
	}()
	Lookup("SignIn")
}
