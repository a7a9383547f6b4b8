package document

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// A Problem is one place where a request or response breaks the document. It quotes no value of them.
type Problem struct {
	Rule  string // the JSON pointer to the rule in the document
	Place string // a JSON pointer into the body (""; "/password"), a parameter's name, or "Content-Type"
	Found string // what is wrong, such as "at least 6 characters"
}

// String returns Place and Found, such as "password: at least 6 characters".
func (p Problem) String() string {
	return cmp.Or(strings.TrimPrefix(p.Place, "/"), "body") + ": " + p.Found
}

// schemaErrors returns the schema errors that err wraps.
func schemaErrors(err error) (found openapi3.MultiError) {
	switch err := err.(type) { //nolint:errorlint // this walks the tree itself
	case *openapi3.SchemaError:
		return openapi3.MultiError{err}
	case openapi3.MultiError:
		for _, e := range err {
			found = append(found, schemaErrors(e)...)
		}
	case interface{ Unwrap() []error }:
		for _, e := range err.Unwrap() {
			found = append(found, schemaErrors(e)...)
		}
	case interface{ Unwrap() error }:
		return schemaErrors(err.Unwrap())
	}
	return found
}

// finding describes the rule of its schema that a value breaks.
func finding(err *openapi3.SchemaError) string {
	switch {
	case err.SchemaField == "minLength":
		return fmt.Sprintf("at least %d characters", err.Schema.MinLength)
	case err.SchemaField == "properties", err.Reason == "": // the reason of "properties" quotes a name from the sender
		return fmt.Sprintf("breaks the rule %q of its schema", err.SchemaField)
	}
	return err.Reason
}

// Pointer returns the JSON pointer (RFC 6901) with these names, such as "/properties/email". It escapes the names.
func Pointer(names ...string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString("/" + pointerEscapes.Replace(name))
	}
	return b.String()
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")
