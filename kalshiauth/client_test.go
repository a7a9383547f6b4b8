package kalshiauth_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

func TestNewTalksToProductionByDefault(t *testing.T) {
	t.Parallel()
	if got := newClient(t).BaseURL(); got != kalshiauth.ProductionURL {
		t.Errorf("BaseURL() = %q, want %q", got, kalshiauth.ProductionURL)
	}
}

func TestNewRefusesWrongOptions(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]kalshiauth.Option{
		"a nil option":          nil,
		"empty base URL":        kalshiauth.WithBaseURL(""),
		"relative base URL":     kalshiauth.WithBaseURL("/v1"),
		"base URL without host": kalshiauth.WithBaseURL("https:///v1"),
		"host without scheme":   kalshiauth.WithBaseURL("example.com/v1"),
		"scheme ftp":            kalshiauth.WithBaseURL("ftp://example.com"),
		"unparsable base URL":   kalshiauth.WithBaseURL("https://example.com/\n"),
		"base URL with query":   kalshiauth.WithBaseURL("https://example.com/v1?a=b"),
		"empty query":           kalshiauth.WithBaseURL("https://example.com/v1?"),
		"fragment":              kalshiauth.WithBaseURL("https://example.com/v1#a"),
		"empty fragment":        kalshiauth.WithBaseURL("https://example.com/v1#"),
		"path of two slashes":   kalshiauth.WithBaseURL("https://example.com//v1"),
		"port beyond 65535":     kalshiauth.WithBaseURL("https://x.test:99999"),
		"port 65536":            kalshiauth.WithBaseURL("https://x.test:65536/v1"),
		"port 0":                kalshiauth.WithBaseURL("https://x.test:0"),
		"negative port":         kalshiauth.WithBaseURL("https://x.test:-1"),
		"http to another host":  kalshiauth.WithBaseURL("http://example.com/v1"),
		"http to a private net": kalshiauth.WithBaseURL("http://10.0.0.1/v1"),
		"nil HTTP client":       kalshiauth.WithHTTPClient(nil),
		"nil logger":            kalshiauth.WithLogger(nil),
		"negative timeout":      kalshiauth.WithTimeout(-1),
		"negative retries":      kalshiauth.WithRetries(-1),
		"user agent with LF":    kalshiauth.WithUserAgent("a\nb"),
		"scheme of two words":   kalshiauth.WithAuthorizationScheme("Bearer token"),
		"scheme with LF":        kalshiauth.WithAuthorizationScheme("Bearer\n"),
	} {
		client, err := kalshiauth.New(opt)
		if client != nil || !errors.Is(err, kalshiauth.ErrInvalidInput) {
			t.Errorf("%s: New = %v, %v; want ErrInvalidInput", name, client, err)
		}
	}
}

func TestNewShowsNoPasswordOfABaseURL(t *testing.T) {
	t.Parallel()
	for _, baseURL := range []string{
		"https://user:hunter2@example.com", "https://user:hunter2#@example.com", "https://user:hunter2\n@example.com",
		"https://user:%zzhunter2@example.com", "user:hunter2@example.com",
	} {
		_, err := kalshiauth.New(kalshiauth.WithBaseURL(baseURL))
		if !errors.Is(err, kalshiauth.ErrInvalidInput) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("New with %q: %v", baseURL, err)
		}
	}
}

func TestPlainHTTPIsForLoopbackUnlessAllowed(t *testing.T) {
	t.Parallel()
	for _, baseURL := range []string{"https://x.test:65535", "https://x.test:1", "https://x.test:", "http://localhost:8080", "http://127.8.8.8", "http://[::1]:1/v1", "https://example.com"} {
		if _, err := kalshiauth.New(kalshiauth.WithBaseURL(baseURL)); err != nil {
			t.Errorf("%s: %v", baseURL, err)
		}
	}
	newClient(t, kalshiauth.WithInsecureHTTP(), kalshiauth.WithBaseURL("http://example.com"))
	newClient(t, kalshiauth.WithBaseURL("http://example.com"), kalshiauth.WithInsecureHTTP())
}

func TestBaseURLKeepsItsPathAndLosesItsSlash(t *testing.T) {
	t.Parallel()
	var path string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.EscapedPath()
		reply(202, "")(w, r)
	}))
	t.Cleanup(srv.Close)
	for suffix, want := range map[string]string{
		"": "/passwords/reset", "/": "/passwords/reset", "/v1": "/v1/passwords/reset", "/a/v1//": "/a/v1/passwords/reset",
		"/a%2Fb": "/a%2Fb/passwords/reset", "/a%2Fb/": "/a%2Fb/passwords/reset",
	} {
		client := newClient(t, kalshiauth.WithBaseURL(srv.URL+suffix))
		if err := client.ResetPassword(t.Context(), email); err != nil || path != want {
			t.Errorf("%q: path %q, error %v; want %q", suffix, path, err, want)
		}
		if client.BaseURL()+"/passwords/reset" != srv.URL+want {
			t.Errorf("BaseURL() = %q, and the path was %q", client.BaseURL(), path)
		}
		_ = client.ResetPasswordConfirm(t.Context(), confirmation) // a 202, which is not its success
		if want += "/4fzyo%2F82+myh/confirm"; path != want {
			t.Errorf("%q: path %q, want %q", suffix, path, want)
		}
	}
}

func TestRequestsSayWhoTheyAreAndWhatTheyAccept(t *testing.T) {
	t.Parallel()
	for _, product := range []string{"mybot/1.2 (a b)", ""} {
		var header http.Header
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			header = r.Header
			reply(200, loginBody)(w, r)
		}, kalshiauth.WithUserAgent(product))
		if _, err := client.Login(t.Context(), credentials); err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSpace(product + " kalshiauth-go/0.1.0")
		if got := header.Get("User-Agent"); got != want || client.UserAgent() != want {
			t.Errorf("User-Agent %q, and UserAgent() = %q, want %q", got, client.UserAgent(), want)
		}
		for name, want := range map[string]string{"Accept": "application/json", "Content-Type": "application/json"} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}

func TestATransportSeesWhereARequestGoes(t *testing.T) {
	t.Parallel()
	client := newClient(t, kalshiauth.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.Host != req.URL.Host || !strings.HasPrefix(req.URL.String(), kalshiauth.ProductionURL) {
				t.Errorf("a request to %s, for the host %q", req.URL, req.Host)
			}
			return nil, errors.New("no")
		}),
	}))
	_ = client.ResetPassword(t.Context(), email)
	if got, want := client.String(), "Client("+kalshiauth.ProductionURL+")"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}

func TestTheCallersHTTPClientIsNotChanged(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(reply(200, loginBody, "Set-Cookie: sessions="+token, "Set-Cookie: other=1"))
	t.Cleanup(srv.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	mine := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
	client := newClient(t, kalshiauth.WithBaseURL(srv.URL), kalshiauth.WithHTTPClient(mine))
	if _, err := client.Login(t.Context(), credentials); err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
	if cookies := jar.Cookies(req.URL); len(cookies) != 0 {
		t.Errorf("the caller's jar saw %v", cookies)
	}
	if mine.Jar != jar || mine.CheckRedirect(nil, nil) != nil {
		t.Error("the caller's client was changed")
	}
}

func TestTheLogHasEachTryAndNoSecret(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, op := range operations {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			all := strings.Join(slices.Collect(maps.Values(op.Input)), " ")
			reply(503, `{"message":"`+all+r.URL.Path+`"}`, "Retry-After: 0")(w, r)
		}, kalshiauth.WithLogger(logger), kalshiauth.WithRetries(1))
		log.Reset()
		if err := op.Call(t.Context(), client, op.Input); !errors.Is(err, kalshiauth.ErrUnavailable) {
			t.Errorf("%s: %v", op.ID, err)
		}
		if tries := strings.Count(log.String(), `"status":503`); tries != 2 || !strings.Contains(log.String(), "retrying") {
			t.Errorf("%s: the log has %d tries, want 2: %s", op.ID, tries, log.String())
		}
		for _, secret := range append(op.SecretValues(), email) {
			if strings.Contains(log.String(), secret) {
				t.Errorf("%s: the log has a secret or the e-mail address: %s", op.ID, log.String())
			}
		}
		for line := range strings.Lines(log.String()) {
			var entry struct {
				Op     string
				Took   time.Duration
				Status int
				Error  string
			}
			if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Op != op.ID || entry.Error == "" ||
				entry.Took < 0 || entry.Took > time.Hour {
				t.Errorf("%s: %v, %s", op.ID, err, line)
			}
		}
	}
}
