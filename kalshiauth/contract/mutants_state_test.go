package contract_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// takesPassword lets near misses of the password in.
func takesPassword(match func(sent, right string) bool) func(*kalshiauthtest.Server) middleware {
	return func(*kalshiauthtest.Server) middleware {
		now := &memory{}
		now.put("password", password)
		return chain(keepsPassword(now), replaced("Login", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			right, _ := now.get("password")
			sent := field(body, "password")
			if field(body, "email") != email || sent == "" || !match(sent, right) {
				return false
			}
			next.ServeHTTP(w, withBody(r, edited(body, "password", right)))
			return true
		}))
	}
}

// keepsPassword keeps the password that a confirm sets.
func keepsPassword(now *memory) middleware {
	return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
		a := answer(next, r)
		if a.status == 204 && field(body, "user_id") != "" {
			now.put("password", field(body, "password"))
		}
		a.write(w)
		return true
	})
}

// sets changes the password that a confirm sets.
func sets(change func(password string) string) func(*kalshiauthtest.Server) middleware {
	return only(replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
		if sent := field(body, "password"); len(sent) >= minPassword {
			body = edited(body, "password", change(sent))
		}
		next.ServeHTTP(w, withBody(r, body))
		return true
	}))
}

// takesSession takes other values than the token for a session. way is "cookie", "header" or "".
func takesSession(way string, match func(sent, token string) bool) func(*kalshiauthtest.Server) middleware {
	return func(*kalshiauthtest.Server) middleware {
		live := &memory{}
		return chain(successes("Login", func(a *reply) { live.put(field(string(a.body), "token"), "") }),
			replaced("Logout", func(w http.ResponseWriter, r *http.Request, _ string, next http.Handler) bool {
				_, noCookie := r.Cookie("sessions")
				if way == "cookie" && noCookie != nil || way == "header" && r.Header.Get("Authorization") == "" {
					return false
				}
				for _, token := range live.all() {
					if sent := presented(r); sent != token && match(sent, token) {
						if a := answer(next, presenting(r, token)); a.status == 204 {
							a.write(w)
							return true
						}
					}
				}
				return false
			}))
	}
}

// takesCode takes other values than the mailed code.
func takesCode(match func(sent, code string) bool) func(*kalshiauthtest.Server) middleware {
	return func(srv *kalshiauthtest.Server) middleware {
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			sent := strings.Split(r.URL.Path, "/")[3]
			for _, m := range srv.Outbox() {
				if sent != m.Code && match(sent, m.Code) && field(body, "user_id") == m.UserID {
					if a := answer(next, withPath(r, strings.Replace(r.URL.Path, sent, m.Code, 1), body)); a.status == 204 {
						a.write(w)
						return true
					}
				}
			}
			return false
		})
	}
}

// withPath returns a copy of a request with another path and body.
func withPath(r *http.Request, path, body string) *http.Request {
	r = withBody(r, body)
	r.URL = &url.URL{Path: path}
	return r
}

// confirms lets some confirms set the password, by a code that is mailed for that.
func confirms(match func(r *http.Request, body string) bool) func(*kalshiauthtest.Server) middleware {
	return func(srv *kalshiauthtest.Server) middleware {
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, _ http.Handler) bool {
			if len(field(body, "password")) < minPassword || !match(r, body) {
				return false
			}
			srv.SetPassword(email, field(body, "password"))
			w.WriteHeader(http.StatusNoContent)
			return true
		})
	}
}

// issues makes a server give secrets of its own for the tokens, and the mailed codes stay.
func issues(next func() string) func(*kalshiauthtest.Server) middleware {
	return only(tokens(func(string) string { return next() }))
}

func counter(format string) func() string {
	var n atomic.Int64
	return func() string { return fmt.Sprintf(format, n.Add(1)) }
}

var stateMutants = []classMutant{
	// Near misses.
	{"a password in lower case", "Login.wrong.case", takesPassword(strings.EqualFold)},
	{"a trimmed password", "Login.wrong.padded", takesPassword(func(sent, right string) bool { return strings.TrimSpace(sent) == right })},
	{"a password with more", "Login.wrong.longer", takesPassword(func(sent, right string) bool { return len(right) > 5 && strings.HasPrefix(sent, right) })},
	{"a password up to a NUL", "Login.wrong.longer", takesPassword(func(sent, right string) bool { return strings.Split(sent, "\x00")[0] == right })},
	{"the begin of a password", "Login.wrong.cut", takesPassword(func(sent, right string) bool { return len(sent) == len(right)-1 && strings.HasPrefix(right, sent) })},
	{"eight characters of a password", "Login.wrong.cut", takesPassword(func(sent, right string) bool { return len(sent) > 8 && sent[:8] == right[:min(8, len(right))] })},
	{"64 bytes of a long password", "ResetPasswordConfirm.password.long", takesPassword(func(sent, right string) bool { return len(sent) > 64 && len(right) > 64 && sent[:64] == right[:64] })},
	{"a token as a password", "Login.wrong.other", func(*kalshiauthtest.Server) middleware {
		seen := &memory{}
		return chain(successes("Login", func(a *reply) { seen.put(field(string(a.body), "token"), "") }), takesPassword(func(sent, _ string) bool {
			_, ok := seen.get(sent)
			return ok
		})(nil))
	}},
	{"the password of another account", "Login.wrong.account", takesPassword(func(sent, _ string) bool { return sent == other.Password })},
	{"a session in another case", "Logout.session.authorization.case", takesSession("", strings.EqualFold)},
	{"a cookie in another case", "Logout.session.cookie.case", takesSession("cookie", strings.EqualFold)},
	{"a cut session in the cookie", "Logout.session.cookie.cut", takesSession("cookie", func(sent, token string) bool { return len(sent) > 8 && strings.HasPrefix(token, sent) })},
	{"a cut session in the header", "Logout.session.authorization.cut", takesSession("header", func(sent, token string) bool { return len(sent) > 8 && strings.HasPrefix(token, sent) })},
	{"a longer session in the cookie", "Logout.session.cookie.appended", takesSession("cookie", strings.HasPrefix)},
	{"a longer session in the header", "Logout.session.authorization.appended", takesSession("header", strings.HasPrefix)},
	{"an escaped cookie", "Logout.session.cookie.encoded", takesSession("cookie", func(sent, token string) bool { s, _ := url.PathUnescape(sent); return s == token })},
	{"an escaped header", "Logout.session.authorization.encoded", takesSession("header", func(sent, token string) bool { s, _ := url.PathUnescape(sent); return s == token })},
	{"an altered session", "Logout.session.cookie.altered", takesSession("", func(sent, token string) bool { return len(sent) == len(token) && sent[44:] == token[44:] })},
	{"an empty cookie", "Logout.session.cookie.empty", only(changed("Logout", func(r *http.Request, a *reply) {
		if c, err := r.Cookie("sessions"); err == nil && c.Value == "" {
			*a = reply{204, http.Header{}, nil}
		}
	}))},
	{"a prefix without a token", "Logout.session.authorization.empty", only(changed("Logout", func(r *http.Request, a *reply) {
		if strings.EqualFold(r.Header.Get("Authorization"), "bearer") {
			*a = reply{204, http.Header{}, nil}
		}
	}))},
	{"an unknown token in the header", "Logout.session.authorization.unknown", only(changed("Logout", func(r *http.Request, a *reply) {
		if r.Header.Get("Authorization") != "" {
			*a = reply{204, http.Header{}, nil}
		}
	}))},
	{"the user ID as a session", "Logout.session.cookie.other", func(srv *kalshiauthtest.Server) middleware {
		id := userIDOf(srv)
		return changed("Logout", func(r *http.Request, a *reply) {
			if presented(r) == id {
				*a = reply{204, http.Header{}, nil}
			}
		})
	}},
	{"a code in another case", "ResetPasswordConfirm.code.case", takesCode(strings.EqualFold)},
	{"a cut code", "ResetPasswordConfirm.code.cut", takesCode(func(sent, code string) bool { return len(sent) > 8 && strings.HasPrefix(code, sent) })},
	{"a longer code", "ResetPasswordConfirm.code.appended", takesCode(strings.HasPrefix)},
	{"an escaped code", "ResetPasswordConfirm.code.encoded", takesCode(func(sent, code string) bool { s, _ := url.PathUnescape(sent); return s == code })},
	{"an altered code", "ResetPasswordConfirm.code.altered", takesCode(func(sent, code string) bool { return len(sent) == len(code) && sent[44:51] == code[44:51] })},

	// Real data.
	{"any code for the known user", "ResetPasswordConfirm.known.unknown", func(srv *kalshiauthtest.Server) middleware {
		id := userIDOf(srv)
		return confirms(func(_ *http.Request, body string) bool { return field(body, "user_id") == id })(srv)
	}},
	{"the code of another account", "ResetPasswordConfirm.code.account", func(srv *kalshiauthtest.Server) middleware {
		id := userIDOf(srv)
		return confirms(func(r *http.Request, body string) bool {
			for _, m := range srv.Outbox() {
				if m.Email == other.Email && strings.Contains(r.URL.Path, m.Code) && field(body, "user_id") == id {
					return true
				}
			}
			return false
		})(srv)
	}},
	{"the code of an earlier request", "ResetPasswordConfirm.code.earlier", func(srv *kalshiauthtest.Server) middleware {
		used := &memory{}
		return chain(replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, _ string, next http.Handler) bool {
			a := answer(next, r)
			if a.status == 204 {
				used.put(r.URL.Path, "")
			}
			a.write(w)
			return true
		}), confirms(func(r *http.Request, body string) bool {
			_, again := used.get(r.URL.Path)
			for _, m := range srv.Outbox() {
				if !again && m.Email == email && strings.Contains(r.URL.Path, m.Code) && m.UserID == field(body, "user_id") {
					return true
				}
			}
			return false
		})(srv))
	}},
	{"a token as a code", "ResetPasswordConfirm.code.session", func(srv *kalshiauthtest.Server) middleware {
		seen := &memory{}
		return chain(successes("Login", func(a *reply) { seen.put(field(string(a.body), "token"), "") }), confirms(func(r *http.Request, _ string) bool {
			_, ok := seen.get(strings.Split(r.URL.Path, "/")[3])
			return ok
		})(srv))
	}},
	{"a refused confirm sets the password", "ResetPasswordConfirm.known.unknown", func(srv *kalshiauthtest.Server) middleware {
		id := userIDOf(srv)
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			a := answer(next, r)
			if a.status == 400 && field(body, "user_id") == id && len(field(body, "password")) >= minPassword {
				srv.SetPassword(email, field(body, "password"))
			}
			a.write(w)
			return true
		})
	}},
	{"a used code sets a password all the same", changes, func(srv *kalshiauthtest.Server) middleware {
		used := &memory{}
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			a := answer(next, r)
			if _, again := used.get(r.URL.Path); again && a.status == 400 && len(field(body, "password")) >= minPassword {
				srv.SetPassword(email, field(body, "password"))
			}
			if a.status == 204 {
				used.put(r.URL.Path, "")
			}
			a.write(w)
			return true
		})
	}},

	// Secrets that can be guessed.
	{"tokens that count", "Login.unguessable", issues(counter("session-%08d"))},
	{"tokens that count in hexadecimal", "Login.unguessable", issues(counter("%016x"))},
	{"tokens that tell the time", "Login.unguessable", issues(func() string { return fmt.Sprint(time.Now().UnixNano()) })},
	{"tokens with a time and a counter", "Login.unguessable", func(srv *kalshiauthtest.Server) middleware {
		n := counter("%d")
		return issues(func() string { return fmt.Sprintf("s.%d.%s", time.Now().UnixMilli(), n()) })(srv)
	}},
	{"tokens of the e-mail address and a counter", "Login.unguessable", func(srv *kalshiauthtest.Server) middleware {
		n := counter("%d")
		return issues(func() string { return base64.RawURLEncoding.EncodeToString([]byte(email + ":" + n())) })(srv)
	}},
	{"the same token each time", "Login.unguessable", func(*kalshiauthtest.Server) middleware {
		first := &memory{}
		return successes("Login", func(a *reply) {
			token, ok := first.get(field(string(a.body), "user_id"))
			if !ok {
				first.put(field(string(a.body), "user_id"), field(string(a.body), "token"))
				return
			}
			a.fields(func(f map[string]any) { f["token"] = token })
			a.header.Set("Set-Cookie", "sessions="+token+"; Path=/")
		})
	}},
	{"another user ID each time", "Login.user-id", func(*kalshiauthtest.Server) middleware {
		n := counter("%012d")
		return loginFields(func(f map[string]any) { f["user_id"] = "6d7d8a3b-9c0f-4a43-9d0c-" + n() })
	}},

	// One session becomes another, and what ends which.
	{"the presented session becomes the new one", "Login.fixation", func(*kalshiauthtest.Server) middleware {
		mine := &memory{}
		return chain(replaced("Login", func(w http.ResponseWriter, r *http.Request, _ string, next http.Handler) bool {
			a := answer(next, r)
			if c, err := r.Cookie("sessions"); err == nil && a.status == 200 {
				mine.put(c.Value, field(string(a.body), "token"))
				a.fields(func(f map[string]any) { f["token"] = c.Value })
				a.header.Set("Set-Cookie", "sessions="+c.Value+"; Path=/")
			}
			a.write(w)
			return true
		}), replaced("Logout", func(w http.ResponseWriter, r *http.Request, _ string, next http.Handler) bool {
			token, ok := mine.get(bare(r))
			if ok {
				next.ServeHTTP(w, presenting(r, token))
			}
			return ok
		}))
	}},
	{"the presented session is good, too", "Login.fixation", func(*kalshiauthtest.Server) middleware {
		mine := &memory{}
		return chain(replaced("Login", func(w http.ResponseWriter, r *http.Request, _ string, next http.Handler) bool {
			a := answer(next, r)
			if c, err := r.Cookie("sessions"); err == nil && a.status == 200 {
				mine.put(c.Value, "")
			}
			a.write(w)
			return true
		}), replaced("Logout", func(w http.ResponseWriter, r *http.Request, _ string, _ http.Handler) bool {
			_, ok := mine.get(bare(r))
			if ok {
				w.WriteHeader(http.StatusNoContent)
			}
			return ok
		}))
	}},
	{"a refused log-in sets a session", "Login.wrong.cut", func(*kalshiauthtest.Server) middleware {
		return replaced("Login", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			a := answer(next, r)
			if a.status == 401 && field(body, "email") == email {
				good := answer(next, withBody(r, loginIn))
				a.header["Set-Cookie"] = good.header["Set-Cookie"]
			}
			a.write(w)
			return true
		})
	}},
	{"a log-out ends all sessions", "Logout.cookie.ends-one", func(srv *kalshiauthtest.Server) middleware {
		return successes("Logout", func(*reply) { srv.ExpireSessionsOf(email) })
	}},
	{"a log-out by the header ends all sessions", "Logout.authorization.ends-one", func(srv *kalshiauthtest.Server) middleware {
		return changed("Logout", func(r *http.Request, a *reply) {
			if r.Header.Get("Authorization") != "" && a.status == 204 {
				srv.ExpireSessionsOf(email)
			}
		})
	}},
	{"a log-out by the cookie ends nothing", "Logout.cookie.ends", only(replaced("Logout",
		func(w http.ResponseWriter, r *http.Request, _ string, _ http.Handler) bool {
			_, err := r.Cookie("sessions")
			if live := err == nil && len(presented(r)) == len(rightToken); live {
				w.WriteHeader(http.StatusNoContent)
				return true
			}
			return false
		}))},
	{"a refused log-out ends the session", "Logout.cookie.lasts", func(srv *kalshiauthtest.Server) middleware {
		return errorsOf("Logout", func(*reply) { srv.ExpireSessionsOf(email) })
	}},
	{"a refused log-in ends the sessions", "Logout.cookie.lasts", func(srv *kalshiauthtest.Server) middleware {
		return errorsOf("Login", func(*reply) { srv.ExpireSessionsOf(email) })
	}},

	// Resets.
	{"a reset request changes the password", "ResetPassword.changes-nothing", func(srv *kalshiauthtest.Server) middleware {
		n := counter("changed-%d")
		return replaced("ResetPassword", func(_ http.ResponseWriter, _ *http.Request, body string, _ http.Handler) bool {
			if field(body, "email") == email {
				srv.SetPassword(email, n())
			}
			return false
		})
	}},
	{"a reset request ends the sessions", "ResetPassword.changes-nothing", func(srv *kalshiauthtest.Server) middleware {
		return successes("ResetPassword", func(*reply) { srv.ExpireSessionsOf(email) })
	}},
	{"a confirm ends the other account's sessions", "ResetPasswordConfirm.changes.other", func(srv *kalshiauthtest.Server) middleware {
		return successes("ResetPasswordConfirm", func(*reply) { srv.ExpireSessions() })
	}},
	{"a confirm changes the other account's password", "ResetPasswordConfirm.changes.other", func(srv *kalshiauthtest.Server) middleware {
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			a := answer(next, r)
			if a.status == 204 && field(body, "password") != other.Password {
				srv.SetPassword(other.Email, field(body, "password"))
			}
			a.write(w)
			return true
		})
	}},
	{"a new password is cut after 8", rightCode, sets(func(p string) string { return p[:8] })},
	{"a new password is cut after 64", "ResetPasswordConfirm.password.long", sets(func(p string) string { return p[:min(64, len(p))] })},
	{"a new password is made lower-case", changes, sets(strings.ToLower)},
	{"a new password loses what is not ASCII", "ResetPasswordConfirm.password.non-ascii", sets(func(p string) string {
		return strings.Map(func(r rune) rune {
			if r > 127 {
				return '?'
			}
			return r
		}, p)
	})},
	{"the oldest session outlives a reset", changes, outlives(0)},
	{"the newest session outlives a reset", changes, outlives(-1)},
	{"the middle session outlives a reset", changes, outlives(1)},
	{"the cookie outlives a reset", changes, func(*kalshiauthtest.Server) middleware {
		alive := &memory{}
		return chain(successes("Login", func(a *reply) { alive.put(field(string(a.body), "token"), "") }),
			replaced("Logout", func(w http.ResponseWriter, r *http.Request, _ string, next http.Handler) bool {
				a := answer(next, r)
				c, err := r.Cookie("sessions")
				if err == nil && a.status == 401 {
					if state, ok := alive.get(c.Value); ok && state == "" {
						a = &reply{204, http.Header{}, nil}
					}
				}
				if a.status == 204 {
					alive.put(bare(r), "ended")
				}
				a.write(w)
				return true
			}))
	}},
}

// rightToken is as long as the tokens of the fake server.
var rightToken = strings.Repeat("x", 52)

// outlives lets one session of the last three survive a reset; n: its place, -1: the newest.
func outlives(n int) func(*kalshiauthtest.Server) middleware {
	return func(*kalshiauthtest.Server) middleware {
		var mu sync.Mutex
		var last []string
		survivor := ""
		return chain(successes("Login", func(a *reply) {
			mu.Lock()
			defer mu.Unlock()
			last = append(last, field(string(a.body), "token"))
		}), successes("ResetPasswordConfirm", func(*reply) {
			mu.Lock()
			defer mu.Unlock()
			if len(last) >= 3 {
				three := last[len(last)-3:]
				survivor = three[(n+3)%3]
			}
		}), replaced("Logout", func(w http.ResponseWriter, r *http.Request, _ string, _ http.Handler) bool {
			mu.Lock()
			defer mu.Unlock()
			if survivor == "" || bare(r) != survivor {
				return false
			}
			survivor = ""
			w.WriteHeader(http.StatusNoContent)
			return true
		}))
	}
}
