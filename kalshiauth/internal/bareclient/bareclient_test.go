package bareclient_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/bareclient"
)

const gone = "a reason for package kalshiauth is gone: the bare client"

var (
	credentials  = bareclient.LoginRequest{Email: "trader@example.com", Password: "correct horse"}
	confirmation = bareclient.ConfirmPasswordResetRequest{Password: "battery staple"}
)

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

// roundTripper is a network in memory.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// over returns an option that has a client's requests answered by transport.
func over(transport roundTripper) bareclient.ClientOption {
	return bareclient.WithHTTPClient(&http.Client{Transport: transport})
}

func TestBareLoginSendsThePasswordToARedirectsHost(t *testing.T) {
	t.Parallel()
	var stolen bareclient.LoginRequest
	thief := serve(t, func(_ http.ResponseWriter, r *http.Request) { _ = json.NewDecoder(r.Body).Decode(&stolen) })
	elsewhere := strings.Replace(thief.URL, "127.0.0.1", "localhost", 1)
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
	})
	_, err := newClient(t, srv.URL).LoginWithResponse(t.Context(), credentials)
	if stolen != credentials {
		t.Errorf("%s sends no credentials to the host of a redirect, which got %+v; it says %v", gone, stolen, err)
	}
}

func TestBareConfirmWithACodeOfDotsCallsAnotherPath(t *testing.T) {
	t.Parallel()
	var path string
	srv := serve(t, func(_ http.ResponseWriter, r *http.Request) { path = r.URL.EscapedPath() })
	_, err := newClient(t, srv.URL+"/v1").ResetPasswordConfirmWithResponse(t.Context(), "..", confirmation)
	if path != "/v1/passwords/confirm" {
		t.Errorf("%s leaves its path for no code of dots; it calls %q, and says %v", gone, path, err)
	}
}

func TestBareConfirmShowsTheCodeInANetworkError(t *testing.T) {
	t.Parallel()
	errNetwork := errors.New("connection reset by peer")
	client := newClient(t, "https://example.com", over(func(*http.Request) (*http.Response, error) {
		return nil, errNetwork
	}))
	_, err := client.ResetPasswordConfirmWithResponse(t.Context(), "one-time-code", confirmation)
	if err == nil || !strings.Contains(err.Error(), "one-time-code") {
		t.Errorf("%s shows no one-time code in a network error: %v", gone, err)
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
		t.Errorf("%s takes no HTML page for a success without a result; it says %v", gone, err)
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
		t.Errorf("%s does not lose the status of a 401 without a body; it says %v", gone, err)
	}
}

var errEnough = errors.New("the test has seen enough")

// endless is a body without end, but that it stops the reader once that has had more than limit, so that the test ends.
type endless struct{ read, limit int }

func (e *endless) Read(p []byte) (int, error) {
	if e.read > e.limit {
		return 0, errEnough
	}
	e.read += len(p)
	return len(p), nil
}

func (*endless) Close() error { return nil }

func TestBareLoginReadsABodyWithoutEnd(t *testing.T) {
	t.Parallel()
	body := &endless{limit: 8 << 20}
	client := newClient(t, "https://example.com", over(func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK,
			Header:     http.Header{"Content-Type": {"application/json"}},
			Body:       body,
		}, nil
	}))
	_, err := client.LoginWithResponse(t.Context(), credentials)
	// It is the body that ends the read, not the client.
	if !errors.Is(err, errEnough) {
		t.Errorf("%s stops of itself, after %d bytes of a body without end; it says %v", gone, body.read, err)
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
