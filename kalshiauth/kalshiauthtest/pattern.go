package kalshiauthtest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// A pattern is one of [http.ServeMux] without a host.
type pattern struct{ method, path string }

func newPattern(function, text string) pattern {
	method, path, found := strings.Cut(text, " ")
	if !found {
		method, path = "", text
	}
	p := pattern{method, strings.TrimLeft(path, " \t")}
	if !strings.HasPrefix(p.path, "/") || !p.valid() {
		panic(fmt.Sprintf("kalshiauthtest: %s(%q): not a pattern such as GET /portfolio/balance", function, text))
	}
	return p
}

// valid reports whether [http.ServeMux] accepts the pattern: it panics if not.
func (p pattern) valid() (ok bool) {
	defer func() { ok = recover() == nil }()
	http.NewServeMux().Handle(p.String(), http.NotFoundHandler())
	return true
}

// String returns the pattern in the form of [http.ServeMux].
func (p pattern) String() string { return p.below("") }

func (p pattern) below(prefix string) string {
	return strings.TrimSpace(p.method + " " + prefix + p.path)
}

// mustBeTarget returns an operationId, or a pattern of [Server.Handle] in its usual form. It panics for anything else.
func mustBeTarget(function, target string) string {
	if document.API().Operation(target) != nil {
		return target
	}
	if !strings.Contains(target, "/") {
		panic(fmt.Sprintf("kalshiauthtest: %s(%q): the document has no such operation, and it is not a pattern such as "+
			"GET /portfolio/balance", function, target))
	}
	return newPattern(function, target).String()
}
