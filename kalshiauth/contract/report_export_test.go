package contract

import (
	"maps"
	"slices"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// JSONFormatVersion is the version of the JSON format.
const JSONFormatVersion = jsonFormatVersion

// Formats returns all formats of a report.
func Formats() []Format { return slices.Sorted(maps.Keys(writers)) }

// SetChanged sets what Changed returns.
func (r *Report) SetChanged(accounts []kalshiauth.Credentials) {
	r.changed = func() []kalshiauth.Credentials { return accounts }
}
