package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
)

const (
	email    = "trader@example.com"
	password = "correct horse battery"
	userID   = "6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e"
	token    = "XLSXH6PF5C3ZDU3QIRZZYKYEKK" //nolint:gosec // made up
)

// Paths that the server has below its URL. Below refusing, the operations are refused.
const (
	balance  = "/portfolio/balance"
	refusing = "/refusing"
)

// An answer is what the server says to all requests alike.
type answer struct {
	status int
	header http.Header
	body   string
}

// answers are those of the server by path. They have the headers and fields that Kalshi documents.
var answers = map[string]answer{
	balance: {http.StatusOK, jsonHeader(""), `{"balance":125000}`},
	"/log_in": {
		http.StatusOK, jsonHeader("sessions=" + token + "; Path=/; HttpOnly; Secure; SameSite=Lax"),
		`{"user_id":"` + userID + `","token":"` + token + `","access_level":"trading"}`,
	},
	"/log_out": {status: http.StatusNoContent, header: http.Header{"Date": date}},
	refusing + "/log_in": {
		http.StatusUnauthorized, jsonHeader(""), `{"code":"invalid_credentials","message":"Wrong e-mail or password.",` +
			`"details":"No account has this e-mail and password.","service":"users"}`,
	},
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
}

func places(loopbackURL string) []place {
	return []place{
		{inMemory, "http://127.0.0.1:1", memory{}},
		{onLoopback, loopbackURL, &http.Transport{MaxIdleConnsPerHost: 100}},
	}
}

// memory is a transport that has the answer at once, and so shows what a client costs by itself.
type memory struct{}

// body is that of a response: one allocation.
type body struct{ strings.Reader }

func (*body) Close() error { return nil }

func (memory) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil { // as a transport must
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return nil, fmt.Errorf("the request's body: %w", err)
		}
		_ = req.Body.Close()
	}
	a, ok := answers[req.URL.Path]
	if !ok {
		return nil, fmt.Errorf("there is no %s", req.URL.Path)
	}
	b := new(body)
	b.Reset(a.body)
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: b, ContentLength: int64(len(a.body)), Request: req,
	}, nil
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
	server := &http.Server{Handler: http.HandlerFunc(reply)} //nolint:gosec // of one client, which is ours
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

func reply(w http.ResponseWriter, r *http.Request) {
	a, ok := answers[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}
