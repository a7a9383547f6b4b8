package contract_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

func TestTheClientsRequestIsNotChanged(t *testing.T) {
	t.Parallel()
	checker, found := newChecker(t, "https://example.com")
	rt := checker.Transport(roundTripper(func(req *http.Request) (*http.Response, error) {
		data, err := io.ReadAll(req.Body)
		return &http.Response{
			StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}, "Set-Cookie": {"sessions=" + token}},
			Body: io.NopCloser(strings.NewReader(loginOut)), ContentLength: int64(len(data)),
		}, err
	}))
	for name, body := range map[string]io.Reader{
		"with GetBody": strings.NewReader(loginIn), "without": io.MultiReader(strings.NewReader(loginIn)),
	} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", "https://example.com/log_in", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		was, header := req.Body, req.Header.Clone()
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if req.Body != was || len(req.Header) != len(header) || resp.ContentLength != int64(len(loginIn)) || string(got) != loginOut {
			t.Errorf("%s: the request or the answer has changed", name)
		}
		if got := found.take(); len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestARequestWithoutAnAnswerIsCheckedAlone(t *testing.T) {
	t.Parallel()
	checker, found := newChecker(t, "https://example.com")
	down := errors.New("the network is down")
	rt := checker.Transport(roundTripper(func(*http.Request) (*http.Response, error) { return nil, down }))
	req := httptest.NewRequestWithContext(t.Context(), "POST", "https://example.com/log_out", nil)
	resp, err := rt.RoundTrip(req) //nolint:bodyclose // there is none
	if resp != nil || !errors.Is(err, down) {
		t.Error(resp, err)
	}
	if got := found.take(); len(got) != 1 || got[0].In != contract.Request {
		t.Error(got)
	}
}

func TestAnAnswerWithoutABodyNeedNotBeClosed(t *testing.T) {
	t.Parallel()
	checker, found := newChecker(t, "https://example.com")
	rt := checker.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 418, Body: http.NoBody}, nil
	}))
	req := httptest.NewRequestWithContext(t.Context(), "POST", "https://example.com/log_out", nil)
	req.Header.Set("Authorization", token)
	if _, err := rt.RoundTrip(req); err != nil { //nolint:bodyclose // it is what is tested
		t.Error(err)
	}
	if got := found.take(); len(got) != 1 || got[0].Place != "status" {
		t.Error(got)
	}
}

func TestBodiesStreamThroughTransport(t *testing.T) {
	t.Parallel()
	read, write := io.Pipe()
	checker, found := newChecker(t, "https://example.com")
	rt := checker.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: 200, ContentLength: -1, Body: read,
			Header: http.Header{"Content-Type": {"application/json"}, "Set-Cookie": {"sessions=" + token}},
		}, nil
	}))
	req, err := http.NewRequestWithContext(t.Context(), "POST", "https://example.com/log_in", strings.NewReader(loginIn))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	// Each byte arrives before the next one is written.
	wrong := loginOut + "x"
	for i := range wrong {
		go func() { _, _ = write.Write([]byte{wrong[i]}) }()
		var b [1]byte
		if _, err := io.ReadFull(resp.Body, b[:]); err != nil || b[0] != wrong[i] {
			t.Fatalf("byte %d: %q, %v", i, b, err)
		}
	}
	if got := found.take(); len(got) > 0 {
		t.Errorf("reported before the end: %v", got)
	}
	_ = write.Close()
	if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if got := found.take(); len(got) != 1 || got[0].Found != "the body is not one JSON value" {
		t.Errorf("after the end: %v", got)
	}
	_ = resp.Body.Close()
	if got := found.take(); len(got) > 0 {
		t.Errorf("reported again: %v", got)
	}
}

func TestABodyThatIsNotReadToItsEndIsJudgedByWhatIsKnown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		read func(io.Reader)
		want int
	}{
		"nothing is read":              {`{}`, func(io.Reader) {}, 0},
		"half a value":                 {loginOut, func(r io.Reader) { _, _ = io.ReadFull(r, make([]byte, 30)) }, 0},
		"json.Decoder reads one value": {`{"token":""}`, func(r io.Reader) { _ = json.NewDecoder(r).Decode(&struct{}{}) }, 3},
	} {
		checker, found := newChecker(t, "https://example.com")
		rt := checker.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: 200, ContentLength: -1, Body: io.NopCloser(strings.NewReader(c.body)),
				Header: http.Header{"Content-Type": {"application/json"}, "Set-Cookie": {"sessions=" + token}},
			}, nil
		}))
		req := httptest.NewRequestWithContext(t.Context(), "POST", "https://example.com/log_in", strings.NewReader(loginIn))
		req.Header.Set("Content-Type", "application/json")
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		c.read(resp.Body)
		_ = resp.Body.Close()
		got := slices.DeleteFunc(found.take(), func(v contract.Violation) bool { return v.In == contract.Request })
		if len(got) != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// inMemory has requests answered by handler, without a network, and without reading them.
func inMemory(handler http.Handler) http.RoundTripper {
	return roundTripper(func(*http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", nil)) //nolint:noctx // nobody asks for it
		return rec.Result(), nil
	})
}

func TestARequestThatIsNotReadIsJudgedByWhatIsKnown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body io.Reader
		want int
	}{
		"a copy can be had": {strings.NewReader("not JSON"), 1},
		"no copy":           {io.MultiReader(strings.NewReader("not JSON")), 0},
	} {
		checker, found := newChecker(t, "https://example.com")
		req, err := http.NewRequestWithContext(t.Context(), "POST", "https://example.com/log_in", c.body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := checker.Transport(inMemory(goodLogin)).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if got := found.take(); len(got) != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A test may serve a production's cookies without TLS.
func TestASecureCookieIsGoodWithoutTLS(t *testing.T) {
	t.Parallel()
	checker, found := newChecker(t, "http://api.internal:8080")
	rt := checker.Transport(inMemory(canned(200, loginOut, jsonType, setToken+"; Secure")))
	call(t, rt, "POST", "http://api.internal:8080/log_in", loginIn, jsonType)
	if got := found.take(); len(got) > 0 {
		t.Error(got)
	}
}

func TestMiddlewareSeesTheHeadThatIsSent(t *testing.T) {
	t.Parallel()
	set := func(w http.ResponseWriter) {
		w.Header()["content-type"] = []string{"application/json"}
		w.Header()["Set-Cookie"] = []string{"lb=1"}
		w.Header()["set-cookie"] = []string{"sessions=" + token}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"names in lower case": func(w http.ResponseWriter, _ *http.Request) { set(w) },
		"an interim response": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			set(w)
		},
		"a flush": func(w http.ResponseWriter, _ *http.Request) {
			set(w)
			w.(http.Flusher).Flush()
			clear(w.Header())
		},
		"a later status": func(w http.ResponseWriter, _ *http.Request) {
			set(w)
			w.WriteHeader(http.StatusOK)
			w.WriteHeader(http.StatusTeapot)
		},
	} {
		base, rt, found := sides["Middleware"](t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			handler(w, r)
			_, _ = io.WriteString(w, loginOut)
		}))
		call(t, rt, "POST", base+"/log_in", loginIn, jsonType)
		if got := found.take(); len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMiddlewareKeepsFlushing(t *testing.T) {
	t.Parallel()
	for name, flush := range map[string]func(w http.ResponseWriter) error{
		"ResponseController": func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
		"Flusher":            func(w http.ResponseWriter) error { w.(http.Flusher).Flush(); return nil },
	} {
		side := sides["Middleware"]
		next := make(chan struct{})
		base, rt, found := side(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Set-Cookie", "sessions="+token)
			_, _ = io.Copy(io.Discard, r.Body)
			for _, b := range []byte(loginOut) {
				_, _ = w.Write([]byte{b})
				if err := flush(w); err != nil {
					t.Error(err)
				}
				<-next
			}
			if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
				t.Error(err) // that of the server's own writer
			}
		}))
		req, err := http.NewRequestWithContext(t.Context(), "POST", base+"/log_in", strings.NewReader(loginIn))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for range loginOut { // a byte that is not flushed would never come
			var b [1]byte
			if _, err := io.ReadFull(resp.Body, b[:]); err != nil {
				t.Fatal(name, err)
			}
			got = append(got, b[0])
			next <- struct{}{}
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if string(got) != loginOut || len(found.take()) > 0 {
			t.Errorf("%s: %s, %v", name, got, found.take())
		}
	}
}

func TestAHandlerThatPanicsIsCheckedAsFarAsItCame(t *testing.T) {
	t.Parallel()
	checker, found := newChecker(t, "http://example.com")
	handler := checker.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		panic(http.ErrAbortHandler)
	}))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		req := httptest.NewRequestWithContext(t.Context(), "POST", "/log_out", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		handler.ServeHTTP(httptest.NewRecorder(), req)
	}()
	if got := found.take(); len(got) != 1 || got[0].Place != "status" {
		t.Error(got)
	}
}

func TestReportsDoNotOverlap(t *testing.T) {
	t.Parallel()
	reporting := false // the race detector sees to it
	calls := 0
	checker, err := contract.New("http://example.com", func(contract.Violation) {
		if reporting {
			t.Error("two reports at once")
		}
		reporting = true
		calls++
		reporting = false
	}, contract.WithUndocumented())
	if err != nil {
		t.Fatal(err)
	}
	handler := checker.Middleware(canned(204, ""))
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/log_out", nil))
		})
	}
	all.Wait()
	if calls != 50 {
		t.Errorf("%d reports, want 50", calls)
	}
}

// A request body that cannot be copied is looked at as it is sent, however the server reads it.
func TestStreamedRequestsAreChecked(t *testing.T) {
	t.Parallel()
	onBothSides(t, func(t *testing.T, start starter) {
		t.Helper()
		base, rt, found := start(goodLogin)
		for body, want := range map[string]int{loginIn: 0, `{"email":"` + email + `"}`: 1, loginIn + "x": 1, "": 1} {
			req, err := http.NewRequestWithContext(t.Context(), "POST", base+"/log_in", io.MultiReader(bytes.NewReader([]byte(body))))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := rt.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if got := found.take(); len(got) != want {
				t.Errorf("%q: %v", body, got)
			}
		}
	})
}
