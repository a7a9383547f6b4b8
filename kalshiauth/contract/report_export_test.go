package contract

import (
	"maps"
	"slices"
)

// JSONFormatVersion is the version of the JSON format.
const JSONFormatVersion = jsonFormatVersion

// Formats returns all formats of a report.
func Formats() []Format { return slices.Sorted(maps.Keys(writers)) }

// SetNewPassword sets what NewPassword returns.
func (r *Report) SetNewPassword(password string) { r.newPassword = func() string { return password } }
