package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// answer is a response.
type answer struct {
	status int
	header http.Header
	body   func() body // what is known of it by now
}

// checkRequest returns where a request breaks the contract.
func (op *operation) checkRequest(params map[string]string, header http.Header, sent body) []Violation {
	sent = readable(header, sent)
	input := op.input(params, header, sent.data)
	violation := func(place, found string) Violation {
		return Violation{op.id, Request, op.pointer + "/requestBody", place, found}
	}
	var found []Violation
	input.Options.ExcludeRequestBody = true
	if spec := op.Operation.RequestBody; spec != nil {
		switch problem, place := bodyProblem(spec.Value.Content, header, sent); {
		case sent.whole && len(sent.data) == 0 && spec.Value.Required:
			found = append(found, violation("", "no body"))
		case problem != "":
			found = append(found, violation(place, problem))
		default:
			input.Options.ExcludeRequestBody = !sent.whole || len(sent.data) == 0
		}
	}
	return append(found, op.explain(openapi3filter.ValidateRequest(context.Background(), input), violation)...)
}

// checkResponse returns where a response breaks the contract.
func (op *operation) checkResponse(base baseURL, a *answer) []Violation {
	rule := op.pointer + "/responses"
	violation := func(place, found string) Violation { return Violation{op.id, Response, rule, place, found} }
	spec := op.Operation.Responses.Status(a.status)
	if spec == nil { // kin-openapi passes over some of these
		return []Violation{violation("status", fmt.Sprintf("the undocumented status %d; documented are %s",
			a.status, strings.Join(slices.Sorted(maps.Keys(op.Operation.Responses.Map())), ", ")))}
	}
	rule += "/" + strconv.Itoa(a.status)

	got := readable(a.header, a.body())
	options := &openapi3filter.Options{
		IncludeResponseStatus: true, MultiError: true, SchemaValidationOptions: op.Spec.GetSchemaValidationOptions(),
	}
	var found []Violation
	problem, place := bodyProblem(spec.Value.Content, a.header, got)
	if a.status >= 400 {
		empty := got.whole && len(got.data) == 0
		switch says := saysSomething(a.header); {
		case place == "Content-Type" || empty: // the fields may be in the headers
			if !says {
				found = append(found, violation("", "neither headers nor a JSON body that say what went wrong: "+
					problem))
			}
		case problem == "" && got.whole && !says && !bodySaysSomething(got.data):
			found = append(found, violation("", "none of the fields code, message, details and service says anything, "+
				"and no header does"))
		case problem != "":
			found = append(found, violation(place, problem))
		}
	} else if problem != "" {
		found = append(found, violation(place, problem))
	}
	options.ExcludeResponseBody = problem != "" || !got.whole
	found = append(found, op.explain(openapi3filter.ValidateResponse(context.Background(),
		&openapi3filter.ResponseValidationInput{
			RequestValidationInput: op.input(nil, nil, nil),
			Status:                 a.status,
			Header:                 a.header,
			Body:                   io.NopCloser(bytes.NewReader(got.data)),
			Options:                options,
		}), violation)...)
	if op.id == "Login" && a.status == http.StatusOK {
		if problem := cookieProblem(base, a.header, got); problem != "" {
			rule += "/headers/Set-Cookie"
			found = append(found, violation("Set-Cookie", problem))
		}
	}
	return found
}

// input is what openapi3filter takes.
func (op *operation) input(
	params map[string]string, header http.Header, data []byte,
) *openapi3filter.RequestValidationInput {
	return &openapi3filter.RequestValidationInput{
		Request: &http.Request{
			Method: op.Method, URL: &url.URL{Path: op.Path}, Header: header, Body: io.NopCloser(bytes.NewReader(data)),
		},
		PathParams: params,
		Route:      &op.Route,
		Options: &openapi3filter.Options{
			MultiError: true, AuthenticationFunc: authenticate, SkipSettingDefaults: true,
			SchemaValidationOptions: op.Spec.GetSchemaValidationOptions(),
		},
	}
}

// authenticate finds whether a request presents anything by a scheme. Whether it is good is for the server to say.
func authenticate(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	r, scheme := in.RequestValidationInput.Request, in.SecurityScheme
	switch scheme.In {
	case openapi3.ParameterInCookie:
		if cookie, err := r.Cookie(scheme.Name); err == nil && cookie.Value != "" {
			return nil
		}
	case openapi3.ParameterInHeader:
		if r.Header.Get(scheme.Name) != "" {
			return nil
		}
	}
	return errors.New("the request does not present it")
}

// readable returns what can be judged of a body: nothing, if it is compressed.
func readable(header http.Header, b body) body {
	if coding := header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return body{}
	}
	return b
}

// bodyProblem returns what keeps a body from being held against its schema, and where that is. It is "" where content
// is empty, and where too little is known of the body.
func bodyProblem(content openapi3.Content, header http.Header, got body) (problem, place string) {
	contentType := header.Get("Content-Type")
	switch {
	case len(content) == 0:
		return "", ""
	case content.Get(contentType) == nil:
		return "the content type is " + shownType(contentType), "Content-Type"
	case got.long:
		return fmt.Sprintf("a body of more than %d KiB", maxBody>>10), ""
	case got.whole && len(got.data) == 0:
		return "the body is empty", ""
	case got.whole && !json.Valid(got.data): // kin-openapi does not look behind the first value
		return "the body is not one JSON value", ""
	}
	return "", ""
}

// shownType shows a content type, if it is a usual one: others may hold anything.
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

// errorFields are those of the document's JSONError.
var errorFields = []string{"code", "message", "details", "service"}

// saysSomething tells whether headers hold an error's fields.
func saysSomething(header http.Header) bool {
	return slices.ContainsFunc(errorFields, func(name string) bool { return strings.TrimSpace(header.Get(name)) != "" })
}

// bodySaysSomething tells whether a body holds an error's fields, itself or in its object "error".
func bodySaysSomething(data []byte) bool {
	var flat map[string]any
	if json.Unmarshal(data, &flat) != nil {
		return true // its form is wrong, which the schema says
	}
	nested, _ := flat["error"].(map[string]any)
	return slices.ContainsFunc(errorFields, func(name string) bool {
		for _, fields := range []map[string]any{flat, nested} {
			if value, ok := fields[name]; ok && value != nil && value != "" {
				return true
			}
		}
		return false
	})
}

// cookieName is the name of the document's security scheme cookie.
const cookieName = "sessions"

// cookieProblem returns what is wrong with the cookie of a log-in.
func cookieProblem(base baseURL, header http.Header, got body) string {
	cookie := sessionCookie(base, header)
	if cookie == nil {
		return "no cookie sessions that a browser would send to the log-out"
	}
	var login struct {
		Token string `json:"token"`
	}
	// A body that is wrong has a violation of its own.
	if json.Unmarshal(got.data, &login) != nil || login.Token == "" || login.Token == cookie.Value {
		return ""
	}
	if unescaped, err := url.PathUnescape(cookie.Value); err == nil && unescaped == login.Token {
		return ""
	}
	return "the cookie sessions holds something else than the token"
}

// sessionCookie returns the cookie that a browser would present at the log-out after an answer to a log-in.
func sessionCookie(base baseURL, header http.Header) *http.Cookie {
	jar, _ := cookiejar.New(nil) // never fails
	// Browsers send secure cookies to http on loopback, too.
	at := func(path string) *url.URL { return &url.URL{Scheme: "https", Host: base.Host, Path: base.Path + path} }
	cookies := (&http.Response{Header: header}).Cookies()
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		for _, c := range cookies {
			if !c.Expires.IsZero() { // by the server's clock
				c.Expires = time.Now().Add(c.Expires.Sub(date))
			}
		}
	}
	jar.SetCookies(at("/log_in"), cookies)
	for _, c := range jar.Cookies(at("/log_out")) {
		if c.Name == cookieName && c.Value != "" {
			return c
		}
	}
	return nil
}
