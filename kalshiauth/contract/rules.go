package contract

import (
	"cmp"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// rules check the exchanges below a base URL against a document.
type rules struct {
	*document.Document

	base        baseURL
	errorFields []string // of the document's JSONError, sorted; empty: it has none
	cookie      string   // the name of the session cookie, from the first such security scheme; "": there is none

	taking []*document.Operation // those that take the session cookie
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
	for _, op := range doc.Operations {
		schemes, _ := op.Security()
		if slices.ContainsFunc(schemes, func(s document.Scheme) bool {
			return s.In == openapi3.ParameterInCookie && s.Name == r.cookie
		}) {
			r.taking = append(r.taking, op)
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
	plain   bool        // the body was recorded without its content codings
}

// undocumented returns what the document does not have. path is escaped, below the base URL. samePath are the
// operations with that path.
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
	hasContentProblem := slices.ContainsFunc(problems, func(p document.Problem) bool { return p.Rule == rule+"/content" })
	switch {
	case op.Operation.RequestBody == nil:
	case codingProblem != "":
		problems = append(problems, document.Problem{Rule: rule, Place: "Content-Encoding", Found: codingProblem})
	case hasContentProblem:
	case sent.long && isOurs(op):
		problems = append(problems, document.Problem{Rule: rule, Found: tooLong})
	case sent.whole && document.IsJSON(req.Header.Get("Content-Type")) && !utf8.Valid(sent.data):
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
	if key == "" {
		return []Violation{{
			op.ID, Response, rule, "status", fmt.Sprintf("the undocumented status %d; documented are %s", a.status,
				strings.Join(slices.Sorted(maps.Keys(op.Operation.Responses.Map())), ", ")),
		}}
	}
	rule += "/" + key
	problems := op.CheckHeaders(key, a.header)
	if op.Method == http.MethodHead { // its response has no body
		return violations(op, Response, problems)
	}
	got := a.decoded()
	if got.problem == "" {
		got.problem, got.place = bodyProblem(op, spec.Content, a.header, &got)
	}
	found, place := got.problem, got.place
	if a.status >= 400 && r.describesError(spec) {
		found, place = r.errorProblem(a, &got)
	}
	if found != "" {
		problems = append(problems, document.Problem{Rule: rule, Place: place, Found: found})
	}
	contentType := a.header.Get("Content-Type")
	switch {
	case got.problem != "" || !got.whole:
	case document.IsJSON(contentType):
		problems = append(problems, op.CheckJSON(key, contentType, got.value)...)
	case len(spec.Content) > 0:
		problems = append(problems, op.CheckOther(key, a.header, got.data)...)
	}
	if setsSession(op, key) && spec.Headers["Set-Cookie"] != nil {
		problems = append(problems, r.sessionProblems(op, rule, a.header, got.value)...)
	}
	return violations(op, Response, problems)
}

// ours returns the operation of this module's document with the same ID, or nil. Its own client sends those.
func ours(op *document.Operation) *document.Operation { return document.API().Operation(op.ID) }

func isOurs(op *document.Operation) bool { return ours(op) != nil }

// A decodedBody is the body of a response without its content codings.
type decodedBody struct {
	body

	problem, place string // why it cannot be compared with its schema; "": it can
	value          any    // the JSON value; nil: not known
}

func (a *answer) decoded() (got decodedBody) {
	asked := func(coding string) bool { return accepts(a.request, coding) }
	if a.plain {
		got.body = a.body()
		if a.request["Accept-Encoding"] != nil && len(got.data) > 0 {
			got.problem = unasked(codingsOf(a.header), asked)
		}
	} else {
		got.body, got.problem = decoded(a.header, a.body(), asked)
	}
	got.place = "Content-Encoding"
	return got
}

// describesError reports whether a response has a field of the document's JSONError.
func (r *rules) describesError(spec *openapi3.Response) bool {
	media := spec.Content["application/json"]
	if media == nil || media.Schema == nil {
		return false
	}
	return slices.ContainsFunc(document.Properties(media.Schema.Value), func(in *document.Input) bool {
		return slices.Contains(r.errorFields, in.Name)
	})
}

// errorProblem returns what is wrong with an error response, and where.
func (r *rules) errorProblem(a *answer, got *decodedBody) (found, at string) {
	empty := got.whole && len(got.data) == 0
	says := r.headerSaysSomething(a.header)
	switch {
	case says && (got.place == "Content-Type" || empty): // the fields may be in the headers alone
		return "", ""
	case got.place == "Content-Type" || empty:
		return "neither headers nor a JSON body that say what went wrong: " + cmp.Or(got.problem, "the body is empty"), ""
	case got.problem == "" && got.whole && !says && !r.bodySaysSomething(got.value):
		return "none of the fields " + list(r.errorFields, "and") + " says anything, and no header does", ""
	}
	return got.problem, got.place
}

// list joins words with commas and, before the last one, a conjunction.
func list(words []string, last string) string {
	if n := len(words) - 1; n > 0 {
		return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
	}
	return strings.Join(words, "")
}

// tooLong is only for the operations of this module: its client reads no longer bodies.
var tooLong = fmt.Sprintf("a body of more than %d KiB", maxBody>>10)

const notUTF8 = "the body is not UTF-8" // which JSON requires (RFC 8259)

// bodyProblem returns why the body of a response cannot be compared with its schema, and where that is. It returns ""
// where content is empty, and where too little is known of the body. It decodes JSON.
func bodyProblem(op *document.Operation, content openapi3.Content, header http.Header, got *decodedBody) (
	problem, place string,
) {
	contentType := header.Get("Content-Type")
	switch {
	case len(content) == 0:
		return "", ""
	case content.Get(contentType) == nil:
		return "the content type is " + shownType(contentType), "Content-Type"
	case got.long && isOurs(op):
		return tooLong, ""
	case !got.whole || !document.IsJSON(contentType):
		return "", ""
	case len(got.data) == 0:
		return "the body is empty", ""
	case !utf8.Valid(got.data):
		return notUTF8, ""
	}
	var err error
	if got.value, err = document.DecodeJSON(got.data); err != nil {
		return "the body is " + err.Error(), ""
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
	return slices.ContainsFunc(r.errorFields, func(name string) bool { return strings.TrimSpace(header.Get(name)) != "" })
}

// bodySaysSomething reports whether a JSON value has a field of an error, itself or in its object "error".
func (r *rules) bodySaysSomething(value any) bool {
	flat, ok := value.(map[string]any)
	if !ok {
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
