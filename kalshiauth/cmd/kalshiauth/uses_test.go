package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// A useCase is one use of a command. In its arguments and variables, URL is a fake server, ROOT the same without its
// path, USER the user's ID there, and CODE the code of a mail. In wants, HOME is the folder of the test's files, too.
type useCase struct {
	args  string // separated by spaces
	env   string // the same
	stdin string
	state string // what has happened before: "in", "two" (log-ins), "mailed", "broken" (the session's file)
	code  int
	wants []string // texts that are printed
	wrong string   // of a wrong use: the flags or variables that are wrong, without a dash
	shows bool     // it shows the cookie
}

const trader = "-email " + email

// remote is another host's address. The fake server stands for it as a proxy.
const remote = "http://api.example.com/v1"

func useCases() []useCase {
	const in, two, mailed, pass = "in", "two", "mailed", "KALSHI_PASSWORD=" + password
	const proxied, newPass = "HTTP_PROXY=ROOT " + pass, "KALSHI_NEW_PASSWORD=" + newPassword
	notURL, plain := []string{"-base-url: not an absolute "}, []string{"-insecure-http", "api.example.com"}
	parse := []string{`invalid value "maybe"`, "parse error"}
	return []useCase{
		{args: "login -base-url URL " + trader + " -json", env: pass, wants: []string{`"logged_in":true`, `"user_id":"USER"`}},
		{args: "login -base-url=URL " + trader, stdin: password + "\n", wants: []string{"Logged in to URL as " + email, "USER", "HOME"}},
		{args: "login", env: "KALSHI_BASE_URL=URL KALSHI_EMAIL=" + email + " " + pass, wants: []string{"Logged in to URL"}},
		{args: "login -insecure-http -base-url " + remote + " " + trader, env: proxied, wants: []string{"Logged in to " + remote}},
		{args: "login", env: "KALSHI_BASE_URL=x KALSHI_EMAIL=" + email, code: 2, wants: notURL, wrong: "base-url"},
		{args: "login -base-url " + remote + " " + trader, env: proxied, code: 2, wants: plain, wrong: "insecure-http"},
		{args: "login -insecure-http=maybe", code: 2, wants: parse, wrong: "insecure-http"},
		{args: "login -json=maybe", code: 2, wants: parse, wrong: "json"},
		{args: "login -base-url URL", env: pass, code: 2, wants: []string{"-email"}, wrong: "email"},
		{args: "login -base-url URL -email trader", env: pass, code: 2, wants: []string{"login: invalid input: the e-mail address is malformed"}, wrong: "email"},
		{args: "login -base-url URL " + trader, env: "KALSHI_PASSWORD=wrong-horse", code: 1, wants: []string{"login: 401", "Check the e-mail address and the password"}},
		{args: "login -base-url URL " + trader, env: "KALSHI_PASSWORD=x", code: 2, wants: []string{"fewer than"}},
		{args: "login -base-url URL " + trader, code: 2, wants: []string{"KALSHI_PASSWORD"}},
		{args: "login x", code: 2, wants: []string{"takes no argument"}},
		{args: "login -password x", code: 2, wants: []string{"-password"}},

		{args: "logout -base-url URL " + trader + " -json", state: in, wants: []string{`"logged_in":false`}},
		{args: "logout", env: "KALSHI_BASE_URL=URL KALSHI_EMAIL=" + email, state: two, wants: []string{"Logged " + email + " out of URL."}},
		{args: "logout -base-url URL", state: two, wants: []string{"Logged " + otherEmail + " out of URL."}},
		{args: "logout -base-url URL " + trader, wants: []string{email + " was not logged in"}},
		{args: "logout -all -json", state: two, wants: []string{email, otherEmail}},
		{args: "logout -insecure-http -base-url " + remote + " " + trader, env: "HTTP_PROXY=ROOT", wants: []string{"was not logged in"}},
		{args: "logout -base-url URL", code: 1, wants: []string{"no session: nobody is logged in to URL", "kalshiauth login"}},
		{args: "logout -base-url x", code: 2, wants: notURL, wrong: "base-url"},
		{args: "logout -base-url " + remote, code: 2, wants: plain, wrong: "insecure-http"},
		{args: "logout -email nobody@example.com -email", code: 2, wants: []string{"email"}, wrong: "email"},
		{args: "logout -all=maybe", code: 2, wants: parse, wrong: "all"},
		{args: "logout -json=maybe", code: 2, wants: parse, wrong: "json"},
		{args: "logout " + trader + " -base-url URL", state: "broken", code: 1, wants: []string{"may still be valid", "not written by this command"}},
		{args: "logout x", code: 2, wants: []string{"takes no argument"}},

		{args: "status -base-url URL " + trader + " -json", state: two, wants: []string{`"state":"stored"`, `"user_id":"USER"`}},
		{args: "status", state: two, wants: []string{email + " has a session at URL", otherEmail + " has a session at URL"}},
		{args: "status -check -insecure-http", state: in, wants: []string{"The server accepts it."}},
		{args: "status -check -check-path users/{user_id}/balance -json", state: in, wants: []string{`"state":"alive"`}},
		{args: "status", code: 1, wants: []string{"no session: nobody is logged in", "kalshiauth login"}},
		{args: "status -check -check-path missing", state: in, code: 1, wants: []string{"not known", "-check-path"}, wrong: "check-path"},
		{args: "status -check-path x", code: 2, wants: []string{"-check"}, wrong: "check check-path"},
		{args: "status -check -check-path log_out", state: in, code: 2, wants: []string{"-check-path", "only reads"}, wrong: "check-path"},
		{args: "status -base-url x", code: 2, wants: notURL, wrong: "base-url"},
		{args: "status -email nobody@example.com", state: in, code: 1, wants: []string{"no session"}, wrong: "email"},
		{args: "status -json=maybe", code: 2, wants: parse, wrong: "json"},
		{args: "status -insecure-http=maybe", code: 2, wants: parse, wrong: "insecure-http"},
		{args: "status", state: "broken", code: 1, wants: []string{"cannot be read", "HOME", "not written by this command"}},
		{args: "status x", code: 2, wants: []string{"takes no argument"}},

		{args: "cookie -base-url URL " + trader + " -json", state: two, wants: []string{`{"cookie":"sessions=`}, shows: true},
		{args: "cookie", env: "KALSHI_BASE_URL=URL KALSHI_EMAIL=" + email, state: two, wants: []string{"sessions="}, shows: true},
		{args: "cookie -base-url URL -file " + jar, state: in, wants: []string{"curl -b " + jar}},
		{args: "cookie -base-url " + remote, code: 2, wants: plain, wrong: "insecure-http"},
		{args: "cookie -base-url " + remote + " -insecure-http", code: 1, wants: []string{"nobody is logged in to " + remote}},
		{args: "cookie -base-url URL -insecure-http", state: in, wants: []string{"sessions="}, shows: true},
		{args: "cookie -base-url x", code: 2, wants: notURL, wrong: "base-url"},
		{args: "cookie -base-url URL -email nobody@example.com", state: in, code: 1, wants: []string{"no session"}, wrong: "email"},
		{args: "cookie -base-url URL -file missing/" + jar, state: in, code: 2, wants: []string{"there is no folder"}, wrong: "file"},
		{args: "cookie -json=maybe", code: 2, wants: parse, wrong: "json"},
		{args: "cookie -base-url URL", state: "broken", code: 1, wants: []string{"not written by this command", "remove the file"}},
		{args: "cookie x", code: 2, wants: []string{"takes no argument"}},

		{args: "reset-password -base-url URL " + trader, wants: []string{"a link is on its way"}},
		{args: "reset-password", env: "KALSHI_BASE_URL=URL KALSHI_EMAIL=" + email, wants: []string{"a link is on its way"}},
		{args: "reset-password -insecure-http -base-url " + remote + " " + trader, env: "HTTP_PROXY=ROOT", wants: []string{"on its way"}},
		{args: "reset-password -base-url x " + trader, code: 2, wants: notURL, wrong: "base-url"},
		{args: "reset-password -base-url " + remote + " " + trader, code: 2, wants: plain, wrong: "insecure-http"},
		{args: "reset-password -base-url URL -email trader", code: 2, wants: []string{"reset-password: invalid input"}, wrong: "email"},
		{args: "reset-password -base-url URL", code: 2, wants: []string{"email"}, wrong: "email"},
		{args: "reset-password x " + trader, code: 2, wants: []string{"takes no argument"}},

		{args: "reset-password-confirm -base-url URL -user-id USER", env: "KALSHI_RESET_CODE=CODE " + newPass, state: mailed, wants: []string{"The password is set"}},
		{args: "reset-password-confirm -user-id USER", env: "KALSHI_BASE_URL=URL KALSHI_RESET_CODE=CODE " + newPass, state: mailed, wants: []string{"The password is set"}},
		{args: "reset-password-confirm -insecure-http -user-id USER -base-url " + remote, env: "HTTP_PROXY=ROOT KALSHI_RESET_CODE=CODE " + newPass, state: mailed, wants: []string{"The password is set"}},
		{args: "reset-password-confirm -base-url URL -user-id USER", stdin: "wrong-code\n" + newPassword + "\n", code: 1, wants: []string{"reset-password-confirm: 400", "The code may be wrong"}},
		{args: "reset-password-confirm -base-url URL -user-id 42", stdin: "wrong-code\n" + newPassword + "\n", code: 2, wants: []string{"the user ID is not a UUID"}, wrong: "user-id"},
		{args: "reset-password-confirm -base-url URL", code: 2, wants: []string{"user-id"}, wrong: "user-id"},
		{args: "reset-password-confirm -base-url x -user-id USER", code: 2, wants: notURL, wrong: "base-url"},
		{args: "reset-password-confirm -user-id USER -base-url " + remote, code: 2, wants: plain, wrong: "insecure-http"},
		{args: "reset-password-confirm -base-url URL -user-id USER", stdin: "..\n" + newPassword + "\n", code: 2, wants: []string{"the code is not the one"}},
		{args: "reset-password-confirm x -user-id USER", code: 2, wants: []string{"takes no argument"}},

		{args: "demo", wants: []string{"9. use the session after it: refused"}},
		{args: "demo -base-url URL " + trader, env: pass, wants: []string{"The server is URL.", "4. use the session after it: refused"}},
		{args: "demo", env: "KALSHI_BASE_URL=URL KALSHI_EMAIL=" + email + " " + pass, wants: []string{"The server is URL."}},
		{args: "demo -insecure-http -base-url " + remote + " " + trader, env: proxied, wants: []string{"The server is " + remote}},
		{args: "demo -base-url " + remote + " " + trader, env: pass, code: 2, wants: plain, wrong: "insecure-http"},
		{args: "demo -base-url x " + trader, env: pass, code: 2, wants: notURL, wrong: "base-url"},
		{args: "demo -base-url URL", env: pass, code: 2, wants: []string{"-email"}, wrong: "email"},
		{args: "demo -base-url URL -email trader", env: pass, code: 2, wants: []string{"e-mail address is malformed"}, wrong: "email"},
		{args: "demo -base-url URL " + trader, env: "KALSHI_PASSWORD=wrong-horse", code: 1, wants: []string{"demo: log in: login: 401", "Check the e-mail address"}},
		{args: "demo -base-url URL " + trader, env: pass + " " + newPass, stdin: "one-word\n", code: 2, wants: []string{"want a code and a user_id"}},
		{args: "demo x", code: 2, wants: []string{"takes no argument"}},
	}
}

// prepare brings a home and a server into the state of a case, and returns what replaces the names in it.
func (c *useCase) prepare(t *testing.T, h *home) *strings.Replacer {
	t.Helper()
	fake := kalshiauthtest.NewServer(kalshiauthtest.WithPathPrefix("/v1"))
	t.Cleanup(fake.Close)
	user := fake.AddUser(email, password)
	fake.AddUser(otherEmail, otherPassword)
	balance(fake)
	code := ""
	switch c.state {
	case "in", "broken":
		h.logIn(fake, email, password)
	case "two":
		h.logIn(fake, email, password)
		h.logIn(fake, otherEmail, otherPassword)
	case "mailed":
		h.wants(h.run(0, "reset-password", "-base-url", fake.URL, "-email", email), 0)
		code = fake.Outbox()[0].Code
		h.secrets = append(h.secrets, code)
	}
	if c.state == "broken" {
		if err := os.WriteFile(h.file(fake.URL, email), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return strings.NewReplacer("BASE_URL", "BASE_URL", "USER", user.ID, "ROOT", strings.TrimSuffix(fake.URL, "/v1"),
		"RESET_CODE", "RESET_CODE", "CODE", code, "HOME", h.folder, "URL", fake.URL)
}

func TestEachUseOfACommand(t *testing.T) {
	t.Parallel()
	for _, c := range useCases() {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			names := c.prepare(t, h)
			o := h.do(use{
				args: strings.Fields(names.Replace(c.args)), env: strings.Fields(names.Replace(c.env)), stdin: c.stdin, shows: c.shows,
			})
			wants := slices.Clone(c.wants)
			for i := range wants {
				wants[i] = names.Replace(wants[i])
			}
			h.wants(o, c.code, wants...)
			speaksNoGo(t, strings.Join(o.args, " "), o.errOut)
		})
	}
}

// testedElsewhere are the commands whose uses are in other tests of the built command.
var testedElsewhere = []string{"serve", "contract", "completion", "version", "help"}

func TestEachCommandAndFlagHasARightAndAWrongUse(t *testing.T) {
	t.Parallel()
	right, wrong := map[string]bool{}, map[string]bool{}
	for _, c := range useCases() {
		words := strings.Fields(c.args)
		command := words[0]
		if c.code != 0 {
			wrong[command] = true
			for flag := range strings.FieldsSeq(c.wrong) {
				wrong[command+" -"+flag] = true
			}
			continue
		}
		right[command] = true
		for _, word := range words[1:] {
			name, _, _ := strings.Cut(word, "=")
			right[command+" "+name] = true
		}
		for variable := range strings.FieldsSeq(c.env) {
			name, _, _ := strings.Cut(variable, "=")
			right[command+" "+name] = true
		}
	}
	var known []string
	for _, cmd := range append(accountCommands(), demoCommand()) {
		known = append(known, cmd.Name)
		names := []string{cmd.Name}
		for _, flag := range cmd.Flags {
			name := cmd.Name + " -" + flag.Names()[0]
			names = append(names, name)
			for _, variable := range flag.(cli.DocGenerationFlag).GetEnvVars() {
				if !right[cmd.Name+" "+variable] {
					t.Errorf("%s: no case uses %s", name, variable)
				}
			}
		}
		for _, name := range names {
			if !right[name] || !wrong[name] {
				t.Errorf("%s: a right use %v, a wrong one %v", name, right[name], wrong[name])
			}
		}
	}
	// The commands of the built program are the known ones, and those with tests of their own.
	_, help, _ := strings.Cut(newHome(t).run(0, "-h").out, "COMMANDS:\n")
	help, _, _ = strings.Cut(help, "\n\n")
	for line := range strings.SplitSeq(strings.TrimSpace(help), "\n") {
		name, _, _ := strings.Cut(strings.Fields(line)[0], ",")
		if !slices.Contains(known, name) && !slices.Contains(testedElsewhere, name) {
			t.Errorf("no case uses the command %s", name)
		}
	}
}

func TestEachCommandHasHelp(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for _, cmd := range append(accountCommands(), demoCommand()) {
		o := h.run(0, cmd.Name, "-h")
		for _, flag := range cmd.Flags {
			h.wants(o, 0, "--"+flag.Names()[0])
		}
		speaksNoGo(t, cmd.Name+" -h", o.out)
	}
	for _, args := range []string{"-h", "serve -h", "contract -h", "contract run -h", "contract proxy -h", "contract har -h"} {
		o := h.do(use{args: strings.Fields(args), shows: true}) // an example may have the password of the tests
		h.wants(o, 0)
		speaksNoGo(t, args, o.out)
	}
}

// An old host of the API is reported to answer like this.
func TestAHostThatHasMovedIsNotAWrongPasswordForTheBuiltCommand(t *testing.T) {
	t.Parallel()
	const moved = "API has been moved to https://api.example.com/trade-api/v2"
	account := []string{"KALSHI_EMAIL=" + email, "KALSHI_PASSWORD=" + password, "KALSHI_NEW_PASSWORD=" + newPassword, "KALSHI_RESET_CODE=code-1"}
	for _, c := range []struct {
		args string
		env  []string
		code int
	}{
		{"login", account, 1},
		{"logout", nil, 1},
		{"logout -all", nil, 1},
		{"status -check", nil, 1},
		{"reset-password " + trader, nil, 1},
		{"reset-password-confirm -user-id 6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e", account, 1},
		{"demo", account, 1},
		{"contract run", account[:2], 2},
		{"contract run -only Login.* -only Logout.*", nil, 1},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			h, fake := newHome(t), twoUsers(t)
			h.logIn(fake, email, password)
			fake.Intercept(func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, moved, http.StatusUnauthorized) })
			})
			o := h.do(use{args: strings.Fields(c.args), env: append([]string{"KALSHI_BASE_URL=" + fake.URL}, c.env...)})
			h.wants(o, c.code)
			if !strings.Contains(o.errOut, moved) || !strings.Contains(strings.ToLower(o.errOut),
				"this server does not speak the api that this program knows: check -base-url") {
				t.Errorf("printed %q", o.errOut)
			}
			said := strings.NewReplacer("reset-password-confirm", "", "reset-password", "").Replace(strings.ToLower(o.errOut))
			for _, word := range []string{"password", "credentials"} {
				if strings.Contains(said, word) {
					t.Errorf("%s: mentions the %s: %q", c.args, word, o.errOut)
				}
			}
		})
	}
}

func TestALostPlaceForSessionsIsAnError(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the folder has another name")
	}
	h := newHome(t)
	if err := errors.Join(os.MkdirAll(h.config(), 0o700), os.WriteFile(filepath.Join(h.config(), "kalshiauth"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"status"}, {"logout"}, {"logout", "-all"}, {"cookie"}} {
		h.wants(h.run(1, args...), 1, "the sessions cannot be listed")
	}
}
