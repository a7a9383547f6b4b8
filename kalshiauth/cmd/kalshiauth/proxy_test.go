package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// A running is a proxy that the built command runs.
type running struct {
	url    string
	cmd    *exec.Cmd
	stdout io.Reader
	stderr *strings.Builder // what it prints after "proxying"
	closed chan struct{}    // when standard error has ended
}

// startProxy starts the proxy, and waits until it listens.
func startProxy(t *testing.T, upstream string, args ...string) *running {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted")
	}
	cmd, stdout, _ := call{args: append([]string{"proxy", "-listen", "127.0.0.1:0", "-upstream", upstream}, args...)}.command(t)
	cmd.Stderr = nil
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &running{cmd: cmd, stdout: stdout, stderr: new(strings.Builder), closed: make(chan struct{})}
	lines := bufio.NewReader(pipe)
	line, err := lines.ReadString('\n')
	words := strings.Fields(line)
	if err != nil || len(words) != 4 || words[0]+" "+words[2] != "proxying to" || words[3] != upstream {
		t.Fatalf("printed %q (%v)", line, err)
	}
	p.url = words[1]
	go func() {
		defer close(p.closed)
		_, _ = io.Copy(p.stderr, lines)
	}()
	return p
}

// stop sends a signal, and returns the exit code and the output.
func (p *running) stop(t *testing.T, signal os.Signal) (code int, stdout, stderr string) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	return p.wait(t)
}

func (p *running) wait(t *testing.T) (code int, stdout, stderr string) {
	t.Helper()
	<-p.closed
	_ = p.cmd.Wait()
	out, err := io.ReadAll(p.stdout)
	if err != nil {
		t.Fatal(err)
	}
	showsNoSecret(t, "standard output", string(out))
	showsNoSecret(t, "standard error", p.stderr.String())
	return p.cmd.ProcessState.ExitCode(), string(out), p.stderr.String()
}

func TestTheProxyPassesTrafficOnAndEndsNormally(t *testing.T) {
	t.Parallel()
	fake := newFake(t, kalshiauthtest.WithPathPrefix("/v1"))
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		file := filepath.Join(t.TempDir(), "report.json")
		p := startProxy(t, fake.URL, "-report", "json="+file, "-min-coverage", "0%")
		if err := logIn(t.Context(), t, p.url); err != nil {
			t.Error(err)
		}
		if code, stdout, stderr := p.stop(t, signal); code != 0 || stdout != "" || stderr != "" {
			t.Errorf("%s: exit %d, printed %q and %q", signal, code, stdout, stderr)
		}
		if report := readReport(t, file); !json.Valid([]byte(report)) {
			t.Errorf("the report is %q", report)
		}
	}
}

func TestTheProxyPrintsEachViolationAndExitsWith1(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	fake.Intercept(kalshiauthtest.On("Login", kalshiauthtest.HTML(http.StatusOK)))
	for _, toStdout := range []bool{false, true} {
		var args []string
		if toStdout {
			args = []string{"-report", "json"}
		}
		p := startProxy(t, fake.URL, args...)
		_ = logIn(t.Context(), t, p.url)
		code, stdout, stderr := p.stop(t, os.Interrupt)
		violations := stdout
		if toStdout {
			violations, _, _ = strings.Cut(stderr, "kalshiauth:")
		}
		if code != 1 || !strings.HasPrefix(violations, "Login: response: ") || json.Valid([]byte(stdout)) != toStdout ||
			!strings.Contains(stderr, "the contract is broken: violations: ") {
			t.Errorf("exit %d, printed %q and %q", code, stdout, stderr)
		}
	}
}

func TestTheProxyLetsExchangesInFlightEnd(t *testing.T) {
	t.Parallel()
	arrived, finish := make(chan struct{}), make(chan struct{})
	fake := newFake(t)
	fake.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/log_in" {
				close(arrived)
				<-finish
			}
			next.ServeHTTP(w, r)
		})
	})
	p := startProxy(t, fake.URL)
	failed := make(chan error, 1)
	go func() {
		client, err := kalshiauth.New(kalshiauth.WithBaseURL(p.url), kalshiauth.WithRetries(0))
		if err == nil {
			_, err = client.Login(t.Context(), kalshiauth.Credentials{Email: email, Password: password})
		}
		failed <- err
	}()
	<-arrived
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	// Once it no longer listens, the interrupt has been seen.
	for {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	close(finish)
	if err := <-failed; err != nil {
		t.Error(err)
	}
	if code, stdout, stderr := p.wait(t); code != 0 || stdout != "" || stderr != "" {
		t.Errorf("exit %d, printed %q and %q", code, stdout, stderr)
	}
}

func TestTheProxySpeaksHTTP2WithoutTLS(t *testing.T) {
	t.Parallel()
	p := startProxy(t, newFake(t).URL)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	body := fmt.Sprintf(`{"email":%q,"password":%q}`, email, password)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/log_in", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	transport.CloseIdleConnections() // or the proxy would wait for it
	if resp.ProtoMajor != 2 || resp.StatusCode != 200 {
		t.Errorf("the answer is %s, %s", resp.Proto, resp.Status)
	}
	if code, stdout, stderr := p.stop(t, os.Interrupt); code != 0 || stdout != "" || stderr != "" {
		t.Errorf("exit %d, printed %q and %q", code, stdout, stderr)
	}
}

func TestTheProxyEndsConnectionsAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	upstream := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.Copy(conn, buffered)
		_ = conn.Close()
	}), (*httptest.Server).Start)
	p := startProxy(t, upstream.URL)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, _ = io.WriteString(conn, "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	answers := bufio.NewReader(conn)
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	_, _ = io.WriteString(conn, "hello\n")
	if line, err := answers.ReadString('\n'); line != "hello\n" || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("the answer is %s, then %q (%v)", resp.Status, line, err)
	}
	if code, stdout, stderr := p.stop(t, os.Interrupt); code != 0 || stdout != "" || stderr != "" {
		t.Errorf("exit %d, printed %q and %q", code, stdout, stderr)
	}
}

func TestTheProxyTrustsTheGivenCertificates(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	secure := listen(t, fake.Handler(), (*httptest.Server).StartTLS)
	ca := writeFile(t, "ca.pem", pemOf("CERTIFICATE", secure.Certificate().Raw))
	p := startProxy(t, secure.URL, "-cacert", ca)
	if err := logIn(t.Context(), t, p.url); err != nil {
		t.Error(err)
	}
	if code, stdout, stderr := p.stop(t, os.Interrupt); code != 0 || stdout != "" || stderr != "" {
		t.Errorf("exit %d, printed %q and %q", code, stdout, stderr)
	}
}

func TestTheProxySaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0") //nolint:usetesting // until the test ends
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	file := filepath.Join(t.TempDir(), "report.json")
	base := []string{"proxy", "-upstream", nobody}
	for want, args := range map[string][]string{
		"the server is missing: give -upstream URL": {"proxy"},
		"-upstream is empty":                        {"proxy", "-upstream", ""},
		"-upstream: not an absolute URL":            {"proxy", "-upstream", "example.com"},
		"to example.com unencrypted":                {"proxy", "-upstream", "http://example.com"},
		"-listen 0.0.0.0:0 would take passwords":    append(base, "-listen", "0.0.0.0:0"),
		"-listen :0 would take passwords":           append(base, "-listen", ":0"),
		`-listen is "8081": give HOST:PORT`:         append(base, "-listen", "8081"),
		"address already in use":                    append(base, "-listen", taken.Addr().String(), "-report", "json="+file),
		"-listen is empty":                          append(base, "-listen", ""),
		"-document: open none":                      append(base, "-document", "none"),
		"there is no format":                        append(base, "-report", "yaml"),
		`-min-coverage is "x"`:                      append(base, "-min-coverage", "x"),
		"-cacert: open none":                        append(base, "-cacert", "none"),
		"-cert and -key belong":                     append(base, "-cert", "none"),
		"flag provided but not defined: -base-url":  {"proxy", "-base-url", nobody},
		`takes no argument "x"`:                     append(base, "x"),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS == "windows" && strings.HasPrefix(want, "address") {
				t.Skip("Windows says it in other words")
			}
			call{args: args}.expect(t, 2, want)
		})
	}
	t.Cleanup(func() { readReport(t, file) }) // after the parallel tests
}
