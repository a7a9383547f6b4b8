package fakeserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// maxBody is how many bytes a body may have.
const maxBody = 64 << 10

// decode returns the JSON body of a request, and which fields it has. Unlike encoding/json, it accepts the names of
// fields only as they are documented.
func decode[T any](w http.ResponseWriter, r *http.Request) (in T, given map[string]bool, err error) {
	if err := checkType(r, "application/json"); err != nil {
		return in, nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			return in, nil, &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", maxBody)}
		}
		return in, nil, invalid(errors.New("the body cannot be read: send it again"))
	}
	if given, err = Unmarshal(body, &in); err != nil {
		return in, nil, invalid(fmt.Errorf("the body %w", err))
	}
	return in, given, nil
}

// Unmarshal parses a JSON object into a struct. Fields must have their exact names, and values. Its error is a sentence
// without its subject, and shows no value.
func Unmarshal(data []byte, into any) (given map[string]bool, err error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil || raw == nil {
		return nil, fmt.Errorf("is not a JSON object: send one with %s", strings.Join(fieldNames(into), ", "))
	}
	given = make(map[string]bool)
	for name, value := range raw {
		if names := fieldNames(into); !slices.Contains(names, name) {
			return nil, fmt.Errorf("has the unknown field %q: the fields are %s", name, strings.Join(names, ", "))
		}
		if string(value) == "null" {
			return nil, fmt.Errorf("has null for %s: give a value, or leave the field out", name)
		}
		given[name] = true
	}
	if err := json.Unmarshal(data, into); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			got, _, _ := strings.Cut(wrong.Value, " ")
			return nil, fmt.Errorf("has a JSON %s for %s: give a %s", got, wrong.Field, jsonType(wrong.Type))
		}
		return nil, errors.New("has a value of a wrong type")
	}
	return given, nil
}

// fieldNames returns the JSON names of the fields of a pointer to a struct.
func fieldNames(into any) (names []string) {
	for _, field := range reflect.VisibleFields(reflect.TypeOf(into).Elem()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// jsonType returns the name that JSON has for a type.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int:
		return "whole number"
	default:
		return "number"
	}
}

// checkType checks the media type of a request. The forms of other pages cannot have application/json.
func checkType(r *http.Request, want string) error {
	got := r.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(got); err != nil || media != want {
		return &problem{http.StatusUnsupportedMediaType, fmt.Sprintf("the content type is %q: send the header "+
			"Content-Type: %s", got, want)}
	}
	return nil
}

// checkEmpty checks that a request has no body and no query.
func checkEmpty(w http.ResponseWriter, r *http.Request) error {
	if body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)); err != nil || len(body) > 0 {
		return invalid(fmt.Errorf("%s %s takes no body: send none", r.Method, r.URL.Path))
	}
	return checkQuery(r)
}

// checkQuery checks that a request has no query.
func checkQuery(r *http.Request) error {
	if r.URL.RawQuery != "" {
		return invalid(fmt.Errorf("%s %s takes no query parameters: leave out ?%s", r.Method, r.URL.Path, r.URL.RawQuery))
	}
	return nil
}
