package contract

import (
	"errors"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// explain turns what kin-openapi found into violations. It quotes no value: the texts of most errors do.
func (op *operation) explain(err error, violation func(place, found string) Violation) []Violation {
	var found []Violation
	switch err := err.(type) { //nolint:errorlint // this walks the tree itself
	case nil:
		return nil
	case openapi3.MultiError:
		for _, e := range err {
			found = append(found, op.explain(e, violation)...)
		}
		return found
	case *openapi3filter.SecurityRequirementsError:
		v := violation("Cookie", "no session is presented, neither by the cookie nor by the Authorization header")
		v.Rule = op.pointer + "/security"
		return []Violation{v}
	case *openapi3filter.RequestError:
		if err.Parameter == nil {
			return op.explain(err.Err, violation)
		}
		v := violation(err.Parameter.Name, "a parameter that does not fit its schema")
		v.Rule = op.pointer + "/parameters"
		return []Violation{v}
	case *openapi3filter.ResponseError:
		if err.Err == nil {
			return []Violation{violation("", "a response that does not fit its description")}
		}
		return op.explain(err.Err, violation)
	case *openapi3.SchemaError:
		// An error of allOf holds those of its schemas.
		if inner := schemaErrors(err.Origin); len(inner) > 0 {
			return op.explain(inner, violation)
		}
		return []Violation{violation(jsonPointer(err.JSONPointer()), schemaProblem(err))}
	}
	return []Violation{violation("", "something that does not fit its description")}
}

// schemaErrors returns the errors of schemas that err holds, if that is all that it holds.
func schemaErrors(err error) openapi3.MultiError {
	var found openapi3.MultiError
	switch err := err.(type) { //nolint:errorlint // this walks the tree itself
	case nil:
	case *openapi3.SchemaError:
		found = append(found, err)
	case openapi3.MultiError:
		for _, e := range err {
			found = append(found, schemaErrors(e)...)
		}
	case interface{ Unwrap() []error }:
		for _, e := range err.Unwrap() {
			found = append(found, schemaErrors(e)...)
		}
	default:
		return schemaErrors(errors.Unwrap(err))
	}
	return found
}

func schemaProblem(err *openapi3.SchemaError) string {
	if err.SchemaField == "format" {
		return "a value that is not of the format " + err.Schema.Format
	}
	if err.Reason == "" {
		return "a value that breaks " + err.SchemaField
	}
	return err.Reason // names the rule and properties, never a value
}

func jsonPointer(tokens []string) string {
	var b strings.Builder
	for _, token := range tokens {
		b.WriteString("/" + pointerToken(token))
	}
	return b.String()
}
