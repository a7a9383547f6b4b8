package contract_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/api"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// violations are what a Checker has reported.
type violations struct {
	mu  sync.Mutex
	all []contract.Violation
}

func (v *violations) report(found contract.Violation) { //nolint:gocritic // New wants it so
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = append(v.all, found)
}

// take returns what was reported since the last time.
func (v *violations) take() []contract.Violation {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := v.all
	v.all = nil
	return all
}

// ownDocument is an option that changes nothing.
var ownDocument = contract.WithDocument(api.Document)

// newChecker returns a Checker that reports undocumented requests, too, unless there are other options.
func newChecker(t *testing.T, baseURL string, opts ...contract.Option) (*contract.Checker, *violations) {
	t.Helper()
	found := &violations{}
	if opts == nil {
		opts = []contract.Option{contract.WithUndocumented()}
	}
	checker, err := contract.New(baseURL, found.report, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return checker, found
}

// A side starts a server with a handler, and returns its URL and a transport to it.
type side = func(t *testing.T, handler http.Handler, opts ...contract.Option) (baseURL string, rt http.RoundTripper, found *violations)

// sides are the two places where a Checker can be.
var sides = map[string]side{
	"Transport": func(t *testing.T, handler http.Handler, opts ...contract.Option) (string, http.RoundTripper, *violations) {
		t.Helper()
		srv := httptest.NewServer(http.StripPrefix("/v1", handler))
		t.Cleanup(srv.Close)
		checker, found := newChecker(t, srv.URL+"/v1", opts...)
		return srv.URL + "/v1", checker.Transport(srv.Client().Transport), found
	},
	"Middleware": func(t *testing.T, handler http.Handler, opts ...contract.Option) (string, http.RoundTripper, *violations) {
		t.Helper()
		srv := httptest.NewUnstartedServer(nil)
		baseURL := "http://" + srv.Listener.Addr().String() + "/v1"
		checker, found := newChecker(t, baseURL, opts...)
		srv.Config.Handler = checker.Middleware(http.StripPrefix("/v1", handler))
		srv.Start()
		t.Cleanup(srv.Close)
		return baseURL, srv.Client().Transport, found
	},
}

// A starter starts a server with a handler on one side.
type starter = func(http.Handler) (baseURL string, rt http.RoundTripper, found *violations)

// onBothSides runs a test with each.
func onBothSides(t *testing.T, test func(t *testing.T, start starter)) {
	t.Helper()
	for name, side := range sides {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(handler http.Handler) (string, http.RoundTripper, *violations) { return side(t, handler) })
		})
	}
}

// call sends a request and reads the answer to its end. headers are "Name: value".
func call(t *testing.T, rt http.RoundTripper, method, url, body string, headers ...string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

const (
	userID    = "6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e"
	token     = "tok-3q2-7wSECRET"
	code      = "4fzyo82SECRET"
	loginIn   = `{"email":"` + email + `","password":"` + password + `"}`
	loginOut  = `{"user_id":"` + userID + `","token":"` + token + `","access_level":"trading"}`
	confirmIn = `{"user_id":"` + userID + `","password":"` + password + `"}`
	jsonType  = "Content-Type: application/json"
	setToken  = "Set-Cookie: sessions=" + token
)

// canned answers every request alike.
func canned(status int, body string, headers ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Add(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

var goodLogin = canned(200, loginOut, jsonType, setToken)
