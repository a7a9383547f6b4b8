package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/api"
)

func TestMain(m *testing.M) {
	// Without these, the validator takes any string for an e-mail address or a UUID.
	for format, pattern := range map[string]string{
		"email": openapi3.FormatOfStringForEmail,
		"uuid":  openapi3.FormatOfStringForUUIDOfRFC9562,
	} {
		openapi3.DefineStringFormatValidator(format, openapi3.NewRegexpFormatValidator(pattern))
	}
	m.Run()
}

func TestTheDocumentIsValid(t *testing.T) {
	t.Parallel()
	if err := check(t, api.Document); err != nil {
		t.Error(err)
	}
}

func TestMistakesInTheDocumentAreFound(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct{ from, to, want string }{
		"another version":      {"openapi: 3.0.3", "openapi: 3.0.4", "3.0.4"},
		"an unknown field":     {"summary: Log in", "headline: Log in", "headline"},
		"an unknown format":    {"format: email", "format: e-mail", "e-mail"},
		"a missing path value": {"/passwords/reset/{code}/confirm:", "/passwords/reset/confirm:", "code"},
		"a dangling reference": {"schemas/LoginRequest'", "schemas/Login'", "Login"},
		"a bare response":      {"          description: Logged in.\n", "", "description"},
		"an example: e-mail":   {"example: trader@example.com", "example: trader", "pattern"},
		"an example: UUID":     {"example: 6d7d8a3b-9c0f", "example: 6d7d8a3b", "pattern"},
		"an example: length":   {"password: a new and better password", "password: short", "minimum string length"},
		"no operation ID":      {"      operationId: Logout\n", "", "POST /log_out: no operationId"},
		"another tag":          {"tags: [auth]", "tags: []", "the tags are []"},
		"an unused component":  {"  schemas:\n", "  schemas:\n    Spare:\n      type: object\n", "schemas/Spare is used nowhere"},
		"an unused security":   {"        - authorization: []\n", "", "securitySchemes/authorization is used nowhere"},
	} {
		changed := bytes.Replace(api.Document, []byte(change.from), []byte(change.to), 1)
		if bytes.Equal(changed, api.Document) {
			t.Errorf("%s: the document did not change", name)
		}
		if err := check(t, changed); err == nil || !strings.Contains(err.Error(), change.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, change.want)
		}
	}
}

// check returns all that is wrong with a document.
func check(t *testing.T, document []byte) error {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return err
	}
	problems := []error{doc.Validate(t.Context(), openapi3.EnableMultiError(), openapi3.EnableExamplesValidation(),
		openapi3.EnableSchemaFormatValidation(), openapi3.EnableSchemaPatternValidation(),
		openapi3.EnableSchemaDefaultsValidation(), openapi3.ProhibitExtensionsWithRef())}
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if doc.OpenAPI != "3.0.3" {
		problem("the document is of OpenAPI %s", doc.OpenAPI)
	}

	text, err := doc.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	used := string(text)
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if operation.OperationID == "" {
				problem("%s %s: no operationId", method, path)
			}
			if !slices.Equal(operation.Tags, []string{"auth"}) {
				problem("%s %s: the tags are %v", method, path, operation.Tags)
			}
			if operation.Security != nil {
				for _, requirement := range *operation.Security {
					for name := range requirement {
						used += `"#/components/securitySchemes/` + name + `"` // the one kind that is named without a path
					}
				}
			}
		}
	}
	var components struct {
		Components map[string]map[string]json.RawMessage `json:"components"`
	}
	if err := json.Unmarshal(text, &components); err != nil {
		t.Fatal(err)
	}
	for kind, named := range components.Components {
		for name := range named {
			if !strings.Contains(used, `"#/components/`+kind+"/"+name+`"`) {
				problem("#/components/%s/%s is used nowhere", kind, name)
			}
		}
	}
	return errors.Join(problems...)
}
