package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// curl runs curl in the home's folder, and returns the body and the status.
func (h *home) curl(args ...string) string {
	h.t.Helper()
	path, err := exec.LookPath("curl")
	if err != nil {
		h.t.Skip(err)
	}
	args = append([]string{"-q", "-sS", "-k", "--noproxy", "*", "-w", " %{http_code}"}, args...)
	cmd := exec.CommandContext(h.t.Context(), path, args...) //nolint:gosec // the test's own arguments
	cmd.Dir = h.folder
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Errorf("curl %q: %v: %s", args, err, out)
	}
	return string(out)
}

const jar = "kalshi.cookies"

func TestCurlReadsTheCookieJar(t *testing.T) {
	t.Parallel()
	h, fake := newHome(t), twoUsers(t)
	balance(fake)
	h.logIn(fake, email, password)
	entries, _ := h.list()
	target := fake.URL + "/users/" + entries[0].UserID + "/balance"
	h.wants(h.run(0, "cookie", "-base-url", fake.URL, "-file", jar), 0, "curl -b "+jar)
	if got := h.curl("-b", jar, target); got != `{"balance":1} 200` {
		t.Errorf("curl prints %q", got)
	}
	if got := h.curl(target); !strings.HasSuffix(got, " 401") {
		t.Errorf("without the jar, curl prints %q", got)
	}
	info, err := os.Stat(filepath.Join(h.folder, jar))
	if err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestCurlReadsTheCookieJarOfAnHTTPSServer(t *testing.T) {
	t.Parallel()
	h, fake := newHome(t), twoUsers(t, kalshiauthtest.WithTLS())
	balance(fake)
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(fake.URL), kalshiauth.WithHTTPClient(fake.Client()))
	if err != nil {
		t.Fatal(err)
	}
	session, err := client.Login(t.Context(), kalshiauth.Credentials{Email: email, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	h.put(fake.URL, session)
	h.run(0, "cookie", "-base-url", fake.URL, "-file", jar)
	if got := h.curl("-b", jar, fake.URL+"/users/"+session.UserID+"/balance"); got != `{"balance":1} 200` {
		t.Errorf("curl prints %q", got)
	}
	if got := fields(t, h); got[3] != "TRUE" {
		t.Errorf("the jar has %q", got)
	}
}

func TestCurlSendsTheCookieToItsServerOnly(t *testing.T) {
	t.Parallel()
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Header.Get("Cookie")) })
	plain, secure := httptest.NewServer(echo), httptest.NewTLSServer(echo)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	h := newHome(t)
	base := "https://api.example.com/v1"
	h.put(base, imported(t, `"expiry":"`+time.Now().Add(time.Hour).Format(time.RFC3339)+`"`, "sessions=abcdef"))
	h.run(0, "cookie", "-base-url", base, "-file", jar)
	ask := func(server *httptest.Server, host, path string) string {
		u, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		return h.curl("-b", jar, "--connect-to", "::"+u.Host, u.Scheme+"://"+host+path)
	}
	for _, c := range []struct{ got, want string }{
		{ask(secure, "api.example.com", "/v1/x"), "sessions=abcdef 200"},
		{ask(secure, "api.example.com", "/v2/x"), " 200"},
		{ask(secure, "example.com", "/v1/x"), " 200"},
		{ask(secure, "sub.api.example.com", "/v1/x"), " 200"},
		{ask(plain, "api.example.com", "/v1/x"), " 200"},
	} {
		if c.got != c.want {
			t.Errorf("curl prints %q, want %q", c.got, c.want)
		}
	}
}

func TestCurlReadsTheCookieJarOfAnIPv6Address(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp6", "[::1]:0")
	if err != nil {
		t.Skip(err)
	}
	h, fake := newHome(t), twoUsers(t)
	balance(fake)
	server := httptest.NewUnstartedServer(fake.Handler())
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	base := server.URL + "/v1"
	h.wants(h.do(use{args: []string{"login", "-base-url", base, "-email", email}, stdin: password}), 0)
	h.run(0, "cookie", "-base-url", base, "-file", jar)
	entries, _ := h.list()
	if got := h.curl("-g", "-b", jar, base+"/users/"+entries[0].UserID+"/balance"); got != `{"balance":1} 200` {
		t.Errorf("curl prints %q", got)
	}
}

// fields returns the fields of the cookie in the jar.
func fields(t *testing.T, h *home) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(h.folder, jar))
	lines := strings.Split(string(data), "\n")
	if err != nil || len(lines) != 3 || lines[0] != jarHeader || lines[2] != "" {
		t.Fatalf("%v: %q", err, data)
	}
	got := strings.Split(lines[1], "\t")
	if len(got) != 7 {
		t.Fatalf("%q", lines[1])
	}
	return got
}

func TestTheCookieJarHasTheAttributesOfTheCookie(t *testing.T) {
	t.Parallel()
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	expiry := `"expiry":"` + end.UTC().Format(time.RFC3339) + `"`
	const none = `"access_level":"x"`
	for _, c := range []struct{ baseURL, field, cookie, want string }{
		{"https://api.example.com/v1", none, "sessions=abc", "api.example.com FALSE /v1 TRUE 0 sessions abc"},
		{"https://api.example.com", none, "sessions=abc", "api.example.com FALSE / TRUE 0 sessions abc"},
		{"https://API.example.com/a/b", none, "sessions=abc; Path=/", "api.example.com FALSE / TRUE 0 sessions abc"},
		{"https://api.example.com/v1", expiry, "sessions=abc", "api.example.com FALSE /v1 TRUE " + unixTime(end) + " sessions abc"},
		{"https://api.example.com/v1", none, "sessions=abc; HttpOnly", "#HttpOnly_api.example.com FALSE /v1 TRUE 0 sessions abc"},
		{"https://api.example.com/v1", none, "sessions=abc; Domain=example.com", ".example.com TRUE /v1 TRUE 0 sessions abc"},
		{"https://api.example.com/v1", none, "sessions=abc; Domain=.API.example.com", ".api.example.com TRUE /v1 TRUE 0 sessions abc"},
		{"https://api.example.com/v1", none, "sessions=abc; Domain=other.example", "api.example.com FALSE /v1 TRUE 0 sessions abc"},
		{"http://127.0.0.1:80/v1", none, "sessions=abc; Domain=127.0.0.1", "127.0.0.1 FALSE /v1 FALSE 0 sessions abc"},
		{"http://localhost:8080/v1", none, "sessions=abc; Secure", "localhost FALSE /v1 TRUE 0 sessions abc"},
		{"http://localhost:8080/v1", none, `sessions=\"a b\"`, `localhost FALSE /v1 FALSE 0 sessions "a b"`},
	} {
		h := newHome(t)
		client, err := newClientAt("base-url", c.baseURL, false)
		if err != nil {
			t.Fatal(err)
		}
		h.put(client.BaseURL(), imported(t, c.field, c.cookie))
		h.run(0, "cookie", "-base-url", c.baseURL, "-file", jar)
		if got := strings.Join(fields(t, h), " "); got != c.want {
			t.Errorf("%s, %q: the jar has %q, want %q", c.baseURL, c.cookie, got, c.want)
		}
	}
}

func unixTime(at time.Time) string {
	data, _ := json.Marshal(at.Unix()) //nolint:errchkjson // a number
	return string(data)
}

func TestCookieReplacesNothingButAJar(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	const base = "https://api.example.com/v1"
	cookie := []string{"cookie", "-base-url", base, "-file"}
	h.put(base, imported(t, `"access_level":"x"`, "sessions=the-new-cookie"))
	write := func(name, content string) string {
		if err := os.WriteFile(filepath.Join(h.folder, name), []byte(content), 0o644); err != nil { //nolint:gosec // on purpose
			t.Fatal(err)
		}
		return name
	}
	for _, name := range []string{
		write("diary", "Dear diary,\n"), "", "-", ".", "missing/" + jar, write("short", "#"), write("line", strings.Repeat("x", 100_000)),
	} {
		h.wants(h.run(2, append(cookie, name)...), 2, "-file")
	}
	if data, err := os.ReadFile(filepath.Join(h.folder, "diary")); err != nil || string(data) != "Dear diary,\n" {
		t.Errorf("%q, %v", data, err)
	}
	for _, content := range []string{"", jarHeader + "\n", "# HTTP Cookie File\n", "# Netscape HTTP Cookie File\n# by curl\n\nx\n"} {
		write(jar, content)
		h.run(0, append(cookie, jar)...)
		if got := fields(t, h)[6]; got != "the-new-cookie" {
			t.Errorf("%q: %q", content, got)
		}
		if info, err := os.Stat(filepath.Join(h.folder, jar)); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
			t.Errorf("%q: %v, %v", content, info.Mode(), err)
		}
	}
	if err := os.Symlink(jar, filepath.Join(h.folder, "link")); err != nil {
		t.Skip(err)
	}
	h.run(0, append(cookie, "link")...)
	if info, err := os.Lstat(filepath.Join(h.folder, "link")); err != nil || info.Mode().IsRegular() {
		t.Errorf("the link is replaced: %v", err)
	}
}

func TestCookieSaysWhereTheJarIs(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	const base = "https://api.example.com/v1"
	h.put(base, imported(t, `"access_level":"x"`, "sessions=the-new-cookie"))
	o := h.run(0, "cookie", "-base-url", base, "-file", jar, "-json")
	var got struct{ File string }
	if err := json.Unmarshal([]byte(o.out), &got); err != nil || got.File != jar {
		t.Errorf("printed %q: %v", o.out, err)
	}
	if names, err := filepath.Glob(filepath.Join(h.folder, ".kalshiauth-*")); err != nil || len(names) > 0 {
		t.Errorf("%q is left", names)
	}
	o = h.do(use{args: []string{"cookie", "-base-url", base, "-json"}, shows: true})
	h.wants(o, 0)
	if o.out != `{"cookie":"sessions=the-new-cookie"}`+"\n" {
		t.Errorf("printed %q", o.out)
	}
}
