package document

import "github.com/getkin/kin-openapi/openapi3"

// walk calls visit once for each schema in the operations and components of a document.
func walk(spec *openapi3.T, visit func(*openapi3.Schema)) {
	w := walker{visit, map[*openapi3.Schema]bool{}}
	if c := spec.Components; c != nil {
		w.schemas(c.Schemas)
		for _, ref := range c.Parameters {
			w.parameter(ref.Value)
		}
	}
	for _, item := range spec.Paths.Map() {
		w.parameters(item.Parameters)
		for _, op := range item.Operations() {
			w.parameters(op.Parameters)
			if op.RequestBody != nil {
				w.content(op.RequestBody.Value.Content)
			}
			for _, response := range op.Responses.Map() {
				w.content(response.Value.Content)
				for _, header := range response.Value.Headers {
					w.parameter(&header.Value.Parameter)
				}
			}
		}
	}
}

type walker struct {
	visit func(*openapi3.Schema)
	seen  map[*openapi3.Schema]bool
}

func (w walker) parameters(refs openapi3.Parameters) {
	for _, ref := range refs {
		w.parameter(ref.Value)
	}
}

func (w walker) parameter(p *openapi3.Parameter) {
	w.schema(p.Schema)
	w.content(p.Content)
}

func (w walker) content(content openapi3.Content) {
	for _, media := range content {
		w.schema(media.Schema)
	}
}

func (w walker) schemas(schemas openapi3.Schemas) {
	for _, ref := range schemas {
		w.schema(ref)
	}
}

func (w walker) schema(refs ...*openapi3.SchemaRef) {
	for _, ref := range refs {
		if ref == nil || w.seen[ref.Value] {
			continue
		}
		s := ref.Value
		w.seen[s] = true
		w.visit(s)
		w.schemas(s.Properties)
		w.schema(s.AllOf...)
		w.schema(s.AnyOf...)
		w.schema(s.OneOf...)
		w.schema(s.Not, s.Items, s.AdditionalProperties.Schema)
	}
}
