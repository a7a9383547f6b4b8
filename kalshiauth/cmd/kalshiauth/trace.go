package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

// traced are the commands that have -v: those that send requests.
var traced = []string{
	"kalshiauth login", "kalshiauth logout", "kalshiauth reset-password", "kalshiauth reset-password-confirm",
	"kalshiauth demo", "kalshiauth contract run",
}

func traceFlag() cli.Flag {
	return &cli.BoolFlag{
		Name: "v", Aliases: []string{"verbose"},
		Usage: "print each request and its answer on standard error, without bodies and secrets",
	}
}

// shownHeaders are the headers whose values a trace shows, besides those that the document has for errors.
var shownHeaders = []string{
	"Accept", "Accept-Encoding", "Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Type",
	"Date", "Retry-After", "Server", "User-Agent", "Via", "X-Request-Id",
}

// secretVariables hold secrets that a server could send back.
var secretVariables = []string{"KALSHI_PASSWORD", "KALSHI_OTHER_PASSWORD", "KALSHI_NEW_PASSWORD", "KALSHI_RESET_CODE"}

// trace returns base or, with -v, a transport that prints what passes, without secrets. A base of nil is
// [http.DefaultTransport].
func trace(cmd *cli.Command, baseURL string, base http.RoundTripper, secrets ...string) http.RoundTripper {
	if !cmd.Bool("v") {
		return base
	}
	t := &tracer{base: base, out: cmd.Root().ErrWriter}
	if base == nil {
		t.base = http.DefaultTransport
	}
	if u, err := url.Parse(baseURL); err == nil {
		t.literals = strings.Split(u.EscapedPath(), "/")
	}
	t.shown = slices.Clone(shownHeaders)
	for _, op := range document.API().Operations {
		t.literals = append(t.literals, strings.Split(op.Path, "/")...)
		for status, response := range op.Operation.Responses.Map() {
			if !strings.HasPrefix(status, "2") {
				t.shown = slices.AppendSeq(t.shown, maps.Keys(response.Value.Headers))
			}
		}
	}
	for _, variable := range secretVariables {
		secrets = append(secrets, os.Getenv(variable))
	}
	for _, secret := range secrets {
		t.learn(secret)
	}
	return t
}

// traceOptions returns the option for a client that prints what passes.
func traceOptions(cmd *cli.Command, baseURL string) []kalshiauth.Option {
	if !cmd.Bool("v") {
		return nil
	}
	return []kalshiauth.Option{kalshiauth.WithHTTPClient(&http.Client{Transport: trace(cmd, baseURL, nil)})}
}

// A tracer prints requests and answers without secrets: it shows only segments of the path that the document or the
// base URL has, no value of a query, and values of a few headers, unless they contain a secret that passed.
type tracer struct {
	base     http.RoundTripper
	out      io.Writer
	literals []string // of paths
	shown    []string // names of headers

	mu      sync.Mutex // guards secrets and what is printed
	secrets redact.Secrets
}

func (t *tracer) RoundTrip(req *http.Request) (*http.Response, error) {
	t.learnRequest(req)
	t.print("> "+t.text(req.Method)+" "+t.url(req.URL), "> ", req.Header)
	started := time.Now()
	resp, err := t.base.RoundTrip(req)
	took := time.Since(started).Round(time.Millisecond)
	if err != nil {
		t.print(fmt.Sprintf("< no answer after %s: %s", took, t.text(inWords(err).Error())), "", nil)
		return resp, err //nolint:wrapcheck // a transport's errors are http.Client's to wrap
	}
	t.learnResponse(resp)
	t.print(fmt.Sprintf("< %s %s after %s", resp.Proto, t.text(resp.Status), took), "< ", resp.Header)
	return resp, nil
}

// learn keeps a secret, and the words of it: a value of a header may have a scheme, a name or attributes.
func (t *tracer) learn(secret string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	words := strings.FieldsFunc(secret, func(r rune) bool { return strings.ContainsRune(" ;=,:\"", r) })
	for _, text := range append(words, secret) {
		if !slices.Contains(t.secrets, text) {
			t.secrets = append(t.secrets, text)
		}
	}
}

func (t *tracer) learnRequest(req *http.Request) {
	for name, values := range req.Header {
		if !slices.Contains(t.shown, name) {
			for _, value := range values {
				t.learn(value)
			}
		}
	}
	for segment := range strings.SplitSeq(req.URL.EscapedPath(), "/") {
		if plain, err := url.PathUnescape(segment); err == nil && !slices.Contains(t.literals, segment) {
			t.learn(plain)
		}
	}
	if req.GetBody == nil {
		return
	}
	if body, err := req.GetBody(); err == nil {
		data, _ := io.ReadAll(io.LimitReader(body, maxTraced))
		_ = body.Close()
		t.learnBody(data)
	}
}

// maxTraced is how many bytes of a body are searched for secrets.
const maxTraced = 64 << 10

// learnResponse reads the beginning of the body, and puts it back.
func (t *tracer) learnResponse(resp *http.Response) {
	for _, cookie := range resp.Cookies() {
		t.learn(cookie.Value)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols || resp.Body == nil {
		return
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxTraced))
	t.learnBody(data)
	rest := io.Reader(resp.Body)
	if err != nil {
		rest = failing{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(data), rest), resp.Body}
}

// learnBody keeps the secrets of a JSON body.
func (t *tracer) learnBody(data []byte) {
	var value any
	if json.Unmarshal(data, &value) == nil {
		t.learnJSON("", value)
	}
}

func (t *tracer) learnJSON(name string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			t.learnJSON(name, v)
		}
	case []any:
		for _, v := range value {
			t.learnJSON(name, v)
		}
	case string:
		if document.API().IsPassword(name) || strings.Contains(strings.ToLower(name), "token") {
			t.learn(value)
		}
	}
}

// A failing reader returns the error that ended a body.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func (t *tracer) text(text string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.secrets.Text(text)
}

// url returns a URL without what could be a secret.
func (t *tracer) url(u *url.URL) string {
	segments := strings.Split(u.EscapedPath(), "/")
	for i, segment := range segments {
		if !slices.Contains(t.literals, segment) {
			segments[i] = redact.Mask
		}
	}
	shown := u.Scheme + "://" + u.Host + strings.Join(segments, "/")
	if u.RawQuery != "" {
		shown += "?" + redact.Mask
	}
	return shown
}

// print prints a line, and the headers below it.
func (t *tracer) print(line, prefix string, headers http.Header) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := []string{oneLine(line)}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		for _, value := range headers[name] {
			if value = t.secrets.Text(value); !slices.Contains(t.shown, name) {
				value = redact.Mask
			}
			lines = append(lines, oneLine(prefix+t.secrets.Text(name)+": "+value))
		}
	}
	_, _ = fmt.Fprintln(t.out, strings.Join(lines, "\n"))
}
