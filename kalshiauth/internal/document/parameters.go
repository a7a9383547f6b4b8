package document

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// A parameter is a parameter of an operation, or a header of a response, which follows the same rules.
type parameter struct {
	*openapi3.Parameter

	rule    string
	isList  bool // whether several values can be one array or object
	isKnown bool // whether kin-openapi can decode a value
}

// newParameter returns a parameter. It changes a copy of p where kin-openapi supports less than OpenAPI has.
func newParameter(p *openapi3.Parameter, rule string) *parameter {
	sm, err := p.SerializationMethod()
	exploded := err == nil && sm.Explode
	isObject := p.Schema != nil && p.Schema.Value.Type.Is(openapi3.TypeObject)
	n := &parameter{Parameter: p, rule: rule, isKnown: err == nil && (p.Schema != nil || p.Content != nil)}
	switch {
	case p.Content != nil:
		media := p.Content["application/json"]
		n.isKnown = len(p.Content) == 1 && media != nil && media.Schema != nil
		n.isList = p.In == openapi3.ParameterInQuery
	case p.Schema == nil:
	case p.In == openapi3.ParameterInCookie && exploded && isObject:
		n.isKnown = false // each property is a cookie of its own
	case p.In == openapi3.ParameterInCookie && exploded && !isScalar(p.Schema.Value):
		changed, notExploded := *p, false
		changed.Explode = &notExploded // checkParameter joins the cookies
		n.Parameter, n.isList = &changed, true
	case p.In == openapi3.ParameterInQuery:
		n.isList = exploded && !isScalar(p.Schema.Value)
	default:
		n.isList = p.In == openapi3.ParameterInHeader && !isScalar(p.Schema.Value)
	}
	return n
}

// isScalar reports whether a schema allows neither arrays nor objects.
func isScalar(s *openapi3.Schema) bool {
	each := func(ref *openapi3.SchemaRef) bool { return isScalar(ref.Value) }
	switch {
	case s.Type != nil:
		return !s.Type.Includes(openapi3.TypeArray) && !s.Type.Includes(openapi3.TypeObject)
	case len(s.AnyOf) > 0 || len(s.OneOf) > 0:
		return !slices.ContainsFunc(slices.Concat(s.AnyOf, s.OneOf), func(ref *openapi3.SchemaRef) bool { return !each(ref) })
	}
	return slices.ContainsFunc(s.AllOf, each)
}

// parametersOf returns the parameters of an operation. Its own override those of its path.
func parametersOf(op *Operation) (all []*parameter) {
	for i, ref := range op.Operation.Parameters {
		all = append(all, newParameter(ref.Value, op.Pointer+"/parameters/"+strconv.Itoa(i)))
	}
	for _, ref := range op.PathItem.Parameters {
		if op.Operation.Parameters.GetByInAndName(ref.Value.In, ref.Value.Name) == nil {
			all = append(all, newParameter(ref.Value, "#/paths"+Pointer(op.Path, "parameters")))
		}
	}
	return all
}

// headersOf returns the headers of a response. rule is the JSON pointer to the response. OpenAPI describes the
// Content-Type elsewhere.
func headersOf(response *openapi3.Response, rule string) (all []*parameter) {
	for _, name := range slices.Sorted(maps.Keys(response.Headers)) {
		if strings.EqualFold(name, "Content-Type") {
			continue
		}
		p := response.Headers[name].Value.Parameter
		p.In, p.Name = openapi3.ParameterInHeader, name
		all = append(all, newParameter(&p, rule+"/headers"+Pointer(name)))
	}
	return all
}

// sentParameters are the parameters of a message.
type sentParameters struct {
	path      map[string]string
	query     url.Values
	malformed []string // names of query parameters that are not escaped as URLs require
	header    http.Header
}

// values returns the values of a parameter as they were sent. It does not know the properties of an object.
func (s *sentParameters) values(p *parameter) []string {
	switch p.In {
	case openapi3.ParameterInQuery:
		return s.query[p.Name]
	case openapi3.ParameterInHeader:
		return s.header[http.CanonicalHeaderKey(p.Name)]
	case openapi3.ParameterInCookie:
		return cookies(s.header, p.Name)
	}
	if value, ok := s.path[p.Name]; ok {
		return []string{value}
	}
	return nil
}

// cookies returns the values of all cookies with a name.
func cookies(header http.Header, name string) (values []string) {
	for _, line := range header["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			if n, value, _ := strings.Cut(strings.Trim(pair, " \t"), "="); n == name {
				values = append(values, value)
			}
		}
	}
	return values
}

// parseQuery parses a query as servers do. A semicolon is no separator.
func (s *sentParameters) parseQuery(raw string) {
	s.query = url.Values{}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, errName := url.QueryUnescape(name)
		value, errValue := url.QueryUnescape(value)
		switch {
		case pair == "" || errName != nil:
		case errValue != nil:
			s.malformed = append(s.malformed, name)
		default:
			s.query[name] = append(s.query[name], value)
		}
	}
}

// checkParameters returns where parameters break their descriptions.
func (op *Operation) checkParameters(
	ctx context.Context, described []*parameter, sent *sentParameters,
) (problems []Problem) {
	if len(described) == 0 {
		return nil
	}
	input := &openapi3filter.RequestValidationInput{
		Request: &http.Request{Method: op.Method, URL: &url.URL{}, Header: sent.header}, Route: &op.Route,
		PathParams: sent.path, QueryParams: sent.query,
		Options: &openapi3filter.Options{
			MultiError: true, SkipSettingDefaults: true, SchemaValidationOptions: op.document.formats,
		},
	}
	if input.QueryParams == nil {
		input.QueryParams = url.Values{}
	}
	for _, p := range described {
		problems = append(problems, op.checkParameter(ctx, p, sent, input)...)
	}
	return problems
}

func (op *Operation) checkParameter(
	ctx context.Context, p *parameter, sent *sentParameters, input *openapi3filter.RequestValidationInput,
) []Problem {
	values := sent.values(p)
	switch {
	case p.In == openapi3.ParameterInQuery && slices.Contains(sent.malformed, p.Name):
		return []Problem{{p.rule, p.Name, "not escaped as a URL requires"}}
	case p.Content != nil && p.Required && values == nil:
		return []Problem{{p.rule, p.Name, openapi3filter.ErrInvalidRequired.Error()}}
	case !p.isKnown:
		return nil
	case p.In == openapi3.ParameterInCookie && !areCookies(values):
		return []Problem{{p.rule, p.Name, "a character that no cookie can have"}}
	case len(values) > 1 && p.In == openapi3.ParameterInHeader && p.isText():
		// Several lines are the same as one with commas (RFC 9110, section 5.3), except for Set-Cookie.
		if http.CanonicalHeaderKey(p.Name) != "Set-Cookie" {
			input = withHeader(input, p.Name, strings.Join(values, ", "))
		}
	case len(values) > 1 && !p.isList:
		return []Problem{{p.rule, p.Name, "more than one value"}}
	case len(values) > 0 && p.isList && p.In == openapi3.ParameterInCookie:
		joined := strings.ReplaceAll(strings.Join(values, ","), "&"+p.Name+"=", ",")
		input = withHeader(input, "Cookie", p.Name+"="+joined)
	}
	err := openapi3filter.ValidateParameter(ctx, input, p.Parameter)
	if errors.Is(err, openapi3filter.ErrInvalidEmptyValue) && strings.Join(values, "") != "" {
		return nil // kin-openapi cannot decode a value whose schema has no type
	}
	return op.explainParameter(p, err)
}

// isText reports whether the parameter is a string.
func (p *parameter) isText() bool {
	return p.Schema != nil && p.Schema.Value.Type.Is(openapi3.TypeString)
}

// areCookies reports whether net/http reads all values, which are those of cookies.
func areCookies(values []string) bool {
	return !slices.ContainsFunc(values, func(value string) bool {
		_, err := http.ParseCookie("x=" + value)
		return err != nil
	})
}

// withHeader returns a copy of input with one header.
func withHeader(
	input *openapi3filter.RequestValidationInput, name, value string,
) *openapi3filter.RequestValidationInput {
	changed := *input
	changed.Request = &http.Request{
		Method: input.Request.Method, URL: input.Request.URL,
		Header: http.Header{http.CanonicalHeaderKey(name): {value}},
	}
	return &changed
}

// explainParameter turns an error of [openapi3filter] into problems.
func (op *Operation) explainParameter(p *parameter, err error) (problems []Problem) {
	if err == nil {
		return nil
	}
	for _, known := range []error{openapi3filter.ErrInvalidRequired, openapi3filter.ErrInvalidEmptyValue} {
		if errors.Is(err, known) {
			return []Problem{{p.rule, p.Name, known.Error()}}
		}
	}
	for _, e := range schemaErrors(err) {
		for _, problem := range op.explain(e, p.rule) {
			problems = append(problems, Problem{p.rule, p.Name + problem.Place, problem.Found})
		}
	}
	if problems == nil {
		found := "does not fit its description"
		if p.Schema != nil && p.Schema.Value.Type != nil {
			found = "value must be of the type " + strings.Join(p.Schema.Value.Type.Slice(), " or ")
		}
		problems = []Problem{{p.rule, p.Name, found}}
	}
	return problems
}
