package contract

import (
	"context"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// A Planned is a check of Run before it runs.
type Planned struct {
	ID, Operation, Rule string
	NeedsMailbox        bool
	SetsPassword        bool
}

// Plan returns the checks of Run, for any document; nil means the module's.
func Plan(doc []byte) []Planned {
	r, err := newRunner(&Target{BaseURL: "https://example.com", Document: doc})
	if err != nil {
		panic(err)
	}
	var all []Planned
	for _, c := range r.checks(context.Background()) {
		all = append(all, Planned{c.fullID(), c.op.ID, c.pointer(), c.needs&(needsMailbox|needsNewPassword) != 0, c.needs&needsNewPassword != 0})
	}
	return all
}

// An Input is a value that an operation takes.
type Input struct {
	Name, In, Rule string
	Required, Text bool
	RequiredBy     string
	Keywords       map[string]any // of its schema
}

// Inputs returns those of an operation.
func Inputs(op *document.Operation) []Input {
	var all []Input
	for _, in := range op.Inputs() {
		keywords, err := in.Schema.MarshalYAML()
		if err != nil {
			panic(err)
		}
		all = append(all, Input{in.Name, in.In, in.Rule, in.Required != "", in.Schema.Type.Is("string"), in.Required, keywords.(map[string]any)})
	}
	return all
}
