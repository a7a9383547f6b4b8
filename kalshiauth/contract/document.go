package contract

import (
	"errors"
	"fmt"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// loadDocument loads a user's document, which must have the operations of this module's one. nil means that one.
func loadDocument(data []byte) (*document.Document, error) {
	if data == nil {
		return document.API(), nil
	}
	doc, err := document.Load(data)
	if err != nil {
		return nil, fmt.Errorf("the document: %w", err)
	}
	var missing []error
	for _, op := range document.API().Operations {
		if doc.Operation(op.ID) == nil {
			missing = append(missing, fmt.Errorf("the document lacks the operation %s", op.ID))
		}
	}
	return doc, errors.Join(missing...)
}
