package contract_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func TestNewRefusesWhatIsNoBaseURL(t *testing.T) {
	t.Parallel()
	for _, baseURL := range []string{
		"", "/v1", "example.com/v1", "ftp://example.com", "https://", "https://user:hunter2@example.com",
		"https://example.com?a=b", "https://example.com#a", "https://user:hunter2\n@example.com",
	} {
		checker, err := contract.New(baseURL, func(contract.Violation) {})
		if checker != nil || err == nil || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("New(%q) = %v, %v", baseURL, checker, err)
		}
	}
	if _, err := contract.New("https://example.com", nil); err == nil {
		t.Error("New takes no report")
	}
}

func TestViolationsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	const login, confirm = "#/paths/~1log_in/post", "#/paths/~1passwords~1reset~1{code}~1confirm/put"
	const confirmPath = "/passwords/reset/" + code + "/confirm"
	post := func(path, body string, headers ...string) func(*testing.T, http.RoundTripper, string) {
		return func(t *testing.T, rt http.RoundTripper, base string) {
			t.Helper()
			call(t, rt, "POST", base+path, body, append(headers, jsonType)...)
		}
	}
	put := func(body string) func(*testing.T, http.RoundTripper, string) {
		return func(t *testing.T, rt http.RoundTripper, base string) {
			t.Helper()
			call(t, rt, "PUT", base+confirmPath, body, jsonType)
		}
	}
	for name, c := range map[string]struct {
		handler http.Handler
		send    func(*testing.T, http.RoundTripper, string)
		want    contract.Violation
	}{
		"an undocumented path": {
			goodLogin, post("/log_on", ""),
			contract.Violation{"", contract.Request, "#/paths", "path", `an undocumented path, "/log_on"`},
		},
		"an undocumented path with a code": {
			goodLogin, post("/passwords/reset/"+code+"/confirmed", ""),
			contract.Violation{"", contract.Request, "#/paths", "path", `an undocumented path, "/passwords/reset/*/*"`},
		},
		"no path": {
			goodLogin, post("", ""), contract.Violation{"", contract.Request, "#/paths", "path", `an undocumented path, "/"`},
		},
		"an undocumented method": {
			goodLogin, func(t *testing.T, rt http.RoundTripper, base string) {
				t.Helper()
				call(t, rt, "GET", base+"/log_in", "")
			},
			contract.Violation{"", contract.Request, "#/paths/~1log_in", "method", `the undocumented method "GET" of /log_in`},
		},
		"no body": {
			goodLogin, post("/log_in", ""), contract.Violation{"Login", contract.Request, login + "/requestBody", "", "missing"},
		},
		"a body of text": {
			goodLogin, func(t *testing.T, rt http.RoundTripper, base string) {
				t.Helper()
				call(t, rt, "POST", base+"/log_in", loginIn, "Content-Type: text/plain")
			},
			contract.Violation{"Login", contract.Request, login + "/requestBody/content", "Content-Type", "not application/json"},
		},
		"a body that is cut": {
			goodLogin, post("/log_in", loginIn[:20]),
			contract.Violation{"Login", contract.Request, login + "/requestBody", "", "not one JSON value"},
		},
		"a missing field": {
			goodLogin, post("/log_in", `{"email":"`+email+`"}`),
			contract.Violation{"Login", contract.Request, login + "/requestBody", "/password", `property "password" is missing`},
		},
		"a malformed e-mail": {
			goodLogin, post("/log_in", `{"email":"trader","password":"`+password+`"}`),
			contract.Violation{"Login", contract.Request, login + "/requestBody", "/email", `string doesn't match the format "email" (not an e-mail address)`},
		},
		"a short password": {
			canned(204, ""), put(`{"user_id":"` + userID + `","password":"short"}`),
			contract.Violation{"ResetPasswordConfirm", contract.Request, confirm + "/requestBody", "/password", fmt.Sprintf("at least %d characters", minPassword)},
		},
		"no session": {
			canned(204, ""), post("/log_out", ""),
			contract.Violation{
				"Logout", contract.Request, "#/paths/~1log_out/post/security", "Cookie",
				"no session is presented by the header Authorization or the cookie sessions",
			},
		},
		"an undocumented status": {
			canned(418, `{"code":"teapot"}`, jsonType), post("/log_in", loginIn),
			contract.Violation{
				"Login", contract.Response, login + "/responses", "status",
				"the undocumented status 418; documented are 200, 400, 401, 403, 500, 503",
			},
		},
		"a redirect": {
			canned(301, "", "Location: /"), post("/log_in", loginIn),
			contract.Violation{
				"Login", contract.Response, login + "/responses", "status",
				"the undocumented status 301; documented are 200, 400, 401, 403, 500, 503",
			},
		},
		"a wrongly typed field": {
			canned(200, strings.Replace(loginOut, `"trading"`, "7", 1), jsonType, setToken), post("/log_in", loginIn),
			contract.Violation{"Login", contract.Response, login + "/responses/200", "/access_level", "value must be a string"},
		},
		"a token that is not there": {
			canned(200, `{"user_id":"`+userID+`","access_level":""}`, jsonType, setToken), post("/log_in", loginIn),
			contract.Violation{"Login", contract.Response, login + "/responses/200", "/token", `property "token" is missing`},
		},
		"HTML": {
			canned(200, "<p>", "Content-Type: text/html", setToken), post("/log_in", loginIn),
			contract.Violation{"Login", contract.Response, login + "/responses/200", "Content-Type", "the content type is text/html"},
		},
		"a large body": {
			canned(200, `{"x":"`+strings.Repeat("x", 1<<17)+`"}`, jsonType, setToken), post("/log_in", loginIn),
			contract.Violation{"Login", contract.Response, login + "/responses/200", "", "a body of more than 64 KiB"},
		},
		"trailing garbage": {
			canned(200, loginOut+"x", jsonType, setToken), post("/log_in", loginIn),
			contract.Violation{"Login", contract.Response, login + "/responses/200", "", "the body is not one JSON value"},
		},
		"an error without a body": {
			canned(401, "", jsonType), post("/log_in", loginIn),
			contract.Violation{
				"Login", contract.Response, login + "/responses/401", "",
				"neither headers nor a JSON body that say what went wrong: the body is empty",
			},
		},
		"no cookie": {
			canned(200, loginOut, jsonType), post("/log_in", loginIn),
			contract.Violation{
				"Login", contract.Response, login + "/responses/200/headers/Set-Cookie", "Set-Cookie",
				"no cookie sessions that a browser would send to /log_out",
			},
		},
		"an error that says nothing": {
			canned(400, `{}`, jsonType), put(confirmIn),
			contract.Violation{
				"ResetPasswordConfirm", contract.Response, confirm + "/responses/400", "",
				"none of the fields code, details, message and service says anything, and no header does",
			},
		},
		"an error of a wrong type": {
			canned(400, `{"error":{"code":7}}`, jsonType), put(confirmIn),
			contract.Violation{
				"ResetPasswordConfirm", contract.Response, confirm + "/responses/400", "/error/code", "value must be a string",
			},
		},
		"an error that is a page": {
			canned(500, "<p>", "Content-Type: text/html"), put(confirmIn),
			contract.Violation{
				"ResetPasswordConfirm", contract.Response, confirm + "/responses/500", "",
				"neither headers nor a JSON body that say what went wrong: the content type is text/html",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBothSides(t, func(t *testing.T, start starter) {
				t.Helper()
				base, rt, found := start(c.handler)
				c.send(t, rt, base)
				got := found.take()
				if !slices.Equal(got, []contract.Violation{c.want}) {
					t.Errorf("reported\n%v\nwant\n%v", got, c.want)
				}
				wantNoSecret(t, fmt.Sprintf("%v %+v %#v", got, got, got))
				for _, v := range got {
					wantRule(t, v.Rule)
				}
			})
		})
	}
}

// wantNoSecret fails the test if a text shows a secret of the tests.
func wantNoSecret(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{password, token, code} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is shown: %s", secret, text)
		}
	}
}

func TestGoodTrafficIsNotReported(t *testing.T) {
	t.Parallel()
	onBothSides(t, func(t *testing.T, start starter) {
		t.Helper()
		fake := kalshiauthtest.NewUnstartedServer()
		t.Cleanup(fake.Close)
		fake.AddUser(email, password)
		baseURL, rt, found := start(fake.Handler())
		client, err := kalshiauth.New(kalshiauth.WithBaseURL(baseURL), kalshiauth.WithRetries(0),
			kalshiauth.WithHTTPClient(&http.Client{Transport: rt}))
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		session, err := client.Login(ctx, credentials)
		if err != nil {
			t.Fatal(err)
		}
		_, wrong := client.Login(ctx, kalshiauth.Credentials{Email: email, Password: "wrong password"})
		first, again := client.Logout(ctx, session), client.Logout(ctx, session)
		reset := client.ResetPassword(ctx, email)
		mail := fake.Outbox()[0]
		confirmation := kalshiauth.PasswordResetConfirmation{Code: mail.Code, UserID: mail.UserID, NewPassword: "another password"}
		confirm, used := client.ResetPasswordConfirm(ctx, confirmation), client.ResetPasswordConfirm(ctx, confirmation)
		if err := errors.Join(first, reset, confirm); err != nil {
			t.Error(err)
		}
		for _, err := range []error{wrong, again, used} {
			if err == nil {
				t.Error("the fake refused nothing")
			}
		}
		fake.Intercept(kalshiauthtest.Status(503))
		if _, err := client.Login(ctx, credentials); !errors.Is(err, kalshiauth.ErrUnavailable) {
			t.Error(err)
		}
		if got := found.take(); len(got) > 0 {
			t.Error(got)
		}
	})
}

func TestWhatIsOutsideTheBaseURLPassesUntouched(t *testing.T) {
	t.Parallel()
	checker, found := newChecker(t, "https://example.com/v1/")
	var passed *http.Request
	var answered *http.Response
	rt := checker.Transport(roundTripper(func(req *http.Request) (*http.Response, error) {
		passed = req
		answered = &http.Response{StatusCode: 418, Body: io.NopCloser(strings.NewReader("teapot")), Request: req}
		return answered, nil
	}))
	for url, inside := range map[string]bool{
		"https://example.com/v1/teapot":     true,
		"https://EXAMPLE.com:443/v1/teapot": true,
		"https://example.com/v1":            true,
		"https://example.com/v1x/log_in":    false,
		"https://example.com/log_in":        false,
		"https://example.com/":              false,
		"https://example.com:8443/v1/x":     false,
		"http://example.com/v1/x":           false,
		"http://example.com:443/v1/x":       false,
		"https://api.example.com/v1/x":      false,
	} {
		req := httptest.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader("x"))
		body := req.Body
		resp, err := rt.RoundTrip(req)
		if err != nil || resp != answered {
			t.Errorf("%s: %v, %v", url, resp, err)
			continue
		}
		_, untouched := resp.Body.(interface {
			WriteTo(io.Writer) (int64, error)
		})
		if !inside && (passed != req || passed.Body != body || !untouched) {
			t.Errorf("%s: the request or the response is not the same", url)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if got := len(found.take()); got != map[bool]int{true: 1}[inside] {
			t.Errorf("%s: %d violations", url, got)
		}
	}
}

func TestMiddlewareTellsHostsApart(t *testing.T) {
	t.Parallel()
	checker, found := newChecker(t, "https://example.com/v1")
	handler := checker.Middleware(canned(204, ""))
	for url, inside := range map[string]bool{
		"/v1/teapot": true, "https://example.com:443/v1/teapot": true, "https://example.org/v1/teapot": false,
		"https://example.com/v2/log_in": false, "https://example.com:444/v1/log_in": false,
	} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "POST", url, nil))
		if got := len(found.take()); got != map[bool]int{true: 1}[inside] {
			t.Errorf("%s: %d violations", url, got)
		}
	}
}
