package contract

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// statusCounts returns all pairs of an operation and a status in a document.
func statusCounts(doc *document.Document) (all []StatusCount) {
	for _, op := range doc.Operations {
		for key := range op.Operation.Responses.Map() {
			all = append(all, StatusCount{Operation: op.ID, Status: key})
		}
	}
	slices.SortFunc(all, func(a, b StatusCount) int {
		return cmp.Or(strings.Compare(a.Operation, b.Operation), strings.Compare(a.Status, b.Status))
	})
	return all
}
