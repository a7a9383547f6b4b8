package contract_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/api"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

func TestUndocumentedRequestsPassUntouchedByDefault(t *testing.T) {
	t.Parallel()
	checker, found := newChecker(t, "https://example.com/v1", ownDocument)
	var passed *http.Request
	answered := &http.Response{StatusCode: 418, Body: http.NoBody}
	rt := checker.Transport(roundTripper(func(req *http.Request) (*http.Response, error) {
		passed = req
		return answered, nil
	}))
	var written http.ResponseWriter
	handler := checker.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { passed, written = r, w }))
	for _, path := range []string{"/v1/teapot", "/v1", "/v1/passwords/reset/x/confirmed", "/v1/log_in"} {
		req := httptest.NewRequestWithContext(t.Context(), "GET", "https://example.com"+path, strings.NewReader("x"))
		body := req.Body
		resp, err := rt.RoundTrip(req) //nolint:bodyclose // there is none
		if err != nil || resp != answered || passed != req || passed.Body != body || resp.Body != answered.Body {
			t.Errorf("Transport: GET %s: the request or the response is not the same: %v", path, err)
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, req)
		if passed != req || written != http.ResponseWriter(recorder) {
			t.Errorf("Middleware: GET %s: the request or the writer is not the same", path)
		}
	}
	if got := found.take(); len(got) > 0 {
		t.Error(got)
	}
}

// withParameters is the document with an operation that has parameters of all kinds.
func withParameters(t *testing.T) []byte {
	t.Helper()
	return changedText(t, "\ncomponents:", `
  /orders/{id}:
    get:
      operationId: Orders
      security: []
      parameters:
        - {name: id, in: path, required: true, schema: {type: integer, minimum: 1}}
        - {name: page, in: query, required: true, schema: {type: integer, maximum: 9}}
        - {name: tag, in: query, schema: {type: array, maxItems: 2, items: {type: string, maxLength: 3}}}
        - {name: X-Side, in: header, required: true, schema: {type: string, enum: [buy, sell]}}
        - {name: theme, in: cookie, schema: {type: string, maxLength: 4}}
        - {name: shard, in: cookie, required: true, schema: {type: integer}}
      responses:
        '200': {description: Orders.}
        '400': {$ref: '#/components/responses/BadRequest'}
components:`)
}

func TestParametersOfEachKindAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path, side, cookie string
		want               []string // the places of the violations
	}{
		"good":              {"/orders/7?page=1&tag=a&tag=b", "buy", "theme=dark; shard=3", nil},
		"path":              {"/orders/x?page=1", "buy", "shard=3", []string{"id"}},
		"path minimum":      {"/orders/0?page=1", "buy", "shard=3", []string{"id"}},
		"no query":          {"/orders/7", "buy", "shard=3", []string{"page"}},
		"query type":        {"/orders/7?page=x", "buy", "shard=3", []string{"page"}},
		"query maximum":     {"/orders/7?page=10", "buy", "shard=3", []string{"page"}},
		"query twice":       {"/orders/7?page=1&page=2", "buy", "shard=3", []string{"page"}},
		"too many":          {"/orders/7?page=1&tag=a&tag=b&tag=c", "buy", "shard=3", []string{"tag"}},
		"an item":           {"/orders/7?page=1&tag=long", "buy", "shard=3", []string{"tag/0"}},
		"no header":         {"/orders/7?page=1", "", "shard=3", []string{"X-Side"}},
		"header":            {"/orders/7?page=1", "hold", "shard=3", []string{"X-Side"}},
		"no cookie":         {"/orders/7?page=1", "buy", "theme=dark", []string{"shard"}},
		"cookie type":       {"/orders/7?page=1", "buy", "shard=x", []string{"shard"}},
		"cookie length":     {"/orders/7?page=1", "buy", "theme=bright; shard=3", []string{"theme"}},
		"several":           {"/orders/x?page=x", "hold", "shard=x", []string{"X-Side", "id", "page", "shard"}},
		"an unknown cookie": {"/orders/7?page=1&x=y", "buy", "shard=3; lang=en", nil},
	} {
		checker, found := newChecker(t, "https://example.com", contract.WithDocument(withParameters(t)))
		rt := checker.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		}))
		headers := []string{"Cookie: " + c.cookie}
		if c.side != "" {
			headers = append(headers, "X-Side: "+c.side)
		}
		call(t, rt, "GET", "https://example.com"+c.path, "", headers...)
		var places []string
		for _, v := range found.take() {
			places = append(places, v.Place)
		}
		slices.Sort(places)
		if !slices.Equal(places, c.want) {
			t.Errorf("%s: violations at %q, want %q", name, places, c.want)
		}
	}
}

func TestADocumentOfOnesOwnMustBeComplete(t *testing.T) {
	t.Parallel()
	for want, document := range map[string][]byte{
		"the document":                         []byte("openapi: 3.0.3\nx: y"),
		"lacks the operation ResetPassword":    changedText(t, "operationId: ResetPassword\n", "operationId: Reset\n"),
		"the document lacks the operation Log": []byte("openapi: 3.0.3\ninfo: {title: a, version: b}\npaths: {}\n"),
	} {
		_, err := contract.New("https://example.com", func(contract.Violation) {}, contract.WithDocument(document))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, want %q", err, want)
		}
		_, err = contract.Run(t.Context(), contract.Target{BaseURL: "https://example.com", Document: document})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run: %v, want %q", err, want)
		}
	}
	if _, err := contract.New("https://example.com", func(contract.Violation) {}, contract.WithDocument(api.Document)); err != nil {
		t.Error(err)
	}
}

func TestTheReportOfACheckerSaysWhatItSaw(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	checker, _ := newChecker(t, srv.URL, contract.WithUndocumented())
	rt := checker.Transport(nil)
	for range 2 {
		call(t, rt, "POST", srv.URL+"/log_in", loginIn, jsonType)
	}
	call(t, rt, "POST", srv.URL+"/passwords/reset", `{"email":"x"}`, jsonType)
	call(t, rt, "POST", srv.URL+"/passwords/reset", `{"email":"y"}`, jsonType)
	call(t, rt, "GET", srv.URL+"/teapot", "")
	report := checker.Report()
	want := map[string]contract.Outcome{
		"Login": contract.Passed, "Logout": contract.Skipped, "ResetPassword.request.email": contract.Failed,
		"ResetPasswordConfirm": contract.Skipped, "undocumented.request.path": contract.Failed,
	}
	got := outcomes(report)
	for id, outcome := range want {
		if got[id] != outcome {
			t.Errorf("%s: %s, want %s", id, got[id], outcome)
		}
	}
	if len(got) != len(want) || report.OK() || report.Coverage() == 0 || report.Target != srv.URL {
		t.Errorf("%v, %v, %s", got, report.Coverage(), report.Target)
	}
	for _, s := range report.Statuses {
		seen := map[string]int{"Login 200": 2, "ResetPassword 400": 2}[s.Operation+" "+s.Status]
		if s.Seen != seen || s.Broken != 0 {
			t.Errorf("%+v, want %d seen", s, seen)
		}
	}
	if text := written(t, report, contract.FormatText); !strings.Contains(text, "2 times") {
		t.Error(text)
	}
}

// Whoever looks for weak spots of a server asks for many paths.
func TestAReportHasALimitedNumberOfViolations(t *testing.T) {
	t.Parallel()
	checker, found := newChecker(t, "https://example.com", contract.WithUndocumented())
	rt := checker.Transport(inMemory(goodLogin))
	for range 2 {
		for i := range 1003 {
			call(t, rt, "GET", "https://example.com/"+strconv.Itoa(i), "")
		}
	}
	report := checker.Report()
	last := report.Checks[1000]
	if report.Count(contract.Failed) != 1001 || last.ID != "more" || !strings.Contains(last.Detail, "6 violations") {
		t.Errorf("%d failed, %s: %s", report.Count(contract.Failed), last.ID, last.Detail)
	}
	if n := len(found.take()); n != 2006 {
		t.Errorf("%d violations were reported", n)
	}
}
