package kalshiauthtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// maxBody is how many bytes of a body are read.
const maxBody = 64 << 10

// A gate passes requests that follow the document and have a valid session where the document requires one.
type gate struct {
	accounts *accounts
	doc      *document.Document
}

// operation returns next behind the checks of an operation. wildcards maps the path parameters to their names in the
// mux.
func (g gate) operation(op *document.Operation, wildcards map[string]string, next http.Handler) http.Handler {
	schemes, required := op.Security()
	return g.session(schemes, required, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		params := make(map[string]string, len(wildcards))
		for name, wildcard := range wildcards {
			params[name] = r.PathValue(wildcard)
		}
		var body []byte
		if op.Operation.RequestBody != nil {
			var err error
			if body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
				badRequest(fmt.Sprintf("body: cannot be read, or has more than %d bytes", maxBody)).write(w)
				return
			}
		}
		if problems := op.CheckRequest(r, params, body); len(problems) > 0 {
			details := make([]string, len(problems))
			for i, p := range problems {
				details[i] = p.String()
			}
			badRequest(strings.Join(details, "; ")).write(w)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(g.withoutLookalikes(body)))
		next.ServeHTTP(w, r)
	}))
}

// withoutLookalikes drops fields whose names differ from documented ones only in upper and lower case. To the document
// they are unknown fields, which it does not check, but encoding/json would take them for the documented ones.
func (g gate) withoutLookalikes(body []byte) []byte {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return body // not an object
	}
	maps.DeleteFunc(fields, func(name string, _ json.RawMessage) bool { return g.doc.IsLookalike(name) })
	exact, _ := json.Marshal(fields) //nolint:errchkjson // it was JSON before
	return exact
}

// session returns a handler that serves next with a valid session or, unless required, without one, and else a 401.
func (g gate) session(schemes []document.Scheme, required bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := presented(r, schemes)
		user, ok := g.accounts.session(token)
		if required && !ok {
			errNoSession.write(w)
			return
		}
		if ok {
			r = r.WithContext(context.WithValue(r.Context(), callerKey{}, caller{user, token}))
		}
		next.ServeHTTP(w, r)
	})
}

// A caller is the user of a request's session.
type caller struct {
	user  User
	token string
}

type callerKey struct{}

// callerOf returns the caller of a request that has passed the session check.
func callerOf(r *http.Request) caller {
	c, _ := r.Context().Value(callerKey{}).(caller)
	return c
}

// UserFromContext returns the user whose session a request presents. ctx is the context of a request to a handler of
// [Server.Handle]. For another context, UserFromContext returns false.
func UserFromContext(ctx context.Context) (User, bool) {
	c, ok := ctx.Value(callerKey{}).(caller)
	return c.user, ok
}

// presented returns the token that a request presents, or "". If there is a header, the cookie is ignored: a program
// sets the header on purpose, while the cookie may be an older one from a jar.
func presented(r *http.Request, schemes []document.Scheme) string {
	for _, scheme := range schemes {
		if scheme.In == "cookie" {
			if cookie, err := r.Cookie(scheme.Name); err == nil {
				return cookie.Value
			}
			continue
		}
		switch words := strings.Fields(r.Header.Get(scheme.Name)); len(words) {
		case 0:
		case 1:
			return words[0]
		case 2: // the first is a scheme, such as Bearer
			return words[1]
		default:
			return ""
		}
	}
	return ""
}
