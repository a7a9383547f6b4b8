package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

const (
	email    = "trader@example.com"
	password = "correct horse battery"
	userID   = "6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e"
	token    = "XLSXH6PF5C3ZDU3QIRZZYKYEKK" //nolint:gosec // made up
)

// Paths that the server has below its URL. Below refusing, operations are refused.
const (
	balance  = "/portfolio/balance"
	refusing = "/refusing"
)

// A framing is how a client learns where a body ends.
type framing string

const (
	length  framing = "Content-Length"
	zero    framing = "Content-Length 0"  // as test doubles often leave it; in memory only
	absent  framing = "no Content-Length" // -1; in memory only
	chunked framing = "chunked"           // loopback only
	gzipped framing = "gzip"              // loopback only
)

// bodySizes are those of the log-in's answers for each framing.
var bodySizes = []string{"0.2", "2", "20"} // KiB

func framingPath(f framing, size string) string {
	return "/" + strings.ReplaceAll(string(f), " ", "-") + "/" + size
}

// An answer is what the server says to all requests for a path.
type answer struct {
	status  int
	header  http.Header
	body    string
	framing framing
}

// answers are those of the server by path. They have the headers and fields that Kalshi documents.
var answers = allAnswers()

func allAnswers() map[string]answer {
	all := map[string]answer{
		balance:    {http.StatusOK, jsonHeader(""), `{"balance":125000}`, length},
		"/log_in":  loginAnswer(length, 0),
		"/log_out": {http.StatusNoContent, http.Header{"Date": date}, "", length},
		refusing + "/log_in": {
			http.StatusUnauthorized, jsonHeader(""), `{"code":"invalid_credentials","message":"Wrong e-mail or password.",` +
				`"details":"No account has this e-mail and password.","service":"users"}`, length,
		},
	}
	for _, f := range []framing{length, zero, absent, chunked, gzipped} {
		for _, size := range bodySizes {
			kibibytes, err := strconv.ParseFloat(size, 64)
			if err != nil {
				panic(err)
			}
			all[framingPath(f, size)+"/log_in"] = loginAnswer(f, int(kibibytes*1024))
		}
	}
	return all
}

// loginAnswer returns a successful log-in whose body has at least so many bytes. The document allows fields that it
// does not name.
func loginAnswer(f framing, size int) answer {
	body := `{"user_id":"` + userID + `","token":"` + token + `","access_level":"trading"`
	if missing := size - len(body) - len(`,"notice":""}`); missing > 0 {
		body += `,"notice":"` + strings.Repeat("x", missing) + `"`
	}
	header := jsonHeader("sessions=" + token + "; Path=/; HttpOnly; Secure; SameSite=Lax")
	return answer{http.StatusOK, header, body + "}", f}
}

var date = []string{"Mon, 06 Jul 2026 12:00:00 GMT"}

func jsonHeader(cookie string) http.Header {
	h := http.Header{"Content-Type": {"application/json"}, "Date": date}
	if cookie != "" {
		h.Set("Set-Cookie", cookie)
	}
	return h
}

// A place is where the server is.
type place struct {
	name      string
	url       string
	transport http.RoundTripper // to the server, shared by the candidates
	framings  []framing
}

func places(loopbackURL string) []place {
	return []place{
		{inMemory, "http://127.0.0.1:1", memory{}, []framing{length, zero, absent}},
		{onLoopback, loopbackURL, &http.Transport{MaxIdleConnsPerHost: 100}, []framing{length, chunked, gzipped}},
	}
}

// memory is a transport that answers at once, which shows what a client costs by itself.
type memory struct{}

// body is a response's body, in one allocation.
type body struct{ strings.Reader }

func (*body) Close() error { return nil }

// RoundTrip implements [http.RoundTripper].
func (memory) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil { // a transport reads and closes it
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return nil, fmt.Errorf("reading the request's body: %w", err)
		}
		_ = req.Body.Close()
	}
	a, ok := answers[req.URL.Path]
	if !ok {
		return nil, fmt.Errorf("there is no %s", req.URL.Path)
	}
	var size int64
	switch a.framing {
	case zero:
	case absent:
		size = -1
	default:
		size = int64(len(a.body))
	}
	b := new(body)
	b.Reset(a.body)
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: b, ContentLength: size, Request: req,
	}, nil
}

func reply(w http.ResponseWriter, r *http.Request) {
	a, ok := answers[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	maps.Copy(w.Header(), a.header)
	body := []byte(a.body)
	if a.framing == gzipped {
		var compressed bytes.Buffer
		z := gzip.NewWriter(&compressed)
		_, _ = z.Write(body)
		_ = z.Close()
		body = compressed.Bytes()
		w.Header().Set("Content-Encoding", "gzip")
	}
	if a.framing != chunked && a.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(a.status)
	if a.framing == chunked {
		_ = http.NewResponseController(w).Flush()
	}
	_, _ = w.Write(body)
}

// serveEnv makes this program a server on loopback. The server is a process of its own, since what it allocates is no
// cost of a client.
const serveEnv = "KALSHIAUTH_BENCH_SERVE"

// startServer runs this program as the server, and returns its URL.
func startServer() (url string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, fmt.Errorf("finding this program: %w", err)
	}
	cmd := exec.Command(self) //nolint:gosec,noctx // this program itself, which ends with its standard input
	cmd.Env = append(os.Environ(), serveEnv+"=1")
	cmd.Stderr = os.Stderr
	stdin, inErr := cmd.StdinPipe()
	stdout, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("starting it: %w", err)
	}
	stop = func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("reading its URL: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

// serve answers on a free port of loopback until stdin ends, and writes its URL to stdout.
func serve(stdin io.Reader, stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // ends with the process
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	if _, err := fmt.Fprintf(stdout, "http://%s\n", listener.Addr()); err != nil {
		return fmt.Errorf("printing the URL: %w", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(reply)} //nolint:gosec // its one client is this benchmark
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
