package contract

import (
	"context"
	"strings"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// A Scenario is what the tests look at of one.
type Scenario struct {
	Name, Operation, Rule string
	NeedsMailbox          bool
}

// Scenarios returns those of Run, for any document.
func Scenarios(doc *document.Document) []Scenario {
	r, err := newRunner(&Target{BaseURL: "https://example.com"}, doc)
	if err != nil {
		panic(err)
	}
	var all []Scenario
	for _, s := range scenarios(context.Background(), r) {
		rule := s.rule
		if strings.HasPrefix(rule, "/") {
			rule = s.op.Pointer + rule
		}
		all = append(all, Scenario{s.name, s.op.ID, rule, s.needs == mailbox})
	}
	return all
}

// RunDocument is Run with another document.
func RunDocument(ctx context.Context, target Target, doc *document.Document) (*Report, error) { //nolint:gocritic // as Run
	return run(ctx, &target, doc)
}

// An Input is a value that an operation takes.
type Input struct {
	Name, Rule string
	Required   bool
	Keywords   map[string]any // of its schema
}

// Inputs returns those of an operation that scenarios are derived from.
func Inputs(op *document.Operation) []Input {
	var all []Input
	for _, in := range inputsOf(op) {
		keywords, err := in.Schema.MarshalYAML()
		if err != nil {
			panic(err)
		}
		all = append(all, Input{in.Name, in.Rule, in.Required != "", keywords.(map[string]any)})
	}
	return all
}
