package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// noResetCode is a filter for otelhttp. The URL of the confirmation of a password reset has the one-time code.
func noResetCode(r *http.Request) bool {
	return !strings.Contains(r.URL.Path, "/passwords/reset/")
}

// traced returns a client for kalshiauth.WithHTTPClient.
func traced(base http.RoundTripper, opts ...otelhttp.Option) *http.Client {
	opts = append(opts, otelhttp.WithFilter(noResetCode))
	return &http.Client{Transport: otelhttp.NewTransport(base, opts...)}
}

// tracedAPI returns a client for the rest of the API. Each request is one span, even if it is replayed.
func tracedAPI(source *autologin.Source, opts ...otelhttp.Option) *http.Client {
	api := source.HTTPClient()
	api.Transport = otelhttp.NewTransport(api.Transport, opts...)
	return api
}

// telemetry collects spans and metrics.
type telemetry struct {
	spans   *tracetest.SpanRecorder
	tracer  *trace.TracerProvider
	reader  *metric.ManualReader
	options []otelhttp.Option
}

func newTelemetry(t *testing.T) *telemetry {
	t.Helper()
	spans, reader := tracetest.NewSpanRecorder(), metric.NewManualReader()
	tracer := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	meter := metric.NewMeterProvider(metric.WithReader(reader))
	t.Cleanup(func() { _ = errors.Join(tracer.Shutdown(context.Background()), meter.Shutdown(context.Background())) }) //nolint:usetesting // that of t has ended
	return &telemetry{spans, tracer, reader, []otelhttp.Option{
		otelhttp.WithTracerProvider(tracer), otelhttp.WithMeterProvider(meter),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		// Many programs name their spans so.
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + r.URL.Path }),
	}}
}

// recorded returns all spans and metrics as text, and fails if a span has not ended.
func (c *telemetry) recorded(t *testing.T) string {
	t.Helper()
	if started, ended := len(c.spans.Started()), len(c.spans.Ended()); started != ended {
		t.Errorf("%d of %d spans have not ended", started-ended, started)
	}
	var metrics metricdata.ResourceMetrics
	if err := c.reader.Collect(t.Context(), &metrics); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal([]any{tracetest.SpanStubsFromReadOnlySpans(c.spans.Ended()), metrics})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// list returns the name of each span, its HTTP status and the name of its parent.
func (c *telemetry) list() (spans []string) {
	names := map[string]string{}
	for _, span := range c.spans.Started() {
		names[span.SpanContext().SpanID().String()] = span.Name()
	}
	for _, span := range c.spans.Ended() {
		status := ""
		for _, attr := range span.Attributes() {
			if attr.Key == "http.response.status_code" {
				status = fmt.Sprintf(" %d", attr.Value.AsInt64())
			}
		}
		parent := "no span"
		if span.Parent().IsValid() {
			parent = names[span.Parent().SpanID().String()]
		}
		spans = append(spans, fmt.Sprintf("%s%s in %s", span.Name(), status, parent))
	}
	return spans
}

// outcomes are transports in which calls succeed or fail.
func outcomes(op *robustness.Operation) map[string]http.RoundTripper {
	answering := func(status int, body string, headers ...string) http.RoundTripper {
		return robustness.Answering(robustness.Reply(status, body, headers...))
	}
	failing := func(fail func(*http.Request) error) http.RoundTripper {
		return robustness.RoundTripper(func(r *http.Request) (*http.Response, error) { return nil, fail(r) })
	}
	return map[string]http.RoundTripper{
		"success": answering(op.Success, op.Answer, "Set-Cookie: sessions="+robustness.Token),
		"400":     answering(400, `{"code":"bad_request"}`), "401": answering(401, `{"code":"unauthorized"}`),
		"503": answering(503, "<html>", "Content-Type: text/html"),
		"a network error": failing(func(r *http.Request) error {
			return fmt.Errorf("dial %s: connection refused", r.URL.Host)
		}),
		"a network error with the URL": failing(func(r *http.Request) error {
			return &url.Error{Op: r.Method, URL: r.URL.String(), Err: io.ErrUnexpectedEOF}
		}),
		"the end of the context": failing(func(*http.Request) error { return context.DeadlineExceeded }),
		"a cut body": robustness.RoundTripper(func(r *http.Request) (*http.Response, error) {
			cut := failingReader{&url.Error{Op: "read", URL: r.URL.String(), Err: io.ErrUnexpectedEOF}}
			body := io.MultiReader(strings.NewReader(op.Answer), cut)
			return &http.Response{
				StatusCode: op.Success, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(body), Request: r,
			}, nil
		}),
	}
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

func TestOtelhttpBelowWithTheFilterRecordsNoSecret(t *testing.T) {
	t.Parallel()
	for _, op := range robustness.Operations() {
		for outcome, base := range outcomes(&op) {
			collected := newTelemetry(t)
			client := newClient(t, traced(base, collected.options...), kalshiauth.WithRetries(0))
			ctx, span := collected.tracer.Tracer("").Start(t.Context(), "the caller's")
			err := op.Call(ctx, client, op.Input)
			if (err == nil) != (outcome == "success" || outcome == "a cut body" && op.Answer == "") {
				t.Errorf("%s, %s: error %v", op.ID, outcome, err)
			}
			if err != nil { // as a caller does who wants a span for a reset, too
				span.RecordError(err)
				span.SetStatus(codes.Error, err.Error())
			}
			span.End()
			secrets := append(op.SecretValues(), robustness.Token)
			robustness.AssertNoSecret(t, op.ID+", "+outcome, collected.recorded(t), "s", secrets...)
			// An operation without a path parameter has a span of its own, in that of the caller.
			if want := 2 - strings.Count(op.Path, "{"); len(collected.spans.Ended()) != want {
				t.Errorf("%s, %s: the spans are %q, want %d", op.ID, outcome, collected.list(), want)
			}
		}
	}
}

// TestOtelhttpBelowWithoutTheFilterRecordsTheResetCode shows that the test above can fail, and that the filter is
// necessary.
func TestOtelhttpBelowWithoutTheFilterRecordsTheResetCode(t *testing.T) {
	t.Parallel()
	op := robustness.Lookup("ResetPasswordConfirm")
	for outcome, base := range outcomes(&op) {
		collected := newTelemetry(t)
		unfiltered := &http.Client{Transport: otelhttp.NewTransport(base, collected.options...)}
		err := op.Call(t.Context(), newClient(t, unfiltered, kalshiauth.WithRetries(0)), op.Input)
		code := op.Input["code"]
		robustness.AssertNoSecret(t, outcome, err, robustness.AllVerbs, code)
		span := collected.spans.Ended()[0]
		full := ""
		for _, attr := range span.Attributes() {
			if attr.Key == "url.full" {
				full = attr.Value.AsString()
			}
		}
		if !strings.Contains(full, url.PathEscape(code)) || !strings.Contains(span.Name(), code) {
			t.Errorf("%s: the span %q for %q does not have the code", outcome, span.Name(), full)
		}
		if inStatus := strings.Contains(span.Status().Description, url.PathEscape(code)); inStatus != (outcome == "a network error with the URL") {
			t.Errorf("%s: the status is %q", outcome, span.Status().Description)
		}
		if robustness.Shown(collected.recorded(t), "s", []string{code}) == nil {
			t.Errorf("%s: the search for secrets does not find the code", outcome)
		}
	}
}

func TestOtelhttpRecordsEachRequestAndKeepsLoginsApartFromCallers(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	collected := newTelemetry(t)
	source := newSource(t, newClient(t, traced(server.Transport(), collected.options...)))
	api := tracedAPI(source, collected.options...)
	ctx, span := collected.tracer.Tracer("").Start(t.Context(), "the caller's")
	for range 2 {
		if status := getBalance(ctx, t, api); status != http.StatusOK {
			t.Errorf("status %d, want 200", status)
		}
		server.ExpireSessions()
	}
	span.End()
	session, err := source.Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	robustness.AssertNoSecret(t, "the telemetry", collected.recorded(t), "s", password, session.Token(), session.Cookie().Value)
	want := []string{
		"POST /v1/log_in 200 in no span", "GET /v1/balance 200 in GET /v1/balance", "GET /v1/balance 200 in the caller's",
		"GET /v1/balance 401 in GET /v1/balance", "POST /v1/log_in 200 in no span",
		"GET /v1/balance 200 in GET /v1/balance", "GET /v1/balance 200 in the caller's", "the caller's in no span",
	}
	if got := collected.list(); !slices.Equal(got, want) {
		t.Errorf("the spans are %q, want %q", got, want)
	}
	callers := span.SpanContext().TraceID().String()
	requests := server.RequestLog()
	for i := range requests {
		operation, sent := requests[i].Operation, requests[i].Header.Get("Traceparent")
		if sent == "" || strings.Contains(sent, callers) == (operation == "Login") {
			t.Errorf("%s has the trace context %q, and the caller's trace is %s", operation, sent, callers)
		}
	}
}

func TestOtelhttpAboveIsNotCalledByALoginAfterItsCallerGaveUp(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	came, proceed := make(chan struct{}), make(chan struct{})
	server.Intercept(kalshiauthtest.On("Login", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(came)
			<-proceed
			next.ServeHTTP(w, r)
		})
	}))
	// The transport in memory calls no httptrace, so this one stands for a network.
	network := robustness.RoundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := server.Transport().RoundTrip(r)
		if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
			trace.GotFirstResponseByte()
		}
		return resp, err
	})
	collected := newTelemetry(t)
	source := newSource(t, newClient(t, traced(network, collected.options...)))
	var calls atomic.Int32
	api := tracedAPI(source, append(collected.options, otelhttp.WithClientTrace(func(context.Context) *httptrace.ClientTrace {
		return &httptrace.ClientTrace{GotFirstResponseByte: func() { calls.Add(1) }}
	}))...)

	ctx, giveUp := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, baseURL+"/balance", nil)
		if err != nil {
			gaveUp <- err
			return
		}
		resp, err := api.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		gaveUp <- err
	}()
	<-came
	giveUp()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Fatalf("the first caller got %v, want that it was canceled", err)
	}
	close(proceed)
	if _, err := source.Session(t.Context()); err != nil || server.Requests("Login") != 1 {
		t.Fatalf("the second caller got %v after %d log-ins, want the session of the first one", err, server.Requests("Login"))
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("the trace of the first caller was called %d times after it gave up", n)
	}
	if want := []string{"GET /v1/balance in no span", "POST /v1/log_in 200 in no span"}; !slices.Equal(collected.list(), want) {
		t.Errorf("the spans are %q, want %q", collected.list(), want)
	}
	if status := getBalance(t.Context(), t, api); status != http.StatusOK || calls.Load() != 1 {
		t.Errorf("a later request got %d and called its trace %d times, want 200 and once", status, calls.Load())
	}
}
