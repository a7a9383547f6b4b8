package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A served is a running serve of the built command.
type served struct {
	base    string   // the base URL of the API
	control string   // the URL of the control interface, with a slash at its end
	first   []string // what it printed before its base URL
	lines   *bufio.Scanner
	stderr  *bytes.Buffer // read it only after the end
	client  *http.Client
}

const serveUsersJSON = `[
	{"email": "trader@example.com", "password": "correct horse", "user_id": "4d519708-24e1-4eaf-a0bd-d1cc3689779d"},
	{"email": "other@example.com", "password": "battery staple"}
]`

const (
	servedID       = "4d519708-24e1-4eaf-a0bd-d1cc3689779d"
	servedPassword = "correct horse"
)

// startServe runs the built command until the test ends, with two users.
func startServe(t *testing.T, args ...string) *served {
	t.Helper()
	return startServeBare(t, append([]string{"-users", writeFile(t, "users.json", serveUsersJSON)}, args...)...)
}

// startServeBare is startServe without users.
func startServeBare(t *testing.T, args ...string) *served {
	t.Helper()
	args = append([]string{"serve", "-addr", "127.0.0.1:0"}, args...)
	cmd := exec.CommandContext(t.Context(), built, args...) //nolint:gosec // the command under test
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &served{stderr: new(bytes.Buffer), client: &http.Client{
		Timeout:       time.Minute, // longer than any answer takes
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	cmd.Stderr = s.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the test's context has ended it
	s.lines = bufio.NewScanner(stdout)
	for s.lines.Scan() {
		if url, ok := strings.CutPrefix(s.lines.Text(), "serving "); ok {
			s.base = url
			return s
		}
		if url, ok := strings.CutPrefix(s.lines.Text(), "control "); ok {
			s.control = url
		}
		s.first = append(s.first, s.lines.Text())
	}
	_ = cmd.Wait()
	t.Fatalf("serve %q did not say where it serves: %s", args, s.stderr)
	return nil
}

// A reply is an answer of the server.
type reply struct {
	status int
	header http.Header
	body   string
}

// try sends a request. headers are "Name: value". A request with a body has the content type JSON, unless a header says
// otherwise. A header "Host" sets the host of the request.
func (s *served) try(t *testing.T, method, url, body string, headers ...string) (reply, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(data)}, err
}

// send is try where there must be an answer.
func (s *served) send(t *testing.T, method, url, body string, headers ...string) reply {
	t.Helper()
	got, err := s.try(t, method, url, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return got
}

// ask calls the control interface, wants a status, and returns the JSON of the answer.
func (s *served) ask(t *testing.T, status int, method, path, body string) map[string]any {
	t.Helper()
	got := s.send(t, method, s.control+path, body)
	if got.status != status {
		t.Fatalf("%s %s %s is %d %s, want %d", method, path, body, got.status, got.body, status)
	}
	if status == http.StatusNoContent {
		return nil
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s %s answers %q of type %q", method, path, got.body, got.header.Get("Content-Type"))
	}
	return answer
}

// list returns a list of the control interface.
func (s *served) list(t *testing.T, path, name string) (all []map[string]any) {
	t.Helper()
	entries, ok := s.ask(t, http.StatusOK, "GET", path, "")[name].([]any)
	if !ok {
		t.Fatalf("GET %s has no list %s", path, name)
	}
	for _, entry := range entries {
		all = append(all, entry.(map[string]any))
	}
	return all
}

// logIn logs in with an address and a password.
func (s *served) logIn(t *testing.T, email, password string) reply {
	t.Helper()
	return s.send(t, "POST", s.base+"/log_in", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password))
}

// session logs in, and returns a header with the session.
func (s *served) session(t *testing.T, email, password string) string {
	t.Helper()
	got := s.logIn(t, email, password)
	cookie, _, _ := strings.Cut(got.header.Get("Set-Cookie"), ";")
	if got.status != http.StatusOK || cookie == "" {
		t.Fatalf("a log-in of %s is %d %s", email, got.status, got.body)
	}
	return "Cookie: " + cookie
}

func TestServeHasABalanceForTheSessionsOwnUser(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	session := s.session(t, "trader@example.com", servedPassword)
	balance := func(id string, headers ...string) reply {
		return s.send(t, "GET", s.base+"/users/"+id+"/balance", "", headers...)
	}
	if got := balance(servedID, session); got.status != 200 || strings.TrimSpace(got.body) != `{"balance":100000}` ||
		got.header.Get("Content-Type") != "application/json" {
		t.Errorf("the balance is %d %q", got.status, got.body)
	}
	for want, got := range map[int]reply{
		401: balance(servedID),
		403: balance("6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e", session),
	} {
		if got.status != want || got.header.Get("code") == "" || !json.Valid([]byte(got.body)) {
			t.Errorf("the answer is %d %q, want an error of the API with %d", got.status, got.body, want)
		}
	}
	if got := s.send(t, "GET", s.base+"/users/"+servedID+"/balance", "", s.session(t, "other@example.com", "battery staple")); got.status != 403 {
		t.Errorf("another user's balance is %d %s", got.status, got.body)
	}
}

// The line of the documentation, as it is.
func TestServeAnswersTheCurlLineOfTheDocumentation(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is missing")
		}
	}
	page, err := os.ReadFile("../../../.github/docs/command.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^\$ (kalshiauth cookie -file .*)\n.*\n\$ (curl .*/balance")\n(.*)$`).FindSubmatch(page)
	if lines == nil {
		t.Fatal("command.md has no line with curl and the balance")
	}
	s := startServe(t)
	script := "kalshiauth login >/dev/null && " + string(lines[1]) + " >/dev/null && " + string(lines[2])
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script) //nolint:gosec // our own
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "KALSHI_BASE_URL="+s.base, "KALSHI_EMAIL=trader@example.com", "KALSHI_PASSWORD="+servedPassword,
		"HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir(), "AppData="+t.TempDir(),
		"PATH="+filepath.Dir(built)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	out, err := cmd.Output()
	if err != nil || strings.TrimSpace(string(out)) != string(lines[3]) {
		t.Errorf("%s prints %q (%v), want %q", lines[2], out, err, lines[3])
	}
}

func TestServeMakesAndPrintsAPassword(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "users.json", `[{"email":"filed@example.com"},{"email":"given@example.com","password":"correct horse"}]`)
	s := startServeBare(t, "-user", "made@example.com", "-users", file)
	passwords := map[string]string{}
	for _, line := range s.first {
		if fields := strings.Fields(line); fields[0] == "user" && len(fields) == 6 && fields[4] == "password" {
			passwords[fields[1]] = fields[5]
		}
	}
	if len(passwords) != 2 {
		t.Fatalf("serve printed %q, want two passwords", s.first)
	}
	for email, made := range passwords {
		if got := s.logIn(t, email, made); got.status != http.StatusOK {
			t.Errorf("a log-in of %s with the printed password is %d", email, got.status)
		}
	}
	if text := strings.Join(s.first, "\n"); strings.Contains(text, "correct horse") {
		t.Errorf("serve printed the password of the file: %s", text)
	}
}

// serveOnce runs the built command, which must end by itself.
func serveOnce(t *testing.T, args ...string) (code int, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, built, append([]string{"serve"}, args...)...) //nolint:gosec // the command under test
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), errOut.String()
}

func TestServeExplainsWrongFlags(t *testing.T) {
	t.Parallel()
	file := func(content string) string { return writeFile(t, "users.json", content) }
	for want, args := range map[string][]string{
		"-user foo: email":                     {"-user", "foo:bar"},
		"-user a@example.com: password: at":    {"-user", "a@example.com:x"},
		"-user is EMAIL":                       {"-user", ":correct horse"},
		"-user is empty":                       {"-user", ""},
		"-user b@example.com: the address has": {"-user", "b@example.com", "-user", "b@example.com"},
		"-user trader@example.com: the":        {"-users", file(serveUsersJSON), "-user", "trader@example.com"},
		"-users is empty":                      {"-users", ""},
		"no-such-file":                         {"-users", "no-such-file"},
		"not a JSON array":                     {"-users", file(`{"email":"secret-value"}`)},
		"user 1 is not a JSON object":          {"-users", file(`["secret-value"]`)},
		`user 2 has the unknown field "mail"`:  {"-users", file(`[{"email":"a@example.com"},{"mail":"secret-value"}]`)},
		`the unknown field "Email"`:            {"-users", file(`[{"Email":"a@example.com"}]`)},
		"user 1 has null for password":         {"-users", file(`[{"email":"a@example.com","password":null}]`)},
		"user 1 has a JSON number for email":   {"-users", file(`[{"email":7}]`)},
		"user 1 has no email":                  {"-users", file(`[{"password":"secret-value"}]`)},
		"user 1 has an empty password":         {"-users", file(`[{"email":"a@example.com","password":""}]`)},
		"user 1 has an empty user_id":          {"-users", file(`[{"email":"a@example.com","user_id":""}]`)},
		"the ID is not a UUID":                 {"-users", file(`[{"email":"a@example.com","user_id":"7"}]`)},
		"-addr is \"8080\"":                    {"-addr", "8080"},
		"-addr is \"127.0.0.1:\"":              {"-addr", "127.0.0.1:"},
		"-addr is \"127.0.0.1:99999\"":         {"-addr", "127.0.0.1:99999"},
		"-addr is \"127.0.0.1:http!\"":         {"-addr", "127.0.0.1:http!"},
		"-path-prefix: /__fake is where":       {"-path-prefix", "/__fake"},
		"-tls-cert needs -tls":                 {"-tls-cert", "x.pem"},
		"-control-host is \"a:80\"":            {"-control-host", "a:80"},
		"-cors: browsers refuse *":             {"-cors", "*"},
		`"localhost:3000" is not an origin`:    {"-cors", "localhost:3000"},
		`"http://a.example/" is not an origin`: {"-cors", "http://a.example/"},
		`"null" is not an origin`:              {"-cors", "null"},
		`"http://*.example" has a wildcard`:    {"-cors", "http://*.example"},
		"browsers send http://a.example":       {"-cors", "http://A.example"},
		"browsers send https://b.example":      {"-cors", "https://b.example:443"},
	} {
		code, stderr := serveOnce(t, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
		if code != 2 || !strings.Contains(stderr, want) || strings.Contains(stderr, "panic") {
			t.Errorf("%q: exit %d, printed %q; want 2 and %q", args, code, stderr, want)
		}
		if strings.Contains(stderr, "secret-value") {
			t.Errorf("%q: the error shows the file: %s", args, stderr)
		}
	}
}

func TestServeExplainsWhyItCannotListen(t *testing.T) {
	t.Parallel()
	used, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = used.Close() })
	for want, args := range map[string][]string{
		used.Addr().String() + " is in use: end the other program": {"-addr", used.Addr().String()},
		"cannot listen on -addr 256.0.0.1:1":                       {"-addr", "256.0.0.1:1"},
		"-tls-cert: open":                                          {"-addr", "127.0.0.1:0", "-tls", "-tls-cert", filepath.Join(t.TempDir(), "no", "folder")},
	} {
		if code, stderr := serveOnce(t, args...); code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit %d, printed %q; want 1 and %q", args, code, stderr, want)
		}
	}
}

func TestServeWarnsOfAPasswordInItsArguments(t *testing.T) {
	t.Parallel()
	code, _, stderr := runCommand(t, "serve", "-addr", "256.0.0.1:1", "-user", "a@example.com:correct horse")
	if code != 1 || !strings.Contains(stderr, "warning: -user EMAIL:PASSWORD shows the password") ||
		strings.Contains(stderr, "correct horse") {
		t.Errorf("exit %d, printed %q", code, stderr)
	}
	if _, _, stderr := runCommand(t, "serve", "-addr", "256.0.0.1:1", "-user", "a@example.com"); strings.Contains(stderr, "warning") {
		t.Errorf("printed %q without a password in the arguments", stderr)
	}
}
