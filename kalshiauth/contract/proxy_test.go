package contract_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// startProxy starts a proxy to upstream.
func startProxy(t *testing.T, baseURL, upstream string) (proxyURL string, found *violations) {
	t.Helper()
	checker, found := newChecker(t, baseURL, ownDocument)
	u, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(checker.Proxy(u))
	t.Cleanup(proxy.Close)
	return proxy.URL, found
}

func TestTheProxyPassesCallsOnAndChecksThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ prefix, baseURL, upstream, client string }{
		"without a path":                {"", "%s", "%s", "%s"},
		"with a path":                   {"/v1", "%s/v1", "%s/v1", "%s"},
		"with a path in both":           {"/v1", "%s/v1", "%s/v1", "%s/v1"},
		"with a slash at the end":       {"/v1", "%s/v1/", "%s/v1/", "%s"},
		"of a whole host":               {"/v1", "%s/v1", "%s", "%s/v1"},
		"with the base URL of a client": {"/v1", "http://localhost:9000", "%s/v1", "%s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opts []kalshiauthtest.Option
			if c.prefix != "" {
				opts = append(opts, kalshiauthtest.WithPathPrefix(c.prefix))
			}
			srv := newServer(t, opts...)
			host := strings.TrimSuffix(srv.URL, c.prefix)
			in := func(format string) string {
				if strings.Contains(format, "%s") {
					return fmt.Sprintf(format, host)
				}
				return format
			}
			proxyURL, found := startProxy(t, in(c.baseURL), in(c.upstream))
			client, err := kalshiauth.New(kalshiauth.WithBaseURL(fmt.Sprintf(c.client, proxyURL)))
			if err != nil {
				t.Fatal(err)
			}
			session, err := client.Login(t.Context(), credentials)
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Logout(t.Context(), session); err != nil {
				t.Fatal(err)
			}
			if got := found.take(); len(got) > 0 {
				t.Error(got)
			}
			call(t, http.DefaultTransport, "POST", fmt.Sprintf(c.client, proxyURL)+"/log_in", "{}", jsonType)
			if got := found.take(); len(got) != 2 || srv.Requests("Login") != 2 {
				t.Errorf("%d log-ins, %v", srv.Requests("Login"), got)
			}
		})
	}
}

func TestTheProxyRunsTheChecks(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	proxyURL, found := startProxy(t, srv.URL, srv.URL)
	target := targetOf(srv)
	target.BaseURL, target.HTTPClient = proxyURL, nil
	if report := run(t, target); !report.OK() || report.Count(contract.Skipped) > 0 {
		t.Error(failures(report))
	}
	for _, v := range found.take() {
		if v.In == contract.Response {
			t.Error(v)
		}
	}
}

func TestTheProxyStreams(t *testing.T) {
	t.Parallel()
	first := make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-End")
		_, _ = io.WriteString(w, "first\n")
		_ = http.NewResponseController(w).Flush()
		<-first
		_, _ = io.WriteString(w, "second\n")
		w.Header().Set("X-End", "yes")
	}))
	t.Cleanup(upstream.Close)
	proxyURL, _ := startProxy(t, upstream.URL, upstream.URL)
	req, err := http.NewRequestWithContext(t.Context(), "POST", proxyURL+"/log_in", strings.NewReader(loginIn))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); err != nil || line != "first\n" {
		t.Errorf("%q, %v", line, err)
	}
	close(first)
	if rest, err := io.ReadAll(lines); err != nil || string(rest) != "second\n" || resp.Trailer.Get("X-End") != "yes" {
		t.Errorf("%q, %v, %v", rest, resp.Trailer, err)
	}
}

func TestTheProxyPassesUpgrades(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "echo" {
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := buffered.ReadString('\n')
		_, _ = io.WriteString(conn, "echo "+line)
	}))
	t.Cleanup(upstream.Close)
	proxyURL, found := startProxy(t, upstream.URL, upstream.URL)
	for path, violations := range map[string]int{"/stream": 0, "/log_in": 2} { // the handshake is checked
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(proxyURL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", path)
		in := bufio.NewReader(conn)
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(resp, err)
		}
		_, _ = io.WriteString(conn, "hello\n")
		if line, err := in.ReadString('\n'); err != nil || line != "echo hello\n" {
			t.Errorf("%q, %v", line, err)
		}
		if got := found.take(); len(got) != violations {
			t.Errorf("%s: %v", path, got)
		}
		_ = resp.Body.Close()
	}
}

func TestTheProxySaysThatTheUpstreamIsNotThere(t *testing.T) {
	t.Parallel()
	proxyURL, found := startProxy(t, "http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1")
	req, err := http.NewRequestWithContext(t.Context(), "PUT", proxyURL+"/passwords/reset/"+code+"/confirm", strings.NewReader(confirmIn))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 502 || !strings.Contains(string(body), "did not answer") {
		t.Errorf("%d: %s", resp.StatusCode, body)
	}
	wantNoSecret(t, string(body))
	if got := found.take(); len(got) > 0 {
		t.Error(got)
	}
}

func TestTheProxySpeaksHTTP2(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	checker, found := newChecker(t, srv.URL, ownDocument)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewUnstartedServer(checker.Proxy(u))
	proxy.EnableHTTP2 = true
	proxy.StartTLS()
	t.Cleanup(proxy.Close)
	req, err := http.NewRequestWithContext(t.Context(), "POST", proxy.URL+"/log_in", strings.NewReader(loginIn))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := proxy.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := found.take(); resp.ProtoMajor != 2 || resp.StatusCode != 200 || len(got) > 0 {
		t.Error(resp.Proto, resp.StatusCode, got)
	}
}
