package kalshiauthtest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

const (
	email       = "trader@example.com"
	password    = "correct horse"
	newPassword = "battery staple"
	jsonType    = "Content-Type: application/json"
)

// minPassword is the document's limit, and short a password with one character too few.
var (
	minPassword = int(document.API().Spec.Components.Schemas["LoginRequest"].Value.Properties["password"].Value.MinLength)
	short       = strings.Repeat("5", minPassword-1)
	tooShort    = fmt.Sprintf("at least %d characters", minPassword)
)

// newServer starts a server with one account.
func newServer(t *testing.T, opts ...kalshiauthtest.Option) (*kalshiauthtest.Server, kalshiauthtest.User) {
	t.Helper()
	srv := kalshiauthtest.NewServer(opts...)
	t.Cleanup(srv.Close)
	user := srv.AddUser(email, password)
	return srv, user
}

// answer is a response that has been read.
type answer struct {
	status int
	proto  string
	header http.Header
	body   string
	err    error // what reading the body ended with
}

// send makes a request without following redirects. headers are "Name: value". Like the other helpers, it never ends
// the test, so that any goroutine may call it.
func send(t *testing.T, srv *kalshiauthtest.Server, method, path, body string, headers ...string) answer {
	t.Helper()
	got, err := try(t, srv, method, path, body, headers...)
	if err != nil {
		t.Error(err)
	}
	return got
}

// try is send where there may be no answer.
func try(t *testing.T, srv *kalshiauthtest.Server, method, path, body string, headers ...string) (answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	resp, err := srv.Client().Transport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Proto, resp.Header, string(data), err}, nil
}

func login(t *testing.T, srv *kalshiauthtest.Server, email, password string) answer {
	t.Helper()
	return send(t, srv, "POST", "/log_in", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password), jsonType)
}

// session logs in and returns the token.
func session(t *testing.T, srv *kalshiauthtest.Server) string {
	t.Helper()
	got := login(t, srv, email, password)
	wantStatus(t, got, http.StatusOK)
	var body struct{ Token string }
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || body.Token == "" {
		t.Errorf("the body of a login is %q", got.body)
	}
	return body.Token
}

// resetCode asks for a reset of email and returns the mail.
func resetCode(t *testing.T, srv *kalshiauthtest.Server, email string) kalshiauthtest.Mail {
	t.Helper()
	wantStatus(t, send(t, srv, "POST", "/passwords/reset", fmt.Sprintf(`{"email":%q}`, email), jsonType), 202)
	outbox := srv.Outbox()
	if len(outbox) == 0 {
		t.Error("no mail was sent")
		return kalshiauthtest.Mail{}
	}
	return outbox[len(outbox)-1]
}

func confirm(t *testing.T, srv *kalshiauthtest.Server, code, userID, password string) answer {
	t.Helper()
	return send(t, srv, "PUT", "/passwords/reset/"+code+"/confirm",
		fmt.Sprintf(`{"user_id":%q,"password":%q}`, userID, password), jsonType)
}

// whoami mounts an endpoint that says who is logged in.
func whoami(srv *kalshiauthtest.Server) {
	srv.Handle("GET /whoami", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := kalshiauthtest.UserFromContext(r.Context())
		_, _ = fmt.Fprint(w, user.ID, " ", ok)
	}))
}

func wantStatus(t *testing.T, got answer, status int) {
	t.Helper()
	if got.status != status || got.err != nil {
		t.Errorf("the answer is %d %q (read: %v), want %d", got.status, got.body, got.err, status)
	}
}

// wantEmpty wants a success without a body.
func wantEmpty(t *testing.T, got answer, status int) {
	t.Helper()
	wantStatus(t, got, status)
	if got.body != "" || got.header.Get("Content-Type") != "" {
		t.Errorf("the answer has the body %q of type %q, want none", got.body, got.header.Get("Content-Type"))
	}
}

// wantError wants an error in both documented forms, and nothing of what the test sends as a secret.
func wantError(t *testing.T, got answer, status int) {
	t.Helper()
	wantStatus(t, got, status)
	if ct := got.header.Values("Content-Type"); !reflect.DeepEqual(ct, []string{"application/json"}) {
		t.Errorf("the error's content type is %q, want application/json", ct)
	}
	var body map[string]string
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || len(body) != 4 {
		t.Errorf("the error's body is %q, want the four fields of a JSONError", got.body)
	}
	for _, field := range []string{"code", "message", "details", "service"} {
		if body[field] == "" || got.header.Get(field) != body[field] {
			t.Errorf("the error's %s is %q in the body and %q in the headers", field, body[field], got.header.Get(field))
		}
	}
	for _, secret := range []string{password, newPassword, email} {
		if text := fmt.Sprint(got); strings.Contains(text, secret) {
			t.Errorf("the error shows %q: %s", secret, text)
		}
	}
}

func wantSessions(t *testing.T, srv *kalshiauthtest.Server, want int) {
	t.Helper()
	if got := srv.Sessions(); got != want {
		t.Errorf("%d sessions are alive, want %d", got, want)
	}
}

func wantPanic(t *testing.T, about string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		got := fmt.Sprint(recover())
		if !strings.HasPrefix(got, "kalshiauthtest: ") || !strings.Contains(got, about) {
			t.Errorf("the panic is %q, want one of kalshiauthtest about %s", got, about)
		}
		if strings.Contains(got, password) {
			t.Errorf("the panic shows the password: %q", got)
		}
	}()
	f()
}
