package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// An input is a property of an operation's JSON body, or a parameter in its query or a header.
type input struct {
	name     string
	in       string // inBody, or as in the document
	schema   *openapi3.Schema
	rule     string // the JSON pointer to the schema
	required string // the JSON pointer to the rule that requires it; "": none does
}

const inBody = "body"

// inputsOf returns the inputs of an operation, those of its body first.
func inputsOf(op *document.Operation) []input {
	var all []input
	if schema, rule := jsonBody(op); schema != nil {
		all = properties(schema, rule)
	}
	for _, parameters := range []struct {
		refs openapi3.Parameters
		rule string
	}{
		{op.Operation.Parameters, op.Pointer + "/parameters/"},
		{op.PathItem.Parameters, op.Pointer[:strings.LastIndexByte(op.Pointer, '/')] + "/parameters/"},
	} {
		for i, ref := range parameters.refs {
			p, rule := ref.Value, parameters.rule+strconv.Itoa(i)
			overridden := slices.ContainsFunc(all, func(in input) bool { return in.name == p.Name && in.in == p.In })
			if p.In != openapi3.ParameterInQuery && p.In != openapi3.ParameterInHeader || p.Schema == nil || overridden {
				continue
			}
			in := input{name: p.Name, in: p.In, schema: p.Schema.Value, rule: rule + "/schema"}
			if p.Required {
				in.required = rule + "/required"
			}
			all = append(all, in)
		}
	}
	return all
}

// jsonBody returns the schema of an operation's JSON body and the pointer to it, or nil.
func jsonBody(op *document.Operation) (schema *openapi3.SchemaRef, rule string) {
	if op.Operation.RequestBody == nil {
		return nil, ""
	}
	media := op.Operation.RequestBody.Value.Content["application/json"]
	if media == nil || media.Schema == nil {
		return nil, ""
	}
	return media.Schema, op.Pointer + "/requestBody/content" + document.Pointer("application/json", "schema")
}

// properties returns the properties of an object schema, and of all schemas in its allOf.
func properties(ref *openapi3.SchemaRef, rule string) (all []input) {
	if ref.Ref != "" {
		rule = ref.Ref
	}
	for i, part := range ref.Value.AllOf {
		all = append(all, properties(part, rule+"/allOf/"+strconv.Itoa(i))...)
	}
	for _, name := range slices.Sorted(maps.Keys(ref.Value.Properties)) {
		property := ref.Value.Properties[name]
		in := input{name: name, in: inBody, schema: property.Value, rule: rule + document.Pointer("properties", name)}
		if property.Ref != "" {
			in.rule = property.Ref
		}
		if slices.Contains(ref.Value.Required, name) {
			in.required = rule + "/required"
		}
		all = append(all, in)
	}
	return all
}

// A call is a request to an operation. It is a value: its methods return changed copies.
type call struct {
	op     *document.Operation
	path   map[string]string // its parameters
	query  url.Values
	header http.Header
	fields map[string]any // of the JSON body; nil: the body is raw
	raw    string
}

// with returns the call with a value for an input.
func (c call) with(in input, value any) call {
	switch in.in {
	case inBody:
		if c.fields != nil {
			c.fields = maps.Clone(c.fields)
			c.fields[in.name] = value
		}
	case openapi3.ParameterInQuery:
		c.query = maps.Clone(c.query)
		c.query[in.name] = texts(value)
	default:
		c.header = c.header.Clone()
		c.header[http.CanonicalHeaderKey(in.name)] = texts(value)
	}
	return c
}

// texts returns a value as the texts of a parameter.
func texts(value any) (all []string) {
	if items, ok := value.([]any); ok {
		for _, item := range items {
			all = append(all, fmt.Sprint(item))
		}
		return all
	}
	return []string{fmt.Sprint(value)}
}

// without returns the call without an input.
func (c call) without(in input) call {
	c = c.with(in, nil) // a copy
	switch in.in {
	case inBody:
		delete(c.fields, in.name)
	case openapi3.ParameterInQuery:
		delete(c.query, in.name)
	default:
		c.header.Del(in.name)
	}
	return c
}

// withBody returns the call with a raw body; "": none.
func (c call) withBody(raw string) call {
	c.fields, c.raw = nil, raw
	return c
}

// presenting returns the call with a session. It prefers the cookie, or with inHeader the header, if there are both.
func (c call) presenting(s session, inHeader bool) call {
	schemes, _ := c.op.Security()
	if len(schemes) == 0 || s == (session{}) {
		return c
	}
	scheme := schemes[len(schemes)-1] // cookies come last
	if inHeader {
		scheme = schemes[0]
	}
	c.header = c.header.Clone()
	if scheme.In == openapi3.ParameterInCookie {
		c.header.Set("Cookie", scheme.Name+"="+s.cookie)
	} else {
		c.header.Set(scheme.Name, s.token)
	}
	return c
}

func (c call) body() string {
	if c.fields == nil {
		return c.raw
	}
	data, _ := json.Marshal(c.fields) //nolint:errchkjson // strings, numbers and the like
	return string(data)
}

func (c call) request(ctx context.Context, base baseURL) (*http.Request, error) {
	path := c.op.Path
	for name, value := range c.path {
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
	}
	target := base.endpoint(path)
	if len(c.query) > 0 {
		target += "?" + c.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, c.op.Method, target, strings.NewReader(c.body()))
	if err != nil {
		return nil, errors.New("the request cannot be made") // err would show the code
	}
	maps.Copy(req.Header, c.header)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "kalshiauth-contract")
	if c.op.Operation.RequestBody != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// problems returns how the call breaks the document.
func (c call) problems(ctx context.Context, base baseURL) []document.Problem {
	req, err := c.request(ctx, base)
	if err != nil {
		return nil
	}
	return c.op.CheckRequest(req, c.path, []byte(c.body()))
}

// breaks reports whether the call breaks the document, and only by its value of an input.
func (c call) breaks(ctx context.Context, in input, base baseURL) bool {
	place := in.name
	if in.in == inBody {
		place = document.Pointer(in.name)
	}
	problems := c.problems(ctx, base)
	return len(problems) > 0 && !slices.ContainsFunc(problems, func(p document.Problem) bool {
		return p.Place != place && !strings.HasPrefix(p.Place, place+"/")
	})
}
