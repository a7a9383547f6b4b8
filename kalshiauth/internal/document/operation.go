package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// An Operation is one operation of a document.
type Operation struct {
	routers.Route

	ID      string // its operationId, or "METHOD /path" if it has none
	Pointer string // the JSON pointer to it, such as "#/paths/~1log_in/post"

	document *Document
	segments []segment
}

// A segment is a segment of a path template, such as "{name}.csv".
type segment struct {
	literal    string         // without parameters
	form       *regexp.Regexp // matches an unescaped segment with parameters; it has a group for each
	parameters []string
}

// Security returns the schemes by which a request can present a session to the operation, those in a header first.
// required tells whether a request must present one.
func (op *Operation) Security() (schemes []Scheme, required bool) {
	requirements := op.Spec.Security
	if op.Operation.Security != nil {
		requirements = *op.Operation.Security
	}
	var ids []string
	required = len(requirements) > 0
	for _, requirement := range requirements {
		required = required && len(requirement) > 0
		ids = slices.AppendSeq(ids, maps.Keys(requirement))
	}
	return op.document.schemes(ids), required
}

// match returns the parameters of a path, if the path is the operation's. segments are those of the path, escaped.
func (op *Operation) match(segments []string) (params map[string]string, ok bool) {
	if len(segments) != len(op.segments) {
		return nil, false
	}
	for i, want := range op.segments {
		got, err := url.PathUnescape(segments[i])
		if want.form == nil {
			if err != nil || got != want.literal {
				return nil, false
			}
			continue
		}
		values := want.form.FindStringSubmatch(got)
		if err != nil || values == nil {
			return nil, false
		}
		if params == nil {
			params = map[string]string{}
		}
		for j, name := range want.parameters {
			params[name] = values[j+1]
		}
	}
	return params, true
}

// CheckRequest returns where a request breaks the document, in its parameters, its content type and its body. params
// are the parameters in its path, unescaped. CheckRequest does not read r.Body, and does not check the session.
func (op *Operation) CheckRequest(r *http.Request, params map[string]string, body []byte) []Problem {
	rule := op.Pointer + "/requestBody"
	problems := op.checkBody(rule, r.Header.Get("Content-Type"), body)
	checked := r.Clone(r.Context())
	checked.Body = io.NopCloser(bytes.NewReader(body))
	err := openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request:    checked,
		PathParams: params,
		Route:      &op.Route,
		Options: &openapi3filter.Options{
			MultiError:              true,
			ExcludeRequestBody:      len(problems) > 0 || op.Operation.RequestBody == nil,
			SkipSettingDefaults:     true,
			AuthenticationFunc:      openapi3filter.NoopAuthenticationFunc,
			SchemaValidationOptions: op.Spec.GetSchemaValidationOptions(),
		},
	})
	problems = append(problems, op.Explain(err, rule)...)
	problems = append(problems, op.checkRepeated(r)...)
	slices.SortStableFunc(problems, func(a, b Problem) int { return strings.Compare(a.Place, b.Place) })
	return problems
}

// CheckBody returns where a value, encoded by [json.Marshal], breaks the operation's JSON body.
func (op *Operation) CheckBody(value any) []Problem {
	body, err := json.Marshal(value)
	if err != nil {
		return []Problem{{op.Pointer + "/requestBody", "", "not a JSON value"}}
	}
	return op.CheckBodyText(string(body))
}

// checkBody returns the problems that prevent a comparison of the body with its schema.
func (op *Operation) checkBody(rule, contentType string, body []byte) []Problem {
	if op.Operation.RequestBody == nil {
		return nil
	}
	spec := op.Operation.RequestBody.Value
	switch {
	case len(body) == 0 && spec.Required:
		return []Problem{{rule, "", "missing"}}
	case len(body) == 0:
		return nil
	case spec.Content.Get(contentType) == nil:
		types := strings.Join(slices.Sorted(maps.Keys(spec.Content)), ", ")
		return []Problem{{rule + "/content", "Content-Type", "not " + types}}
	case isJSON(contentType) && !json.Valid(body): // kin-openapi ignores what follows the first value
		return []Problem{{rule, "", "not one JSON value"}}
	}
	return nil
}

// checkRepeated finds query parameters with too many values. kin-openapi checks only one of the values.
func (op *Operation) checkRepeated(r *http.Request) (problems []Problem) {
	query := r.URL.Query()
	for _, ref := range slices.Concat(op.PathItem.Parameters, op.Operation.Parameters) {
		p := ref.Value
		if p.In != openapi3.ParameterInQuery || p.Schema == nil || len(query[p.Name]) < 2 {
			continue
		}
		if t := p.Schema.Value.Type; t != nil && !t.Includes(openapi3.TypeArray) && !t.Includes(openapi3.TypeObject) {
			problems = append(problems, Problem{op.parameterRule(p), p.Name, "more than one value"})
		}
	}
	return problems
}

// Explain turns an error of [openapi3filter] into problems, since most texts of its errors quote values. rule is the
// JSON pointer to the body in the document, for problems of the body.
func (op *Operation) Explain(err error, rule string) (problems []Problem) {
	switch err := err.(type) { //nolint:errorlint // this walks the tree itself
	case nil:
		return nil
	case openapi3.MultiError:
		for _, e := range err {
			problems = append(problems, op.Explain(e, rule)...)
		}
		return problems
	case *openapi3filter.SecurityRequirementsError:
		return []Problem{{op.Pointer + "/security", "", "no session is presented"}}
	case *openapi3filter.RequestError:
		if err.Parameter != nil {
			return op.explainParameter(err)
		}
		if err.Err != nil {
			return op.Explain(err.Err, rule)
		}
	case *openapi3filter.ResponseError:
		if err.Err != nil {
			return op.Explain(err.Err, rule)
		}
	case *openapi3.SchemaError:
		// An error of allOf wraps the errors of its schemas.
		if inner := schemaErrors(err.Origin); len(inner) > 0 {
			return op.Explain(inner, rule)
		}
		return []Problem{{rule, op.place(err.JSONPointer()), finding(err)}}
	}
	return []Problem{{rule, "", "does not fit its description"}}
}

func (op *Operation) explainParameter(err *openapi3filter.RequestError) (problems []Problem) {
	p := err.Parameter
	rule, name := op.parameterRule(p), p.Name
	if errors.Is(err.Err, openapi3filter.ErrInvalidRequired) || errors.Is(err.Err, openapi3filter.ErrInvalidEmptyValue) {
		return []Problem{{rule, name, err.Err.Error()}}
	}
	for _, e := range schemaErrors(err.Err) {
		for _, problem := range op.Explain(e, rule) {
			problems = append(problems, Problem{rule, name + problem.Place, problem.Found})
		}
	}
	if problems == nil {
		found := "does not fit its description"
		if p.Schema != nil && p.Schema.Value.Type != nil {
			found = "value must be of the type " + strings.Join(p.Schema.Value.Type.Slice(), " or ")
		}
		problems = []Problem{{rule, name, found}}
	}
	return problems
}

// parameterRule returns the JSON pointer to a parameter of the operation or of its path.
func (op *Operation) parameterRule(p *openapi3.Parameter) string {
	for i, ref := range op.Operation.Parameters {
		if ref.Value == p {
			return op.Pointer + "/parameters/" + strconv.Itoa(i)
		}
	}
	return "#/paths" + Pointer(op.Path, "parameters")
}

// place returns the JSON pointer to a value. It does not show names that are not in the document, since they come from
// the sender. It shows indexes of arrays.
func (op *Operation) place(names []string) string {
	for i, name := range names {
		if _, err := strconv.ParseUint(name, 10, 16); err != nil && !op.document.HasProperty(name) {
			names[i] = "*"
		}
	}
	return Pointer(names...)
}

var parameter = regexp.MustCompile(`\{([^/{}]+)\}`)

func compile(template string) (segments []segment) {
	for text := range strings.SplitSeq(template, "/") {
		var parameters []string
		for _, match := range parameter.FindAllStringSubmatch(text, -1) {
			parameters = append(parameters, match[1])
		}
		if parameters == nil {
			segments = append(segments, segment{literal: text})
			continue
		}
		literals := parameter.Split(text, -1)
		for i, literal := range literals {
			literals[i] = regexp.QuoteMeta(literal)
		}
		form := regexp.MustCompile("(?s)^" + strings.Join(literals, "(.+)") + "$")
		segments = append(segments, segment{form: form, parameters: parameters})
	}
	return segments
}

func isJSON(contentType string) bool {
	mediaType, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	mediaType = strings.TrimSpace(mediaType)
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

// CheckBodyText returns where a text breaks the operation's JSON body.
func (op *Operation) CheckBodyText(text string) []Problem {
	r := &http.Request{Method: op.Method, URL: &url.URL{}, Header: http.Header{"Content-Type": {"application/json"}}}
	problems := op.CheckRequest(r, nil, []byte(text))
	return slices.DeleteFunc(problems, func(p Problem) bool { return p.Rule != op.Pointer+"/requestBody" })
}
