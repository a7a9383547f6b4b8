package contract

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// A Checker holds passing traffic against the document. It is safe for concurrent use.
type Checker struct {
	base baseURL
	ops  []*operation

	mu     sync.Mutex // keeps calls of report apart
	report func(Violation)
}

// New returns a Checker of the requests below baseURL; others pass untouched. report is called once a violation, when
// the body of the exchange has ended: its reader has met the end or an error, or has closed it, or its handler has
// returned. Calls do not overlap, so report must not use the Checker.
func New(baseURL string, report func(Violation)) (*Checker, error) {
	if report == nil {
		return nil, errors.New("contract: New: report is nil")
	}
	base, err := parseBaseURL(baseURL)
	if err != nil {
		return nil, fmt.Errorf("contract: New: %w", err)
	}
	ops, err := operations()
	if err != nil {
		return nil, err
	}
	return &Checker{base: base, ops: ops, report: report}, nil
}

// A Side is the half of an exchange that breaks the contract.
type Side string

// The sides of an exchange.
const (
	Request  Side = "request"
	Response Side = "response"
)

// A Violation is one way in which an exchange breaks the contract. It shows no secret.
type Violation struct {
	Operation string // the operationId, such as "Login"; "" if the document has no such operation
	In        Side   // what is wrong: the request or the response
	Rule      string // the JSON pointer of the rule in the document, such as "#/paths/~1log_in/post/responses/200"
	// Place is the JSON pointer of a value in the body ("" is the body itself), the name of a header or parameter, or one
	// of "method", "path" and "status".
	Place string
	Found string // what was found there
}

// String says everything in one line.
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
	op           *operation
	params       map[string]string
	undocumented *Violation // what it is instead of an operation

	requestHeader http.Header
	requestBody   *capture
	response      *answer // nil: there was none

	once sync.Once // ends it
}

// begin returns the exchange of a request below the base URL. path is escaped.
func (c *Checker) begin(r *http.Request, path string) *exchange {
	length := r.ContentLength
	if length == 0 && r.Body != nil && r.Body != http.NoBody {
		length = -1 // what a client's 0 means
	}
	x := &exchange{checker: c, requestHeader: canonical(r.Header), requestBody: &capture{length: length}}
	x.op, x.params, x.undocumented = find(c.ops, r.Method, path)
	return x
}

// end reports what is wrong with the exchange, once.
func (x *exchange) end() {
	x.once.Do(func() {
		var found []Violation
		if x.undocumented != nil {
			found = []Violation{*x.undocumented}
		} else {
			found = x.op.checkRequest(x.params, x.requestHeader, x.requestBody.body())
			if x.response != nil {
				found = append(found, x.op.checkResponse(x.checker.base, x.response)...)
			}
		}
		if len(found) == 0 {
			return
		}
		x.checker.mu.Lock()
		defer x.checker.mu.Unlock()
		for _, v := range found {
			x.checker.report(v)
		}
	})
}
