package document

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// InBody is where an [Input] is that is a property of the body.
const InBody = "body"

// An Input is an input of an operation other than the session: a property of its JSON body, or a parameter.
type Input struct {
	Name     string
	In       string           // InBody, or as in the document: "path", "query", "header" or "cookie"
	Schema   *openapi3.Schema // empty for a parameter that has a content instead
	Rule     string           // the JSON pointer to Schema
	Required string           // the JSON pointer to the rule that requires the input; "": none does
	Place    string           // in the document, for people, such as "LoginRequest.password"
}

// Inputs returns the inputs of an operation, those of its body first.
func (op *Operation) Inputs() []*Input {
	var all []*Input
	if schema, rule := op.JSONBody(); schema != nil {
		all = properties(schema, rule, op.ID)
	}
	for _, parameters := range []struct {
		refs openapi3.Parameters
		rule string
	}{
		{op.Operation.Parameters, op.Pointer + "/parameters/"},
		{op.PathItem.Parameters, op.Pointer[:strings.LastIndexByte(op.Pointer, '/')] + "/parameters/"},
	} {
		for i, ref := range parameters.refs {
			p, rule := ref.Value, parameters.rule+strconv.Itoa(i)
			if slices.ContainsFunc(all, func(in *Input) bool { return in.Name == p.Name && in.In == p.In }) {
				continue // the operation's own overrides its path's
			}
			in := &Input{Name: p.Name, In: p.In, Schema: &openapi3.Schema{}, Rule: rule + "/schema", Place: op.ID + "." + p.Name}
			if p.Schema != nil {
				in.Schema = p.Schema.Value
			}
			if p.Required {
				in.Required = rule + "/required"
			}
			all = append(all, in)
		}
	}
	return all
}

// JSONBody returns the schema of an operation's JSON body and the pointer to it, or nil.
func (op *Operation) JSONBody() (schema *openapi3.SchemaRef, rule string) {
	if op.Operation.RequestBody == nil {
		return nil, ""
	}
	media := op.Operation.RequestBody.Value.Content["application/json"]
	if media == nil || media.Schema == nil {
		return nil, ""
	}
	return media.Schema, op.Pointer + "/requestBody/content" + Pointer("application/json", "schema")
}

// Properties returns the properties of an object schema, and of all schemas in its allOf, as inputs. Their pointers are
// relative to the schema.
func Properties(schema *openapi3.Schema) []*Input { return properties(schema.NewRef(), "", "") }

func properties(ref *openapi3.SchemaRef, rule, model string) (all []*Input) {
	if ref.Ref != "" {
		rule, model = ref.Ref, path.Base(ref.Ref)
	}
	for i, part := range ref.Value.AllOf {
		all = append(all, properties(part, rule+"/allOf/"+strconv.Itoa(i), model)...)
	}
	for _, name := range slices.Sorted(maps.Keys(ref.Value.Properties)) {
		property := ref.Value.Properties[name]
		in := &Input{
			Name: name, In: InBody, Schema: property.Value, Rule: rule + Pointer("properties", name), Place: model + "." + name,
		}
		if property.Ref != "" {
			in.Rule = property.Ref
		}
		if slices.Contains(ref.Value.Required, name) {
			in.Required = rule + "/required"
		}
		all = append(all, in)
	}
	return all
}
