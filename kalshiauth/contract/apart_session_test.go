package contract_test

import (
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// forgives lets near misses of the password in, for both accounts.
func forgives(match func(sent, right string) bool) func(*kalshiauthtest.Server) middleware {
	return by(func(b *book) middleware {
		return replaced("Login", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			sent, address := field(body, "password"), strings.ToLower(field(body, "email"))
			right := b.password(address)
			if right == "" || len(sent) < minPassword || sent == right || !match(sent, right) {
				return false
			}
			b.enter(next, r, address).write(w)
			return true
		})
	})
}

// takes takes other values than a living token for it. way is "cookie", "header" or "".
func takes(way string, match func(b *book, sent, token string) bool) func(*kalshiauthtest.Server) middleware {
	return by(func(b *book) middleware {
		return replaced("Logout", func(w http.ResponseWriter, r *http.Request, _ string, next http.Handler) bool {
			sent := sentBy(r, way)
			for _, token := range b.all() {
				if sent != "-" && sent != token && match(b, sent, token) {
					if a := answer(next, presenting(r, token)); a.status == 204 {
						a.write(w)
						return true
					}
				}
			}
			return false
		})
	})
}

// sentBy is the session that comes by a way; "-": it comes by another one.
func sentBy(r *http.Request, way string) string {
	header := strings.TrimSpace(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	c, err := r.Cookie("sessions")
	switch {
	case err == nil && way != "header":
		return c.Value
	case r.Header.Get("Authorization") != "" && way != "cookie":
		return header
	case way == "" && r.Header.Get("Cookie") == "":
		return ""
	}
	return "-"
}

// lists lets anybody log out by a value that is in a list of real ones.
func lists(list func(b *book) []string) func(*kalshiauthtest.Server) middleware {
	return by(func(b *book) middleware {
		return replaced("Logout", func(w http.ResponseWriter, r *http.Request, _ string, _ http.Handler) bool {
			listed := presented(r) != "" && slices.Contains(list(b), bare(r)) || slices.Contains(list(b), presented(r))
			if listed {
				w.WriteHeader(http.StatusNoContent)
			}
			return listed
		})
	})
}

// after does more than the operation did.
func after(operation string, do func(b *book, r *http.Request, body string, a *reply, next http.Handler)) func(*kalshiauthtest.Server) middleware {
	return by(func(b *book) middleware {
		return replaced(operation, func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			a := answer(next, r)
			do(b, r, body, a, next)
			a.write(w)
			return true
		})
	})
}

// sameBegin looks at the beginning of a token only.
func sameBegin(n int) func(*book, string, string) bool {
	return func(_ *book, sent, token string) bool { return len(sent) >= n && sent[:n] == token[:n] }
}

var apartSessions = []namedMutant{
	// Near misses of the password.
	{name: "the case of a password does not count", class: "near miss", stateful: forgives(strings.EqualFold)},
	{name: "the case of the first letter does not count", class: "near miss", stateful: forgives(func(sent, right string) bool {
		return sent[1:] == right[1:] && strings.EqualFold(sent[:1], right[:1])
	})},
	{name: "swapped capitals are forgiven", class: "near miss", stateful: forgives(func(sent, right string) bool {
		return strings.ToUpper(right) == sent || strings.ToLower(right) == sent
	})},
	{name: "spaces before a password are cut off", class: "near miss", stateful: forgives(func(sent, right string) bool { return strings.TrimLeft(sent, " \t\r\n") == right })},
	{name: "spaces after a password are cut off", class: "near miss", stateful: forgives(func(sent, right string) bool { return strings.TrimRight(sent, " \t\r\n") == right })},
	{name: "a line break after a password is cut off", class: "near miss", stateful: forgives(func(sent, right string) bool { return strings.TrimRight(sent, "\r\n") == right })},
	{name: "the first eight bytes of a password count", class: "near miss", stateful: forgives(func(sent, right string) bool { return len(sent) >= 8 && len(right) >= 8 && sent[:8] == right[:8] })},
	{name: "the first 16 bytes of a password count", class: "near miss", stateful: forgives(func(sent, right string) bool { return cut(sent, 16) == cut(right, 16) })},
	{name: "the first 72 bytes of a password count", class: "near miss", stateful: forgives(func(sent, right string) bool { return cut(sent, 72) == cut(right, 72) })},
	{name: "a password without its last character", class: "near miss", stateful: forgives(func(sent, right string) bool { return sent == right[:len(right)-1] })},
	{name: "the beginning of a password", class: "near miss", stateful: forgives(func(sent, right string) bool { return strings.HasPrefix(right, sent) })},
	{name: "one character more", class: "near miss", stateful: forgives(func(sent, right string) bool { return len(sent) == len(right)+1 && strings.HasPrefix(sent, right) })},
	{name: "a password of the same length", class: "near miss", stateful: forgives(func(sent, right string) bool { return len(sent) == len(right) && crc32.ChecksumIEEE([]byte(sent)) != 0 })},
	{name: "the password of the other account", class: "near miss", stateful: by(func(b *book) middleware {
		return replaced("Login", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			crossed := field(body, "email") == email && field(body, "password") == b.password(other.Email)
			if crossed {
				b.enter(next, r, email).write(w)
			}
			return crossed
		})
	})},

	// Near misses of a session.
	{name: "no session ends the last one", class: "session", stateful: takes("", func(b *book, sent, token string) bool { return sent == "" })},
	{name: "an empty cookie ends a session", class: "session", stateful: takes("cookie", func(_ *book, sent, _ string) bool { return sent == "" })},
	{name: "an unknown cookie ends a session", class: "session", stateful: takes("cookie", func(*book, string, string) bool { return true })},
	{name: "an unknown header ends a session", class: "session", stateful: takes("header", func(*book, string, string) bool { return true })},
	{name: "the first half of a cookie counts", class: "session", stateful: takes("cookie", sameBegin(30))},
	{name: "the first 40 characters of a header count", class: "session", stateful: takes("header", sameBegin(40))},
	{name: "all but the last character of a cookie counts", class: "session", stateful: takes("cookie", sameBegin(51))},
	{name: "all but the last two characters of a header count", class: "session", stateful: takes("header", sameBegin(50))},
	{name: "the case of a cookie does not count", class: "session", stateful: takes("cookie", func(_ *book, s, t string) bool { return strings.EqualFold(s, t) })},
	{name: "the case of a header does not count", class: "session", stateful: takes("header", func(_ *book, s, t string) bool { return strings.EqualFold(s, t) })},
	{name: "what follows a cookie does not count", class: "session", stateful: takes("cookie", func(_ *book, s, t string) bool { return strings.HasPrefix(s, t) })},
	{name: "what follows a header does not count", class: "session", stateful: takes("header", func(_ *book, s, t string) bool { return strings.HasPrefix(s, t) })},
	{name: "a cookie is unescaped", class: "session", stateful: takes("cookie", func(_ *book, s, t string) bool { u, _ := url.QueryUnescape(s); return u == t })},
	{name: "a header is unescaped", class: "session", stateful: takes("header", func(_ *book, s, t string) bool { u, _ := url.QueryUnescape(s); return u == t })},
	{name: "a cookie in base64 is decoded", class: "session", stateful: takes("cookie", func(_ *book, s, t string) bool { return strings.TrimRight(s, "=") == b64(t) })},
	{name: "the last character of a session does not count", class: "session", stateful: takes("", func(_ *book, s, t string) bool { return len(s) == len(t) && s[:51] == t[:51] })},
	{name: "the first character of a session does not count", class: "session", stateful: takes("", func(_ *book, s, t string) bool { return len(s) == len(t) && s[1:] == t[1:] })},
	{name: "a session is the user ID", class: "session", stateful: lists(func(b *book) []string { return []string{b.ids[email], b.ids[other.Email]} })},
	{name: "a session is the address", class: "session", stateful: lists(func(*book) []string { return []string{email, other.Email} })},
	{name: "a session is the mailed code", class: "session", stateful: lists(func(b *book) (codes []string) {
		for _, m := range b.srv.Outbox() {
			codes = append(codes, m.Code)
		}
		return codes
	})},
	{name: "a session is the password", class: "session", stateful: lists(func(b *book) []string { return []string{b.password(email)} })},

	// What ends, and what does not.
	{name: "a log-out ends nothing", class: "log-out", stateful: immortal(1000)},
	{name: "a session is good for three log-outs", class: "log-out", stateful: immortal(3)},
	{name: "a log-out ends the account's sessions", class: "log-out", stateful: after("Logout", func(b *book, r *http.Request, _ string, a *reply, _ http.Handler) {
		if a.status == 204 {
			b.srv.ExpireSessionsOf(b.owner(bare(r)))
		}
	})},
	{name: "a log-out ends everybody's sessions", class: "log-out", stateful: after("Logout", func(b *book, _ *http.Request, _ string, a *reply, _ http.Handler) {
		if a.status == 204 {
			b.srv.ExpireSessions()
		}
	})},
	{name: "a log-out ends the newest session", class: "log-out", stateful: by(endsAnother(func(all []string, _ int) int { return len(all) - 1 }))},
	{name: "a log-out ends the other session", class: "log-out", stateful: by(endsAnother(func(all []string, i int) int {
		if i > 0 {
			return i - 1
		}
		return min(1, len(all)-1)
	}))},
	{name: "a refused log-out ends all sessions", class: "log-out", stateful: after("Logout", func(b *book, _ *http.Request, _ string, a *reply, _ http.Handler) {
		if a.status >= 400 {
			b.srv.ExpireSessions()
		}
	})},
	{name: "a wrong password ends all sessions", class: "log-in", stateful: after("Login", func(b *book, _ *http.Request, body string, a *reply, _ http.Handler) {
		if a.status == 401 && b.ids[field(body, "email")] != "" {
			b.srv.ExpireSessionsOf(field(body, "email"))
		}
	})},
	{name: "a refused log-in sets a good cookie", class: "log-in", stateful: after("Login", func(b *book, r *http.Request, body string, a *reply, next http.Handler) {
		if address := field(body, "email"); a.status == 401 && b.ids[address] != "" {
			a.header["Set-Cookie"] = b.enter(next, r, address).header["Set-Cookie"]
		}
	})},
	{name: "a refused log-in tells a good token", class: "log-in", stateful: after("Login", func(b *book, r *http.Request, body string, a *reply, next http.Handler) {
		if address := field(body, "email"); a.status == 401 && b.ids[address] != "" {
			token := field(string(b.enter(next, r, address).body), "token")
			a.fields(func(f map[string]any) { f["token"] = token })
		}
	})},
	{name: "a fresh user ID each time", class: "log-in", change: successes("Login", func(a *reply) {
		a.fields(func(f map[string]any) {
			f["user_id"] = fmt.Sprintf("6d7d8a3b-9c0f-4a43-9d0c-%012x", time.Now().UnixNano()%(1<<47))
		})
	})},
}

func cut(s string, n int) string { return s[:min(n, len(s))] }

// endsAnother ends the session that other names in place of the presented one, by its place among the living.
func endsAnother(other func(living []string, i int) int) func(*book) middleware {
	return func(b *book) middleware {
		ended := &memory{}
		return replaced("Logout", func(w http.ResponseWriter, r *http.Request, _ string, next http.Handler) bool {
			var living []string
			for _, token := range b.all() {
				if _, gone := ended.get(token); !gone && b.owner(token) == b.owner(bare(r)) {
					living = append(living, token)
				}
			}
			i := slices.Index(living, bare(r))
			if i < 0 {
				return false
			}
			victim := living[other(living, i)]
			ended.put(victim, "")
			answer(next, presenting(r, victim)).write(w)
			return true
		})
	}
}
