package contract_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

const (
	email    = "trader@example.com"
	password = "correct horse battery"
)

// minPassword is the document's limit.
var minPassword = int(document.API().Spec.Components.Schemas["LoginRequest"].Value.Properties["password"].Value.MinLength)

var (
	credentials = kalshiauth.Credentials{Email: email, Password: password}
	other       = kalshiauth.Credentials{Email: "other@example.com", Password: "staple horse battery"}
)

// newServer starts a fake with two accounts.
func newServer(tb testing.TB, opts ...kalshiauthtest.Option) *kalshiauthtest.Server {
	tb.Helper()
	srv := kalshiauthtest.NewServer(opts...)
	tb.Cleanup(srv.Close)
	srv.AddUser(email, password)
	srv.AddUser(other.Email, other.Password)
	return srv
}

// targetOf returns a target that allows everything.
func targetOf(srv *kalshiauthtest.Server) contract.Target {
	return contract.Target{
		BaseURL: srv.URL, HTTPClient: srv.Client(), Credentials: credentials, Other: other, ResetCode: outbox(srv),
	}
}

func outbox(srv *kalshiauthtest.Server) func(context.Context, string) (string, string, error) {
	return func(_ context.Context, email string) (string, string, error) {
		for _, m := range slices.Backward(srv.Outbox()) {
			if m.Email == email {
				return m.Code, m.UserID, nil
			}
		}
		return "", "", errors.New("no mail was sent")
	}
}

// run runs the checks. It fails the test if they cannot run.
func run(t *testing.T, target contract.Target) *contract.Report { //nolint:gocritic // Run wants it so
	t.Helper()
	report, err := contract.Run(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// written returns a report in a format.
func written(t *testing.T, r *contract.Report, f contract.Format) string {
	t.Helper()
	var b strings.Builder
	if err := r.Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// outcomes returns a report's outcomes by the ID of the check.
func outcomes(r *contract.Report) map[string]contract.Outcome {
	all := map[string]contract.Outcome{}
	for i := range r.Checks {
		all[r.Checks[i].ID] = r.Checks[i].Outcome
	}
	return all
}

// roundTripper is a transport in memory.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
