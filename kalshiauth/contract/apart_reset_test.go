package contract_test

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// An attempt is what a confirm sends, and for whom.
type attempt struct {
	code     string // in the path
	owner    string // the account that the code was mailed to; "": it was not mailed
	good     bool   // the code can still be used
	account  string // that of the user ID; "": none has it
	password string
}

func attemptOf(b *book, r *http.Request, body string) attempt {
	owner, good := b.mailed(codeOf(r))
	return attempt{codeOf(r), owner, good, b.account(field(body, "user_id")), field(body, "password")}
}

// permits sets the password of the account of the user ID in some attempts that must be refused.
func permits(match func(b *book, a attempt) bool) func(*kalshiauthtest.Server) middleware {
	return by(func(b *book) middleware {
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, _ http.Handler) bool {
			a := attemptOf(b, r, body)
			if a.account == "" || len(a.password) < minPassword || a.good && a.owner == a.account || !match(b, a) {
				return false
			}
			b.set(a.account, a.password)
			w.WriteHeader(http.StatusNoContent)
			return true
		})
	})
}

// alike takes codes that are like one that can be used.
func alike(match func(sent, code string) bool) func(*kalshiauthtest.Server) middleware {
	return permits(func(b *book, a attempt) bool {
		for _, m := range b.srv.Outbox() {
			if _, good := b.mailed(m.Code); good && m.Email == a.account && match(a.code, m.Code) {
				return true
			}
		}
		return false
	})
}

// refusedBut does something after a refused confirm that is well-formed.
func refusedBut(do func(b *book, a attempt)) func(*kalshiauthtest.Server) middleware {
	return after("ResetPasswordConfirm", func(b *book, r *http.Request, body string, answered *reply, _ http.Handler) {
		if a := attemptOf(b, r, body); answered.status == 400 && a.account != "" && len(a.password) >= minPassword {
			do(b, a)
		}
	})
}

// confirmed does something after a confirm.
func confirmed(do func(b *book, a attempt)) func(*kalshiauthtest.Server) middleware {
	return after("ResetPasswordConfirm", func(b *book, r *http.Request, body string, answered *reply, _ http.Handler) {
		if answered.status == 204 {
			do(b, attemptOf(b, r, body))
		}
	})
}

// stores changes a new password before it is stored; a log-in takes it as it is.
func stores(change func(string) string) func(*kalshiauthtest.Server) middleware {
	return by(func(*book) middleware {
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			if sent := field(body, "password"); len(sent) >= minPassword && len(change(sent)) >= minPassword {
				body = edited(body, "password", change(sent))
			}
			next.ServeHTTP(w, withBody(r, body))
			return true
		})
	})
}

// truncates cuts passwords both where they are stored and where they are compared.
func truncates(n int) func(*kalshiauthtest.Server) middleware {
	return by(func(*book) middleware {
		edit := func(operation string) middleware {
			return replaced(operation, func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
				if sent := field(body, "password"); len(sent) > n {
					body = edited(body, "password", sent[:n])
				}
				next.ServeHTTP(w, withBody(r, body))
				return true
			})
		}
		return chain(edit("Login"), edit("ResetPasswordConfirm"))
	})
}

// survives lets sessions survive a confirm until they are logged out, by their place among those of the account.
func survives(stays func(living []string, i int) bool) func(*kalshiauthtest.Server) middleware {
	return by(func(b *book) middleware {
		gone, kept := &memory{}, &memory{}
		return chain(replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			a := answer(next, r)
			if account := b.account(field(body, "user_id")); a.status == 204 {
				var living []string
				for _, token := range b.all() {
					if _, ended := gone.get(token); !ended && b.owner(token) == account {
						living = append(living, token)
					}
				}
				for i, token := range living {
					if stays(living, i) {
						kept.put(token, "")
					} else {
						gone.put(token, "")
					}
				}
			}
			a.write(w)
			return true
		}), replaced("Logout", func(w http.ResponseWriter, r *http.Request, _ string, _ http.Handler) bool {
			_, stayed := kept.get(bare(r))
			_, ended := gone.get(bare(r))
			gone.put(bare(r), "")
			if stayed && !ended {
				w.WriteHeader(http.StatusNoContent)
			}
			return stayed && !ended
		}))
	})
}

// requested does something after a request for a reset.
func requested(do func(b *book, email string)) func(*kalshiauthtest.Server) middleware {
	return after("ResetPassword", func(b *book, _ *http.Request, body string, a *reply, _ http.Handler) {
		if address := field(body, "email"); a.status == 202 && b.ids[address] != "" {
			do(b, address)
		}
	})
}

// otherOf is the other account.
func otherOf(address string) string {
	if address == email {
		return other.Email
	}
	return email
}

var apartResets = []namedMutant{
	// Codes.
	{name: "any code will do for a known user ID", class: "code", stateful: permits(func(_ *book, a attempt) bool { return a.owner == "" })},
	{name: "any code will do while a reset is open", class: "code", stateful: alike(func(string, string) bool { return true })},
	{name: "the case of a code does not count", class: "code", stateful: alike(strings.EqualFold)},
	{name: "a code in capitals is taken in small letters", class: "code", stateful: alike(func(s, c string) bool { return s == strings.ToLower(c) })},
	{name: "a code without its last character will do", class: "code", stateful: alike(func(s, c string) bool { return len(s) == len(c)-1 && strings.HasPrefix(c, s) })},
	{name: "half a code will do", class: "code", stateful: alike(func(s, c string) bool { return len(s) >= len(c)/2 && strings.HasPrefix(c, s) })},
	{name: "one character of a code will do", class: "code", stateful: alike(func(s, c string) bool { return s != "" && strings.HasPrefix(c, s) })},
	{name: "what follows a code does not count", class: "code", stateful: alike(func(s, c string) bool { return strings.HasPrefix(s, c) })},
	{name: "what comes before a code does not count", class: "code", stateful: alike(func(s, c string) bool { return strings.HasSuffix(s, c) })},
	{name: "spaces around a code do not count", class: "code", stateful: alike(func(s, c string) bool { return strings.TrimSpace(s) == c })},
	{name: "a code is unescaped twice", class: "code", stateful: alike(func(s, c string) bool { u, err := url.PathUnescape(s); return err == nil && u == c })},
	{name: "a percent sign stands for all", class: "code", stateful: alike(func(s, _ string) bool { return s == "%" || s == "*" })},
	{name: "one wrong character of a code is forgiven", class: "code", stateful: alike(func(s, c string) bool {
		wrong := 0
		for i := range min(len(s), len(c)) {
			if s[i] != c[i] {
				wrong++
			}
		}
		return len(s) == len(c) && wrong == 1
	})},
	{name: "a code is good for ever", class: "code", stateful: permits(func(_ *book, a attempt) bool { return a.owner == a.account && !a.good })},
	{name: "a code is good twice", class: "code", stateful: by(func(*book) middleware {
		uses := &memory{}
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			a := answer(next, r)
			n, used := uses.get(codeOf(r))
			if used && n == "1" && a.status == 400 && len(field(body, "password")) >= minPassword {
				a = &reply{204, http.Header{}, nil}
				uses.put(codeOf(r), "2")
			} else if a.status == 204 {
				uses.put(codeOf(r), "1")
			}
			a.write(w)
			return true
		})
	})},
	{name: "a code of an earlier request outlives a reset", class: "code", stateful: by(func(b *book) middleware {
		used := &memory{}
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			a := attemptOf(b, r, body)
			_, again := used.get(a.code)
			answered := answer(next, r)
			if answered.status == 400 && a.owner != "" && a.owner == a.account && !again && len(a.password) >= minPassword {
				b.set(a.account, a.password)
				answered = &reply{204, http.Header{}, nil}
			}
			if answered.status == 204 {
				used.put(a.code, "")
			}
			answered.write(w)
			return true
		})
	})},
	{name: "a code is good for every user ID", class: "code", stateful: permits(func(_ *book, a attempt) bool { return a.good })},
	{name: "the other account's code is good for the first one", class: "code", stateful: permits(func(_ *book, a attempt) bool {
		return a.good && a.owner == other.Email && a.account == email
	})},
	{name: "the first account's code is good for the other one", class: "code", stateful: permits(func(_ *book, a attempt) bool {
		return a.good && a.owner == email && a.account == other.Email
	})},
	{name: "a code counts and the user ID does not", class: "code", stateful: repairs("ResetPasswordConfirm", func(b *book, r *http.Request, body string) string {
		a := attemptOf(b, r, body)
		if !a.good || a.owner == a.account || len(field(body, "user_id")) != 36 || len(a.password) < minPassword {
			return ""
		}
		return edited(body, "user_id", b.ids[a.owner])
	})},
	{name: "a session is a code", class: "code", stateful: permits(func(b *book, a attempt) bool { return b.owner(a.code) == a.account })},
	{name: "the user ID is a code", class: "code", stateful: permits(func(b *book, a attempt) bool { return a.code == b.ids[a.account] })},
	{name: "the address is a code", class: "code", stateful: permits(func(_ *book, a attempt) bool { return a.code == a.account })},
	{name: "the old password is a code", class: "code", stateful: permits(func(b *book, a attempt) bool { return a.code == b.password(a.account) })},

	// Refused, and done all the same.
	{name: "a wrong code is refused and sets the password", class: "refused", stateful: refusedBut(func(b *book, a attempt) {
		if a.owner == "" {
			b.set(a.account, a.password)
		}
	})},
	{name: "a used code is refused and sets the password", class: "refused", stateful: refusedBut(func(b *book, a attempt) {
		if a.owner == a.account {
			b.set(a.account, a.password)
		}
	})},
	{name: "another account's code is refused and sets the password", class: "refused", stateful: refusedBut(func(b *book, a attempt) {
		if a.owner != "" && a.owner != a.account {
			b.set(a.account, a.password)
		}
	})},
	{name: "another account's code is refused and sets the password of its owner", class: "refused", stateful: refusedBut(func(b *book, a attempt) {
		if a.good && a.owner != a.account {
			b.set(a.owner, a.password)
		}
	})},
	{name: "a wrong code is refused and ends the sessions", class: "refused", stateful: refusedBut(func(b *book, a attempt) { b.srv.ExpireSessionsOf(a.account) })},

	// What a confirm does.
	{name: "a confirm sets the other account's password, too", class: "confirm", stateful: confirmed(func(b *book, a attempt) { b.set(otherOf(a.account), a.password) })},
	{name: "a confirm ends everybody's sessions", class: "confirm", stateful: confirmed(func(b *book, _ attempt) { b.srv.ExpireSessions() })},
	{name: "a confirm ends no session", class: "confirm", stateful: survives(func([]string, int) bool { return true })},
	{name: "a confirm ends only the newest session", class: "confirm", stateful: survives(func(l []string, i int) bool { return i != len(l)-1 })},
	{name: "a confirm ends only the oldest session", class: "confirm", stateful: survives(func(_ []string, i int) bool { return i != 0 })},
	{name: "a confirm ends all but the newest session", class: "confirm", stateful: survives(func(l []string, i int) bool { return i == len(l)-1 })},
	{name: "a confirm ends at most two sessions", class: "confirm", stateful: survives(func(l []string, i int) bool { return i < len(l)-2 })},
	{name: "a confirm sets nothing", class: "confirm", stateful: by(func(b *book) middleware {
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			if a := attemptOf(b, r, body); a.good && a.owner == a.account && len(a.password) >= minPassword {
				body = edited(body, "password", b.password(a.account))
			}
			next.ServeHTTP(w, withBody(r, body))
			return true
		})
	})},
	{name: "the password before is good, too", class: "confirm", stateful: by(func(b *book) middleware {
		before := &memory{}
		return chain(replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			account := b.account(field(body, "user_id"))
			old, a := b.password(account), answer(next, r)
			if a.status == 204 {
				before.put(account, old)
			}
			a.write(w)
			return true
		}), replaced("Login", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			address := field(body, "email")
			old, ok := before.get(address)
			if ok = ok && old == field(body, "password"); ok {
				b.enter(next, r, address).write(w)
			}
			return ok
		}))
	})},
	{name: "a new password is stored in 8 characters", class: "stored", stateful: stores(func(p string) string { return cut(p, 8) })},
	{name: "a new password is stored in 16 characters", class: "stored", stateful: stores(func(p string) string { return cut(p, 16) })},
	{name: "a new password is stored in 32 characters", class: "stored", stateful: stores(func(p string) string { return cut(p, 32) })},
	{name: "a new password is stored in 64 characters", class: "stored", stateful: stores(func(p string) string { return cut(p, 64) })},
	{name: "a new password is stored in small letters", class: "stored", stateful: stores(strings.ToLower)},
	{name: "a new password is stored without spaces around it", class: "stored", stateful: stores(strings.TrimSpace)},
	{name: "a new password is stored with its angle brackets escaped", class: "stored", stateful: stores(strings.NewReplacer("<", "&lt;", ">", "&gt;", "&", "&amp;", `"`, "&quot;").Replace)},
	{name: "8 characters of every password count", class: "stored", stateful: truncates(8)},
	{name: "16 characters of every password count", class: "stored", stateful: truncates(16)},
	{name: "64 characters of every password count", class: "stored", stateful: truncates(64)},

	// What a request for a reset does.
	{name: "a reset request sets a password that nobody knows", class: "request", stateful: by(func(b *book) middleware {
		return replaced("ResetPassword", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			if address := field(body, "email"); b.ids[address] != "" {
				b.set(address, rand.Text())
			}
			next.ServeHTTP(w, withBody(r, body))
			return true
		})
	})},
	{name: "a reset request ends the sessions of the account", class: "request", stateful: requested(func(b *book, e string) { b.srv.ExpireSessionsOf(e) })},
	{name: "a reset request mails nothing", class: "request", change: accepted(func(body string) bool { return field(body, "email") == email })},
}
