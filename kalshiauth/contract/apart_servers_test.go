package contract_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func hexed(n int) string { return fmt.Sprintf("%x", random(n)) }

// drawn returns n random characters of an alphabet.
func drawn(n int, alphabet string) string {
	b := random(n)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// cookieSigns are all that a cookie permits.
var cookieSigns = func() string {
	var b strings.Builder
	for c := byte(0x21); c < 0x7F; c++ {
		if !strings.ContainsRune(`",;\`, rune(c)) {
			b.WriteByte(c)
		}
	}
	return b.String()
}()

// timed is the time in milliseconds, in hexadecimal.
func timed() string { return fmt.Sprintf("%012x", time.Now().UnixMilli()) }

func shuffled(s string) string {
	b := []byte(s)
	for i := range b {
		j := int(random(1)[0]) % (i + 1)
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// signed is a JWT with a real signature; what it tells is known.
func signed() func() string {
	key, n := random(32), counter("%d")
	return func() string {
		head := b64(`{"alg":"HS256","typ":"JWT"}`) + "." + b64(fmt.Sprintf(`{"sub":%q,"iat":%d,"jti":%s}`, email, time.Now().Unix(), n()))
		mac := hmac.New(sha256.New, key)
		_, _ = io.WriteString(mac, head)
		return head + "." + b64(string(mac.Sum(nil)))
	}
}

// once does something with the first request.
func once(operation string, do func(w http.ResponseWriter)) func(*kalshiauthtest.Server) middleware {
	return func(*kalshiauthtest.Server) middleware {
		var first sync.Once
		return replaced(operation, func(w http.ResponseWriter, _ *http.Request, _ string, _ http.Handler) (did bool) {
			first.Do(func() { do(w); did = true })
			return did
		})
	}
}

// rate allows n requests to an operation in a second.
func rate(operation string, n int) func(*kalshiauthtest.Server) middleware {
	return func(*kalshiauthtest.Server) middleware {
		var mu sync.Mutex
		var last []time.Time
		return replaced(operation, func(w http.ResponseWriter, _ *http.Request, _ string, _ http.Handler) bool {
			mu.Lock()
			defer mu.Unlock()
			last = slices.DeleteFunc(last, func(t time.Time) bool { return time.Since(t) > time.Second })
			if len(last) >= n {
				tooMany("1")(w)
				return true
			}
			last = append(last, time.Now())
			return false
		})
	}
}

// front answers odd requests as what stands before an API does.
func front(status func(r *http.Request, body string) int, page string) func(*kalshiauthtest.Server) middleware {
	return only(replaced("", func(w http.ResponseWriter, r *http.Request, body string, _ http.Handler) bool {
		code := status(r, body)
		if code == 0 {
			return false
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Connection", "close")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, page)
		return true
	}))
}

func oddOnes(r *http.Request, body string) int {
	escaped := r.URL.EscapedPath()
	switch _, err := url.ParseQuery(r.URL.RawQuery); {
	case strings.Contains(escaped, "%00") || strings.Contains(escaped, "%2F") || strings.Contains(escaped, "%25") || err != nil:
		return 400
	case len(body) > 2000:
		return 413
	case len(r.RequestURI) > 1000:
		return 414
	case len(r.Header.Get("Cookie"))+len(r.Header.Get("Authorization")) > 1000:
		return 431
	case !utf8.ValidString(body):
		return 400
	case body != "" && !strings.Contains(strings.ToLower(r.Header.Get("Content-Type")), "json"):
		return 415
	}
	return 0
}

// locks locks an account for a time after some wrong passwords in a row.
func locks(n int, lifetime time.Duration) func(*kalshiauthtest.Server) middleware {
	return func(*kalshiauthtest.Server) middleware {
		var mu sync.Mutex
		wrong, last := map[string]int{}, map[string]time.Time{}
		return replaced("Login", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			mu.Lock()
			defer mu.Unlock()
			address := strings.ToLower(field(body, "email"))
			if wrong[address] >= n && time.Since(last[address]) < lifetime {
				says(w, 403, "The account is locked.")
				return true
			}
			a := answer(next, r)
			switch a.status {
			case 200:
				wrong[address] = 0
			case 401:
				wrong[address]++
				last[address] = time.Now()
			}
			a.write(w)
			return true
		})
	}
}

// classes counts the classes of characters in a password.
func classes(p string) int {
	n := 0
	for _, class := range []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "!\"#$%&'()*+,-./:;<=>?@[]^_{|}~ "} {
		if strings.ContainsAny(p, class) {
			n++
		}
	}
	return n
}

// newPolicy refuses new passwords, but not those that the accounts have at first.
func newPolicy(refuses func(p string) bool) func(*kalshiauthtest.Server) middleware {
	return only(policy(func(p string) bool { return p != password && p != other.Password && refuses(p) }, "The password is not good enough."))
}

// paused waits before answers.
func paused(operation string, pause time.Duration) func(*kalshiauthtest.Server) middleware {
	return only(changed(operation, func(*http.Request, *reply) { time.Sleep(pause) }))
}

func indented(a *reply) {
	var b bytes.Buffer
	if json.Indent(&b, a.body, "", "\t") == nil {
		a.body = b.Bytes()
	}
}

// burns makes codes of an account void after n refused confirms.
func burns(n int) func(*kalshiauthtest.Server) middleware {
	return by(func(b *book) middleware {
		tried := map[string]int{}
		var mu sync.Mutex
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, _ string, next http.Handler) bool {
			mu.Lock()
			defer mu.Unlock()
			if tried[codeOf(r)] >= n {
				says(w, 400, "The code is void.")
				return true
			}
			a := answer(next, r)
			if owner, _ := b.mailed(codeOf(r)); owner != "" && a.status == 400 {
				tried[codeOf(r)]++
			}
			a.write(w)
			return true
		})
	})
}
