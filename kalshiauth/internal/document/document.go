// Package document loads an OpenAPI document, finds the operation of a request, and checks the request against it.
// [API] is the document of this module, and [Load] takes any other.
package document

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/api"
)

// A Document is an OpenAPI document with its own format validators. Do not change it: it may be shared.
type Document struct {
	Spec       *openapi3.T
	Operations []*Operation // sorted so that a concrete path comes before one with parameters
	Schemes    []Scheme     // all of the document, sorted as by [Operation.Security]

	properties map[string]bool // by name, all properties in its schemas; true: one has the format password

	formats, asRequest, asResponse []openapi3.SchemaValidationOption // the format validators, and all options for bodies
}

// A Scheme is one way to present a session, from the document's securitySchemes. Only schemes that use a header or a
// cookie are supported: apiKey in a header or a cookie, and http, which uses the Authorization header.
type Scheme struct {
	ID   string // the scheme's name in the document
	In   string // "header" or "cookie"
	Name string // of the header or cookie
}

var embedded = sync.OnceValues(func() (*Document, error) { return Load(api.Document) })

// API returns the document of this module, [api.Document].
func API() *Document {
	d, err := embedded()
	if err != nil {
		panic(err)
	}
	return d
}

// Load loads a document in JSON or YAML. It follows no reference to another file.
func Load(data []byte) (*Document, error) {
	spec, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	validators := formatValidators()
	spec.SetStringFormatValidators(validators)
	// Examples are not validated: they do not matter for checks.
	if err := spec.Validate(context.Background(), openapi3.DisableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	d := &Document{Spec: spec, properties: map[string]bool{}}
	walk(spec, func(s *openapi3.Schema) {
		for name, property := range s.Properties {
			d.properties[name] = d.properties[name] || property.Value.Format == "password"
		}
		// kin-openapi looks up a format without a validator here in its global registry.
		if _, ok := validators[s.Format]; !ok {
			validators[s.Format] = acceptAll
		}
	})
	d.formats = spec.GetSchemaValidationOptions()
	if spec.IsOpenAPI31OrLater() {
		d.formats = append(d.formats, openapi3.EnableJSONSchema2020())
	}
	d.asRequest = append(slices.Clip(d.formats), openapi3.VisitAsRequest(), openapi3.MultiErrors())
	d.asResponse = append(slices.Clip(d.formats), openapi3.VisitAsResponse(), openapi3.MultiErrors())
	if spec.Components == nil {
		spec.Components = &openapi3.Components{}
	}
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			d.Operations = append(d.Operations, newOperation(d, path, item, method, op))
		}
	}
	slices.SortFunc(d.Operations, func(a, b *Operation) int {
		return cmp.Or(strings.Compare(order(a.Path), order(b.Path)), strings.Compare(a.Method, b.Method))
	})
	d.Schemes = d.schemes(slices.Collect(maps.Keys(spec.Components.SecuritySchemes)))
	return d, nil
}

// Operation returns the operation with an ID, or nil.
func (d *Document) Operation(id string) *Operation {
	for _, op := range d.Operations {
		if op.ID == id {
			return op
		}
	}
	return nil
}

// Find returns the operation of a request and its path parameters, unescaped. path is escaped, and relative to the
// server's URL. If the document has no such operation, Find returns nil and the operations with this path, if any.
func (d *Document) Find(method, path string) (op *Operation, params map[string]string, samePath []*Operation) {
	for _, op := range d.Operations {
		params, ok := op.match(path)
		switch {
		case ok && op.Method == method:
			return op, params, nil
		case ok:
			samePath = append(samePath, op)
		}
	}
	return nil, nil, samePath
}

// HasProperty reports whether a schema of the document has a property with this name.
func (d *Document) HasProperty(name string) bool {
	_, ok := d.properties[name]
	return ok
}

// IsLookalike reports whether name is not a property of the document, but differs from one only in case.
func (d *Document) IsLookalike(name string) bool {
	if d.HasProperty(name) {
		return false
	}
	for property := range d.properties {
		if strings.EqualFold(name, property) {
			return true
		}
	}
	return false
}

// IsPassword reports whether a property with this name, in any case, has the format password anywhere in the document.
func (d *Document) IsPassword(name string) bool {
	for property, password := range d.properties {
		if password && strings.EqualFold(name, property) {
			return true
		}
	}
	return false
}

func (d *Document) schemes(ids []string) (schemes []Scheme) {
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		ref := d.Spec.Components.SecuritySchemes[id]
		switch {
		case ref == nil:
		case ref.Value.Type == "http":
			schemes = append(schemes, Scheme{id, openapi3.ParameterInHeader, "Authorization"})
		case ref.Value.In == openapi3.ParameterInHeader:
			schemes = append(schemes, Scheme{id, ref.Value.In, http.CanonicalHeaderKey(ref.Value.Name)})
		case ref.Value.In == openapi3.ParameterInCookie:
			schemes = append(schemes, Scheme{id, ref.Value.In, ref.Value.Name})
		}
	}
	slices.SortStableFunc(schemes, func(a, b Scheme) int { return strings.Compare(b.In, a.In) })
	return schemes
}

// order is a key for sorting: OpenAPI matches concrete paths before their templated counterparts.
func order(path string) string { return strings.ReplaceAll(path, "{", "\U0010FFFF") }
