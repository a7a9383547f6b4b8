// Package bareclient_test shows the reason for package kalshiauth: what the client that the generator writes with default
// settings gets wrong. That client is frozen here, in bare.gen.go. The same cases pass with kalshiauth, in its
// generated_test.go.
//
// Each test passes where the bare client goes wrong. Should one fail after a new generation, a reason is gone.
package bareclient_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/oapi-codegen/runtime/types"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/bareclient"
)

const gone = "a reason for package kalshiauth is gone: the bare client"

var credentials = bareclient.LoginRequest{Email: "trader@example.com", Password: "correct horse"}

func newClient(t *testing.T, server string, opts ...bareclient.ClientOption) *bareclient.ClientWithResponses {
	t.Helper()
	client, err := bareclient.NewClientWithResponses(server, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return srv
}

func TestBareLoginFollowsARedirectWithThePassword(t *testing.T) {
	t.Parallel()
	var stolen string
	thief := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		stolen = string(body)
	})
	elsewhere := strings.Replace(thief.URL, "127.0.0.1", "localhost", 1)
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
	})
	_, _ = newClient(t, srv.URL).LoginWithResponse(t.Context(), credentials)
	if !strings.Contains(stolen, credentials.Password) {
		t.Errorf("%s sends no password to another host; that got %q", gone, stolen)
	}
}

func TestBareConfirmWithACodeOfDotsCallsAnotherPath(t *testing.T) {
	t.Parallel()
	var path string
	srv := serve(t, func(_ http.ResponseWriter, r *http.Request) { path = r.URL.Path })
	_, _ = newClient(t, srv.URL+"/v1").ResetPasswordConfirmWithResponse(t.Context(), "..",
		bareclient.ConfirmPasswordResetRequest{UserId: types.UUID{}, Password: "battery staple"})
	if path != "/v1/passwords/confirm" {
		t.Errorf("%s calls %q", gone, path)
	}
}

func TestBareConfirmShowsTheCodeInANetworkError(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(nil)
	srv.Close()
	_, err := newClient(t, srv.URL).ResetPasswordConfirmWithResponse(t.Context(), "one-time-code",
		bareclient.ConfirmPasswordResetRequest{UserId: types.UUID{}, Password: "battery staple"})
	if err == nil || !strings.Contains(err.Error(), "one-time-code") {
		t.Errorf("%s shows no code: %v", gone, err)
	}
}

func TestBareLoginTakesAnHTMLPageForASuccess(t *testing.T) {
	t.Parallel()
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>Welcome to the airport</html>")
	})
	resp, err := newClient(t, srv.URL).LoginWithResponse(t.Context(), credentials)
	if err != nil || resp.StatusCode() != http.StatusOK || resp.JSON200 != nil {
		t.Errorf("%s says %v", gone, err)
	}
}

func TestBareLoginLosesTheStatusOfAnEmptyError(t *testing.T) {
	t.Parallel()
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
	})
	resp, err := newClient(t, srv.URL).LoginWithResponse(t.Context(), credentials)
	if resp != nil || err == nil || err.Error() != "unexpected end of JSON input" {
		t.Errorf("%s says %v, %v", gone, resp, err)
	}
}

var errEnough = errors.New("enough")

// endless is a body without end, which stops the test at a limit.
type endless struct{ read, limit int }

func (e *endless) Read(p []byte) (int, error) {
	if e.read >= e.limit {
		return 0, errEnough
	}
	e.read += len(p)
	return len(p), nil
}

func (*endless) Close() error { return nil }

// doer answers without a network.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(req *http.Request) (*http.Response, error) { return d(req) }

func TestBareLoginReadsABodyWithoutEnd(t *testing.T) {
	t.Parallel()
	body := &endless{limit: 8 << 20}
	client := newClient(t, "https://example.com", bareclient.WithHTTPClient(doer(
		func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body}, nil
		})))
	_, err := client.LoginWithResponse(t.Context(), credentials)
	if !errors.Is(err, errEnough) || body.read < body.limit {
		t.Errorf("%s stopped after %d bytes: %v", gone, body.read, err)
	}
}

func TestBareDefaultOutputDoesNotCompileWithAModelNamedLoginResponse(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "testdata/default.go.txt", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range group.Specs {
			if spec, ok := spec.(*ast.TypeSpec); ok && spec.Name.Name == "LoginResponse" {
				declared++
			}
		}
	}
	if declared != 2 {
		t.Errorf("%s declares LoginResponse %d times, not twice", gone, declared)
	}
}
