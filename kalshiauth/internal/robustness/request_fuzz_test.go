package robustness_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
)

func FuzzBaseURL(f *testing.F) {
	for _, base := range []string{
		"", "/v1", "example.com", "https://", "https://example.com", "https://example.com/v1/",
		"https://example.com:8443/a/v1//",
		"HTTPS://EXAMPLE.com/a%2Fb", "http://example.com", "http://localhost:8080/v1", "http://LOCALHOST", "http://127.0.0.1",
		"http://[::1]:80/v1", "http://[::ffff:127.0.0.1]", "http://[::1%25lo]", "http://127.0.0.1.example.com",
		"http://0.0.0.0",
		"http://localhost.", "http://2130706433", "https://user:{secret}@example.com", "http://localhost@example.com",
		"https://user:{secret}\n@example.com", "https://example.com?a=b", "https://example.com/?", "https://example.com/#",
		"https://example.com/a/../b", "https://example.com/%2e%2e/a:b;c,d", "https://ex%C3%A4mple.com/ä b",
		"ftp://localhost",
		"https:example.com", "https:///example.com", `https://example.com\@evil.com`, "https://example.com:/v1",
		"https://[::1", "https://example.com:0", "https://example.com:99999", "https://example.com:-1",
	} {
		f.Add(base)
	}
	f.Fuzz(func(t *testing.T, base string) {
		t.Parallel()
		secret := canary + "Base"
		hasUser := strings.Contains(base, "{secret}@")
		base = fill(base, secret)
		u, _ := url.Parse(base)
		var basePath, path string
		client, err := kalshiauth.New(kalshiauth.WithBaseURL(base), kalshiauth.WithRetries(0),
			kalshiauth.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				host := strings.TrimSuffix(u.Host, ":")
				if to := req.URL; to.Scheme != u.Scheme || to.Host != host || req.Host != "" && req.Host != host ||
					to.User != nil || to.Fragment != "" {
					t.Errorf("a request to %q (host %q) for the base URL %q", to, req.Host, base)
				}
				if got, want := req.URL.EscapedPath(), basePath+path; got != want {
					t.Errorf("a request to the path %q, want %q", got, want)
				}
				return nil, errors.New("no network")
			})}))
		if err != nil {
			if client != nil || kinds(err) != "ErrInvalidInput" {
				t.Errorf("New = %v, %v; want ErrInvalidInput", client, err)
			}
			if hasUser {
				assertHides(t, "the error", err, secret)
			}
			return
		}
		host, _, _ := strings.Cut(u.Hostname(), "%") // a zone
		if u.Scheme != "https" && !strings.EqualFold(host, "localhost") && !net.ParseIP(host).IsLoopback() {
			t.Errorf("%q is allowed, and not safe", base)
		}
		if port, err := strconv.Atoi(u.Port()); u.Port() != "" && (err != nil || port < 1 || port > 65535) {
			t.Errorf("%q is allowed, and has no port that exists", base)
		}
		parsed, err := url.Parse(client.BaseURL())
		if err != nil {
			t.Fatalf("BaseURL returns %q", client.BaseURL())
		}
		basePath = parsed.EscapedPath()
		if want := strings.TrimRight(u.EscapedPath(), "/"); basePath != want && !hasDotSegment(want) || hasDotSegment(basePath) {
			t.Errorf("BaseURL returns %q", client.BaseURL())
		}
		for _, op := range robustness.Operations() {
			path = op.EscapedPath(op.Input)
			if err := op.Call(t.Context(), client, op.Input); err == nil || kinds(err) != "" {
				t.Errorf("%s: %v, want the network's error", op.ID, err)
			}
		}
	})
}

func hasDotSegment(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "." || s == ".." })
}

func FuzzResetCode(f *testing.F) {
	for _, code := range []string{
		code, "", ".", "..", "...", "../..", "a/b", "/", "//", "a/../../log_in", "%2e%2e", "%2F", "a?b=c", "a#b", "a;b,c",
		"a b+c", `a\b`, "\x00", "\n", "ä", "\xff", ":", "@", "confirm", "*", "{code}", "%", "&=$!'()[]~-_",
	} {
		f.Add(code, userID, newPassword, true)
		f.Add(code, userID, "pä\"<\x00>\u2028", false)
	}
	f.Add(code, "", "short", false)
	f.Add(code, "{"+userID+"}", "\xff\xff\xff\xff\xff\xff", false)
	f.Fuzz(func(t *testing.T, code, userID, newPassword string, fails bool) {
		t.Parallel()
		if fails {
			code = canary + code
		}
		requests := 0
		client := newClient(t, kalshiauth.WithBaseURL(fuzzURL), kalshiauth.WithHTTPClient(&http.Client{
			Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				requests++
				assertConfirms(t, req, kalshiauth.PasswordResetConfirmation{Code: code, UserID: userID, NewPassword: newPassword})
				if fails {
					return nil, fmt.Errorf("cannot reach %s %q %s", req.URL, code, code)
				}
				return &http.Response{StatusCode: 204}, nil
			}),
		}))
		err := client.ResetPasswordConfirm(t.Context(), kalshiauth.PasswordResetConfirmation{
			Code: code, UserID: userID, NewPassword: newPassword,
		})
		switch {
		case requests > 1 || (requests == 0) != errors.Is(err, kalshiauth.ErrInvalidInput),
			requests == 1 && fails != (err != nil):
			t.Errorf("%d requests, and the error is %v", requests, err)
		case err != nil && fails:
			assertHides(t, "the error", err, code)
		}
	})
}

// assertConfirms checks that a server reads a request as what was to be confirmed.
func assertConfirms(t *testing.T, req *http.Request, want kalshiauth.PasswordResetConfirmation) {
	t.Helper()
	got := received(t, req)
	path, ok := strings.CutPrefix(got.URL.EscapedPath(), "/v1/passwords/reset/")
	segment, inside := strings.CutSuffix(path, "/confirm")
	code, err := url.PathUnescape(segment)
	if !ok || !inside || err != nil || code != want.Code || strings.Contains(segment, "/") ||
		segment == "." || segment == ".." {
		t.Errorf("a server reads %s for the code %q", got.RequestURI, want.Code)
	}
	if got.Method != http.MethodPut || req.URL.Scheme != "https" || req.URL.Host != "api.example.com" ||
		got.Host != "api.example.com" || got.URL.RawQuery != "" || got.URL.ForceQuery {
		t.Errorf("%s of %s at %s", got.Method, got.RequestURI, got.Host)
	}
	var body map[string]string
	err = json.NewDecoder(got.Body).Decode(&body)
	if err != nil || len(body) != 2 || body["user_id"] != want.UserID || body["password"] != want.NewPassword {
		t.Errorf("a server reads the body %q, %v", body, err)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{
		"", "0", "1", "20", "30", "4294967295", "-1", "+1", "1.5", "soon", "Sat, 01 Jan 2000 00:00:20 GMT",
		"Saturday, 01-Jan-00 00:01:00 GMT", "Sat Jan  1 00:00:05 2000", "Fri, 31 Dec 1999 23:59:59 GMT",
	} {
		f.Add(value, "")
		f.Add(value, "Fri, 31 Dec 1999 23:59:50 GMT")
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			tries := 0
			login := func(retries int) error {
				_, err := newClient(t, inMemory(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					tries++
					if tries == 2 {
						reply(200, loginBody)(w, nil)
						return
					}
					w.Header()["Retry-After"], w.Header()["Date"] = []string{value}, []string{date}
					reply(503, "")(w, nil)
				})), kalshiauth.WithRetries(retries)).Login(t.Context(), credentials)
				return err
			}
			var said *kalshiauth.Error
			if !errors.As(login(0), &said) || said.RetryAfter < 0 {
				t.Fatalf("without retries: %v", said)
			}
			start := time.Now()
			tries = 0
			err := login(1)
			took := time.Since(start)
			switch {
			case err == nil && (tries != 2 || took < said.RetryAfter || took > said.RetryAfter+time.Second):
				t.Errorf("tried %d times in %v, and the server asked for %v", tries, took, said.RetryAfter)
			case err != nil && (tries != 1 || took > 0 || said.RetryAfter < 29*time.Second):
				t.Errorf("gave up after %d tries and %v, and the server asked for %v", tries, took, said.RetryAfter)
			}
		})
	})
}
