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
	// By default, kin-openapi accepts any string as an e-mail address or a UUID. It validates examples with the global
	// formats only, not with those of a document.
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
		"another version":          {"openapi: 3.0.3", "openapi: 3.0.4", "3.0.4"},
		"an unknown field":         {"summary: Log in", "headline: Log in", "headline"},
		"an unknown format":        {"format: email", "format: e-mail", "e-mail"},
		"an unused path parameter": {"/passwords/reset/{code}/confirm:", "/passwords/reset/confirm:", "code"},
		"a dangling reference":     {"schemas/LoginRequest'", "schemas/Login'", "Login"},
		"no response description":  {"          description: Logged in.\n", "", "description"},
		"an example, bad e-mail":   {"example: trader@example.com", "example: trader", "pattern"},
		"an example, bad UUID":     {"example: 6d7d8a3b-9c0f", "example: 6d7d8a3b", "pattern"},
		"an example, too short":    {"password: a new and better password", "password: short", "minimum string length"},
		"no operation ID":          {"      operationId: Logout\n", "", "POST /log_out: no operationId"},
		"another tag":              {"tags: [auth]", "tags: []", "the tags are []"},
		"an unused component":      {"  schemas:\n", "  schemas:\n    Spare:\n      type: object\n", "Spare is not used"},
		"an unused scheme":         {"        - authorization: []\n", "", "securitySchemes/authorization is not used"},
	} {
		changed := bytes.ReplaceAll(api.Document, []byte(change.from), []byte(change.to))
		if bytes.Equal(changed, api.Document) {
			t.Errorf("%s: the document does not contain %q", name, change.from)
		}
		if err := check(t, changed); err == nil || !strings.Contains(err.Error(), change.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, change.want)
		}
	}
}

// check returns an error for each mistake in a document.
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
		problem("the OpenAPI version is %s, want 3.0.3", doc.OpenAPI)
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
				problem("%s %s: the tags are %v, want [auth]", method, path, operation.Tags)
			}
			if operation.Security != nil {
				for _, requirement := range *operation.Security {
					for name := range requirement {
						used += `"#/components/securitySchemes/` + name + `"` // named without a $ref
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
				problem("#/components/%s/%s is not used", kind, name)
			}
		}
	}
	return errors.Join(problems...)
}
