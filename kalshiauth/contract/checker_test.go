package contract_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// violations are what a Checker has reported.
type violations struct {
	mu  sync.Mutex
	all []contract.Violation
}

func (v *violations) report(found contract.Violation) { //nolint:gocritic // New wants it so
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = append(v.all, found)
}

// take returns what was reported since the last time.
func (v *violations) take() []contract.Violation {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := v.all
	v.all = nil
	return all
}

func newChecker(t *testing.T, baseURL string) (*contract.Checker, *violations) {
	t.Helper()
	found := &violations{}
	checker, err := contract.New(baseURL, found.report)
	if err != nil {
		t.Fatal(err)
	}
	return checker, found
}

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

// sides are the two places where a Checker can look. Each starts a server with handler and returns its URL and a
// transport to it.
var sides = map[string]func(t *testing.T, handler http.Handler) (baseURL string, rt http.RoundTripper, found *violations){
	"Transport": func(t *testing.T, handler http.Handler) (string, http.RoundTripper, *violations) {
		t.Helper()
		srv := httptest.NewServer(http.StripPrefix("/v1", handler))
		t.Cleanup(srv.Close)
		checker, found := newChecker(t, srv.URL+"/v1")
		return srv.URL + "/v1", checker.Transport(srv.Client().Transport), found
	},
	"Middleware": func(t *testing.T, handler http.Handler) (string, http.RoundTripper, *violations) {
		t.Helper()
		srv := httptest.NewUnstartedServer(nil)
		baseURL := "http://" + srv.Listener.Addr().String() + "/v1"
		checker, found := newChecker(t, baseURL)
		srv.Config.Handler = checker.Middleware(http.StripPrefix("/v1", handler))
		srv.Start()
		t.Cleanup(srv.Close)
		return baseURL, srv.Client().Transport, found
	},
}

// A starter starts a server with a handler on one side.
type starter = func(http.Handler) (baseURL string, rt http.RoundTripper, found *violations)

// onBothSides runs a test with each.
func onBothSides(t *testing.T, test func(t *testing.T, start starter)) {
	t.Helper()
	for name, side := range sides {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(handler http.Handler) (string, http.RoundTripper, *violations) { return side(t, handler) })
		})
	}
}

// call sends a request and reads the answer to its end. headers are "Name: value".
func call(t *testing.T, rt http.RoundTripper, method, url, body string, headers ...string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

const (
	userID    = "6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e"
	token     = "tok-3q2-7wSECRET"
	code      = "4fzyo82SECRET"
	loginIn   = `{"email":"` + email + `","password":"` + password + `"}`
	loginOut  = `{"user_id":"` + userID + `","token":"` + token + `","access_level":"trading"}`
	confirmIn = `{"user_id":"` + userID + `","password":"` + password + `"}`
	jsonType  = "Content-Type: application/json"
	setToken  = "Set-Cookie: sessions=" + token
)

// canned answers every request alike.
func canned(status int, body string, headers ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Add(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

var goodLogin = canned(200, loginOut, jsonType, setToken)

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
			goodLogin, post("/log_in", ""), contract.Violation{"Login", contract.Request, login + "/requestBody", "", "no body"},
		},
		"a body of text": {
			goodLogin, func(t *testing.T, rt http.RoundTripper, base string) {
				t.Helper()
				call(t, rt, "POST", base+"/log_in", loginIn, "Content-Type: text/plain")
			},
			contract.Violation{"Login", contract.Request, login + "/requestBody", "Content-Type", "the content type is text/plain"},
		},
		"a body that is cut": {
			goodLogin, post("/log_in", loginIn[:20]),
			contract.Violation{"Login", contract.Request, login + "/requestBody", "", "the body is not one JSON value"},
		},
		"a missing field": {
			goodLogin, post("/log_in", `{"email":"`+email+`"}`),
			contract.Violation{"Login", contract.Request, login + "/requestBody", "/password", `property "password" is missing`},
		},
		"a malformed e-mail": {
			goodLogin, post("/log_in", `{"email":"trader","password":"`+password+`"}`),
			contract.Violation{"Login", contract.Request, login + "/requestBody", "/email", "a value that is not of the format email"},
		},
		"a short password": {
			canned(204, ""), put(`{"user_id":"` + userID + `","password":"short"}`),
			contract.Violation{"ResetPasswordConfirm", contract.Request, confirm + "/requestBody", "/password", "minimum string length is 6"},
		},
		"no session": {
			canned(204, ""), post("/log_out", ""),
			contract.Violation{
				"Logout", contract.Request, "#/paths/~1log_out/post/security", "Cookie",
				"no session is presented, neither by the cookie nor by the Authorization header",
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
				"no cookie sessions that a browser would send to the log-out",
			},
		},
		"an error that says nothing": {
			canned(400, `{}`, jsonType), put(confirmIn),
			contract.Violation{
				"ResetPasswordConfirm", contract.Response, confirm + "/responses/400", "",
				"none of the fields code, message, details and service says anything, and no header does",
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

// wantNoSecret looks for what the tests send as secrets.
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

func TestTheClientsRequestIsNotChanged(t *testing.T) {
	t.Parallel()
	checker, found := newChecker(t, "https://example.com")
	rt := checker.Transport(roundTripper(func(req *http.Request) (*http.Response, error) {
		data, err := io.ReadAll(req.Body)
		return &http.Response{
			StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}, "Set-Cookie": {"sessions=" + token}},
			Body: io.NopCloser(strings.NewReader(loginOut)), ContentLength: int64(len(data)),
		}, err
	}))
	for name, body := range map[string]io.Reader{
		"with GetBody": strings.NewReader(loginIn), "without": io.MultiReader(strings.NewReader(loginIn)),
	} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", "https://example.com/log_in", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		was, header := req.Body, req.Header.Clone()
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if req.Body != was || len(req.Header) != len(header) || resp.ContentLength != int64(len(loginIn)) || string(got) != loginOut {
			t.Errorf("%s: the request or the answer has changed", name)
		}
		if got := found.take(); len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestARequestWithoutAnAnswerIsCheckedAlone(t *testing.T) {
	t.Parallel()
	checker, found := newChecker(t, "https://example.com")
	down := errors.New("the network is down")
	rt := checker.Transport(roundTripper(func(*http.Request) (*http.Response, error) { return nil, down }))
	req := httptest.NewRequestWithContext(t.Context(), "POST", "https://example.com/log_out", nil)
	resp, err := rt.RoundTrip(req)
	if resp != nil || !errors.Is(err, down) {
		t.Error(resp, err)
	}
	if got := found.take(); len(got) != 1 || got[0].In != contract.Request {
		t.Error(got)
	}
}

func TestBodiesStreamThroughTransport(t *testing.T) {
	t.Parallel()
	read, write := io.Pipe()
	checker, found := newChecker(t, "https://example.com")
	rt := checker.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: 200, ContentLength: -1, Body: read,
			Header: http.Header{"Content-Type": {"application/json"}, "Set-Cookie": {"sessions=" + token}},
		}, nil
	}))
	req, err := http.NewRequestWithContext(t.Context(), "POST", "https://example.com/log_in", strings.NewReader(loginIn))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	// Each byte arrives before the next one is written.
	wrong := loginOut + "x"
	for i := range wrong {
		go func() { _, _ = write.Write([]byte{wrong[i]}) }()
		var b [1]byte
		if _, err := io.ReadFull(resp.Body, b[:]); err != nil || b[0] != wrong[i] {
			t.Fatalf("byte %d: %q, %v", i, b, err)
		}
	}
	if got := found.take(); len(got) > 0 {
		t.Errorf("reported before the end: %v", got)
	}
	_ = write.Close()
	if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if got := found.take(); len(got) != 1 || got[0].Found != "the body is not one JSON value" {
		t.Errorf("after the end: %v", got)
	}
	_ = resp.Body.Close()
	if got := found.take(); len(got) > 0 {
		t.Errorf("reported again: %v", got)
	}
}

func TestABodyThatIsNotReadToItsEndIsJudgedByWhatIsKnown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		read func(io.Reader)
		want int
	}{
		"nothing is read":              {`{}`, func(io.Reader) {}, 0},
		"half a value":                 {loginOut, func(r io.Reader) { _, _ = io.ReadFull(r, make([]byte, 30)) }, 0},
		"json.Decoder reads one value": {`{"token":""}`, func(r io.Reader) { _ = json.NewDecoder(r).Decode(&struct{}{}) }, 3},
	} {
		checker, found := newChecker(t, "https://example.com")
		rt := checker.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: 200, ContentLength: -1, Body: io.NopCloser(strings.NewReader(c.body)),
				Header: http.Header{"Content-Type": {"application/json"}, "Set-Cookie": {"sessions=" + token}},
			}, nil
		}))
		req := httptest.NewRequestWithContext(t.Context(), "POST", "https://example.com/log_in", strings.NewReader(loginIn))
		req.Header.Set("Content-Type", "application/json")
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		c.read(resp.Body)
		_ = resp.Body.Close()
		got := slices.DeleteFunc(found.take(), func(v contract.Violation) bool { return v.In == contract.Request })
		if len(got) != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// inMemory has requests answered by handler, without a network, and without reading them.
func inMemory(handler http.Handler) http.RoundTripper {
	return roundTripper(func(*http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", nil)) //nolint:noctx // nobody asks for it
		return rec.Result(), nil
	})
}

func TestARequestThatIsNotReadIsJudgedByWhatIsKnown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body io.Reader
		want int
	}{
		"a copy can be had": {strings.NewReader("not JSON"), 1},
		"no copy":           {io.MultiReader(strings.NewReader("not JSON")), 0},
	} {
		checker, found := newChecker(t, "https://example.com")
		req, err := http.NewRequestWithContext(t.Context(), "POST", "https://example.com/log_in", c.body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := checker.Transport(inMemory(goodLogin)).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if got := found.take(); len(got) != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A test may serve a production's cookies without TLS.
func TestASecureCookieIsGoodWithoutTLS(t *testing.T) {
	t.Parallel()
	checker, found := newChecker(t, "http://api.internal:8080")
	rt := checker.Transport(inMemory(canned(200, loginOut, jsonType, setToken+"; Secure")))
	call(t, rt, "POST", "http://api.internal:8080/log_in", loginIn, jsonType)
	if got := found.take(); len(got) > 0 {
		t.Error(got)
	}
}

func TestMiddlewareSeesTheHeadThatIsSent(t *testing.T) {
	t.Parallel()
	set := func(w http.ResponseWriter) {
		w.Header()["content-type"] = []string{"application/json"}
		w.Header()["Set-Cookie"] = []string{"lb=1"}
		w.Header()["set-cookie"] = []string{"sessions=" + token}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"names in lower case": func(w http.ResponseWriter, _ *http.Request) { set(w) },
		"an interim response": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			set(w)
		},
		"a flush": func(w http.ResponseWriter, _ *http.Request) {
			set(w)
			w.(http.Flusher).Flush()
			w.Header().Set("Content-Type", "text/html")
		},
		"a later status": func(w http.ResponseWriter, _ *http.Request) {
			set(w)
			w.WriteHeader(http.StatusOK)
			w.WriteHeader(http.StatusTeapot)
		},
	} {
		checker, found := newChecker(t, "http://example.com")
		req := httptest.NewRequestWithContext(t.Context(), "POST", "/log_in", strings.NewReader(loginIn))
		req.Header.Set("Content-Type", "application/json")
		checker.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handler(w, r)
			_, _ = io.WriteString(w, loginOut)
		})).ServeHTTP(httptest.NewRecorder(), req)
		if got := found.take(); len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestCompressedBodiesAreNotJudged(t *testing.T) {
	t.Parallel()
	onBothSides(t, func(t *testing.T, start starter) {
		t.Helper()
		base, rt, found := start(canned(200, "not really gzip", jsonType, setToken, "Content-Encoding: gzip"))
		call(t, rt, "POST", base+"/log_in", "neither", jsonType, "Content-Encoding: gzip", "Accept-Encoding: gzip")
		if got := found.take(); len(got) > 0 {
			t.Error(got)
		}
	})
}

func TestMiddlewareKeepsFlushing(t *testing.T) {
	t.Parallel()
	for name, flush := range map[string]func(w http.ResponseWriter) error{
		"ResponseController": func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
		"Flusher":            func(w http.ResponseWriter) error { w.(http.Flusher).Flush(); return nil },
	} {
		side := sides["Middleware"]
		next := make(chan struct{})
		base, rt, found := side(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Set-Cookie", "sessions="+token)
			_, _ = io.Copy(io.Discard, r.Body)
			for _, b := range []byte(loginOut) {
				_, _ = w.Write([]byte{b})
				if err := flush(w); err != nil {
					t.Error(err)
				}
				<-next
			}
			if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
				t.Error(err) // that of the server's own writer
			}
		}))
		req, err := http.NewRequestWithContext(t.Context(), "POST", base+"/log_in", strings.NewReader(loginIn))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for range loginOut { // a byte that is not flushed would never come
			var b [1]byte
			if _, err := io.ReadFull(resp.Body, b[:]); err != nil {
				t.Fatal(name, err)
			}
			got = append(got, b[0])
			next <- struct{}{}
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if string(got) != loginOut || len(found.take()) > 0 {
			t.Errorf("%s: %s, %v", name, got, found.take())
		}
	}
}

func TestAHandlerThatPanicsIsCheckedAsFarAsItCame(t *testing.T) {
	t.Parallel()
	checker, found := newChecker(t, "http://example.com")
	handler := checker.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		panic(http.ErrAbortHandler)
	}))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		req := httptest.NewRequestWithContext(t.Context(), "POST", "/log_out", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		handler.ServeHTTP(httptest.NewRecorder(), req)
	}()
	if got := found.take(); len(got) != 1 || got[0].Place != "status" {
		t.Error(got)
	}
}

func TestReportsDoNotOverlap(t *testing.T) {
	t.Parallel()
	reporting := false // the race detector sees to it
	calls := 0
	checker, err := contract.New("http://example.com", func(contract.Violation) {
		if reporting {
			t.Error("two reports at once")
		}
		reporting = true
		calls++
		reporting = false
	})
	if err != nil {
		t.Fatal(err)
	}
	handler := checker.Middleware(canned(204, ""))
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/log_out", nil))
		})
	}
	all.Wait()
	if calls != 50 {
		t.Errorf("%d reports, want 50", calls)
	}
}

// A request body that cannot be copied is looked at as it is sent, however the server reads it.
func TestStreamedRequestsAreChecked(t *testing.T) {
	t.Parallel()
	onBothSides(t, func(t *testing.T, start starter) {
		t.Helper()
		base, rt, found := start(goodLogin)
		for body, want := range map[string]int{loginIn: 0, `{"email":"` + email + `"}`: 1, loginIn + "x": 1, "": 1} {
			req, err := http.NewRequestWithContext(t.Context(), "POST", base+"/log_in", io.MultiReader(bytes.NewReader([]byte(body))))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := rt.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if got := found.take(); len(got) != want {
				t.Errorf("%q: %v", body, got)
			}
		}
	})
}
