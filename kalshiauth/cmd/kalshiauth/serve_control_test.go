package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/cmd/kalshiauth/internal/fakeserver"
)

func TestTheDocumentationListsTheRoutesOfTheControlInterface(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../.github/docs/serve.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z]+ /__fake/[^`]*)` \\|").FindAllSubmatch(page, -1) {
		listed = append(listed, string(row[1]))
	}
	if routes := fakeserver.Routes(); !slices.Equal(listed, routes) {
		t.Errorf("serve.md lists %q, want %q", listed, routes)
	}
}

func TestTheDocumentationListsTheFaults(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../.github/docs/serve.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|.*\\|.*\\|$").FindAllSubmatch(page, -1) {
		listed = append(listed, string(row[1]))
	}
	if kinds := fakeserver.FaultKinds(); !slices.Equal(listed, kinds) {
		t.Errorf("serve.md lists the faults %q, want %q", listed, kinds)
	}
}

func TestTheDocumentationListsTheFlags(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../.github/docs/serve.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Join(regexp.MustCompile("(?m)^\\| `-.*$").FindAllString(string(page), -1), "\n")
	for _, flag := range serveCommand().Flags {
		if name := flag.Names()[0]; !strings.Contains(rows, "`-"+name+" ") && !strings.Contains(rows, "`-"+name+"`") {
			t.Errorf("serve.md does not list -%s", name)
		}
	}
}

func TestServeAddsAndChangesUsers(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	const id = "6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e"
	given := s.ask(t, 201, "POST", "users", `{"email":"given@example.com","password":"correct horse","user_id":"`+id+`"}`)
	if given["user_id"] != id || given["password"] != nil {
		t.Errorf("the new user is %v", given)
	}
	made := s.ask(t, 201, "POST", "users", `{"email":"made@example.com"}`)
	if got := s.logIn(t, "made@example.com", fmt.Sprint(made["password"])); got.status != 200 {
		t.Errorf("a log-in with the made password is %d", got.status)
	}
	users := s.list(t, "users", "users")
	if len(users) != 4 || users[0]["email"] != "trader@example.com" || users[0]["user_id"] != servedID || users[2]["user_id"] != id {
		t.Errorf("the users are %v", users)
	}
	if text := fmt.Sprint(users); strings.Contains(text, "password") {
		t.Errorf("the list shows passwords: %s", text)
	}

	if got := s.ask(t, 200, "PATCH", "users/GIVEN@example.com", `{"locked":true}`); got["locked"] != any(true) || got["user_id"] != id {
		t.Errorf("the locked user is %v", got)
	}
	if got := s.logIn(t, "given@example.com", "correct horse"); got.status != 403 {
		t.Errorf("a log-in of a locked user is %d", got.status)
	}
	s.ask(t, 200, "PATCH", "users/given@example.com", `{"locked":false,"password":"battery staple"}`)
	if got := s.logIn(t, "given@example.com", "battery staple"); got.status != 200 {
		t.Errorf("a log-in with the changed password is %d", got.status)
	}
}

func TestServeShowsAndClearsMailsRequestsAndSessions(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	session := s.session(t, "trader@example.com", servedPassword)
	_, token, _ := strings.Cut(session, "=")
	s.session(t, "other@example.com", "battery staple")
	s.send(t, "POST", s.base+"/passwords/reset", `{"email":"trader@example.com"}`)
	if !s.lines.Scan() {
		t.Fatal("serve printed no mail")
	}
	printed := strings.Fields(s.lines.Text())

	mails := s.list(t, "outbox", "mails")
	if len(mails) != 1 || mails[0]["email"] != "trader@example.com" || mails[0]["user_id"] != servedID ||
		mails[0]["code"] != printed[4] || mails[0]["link"] != printed[8] {
		t.Errorf("the mails are %v, and serve printed %q", mails, printed)
	}
	if link := fmt.Sprint(mails[0]["link"]); !strings.HasPrefix(link, s.control+"reset-password/") {
		t.Errorf("the link %s does not lead to this server", link)
	}
	sessions := s.list(t, "sessions", "sessions")
	if len(sessions) != 2 || sessions[0]["email"] != "trader@example.com" || sessions[0]["user_id"] != servedID {
		t.Errorf("the sessions are %v", sessions)
	}
	issued, err := time.Parse(time.RFC3339, fmt.Sprint(sessions[0]["issued_at"]))
	ends, err2 := time.Parse(time.RFC3339, fmt.Sprint(sessions[0]["expires_at"]))
	if err != nil || err2 != nil || ends.Sub(issued) != 30*time.Minute {
		t.Errorf("the session is %v", sessions[0])
	}
	requests := s.list(t, "requests", "requests")
	if len(requests) != 3 || requests[0]["operation"] != "Login" || requests[0]["status"] != 200.0 || requests[0]["path"] != "/v1/log_in" {
		t.Errorf("the requests are %v", requests)
	}
	for _, list := range []string{"sessions", "requests", "users"} {
		text := s.send(t, "GET", s.control+list, "").body
		if strings.Contains(text, token) || strings.Contains(text, servedPassword) || strings.Contains(text, printed[4]) {
			t.Errorf("%s shows a secret: %s", list, text)
		}
	}

	s.ask(t, 204, "DELETE", "outbox", "")
	s.ask(t, 204, "DELETE", "requests", "")
	s.ask(t, 204, "DELETE", "sessions/trader@example.com", "")
	if got := s.send(t, "GET", s.base+"/users/"+servedID+"/balance", "", session); got.status != 401 {
		t.Errorf("an ended session is %d", got.status)
	}
	if sessions := s.list(t, "sessions", "sessions"); len(sessions) != 1 || sessions[0]["email"] != "other@example.com" {
		t.Errorf("the sessions are %v, want the other user's", sessions)
	}
	s.ask(t, 204, "DELETE", "sessions", "")
	for path, want := range map[string]int{"outbox": 0, "sessions": 0, "requests": 1} {
		if all := s.list(t, path, map[string]string{"outbox": "mails"}[path]+strings.TrimPrefix(path, "outbox")); len(all) != want {
			t.Errorf("%s has %v, want %d", path, all, want)
		}
	}
}

func TestServeResetsEverything(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	before := s.send(t, "GET", s.control+"users", "").body
	s.ask(t, 201, "POST", "users", `{"email":"added@example.com"}`)
	s.ask(t, 200, "PATCH", "users/trader@example.com", `{"password":"battery staple","locked":true}`)
	s.session(t, "other@example.com", "battery staple")
	s.send(t, "POST", s.base+"/passwords/reset", `{"email":"trader@example.com"}`)
	s.ask(t, 201, "POST", "faults", `{"fault":"status","status":503}`)
	s.ask(t, 204, "POST", "reset", "")
	for path, name := range map[string]string{"sessions": "sessions", "outbox": "mails", "requests": "requests", "faults": "faults"} {
		if all := s.list(t, path, name); len(all) != 0 {
			t.Errorf("after a reset, %s has %v", path, all)
		}
	}
	if after := s.send(t, "GET", s.control+"users", "").body; after != before {
		t.Errorf("after a reset, the users are %s, want %s", after, before)
	}
	if got := s.logIn(t, "trader@example.com", servedPassword); got.status != 200 {
		t.Errorf("after a reset, a log-in is %d", got.status)
	}
	s.ask(t, 201, "POST", "faults", `{"fault":"status","status":503}`)
	if got := s.logIn(t, "trader@example.com", servedPassword); got.status != 503 {
		t.Errorf("after a reset, a fault does not happen: the answer is %d", got.status)
	}
}

func TestServeExplainsWrongRequestsToItsControl(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	for _, c := range []struct {
		status             int
		method, path, body string
		want               string
		headers            []string
	}{
		{404, "GET", "nothing", "", "the paths are /__fake/users", nil},
		{405, "PUT", "users", "", "use GET, HEAD, POST", nil},
		{405, "GET", "reset", "", "use POST", nil},
		{400, "GET", "users?limit=3", "", "takes no query parameters", nil},
		{400, "DELETE", "sessions", "{}", "takes no body", nil},
		{400, "POST", "reset", "{}", "takes no body", nil},
		{415, "POST", "users", `{"email":"a@example.com"}`, "send the header Content-Type: application/json", []string{"Content-Type: text/plain"}},
		{400, "POST", "users", `[]`, "is not a JSON object: send one with email, password, user_id", nil},
		{400, "POST", "users", `null`, "is not a JSON object", nil},
		{400, "POST", "users", `{"email":"a@example.com"} x`, "is not a JSON object", nil},
		{400, "POST", "users", `{"mail":"a@example.com"}`, `unknown field "mail": the fields are email, password, user_id`, nil},
		{400, "POST", "users", `{"Email":"a@example.com"}`, `unknown field "Email"`, nil},
		{400, "POST", "users", `{"email":7}`, "has a JSON number for email: give a string", nil},
		{400, "POST", "users", `{"email":null}`, "has null for email", nil},
		{400, "POST", "users", `{"password":"correct horse"}`, "the field email is missing", nil},
		{400, "POST", "users", `{"email":"foo"}`, "the user cannot be added: email", nil},
		{400, "POST", "users", `{"email":"a@example.com","password":""}`, "password: at least", nil},
		{400, "POST", "users", `{"email":"a@example.com","user_id":""}`, "user_id is empty", nil},
		{400, "POST", "users", `{"email":"a@example.com","user_id":"7"}`, "not a UUID", nil},
		{400, "POST", "users", `{"email":"TRADER@example.com"}`, "has an account already", nil},
		{413, "POST", "users", `{"email":"` + strings.Repeat("a", 70_000) + `"}`, "more than 65536 bytes", nil},
		{404, "PATCH", "users/nobody@example.com", `{"locked":true}`, "GET /__fake/users lists them", nil},
		{400, "PATCH", "users/trader@example.com", `{}`, "give password, locked, or both", nil},
		{400, "PATCH", "users/trader@example.com", `{"locked":"yes"}`, "has a JSON string for locked: give a boolean", nil},
		{400, "PATCH", "users/trader@example.com", `{"password":"x"}`, "password: at least", nil},
		{404, "DELETE", "sessions/nobody@example.com", "", "GET /__fake/users lists them", nil},
		{404, "DELETE", "faults/7", "", "GET /__fake/faults lists them", nil},
		{404, "DELETE", "faults/x", "", "GET /__fake/faults lists them", nil},
		{400, "POST", "faults", `{}`, `there is no fault "": give one of status, delay, hang`, nil},
		{400, "POST", "faults", `{"fault":"explode"}`, "give one of status", nil},
		{400, "POST", "faults", `{"fault":"status"}`, "the fault status needs the field status", nil},
		{400, "POST", "faults", `{"fault":"status","status":200}`, "give a status from 400 to 599", nil},
		{400, "POST", "faults", `{"fault":"status","status":503.5}`, "has a JSON number for status: give a whole number", nil},
		{400, "POST", "faults", `{"fault":"status","status":503,"retry_after_seconds":-1}`, "give a number from 0", nil},
		{400, "POST", "faults", `{"fault":"status","status":503,"location":"/"}`, "does not take location: its fields are fault, on, times, status, retry_after_seconds", nil},
		{400, "POST", "faults", `{"fault":"hang","status":503}`, "does not take status", nil},
		{400, "POST", "faults", `{"fault":"delay","delay_seconds":1e300}`, "give a number from 0", nil},
		{400, "POST", "faults", `{"fault":"html","status":204}`, "that allows a body", nil},
		{400, "POST", "faults", `{"fault":"redirect","status":302}`, "needs the field location", nil},
		{400, "POST", "faults", `{"fault":"redirect","status":302,"location":""}`, "give a URL", nil},
		{400, "POST", "faults", `{"fault":"redirect","status":200,"location":"/"}`, "give a status from 300", nil},
		{400, "POST", "faults", `{"fault":"hang","times":0}`, "give 1 or more", nil},
		{400, "POST", "faults", `{"fault":"hang","on":"login"}`, "give an operation (", nil},
		{400, "POST", "faults", `{"fault":"hang","on":""}`, "give an operation (", nil},
		{400, "POST", "faults", `{"fault":"hang","on":"/v1/log_in"}`, "leave out /v1", nil},
		{400, "POST", "faults", `{"fault":"hang","on":"GET /{x"}`, "give a path such as", nil},
	} {
		got := s.send(t, c.method, s.control+c.path, c.body, c.headers...)
		var answer map[string]string
		if err := json.Unmarshal([]byte(got.body), &answer); got.status != c.status || err != nil || len(answer) != 1 ||
			!strings.Contains(answer["error"], c.want) {
			t.Errorf("%s %s %.100s is %d %s, want %d and %q", c.method, c.path, c.body, got.status, got.body, c.status, c.want)
		}
	}
	if users := s.list(t, "users", "users"); len(users) != 2 {
		t.Errorf("a wrong request added a user: %v", users)
	}
}

func TestNoPageOfAnotherOriginControlsTheServer(t *testing.T) {
	t.Parallel()
	s := startServe(t, "-cors", "http://localhost:3000")
	own, err := url.Parse(s.control)
	if err != nil {
		t.Fatal(err)
	}
	for name, headers := range map[string][]string{
		"another origin":             {"Origin: https://evil.example"},
		"another port":               {"Origin: http://localhost:3000"},
		"another scheme":             {"Origin: https://" + own.Host},
		"no origin":                  {"Origin: null"},
		"rebound name":               {"Host: evil.example"},
		"rebound name, same origin":  {"Host: evil.example:" + own.Port(), "Origin: http://evil.example:" + own.Port(), "Sec-Fetch-Site: same-origin"},
		"name that looks like ours":  {"Host: localhost.evil.example"},
		"address of another machine": {"Host: 192.0.2.1"},
		"script":                     {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"},
		"frame":                      {"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"},
	} {
		for _, r := range fakeserver.Routes() {
			method, path, _ := strings.Cut(r, " ")
			got := s.send(t, method, strings.TrimSuffix(s.control, "/__fake/")+path, "", headers...)
			var answer map[string]string
			if err := json.Unmarshal([]byte(got.body), &answer); got.status != 403 || err != nil || answer["error"] == "" {
				t.Errorf("%s: %s is %d %.200s", name, r, got.status, got.body)
			}
			if got.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: %s allows another origin to read it", name, r)
			}
		}
	}
	for name, headers := range map[string][]string{
		"our page":           {"Origin: http://" + own.Host, "Sec-Fetch-Site: same-origin"},
		"the address bar":    {"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"},
		"a link":             {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"},
		"localhost":          {"Host: localhost:" + own.Port()},
		"the other loopback": {"Host: [::1]:" + own.Port()},
	} {
		if got := s.send(t, "GET", s.control, "", headers...); got.status != 200 {
			t.Errorf("%s: the answer is %d %s", name, got.status, got.body)
		}
	}
	preflight := s.send(t, "OPTIONS", s.control+"users", "", "Origin: http://localhost:3000", "Access-Control-Request-Method: POST")
	if preflight.status != 403 || preflight.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a preflight is %d %v", preflight.status, preflight.header)
	}
	for _, path := range []string{"reset", "end-sessions"} {
		got := s.send(t, "POST", s.control+path, "", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
		if got.status != 403 || !strings.Contains(got.body, "pages of other origins") {
			t.Errorf("the form of another page for %s is %d %s", path, got.status, got.body)
		}
	}
}

// outside returns an address of this machine that is not loopback.
func outside(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.IsGlobalUnicast() && network.IP.To4() != nil {
			return network.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}

func TestOtherMachinesControlTheServerOnlyIfAFlagAllowsIt(t *testing.T) {
	t.Parallel()
	ip := outside(t)
	for _, c := range []struct {
		args   []string
		host   string
		status int
	}{
		{nil, "", 403},
		{nil, "localhost", 403},
		{[]string{"-control-host", "fake.internal"}, "", 403}, // called by its address, which is not one of its names
		{[]string{"-control-host", "fake.internal"}, "fake.internal", 200},
		{[]string{"-control-host", "fake.internal", "-control-host", ip}, "", 200},
	} {
		s := startServe(t, append([]string{"-addr", "0.0.0.0:0"}, c.args...)...)
		base, err := url.Parse(s.base)
		if err != nil {
			t.Fatal(err)
		}
		if base.Hostname() != "localhost" {
			t.Errorf("the base URL is %s", s.base)
		}
		address := "http://" + net.JoinHostPort(ip, base.Port())
		var headers []string
		if c.host != "" {
			headers = []string{"Host: " + net.JoinHostPort(c.host, base.Port())}
		}
		if got := s.send(t, "GET", address+"/__fake/users", "", headers...); got.status != c.status {
			t.Errorf("%q: a client outside, with the host %q, gets %d %s, want %d", c.args, c.host, got.status, got.body, c.status)
		}
		if got := s.send(t, "GET", address+"/v1/nothing", ""); got.status != 404 {
			t.Errorf("%q: a client outside cannot call the API: %d", c.args, got.status)
		}
	}
}

// effects has, for each kind of fault, its fields and what a log-in sees.
var effects = map[string]struct {
	fields string
	seen   func(got reply, err error) bool
}{
	"status": {`,"status":429,"retry_after_seconds":7`, func(got reply, err error) bool {
		return err == nil && got.status == 429 && got.header.Get("Retry-After") == "7" && json.Valid([]byte(got.body))
	}},
	"delay": {`,"delay_seconds":0.05`, func(got reply, err error) bool { return err == nil && got.status == 200 }},
	"hang":  {``, func(_ reply, err error) bool { return err != nil }},
	"cut_body": {``, func(got reply, err error) bool {
		return err != nil && got.status == 200
	}},
	"garbage": {``, func(got reply, err error) bool {
		return err == nil && got.status == 200 && !json.Valid([]byte(got.body))
	}},
	"html": {`,"status":502`, func(got reply, err error) bool {
		return err == nil && got.status == 502 && strings.Contains(got.body, "<html>")
	}},
	"redirect": {`,"status":307,"location":"/elsewhere?a=1"`, func(got reply, err error) bool {
		return err == nil && got.status == 307 && got.header.Get("Location") == "/elsewhere?a=1"
	}},
}

func TestServeMakesEachFault(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	for _, kind := range fakeserver.FaultKinds() {
		effect, ok := effects[kind]
		if !ok {
			t.Errorf("%s: add what it does to effects", kind)
			continue
		}
		set := s.ask(t, 201, "POST", "faults", `{"fault":"`+kind+`","on":"Login","times":1`+effect.fields+`}`)
		begin := time.Now()
		var got reply
		var err error
		if kind == "hang" {
			got, err = s.tryHanging(t)
		} else {
			got, err = s.try(t, "POST", s.base+"/log_in", goodLogIn)
		}
		if !effect.seen(got, err) {
			t.Errorf("%s: the answer is %d %q (%v)", kind, got.status, got.body, err)
		}
		if kind == "delay" && time.Since(begin) < 50*time.Millisecond {
			t.Errorf("%s: the answer came after %v", kind, time.Since(begin))
		}
		all := s.list(t, "faults", "faults")
		if len(all) != 1 || all[0]["id"] != set["id"] || all[0]["hits"] != 1.0 || all[0]["fault"] != kind || all[0]["on"] != "Login" {
			t.Errorf("%s: the faults are %v", kind, all)
		}
		if got := s.logIn(t, "trader@example.com", servedPassword); got.status != 200 {
			t.Errorf("%s: the second log-in is %d", kind, got.status)
		}
		s.ask(t, 204, "DELETE", fmt.Sprintf("faults/%v", set["id"]), "")
	}
}

const goodLogIn = `{"email":"trader@example.com","password":"correct horse"}`

// tryHanging logs in, and gives up when the fault has got the request.
func (s *served) tryHanging(t *testing.T) (got reply, err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/log_in", strings.NewReader(goodLogIn))
		req.Header.Set("Content-Type", "application/json")
		var resp *http.Response
		if resp, err = s.client.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	})
	for begin := time.Now(); s.list(t, "faults", "faults")[0]["hits"] != 1.0; { // each try asks the server
		if time.Since(begin) > time.Minute {
			t.Error("the fault did not get the request within a minute")
			break
		}
	}
	cancel()
	wg.Wait()
	return got, err
}

func TestFaultsAreForAnOperationOrAPath(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	for on, broken := range map[string]string{
		`,"on":"Login"`:                               "POST /log_in",
		`,"on":"/log_in"`:                             "POST /log_in",
		`,"on":"GET /users/{user_id}/balance"`:        "GET /users/7/balance",
		`,"on":"/portfolio/{rest...}"`:                "GET /portfolio/a/b",
		`,"on":"PUT /passwords/reset/{code}/confirm"`: "PUT /passwords/reset/x/confirm",
		``: "",
	} {
		s.ask(t, 201, "POST", "faults", `{"fault":"status","status":599`+on+`}`)
		for _, request := range []string{
			"POST /log_in", "GET /users/7/balance", "GET /portfolio/a/b", "PUT /passwords/reset/x/confirm", "POST /log_out",
		} {
			method, path, _ := strings.Cut(request, " ")
			got := s.send(t, method, s.base+path, "")
			if want := broken == request || broken == ""; (got.status == 599) != want {
				t.Errorf("with a fault %s, %s is %d", on, request, got.status)
			}
		}
		s.ask(t, 204, "DELETE", "faults", "")
	}
}

func TestSeveralFaultsHappenInTheirOrder(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	statuses := func(want ...int) {
		t.Helper()
		var got []int
		for range want {
			got = append(got, s.logIn(t, "trader@example.com", servedPassword).status)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the log-ins are %v, want %v", got, want)
		}
	}
	first := s.ask(t, 201, "POST", "faults", `{"fault":"status","status":503,"on":"Login","times":3}`)
	statuses(503)
	s.ask(t, 201, "POST", "faults", `{"fault":"status","status":500,"on":"Login","times":1}`) // does not set the first one back
	statuses(503, 503, 500, 200)
	s.ask(t, 204, "DELETE", fmt.Sprintf("faults/%v", first["id"]), "") // does not set the second one back
	statuses(200)
	s.ask(t, 204, "DELETE", "faults", "")

	// A fault that lets the request pass, and one that answers.
	s.ask(t, 201, "POST", "faults", `{"fault":"cut_body","times":1}`)
	s.ask(t, 201, "POST", "faults", `{"fault":"status","status":503,"on":"Login"}`)
	if got, err := s.try(t, "POST", s.base+"/log_in", goodLogIn); err == nil || got.status != 503 {
		t.Errorf("a cut error is %d (%v)", got.status, err)
	}
	statuses(503)
	if all := s.list(t, "faults", "faults"); all[0]["hits"] != 1.0 || all[1]["hits"] != 2.0 {
		t.Errorf("the faults are %v", all)
	}
}

func TestAFaultHappensExactlyAsOftenForManyAtOnce(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	s.ask(t, 201, "POST", "faults", `{"fault":"status","status":503,"times":7}`)
	var wg sync.WaitGroup
	statuses := make(chan int, 30)
	for range cap(statuses) {
		wg.Go(func() {
			if got, err := s.try(t, "POST", s.base+"/log_in", goodLogIn); err == nil {
				statuses <- got.status
			}
		})
	}
	for range 5 { // other changes in between
		f := s.ask(t, 201, "POST", "faults", `{"fault":"garbage","on":"Logout"}`)
		s.ask(t, 204, "DELETE", fmt.Sprintf("faults/%v", f["id"]), "")
	}
	wg.Wait()
	close(statuses)
	count := map[int]int{}
	for status := range statuses {
		count[status]++
	}
	if count[503] != 7 || count[200] != 23 {
		t.Errorf("the answers are %v, want 7 times 503", count)
	}
}

// token returns the token in the forms of a page.
func (s *served) formToken(t *testing.T, page string) string {
	t.Helper()
	found := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("the page has no token: %s", page)
	}
	return found[1]
}

const formType = "Content-Type: application/x-www-form-urlencoded"

func TestThePageEndsAllSessions(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	s.session(t, "trader@example.com", servedPassword)
	page := s.send(t, "GET", s.control, "")
	if ct := page.header.Get("Content-Type"); page.status != 200 || ct != "text/html; charset=utf-8" {
		t.Errorf("the page is %d of type %q", page.status, ct)
	}
	for _, name := range []string{"Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control"} {
		if page.header.Get(name) == "" {
			t.Errorf("the page has no header %s", name)
		}
	}
	for _, wrong := range []string{"", "token=", "token=x"} {
		if got := s.send(t, "POST", s.control+"end-sessions", wrong, formType); got.status != 403 {
			t.Errorf("a form with %q is %d", wrong, got.status)
		}
	}
	if sessions := s.list(t, "sessions", "sessions"); len(sessions) != 1 {
		t.Errorf("a wrong form ended the session")
	}
	got := s.send(t, "POST", s.control+"end-sessions", "token="+s.formToken(t, page.body), formType)
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/__fake/" {
		t.Errorf("the button is %d to %q", got.status, got.header.Get("Location"))
	}
	if sessions := s.list(t, "sessions", "sessions"); len(sessions) != 0 {
		t.Errorf("the sessions are %v", sessions)
	}
	if got := s.send(t, "GET", strings.TrimSuffix(s.control, "/"), ""); got.status != 301 || got.header.Get("Location") != "/__fake/" {
		t.Errorf("without the slash, the answer is %d", got.status)
	}
}

func TestThePageBehindAResetLinkSetsThePassword(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	s.send(t, "POST", s.base+"/passwords/reset", `{"email":"trader@example.com"}`)
	link := fmt.Sprint(s.list(t, "outbox", "mails")[0]["link"])
	page := s.send(t, "GET", link, "")
	action, _, _ := strings.Cut(link, "?")
	form := func(password string, more ...string) reply {
		fields := url.Values{"token": {s.formToken(t, page.body)}, "user_id": {servedID}, "password": {password}}
		for _, name := range more {
			fields.Del(name)
		}
		return s.send(t, "POST", action, fields.Encode(), formType)
	}
	if got := form("battery staple", "token"); got.status != 403 {
		t.Errorf("a form without a token is %d", got.status)
	}
	for want, got := range map[string]reply{"password": form("x"), "user": form("battery staple", "user_id")} {
		if got.status != 400 || !strings.Contains(got.body, `role="alert"`) || !strings.Contains(got.body, want) {
			t.Errorf("a wrong form is %d %s, want a problem with the %s", got.status, got.body, want)
		}
	}
	s.ask(t, 201, "POST", "faults", `{"fault":"html","status":200,"on":"ResetPasswordConfirm","times":1}`)
	s.ask(t, 201, "POST", "faults", `{"fault":"status","status":503,"on":"ResetPasswordConfirm","times":1}`)
	if got := form("battery staple"); got.status != 502 || !strings.Contains(got.body, `role="alert"`) {
		t.Errorf("with a fault, the answer is %d %s", got.status, got.body)
	}
	if got := form("battery staple"); got.status != 503 || !strings.Contains(got.body, "503") {
		t.Errorf("with a fault, the answer is %d %s", got.status, got.body)
	}
	if got := form("battery staple"); got.status != 303 || got.header.Get("Location") != "/__fake/password-set" {
		t.Errorf("the answer is %d %s", got.status, got.body)
	}
	if got := s.logIn(t, "trader@example.com", "battery staple"); got.status != 200 {
		t.Errorf("a log-in with the new password is %d", got.status)
	}
	if got := form("correct horse"); got.status != 400 || !strings.Contains(got.body, "used") {
		t.Errorf("a used link is %d %s", got.status, got.body)
	}
	if got := s.send(t, "GET", s.control+"password-set", ""); got.status != 200 || !strings.Contains(got.body, "The password is set") {
		t.Errorf("the last page is %d %s", got.status, got.body)
	}
}

func TestThePagesEscapeWhatTheyShow(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	s.send(t, "GET", s.base+"/%3Cscript%3Ealert(1)%3C/script%3E", "")
	got := s.send(t, "GET", s.control+"reset-password/%22%3E%3Cscript%3E?user_id=%22%3E%3Cscript%3E", "")
	for _, page := range []reply{got, s.send(t, "GET", s.control, "")} {
		if page.status != 200 || strings.Contains(page.body, "<script") {
			t.Errorf("the page is %d with a script: %s", page.status, page.body)
		}
	}
}
