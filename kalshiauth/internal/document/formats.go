package document

import (
	"encoding/base64"
	"errors"
	"net/mail"
	"regexp"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

var acceptAll = openapi3.NewCallbackValidator(func(string) error { return nil })

// formatValidators returns the format validators for a document. Their errors do not quote values.
func formatValidators() map[string]openapi3.StringFormatValidator {
	return map[string]openapi3.StringFormatValidator{
		"byte":      openapi3.NewCallbackValidator(checkBase64),
		"date":      openapi3.NewCallbackValidator(checkTime("date", time.DateOnly)),
		"date-time": openapi3.NewCallbackValidator(checkTime("date and time", time.RFC3339)),
		"email":     openapi3.NewCallbackValidator(checkEmail),
		"password":  acceptAll,
		"uuid":      openapi3.NewCallbackValidator(checkUUID),
	}
}

func checkBase64(value string) error {
	if _, err := base64.StdEncoding.DecodeString(value); err != nil {
		return errors.New("not base64")
	}
	return nil
}

func checkTime(name, layout string) func(string) error {
	return func(value string) error {
		if _, err := time.Parse(layout, value); err != nil {
			return errors.New("not a " + name)
		}
		return nil
	}
}

func checkEmail(value string) error {
	// The comparison rejects "Trader <trader@example.com>", which contains an address, but is not one.
	if addr, err := mail.ParseAddress(value); err != nil || addr.String() != "<"+value+">" {
		return errors.New("not an e-mail address")
	}
	return nil
}

var uuidForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// checkUUID accepts a UUID of any version, since RFC 9562 treats UUIDs as opaque for comparisons.
func checkUUID(value string) error {
	if !uuidForm.MatchString(value) {
		return errors.New("not a UUID")
	}
	return nil
}
