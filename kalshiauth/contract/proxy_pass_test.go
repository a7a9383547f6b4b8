package contract_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// upstream starts a server, and a proxy to it.
func upstream(t *testing.T, handler http.HandlerFunc) (proxyURL, serverURL string, found *violations) {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	proxyURL, found = startProxy(t, srv.URL, srv.URL)
	return proxyURL, srv.URL, found
}

// plainClient returns a client that adds nothing of its own.
func plainClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestTheProxyChangesNothingOfARequest(t *testing.T) {
	t.Parallel()
	received := make(chan *http.Request, 1)
	proxyURL, serverURL, _ := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		received <- r
	})
	const query = "a=%zz&b=1;c&d=%20+&&=&e"
	req, err := http.NewRequestWithContext(t.Context(), "POST", proxyURL+"/a%2Fb/%E2%82%AC?"+query, io.NopCloser(strings.NewReader("x")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"User-Agent": nil, "X-Forwarded-For": {"1.2.3.4"}, "Accept-Encoding": {"zstd"}, "X-Twice": {"1", "2"},
		"Cookie": {"a=b", "c=d"}, "Authorization": {token},
	}
	req.Trailer = http.Header{"X-Sum": {"7"}}
	resp, err := plainClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	got := <-received
	if got.URL.RawQuery != query || got.URL.EscapedPath() != "/a%2Fb/%E2%82%AC" || "http://"+got.Host != serverURL {
		t.Errorf("the request went to %s at %s", got.URL, got.Host)
	}
	if got.Trailer.Get("X-Sum") != "7" {
		t.Errorf("the trailers are %v", got.Trailer)
	}
	host := strings.TrimPrefix(proxyURL, "http://")
	for name, want := range map[string]string{
		"Accept-Encoding": "zstd", "X-Twice": "1, 2", "Cookie": "a=b, c=d", "Authorization": token, "User-Agent": "",
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": host, "X-Forwarded-Proto": "http",
	} {
		if value := strings.Join(got.Header[name], ", "); value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
}

func TestTheProxyAsksForNoCompression(t *testing.T) {
	t.Parallel()
	proxyURL, _, _ := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		if asked := r.Header["Accept-Encoding"]; asked != nil {
			t.Errorf("Accept-Encoding is %q", asked)
		}
	})
	call(t, plainClient(t).Transport, "GET", proxyURL+"/", "")
}

func TestTheProxyStreamsResponsesOfAKnownLength(t *testing.T) {
	t.Parallel()
	first := make(chan struct{})
	proxyURL, _, _ := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "13")
		_, _ = io.WriteString(w, "first\n")
		_ = http.NewResponseController(w).Flush()
		<-first
		_, _ = io.WriteString(w, "second\n")
	})
	req, err := http.NewRequestWithContext(t.Context(), "GET", proxyURL+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := plainClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); err != nil || line != "first\n" {
		t.Errorf("%q, %v", line, err)
	}
	close(first)
	if rest, err := io.ReadAll(lines); err != nil || string(rest) != "second\n" || resp.ContentLength != 13 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestTheProxyPassesCompressedBodies(t *testing.T) {
	t.Parallel()
	body := encoded("gzip", loginOut)
	proxyURL, _, found := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("Accept-Encoding is %q", r.Header["Accept-Encoding"])
		}
		canned(200, body, jsonType, setToken, "Content-Encoding: gzip").ServeHTTP(w, r)
	})
	req, err := http.NewRequestWithContext(t.Context(), "POST", proxyURL+"/log_in", strings.NewReader(loginIn))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := plainClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if data, err := io.ReadAll(resp.Body); err != nil || string(data) != body || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%q, %v", data, err)
	}
	if got := found.take(); len(got) > 0 {
		t.Error(got)
	}
}

func TestTheProxyStreamsRequests(t *testing.T) {
	t.Parallel()
	received := make(chan string)
	proxyURL, _, _ := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			received <- lines.Text()
		}
	})
	for _, path := range []string{"/stream", "/log_in"} { // checked or not
		read, write := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), "POST", proxyURL+path, read)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for _, line := range []string{"first", "second"} {
				_, _ = io.WriteString(write, line+"\n")
				if got := <-received; got != line { // before the request ends
					t.Errorf("%s: %q, want %q", path, got, line)
				}
			}
			_ = write.Close()
		}()
		resp, err := plainClient(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
}

// With HTTP/2, a response may begin before its request ends.
func TestTheProxyStreamsBothWays(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			_, _ = io.WriteString(w, "echo "+lines.Text()+"\n")
			_ = control.Flush()
		}
	}))
	t.Cleanup(srv.Close)
	checker, _ := newChecker(t, srv.URL, ownDocument)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewUnstartedServer(checker.Proxy(u))
	proxy.EnableHTTP2 = true
	proxy.StartTLS()
	t.Cleanup(proxy.Close)
	for _, path := range []string{"/stream", "/log_in"} {
		read, write := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), "POST", proxy.URL+path, read)
		if err != nil {
			t.Fatal(err)
		}
		first := make(chan struct{})
		go func() {
			_, _ = io.WriteString(write, "first\n")
			<-first
			_, _ = io.WriteString(write, "second\n")
			_ = write.Close()
		}()
		resp, err := proxy.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(resp.Body)
		if line, err := lines.ReadString('\n'); err != nil || line != "echo first\n" {
			t.Errorf("%s: %q, %v", path, line, err)
		}
		close(first)
		if rest, err := io.ReadAll(lines); err != nil || string(rest) != "echo second\n" {
			t.Errorf("%s: %q, %v", path, rest, err)
		}
		_ = resp.Body.Close()
	}
}

func TestAClientThatLeavesTheProxyEndsTheRequest(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan struct{}), make(chan struct{})
	proxyURL, _, found := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Set-Cookie", "sessions="+token)
		_, _ = io.WriteString(w, loginOut[:20])
		_ = http.NewResponseController(w).Flush()
		close(begun)
		<-r.Context().Done()
		close(ended)
	})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", proxyURL+"/log_in", strings.NewReader(loginIn))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := plainClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	cancel()
	<-ended
	_ = resp.Body.Close()
	if got := found.take(); len(got) > 0 { // what is known of the body is right
		t.Error(got)
	}
}

// What the program never got is not checked, and can be seen in the report.
func TestTheReportCountsRequestsWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	checker, found := newChecker(t, "http://127.0.0.1:1/v1", ownDocument)
	up, err := url.Parse("http://127.0.0.1:1/v1")
	if err != nil {
		t.Fatal(err)
	}
	handler := checker.Proxy(up)
	for range 2 {
		req := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/log_in", strings.NewReader(loginIn))
		req.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, req)
		if recorder.Code != http.StatusBadGateway {
			t.Error(recorder.Code)
		}
	}
	for i, c := range checker.Report().Checks {
		if c.ID == "Login" && (c.Outcome != contract.Skipped || !strings.Contains(c.Detail, "no answer to it was seen: 2 requests")) {
			t.Errorf("%d: %s %s", i, c.Outcome, c.Detail)
		}
	}
	if got := found.take(); len(got) > 0 || checker.Report().Coverage() > 0 {
		t.Error(got, checker.Report().Coverage())
	}
	fake := newServer(t)
	checker, _ = newChecker(t, fake.URL, ownDocument)
	lost := errors.New("lost")
	answers := []http.RoundTripper{nil, roundTripper(func(*http.Request) (*http.Response, error) { return nil, lost })}
	for _, base := range answers {
		req, err := http.NewRequestWithContext(t.Context(), "POST", fake.URL+"/log_in", strings.NewReader(loginIn))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := checker.Transport(base).RoundTrip(req)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	for _, c := range checker.Report().Checks {
		if c.ID == "Login" && (c.Outcome != contract.Passed || c.Detail != "2 exchanges, 1 without an answer") {
			t.Error(c.Outcome, c.Detail)
		}
	}
}

func TestTheProxySpeaksHTTP2ToItsUpstream(t *testing.T) { //nolint:paralleltest // it changes what is global
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("the upstream was asked by %s", r.Proto)
		}
		w.Header().Set("Trailer", "X-End")
		goodLogin.ServeHTTP(w, r)
		w.Header().Set("X-End", "yes")
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	before := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = before })
	http.DefaultTransport = srv.Client().Transport
	proxyURL, found := startProxy(t, srv.URL, srv.URL)
	http.DefaultTransport = before
	req, err := http.NewRequestWithContext(t.Context(), "POST", proxyURL+"/log_in", strings.NewReader(loginIn))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := plainClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil || string(data) != loginOut || resp.ProtoMajor != 1 || resp.Trailer.Get("X-End") != "yes" {
		t.Errorf("%s: %s, %v, %v", resp.Proto, data, resp.Trailer, err)
	}
	if got := found.take(); len(got) > 0 {
		t.Error(got)
	}
}

// A request whose body nobody reads leaves its connection intact.
func TestTheProxySurvivesBodiesThatAreNotRead(t *testing.T) {
	t.Parallel()
	checker, _ := newChecker(t, "http://127.0.0.1:1", ownDocument)
	dead, err := url.Parse("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	var logged syncedText
	proxy := httptest.NewUnstartedServer(checker.Proxy(dead))
	proxy.Config.ErrorLog = log.New(&logged, "", 0)
	proxy.Start()
	client := plainClient(t)
	for range 50 {
		req, err := http.NewRequestWithContext(t.Context(), "POST", proxy.URL+"/log_in", io.MultiReader(strings.NewReader(loginIn)))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	proxy.Close()
	if text := logged.String(); text != "" {
		t.Error(text)
	}
}

// A syncedText is a text that several goroutines write.
type syncedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *syncedText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *syncedText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
