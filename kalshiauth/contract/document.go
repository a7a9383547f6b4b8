package contract

import (
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"

	"github.com/kalshiauth/kalshiauth-go/api"
)

// operation is one operation of the document.
type operation struct {
	routers.Route

	id       string   // its operationId
	pointer  string   // where it stands in the document, such as "#/paths/~1log_in/post"
	segments []string // of its path
}

// operations are those of the embedded document. Nothing changes them, so that all checkers share them.
var operations = sync.OnceValues(func() ([]*operation, error) {
	doc, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		return nil, fmt.Errorf("contract: the embedded document: %w", err)
	}
	// With validators of its own, the document does not depend on what else in the process registers formats. It is not
	// validated here, but by the tests of package api: its examples would be held against the global ones.
	doc.SetStringFormatValidators(map[string]openapi3.StringFormatValidator{
		"email":    openapi3.NewCallbackValidator(checkEmail),
		"uuid":     openapi3.NewCallbackValidator(checkUUID),
		"password": openapi3.NewCallbackValidator(func(string) error { return nil }),
	})
	var ops []*operation
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			ops = append(ops, &operation{
				Route:    routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op},
				id:       op.OperationID,
				pointer:  "#/paths/" + pointerToken(path) + "/" + strings.ToLower(method),
				segments: strings.Split(path, "/")[1:],
			})
		}
	}
	slices.SortFunc(ops, func(a, b *operation) int { return strings.Compare(a.pointer, b.pointer) })
	return ops, nil
})

// pointerToken escapes a name for a JSON pointer (RFC 6901).
func pointerToken(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func checkEmail(value string) error {
	// The comparison refuses "Trader <trader@example.com>", which has an address, but is none.
	if addr, err := mail.ParseAddress(value); err != nil || addr.String() != "<"+value+">" {
		return errors.New("not an e-mail address")
	}
	return nil
}

var uuidForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// checkUUID takes a UUID of any version, as RFC 9562 asks of who only compares them.
func checkUUID(value string) error {
	if !uuidForm.MatchString(value) {
		return errors.New("not a UUID")
	}
	return nil
}

// match returns the parameters of an escaped path below the base URL, if it is the operation's.
func (op *operation) match(path string) (params map[string]string, ok bool) {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(segments) != len(op.segments) {
		return nil, false
	}
	params = map[string]string{}
	for i, want := range op.segments {
		got, err := url.PathUnescape(segments[i])
		name, isParameter := strings.CutPrefix(want, "{")
		switch {
		case isParameter && got != "" && err == nil:
			params[strings.TrimSuffix(name, "}")] = got
		case got != want:
			return nil, false
		}
	}
	return params, true
}

// find returns the operation of a request, or what is undocumented about it. path is escaped, below the base URL.
func find(ops []*operation, method, path string) (*operation, map[string]string, *Violation) {
	undocumented := &Violation{
		In: Request, Rule: "#/paths", Place: "path", Found: "an undocumented path, " + shownPath(ops, path),
	}
	for _, op := range ops {
		params, ok := op.match(path)
		switch {
		case ok && op.Method == method:
			return op, params, nil
		case ok:
			undocumented.Rule = op.pointer[:strings.LastIndexByte(op.pointer, '/')]
			undocumented.Place = "method"
			undocumented.Found = fmt.Sprintf("the undocumented method %.20q of %s", method, op.Path)
		}
	}
	return nil, nil, undocumented
}

// shownPath shows of an undocumented path what cannot be a code: its first segment, and what the document has.
func shownPath(ops []*operation, path string) string {
	var known []string
	for _, op := range ops {
		known = append(known, op.segments...)
	}
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, segment := range segments {
		if i > 0 && segment != "" && !slices.Contains(known, segment) {
			segments[i] = "*"
		}
	}
	return fmt.Sprintf("%.80q", "/"+strings.Join(segments, "/"))
}

// A baseURL tells which requests are the contract's business.
type baseURL struct {
	*url.URL

	path string // escaped, without a slash at the end
}

func parseBaseURL(raw string) (baseURL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return baseURL{}, errors.New("the base URL is not a URL") // err may show a password
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return baseURL{}, errors.New("the base URL is not absolute, such as https://example.com/v1")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#"):
		return baseURL{}, errors.New("the base URL has a user, a query or a fragment")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return baseURL{u, u.EscapedPath()}, nil
}

// below returns the rest of u's escaped path below the base URL. A request on the server's side has no scheme, and its
// host is not in its URL.
func (b baseURL) below(scheme, host string, u *url.URL) (path string, ok bool) {
	if !strings.EqualFold(scheme, b.Scheme) || hostPort(scheme, host) != hostPort(b.Scheme, b.Host) {
		return "", false
	}
	path, ok = strings.CutPrefix(u.EscapedPath(), b.path)
	return path, ok && (path == "" || path[0] == '/')
}

// endpoint returns the URL of an escaped path below the base URL.
func (b baseURL) endpoint(path string) string { return b.Scheme + "://" + b.Host + b.path + path }

// hostPort puts a host into a form that can be compared: the port is always there.
func hostPort(scheme, host string) string {
	u := url.URL{Host: host}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(scheme)]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

// canonical returns a copy of h in which net/http finds what was set in another case.
func canonical(h http.Header) http.Header {
	c := make(http.Header, len(h))
	for name, values := range h {
		name = http.CanonicalHeaderKey(name)
		c[name] = append(c[name], values...)
	}
	return c
}
