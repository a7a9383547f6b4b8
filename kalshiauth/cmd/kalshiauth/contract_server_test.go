package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// listen starts a server, which logs nothing.
func listen(t *testing.T, handler http.Handler, start func(*httptest.Server)) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	start(server)
	t.Cleanup(server.Close)
	return server
}

// hangUp closes the connection of a request without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestContractWaitsUntilTheServerAnswers(t *testing.T) {
	t.Parallel()
	fake := kalshiauthtest.NewUnstartedServer()
	t.Cleanup(fake.Close)
	var requests atomic.Int32
	server := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) <= 3 {
			hangUp(w, r)
		}
		fake.Handler().ServeHTTP(w, r)
	}), (*httptest.Server).Start)
	call{args: []string{"-base-url", server.URL, "-wait", "1m"}}.expect(t, 0, "")
	call{args: []string{"-base-url", nobody, "-wait", "1ms"}}.expect(t, 2, "no server answered at "+nobody+" within -wait 1ms")
}

func TestContractStopsWaitingOnAnInterrupt(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted")
	}
	asked := make(chan struct{}, 1)
	server := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		hangUp(w, r)
	}), (*httptest.Server).Start)
	file := filepath.Join(t.TempDir(), "report.json")
	cmd, stdout, stderr := call{args: []string{"-base-url", server.URL, "-wait", "1h", "-report", "json=" + file}}.command(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("exit %d, printed %q and %q", code, stdout, stderr)
	}
	readReport(t, file)
}

func TestContractRestoresThePasswordOnAnInterrupt(t *testing.T) {
	t.Parallel()
	fake, readMail := newMailingFake(t)
	file := filepath.Join(t.TempDir(), "report.json")
	c := call{
		args: []string{"-base-url", fake.URL, "-email", email, "-reset-code-cmd", readMail, "-report", "json=" + file},
		env:  []string{"KALSHI_PASSWORD=" + password},
	}
	cmd, stdout, stderr := c.command(t)
	var interrupted atomic.Bool
	fake.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			if r.Method != http.MethodPut || interrupted.Load() || logIn(r.Context(), t, fake.URL) == nil {
				return
			}
			interrupted.Store(true) // the account has another password now
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
			<-r.Context().Done()
		})
	})
	_ = cmd.Run()
	showsNoSecret(t, "the output", stdout.String()+stderr.String())
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("exit %d, printed %q and %q", code, stdout, stderr)
	}
	readReport(t, file)
	if err := logIn(t.Context(), t, fake.URL); err != nil || !interrupted.Load() {
		t.Errorf("interrupted: %v; then: %v", interrupted.Load(), err)
	}
}

func TestContractShowsAPasswordThatItCouldNotRestoreInTheLastLine(t *testing.T) {
	t.Parallel()
	fake, readMail := newMailingFake(t)
	fake.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/passwords/reset" && logIn(r.Context(), t, fake.URL) != nil {
				http.Error(w, "no more mails", http.StatusInternalServerError)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	folder := t.TempDir()
	args := []string{"-base-url", fake.URL, "-email", email, "-reset-code-cmd", readMail, "-report", "text"}
	for _, format := range fileFormats() {
		args = append(args, "-report", format+"="+filepath.Join(folder, format))
	}
	stdout, stderr := call{args: args, env: []string{"KALSHI_PASSWORD=" + password}}.expect(t, 1, "the contract is broken")
	rest, last, found := strings.Cut(stderr, "The account "+email+" now has the password ")
	changed := strings.TrimSuffix(last, "\n")
	if !found || changed == "" || strings.Contains(changed, "\n") {
		t.Fatalf("printed %q", stderr)
	}
	for _, format := range fileFormats() {
		rest += readReport(t, filepath.Join(folder, format))
	}
	if strings.Contains(rest+stdout, changed) {
		t.Errorf("the password is shown elsewhere, too: %s%s", rest, stdout)
	}
	fake.Intercept(nil)
	call{args: []string{"-base-url", fake.URL, "-email", email}, env: []string{"KALSHI_PASSWORD=" + changed}}.expect(t, 0, "")
}

func TestContractSendsHeadersAndShowsThemNowhere(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	var without atomic.Int32
	fake.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			key := r.Header.Get("X-Gateway-Key")
			if key != headerSecret || r.Host != "api.example.com" || len(r.Header["X-Env"]) != 2 {
				without.Add(1)
			}
			if r.URL.Path == "/log_out" {
				w.Header().Set("X-Echo", key)
				w.Header().Set("Content-Type", "text/html; "+key)
				http.Error(w, "you sent "+key, http.StatusTeapot)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	folder := t.TempDir()
	args := []string{
		"-base-url", fake.URL, "-header", "X-Gateway-Key: " + headerSecret, "-header", "X-Env:three",
		"-report", "text", "-wait", "10s",
	}
	for _, format := range fileFormats() {
		args = append(args, "-report", format+"="+filepath.Join(folder, format))
	}
	env := []string{"KALSHI_HEADERS=Host: api.example.com\r\n\nx-env: one, two\n"}
	call{args: args, env: env}.expect(t, 1, "the contract is broken")
	for _, format := range fileFormats() {
		readReport(t, filepath.Join(folder, format))
	}
	if n := without.Load(); n != 0 {
		t.Errorf("%d requests came without the headers", n)
	}
}

func TestContractTrustsTheGivenCertificates(t *testing.T) {
	t.Parallel()
	fake := kalshiauthtest.NewUnstartedServer()
	t.Cleanup(fake.Close)
	server := listen(t, fake.Handler(), func(s *httptest.Server) {
		s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
		s.EnableHTTP2 = true
		s.StartTLS()
	})
	ca := writeFile(t, "ca.pem", pemOf("CERTIFICATE", server.Certificate().Raw))
	cert, key := clientCertificate(t)
	base := []string{"-base-url", server.URL}
	call{args: base}.expect(t, 2, "give its CA with -cacert FILE")
	call{args: append(base, "-cacert", ca)}.expect(t, 2, "no answer") // the server wants the client's
	call{args: append(base, "-cacert", ca, "-cert", cert, "-key", key)}.expect(t, 0, "")
	call{args: append(base, "-cacert", ca, "-cert", ca, "-key", key)}.expect(t, 2, "-cert and -key: ")
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// clientCertificate returns the files of a certificate and its key.
func clientCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "cert.pem", pemOf("CERTIFICATE", der)), writeFile(t, "key.pem", pemOf("PRIVATE KEY", privateDER))
}

func TestContractSendsPlainHTTPToOtherHostsOnlyWhereItIsAllowed(t *testing.T) {
	t.Parallel()
	fake := newFake(t) // as the proxy to a host that does not exist
	c := call{args: []string{"-base-url", "http://api.example.invalid"}, env: []string{"HTTP_PROXY=" + fake.URL}}
	c.expect(t, 2, "http would send the password to api.example.invalid unencrypted: use https, or allow it with -insecure-http")
	c.args = append(c.args, "-insecure-http")
	c.expect(t, 0, "")
}

func TestContractSaysWhereTheServerSpeaksAnotherProtocol(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	plain := listen(t, fake.Handler(), (*httptest.Server).Start)
	secure := listen(t, fake.Handler(), (*httptest.Server).StartTLS)
	ssh, alert := greet(t, "SSH-2.0-OpenSSH_9.9\r\n"), greet(t, "\x15\x03\x01\x00\x02\x02\x46")
	moved := listen(t, http.NotFoundHandler(), (*httptest.Server).Start)
	redirects := listen(t, http.RedirectHandler("https://example.com/", http.StatusMovedPermanently), (*httptest.Server).Start)
	for _, c := range []struct{ baseURL, want string }{
		{strings.Replace(plain.URL, "http", "https", 1), "The server speaks http, and the base URL is one of https"},
		{strings.Replace(secure.URL, "https", "http", 1), "The server speaks https, and the base URL is one of http"},
		{"http://" + alert, "The server speaks https, and the base URL is one of http"},
		{"http://" + ssh, "The server does not speak HTTP: check the port"},
		{"https://" + ssh, "The server does not speak TLS: check the scheme and the port"},
		{moved.URL, "Every answer is 404: the base URL may lack a path such as /v1"},
		{redirects.URL, "Every answer is a redirect: check the scheme, the host"},
		{nobody, "No server listens there"},
	} {
		code, stdout, stderr := call{args: []string{"-base-url", c.baseURL}}.run(t)
		if code == 0 || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, printed %q and %q, want %q", c.baseURL, code, stdout, stderr, c.want)
		}
	}
}

// greet listens for connections, and sends each a text before it closes it.
func greet(t *testing.T, text string) (address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_, _ = fmt.Fprint(conn, text)
				if tcp, ok := conn.(*net.TCPConn); ok {
					_ = tcp.CloseWrite()
				}
				_, _ = io.Copy(io.Discard, conn) // until the client has gone
			}()
		}
	}()
	return listener.Addr().String()
}

func TestContractChecksAServerOfHTTP10(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	server := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		fake.Handler().ServeHTTP(answer, r)
		conn, out, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = fmt.Fprintf(out, "HTTP/1.0 %d X\r\n", answer.Code)
		_ = answer.Header().Write(out)
		_, _ = fmt.Fprintf(out, "\r\n%s", answer.Body)
		_ = out.Flush()
		_ = conn.Close()
	}), (*httptest.Server).Start)
	call{args: []string{"-base-url", server.URL}}.expect(t, 0, "")
}
