package kalshiauthtest

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Status answers with an error status from 400 to 599, and with the documented body and headers of an error.
func Status(code int) func(http.Handler) http.Handler {
	return instead(fault("Status", code).write)
}

// StatusRetryAfter is [Status] with a Retry-After header of d, rounded up to whole seconds. It panics if d is negative.
func StatusRetryAfter(code int, d time.Duration) func(http.Handler) http.Handler {
	if d < 0 {
		panic(fmt.Sprintf("kalshiauthtest: StatusRetryAfter(%d, %v): a negative duration", code, d))
	}
	failure := fault("StatusRetryAfter", code)
	seconds := d / time.Second
	if d%time.Second > 0 {
		seconds++
	}
	return instead(func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
		failure.write(w)
	})
}

// fault returns the error of a status.
func fault(function string, code int) *apiError {
	if code < 400 || code > 599 {
		panic(fmt.Sprintf("kalshiauthtest: %s(%d): not the status of an error", function, code))
	}
	message := cmp.Or(http.StatusText(code), fmt.Sprintf("Status %d", code))
	name := strings.ToLower(strings.NewReplacer(" ", "_", "-", "_", "'", "").Replace(message))
	return &apiError{code, name, message, "A fault that the test asked for."}
}

// HTML answers with an HTML page, as a proxy or a captive portal does. The status is from 200 to 599 and allows a body.
func HTML(status int) func(http.Handler) http.Handler {
	if status < 200 || status > 599 || !hasBody(status) {
		panic(fmt.Sprintf("kalshiauthtest: HTML(%d): not the status of a page", status))
	}
	title := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	return instead(func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<html>\n<head><title>%[1]s</title></head>\n<body><h1>%[1]s</h1></body>\n</html>\n", title)
	})
}

// Redirect answers with a status from 300 to 399 and a Location header, which is sent unchanged.
func Redirect(status int, location string) func(http.Handler) http.Handler {
	if status < 300 || status > 399 {
		panic(fmt.Sprintf("kalshiauthtest: Redirect(%d): not the status of a redirect", status))
	}
	return instead(func(w http.ResponseWriter) {
		w.Header().Set("Location", location)
		w.WriteHeader(status)
	})
}

// Delay waits for d before the server handles the request. If the client disconnects in the meantime, or the server is
// closed, the request is not handled.
func Delay(d time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// net/http notices that the client disconnects only after the body has been read.
			head, _ := io.ReadAll(io.LimitReader(r.Body, maxBody))
			whole := r.WithContext(r.Context())
			whole.Body = body{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}
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

// Hang never answers. It ends when the client disconnects or the server is closed.
func Hang() func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // as in Delay
			select {
			case <-r.Context().Done():
			case <-closed(r):
			}
			panic(http.ErrAbortHandler)
		})
	}
}

// closed returns the channel that is closed with the server of r, or nil if a fault runs without a server.
func closed(r *http.Request) <-chan struct{} {
	if s := serverOf(r); s != nil {
		return s.closed
	}
	return nil
}

// CutBody handles the request, but breaks the connection in the middle of the response's body. A response without a
// body is sent completely.
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

// Garbage handles the request and sends the right status and headers, but a body that is not JSON, with a JSON content
// type. A response whose status allows no body, such as 204, is sent unchanged.
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

// On limits a fault to one operation of the document, such as "Login", or to one pattern of [Server.Handle], such as
// "GET /portfolio/balance". It works in [Server.Intercept] only.
func On(target string, fault func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	target = mustBeTarget("On", target)
	return either(fault, func(r *http.Request) bool {
		s := serverOf(r)
		return s != nil && s.target(r) == target
	})
}

// OnPath limits a fault to requests whose method and path match a pattern of [http.ServeMux] without a host, such as
// "POST /log_in" or "/portfolio/{rest...}", below the path prefix. Unlike [On], it does not matter whether the server
// serves the path. It works in [Server.Intercept] only.
func OnPath(pattern string, fault func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(newPattern("OnPath", pattern).String(), http.NotFoundHandler())
	return either(fault, func(r *http.Request) bool {
		s := serverOf(r)
		if s == nil {
			return false
		}
		path, below := strings.CutPrefix(r.URL.Path, s.prefix)
		if !below || !strings.HasPrefix(path, "/") {
			return false
		}
		shown := *r
		shown.URL = &url.URL{Path: path, RawPath: strings.TrimPrefix(r.URL.RawPath, s.prefix)}
		_, matched := mux.Handler(&shown)
		return matched != ""
	})
}

// Times limits a fault to the first n requests that reach it after [Server.Intercept]: On("Login", Times(2, fault))
// counts log-ins, and Times(2, On("Login", fault)) counts all requests. It panics if n is negative.
func Times(n int, fault func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	if n < 0 {
		panic(fmt.Sprintf("kalshiauthtest: Times(%d): a negative number", n))
	}
	return func(next http.Handler) http.Handler {
		var count atomic.Int64
		return either(fault, func(*http.Request) bool { return count.Add(1) <= int64(n) })(next)
	}
}

// either passes requests for which faulty is true to the fault, and others to next.
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

// instead returns a fault that answers in place of the server.
func instead(answer func(http.ResponseWriter)) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) })
	}
}

// record calls next, copies the headers of its response to w, and returns the status and the body.
func record(w http.ResponseWriter, r *http.Request, next http.Handler) (status int, body []byte) {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	maps.Copy(w.Header(), rec.Result().Header)
	return rec.Code, rec.Body.Bytes()
}
