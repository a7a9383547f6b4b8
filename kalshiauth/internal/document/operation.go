package document

import (
	"bytes"
	"cmp"
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

	document   *Document
	segments   []segment
	parameters []*parameter
	headers    map[string][]*parameter // of the responses, by status as in the document
	schemes    []Scheme
	required   bool // a session
}

// A segment is a segment of a path template, such as "{name}.csv".
type segment struct {
	literal    string         // the segment itself, if it has no parameters
	form       *regexp.Regexp // matches an unescaped segment; it has a group for each parameter; nil: it has none
	parameters []string
}

func newOperation(
	d *Document, path string, item *openapi3.PathItem, method string, spec *openapi3.Operation,
) *Operation {
	op := &Operation{
		Route:    routers.Route{Spec: d.Spec, Path: path, PathItem: item, Method: method, Operation: spec},
		ID:       cmp.Or(spec.OperationID, method+" "+path),
		Pointer:  "#/paths" + Pointer(path, strings.ToLower(method)),
		document: d,
		segments: compile(path),
		headers:  map[string][]*parameter{},
	}
	op.parameters = parametersOf(op)
	for key, ref := range spec.Responses.Map() {
		op.headers[key] = headersOf(ref.Value, op.Pointer+"/responses/"+key)
	}
	requirements := d.Spec.Security
	if spec.Security != nil {
		requirements = *spec.Security
	}
	var ids []string
	op.required = len(requirements) > 0
	for _, requirement := range requirements {
		op.required = op.required && len(requirement) > 0
		ids = slices.AppendSeq(ids, maps.Keys(requirement))
	}
	op.schemes = d.schemes(ids)
	return op
}

// Security returns the schemes by which a request can present a session to the operation, those in a header first.
// required tells whether a request must present one.
func (op *Operation) Security() (schemes []Scheme, required bool) {
	return slices.Clone(op.schemes), op.required
}

// match returns the parameters of an escaped path, if the path is the operation's.
func (op *Operation) match(path string) (params map[string]string, ok bool) {
	if strings.Count(path, "/") != len(op.segments)-1 {
		return nil, false
	}
	for _, want := range op.segments {
		escaped, rest, _ := strings.Cut(path, "/")
		path = rest
		got, err := url.PathUnescape(escaped)
		if err != nil || want.form == nil && got != want.literal {
			return nil, false
		}
		if want.form == nil {
			continue
		}
		values := want.form.FindStringSubmatch(got)
		if values == nil {
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
	problems := op.checkBody(r, body)
	if len(op.parameters) > 0 {
		sent := &sentParameters{path: params, header: r.Header}
		sent.parseQuery(r.URL.RawQuery)
		problems = append(problems, op.checkParameters(r.Context(), op.parameters, sent)...)
	}
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

// CheckBodyText returns where a text breaks the operation's JSON body.
func (op *Operation) CheckBodyText(text string) []Problem {
	problems := op.checkBody(&http.Request{Header: http.Header{"Content-Type": {"application/json"}}}, []byte(text))
	problems = slices.DeleteFunc(problems, func(p Problem) bool { return p.Rule != op.Pointer+"/requestBody" })
	slices.SortStableFunc(problems, func(a, b Problem) int { return strings.Compare(a.Place, b.Place) })
	return problems
}

// checkBody returns what is wrong with the body of a request. It does not read r.Body.
func (op *Operation) checkBody(r *http.Request, body []byte) []Problem {
	if op.Operation.RequestBody == nil {
		return nil
	}
	rule, spec, contentType := op.Pointer+"/requestBody", op.Operation.RequestBody.Value, r.Header.Get("Content-Type")
	media := spec.Content.Get(contentType)
	switch {
	case len(body) == 0 && spec.Required:
		return []Problem{{rule, "", "missing"}}
	case len(body) == 0:
		return nil
	case media == nil:
		types := strings.Join(slices.Sorted(maps.Keys(spec.Content)), ", ")
		return []Problem{{rule + "/content", "Content-Type", "not " + types}}
	case !IsJSON(contentType):
		return op.checkOther(rule, spec.Content, r, body)
	}
	value, err := DecodeJSON(body)
	if err != nil {
		return []Problem{{rule, "", "not one JSON value"}}
	}
	if media.Schema == nil {
		return nil
	}
	return op.explain(media.Schema.Value.VisitJSON(value, op.document.asRequest...), rule)
}

// checkOther returns where a body that is not JSON breaks its schema. It returns nil if kin-openapi does not know the
// content type.
func (op *Operation) checkOther(rule string, content openapi3.Content, r *http.Request, body []byte) []Problem {
	mediaType, _, _ := strings.Cut(strings.ToLower(r.Header.Get("Content-Type")), ";")
	if openapi3filter.RegisteredBodyDecoder(strings.TrimSpace(mediaType)) == nil {
		return nil
	}
	err := openapi3filter.ValidateRequestBody(r.Context(), &openapi3filter.RequestValidationInput{
		Request: &http.Request{Method: op.Method, Header: r.Header, Body: io.NopCloser(bytes.NewReader(body))},
		Route:   &op.Route,
		Options: &openapi3filter.Options{
			MultiError: true, SkipSettingDefaults: true, ExcludeReadOnlyValidations: true,
			SchemaValidationOptions: op.document.formats,
		},
	}, &openapi3.RequestBody{Content: content})
	return op.explain(err, rule)
}

// CheckHeaders returns where the headers of a response break the document. status is as in the document.
func (op *Operation) CheckHeaders(status string, header http.Header) []Problem {
	r := &http.Request{Header: header}
	return op.checkParameters(r.Context(), op.headers[status], &sentParameters{header: header})
}

// CheckJSON returns where the JSON body of a response breaks the document. status is as in the document, and value
// comes from [DecodeJSON].
func (op *Operation) CheckJSON(status, contentType string, value any) []Problem {
	media := op.Operation.Responses.Value(status).Value.Content.Get(contentType)
	if media == nil || media.Schema == nil {
		return nil
	}
	err := media.Schema.Value.VisitJSON(value, op.document.asResponse...)
	return op.explain(err, op.Pointer+"/responses/"+status)
}

// CheckOther is CheckJSON for a body that is not JSON.
func (op *Operation) CheckOther(status string, header http.Header, body []byte) []Problem {
	content := op.Operation.Responses.Value(status).Value.Content
	return op.checkOther(op.Pointer+"/responses/"+status, content, &http.Request{Header: header}, body)
}

// explain turns an error of [openapi3filter] into problems, since most texts of its errors quote values. rule is the
// JSON pointer to the body in the document.
func (op *Operation) explain(err error, rule string) (problems []Problem) {
	switch err := err.(type) { //nolint:errorlint // this walks the tree itself
	case nil:
		return nil
	case openapi3.MultiError:
		for _, e := range err {
			problems = append(problems, op.explain(e, rule)...)
		}
		return problems
	case *openapi3filter.RequestError:
		if err.Err != nil {
			return op.explain(err.Err, rule)
		}
	case *openapi3.SchemaError:
		// An error of allOf wraps the errors of its schemas.
		if inner := schemaErrors(err.Origin); len(inner) > 0 {
			return op.explain(inner, rule)
		}
		return []Problem{{rule, op.place(err.JSONPointer()), finding(err)}}
	}
	return []Problem{{rule, "", "does not fit its description"}}
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

var placeholder = regexp.MustCompile(`\{([^/{}]+)\}`)

func compile(template string) (segments []segment) {
	for text := range strings.SplitSeq(template, "/") {
		var parameters []string
		for _, match := range placeholder.FindAllStringSubmatch(text, -1) {
			parameters = append(parameters, match[1])
		}
		if parameters == nil {
			segments = append(segments, segment{literal: text})
			continue
		}
		literals := placeholder.Split(text, -1)
		for i, literal := range literals {
			literals[i] = regexp.QuoteMeta(literal)
		}
		form := regexp.MustCompile("(?s)^" + strings.Join(literals, "(.+)") + "$")
		segments = append(segments, segment{form: form, parameters: parameters})
	}
	return segments
}

// IsJSON reports whether a content type is that of JSON.
func IsJSON(contentType string) bool {
	mediaType, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	mediaType = strings.TrimSpace(mediaType)
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

var errNotJSON = errors.New("not one JSON value")

// DecodeJSON decodes a body that is one JSON value. Its error quotes nothing.
func DecodeJSON(body []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return nil, errNotJSON
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotJSON
	}
	return value, nil
}
