package contract

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// A Checker checks the traffic of a program or server against the document. It is safe for concurrent use.
type Checker struct {
	rules        *rules
	undocumented bool // whether undocumented requests are reported
	*sink
}

// A sink takes what was found.
type sink struct {
	mu     sync.Mutex      // guards the fields below
	report func(Violation) // so that calls do not overlap
	seen   seen
}

// An Option configures a [Checker].
type Option func(*options)

type options struct {
	document     []byte
	undocumented bool
}

// WithDocument makes the Checker use an OpenAPI document of your own, in JSON or YAML. It must have the operations that
// the document of this module has.
func WithDocument(data []byte) Option {
	return func(o *options) { o.document = append([]byte{}, data...) }
}

// WithUndocumented makes the Checker report requests below the base URL to a path or with a method that the document
// does not have. By default, they pass unchecked: a server may have more than the document describes.
func WithUndocumented() Option { return func(o *options) { o.undocumented = true } }

// New returns a Checker for requests below baseURL to operations of the document. Other requests pass unchecked. The
// Checker calls report once for each violation, when the exchange has ended: the response's body has been read to its
// end, has failed or was closed, or the handler has returned. The calls of report do not overlap. report must not send
// requests through the Checker, which can block. New fails if report is nil, if baseURL is not the absolute URL of an
// http or https server, or if an option is invalid.
func New(baseURL string, report func(Violation), opts ...Option) (*Checker, error) {
	if report == nil {
		return nil, errors.New("contract: New: report is nil")
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	doc, err := loadDocument(o.document)
	if err != nil {
		return nil, fmt.Errorf("contract: New: %w", err)
	}
	rules, err := newRules(baseURL, doc)
	if err != nil {
		return nil, fmt.Errorf("contract: New: %w", err)
	}
	return &Checker{rules, o.undocumented, &sink{report: report, seen: newSeen()}}, nil
}

// A Side is the part of an exchange that breaks the contract: its request or its response.
type Side string

// The sides of an exchange.
const (
	Request  Side = "request"
	Response Side = "response"
)

// A Violation is one rule of the contract that an exchange breaks. It contains no secret.
type Violation struct {
	Operation string // the operationId, such as "Login"; "" if the document has no such operation
	In        Side   // whether the request or the response breaks the rule
	Rule      string // the JSON pointer of the rule in the document, such as "#/paths/~1log_in/post/responses/200"
	// Place is the JSON pointer of a value in the body ("" is the body itself), the name of a header or parameter, or one
	// of "method", "path" and "status".
	Place string
	Found string // what is wrong there
}

// String returns all fields in one line.
func (v Violation) String() string {
	operation, place := v.Operation, v.Place
	if operation == "" {
		operation = "no operation"
	}
	if place == "" {
		place = "body"
	}
	return fmt.Sprintf("%s: %s: %s: %s (%s)", operation, v.In, place, v.Found, v.Rule)
}

// exchange is a request and its response.
type exchange struct {
	checker      *Checker
	op           *document.Operation
	params       map[string]string
	undocumented *Violation // why op is nil; nil: it is not

	request     *http.Request // a copy of its method, header and query only
	requestBody *capture
	response    *answer // nil: there was no response

	once sync.Once // for end
}

// begin returns the exchange of a request below the base URL, or nil if it is not to be checked. path is escaped.
func (c *Checker) begin(r *http.Request, path string) *exchange {
	op, params, samePath := c.rules.Find(r.Method, path)
	var undocumented *Violation
	if op == nil {
		if !c.undocumented {
			return nil
		}
		undocumented = c.rules.undocumented(r.Method, path, samePath)
	}
	length := r.ContentLength
	if length == 0 && r.Body != nil && r.Body != http.NoBody {
		length = -1 // in a client's request, 0 may mean an unknown length
	}
	return &exchange{
		checker: c, op: op, params: params, undocumented: undocumented, requestBody: newCapture(op, length),
		request: &http.Request{Method: r.Method, URL: &url.URL{RawQuery: r.URL.RawQuery}, Header: canonical(r.Header)},
	}
}

// end checks the exchange and reports its violations. Only the first call has an effect.
func (x *exchange) end() {
	x.once.Do(func() { x.checker.add(x.op, x.status(), x.violations()) })
}

// violations returns how the exchange breaks the contract.
func (x *exchange) violations() []Violation {
	if x.undocumented != nil {
		return []Violation{*x.undocumented}
	}
	found := x.checker.rules.checkRequest(x.op, x.params, x.request, x.requestBody.body())
	if x.response != nil {
		found = append(found, x.checker.rules.checkResponse(x.op, x.response)...)
	}
	return found
}

// status returns the status of the response; 0: there was none.
func (x *exchange) status() int {
	if x.response == nil {
		return 0
	}
	return x.response.status
}

// add counts an exchange, and reports its violations.
func (s *sink) add(op *document.Operation, status int, found []Violation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.add(op, status, found)
	for _, v := range found {
		s.report(v)
	}
}
