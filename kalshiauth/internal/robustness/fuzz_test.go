package robustness_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
)

const (
	fuzzURL = "https://api.example.com/v1"
	// canary is how each secret of a fuzz target begins, so that no text has one by chance.
	canary = "Zq7wX2pL"
)

// forms are the ways to write a secret, by the placeholders that stand for them in what a fuzz target makes up.
func forms(secret string) map[string]string {
	quoted := strconv.Quote(secret)
	inJSON, _ := json.Marshal(secret) // never fails
	return map[string]string{
		"{secret}": secret, "{quoted}": quoted[1 : len(quoted)-1], "{json}": string(inJSON[1 : len(inJSON)-1]),
		"{ascii}": inASCII(secret),
		"{path}":  url.PathEscape(secret), "{path lower}": lowerEscapes(url.PathEscape(secret)),
		"{query}": url.QueryEscape(secret), "{query lower}": lowerEscapes(url.QueryEscape(secret)),
	}
}

// inASCII is how some encoders write a string in JSON, and others may.
func inASCII(s string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(s)) {
		if unit < utf8.RuneSelf && isOneWord(string(rune(unit))) {
			b.WriteByte(byte(unit))
		} else {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(s string) string { return escapes.ReplaceAllStringFunc(s, strings.ToLower) }

var escapes = regexp.MustCompile("%[0-9A-F]{2}")

// fill puts a secret into a text, in the forms that the text asks for.
func fill(text, secret string) string {
	for placeholder, form := range forms(secret) {
		text = strings.ReplaceAll(text, placeholder, form)
	}
	return text
}

// assertHides renders v, and looks for each form of the secret. A secret that nothing can take apart, since it is all
// letters and digits, must not show in part either.
func assertHides(t *testing.T, what string, v any, secret string) {
	t.Helper()
	shown := slices.Collect(maps.Values(forms(secret)))
	if isOneWord(secret) {
		shown = []string{canary}
	}
	robustness.AssertNoSecret(t, what, v, "vsq", shown...)
}

func isOneWord(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// A secretCall is a call of an operation with one of its inputs made up.
type secretCall struct {
	robustness.Operation

	name string // of the input; "": the operation has no secret
}

// secretCalls has a call for each secret of each operation, and one for an operation without any.
var secretCalls = func() (calls []secretCall) {
	for _, op := range robustness.Operations() {
		for _, name := range op.Secrets {
			calls = append(calls, secretCall{op, name})
		}
		if len(op.Secrets) == 0 {
			calls = append(calls, secretCall{op, ""})
		}
	}
	return calls
}()

// input returns the valid input with the secret in it.
func (c *secretCall) input(secret string) robustness.Input {
	if c.name == "" {
		return c.Input
	}
	return c.With(c.name, secret)
}

// hasQuery reports whether the operation has a parameter in the query.
func (c *secretCall) hasQuery() bool {
	return slices.ContainsFunc(c.Operation.Operation.Operation.Parameters, func(p *openapi3.ParameterRef) bool {
		return p.Value.In == openapi3.ParameterInQuery
	})
}

// anyAnswer is what a fuzz target has a server say: the header in lines, and the body before so many spaces. What
// follows {cut} in the body is the error that ends it.
type anyAnswer struct {
	status       int
	header, body string
	length       int64 // as Content-Length has it, rightly or not
	padding      uint32
}

// pieces are statuses, headers and bodies. A fuzz target picks some, which it would not hit upon in a minute.
var pieces = []string{
	"200", "202", "204", "301", "302", "303", "307", "308", "400", "401", "403", "429", "500", "502", "503",
	"Content-Type: application/json", "Content-Type: text/html", "Content-Type: text/{secret}; a={secret}",
	"Location: https://evil.example.com/v1/log_in", "Location: /", "Location: https://{path}.example.com/{secret}",
	"Code: {secret}", "Message: {path}", "Details: {query}", "Service: {quoted}", "Retry-After: 60",
	"Set-Cookie: sessions={secret}; Max-Age=60", "Set-Cookie: sessions=; Max-Age=-1", loginBody,
	`{"message":"{quoted}"}`, `{"error":{"code":"{path lower}"}}`, `{"details":{"a":["{quoted}"]}}`,
	"{cut}{path} {secret}", "Content-Type: text/plain", "{answer}",
}

// with replaces parts of an answer by the pieces picked.
func (a anyAnswer) with(picks []byte) anyAnswer {
	for _, pick := range picks {
		piece := pieces[int(pick)%len(pieces)]
		if status, err := strconv.Atoi(piece); err == nil {
			a.status = status
		} else if piece[0] == '{' {
			a.body = piece
		} else {
			a.header = piece + "\n" + a.header
		}
	}
	return a
}

// toLogin has a log-in with the secret as its password answered, and returns its session.
func (a anyAnswer) toLogin(t *testing.T, secret string) (session *kalshiauth.Session) {
	t.Helper()
	login := secretCall{robustness.Lookup("Login"), "password"}
	login.Call = func(ctx context.Context, client *kalshiauth.Client, _ robustness.Input) (err error) {
		session, err = client.Login(ctx, kalshiauth.Credentials{Email: email, Password: secret})
		return err
	}
	a.to(t, &login, secret)
	return session
}

// to has a call answered, and checks the rules that are the same for each operation.
func (a anyAnswer) to(t *testing.T, call *secretCall, secret string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the answer was %+v, and the secret %q", a, secret)
		}
	}()
	in := call.input(secret)
	body := a.reader(secret, cmp.Or(call.Answer, "{}"))
	requests := 0
	header := headerOf(fill(a.header, secret))
	var log strings.Builder
	client := newClient(t, kalshiauth.WithBaseURL(fuzzURL), kalshiauth.WithRetries(0),
		kalshiauth.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		kalshiauth.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			requests++
			got, _, hasQuery := strings.Cut(req.URL.String(), "?")
			if want := fuzzURL + call.EscapedPath(in); got != want || hasQuery && !call.hasQuery() {
				t.Errorf("a request to %s, want %s", req.URL, want)
			}
			return &http.Response{
				StatusCode: a.status, Header: header, Body: body, ContentLength: a.length, Request: req,
			}, nil
		})}))
	err := call.Call(t.Context(), client, in)
	if err != nil {
		assertHides(t, call.ID+"'s error", err, secret)
	}
	for _, form := range forms(secret) {
		if strings.Contains(log.String(), form) || isOneWord(secret) && strings.Contains(log.String(), canary) {
			t.Errorf("the log shows the secret: %s", log.String())
			break
		}
	}
	if requests == 0 {
		if got := kinds(err); got != "ErrInvalidInput" && got != "ErrNoSession" {
			t.Errorf("nothing was sent, and the error is %v", err)
		}
		return
	}
	var said *kalshiauth.Error
	switch {
	case requests > 1 || !body.closed:
		t.Errorf("%d requests, body closed: %t", requests, body.closed)
	case body.read > maxBody:
		t.Errorf("%d bytes of the body were read", body.read)
	case body.read > 0 && a.status < 400 && (a.status != call.Success || call.Answer == ""):
		t.Errorf("%d bytes were read of a body without a meaning", body.read)
	case err == nil && a.status != call.Success:
		t.Errorf("%d is a success", a.status)
	case err == nil:
	case a.status == call.Success && call.Answer == "":
		t.Errorf("the documented success is an error: %v", err)
	case !errors.As(err, &said) || said.Op != call.ID || said.StatusCode != a.status || said.RetryAfter < 0:
		t.Errorf("%d is %#v", a.status, err)
	default:
		assertKinds(t, said, header)
	}
}

// assertKinds checks which sentinels an answer of the server is.
func assertKinds(t *testing.T, said *kalshiauth.Error, header http.Header) {
	t.Helper()
	want := sentinelsOf(said.StatusCode)
	// Plain text becomes the message, and explains nothing. It may be JSON all the same.
	text := said.ContentType == "text/plain" && said.Code+said.Details+said.Service == "" && header.Get("Message") == ""
	explained := said.Code+said.Message+said.Details+said.Service != "" &&
		(!text || !errors.Is(said, kalshiauth.ErrUnexpectedResponse))
	if said.StatusCode >= 400 && !explained {
		want = append(want, kalshiauth.ErrUnexpectedResponse)
	}
	if text && !explained && utf8.RuneCountInString(said.Message) > 300 {
		t.Errorf("%d characters of a text are the message", utf8.RuneCountInString(said.Message))
	}
	if got, want := kinds(said), kinds(errors.Join(want...)); got != want {
		t.Errorf("%d is %q, want %q", said.StatusCode, got, want)
	}
}

func headerOf(lines string) http.Header {
	header := http.Header{}
	for line := range strings.Lines(lines) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":"); ok {
			header.Add(name, strings.TrimLeft(value, " "))
		}
	}
	return header
}

// meteredBody tells how it was used.
type meteredBody struct {
	io.Reader

	read   int
	closed bool
}

func (a anyAnswer) reader(secret, success string) *meteredBody {
	text, cause, isCut := strings.Cut(fill(strings.ReplaceAll(a.body, "{answer}", success), secret), "{cut}")
	end := io.Reader(strings.NewReader(""))
	if isCut {
		end = iotest.ErrReader(errors.New(cause))
	}
	return &meteredBody{Reader: io.MultiReader(strings.NewReader(text), io.LimitReader(spaces{}, int64(a.padding)), end)}
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += n
	return n, err
}

func (b *meteredBody) Close() error {
	b.closed = true
	return nil
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// received is a request as a server reads it.
func received(t *testing.T, req *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatalf("a server cannot read %q: %v", wire.String(), err)
	}
	return got
}

// assertUsable checks that requests can carry a session, that a store can keep it, and that it hides the secret.
func assertUsable(t *testing.T, session *kalshiauth.Session, secret string) {
	t.Helper()
	cookie := session.Cookie()
	if cookie == nil || cookie.Name != "sessions" || session.Token() == "" {
		t.Fatalf("the cookie is %v and the token %q", cookie, session.Token())
	}
	if past := !session.Expiry.IsZero() && !session.Expiry.After(time.Now()); session.Valid() == past {
		t.Errorf("Valid() = %t with Expiry %v", session.Valid(), session.Expiry)
	}
	assertPresented(t, session)
	assertExports(t, session)
	if !strings.Contains(session.UserID+session.AccessLevel, canary) { // what is public, the server says
		assertHides(t, "the session", session, secret)
	}
}

// assertPresented checks that a server reads a session where the session belongs, and nowhere else.
func assertPresented(t *testing.T, session *kalshiauth.Session) {
	t.Helper()
	cookie := session.Cookie()
	client := newClient(t, kalshiauth.WithBaseURL(fuzzURL))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fuzzURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = client.Authorize(req, session)
	if session.Origin() != "" && session.Origin() != "https://api.example.com:443" {
		if kinds(err) != "ErrInvalidInput" || len(req.Header) != 0 {
			t.Errorf("a session of %q: Authorize = %v, and the header is %q", session.Origin(), err, req.Header)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if lines := req.Header["Cookie"]; len(lines) != 1 || strings.ContainsAny(lines[0], "\r\n;") {
		t.Errorf("Authorize wrote %q", lines)
	}
	if got := received(t, req).Cookies(); len(got) != 1 || got[0].Name != "sessions" || got[0].Value != cookie.Value {
		t.Errorf("a server reads %v, want %v", got, cookie)
	}
}

// assertExports checks that a session is the same once it was exported and imported.
func assertExports(t *testing.T, session *kalshiauth.Session) {
	t.Helper()
	data, err := session.Export()
	if err != nil {
		t.Fatalf("Export: %v", err)
	}
	got, err := kalshiauth.ImportSession(data)
	if err != nil {
		t.Fatalf("what was exported cannot be imported: %v: %s", err, data)
	}
	if got.UserID != session.UserID || got.AccessLevel != session.AccessLevel || !got.Expiry.Equal(session.Expiry) ||
		!got.IssuedAt.Equal(session.IssuedAt) || !got.Equal(session) || got.Valid() != session.Valid() ||
		got.Email() != session.Email() || got.Origin() != session.Origin() {
		t.Errorf("%s is imported as %#v", data, got)
	}
	if again, err := got.Export(); err != nil || !bytes.Equal(again, data) {
		t.Errorf("%s is imported and exported as %s, %v", data, again, err)
	}
}

// addAnswers adds answers of all kinds. add gets each.
func addAnswers(add func(status int, header, body string, length int64, padding uint32, picks []byte, suffix string)) {
	const jsonType = "Content-Type: application/json\n"
	all := "{secret} {quoted} {path} {path lower} {query} {query lower}"
	fields, _ := json.Marshal(map[string]any{
		"code": all, "message": all, "details": map[string]string{"a": "{quoted}", "b": "{path}"}, "service": 1,
	})
	for _, status := range []int{100, 200, 202, 204, 307, 400, 401, 403, 404, 429, 500, 502, 503, 599, 600, -1} {
		add(status, jsonType, string(fields), int64(len(fields)), 0, nil, "")
		add(status, jsonType+"Set-Cookie: sessions=abc; Path=/\n", loginBody, -1, 0, nil, `pä"ss/w+rd;%`)
	}
	for _, header := range []string{
		"", "Content-Type: text/html; x={secret}", "Content-Type: {quoted}", "Content-Type: text/plain;;",
		jsonType + "Set-Cookie: sessions=a b; Max-Age=60", jsonType + "Set-Cookie: sessions=; Max-Age=-1",
		"Code: {secret}\nMessage: {path}\nDetails: {query}\nService: {quoted}\nRetry-After: 60",
		jsonType + "Date: Mon, 02 Jan 2006 15:04:05 GMT\nRetry-After: Tue, 03 Jan 2006 15:04:05 GMT",
	} {
		for _, status := range []int{200, 403, 503} {
			add(status, header, loginBody, 0, 0, nil, " <")
		}
	}
	for _, location := range []string{
		"", "/", "https://evil.example.com/v1/log_in", "https://{secret}.example.com", "%zz:", "//{path}",
	} {
		for _, status := range []int{200, 302, 307, 308} {
			add(status, jsonType+"Location: "+location, loginBody, -1, 0, nil, "")
		}
	}
	for _, body := range []string{
		"", "null", "[]", "{", `"{quoted}"`, `{"error":{"message":"{secret}"}}`, `{"error":"{quoted}"}`, `{"error":[]}`,
		`{"user_id":"u"}`, `{"token":"t"}`, `{"user_id":"u","token":"a;b"}`, `{"user_id":"{quoted}","token":"t","access_level":null}`,
		"{cut}{secret} {path}", `{"message":"m"{cut}read {query}`,
	} {
		for _, status := range []int{200, 400} {
			add(status, jsonType, body, -1, 0, nil, "tail")
			add(status, jsonType, body, 65536, 65536, nil, "tail")
			add(status, jsonType, body, 1<<40, 1<<20, nil, "tail")
		}
	}
	for _, status := range []int{200, 202, 204} {
		add(status, jsonType, "{answer}", -1, 0, nil, "tail")
	}
	for i := range pieces {
		add(200, jsonType, loginBody, -1, 0, []byte{byte(i), byte(i / 2)}, "")
	}
}

func FuzzLogin(f *testing.F) {
	addAnswers(func(status int, header, body string, length int64, padding uint32, picks []byte, suffix string) {
		f.Add(status, header, body, length, padding, picks, suffix)
	})
	f.Fuzz(func(t *testing.T, status int, header, body string, length int64, padding uint32, picks []byte, suffix string) {
		t.Parallel()
		secret := canary + suffix
		session := anyAnswer{status, header, body, length, padding}.with(picks).toLogin(t, secret)
		if session == nil {
			return
		}
		if session.UserID == "" {
			t.Error("a session without a user ID")
		}
		assertUsable(t, session, secret)
	})
}

func FuzzOperationError(f *testing.F) {
	op := uint(0)
	addAnswers(func(status int, header, body string, length int64, padding uint32, picks []byte, suffix string) {
		f.Add(op, status, header, body, length, padding, picks, suffix)
		op++
	})
	f.Fuzz(func(
		t *testing.T, op uint, status int, header, body string, length int64, padding uint32, picks []byte, suffix string,
	) {
		t.Parallel()
		call := &secretCalls[op%uint(len(secretCalls))]
		secret := canary + suffix
		a := anyAnswer{status, header, body, length, padding}.with(picks)
		if call.name == "" { // there is no secret, and the error shows what the server says
			a.body, a.header = strings.ReplaceAll(a.body, "{", ""), strings.ReplaceAll(a.header, "{", "")
		}
		a.to(t, call, secret)
	})
}
