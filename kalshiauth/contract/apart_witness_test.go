package contract_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// A witness sends requests to a broken server, to see that it is broken.
type witness struct {
	t   *testing.T
	srv *kalshiauthtest.Server
}

// send returns the status of an answer, 0 if there is none, and its body. headers are pairs.
func (w witness) send(method, path, body string, headers ...string) (status int, answer string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.srv.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.srv.Client().Do(r)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	data, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data)
}

func (w witness) login(body string, headers ...string) int {
	w.t.Helper()
	status, _ := w.send("POST", "/log_in", body, headers...)
	return status
}

// token logs an account in.
func (w witness) token() (token, id string) {
	w.t.Helper()
	_, body := w.send("POST", "/log_in", object("email", email, "password", password))
	return field(body, "token"), field(body, "user_id")
}

func (w witness) logout(headers ...string) int {
	w.t.Helper()
	status, _ := w.send("POST", "/log_out", "", headers...)
	return status
}

func (w witness) reset(body string) int {
	w.t.Helper()
	status, _ := w.send("POST", "/passwords/reset", body)
	return status
}

// mail requests a reset.
func (w witness) mail(address string) (code, id string) {
	w.t.Helper()
	w.reset(object("email", address))
	target := ownTarget(w.srv)
	code, id, err := target.ResetCode(w.t.Context(), address)
	if err != nil {
		w.t.Fatal(err)
	}
	return code, id
}

func (w witness) confirm(code, body string) int {
	w.t.Helper()
	status, _ := w.send("PUT", "/passwords/reset/"+code+"/confirm", body)
	return status
}

// withID is a confirm with the mailed code, and with the user ID in another form.
func withID(edit func(id string) string) func(witness) bool {
	return func(w witness) bool {
		code, id := w.mail(email)
		return w.confirm(code, object("user_id", edit(id), "password", password)) == 204
	}
}

// withCodeOf is a confirm with the code in another form, escaped for the path.
func withCodeOf(edit func(code string) string) func(witness) bool {
	return func(w witness) bool {
		code, id := w.mail(email)
		return w.confirm(edit(code), object("user_id", id, "password", password)) == 204
	}
}

// asSession is a log-out with another value than the token.
func asSession(edit func(token string) string) func(witness) bool {
	return func(w witness) bool {
		token, _ := w.token()
		return w.logout("Cookie", "sessions="+edit(token)) == 204
	}
}

// few reports whether two tokens have a long common beginning, or are short.
func few(w witness) bool {
	a, _ := w.token()
	b, _ := w.token()
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	return len(a)-same < 12
}

// witnesses see the faults that are hard to see. A witness returns whether it saw the fault.
var witnesses = map[string]func(w witness) bool{
	"a user ID in braces":             withID(func(id string) string { return "{" + id + "}" }),
	"a user ID without hyphens":       withID(func(id string) string { return strings.ReplaceAll(id, "-", "") }),
	"a user ID with spaces around it": withID(func(id string) string { return " " + id + " " }),
	"a confirm counts bytes": func(w witness) bool {
		c, id := w.mail(email)
		return w.confirm(c, object("user_id", id, "password", "äöü")) == 204
	},
	"a reset takes two at signs": func(w witness) bool { return w.reset(object("email", "a@b@example.com")) == 202 },
	"a reset takes a name with the address": func(w witness) bool {
		return w.reset(object("email", "Trader <"+email+">")) == 202 && len(w.srv.Outbox()) == 1
	},
	"a reset takes an array with the known address": func(w witness) bool { return w.reset(`{"email":["`+email+`"]}`) == 202 && len(w.srv.Outbox()) == 1 },
	"a log-in takes a name with the address":        func(w witness) bool { return w.login(object("email", "<"+email+">", "password", password)) == 200 },
	"a form in place of JSON logs in": func(w witness) bool {
		return w.login("email=trader%40example.com&password=correct+horse+battery", "Content-Type", "application/x-www-form-urlencoded") == 200
	},
	"a log-in decomposes text": func(w witness) bool {
		w.srv.SetPassword(email, "schöne grüße")
		return w.login(object("email", email, "password", "schöne grüße")) == 401
	},
	"the first cookie whose name ends alike is read": func(w witness) bool {
		token, _ := w.token()
		return w.logout("Cookie", "old_sessions=1; sessions="+token) == 401
	},
	"the password must come last":      func(w witness) bool { return w.login(`{"password":"`+password+`","email":"`+email+`"}`) == 400 },
	"two cookies of the name fail":     func(w witness) bool { return w.logout("Cookie", "sessions=a; sessions=b") == 500 },
	"a cookie without a name fails":    func(w witness) bool { return w.logout("Cookie", "theme") == 500 },
	"three words in the header fail":   func(w witness) bool { return w.logout("Authorization", "Bearer a b") == 500 },
	"a session with three parts fails": func(w witness) bool { return w.logout("Authorization", "Bearer a.b.c") == 500 },
	"a slash in a code fails": func(w witness) bool {
		return w.confirm("a%2Fb", `{"user_id":"6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e","password":"abcdef"}`) == 500
	},
	"nesting in valid JSON fails at a log-in": func(w witness) bool {
		return w.login(`{"email":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`}`) == 500
	},
	"a cookie in base64 is decoded":                   asSession(b64),
	"the last character of a session does not count":  asSession(func(s string) string { return s[:len(s)-1] + "x" }),
	"the first character of a session does not count": asSession(func(s string) string { return "x" + s[1:] }),
	"a session is the password":                       func(w witness) bool { return w.logout("Authorization", password) == 204 },
	"a session is the mailed code":                    func(w witness) bool { code, _ := w.mail(email); return w.logout("Cookie", "sessions="+code) == 204 },
	"the case of the first letter does not count":     func(w witness) bool { return w.login(object("email", email, "password", "C"+password[1:])) == 200 },
	"a wrong password ends all sessions": func(w witness) bool {
		token, _ := w.token()
		return w.login(object("email", email, "password", "wrong horse")) == 401 && w.logout("Authorization", token) == 401
	},
	"a wrong code is refused and ends the sessions": func(w witness) bool {
		token, id := w.token()
		return w.confirm("wrong", object("user_id", id, "password", password)) == 400 && w.logout("Authorization", token) == 401
	},
	"another account's code is refused and sets the password": func(w witness) bool {
		_, id := w.token()
		code, _ := w.mail(other.Email)
		return w.confirm(code, object("user_id", id, "password", "taken over")) == 400 && w.login(object("email", email, "password", "taken over")) == 200
	},
	"a new password is stored without spaces around it": func(w witness) bool {
		code, id := w.mail(email)
		return w.confirm(code, object("user_id", id, "password", " with spaces ")) == 204 && w.login(object("email", email, "password", " with spaces ")) == 401
	},
	"a new password is stored with its angle brackets escaped": func(w witness) bool {
		code, id := w.mail(email)
		return w.confirm(code, object("user_id", id, "password", "a<b & b>c")) == 204 && w.login(object("email", email, "password", "a<b & b>c")) == 401
	},
	"a percent sign stands for all":                   withCodeOf(func(string) string { return "%25" }),
	"spaces around a code do not count":               withCodeOf(func(code string) string { return code + "%20" }),
	"what comes before a code does not count":         withCodeOf(func(code string) string { return "x" + code }),
	"the address is a code":                           withCodeOf(func(string) string { return email }),
	"the old password is a code":                      withCodeOf(func(string) string { return strings.ReplaceAll(password, " ", "%20") }),
	"tokens are four random digits":                   few,
	"tokens are six random digits after a fixed text": few,
	"tokens have 25 random bits":                      few,
	"tokens are the time in base64":                   few,
	"tokens are UUIDs of time and a fixed node": func(w witness) bool {
		token, _ := w.token()
		return strings.HasSuffix(token, "-8a3c-02420a000105")
	},
	"tokens are JWTs without a signature": func(w witness) bool {
		token, _ := w.token()
		return strings.HasSuffix(token, ".") && strings.Count(token, ".") == 2
	},
}

// What is hard to see is there.
func TestMoreMutantsAreBroken(t *testing.T) {
	t.Parallel()
	all := namedMutants()
	for name, sees := range witnesses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(all, func(m namedMutant) bool { return m.name == name })
			if i < 0 {
				t.Fatal("there is no such mutant")
			}
			if !sees(witness{t, all[i].start(t)}) {
				t.Error("the fault was not seen")
			}
			if sees(witness{t, newServer(t)}) {
				t.Error("the fault was seen in a right server")
			}
		})
	}
}

// Servers that take what they must not take, or fail at odd input, are right for a plain client.
func TestMoreMutantsAreBrokenInOneWay(t *testing.T) {
	t.Parallel()
	classes := []string{"body", "known", "property", "format", "minLength", "odd", "near miss", "session", "code", "refused", "guessable", "confirm", "content type"}
	for _, m := range namedMutants() {
		if !slices.Contains(classes, m.class) {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			target := ownTarget(m.start(t))
			works(t, &target)
		})
	}
}
