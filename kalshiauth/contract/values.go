package contract

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// secretLength is the number of characters of a random value, unless its schema requires more or fewer.
const secretLength = 26

// random returns a new secret.
func (r *runner) random(length int) string {
	secret := ""
	for len(secret) < length {
		secret += rand.Text()
	}
	r.secrets = append(r.secrets, secret[:length])
	return secret[:length]
}

// passwordLength is the number of characters of a password, unless its schema requires more or fewer. Many servers have
// limits that the document does not have.
const passwordLength = 16

// password returns a new password that follows a schema and common policies: it has letters of both cases and digits.
func (r *runner) password(s *openapi3.Schema) string {
	length := max(passwordLength, int(s.MinLength)) //nolint:gosec // a length
	if s.MaxLength != nil {
		length = min(length, int(*s.MaxLength)) //nolint:gosec // a length
	}
	const classes = "kA7"
	secret := r.random(max(length, len(classes)))
	secret = classes + strings.ToLower(secret[:length/2]) + secret[length/2:]
	r.secrets = append(r.secrets, secret[:length])
	return secret[:length]
}

func randomUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// unknownEmail returns an address without an owner: RFC 2606 reserves the domain.
func unknownEmail() string {
	return "kalshiauth-contract-" + strings.ToLower(rand.Text()) + "@example.invalid"
}

// sample returns a call that follows the document. It has all required values, and only ones unknown to the server.
func (r *runner) sample(op *document.Operation) call {
	c := call{op: op, path: map[string]string{}, header: http.Header{}}
	if schema, _ := op.JSONBody(); schema != nil {
		c.fields = map[string]any{}
	}
	for _, in := range op.Inputs() {
		if in.Required != "" {
			c = c.with(in, r.value(in.Schema))
		}
	}
	return c
}

// value returns a value that follows a schema, except for keywords that it does not support.
func (r *runner) value(s *openapi3.Schema) any {
	length := max(secretLength, int(s.MinLength)) //nolint:gosec // a length
	if s.MaxLength != nil {
		length = min(length, int(*s.MaxLength)) //nolint:gosec // a length
	}
	switch {
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Type.Is(openapi3.TypeObject), len(s.AllOf) > 0:
		fields := map[string]any{}
		for _, in := range document.Properties(s) {
			if in.Required != "" {
				fields[in.Name] = r.value(in.Schema)
			}
		}
		return fields
	case s.Type.Is(openapi3.TypeArray):
		return r.items(s, int(s.MinItems)) //nolint:gosec // a length
	case s.Format == "email":
		return unknownEmail()
	case s.Format == "uuid":
		return randomUUID()
	case s.Format == "date":
		return time.Now().Format(time.DateOnly)
	case s.Format == "date-time":
		return time.Now().Format(time.RFC3339)
	case s.Format == "byte":
		return base64.StdEncoding.EncodeToString([]byte(r.random(length)))
	case isPassword(s) && s.Pattern == "":
		return r.password(s)
	case s.Pattern == "" && (s.Type == nil || s.Type.Is(openapi3.TypeString)):
		return r.random(length)
	case s.Example != nil:
		return s.Example
	case s.Type.Is(openapi3.TypeBoolean):
		return true
	case s.Min != nil:
		return *s.Min
	}
	return 0
}

// items returns an array of a given length.
func (r *runner) items(s *openapi3.Schema, n int) []any {
	items := []any{}
	for range n {
		item := any(0)
		if s.Items != nil {
			item = r.value(s.Items.Value)
		}
		items = append(items, item)
	}
	return items
}

func isPassword(s *openapi3.Schema) bool { return s.Format == "password" }

// A limit is a keyword of a schema that a value can break.
type limit struct {
	keyword string
	id      string // of a value that breaks it
	name    string // of such a value; % is the name of the input
	// broken returns values that may break the keyword, made from a right one; none if the schema does not have it.
	broken func(r *runner, s *openapi3.Schema, right any) []any
}

// ofType returns a limit that values of a JSON type break.
func ofType(name string, values ...any) limit {
	return limit{"type", name, "% as " + name, func(_ *runner, s *openapi3.Schema, right any) []any {
		switch {
		case s.Type == nil:
			return nil
		case name == "array":
			return append(values, []any{right}) // some servers take the only item of an array for the value
		}
		return values
	}}
}

// limits are the keywords of a schema that a value can break.
var limits = []limit{
	ofType("null", nil),
	ofType("number", 42, 0),
	ofType("boolean", true),
	ofType("array", []any{}),
	ofType(
		"object",
		map[string]any{},
		map[string]any{"$ne": "x"},
	), // some databases take the second one for a condition
	{"type", "text", "% as text", func(_ *runner, s *openapi3.Schema, _ any) []any {
		if s.Type == nil || s.Type.Includes(openapi3.TypeString) {
			return nil
		}
		return []any{"x"}
	}},
	{"minLength", "empty", "an empty %", func(_ *runner, s *openapi3.Schema, _ any) []any {
		if s.MinLength == 0 {
			return nil
		}
		return []any{""}
	}},
	{"format", "empty", "an empty %", func(_ *runner, s *openapi3.Schema, _ any) []any {
		if s.MinLength > 0 || s.Format == "" || !s.Type.Is(openapi3.TypeString) {
			return nil
		}
		return []any{""}
	}},
	{"format", "format", "a malformed %", malformedText},
	{"minLength", "minLength", "a too short %", func(r *runner, s *openapi3.Schema, right any) []any {
		if s.MinLength < 2 {
			return nil
		}
		text := []rune(fmt.Sprint(right))
		if short := int(s.MinLength) - 1; len(text) > short {
			return []any{string(text[:short]), strings.Repeat("é", short)} // the length is in characters
		}
		return []any{r.random(int(s.MinLength) - 1)}
	}},
	{"maxLength", "maxLength", "a too long %", func(r *runner, s *openapi3.Schema, right any) []any {
		if s.MaxLength == nil {
			return nil
		}
		text := fmt.Sprint(right) + r.random(int(*s.MaxLength)+1)
		return []any{string([]rune(text)[:*s.MaxLength+1])}
	}},
	{"pattern", "pattern", "a % of a wrong form", func(_ *runner, s *openapi3.Schema, _ any) []any {
		if s.Pattern == "" {
			return nil
		}
		length := max(1, int(s.MinLength))
		return []any{strings.Repeat("x", length), strings.Repeat("0", length), strings.Repeat("~", length)}
	}},
	{"enum", "enum", "an unknown %", func(r *runner, s *openapi3.Schema, _ any) []any {
		if s.Enum == nil {
			return nil
		}
		return []any{r.random(secretLength), 1 << 30}
	}},
	{"minimum", "minimum", "a too small %", func(_ *runner, s *openapi3.Schema, _ any) []any {
		if s.Min == nil {
			return nil
		}
		return []any{*s.Min - 1}
	}},
	{"maximum", "maximum", "a too large %", func(_ *runner, s *openapi3.Schema, _ any) []any {
		if s.Max == nil {
			return nil
		}
		return []any{*s.Max + 1}
	}},
	{"minItems", "minItems", "a % with too few items", func(r *runner, s *openapi3.Schema, _ any) []any {
		if s.MinItems == 0 {
			return nil
		}
		return []any{r.items(s, int(s.MinItems)-1)}
	}},
	{"maxItems", "maxItems", "a % with too many items", func(r *runner, s *openapi3.Schema, _ any) []any {
		if s.MaxItems == nil {
			return nil
		}
		return []any{r.items(s, int(*s.MaxItems)+1)}
	}},
}

// malformedText returns values that almost have the format of a schema.
func malformedText(_ *runner, s *openapi3.Schema, right any) []any {
	text, isText := right.(string)
	switch {
	case s.Format == "":
		return nil
	case !s.Type.Is(openapi3.TypeString):
		return []any{1 << 40} // for int32
	case !isText || text == "":
		return []any{"x"}
	}
	local, domain, _ := strings.Cut(text, "@")
	last := len(text) - 1
	switch s.Format {
	case "email":
		return []any{"x", local, "@" + domain, local + "@", local + "@" + text, "A <" + text + ">"}
	case "uuid":
		return []any{
			"x", text[:last], text[:last] + "g", text + "0", " " + text, strings.ReplaceAll(text, "-", ""), "{" + text + "}",
		}
	}
	return []any{strings.Repeat("x", max(1, int(s.MinLength)))} //nolint:gosec // a length
}
