package kalshiauthtest_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/api"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// changed returns the document with each old text replaced by the new one behind it.
func changed(t *testing.T, oldnew ...string) kalshiauthtest.Option {
	t.Helper()
	data := bytes.Clone(api.Document)
	for change := range slices.Chunk(oldnew, 2) {
		if !bytes.Contains(data, []byte(change[0])) {
			t.Fatalf("the document does not have %q", change[0])
		}
		data = bytes.ReplaceAll(data, []byte(change[0]), []byte(change[1]))
	}
	return kalshiauthtest.WithDocument(data)
}

func TestALimitIsTheDocuments(t *testing.T) {
	t.Parallel()
	own := fmt.Sprint("minLength: ", minPassword)
	srv, user := newServer(t, changed(t, own, fmt.Sprint("minLength: ", minPassword+1)))
	short, tooShort := short+"x", fmt.Sprintf("at least %d characters", minPassword+1)
	got := login(t, srv, email, short)
	wantError(t, got, http.StatusBadRequest)
	if details := got.header.Get("details"); details != "password: "+tooShort {
		t.Errorf("the details are %q", details)
	}
	wantError(t, login(t, srv, email, short+"x"), http.StatusUnauthorized)
	wantError(t, confirm(t, srv, resetCode(t, srv, email).Code, user.ID, short), http.StatusBadRequest)
	wantPanic(t, tooShort, func() { srv.AddUser("other@example.com", short) })
	wantPanic(t, tooShort, func() { srv.SetPassword(email, short) })

	srv, _ = newServer(t, changed(t, own, "maxLength: 20"))
	wantError(t, login(t, srv, email, "1"), http.StatusUnauthorized)
	wantError(t, login(t, srv, email, strings.Repeat("x", 21)), http.StatusBadRequest)
}

func TestANewFieldOrParameterIsTheDocuments(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t, changed(t,
		"required: [email, password]\n      properties:", "required: [email, password, otp]\n      properties:\n        otp: {type: string, pattern: '^[0-9]{6}$'}"))
	srv.AddUser("other@example.com", password) // the new field is not the account's
	wantError(t, login(t, srv, email, password), http.StatusBadRequest)
	const body = `{"email":"trader@example.com","password":"correct horse","otp":"123456"}`
	wantStatus(t, send(t, srv, "POST", "/log_in", body, jsonType), http.StatusOK)

	srv, _ = newServer(t, changed(t, "operationId: Logout", "operationId: Logout\n      parameters:\n"+
		"        - {name: everywhere, in: query, schema: {type: boolean}}\n"+
		"        - {name: X-Reason, in: header, required: true, schema: {type: string, enum: [done, idle]}}"))
	token := "Authorization: " + session(t, srv)
	for details, got := range map[string]answer{
		"everywhere: value must be of the type boolean":                    send(t, srv, "POST", "/log_out?everywhere=maybe", "", token, "X-Reason: done"),
		"X-Reason: value is required but missing":                          send(t, srv, "POST", "/log_out", "", token),
		`X-Reason: value is not one of the allowed values ["done","idle"]`: send(t, srv, "POST", "/log_out", "", token, "X-Reason: "+newPassword),
	} {
		wantError(t, got, http.StatusBadRequest)
		if got.header.Get("details") != details {
			t.Errorf("the details are %q, want %q", got.header.Get("details"), details)
		}
	}
	wantError(t, send(t, srv, "POST", "/log_out?everywhere=maybe", ""), http.StatusUnauthorized) // the session comes first
	wantStatus(t, send(t, srv, "POST", "/log_out?everywhere=true", "", token, "X-Reason: idle"), http.StatusNoContent)
}

func TestTheSecuritySchemesAreTheDocuments(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t, changed(t, "name: sessions", "name: sid", "name: Authorization", "name: X-Session"))
	whoami(srv)
	got := login(t, srv, email, password)
	if !strings.HasPrefix(got.header.Get("Set-Cookie"), "sid=") {
		t.Errorf("the cookie is %q, want sid", got.header.Get("Set-Cookie"))
	}
	token := session(t, srv)
	for header, status := range map[string]int{
		"Cookie: sid=" + token: 200, "X-Session: Bearer " + token: 200,
		"Cookie: sessions=" + token: 401, "Authorization: " + token: 401,
	} {
		wantStatus(t, send(t, srv, "GET", "/whoami", "", header), status)
	}
	for _, request := range srv.RequestLog() {
		if request.Header.Get("X-Session") != "" && request.Header.Get("X-Session") != "[redacted]" {
			t.Errorf("the log shows %q", request.Header)
		}
	}

	const both = "security:\n        - cookie: []\n        - authorization: []"
	srv, _ = newServer(t, changed(t, both, "security:\n        - cookie: []"))
	token = session(t, srv)
	wantError(t, send(t, srv, "POST", "/log_out", "", "Authorization: "+token), http.StatusUnauthorized)
	wantStatus(t, send(t, srv, "POST", "/log_out", "", "Cookie: sessions="+token), http.StatusNoContent)

	srv, _ = newServer(t, changed(t, both, "security:\n        - {}\n        - cookie: []"))
	wantError(t, send(t, srv, "POST", "/log_out", ""), http.StatusUnauthorized) // it is the log-out that fails now
	wantStatus(t, send(t, srv, "POST", "/log_out", "", "Cookie: sessions="+session(t, srv)), http.StatusNoContent)
}

func TestABodyMayBeOptionalAndANumberTooLarge(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t, changed(t,
		"description: Whose password to reset. Nothing can be mailed without it, so the body is required.\n        required: true",
		"description: Optional."))
	wantEmpty(t, send(t, srv, "POST", "/passwords/reset", ""), http.StatusAccepted)

	const reset = "description: Whose password to reset.\n      required: [email]\n      properties:\n        email:\n          type: "
	srv, _ = newServer(t, changed(t, reset+"string\n          format: email", reset+"integer"))
	wantError(t, send(t, srv, "POST", "/passwords/reset", `{"email":1}`, jsonType), http.StatusBadRequest)
}

func TestAServerNeedsTheGeneratedOperations(t *testing.T) {
	t.Parallel()
	wantPanic(t, "no operation POST /log_out", func() {
		kalshiauthtest.NewUnstartedServer(changed(t, "/log_out:", "/sign_out:"))
	})
}

// What the document refuses is refused by the server, without a word of the request.
func TestProblemsAreNamedWithoutValues(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	for body, details := range map[string]string{
		``:                                     "body: missing",
		`{"email":"battery staple"}`:           "email: not an e-mail address; password: missing",
		`["battery staple"]`:                   "body: an object",
		`{"email":"trader@example.com"} extra`: "body: not one JSON value",
	} {
		got := send(t, srv, "POST", "/log_in", body, jsonType)
		wantError(t, got, http.StatusBadRequest)
		for part := range strings.SplitSeq(details, "; ") {
			place, found, _ := strings.Cut(part, ": ")
			if text := got.header.Get("details"); !strings.Contains(text, place) || !strings.Contains(text, found) {
				t.Errorf("the details are %q, want %q", text, details)
			}
		}
	}
}

func TestEveryOperationOfTheDocumentIsServed(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	for _, op := range document.API().Operations {
		got := send(t, srv, op.Method, op.Path, "")
		if _, required := op.Security(); required {
			wantError(t, got, http.StatusUnauthorized)
		}
		if got.status == http.StatusNotFound || got.status == http.StatusMethodNotAllowed {
			t.Errorf("%s %s is %d", op.Method, op.Path, got.status)
		}
		if n := srv.Requests(op.ID); n != 1 {
			t.Errorf("%d requests came for %s, want 1", n, op.ID)
		}
	}
}
