package robustness_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
)

const (
	email       = robustness.Email
	password    = robustness.Password
	newPassword = robustness.NewPassword
	userID      = robustness.UserID
	token       = robustness.Token
	code        = robustness.Code

	loginBody = `{"user_id":"` + userID + `","token":"` + token + `","access_level":"trading"}`
	maxBody   = 64 << 10 // bytes of a body that may be read
	mask      = "[redacted]"
)

var credentials = kalshiauth.Credentials{Email: email, Password: password}

// TestMain silences net/http, which logs what comes on an idle connection.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	m.Run()
}

// sentinels are all that an error can be, by their names.
var sentinels = map[string]error{
	"ErrInvalidInput": kalshiauth.ErrInvalidInput, "ErrNoSession": kalshiauth.ErrNoSession,
	"ErrBadRequest": kalshiauth.ErrBadRequest, "ErrUnauthorized": kalshiauth.ErrUnauthorized,
	"ErrForbidden": kalshiauth.ErrForbidden, "ErrRateLimited": kalshiauth.ErrRateLimited,
	"ErrServer": kalshiauth.ErrServer, "ErrUnavailable": kalshiauth.ErrUnavailable,
	"ErrUnexpectedResponse": kalshiauth.ErrUnexpectedResponse,
}

// kinds names the sentinels that an error is, in alphabetical order.
func kinds(err error) string {
	var names []string
	for name, sentinel := range sentinels {
		if errors.Is(err, sentinel) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// sentinelsOf returns what the status of an error alone makes of it.
func sentinelsOf(status int) []error {
	switch {
	case status < 400:
		return []error{kalshiauth.ErrUnexpectedResponse}
	case status == 503:
		return []error{kalshiauth.ErrServer, kalshiauth.ErrUnavailable}
	case status >= 500 && status <= 599:
		return []error{kalshiauth.ErrServer}
	}
	if err := map[int]error{
		400: kalshiauth.ErrBadRequest, 401: kalshiauth.ErrUnauthorized, 403: kalshiauth.ErrForbidden,
		429: kalshiauth.ErrRateLimited,
	}[status]; err != nil {
		return []error{err}
	}
	return nil
}

// An authenticated request, in place of an operation. Only its status counts.
const requestID, requestPath = "request", "/portfolio/balance"

func authenticatedRequest() robustness.Operation {
	op := robustness.Operation{
		Operation: &document.Operation{ID: requestID},
		Input:     robustness.Lookup("Logout").Input, Secrets: []string{robustness.SessionInput}, Success: http.StatusOK,
	}
	op.Method, op.Path = http.MethodGet, requestPath
	return op
}

// allSecrets returns the secrets of all operations.
func allSecrets() (secrets []string) {
	for _, op := range robustness.Operations() {
		secrets = append(secrets, op.SecretValues()...)
	}
	return secrets
}

// operationOf returns the operation of a request that a call with valid input sends below prefix.
func operationOf(t *testing.T, r *http.Request, prefix string) robustness.Operation {
	t.Helper()
	for _, op := range robustness.Operations() {
		if r.Method == op.Method && r.URL.EscapedPath() == prefix+op.EscapedPath(op.Input) {
			return op
		}
	}
	t.Errorf("%s %s is no operation's", r.Method, r.URL.EscapedPath())
	return robustness.Lookup("Logout")
}

// fits reports whether a body is a success of the operation by the document.
func fits(op *robustness.Operation, body string) bool {
	var value any
	if json.Unmarshal([]byte(body), &value) != nil {
		return false
	}
	schema := op.Operation.Operation.Responses.Status(op.Success).Value.Content.Get("application/json").Schema.Value
	return schema.VisitJSON(value, op.Spec.GetSchemaValidationOptions()...) == nil
}

func newClient(t *testing.T, opts ...kalshiauth.Option) *kalshiauth.Client {
	t.Helper()
	client, err := kalshiauth.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// roundTripper is a transport in memory.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// inMemory has the requests of a client answered by handler, without a network, so that time can be faked.
func inMemory(handler http.HandlerFunc) kalshiauth.Option {
	return kalshiauth.WithHTTPClient(&http.Client{Transport: roundTripper(
		func(req *http.Request) (*http.Response, error) {
			rec := httptest.NewRecorder()
			handler(rec, req)
			resp := rec.Result()
			resp.Request = req
			return resp, req.Context().Err()
		})})
}

// replyJSON writes an answer with a JSON body.
func replyJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// renderings returns v in each way that programs print things.
func renderings(v any, verbs string) map[string]string {
	out := map[string]string{}
	for _, verb := range verbs {
		for _, flag := range []string{"", "+", "#", "-", "# "} {
			format := "%" + flag + string(verb)
			out[format] = fmt.Sprintf(format, v)
		}
	}
	var text, js strings.Builder
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&js, nil)).Info("x", "v", v)
	out["slog text"], out["slog JSON"] = text.String(), js.String()
	data, err := json.Marshal(v)
	out["JSON"] = fmt.Sprint(string(data), err)
	data, err = xml.Marshal(v)
	out["XML"] = fmt.Sprint(string(data), err)
	func() {
		defer func() { out["panic"] = fmt.Sprint(recover()) }()
		panic(v)
	}()
	return out
}

// assertNoSecret renders v and each error that it wraps, and looks for the secrets.
func assertNoSecret(t *testing.T, what string, v any, verbs string, secrets ...string) {
	t.Helper()
	for _, text := range shown(v, verbs, secrets) {
		t.Errorf("%s shows a secret as %s", what, text)
	}
}

// shown returns the renderings of v, and of each error that it wraps, that have a secret.
func shown(v any, verbs string, secrets []string) (found []string) {
	for how, text := range renderings(v, verbs) {
		if slices.ContainsFunc(secrets, func(secret string) bool {
			path, query := url.PathEscape(secret), url.QueryEscape(secret)
			return slices.ContainsFunc([]string{
				secret, path, query, strings.ToLower(path), strings.ToLower(query), fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret),
			}, func(form string) bool { return strings.Contains(text, form) })
		}) {
			found = append(found, how+": "+text)
		}
	}
	switch err := v.(type) {
	case interface{ Unwrap() error }:
		if err.Unwrap() != nil {
			found = append(found, shown(err.Unwrap(), verbs, secrets)...)
		}
	case interface{ Unwrap() []error }:
		for _, e := range err.Unwrap() {
			found = append(found, shown(e, verbs, secrets)...)
		}
	}
	return found
}

// labeled calls do. Each goroutine that is started meanwhile has the label, for leftBehind.
func labeled(ctx context.Context, label string, do func(ctx context.Context)) {
	pprof.Do(ctx, pprof.Labels("test", label), do)
}

// leftBehind returns the stacks of goroutines that were started below a label, once they have had the time to end.
func leftBehind(label string) string {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	var left string
	for range 5000 {
		var profile bytes.Buffer
		_ = pprof.Lookup("goroutine").WriteTo(&profile, 1)
		left = ""
		for stack := range strings.SplitSeq(profile.String(), "\n\n") {
			if strings.Contains(stack, strconv.Quote(label)) {
				left += stack + "\n\n"
			}
		}
		if left == "" {
			return ""
		}
		<-ticker.C
	}
	return left
}

// assertNothingLeft fails if goroutines that were started below a label still run.
func assertNothingLeft(t *testing.T, label string) {
	t.Helper()
	if left := leftBehind(label); left != "" {
		t.Errorf("%s: goroutines are left behind:\n%s", label, left)
	}
}
