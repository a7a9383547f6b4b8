package kalshiauthtest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kalshiauth/kalshiauth-go/gen/server"
)

// Status answers with an error of a status from 400 to 599, in the documented body and headers.
func Status(code int) func(http.Handler) http.Handler {
	if code < 400 || code > 599 {
		panic(fmt.Sprintf("kalshiauthtest: Status(%d): not the status of an error", code))
	}
	message := http.StatusText(code)
	if message == "" {
		message = fmt.Sprintf("Status %d", code)
	}
	name := strings.ToLower(strings.NewReplacer(" ", "_", "-", "_", "'", "").Replace(message))
	return instead(func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, code, name, message, "A fault that the test asked for.")
	})
}

// HTML answers with a page, as a proxy or a captive portal does, with a status that has a body.
func HTML(status int) func(http.Handler) http.Handler {
	if status < 200 || status > 599 || !hasBody(status) {
		panic(fmt.Sprintf("kalshiauthtest: HTML(%d): not the status of a page", status))
	}
	title := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	return instead(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<html>\n<head><title>%[1]s</title></head>\n<body><h1>%[1]s</h1></body>\n</html>\n", title)
	})
}

// Redirect answers with a redirect, from 300 to 399, to a location, which is sent as it is.
func Redirect(status int, location string) func(http.Handler) http.Handler {
	if status < 300 || status > 399 {
		panic(fmt.Sprintf("kalshiauthtest: Redirect(%d): not the status of a redirect", status))
	}
	return instead(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(status)
	})
}

// Delay lets time pass before the server begins to answer. If the client leaves in the meantime, or the server is
// closed, there is no answer, and nothing is done.
func Delay(d time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// Only once the body is read does net/http look whether the client leaves.
			head, _ := io.ReadAll(io.LimitReader(r.Body, maxBody))
			whole := r.WithContext(r.Context())
			whole.Body = &replayed{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}
			select {
			case <-time.After(d):
				next.ServeHTTP(w, whole)
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			case <-closed(r):
				panic(http.ErrAbortHandler)
			}
		})
	}
}

type replayed struct {
	io.Reader
	io.Closer
}

// Hang never answers. It ends when the client leaves or the server is closed.
func Hang() func(http.Handler) http.Handler {
	return instead(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // as in Delay
		select {
		case <-r.Context().Done():
		case <-closed(r):
		}
		panic(http.ErrAbortHandler)
	})
}

// closed returns what ends when the server does that r came to.
func closed(r *http.Request) <-chan struct{} {
	if s := serverOf(r); s != nil {
		return s.closed
	}
	return nil
}

// CutBody does what was asked for, but breaks the connection in the middle of the body. An answer without a body has
// nothing to cut, and comes whole.
func CutBody() func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			status, body := record(w, r, next)
			if len(body) == 0 {
				w.WriteHeader(status)
				return
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(status)
			_, _ = w.Write(body[:len(body)/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
	}
}

// Garbage does what was asked for, and answers with the right status and headers, but with a body that only claims to
// be JSON. A status that has no body, such as 204, comes without one.
func Garbage() func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			status, _ := record(w, r, next)
			if !hasBody(status) {
				w.WriteHeader(status)
				return
			}
			w.Header().Del("Content-Length")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "{\"\x00\xff]} nonsense")
		})
	}
}

// On limits a fault to one operation of the document, such as "Login". It works in [Server.Intercept] only.
func On(operationID string, fault func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	if _, ok := reflect.TypeFor[server.ServerInterface]().MethodByName(operationID); !ok {
		panic(fmt.Sprintf("kalshiauthtest: On(%q): the document has no such operation", operationID))
	}
	return either(fault, func(r *http.Request) bool {
		s := serverOf(r)
		return s != nil && s.operation(r) == operationID
	})
}

// Times limits a fault to the first n requests that come to it after [Server.Intercept]: On("Login", Times(2, fault))
// counts log-ins, Times(2, On("Login", fault)) counts requests.
func Times(n int, fault func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	if n < 0 {
		panic(fmt.Sprintf("kalshiauthtest: Times(%d): a negative number", n))
	}
	return func(next http.Handler) http.Handler {
		var count atomic.Int64
		return either(fault, func(*http.Request) bool { return count.Add(1) <= int64(n) })(next)
	}
}

// either has requests for which faulty holds answered by the fault.
func either(fault func(http.Handler) http.Handler, faulty func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		broken := fault(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if faulty(r) {
				broken.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// instead answers in place of the server.
func instead(answer http.HandlerFunc) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler { return answer }
}

// record has next answer, puts the headers of the answer into w's, and returns the rest.
func record(w http.ResponseWriter, r *http.Request, next http.Handler) (status int, body []byte) {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	maps.Copy(w.Header(), rec.Result().Header)
	return rec.Code, rec.Body.Bytes()
}

func hasBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// operationNames serves each operation by naming it, so that the generated routes tell which one a request is.
type operationNames struct{}

var _ server.ServerInterface = operationNames{}

const operationHeader = "Operation"

func (operationNames) Login(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(operationHeader, "Login")
}

func (operationNames) Logout(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(operationHeader, "Logout")
}

func (operationNames) ResetPassword(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(operationHeader, "ResetPassword")
}

func (operationNames) ResetPasswordConfirm(w http.ResponseWriter, _ *http.Request, _ string) {
	w.Header().Set(operationHeader, "ResetPasswordConfirm")
}

// operation returns the operationId of what r asks for, or "" if it is none.
func (s *Server) operation(r *http.Request) string {
	rec := httptest.NewRecorder()
	s.names.ServeHTTP(rec, r)
	return rec.Header().Get(operationHeader)
}
