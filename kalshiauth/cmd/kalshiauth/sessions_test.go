package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

const isMac = runtime.GOOS == "darwin"

func TestStatusListsTheSessionsOfAllServersAndAccounts(t *testing.T) {
	t.Parallel()
	h, one, two := newHome(t), twoUsers(t), twoUsers(t)
	h.logIn(one, email, password)
	h.logIn(one, otherEmail, otherPassword)
	h.logIn(two, email, password)
	names := func(entries []entry) (all []string) {
		for _, e := range entries {
			if e.State != stateStored || !e.LoggedIn || e.UserID == "" || e.File != h.file(e.BaseURL, e.Email) {
				t.Errorf("%+v", e)
			}
			name := e.Email + " " + e.BaseURL
			if e.Default {
				name += " default"
			}
			all = append(all, name)
		}
		slices.Sort(all)
		return all
	}
	oneOfOne, otherOfOne, oneOfTwo := email+" "+one.URL, otherEmail+" "+one.URL+" default", email+" "+two.URL+" default"
	for _, c := range []struct {
		args, env, want []string
	}{
		{nil, nil, []string{oneOfOne, otherOfOne, oneOfTwo}},
		{nil, []string{"KALSHI_BASE_URL=" + two.URL, "KALSHI_EMAIL=" + email}, []string{oneOfOne, otherOfOne, oneOfTwo}},
		{[]string{"-base-url", one.URL + "/"}, nil, []string{oneOfOne, otherOfOne}},
		{[]string{"-email", "Trader@Example.com"}, nil, []string{oneOfOne, oneOfTwo}},
		{[]string{"-email", otherEmail, "-base-url", one.URL}, nil, []string{otherOfOne}},
	} {
		o := h.do(use{args: append([]string{"status", "-json"}, c.args...), env: c.env})
		h.wants(o, 0)
		var entries []entry
		if err := json.Unmarshal([]byte(o.out), &entries); err != nil {
			t.Error(err)
		}
		slices.Sort(c.want)
		if got := names(entries); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
	h.wants(h.run(0, "status"), 0, email+" has a session at "+one.URL, otherEmail+" has a session at "+one.URL,
		email+" has a session at "+two.URL, "without -email")
	for _, args := range [][]string{{"-email", "nobody@example.com"}, {"-base-url", "http://127.0.0.1:1"}} {
		if entries, code := h.list(args...); len(entries) != 0 || code != 1 {
			t.Errorf("%q: %d entries, exit %d", args, len(entries), code)
		}
	}
}

func TestAnEmptyListIsJSON(t *testing.T) {
	t.Parallel()
	for args, code := range map[string]int{"status -json": 1, "status -check -json": 1, "logout -all -json": 0} {
		h := newHome(t)
		o := h.do(use{args: strings.Fields(args)})
		h.wants(o, code)
		if o.out != "[]\n" {
			t.Errorf("%s: printed %q", args, o.out)
		}
	}
}

func TestWithJSONAnErrorIsJSONToo(t *testing.T) {
	t.Parallel()
	h, fake := newHome(t), twoUsers(t)
	for _, u := range []use{
		{args: []string{"login", "-email", email}, env: []string{"KALSHI_PASSWORD=wrong-horse"}},
		{args: []string{"login", "-email", email}},
		{args: []string{"login"}},
		{args: []string{"logout"}},
		{args: []string{"cookie"}},
		{args: []string{"cookie", "-file", "-"}},
		{args: []string{"status", "-check-path", "x"}},
	} {
		u.args = append(u.args, "-json", "-base-url", fake.URL)
		o := h.do(u)
		var got struct{ Error, Hint string }
		if err := json.Unmarshal([]byte(o.out), &got); err != nil || got.Error == "" || o.code == 0 ||
			!strings.HasPrefix(o.errOut, "kalshiauth: "+got.Error) {
			t.Errorf("%q: exit %d, printed %q and %q: %v", u.args, o.code, o.out, o.errOut, err)
		}
	}
}

func TestTheAccountUsedLastIsTheDefault(t *testing.T) {
	t.Parallel()
	h, fake := newHome(t), twoUsers(t)
	cookieOf := func(account ...string) string {
		o := h.do(use{args: append([]string{"cookie", "-base-url", fake.URL}, account...), shows: true})
		h.wants(o, 0, "sessions=")
		return o.out
	}
	h.logIn(fake, email, password)
	first := cookieOf()
	h.logIn(fake, otherEmail, otherPassword)
	second := cookieOf()
	if first == second {
		t.Fatal("the log-in did not make its account the default")
	}
	h.run(0, "status", "-email", email) // looking is no use
	if got := cookieOf(); got != second {
		t.Errorf("status made its account the default: %q", got)
	}
	if got := cookieOf("-email", email); got != first {
		t.Errorf("-email gives %q", got)
	}
	if got := cookieOf(); got != first {
		t.Error("cookie -email did not make its account the default")
	}
	h.wants(h.run(0, "logout", "-base-url", fake.URL), 0, "Logged "+email+" out")
	if got := cookieOf(); got != second {
		t.Error("after the log-out, the account used before is not the default")
	}
	h.logIn(fake, email, password)
	if err := os.Remove(filepath.Join(filepath.Dir(h.file(fake.URL, email)), recentFile)); err != nil {
		t.Fatal(err)
	}
	h.wants(h.run(2, "logout", "-base-url", fake.URL), 2, "name one with -email", email, otherEmail)
	if entries, code := h.list(); len(entries) != 2 || entries[0].Default || entries[1].Default || code != 0 {
		t.Errorf("exit %d: %+v", code, entries)
	}
}

func TestLogoutAllEndsAllSessions(t *testing.T) {
	t.Parallel()
	h, one, two := newHome(t), twoUsers(t), twoUsers(t)
	h.logIn(one, email, password)
	h.logIn(one, otherEmail, otherPassword)
	h.logIn(two, email, password)
	// The variables choose one account for other commands.
	o := h.do(use{args: []string{"logout", "-all"}, env: []string{"KALSHI_BASE_URL=" + two.URL, "KALSHI_EMAIL=" + email}})
	h.wants(o, 0, "Logged "+email+" out of "+one.URL, "Logged "+otherEmail+" out of "+one.URL, "Logged "+email+" out of "+two.URL)
	if one.Sessions()+two.Sessions() != 0 {
		t.Errorf("%d and %d sessions are alive", one.Sessions(), two.Sessions())
	}
	if entries, _ := h.list(); len(entries) != 0 {
		t.Errorf("%+v", entries)
	}
	h.wants(h.run(0, "logout", "-all"), 0, "Nobody was logged in.")
}

func TestLogoutAllGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	h, broken, good := newHome(t), twoUsers(t), twoUsers(t)
	if good.URL < broken.URL { // the broken one comes first
		broken, good = good, broken
	}
	h.logIn(broken, email, password)
	h.logIn(good, email, password)
	h.logIn(good, otherEmail, otherPassword)
	broken.Intercept(kalshiauthtest.Status(http.StatusInternalServerError))
	o := h.do(use{args: []string{"logout", "-all", "-json"}})
	h.wants(o, 1, email+" at "+broken.URL, "500", "try again later")
	if strings.Count(o.errOut, "may still be valid") != 1 {
		t.Errorf("printed %q", o.errOut)
	}
	var entries []entry
	if err := json.Unmarshal([]byte(o.out), &entries); err != nil || len(entries) != 3 {
		t.Fatalf("%v: %q", err, o.out)
	}
	for _, e := range entries {
		if failed := e.BaseURL == broken.URL; e.LoggedIn != failed || (e.Error != "") != failed {
			t.Errorf("%+v", e)
		}
	}
	if good.Sessions() != 0 || broken.Sessions() != 1 {
		t.Errorf("%d and %d sessions are alive", good.Sessions(), broken.Sessions())
	}
	if entries, _ := h.list(); len(entries) != 1 {
		t.Errorf("%+v", entries)
	}
	o = h.run(1, "logout", "-all")
	if o.out != "" || strings.Count(o.errOut, "may still be valid") != 1 {
		t.Errorf("printed %q and %q", o.out, o.errOut)
	}
}

func TestLogoutAllObeysItsFlags(t *testing.T) {
	t.Parallel()
	h, one, two := newHome(t), twoUsers(t), twoUsers(t)
	for _, fake := range []*kalshiauthtest.Server{one, two} {
		h.logIn(fake, email, password)
		h.logIn(fake, otherEmail, otherPassword)
	}
	h.run(0, "logout", "-all", "-email", otherEmail)
	if one.Sessions() != 1 || two.Sessions() != 1 {
		t.Errorf("%d and %d sessions are alive", one.Sessions(), two.Sessions())
	}
	h.run(0, "logout", "-all", "-base-url", two.URL)
	if one.Sessions() != 1 || two.Sessions() != 0 {
		t.Errorf("%d and %d sessions are alive", one.Sessions(), two.Sessions())
	}
}

func TestStatusListsWhatHasExpiredOrCannotBeRead(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	const base = "https://api.example.com/v1"
	h.put(base, imported(t, `"expiry":"2020-01-02T03:04:05Z"`, "sessions=an-old-token"))
	entries, code := h.list()
	if len(entries) != 1 || entries[0].State != stateExpired || entries[0].LoggedIn || code != 1 {
		t.Errorf("exit %d: %+v", code, entries)
	}
	h.wants(h.run(1, "status"), 1, "ended at 2020-01-02", "no session that has not expired", "kalshiauth login")
	if err := os.WriteFile(h.file(base, otherEmail), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	entries, code = h.list("-email", otherEmail)
	if len(entries) != 1 || entries[0].State != stateUnreadable || entries[0].LoggedIn || entries[0].Reason == "" || code != 1 {
		t.Errorf("exit %d: %+v", code, entries)
	}
	h.wants(h.run(1, "status"), 1, "cannot be read", h.file(base, otherEmail), "not all can be read")
}

// imported returns a session with a field and a cookie as in Set-Cookie.
func imported(t *testing.T, field, cookie string) *kalshiauth.Session {
	t.Helper()
	session, err := kalshiauth.ImportSession([]byte(`{"version":1,"user_id":"6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e",` +
		`"token":"a-token-of-an-account",` + field + `,"cookie":"` + cookie + `","email":"` + email + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// balance serves the path that status -check reads by default.
func balance(fake *kalshiauthtest.Server) {
	fake.Handle("GET /users/{user_id}/balance", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, ok := kalshiauthtest.UserFromContext(r.Context()); !ok || user.ID != r.PathValue("user_id") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"balance":1}`)
	}))
}

func TestStatusChecksWhetherTheServerAcceptsTheSession(t *testing.T) {
	t.Parallel()
	h, fake := newHome(t), twoUsers(t)
	balance(fake)
	h.logIn(fake, email, password)
	h.logIn(fake, otherEmail, otherPassword)
	for range 2 { // a check does not end a session
		entries, code := h.list("-check")
		if len(entries) != 2 || entries[0].State != stateAlive || entries[1].State != stateAlive || code != 0 {
			t.Errorf("exit %d: %+v", code, entries)
		}
	}
	h.wants(h.run(0, "status", "-check"), 0, "The server accepts it.")
	fake.ExpireSessionsOf(email)
	entries, code := h.list("-check")
	if len(entries) != 2 || entries[0].State != stateAlive || entries[1].State != stateEnded || entries[1].LoggedIn || code != 0 {
		t.Errorf("exit %d: %+v", code, entries)
	}
	h.wants(h.run(1, "status", "-check", "-email", email), 1, "The server has ended it.", "no session that is alive",
		"kalshiauth login")
	if entries, code := h.list("-email", email); code != 0 || entries[0].State != stateStored {
		t.Errorf("without -check: exit %d: %+v", code, entries)
	}
	if fake.Sessions() != 1 || fake.Requests("Logout") != 0 {
		t.Errorf("%d sessions are alive after %d log-outs", fake.Sessions(), fake.Requests("Logout"))
	}
	if _, err := os.Stat(h.file(fake.URL, email)); err != nil {
		t.Error(err) // it is status that must not remove it
	}
}

func TestStatusDoesNotGuess(t *testing.T) {
	t.Parallel()
	const moved = "API has been moved to https://api.example.com/trade-api/v2"
	answer := func(code int, header, value, body string) func(http.Handler) http.Handler {
		return func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set(header, value)
				w.WriteHeader(code)
				_, _ = io.WriteString(w, body)
			})
		}
	}
	const wrongServer = "This server does not speak the API that this program knows: check -base-url."
	echo := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "go away, "+r.Header.Get("Cookie"), http.StatusUnauthorized)
		})
	}
	for name, c := range map[string]struct {
		fault func(http.Handler) http.Handler
		want  []string
	}{
		"a path that the server does not have": {nil, []string{"-check-path"}},
		"a path that needs no session":         {answer(http.StatusOK, "Content-Type", "application/json", "{}"), []string{"-check-path"}},
		"a host that has moved":                {answer(http.StatusUnauthorized, "Content-Type", "text/plain", moved), []string{"401", moved, wrongServer}},
		"a page":                               {kalshiauthtest.HTML(http.StatusForbidden), []string{"403", wrongServer}},
		"a redirect":                           {answer(http.StatusFound, "Location", "/v1/log_out", ""), []string{"302", wrongServer}},
		"an outage":                            {kalshiauthtest.Status(http.StatusBadGateway), []string{"502", "try again later"}},
		"too many requests":                    {kalshiauthtest.Status(http.StatusTooManyRequests), []string{"429", "try again later"}},
		"a broken connection":                  {answerNothing, []string{"cannot be reached"}},
		"an echo":                              {echo, []string{"401", "[redacted]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, fake := newHome(t), twoUsers(t)
			h.logIn(fake, email, password)
			fake.Intercept(c.fault)
			h.wants(h.run(1, "status", "-check"), 1, append(c.want, "not known whether")...)
			entries, code := h.list("-check")
			if len(entries) != 1 || entries[0].State != stateUnknown || entries[0].Reason == "" || code != 1 {
				t.Errorf("exit %d: %+v", code, entries)
			}
			fake.Intercept(nil)
			if fake.Sessions() != 1 {
				t.Error("the session has ended")
			}
		})
	}
}

func answerNothing(http.Handler) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

func TestACheckOnlyReads(t *testing.T) {
	t.Parallel()
	h, fake := newHome(t), twoUsers(t)
	h.logIn(fake, email, password)
	before := len(fake.RequestLog())
	h.wants(h.run(1, "status", "-check", "-check-path", "/any/{user_id}?x=1"), 1)
	requests := fake.RequestLog()[before:]
	if len(requests) == 0 {
		t.Error("nothing was sent")
	}
	entries, _ := h.list()
	for _, r := range requests {
		if r.Method != http.MethodGet || r.Path != "/v1/any/"+entries[0].UserID || r.Query != "x=1" {
			t.Errorf("%s %s?%s", r.Method, r.Path, r.Query)
		}
	}
	var wrong []string
	for _, op := range document.API().Operations {
		path := strings.ReplaceAll(op.Path, "{code}", "code")
		escaped := fmt.Sprintf("/%%%x%s", path[1], path[2:])
		wrong = append(wrong, path, path[1:], path+"/", "v1"+path, strings.ToUpper(path), path+"?x=1", escaped)
	}
	wrong = append(wrong, "", "/", "//example.com/x", "../x", "x/../../y", "x#y", "%zz", "a//b")
	for _, path := range wrong {
		h.wants(h.run(2, "status", "-check", "-check-path", path), 2, "-check-path", "give a path")
	}
	h.wants(h.run(2, "status", "-check-path", "x"), 2, "-check-path is for -check")
	if len(fake.RequestLog()) != before+len(requests) {
		t.Error("a wrong path was sent")
	}
}

func TestLoginSendsNothingWhereItCouldNotSave(t *testing.T) {
	t.Parallel()
	fake := twoUsers(t)
	for name, prepare := range map[string]func(h *home, file string) error{
		"the folder is a file": func(h *home, file string) error {
			return errors.Join(os.MkdirAll(h.config(), 0o700), os.WriteFile(filepath.Dir(filepath.Dir(file)), nil, 0o600))
		},
		"the session is a folder": func(_ *home, file string) error { return os.MkdirAll(file, 0o700) },
		"the session cannot be read": func(_ *home, file string) error {
			return errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("{"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			if err := prepare(h, h.file(fake.URL, email)); err != nil {
				t.Fatal(err)
			}
			h.refusesToLogIn(fake)
		})
	}
	t.Cleanup(func() {
		if n := fake.Requests("Login"); n != 0 {
			t.Errorf("%d log-ins were sent", n)
		}
	})
}

// refusesToLogIn expects that a log-in fails before it asks for the password.
func (h *home) refusesToLogIn(fake *kalshiauthtest.Server) {
	h.t.Helper()
	o := h.do(use{args: []string{"login", "-base-url", fake.URL, "-email", email}})
	h.wants(o, 1)
	if strings.Contains(o.errOut, "Password of") || !strings.Contains(o.errOut, h.folder) {
		h.t.Errorf("printed %q", o.errOut)
	}
}

func TestALoginLeavesNothingButItsFiles(t *testing.T) {
	t.Parallel()
	h, fake := newHome(t), twoUsers(t)
	h.logIn(fake, email, password)
	folder := filepath.Dir(h.file(fake.URL, email))
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		info, err := e.Info()
		if err != nil || runtime.GOOS != "windows" && info.Mode().Perm()&fs.FileMode(0o077) != 0 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if want := []string{".recent", "trader%40example.com.json", "trader%40example.com.json.lock"}; !slices.Equal(names, want) {
		t.Errorf("the folder has %q, want %q", names, want)
	}
}

func TestLoginSendsNothingWithoutTheLock(t *testing.T) {
	t.Parallel()
	h, fake := newHome(t), twoUsers(t)
	if err := os.MkdirAll(h.file(fake.URL, email)+".lock", 0o700); err != nil {
		t.Fatal(err)
	}
	o := h.do(use{args: []string{"login", "-base-url", fake.URL, "-email", email}, stdin: password + "\n"})
	h.wants(o, 1, "nothing was sent", ".lock")
	if n := fake.Requests("Login"); n != 0 {
		t.Errorf("%d log-ins were sent", n)
	}
}

func TestASessionThatCannotBeKeptIsEnded(t *testing.T) {
	t.Parallel()
	h, fake := newHome(t), twoUsers(t)
	file := h.file(fake.URL, email)
	fake.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/log_in") { // after the check, before the session is saved
				_ = os.Mkdir(file, 0o700)
			}
			next.ServeHTTP(w, r)
		})
	})
	o := h.do(use{args: []string{"login", "-base-url", fake.URL, "-email", email}, stdin: password + "\n"})
	h.wants(o, 1, "could not be kept, and it is ended", file)
	if fake.Sessions() != 0 || fake.Requests("Login") != 1 {
		t.Errorf("%d sessions are alive after %d log-ins", fake.Sessions(), fake.Requests("Login"))
	}
}

func TestASessionWithoutAnEndIsNotExpired(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.put("https://api.example.com/v1", imported(t, `"expiry":"`+time.Now().Add(time.Hour).Format(time.RFC3339)+`"`, "sessions=a-new-token"))
	h.put("https://api.example.com/v2", imported(t, `"access_level":"x"`, "sessions=a-new-token"))
	h.wants(h.run(0, "status"), 0, "until 20", "did not say until when")
}
