package contract_test

import (
	"context"
	"crypto/md5" //nolint:gosec // a broken server uses it
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// gives gives tokens of its own. make gets the number of the token and the e-mail address.
func gives(make func(n int, email string) string) func(*kalshiauthtest.Server) middleware {
	var mu sync.Mutex
	n := 1000
	return only(chain(tokens(func(string) string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return make(n, email)
	})))
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func md5Of(s string) string {
	sum := md5.Sum([]byte(s)) //nolint:gosec // a broken server does it
	return hex.EncodeToString(sum[:])
}

// draws counts, for codes.
func draws(format string) func(*kalshiauthtest.Server) middleware {
	return func(srv *kalshiauthtest.Server) middleware { return codes(counter(format))(srv) }
}

// ownTarget is the target of a server that may mail codes of its own.
func ownTarget(srv *kalshiauthtest.Server) contract.Target {
	target := targetOf(srv)
	target.ResetCode = func(ctx context.Context, email string) (string, string, error) {
		code, id, err := outbox(srv)(ctx, email)
		if own, ok := ownCodes.Load(srv); ok && err == nil {
			code = own.(func(string) string)(code) //nolint:forcetypeassert // it holds nothing else
		}
		return code, id, err
	}
	return target
}

// apartSecrets give tokens and codes that can be guessed.
var apartSecrets = []namedMutant{
	{name: "tokens count", class: "guessable", stateful: gives(func(n int, _ string) string { return fmt.Sprintf("%012d", n) })},
	{name: "tokens count down", class: "guessable", stateful: gives(func(n int, _ string) string { return fmt.Sprintf("tok_%010d", 1<<30-n) })},
	{name: "tokens count in base64", class: "guessable", stateful: gives(func(n int, _ string) string { return b64(fmt.Sprintf("session:%016d", n)) })},
	{name: "tokens are the address and a counter in base64", class: "guessable", stateful: gives(func(n int, e string) string { return b64(fmt.Sprintf("%s|%d", e, n)) })},
	{name: "tokens are the address and a counter", class: "guessable", stateful: gives(func(n int, e string) string { return fmt.Sprintf("%s-%d", e, n) })},
	{name: "tokens are a hash of the address and a counter", class: "guessable", stateful: gives(func(n int, e string) string { return fmt.Sprintf("%s%06d", md5Of(e), n) })},
	{name: "tokens are the address in hexadecimal and a counter", class: "guessable", stateful: gives(func(n int, e string) string { return hex.EncodeToString([]byte(e)) + fmt.Sprintf("%08x", n) })},
	{name: "tokens are the time in milliseconds", class: "guessable", stateful: gives(func(int, string) string { return fmt.Sprint(time.Now().UnixMilli()) })},
	{name: "tokens are the time in nanoseconds, in hexadecimal", class: "guessable", stateful: gives(func(int, string) string { return fmt.Sprintf("%x", time.Now().UnixNano()) })},
	{name: "tokens are the time in base64", class: "guessable", stateful: gives(func(int, string) string { return b64(time.Now().UTC().Format(time.RFC3339Nano)) })},
	{name: "tokens are UUIDs of time and a fixed node", class: "guessable", stateful: gives(func(int, string) string {
		t := uint64(time.Now().UnixNano()/100) + 0x01B21DD213814000                                    //nolint:gosec // the time is positive
		return fmt.Sprintf("%08x-%04x-1%03x-8a3c-02420a000105", uint32(t), uint16(t>>32), t>>48&0xfff) //nolint:gosec // parts of it
	})},
	{name: "tokens are JWTs without a signature", class: "guessable", stateful: gives(func(n int, e string) string {
		return b64(`{"alg":"none","typ":"JWT"}`) + "." + b64(fmt.Sprintf(`{"sub":%q,"iat":%d,"n":%d}`, e, time.Now().Unix(), n)) + "."
	})},
	{name: "tokens are JWTs with the same signature", class: "guessable", stateful: gives(func(n int, e string) string {
		return b64(`{"alg":"HS256","typ":"JWT"}`) + "." + b64(fmt.Sprintf(`{"sub":%q,"jti":%d}`, e, n)) + "." + b64(strings.Repeat("\x17\xe9", 16))
	})},
	{name: "tokens are the same for an account", class: "guessable", stateful: gives(func(_ int, e string) string { return md5Of("salt" + e) })},
	{name: "tokens are one of three", class: "guessable", stateful: gives(func(n int, e string) string { return md5Of(fmt.Sprint("salt", n%3)) })},
	{name: "tokens are four random digits", class: "guessable", stateful: gives(func(int, string) string { return digits()[:4] })},
	{name: "tokens are six random digits after a fixed text", class: "guessable", stateful: gives(func(int, string) string {
		return "kalshi-session-token-" + digits()
	})},
	{name: "tokens have 25 random bits", class: "guessable", stateful: gives(func(int, string) string { return rand.Text()[:5] })},
	{name: "codes count", class: "guessable", stateful: draws("%08d")},
	{name: "codes count in hexadecimal", class: "guessable", stateful: draws("reset-%012x")},
	{name: "codes are the time", class: "guessable", stateful: func(srv *kalshiauthtest.Server) middleware {
		return codes(func() string { return fmt.Sprint(time.Now().UnixMicro()) })(srv)
	}},
	{name: "codes are the address and a counter in base64", class: "guessable", stateful: func(srv *kalshiauthtest.Server) middleware {
		n := counter("%d")
		return codes(func() string { return b64(email + ":" + n()) })(srv)
	}},
	{name: "tokens have a line break", class: "cookie", stateful: gives(func(n int, _ string) string { return md5Of(fmt.Sprint(n)) + "\r\n" })},
	{name: "tokens have a bell", class: "cookie", stateful: gives(func(n int, _ string) string { return md5Of(fmt.Sprint(n)) + "\a" })},
	{name: "tokens have a semicolon", class: "cookie", stateful: gives(func(n int, _ string) string { return md5Of(fmt.Sprint(n)) + ";7" })},
	{name: "tokens have a space and a comma", class: "cookie", stateful: gives(func(n int, _ string) string { return "a, " + md5Of(fmt.Sprint(n)) })},
	{name: "tokens have 5000 characters", class: "cookie", stateful: gives(func(n int, _ string) string { return strings.Repeat(md5Of(fmt.Sprint(n)), 157) })},
	{name: "tokens have 4096 characters", class: "cookie", stateful: gives(func(n int, _ string) string { return strings.Repeat(md5Of(fmt.Sprint(n)), 128) })},
}
