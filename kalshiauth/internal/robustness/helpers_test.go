package robustness_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"runtime/pprof"
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
	loginBody   = robustness.LoginBody

	maxBody = 64 << 10 // bytes of a body that may be read
	mask    = "[redacted]"
)

type roundTripper = robustness.RoundTripper

var (
	newClient = robustness.NewClient
	inMemory  = robustness.InMemory
	reply     = robustness.Reply
	kinds     = robustness.Kinds
)

var credentials = kalshiauth.Credentials{Email: email, Password: password}

// TestMain silences net/http, which logs what comes on an idle connection.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	m.Run()
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
