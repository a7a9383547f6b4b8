package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin/storetest"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/redisstore"
)

// A bot is a program that shares a session.
type bot struct {
	source *autologin.Source
	store  *redisstore.Store
	log    *buffer
}

func newBot(tb testing.TB, fake *kalshiauthtest.Server, client redis.UniversalClient, key string, opts ...redisstore.Option) *bot {
	tb.Helper()
	b := &bot{store: newStore(tb, client, key, opts...), log: &buffer{}}
	kalshi, err := kalshiauth.New(kalshiauth.WithBaseURL(fake.URL))
	if err != nil {
		tb.Fatal(err)
	}
	b.source, err = autologin.New(kalshi, autologin.StaticCredentials(kalshiauth.Credentials{Email: email, Password: password}),
		autologin.WithStore(b.store), autologin.WithLogger(slog.New(slog.NewTextHandler(b.log, nil))))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// A buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newFake(tb testing.TB) *kalshiauthtest.Server {
	tb.Helper()
	fake := kalshiauthtest.NewServer()
	tb.Cleanup(fake.Close)
	fake.AddUser(email, password)
	return fake
}

// do runs a command of Redis.
func do(tb testing.TB, client *redis.Client, words ...any) {
	tb.Helper()
	if err := client.Do(tb.Context(), words...).Err(); err != nil {
		tb.Fatalf("%v: %v", words, err)
	}
}

// broken is what a case breaks.
type broken struct {
	*testing.T

	server *server
	admin  *redis.Client
	data   string // a session
}

func (b broken) do(words ...any) { do(b.T, b.admin, words...) }

// Each case makes a real server fail, or puts a value into it. Then no log-in happens, and no error shows a secret.
func TestNoFailureOfRedisLeadsToALogin(t *testing.T) {
	t.Parallel()
	const theSession, theLock = "K:session", "K:lock"
	key1, key2 := encryption("1"), encryption("2")
	for name, c := range map[string]struct {
		server  []string // its options
		breakIt func(broken)
		client  func(*redis.Options)
		options []redisstore.Option
		want    string
	}{
		"it is down": {breakIt: func(b broken) { b.server.kill() }, want: "connection refused"},
		"it hangs": {breakIt: func(b broken) {
			b.do("CLIENT", "PAUSE", "60000", "ALL")
		}, client: func(o *redis.Options) { o.ReadTimeout, o.MaxRetries = 50*time.Millisecond, -1 }, want: "i/o timeout"},
		"it is a replica": {breakIt: func(b broken) {
			b.do("REPLICAOF", "127.0.0.1", "1")
		}, want: "READONLY: it is a replica, and only its primary can be written to"},
		"it is full": {breakIt: func(b broken) {
			b.do("CONFIG", "SET", "maxmemory", "1")
		}, want: "OOM: its memory is full"},
		"it cannot save": {server: []string{"--save", "3600 1"}, breakIt: func(b broken) {
			if err := os.Mkdir(filepath.Join(b.server.folder, "dump.rdb"), 0o700); err != nil { // where the file goes
				b.Fatal(err)
			}
			b.do("SET", "x", "y")
			_ = b.admin.BgSave(b.Context()).Err()
			for ticks := time.NewTicker(10 * time.Millisecond); ; <-ticks.C {
				if info := b.admin.Info(b.Context(), "persistence").Val(); strings.Contains(info, "last_bgsave_status:err") {
					return
				}
			}
		}, want: "MISCONF: it cannot write to its disk"},
		"a wrong password": {breakIt: func(b broken) {
			b.do("CONFIG", "SET", "requirepass", "right")
		}, client: func(o *redis.Options) { o.Password = "wrong" }, want: "WRONGPASS: the user or the password in the client's options is wrong"},
		"no password": {breakIt: func(b broken) {
			b.do("CONFIG", "SET", "requirepass", "right")
		}, want: "NOAUTH: the client's options need a password"},
		"a user without permission": {breakIt: func(b broken) {
			b.do("ACL", "SETUSER", "default", "-@scripting")
		}, want: "NOPERM: its user lacks a permission"},
		"no scripts": {server: []string{"--rename-command", "EVALSHA", "", "--rename-command", "EVAL", ""}, want: "the error ERR"},
		"it is not Redis": {client: func(o *redis.Options) {
			o.Dialer = func(context.Context, string, string) (net.Conn, error) {
				here, there := net.Pipe()
				go func() {
					_, _ = there.Read(make([]byte, 1000))
					_, _ = there.Write([]byte("HTTP/1.1 400 Bad Request " + secret + "\r\n\r\n"))
					_ = there.Close()
				}()
				return here, nil
			}
		}, want: "is this a server of Redis?"},
		"a list": {breakIt: func(b broken) {
			b.do("RPUSH", theSession, secret)
		}, want: "WRONGTYPE: the key holds something that this package did not write"},
		"a list as the lock": {breakIt: func(b broken) {
			b.do("RPUSH", theLock, secret)
		}, want: "WRONGTYPE: the key holds something that this package did not write"},
		"an empty value": {breakIt: func(b broken) {
			b.do("SET", theSession, "")
		}, want: "you can delete it to log in again"},
		"half a session": {breakIt: func(b broken) {
			b.do("SET", theSession, b.data[:len(b.data)-10])
		}, want: "damaged, or not written by Export; you can delete it to log in again"},
		"a later version": {breakIt: func(b broken) {
			b.do("SET", theSession, strings.Replace(b.data, `"version":1`, `"version":2`, 1))
		}, want: "update kalshiauth-go"},
		"a huge value": {breakIt: func(b broken) {
			b.do("SET", theSession, strings.Repeat(secret, 1<<20))
		}, want: "is too large for a session: delete it"},
		"a plain session under encryption": {breakIt: func(b broken) {
			b.do("SET", theSession, b.data)
		}, options: []redisstore.Option{redisstore.WithEncryptionKey(key1)}, want: "is not encrypted, and this store has an encryption key"},
		"an encrypted session without encryption": {breakIt: func(b broken) {
			save(b.T, b.admin, "K", redisstore.WithEncryptionKey(key1))
		}, want: "the session is encrypted: use WithEncryptionKey"},
		"another encryption key": {breakIt: func(b broken) {
			save(b.T, b.admin, "K", redisstore.WithEncryptionKey(key2))
		}, options: []redisstore.Option{redisstore.WithEncryptionKey(key1)}, want: "none of the 1 encryption keys decrypts it"},
		"other encryption keys": {breakIt: func(b broken) {
			save(b.T, b.admin, "K", redisstore.WithEncryptionKey(encryption("3")))
		}, options: []redisstore.Option{redisstore.WithEncryptionKey(key1, key2)}, want: "none of the 2 encryption keys decrypts it"},
		"a copied encrypted session": {breakIt: func(b broken) {
			save(b.T, b.admin, "other{h}", redisstore.WithEncryptionKey(key1))
			b.do("COPY", "other{h}:session", theSession)
		}, options: []redisstore.Option{redisstore.WithEncryptionKey(key1)}, want: "copied from another key of Redis"},
		"a changed encrypted session": {breakIt: func(b broken) {
			save(b.T, b.admin, "K", redisstore.WithEncryptionKey(key1))
			b.do("SETRANGE", theSession, "60", "x")
		}, options: []redisstore.Option{redisstore.WithEncryptionKey(key1)}, want: "or changed"},
		"a cut encrypted session": {breakIt: func(b broken) {
			b.do("SET", theSession, "kalshiauth-aes256gcm-1:x")
		}, options: []redisstore.Option{redisstore.WithEncryptionKey(key1)}, want: "none of the 1 encryption keys decrypts it"},
		"a session of another server": {breakIt: func(b broken) {
			if err := newStore(b.T, b.admin, "p{h}").Save(b.Context(), session(b.T, "t", time.Hour)); err != nil {
				b.Fatal(err)
			}
		}, want: "the store has another session"},
		"a session of another account": {breakIt: func(b broken) {
			b.do("SET", theSession, strings.Replace(b.data, email, "other@example.com", 1))
		}, want: "the store has another session"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := realServer(t, c.server...)
			admin := newClient(t, server.addr)
			admin.AddHook(shortKeys{})
			fake := newFake(t)
			data, err := login(t, fake).Export()
			if err != nil {
				t.Fatal(err)
			}
			if c.breakIt != nil {
				c.breakIt(broken{t, server, admin, string(data)})
			}
			if c.client == nil {
				c.client = func(*redis.Options) {}
			}
			client := newClient(t, server.addr, c.client)
			bot := newBot(t, fake, client, "p{h}", c.options...)
			s, err := bot.source.Session(t.Context())
			if s != nil || err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, fs.ErrPermission) {
				t.Errorf("Session = %v, %v; want an error that has %q and is not fs.ErrPermission", s, err, c.want)
			}
			if n := fake.Requests("Login"); n != 1 {
				t.Errorf("%d log-ins, want none but that of the test", n)
			}
			text := fmt.Sprintf("%v %+v %#v %s", err, err, err, bot.log)
			for e := err; e != nil; e = errors.Unwrap(e) {
				text += fmt.Sprintf("%+v %#v", e, e)
			}
			for _, hidden := range []string{secret, string(data), login(t, fake).Token()[:8]} {
				if strings.Contains(text, hidden) {
					t.Errorf("an error shows a secret: %s", text)
				}
			}
		})
	}
}

// shortKeys lets the cases write K for the key of the store.
type shortKeys struct{ loseAnswers }

func (shortKeys) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		for i, arg := range cmd.Args() {
			if s, ok := arg.(string); ok && strings.HasPrefix(s, "K:") {
				cmd.Args()[i] = strings.Replace(s, "K", "p{h}", 1)
			}
		}
		return next(ctx, cmd)
	}
}

// save saves a session with these options.
func save(t *testing.T, client redis.UniversalClient, key string, opts ...redisstore.Option) {
	t.Helper()
	if key == "K" {
		key = "p{h}"
	}
	if err := newStore(t, client, key, opts...).Save(t.Context(), session(t, "saved", time.Hour)); err != nil {
		t.Fatal(err)
	}
}

// login logs in without a store.
func login(tb testing.TB, fake *kalshiauthtest.Server) *kalshiauth.Session {
	tb.Helper()
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(fake.URL))
	if err != nil {
		tb.Fatal(err)
	}
	s, err := client.Login(context.WithoutCancel(tb.Context()), kalshiauth.Credentials{Email: email, Password: password})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// Redis fails during the log-in.
func TestASessionThatCannotBeSavedIsUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		breakIt func(broken)
		logged  string
	}{
		"it becomes a replica": {func(b broken) { b.do("REPLICAOF", "127.0.0.1", "1") }, "READONLY"},
		"it becomes full":      {func(b broken) { b.do("CONFIG", "SET", "maxmemory", "1") }, "OOM"},
		"it goes down":         {func(b broken) { b.server.kill() }, "connection refused"},
		"the lock is deleted":  {func(b broken) { b.do("DEL", "p{h}:lock") }, "the lock is lost"},
		"all data are lost":    {func(b broken) { b.do("FLUSHALL") }, "the lock is lost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, fake := realServer(t), newFake(t)
			admin := newClient(t, server.addr)
			fake.Intercept(kalshiauthtest.On("Login", func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c.breakIt(broken{t, server, admin, ""})
					next.ServeHTTP(w, r)
				})
			}))
			bot := newBot(t, fake, newClient(t, server.addr), "p{h}")
			for range 2 {
				s, err := bot.source.Session(t.Context())
				if err != nil || !s.Valid() {
					t.Fatalf("Session = %v, %v; want the session of the log-in", s, err)
				}
				if strings.Contains(bot.log.String(), s.Token()) {
					t.Error("the log shows the token")
				}
			}
			if log := bot.log.String(); !strings.Contains(log, "the session was not saved") || !strings.Contains(log, c.logged) {
				t.Errorf("the log has no %q:\n%s", c.logged, log)
			}
			if n := fake.Requests("Login"); n != 1 {
				t.Errorf("%d log-ins, want 1", n)
			}
		})
	}
}

// Redis quotes the arguments of a command that it does not know.
func TestAnErrorThatQuotesTheSessionIsNotShown(t *testing.T) {
	t.Parallel()
	server := realServer(t, "--rename-command", "EVALSHA", "", "--rename-command", "EVAL", "")
	client := newClient(t, server.addr)
	raw := client.EvalSha(t.Context(), "x", []string{secret}).Err()
	if raw == nil || !strings.Contains(raw.Error(), secret) {
		t.Fatalf("Redis answers %v, want its arguments: this test shows nothing", raw)
	}
	err := newStore(t, client, "p{h}").Save(t.Context(), session(t, "t", 0))
	if err == nil || strings.Contains(fmt.Sprintf("%v %#v", err, err), secret) {
		t.Errorf("Save: %#v, want an error without the session", err)
	}
	if want := "redisstore: saving the session: Redis answered with the error ERR"; err.Error() != want {
		t.Errorf("Save: %q, want %q", err, want)
	}
}

// The documentation names the commands that a user of Redis needs.
func TestTheDocumentedPermissionsAreEnough(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("redisstore.go")
	if err != nil {
		t.Fatal(err)
	}
	_, sentence, found := strings.Cut(string(text), "needs the\n// commands")
	sentence, _, ok := strings.Cut(sentence, "for\n// the keys")
	commands := regexp.MustCompile(`[A-Z]{3,}`).FindAllString(sentence, -1)
	if !found || !ok || len(commands) < 5 {
		t.Fatalf("the documentation names the commands %v", commands)
	}
	server := realServer(t)
	admin := newClient(t, server.addr)
	const user, secret = "bot", "its password"
	allow := func(commands ...string) {
		words := []any{"ACL", "SETUSER", user, "reset", "on", ">" + secret, "~bot:*", "+hello", "+client"}
		for _, c := range commands {
			words = append(words, "+"+strings.ToLower(c))
		}
		do(t, admin, words...)
	}
	as := func(t *testing.T) *redis.Client {
		t.Helper()
		return newClient(t, server.addr, func(o *redis.Options) { o.Username, o.Password = user, secret })
	}
	for i, needed := range commands { // each of them is needed
		allow(append(append([]string{}, commands[:i]...), commands[i+1:]...)...)
		do(t, admin, "SCRIPT", "FLUSH")
		do(t, admin, "FLUSHALL")
		store := newStore(t, as(t), "bot:{h}")
		err := func() error {
			for range 2 {
				ctx, unlock, err := store.Lock(t.Context())
				if err != nil {
					return err
				}
				if _, err := store.Load(ctx); !errors.Is(err, kalshiauth.ErrNoSession) {
					return err
				}
				if err := errors.Join(store.Save(ctx, session(t, "t", time.Hour)), store.Delete(ctx), unlock()); err != nil {
					return err
				}
				do(t, admin, "SET", "bot:{h}:lock", "another", "PX", "1")
			}
			return nil
		}()
		if err == nil && needed != "MSET" && needed != "MGET" { // of retries and extensions
			t.Errorf("%s is not needed", needed)
		}
	}
	allow(commands...)
	t.Run("store", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) autologin.Store {
			t.Helper()
			return newStore(t, as(t), "bot:{"+t.Name()+"}")
		})
	})
}
