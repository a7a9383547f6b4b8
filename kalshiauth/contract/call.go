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
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// A call is a request to an operation. It is a value: its methods return changed copies.
type call struct {
	op     *document.Operation
	path   map[string]string // its parameters
	query  string
	header http.Header
	fields map[string]any // of the JSON body; nil: the body is raw
	raw    string
	bearer *session // that the call presents; nil: none
}

// with returns the call with a value for an input.
func (c call) with(in *document.Input, value any) call {
	switch in.In {
	case document.InBody:
		if c.fields != nil {
			c.fields = maps.Clone(c.fields)
			c.fields[in.Name] = value
		}
	case openapi3.ParameterInPath:
		c.path = maps.Clone(c.path)
		c.path[in.Name] = fmt.Sprint(value)
	case openapi3.ParameterInQuery:
		query, _ := url.ParseQuery(c.query)
		query[in.Name] = texts(value)
		c.query = query.Encode()
	case openapi3.ParameterInCookie:
		c = c.withCookie(in.Name + "=" + strings.Join(texts(value), ","))
	default:
		c.header = c.header.Clone()
		c.header[http.CanonicalHeaderKey(in.Name)] = texts(value)
	}
	return c
}

// value returns the value of an input, or nil.
func (c call) value(in *document.Input) any {
	switch in.In {
	case document.InBody:
		return c.fields[in.Name]
	case openapi3.ParameterInPath:
		return c.path[in.Name]
	case openapi3.ParameterInQuery:
		query, _ := url.ParseQuery(c.query)
		return query.Get(in.Name)
	case openapi3.ParameterInHeader:
		return c.header.Get(in.Name)
	}
	return nil
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
func (c call) without(in *document.Input) call {
	c = c.with(in, "") // a copy
	switch in.In {
	case document.InBody:
		delete(c.fields, in.Name)
	case openapi3.ParameterInQuery:
		query, _ := url.ParseQuery(c.query)
		query.Del(in.Name)
		c.query = query.Encode()
	case openapi3.ParameterInCookie:
		c.header.Del("Cookie")
	case openapi3.ParameterInHeader:
		c.header.Del(in.Name)
	}
	return c
}

// withBody returns the call with a raw body; "": none.
func (c call) withBody(raw string) call {
	c.fields, c.raw = nil, raw
	return c
}

// withHeader returns the call with a header.
func (c call) withHeader(name, value string) call {
	c.header = c.header.Clone()
	c.header.Set(name, value)
	return c
}

// withCookie returns the call with one more cookie, after the others.
func (c call) withCookie(pair string) call {
	if line := c.header.Get("Cookie"); line != "" {
		pair = line + "; " + pair
	}
	return c.withHeader("Cookie", pair)
}

// presenting returns the call with a session, presented by a scheme.
func (c call) presenting(s session, scheme document.Scheme) call {
	if isCookie(scheme) {
		c = c.withCookie(scheme.Name + "=" + s.cookie)
	} else {
		c = c.withHeader(scheme.Name, s.token)
	}
	c.bearer = &s
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
	if c.query != "" {
		target += "?" + c.query
	}
	req, err := http.NewRequestWithContext(ctx, c.op.Method, target, strings.NewReader(c.body()))
	if err != nil {
		return nil, errors.New("the request cannot be made") // err would show the code
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "kalshiauth-contract")
	if c.op.Operation.RequestBody != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(req.Header, c.header)
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
func (c call) breaks(ctx context.Context, in *document.Input, base baseURL) bool {
	place := in.Name
	if in.In == document.InBody {
		place = document.Pointer(in.Name)
	}
	problems := c.problems(ctx, base)
	return len(problems) > 0 && !slices.ContainsFunc(problems, func(p document.Problem) bool {
		return p.Place != place && !strings.HasPrefix(p.Place, place+"/")
	})
}
