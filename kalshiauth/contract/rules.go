package contract

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// rules check the exchanges below a base URL against a document.
type rules struct {
	*document.Document

	base        baseURL
	errorFields []string // of the document's JSONError, sorted; empty: it has none
	cookie      string   // the name of the session cookie, from the first such security scheme; "": there is none
}

func newRules(rawBaseURL string, doc *document.Document) (*rules, error) {
	base, err := parseBaseURL(rawBaseURL)
	if err != nil {
		return nil, err
	}
	r := &rules{Document: doc, base: base}
	if ref := doc.Spec.Components.Schemas["JSONError"]; ref != nil {
		r.errorFields = slices.Sorted(maps.Keys(ref.Value.Properties))
	}
	for _, scheme := range doc.Schemes {
		if r.cookie == "" && scheme.In == openapi3.ParameterInCookie {
			r.cookie = scheme.Name
		}
	}
	return r, nil
}

// title returns the title and the version of the document.
func (r *rules) title() string { return r.Spec.Info.Title + " " + r.Spec.Info.Version }

// An answer is a response.
type answer struct {
	status  int
	header  http.Header
	body    func() body // what was captured so far
	request http.Header // of the request; only Accept-Encoding matters
}

// undocumented returns what is undocumented about a request that is none to an operation. path is escaped, below the
// base URL; samePath are the operations with this path.
func (r *rules) undocumented(method, path string, samePath []*document.Operation) *Violation {
	if len(samePath) > 0 {
		op := samePath[0]
		return &Violation{
			In: Request, Rule: op.Pointer[:strings.LastIndexByte(op.Pointer, '/')], Place: "method",
			Found: fmt.Sprintf("the undocumented method %.20q of %s", method, op.Path),
		}
	}
	return &Violation{
		In: Request, Rule: "#/paths", Place: "path", Found: "an undocumented path, " + r.shownPath(path),
	}
}

// shownPath returns an undocumented path without segments that may be a code. It keeps the first segment, and those
// that occur in the document.
func (r *rules) shownPath(path string) string {
	var known []string
	for _, op := range r.Operations {
		known = append(known, strings.Split(op.Path, "/")...)
	}
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, segment := range segments {
		if i > 0 && !slices.Contains(known, segment) {
			segments[i] = "*"
		}
	}
	return fmt.Sprintf("%.80q", "/"+strings.Join(segments, "/"))
}

// checkRequest returns how a request breaks the contract. sent is its body; req has its header and its query.
func (*rules) checkRequest(op *document.Operation, params map[string]string, req *http.Request, sent body) []Violation {
	sent, codingProblem := decoded(req.Header, sent, func(string) bool { return true })
	data, rule := sent.data, op.Pointer+"/requestBody"
	if !sent.whole {
		data = []byte("null") // so that the rest of the request is checked
	}
	problems := op.CheckRequest(req, params, data)
	if !sent.whole {
		problems = slices.DeleteFunc(problems, func(p document.Problem) bool { return p.Rule == rule })
	}
	hasContentProblem := slices.ContainsFunc(
		problems,
		func(p document.Problem) bool { return p.Rule == rule+"/content" },
	)
	if sent.long && op.Operation.RequestBody != nil && !hasContentProblem {
		problems = append(problems, document.Problem{Rule: rule, Found: tooLong})
	}
	switch {
	case op.Operation.RequestBody == nil:
	case codingProblem != "":
		problems = append(problems, document.Problem{Rule: rule, Place: "Content-Encoding", Found: codingProblem})
	case sent.whole && !utf8.Valid(sent.data) && !hasContentProblem:
		problems = append(problems, document.Problem{Rule: rule, Found: notUTF8})
	}
	schemes, required := op.Security()
	presented := slices.ContainsFunc(schemes, func(s document.Scheme) bool { return presents(req, s) })
	if required && len(schemes) > 0 && !presented {
		var ways []string
		for _, s := range schemes {
			ways = append(ways, fmt.Sprintf("the %s %s", s.In, s.Name))
		}
		place := schemes[len(schemes)-1].Name // cookies come last
		if schemes[len(schemes)-1].In == openapi3.ParameterInCookie {
			place = "Cookie"
		}
		problems = append(problems, document.Problem{
			Rule: op.Pointer + "/security", Place: place, Found: "no session is presented by " + list(ways, "or"),
		})
	}
	return violations(op, Request, problems)
}

// presents reports whether a request presents anything by a scheme. Whether that is valid is up to the server.
func presents(r *http.Request, s document.Scheme) bool {
	if s.In == openapi3.ParameterInCookie {
		cookie, err := r.Cookie(s.Name)
		return err == nil && cookie.Value != ""
	}
	return r.Header.Get(s.Name) != ""
}

func violations(op *document.Operation, side Side, problems []document.Problem) []Violation {
	var all []Violation
	for _, p := range problems {
		all = append(all, Violation{op.ID, side, p.Rule, p.Place, p.Found})
	}
	return all
}

// documented returns the key under which an operation documents a status, such as "200", "4XX" or "default", or "" if
// it does not.
func documented(op *document.Operation, status int) (key string, spec *openapi3.Response) {
	for _, key := range []string{strconv.Itoa(status), strconv.Itoa(status/100) + "XX", "default"} {
		if ref := op.Operation.Responses.Value(key); ref != nil {
			return key, ref.Value
		}
	}
	return "", nil
}

// checkResponse returns how a response breaks the contract.
func (r *rules) checkResponse(op *document.Operation, a *answer) []Violation {
	rule := op.Pointer + "/responses"
	key, spec := documented(op, a.status)
	if key == "" { // kin-openapi accepts some of these
		return []Violation{{
			op.ID, Response, rule, "status", fmt.Sprintf("the undocumented status %d; documented are %s", a.status,
				strings.Join(slices.Sorted(maps.Keys(op.Operation.Responses.Map())), ", ")),
		}}
	}
	rule += "/" + key
	got, problem := decoded(a.header, a.body(), func(coding string) bool { return accepts(a.request, coding) })
	place := "Content-Encoding"
	if problem == "" {
		problem, place = bodyProblem(spec.Content, a.header, got)
	}
	var problems []document.Problem
	if found, at := r.errorProblem(a, got, problem, place); a.status >= 400 && found != "" {
		problems = append(problems, document.Problem{Rule: rule, Place: at, Found: found})
	} else if a.status < 400 && problem != "" {
		problems = append(problems, document.Problem{Rule: rule, Place: place, Found: problem})
	}
	err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: &http.Request{Method: op.Method}, Route: &op.Route,
		},
		Status: a.status,
		Header: a.header,
		Body:   io.NopCloser(bytes.NewReader(got.data)),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, MultiError: true, ExcludeResponseBody: problem != "" || !got.whole,
			SchemaValidationOptions: op.Spec.GetSchemaValidationOptions(),
		},
	})
	problems = append(problems, op.Explain(err, rule)...)
	if spec.Headers["Set-Cookie"] != nil {
		if found := r.cookieProblem(op, a.header, got); found != "" {
			rule += "/headers/Set-Cookie"
			problems = append(problems, document.Problem{Rule: rule, Place: "Set-Cookie", Found: found})
		}
	}
	return violations(op, Response, problems)
}

// errorProblem returns what is wrong with an error response, and where. problem and place are those of its body.
func (r *rules) errorProblem(a *answer, got body, problem, place string) (found, at string) {
	empty := got.whole && len(got.data) == 0
	says := r.headerSaysSomething(a.header)
	switch {
	case len(r.errorFields) == 0:
		return problem, place
	case says && (place == "Content-Type" || empty): // the fields may be in the headers alone
		return "", ""
	case place == "Content-Type" || empty:
		return "neither headers nor a JSON body that say what went wrong: " + cmp.Or(problem, "the body is empty"), ""
	case problem == "" && got.whole && !says && !r.bodySaysSomething(got.data):
		return "none of the fields " + list(r.errorFields, "and") + " says anything, and no header does", ""
	}
	return problem, place
}

// list joins words with commas and, before the last one, a conjunction.
func list(words []string, last string) string {
	if n := len(words) - 1; n > 0 {
		return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
	}
	return strings.Join(words, "")
}

var tooLong = fmt.Sprintf("a body of more than %d KiB", maxBody>>10)

const notUTF8 = "the body is not UTF-8" // which JSON requires (RFC 8259)

// bodyProblem returns why the body of a response cannot be compared with its schema, and where that is. It returns ""
// where content is empty, and where too little is known of the body.
func bodyProblem(content openapi3.Content, header http.Header, got body) (problem, place string) {
	contentType := header.Get("Content-Type")
	switch {
	case len(content) == 0:
		return "", ""
	case content.Get(contentType) == nil:
		return "the content type is " + shownType(contentType), "Content-Type"
	case got.long:
		return tooLong, ""
	case got.whole && len(got.data) == 0:
		return "the body is empty", ""
	case got.whole && !utf8.Valid(got.data):
		return notUTF8, ""
	case got.whole && !json.Valid(got.data): // kin-openapi ignores what follows the first value
		return "the body is not one JSON value", ""
	}
	return "", ""
}

// shownType returns a content type to show, if it is a usual one. Others may contain secrets.
func shownType(contentType string) string {
	mediaType, _, err := mime.ParseMediaType(contentType)
	switch mediaType {
	case "":
		return "missing"
	case "application/octet-stream", "application/problem+json", "application/x-www-form-urlencoded", "application/xml",
		"multipart/form-data", "text/html", "text/json", "text/plain", "text/xml":
		return mediaType
	}
	if err != nil {
		return "malformed"
	}
	return "another one"
}

// headerSaysSomething reports whether headers have a field of an error.
func (r *rules) headerSaysSomething(header http.Header) bool {
	return slices.ContainsFunc(
		r.errorFields,
		func(name string) bool { return strings.TrimSpace(header.Get(name)) != "" },
	)
}

// bodySaysSomething reports whether a body has a field of an error, itself or in its object "error".
func (r *rules) bodySaysSomething(data []byte) bool {
	var flat map[string]any
	if json.Unmarshal(data, &flat) != nil {
		return true // a body that does not follow its schema is reported separately
	}
	nested, _ := flat["error"].(map[string]any)
	return slices.ContainsFunc(r.errorFields, func(name string) bool {
		for _, fields := range []map[string]any{flat, nested} {
			if value, ok := fields[name]; ok && value != nil && value != "" {
				return true
			}
		}
		return false
	})
}
