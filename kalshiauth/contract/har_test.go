package contract_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// entry returns an entry of an HTTP archive. Strings in more replace parts of it.
func entry(method, path, request string, status int, response string, more ...string) string {
	quoted := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	text := fmt.Sprintf(`{"startedDateTime":"2026-11-27T00:00:00Z","request":{"method":%q,"url":"https://example.com/v1%s",
		"headers":[{"name":":authority","value":"example.com"},{"name":"content-type","value":"application/json"},
		{"name":"cookie","value":"sessions=x"}],"postData":{"mimeType":"application/json","text":%s}},
		"response":{"status":%d,"headers":[{"name":"content-type","value":"application/json"},
		{"name":"content-encoding","value":"br"},{"name":"set-cookie","value":"lb=1\nsessions=`+token+`; Path=/"}],
		"content":{"size":1,"mimeType":"application/json","text":%s}}}`, method, path, quoted(request), status, quoted(response))
	return strings.NewReplacer(more...).Replace(text)
}

func har(entries ...string) string {
	return `{"log":{"version":"1.2","creator":{"name":"a","version":"b"},"entries":[` + strings.Join(entries, ",") + `],"pages":[]}}`
}

func TestRecordedTrafficIsChecked(t *testing.T) {
	t.Parallel()
	login := entry("POST", "/log_in", loginIn, 200, loginOut)
	bare := strings.NewReplacer(`"cookie"`, `"x-a"`, `"set-cookie"`, `"x-b"`).Replace(login)
	const noPost = `"postData":{"mimeType":"application/json","text":""}`
	latin1 := base64.StdEncoding.EncodeToString([]byte(strings.Replace(loginOut, "trading", "tr\xe4der", 1)))
	encodedOut := base64.StdEncoding.EncodeToString([]byte(loginOut))
	for name, c := range map[string]struct {
		har       string
		exchanges int
		want      []string // in the violations
	}{
		"nothing":             {har(), 0, nil},
		"a log-in":            {har(login), 1, nil},
		"a byte order mark":   {"\ufeff" + har(login), 1, nil},
		"other servers":       {har(strings.ReplaceAll(login, "example.com", "example.org"), entry("GET", "/portfolio", "", 200, "{}")), 0, nil},
		"a wrong request":     {har(entry("POST", "/log_in", `{"email":"x"}`, 400, `{"code":"x"}`)), 1, []string{"/email", "/password"}},
		"a wrong response":    {har(entry("POST", "/log_in", loginIn, 200, `{}`)), 1, []string{"/access_level", "/token", "/user_id"}},
		"base64":              {har(entry("POST", "/log_in", loginIn, 200, encodedOut, `"size":1`, `"size":1,"encoding":"base64"`)), 1, nil},
		"no cookie":           {har(login, entry("POST", "/log_out", "", 204, "", `sessions=x`, `a=b`)), 2, []string{"no session"}},
		"no set-cookie":       {har(entry("POST", "/log_in", loginIn, 200, loginOut, `sessions=`+token, `a=b`)), 1, []string{"no cookie sessions"}},
		"a form":              {har(entry("POST", "/log_in", "", 200, loginOut, `,"text":""}},`, `,"params":[{"name":"a","value":"b"}]}},`)), 1, []string{"not one JSON value"}},
		"no body is known":    {har(entry("POST", "/log_in", "", 200, "", `,"text":""`, ``)), 1, nil},
		"bodies of size 0":    {har(entry("POST", "/log_in", "", 200, "", `,"text":""`, ``, `"size":1`, `"size":0`)), 1, nil},
		"bodies of size -1":   {har(entry("POST", "/log_in", "", 200, "", noPost, `"bodySize":-1`, `,"text":""`, ``)), 1, nil},
		"no request body":     {har(entry("POST", "/log_in", "", 200, loginOut, noPost, `"bodySize":0`)), 1, []string{"body: missing"}},
		"an empty response":   {har(entry("POST", "/log_in", loginIn, 200, "")), 1, []string{"the body is empty"}},
		"broken base64":       {har(entry("POST", "/log_in", loginIn, 200, "%", `"size":1`, `"size":1,"encoding":"base64"`)), 1, nil},
		"base64 of Latin-1":   {har(entry("POST", "/log_in", loginIn, 200, latin1, `"size":1`, `"size":1,"encoding":"base64"`)), 1, []string{"not UTF-8"}},
		"a coding asked for":  {har(entry("POST", "/log_in", loginIn, 200, loginOut, `":authority"`, `"accept-encoding"`, `"value":"example.com"`, `"value":"gzip, br"`)), 1, nil},
		"a coding unasked":    {har(entry("POST", "/log_in", loginIn, 200, loginOut, `":authority"`, `"accept-encoding"`, `"value":"example.com"`, `"value":"gzip"`)), 1, []string{"did not ask for"}},
		"a type of the body":  {har(entry("POST", "/log_in", loginIn, 200, loginOut, `"content-type"`, `"x-c"`)), 1, []string{"response: Content-Type: the content type is missing"}},
		"a type of no header": {har(entry("POST", "/log_in", loginIn, 200, loginOut, `example.com"},{"name":"content-type"`, `example.com"},{"name":"x-c"`)), 1, nil},
		"a coded request":     {har(entry("POST", "/log_in", "\x1f\ufffd", 200, loginOut, `":authority"`, `"content-encoding"`, `"value":"example.com"`, `"value":"gzip"`)), 1, nil},
		"a decoded request":   {har(entry("POST", "/log_in", `{}`, 200, loginOut, `":authority"`, `"content-encoding"`, `"value":"example.com"`, `"value":"gzip"`)), 1, []string{"/email", "/password"}},
		"a text and a form":   {har(entry("POST", "/log_in", "", 200, loginOut, `,"text":""}},`, `,"text":"","params":[{"name":"a","value":"b"}]}},`)), 1, []string{"not one JSON value"}},
		"a multipart form":    {har(entry("POST", "/log_in", "", 200, loginOut, `{"mimeType":"application/json","text":""}},`, `{"mimeType":"multipart/form-data","params":[{"name":"a","value":"b"}]}},`)), 1, nil},
		"sessions elsewhere":  {har(bare, strings.ReplaceAll(login, "example.com", "example.org")), 1, []string{"no cookie sessions"}},
		"sessions before":     {har(strings.ReplaceAll(login, "example.com", "example.org"), bare), 1, []string{"no cookie sessions"}},
		"no answer":           {har(entry("POST", "/log_in", loginIn, 0, "")), 1, nil},
		"no answer either":    {har(entry("POST", "/log_in", `{}`, -1, "")), 1, []string{"/email", "/password"}},
		"a sanitized record":  {har(strings.NewReplacer(`"cookie"`, `"x-a"`, `"set-cookie"`, `"x-b"`).Replace(login), entry("POST", "/log_out", "", 204, "", `"cookie"`, `"x-a"`, `"set-cookie"`, `"x-b"`)), 2, nil},
	} {
		checker, found := newChecker(t, "https://example.com/v1", ownDocument)
		n, err := checker.HAR(t.Context(), strings.NewReader(c.har))
		if err != nil || n != c.exchanges {
			t.Errorf("%s: %d exchanges, %v; want %d", name, n, err, c.exchanges)
		}
		got := fmt.Sprint(found.take())
		if (c.want == nil) != (got == "[]") {
			t.Errorf("%s: %s", name, got)
		}
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %s, want %q", name, got, want)
			}
		}
	}
}

func TestWhatIsNoArchiveIsNamed(t *testing.T) {
	t.Parallel()
	good := entry("POST", "/log_in", loginIn, 400, `{"code":"x"}`)
	for name, c := range map[string]struct{ har, want string }{
		"empty":             {"", "not an HTTP archive"},
		"text":              {"hello", "not an HTTP archive"},
		"a list":            {"[]", "not an HTTP archive"},
		"another object":    {`{"entries":[]}`, "not an HTTP archive"},
		"a log without":     {`{"log":{"version":"1.2"}}`, "not an HTTP archive"},
		"entries of text":   {`{"log":{"entries":"x"}}`, "not an HTTP archive"},
		"a cut file":        {har(good, good)[:len(har(good))+20], "entry 2 is malformed"},
		"a cut end":         {strings.TrimSuffix(har(good), `],"pages":[]}}`), "is cut"},
		"an entry of text":  {har(good, `"x"`), "entry 2 is malformed"},
		"no method":         {har(`{"request":{"url":"https://example.com/v1/log_in"}}`), "entry 1 has no request"},
		"a secret in it":    {har(`{"request":{"method":"POST","url":{"` + password + `":1}}}`), "entry 1 is malformed"},
		"a status of words": {har(strings.Replace(good, `"status":400`, `"status":"`+password+`"`, 1)), "entry 1 is malformed"},
	} {
		checker, found := newChecker(t, "https://example.com/v1", ownDocument)
		_, err := checker.HAR(t.Context(), strings.NewReader(c.har))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		wantNoSecret(t, fmt.Sprint(err, found.take()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	checker, _ := newChecker(t, "https://example.com/v1", ownDocument)
	if _, err := checker.HAR(ctx, strings.NewReader(har(good))); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Error(err)
	}
}

// A recording can be larger than the memory, and is checked as it is read.
func TestARecordingIsCheckedAsItIsRead(t *testing.T) {
	t.Parallel()
	reported := make(chan contract.Violation, 10)
	checker, err := contract.New("https://example.com/v1", func(v contract.Violation) { reported <- v })
	if err != nil {
		t.Fatal(err)
	}
	read, write := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		n, err := checker.HAR(ctx, read)
		if n != 1 {
			err = fmt.Errorf("%d exchanges, want 1: %w", n, err)
		}
		ended <- err
	}()
	wrong := entry("POST", "/log_in", `{"email":"x"}`, 400, `{"code":"x"}`)
	begin, _, _ := strings.Cut(har(wrong, wrong), wrong+"]")
	_, _ = io.WriteString(write, begin)
	if v := <-reported; v.Place != "/email" {
		t.Error(v)
	}
	cancel()
	go func() { _, _ = io.WriteString(write, wrong) }() // HAR may wait for it
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	_ = read.Close()
}

func TestAnErrorOfTheReaderIsReturned(t *testing.T) {
	t.Parallel()
	whole := har(entry("POST", "/log_in", loginIn, 200, loginOut))
	for _, length := range []int{0, 5, 100, len(whole) - 20} {
		checker, _ := newChecker(t, "https://example.com/v1", ownDocument)
		_, err := checker.HAR(t.Context(), &cutBody{*strings.NewReader(whole[:length]), true, false})
		if !errors.Is(err, errCut) {
			t.Errorf("after %d bytes: %v", length, err)
		}
	}
}

// Chromium wrote this file: a refused log-in, a log-in, a log-out, a request for a reset, and its confirmation.
func TestWhatABrowserRecordedHoldsTheContract(t *testing.T) {
	t.Parallel()
	recorded, err := os.ReadFile("testdata/chromium.har")
	if err != nil {
		t.Fatal(err)
	}
	for want, edit := range map[string]func(string) string{
		"[]": func(s string) string { return s },
		"Login: response: /access_level": func(s string) string {
			return strings.ReplaceAll(s, `\"access_level\"`, `\"level\"`)
		},
		"Login: request: /email":           func(s string) string { return strings.ReplaceAll(s, `trader@example.com`, "trader") },
		"Login: response: Set-Cookie":      func(s string) string { return setCookieName.ReplaceAllString(s, "x-other") },
		"ResetPasswordConfirm: request: /": func(s string) string { return strings.ReplaceAll(s, `\"user_id\"`, `\"user\"`) },
	} {
		checker, found := newChecker(t, "http://127.0.0.1:8080/v1", ownDocument)
		n, err := checker.HAR(t.Context(), strings.NewReader(edit(string(recorded))))
		if got := fmt.Sprint(found.take()); err != nil || n != 5 || !strings.Contains(got, want) {
			t.Errorf("%d exchanges, %v, %s; want %q", n, err, got, want)
		}
	}
}

var setCookieName = regexp.MustCompile(`(?i)set-cookie`)

// Without cookies in a recording, it is not known whether a cookie was sent.
func TestCookiesOfASanitizedRecordingAreNotKnown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header string
		want   int
	}{"sanitized": {"x-side", 0}, "not sanitized": {"cookie", 1}} {
		checker, found := newChecker(t, "https://example.com/v1", contract.WithDocument(withParameters(t)))
		side := `{"log":{"entries":[{"request":{"method":"GET","url":"https://example.com/v1/orders/7?page=1","bodySize":0,
			"headers":[{"name":"x-side","value":"buy"},{"name":"` + c.header + `","value":"buy"}]},"response":{"status":200}}]}}`
		side = strings.Replace(side, `{"name":"x-side","value":"buy"},{"name":"x-side","value":"buy"}`, `{"name":"x-side","value":"buy"}`, 1)
		n, err := checker.HAR(t.Context(), strings.NewReader(side))
		if got := found.take(); err != nil || n != 1 || len(got) != c.want {
			t.Errorf("%s: %d exchanges, %v, %v", name, n, err, got)
		}
	}
}
