package contract_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	yaml "go.yaml.in/yaml/v3"

	"github.com/kalshiauth/kalshiauth-go/api"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// uncovered returns what a document has that no scenario looks at: operations, and their successes and refusals.
func uncovered(t *testing.T, document []byte) (missing []string) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		t.Fatal(err)
	}
	covered := map[string]bool{}
	for _, s := range contract.Scenarios() {
		covered[s.Operation] = true
		for _, status := range s.Statuses {
			covered[s.Operation+" "+strconv.Itoa(status)] = true
		}
	}
	known := map[string]bool{}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			known[op.OperationID] = true
			if !covered[op.OperationID] {
				missing = append(missing, op.OperationID)
			}
			for status := range op.Responses.Map() {
				what := op.OperationID + " " + status
				known[what] = true
				if status < "500" && !covered[what] {
					missing = append(missing, what)
				}
			}
		}
	}
	for what := range covered {
		if !known[what] {
			missing = append(missing, what+", which the document does not have")
		}
	}
	return missing
}

func TestEveryOperationSuccessAndRefusalHasAScenario(t *testing.T) {
	t.Parallel()
	if missing := uncovered(t, api.Document); len(missing) > 0 {
		t.Errorf("no scenario looks at %q", missing)
	}
	const operation = "\n  /sessions:\n    get:\n      operationId: ListSessions\n      responses:\n" +
		"        '204':\n          description: None.\ncomponents:"
	for want, change := range map[string][2]string{
		"ListSessions":     {"\ncomponents:", operation},
		"ListSessions 204": {"\ncomponents:", operation},
		"Logout 409":       {"        '204':\n          description: Logged out.", "        '409':\n          description: No.\n        '204':\n          description: Logged out."},
		"Login 201":        {"        '200':\n          description: Logged in.", "        '201':\n          description: In.\n        '200':\n          description: Logged in."},
	} {
		changed := bytes.Replace(api.Document, []byte(change[0]), []byte(change[1]), 1)
		if missing := uncovered(t, changed); !slices.Contains(missing, want) {
			t.Errorf("with %s, no scenario looks at %q", want, missing)
		}
	}
	removed := bytes.Replace(api.Document, []byte("operationId: Logout"), []byte("operationId: SignOut"), 1)
	if missing := uncovered(t, removed); !slices.Contains(missing, "Logout, which the document does not have") {
		t.Errorf("without Logout, no scenario looks at %q", missing)
	}
}

// wantRule wants a JSON pointer of something in the document. It follows references.
func wantRule(t *testing.T, rule string) {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal(api.Document, &doc); err != nil {
		t.Fatal(err)
	}
	if err := resolve(doc, rule); err != nil {
		t.Errorf("the rule %s: %v", rule, err)
	}
}

func resolve(doc any, pointer string) error {
	at := doc
	path, ok := strings.CutPrefix(pointer, "#/")
	if !ok {
		return errors.New("it does not begin with #/")
	}
	tokens := strings.Split(path, "/")
	for i := range tokens {
		token := strings.NewReplacer("~1", "/", "~0", "~").Replace(tokens[i])
		switch node := at.(type) {
		case map[string]any:
			if ref, ok := node["$ref"].(string); ok {
				return resolve(doc, ref+"/"+strings.Join(tokens[i:], "/"))
			}
			if at, ok = node[token]; !ok {
				return fmt.Errorf("there is no %s", token)
			}
		case []any:
			n, err := strconv.Atoi(token)
			if err != nil || n >= len(node) {
				return fmt.Errorf("there is no item %s", token)
			}
			at = node[n]
		default:
			return fmt.Errorf("there is nothing below %s", tokens[max(0, i-1)])
		}
	}
	return nil
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

// The document's formats hold whatever else in the process says of them.
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
