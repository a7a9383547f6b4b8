// Package interop_test tests the SDK with the real libraries of others. What it shows is described for users in
// .github/docs/interop.md, whose code blocks are parts of these files.
package interop_test

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

const (
	email    = "trader@example.com"
	password = "correct horse battery"
	baseURL  = "https://kalshi.example/v1" // of servers in memory
	balance  = `{"balance":1}`
)

var credentials = kalshiauth.Credentials{Email: email, Password: password}

// newServer returns a server in memory with one account and the endpoint "GET /balance".
func newServer(t *testing.T) (*kalshiauthtest.Server, kalshiauthtest.User) {
	t.Helper()
	server := kalshiauthtest.NewUnstartedServer(kalshiauthtest.WithPathPrefix("/v1"))
	t.Cleanup(server.Close)
	server.Handle("GET /balance", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, balance)
	}))
	return server, server.AddUser(email, password)
}

// newClient returns a client of a server in memory.
func newClient(t *testing.T, httpClient *http.Client, opts ...kalshiauth.Option) *kalshiauth.Client {
	t.Helper()
	client, err := kalshiauth.New(append([]kalshiauth.Option{
		kalshiauth.WithBaseURL(baseURL), kalshiauth.WithHTTPClient(httpClient),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func newSource(t *testing.T, client *kalshiauth.Client) *autologin.Source {
	t.Helper()
	source, err := autologin.New(client, autologin.StaticCredentials(credentials))
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// getBalance sends a request and returns the status of the response, after reading its body.
func getBalance(ctx context.Context, t *testing.T, client *http.Client) int {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, baseURL+"/balance", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// requestLog returns the operation and the status of each request that came, such as "Login OK".
func requestLog(server *kalshiauthtest.Server) string {
	var lines []string
	requests := server.RequestLog()
	for i := range requests {
		lines = append(lines, requests[i].Operation+" "+http.StatusText(requests[i].Status))
	}
	return strings.Join(lines, ", ")
}

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../.github/docs/interop.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestThePageShowsCodeThatTheTestsRun looks for each code block of the page in these files. Indentation and the comments
// for linters may differ.
func TestThePageShowsCodeThatTheTestsRun(t *testing.T) {
	t.Parallel()
	plain := func(code string) string {
		return regexp.MustCompile(`(?m)^\t+| //nolint:.*$`).ReplaceAllString(code, "")
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, file := range files {
		source, err := fs.ReadFile(os.DirFS("."), file)
		if err != nil {
			t.Fatal(err)
		}
		sources.WriteString(plain(string(source)))
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(page(t), -1)
	if len(blocks) == 0 {
		t.Error("the page has no code")
	}
	for _, block := range blocks {
		if !strings.Contains(sources.String(), plain(block[1])) {
			t.Errorf("no test runs this code of the page:\n%s", block[1])
		}
	}
}
