package redisstore_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin/storetest"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/redisstore"
)

const secret = "Zq7wX2pLmN" // a part of every token

func encryption(letter string) []byte { return bytes.Repeat([]byte(letter), 32) }

func newStore(tb testing.TB, client redis.UniversalClient, key string, opts ...redisstore.Option) *redisstore.Store {
	tb.Helper()
	store, err := redisstore.New(client, key, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return store
}

// session returns a session with all fields. It has no end if lifetime is 0.
func session(tb testing.TB, token string, lifetime time.Duration) *kalshiauth.Session {
	tb.Helper()
	fields := map[string]any{
		"version": 1, "user_id": "u-1", "access_level": "trading", "issued_at": time.Now(), "token": secret + token,
		"cookie": "sessions=" + secret + token + "; Path=/; HttpOnly", "origin": "https://example.com:443", "email": email,
	}
	if lifetime != 0 {
		fields["expiry"] = time.Now().Add(lifetime)
	}
	data, err := json.Marshal(fields)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := kalshiauth.ImportSession(data)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	runStoreTests(t, func(t *testing.T) redis.UniversalClient {
		t.Helper()
		return newClient(t, shared)
	})
}

func TestEncryptedStore(t *testing.T) {
	t.Parallel()
	runStoreTests(t, func(t *testing.T) redis.UniversalClient {
		t.Helper()
		return newClient(t, shared)
	}, redisstore.WithEncryptionKey(encryption("a")))
}

func TestStoreInACluster(t *testing.T) {
	t.Parallel()
	server := realServer(t, "--cluster-enabled", "yes")
	if err := newClient(t, server.addr).ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.addr}, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	for ticks := time.Tick(10 * time.Millisecond); ; <-ticks {
		if info, err := client.ClusterInfo(t.Context()).Result(); err == nil && strings.Contains(info, "cluster_state:ok") {
			break
		}
	}
	runStoreTests(t, func(*testing.T) redis.UniversalClient { return client })
}

func TestStoreInARing(t *testing.T) {
	t.Parallel()
	client := redis.NewRing(&redis.RingOptions{
		Addrs: map[string]string{"one": shared, "two": shared}, ContextTimeoutEnabled: true,
	})
	t.Cleanup(func() { _ = client.Close() })
	runStoreTests(t, func(*testing.T) redis.UniversalClient { return client })
}

// runStoreTests runs the tests that every store must pass. Each handle has a client of its own, as another machine has,
// if newClient returns one.
func runStoreTests(t *testing.T, newClient func(*testing.T) redis.UniversalClient, opts ...redisstore.Option) {
	t.Helper()
	run := keyOf(t)
	storetest.Run(t, func(t *testing.T) autologin.Store {
		t.Helper()
		return newStore(t, newClient(t), strings.Replace(run, "{", "{"+t.Name(), 1), opts...)
	})
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	good := newClient(t, shared)
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{shared}})
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"one": shared}})
	sentinel := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "m", SentinelAddrs: []string{shared}})
	plain := redis.NewClient(&redis.Options{Addr: shared})
	for _, c := range []redis.UniversalClient{cluster, ring, sentinel, plain} {
		t.Cleanup(func() { _ = c.Close() })
	}
	const key, form, deaf = "p{h}", "is not of the form prefix{hash}", "set ContextTimeoutEnabled"
	option := redisstore.WithEncryptionKey
	for name, c := range map[string]struct {
		client redis.UniversalClient
		key    string
		opts   []redisstore.Option
		want   string
	}{
		"a nil client":                 {nil, key, nil, "the client is nil"},
		"a nil *redis.Client":          {(*redis.Client)(nil), key, nil, "the client is nil"},
		"a nil *redis.ClusterClient":   {(*redis.ClusterClient)(nil), key, nil, "the client is nil"},
		"a client that == panics on":   {incomparable{good, nil}, key, nil, "use a pointer"},
		"a deaf client":                {plain, key, nil, deaf},
		"a deaf cluster client":        {cluster, key, nil, deaf},
		"a deaf ring":                  {ring, key, nil, deaf},
		"a deaf sentinel client":       {sentinel, key, nil, deaf},
		"no key":                       {good, "", nil, form},
		"a key without braces":         {good, "session", nil, form},
		"a key without a hash":         {good, "p{}", nil, form},
		"text after the hash":          {good, "p{h}x", nil, form},
		"two hashes":                   {good, "p{h}{h}", nil, form},
		"nested braces":                {good, "p{{h}}", nil, form},
		"braces the wrong way":         {good, "p}h{", nil, form},
		"a prefix with braces":         {good, redisstore.Key("p{x}", "https://example.com", email), nil, form},
		"an unclosed hash":             {good, "p{h", nil, form},
		"a nil option":                 {good, key, []redisstore.Option{nil}, "an option is nil"},
		"no encryption key":            {good, key, []redisstore.Option{option(nil)}, "key 1 of 1: it has 0 bytes"},
		"a short encryption key":       {good, key, []redisstore.Option{option(make([]byte, 16))}, "key 1 of 1: it has 16 bytes"},
		"a long encryption key":        {good, key, []redisstore.Option{option(make([]byte, 33))}, "it has 33 bytes"},
		"a short previous key":         {good, key, []redisstore.Option{option(make([]byte, 32), make([]byte, 31))}, "key 2 of 2: it has 31 bytes"},
		"an error beside an error":     {good, "x", []redisstore.Option{option(nil)}, "it has 0 bytes"},
		"an error before a nil option": {good, "x", []redisstore.Option{nil}, form},
	} {
		store, err := redisstore.New(c.client, c.key, c.opts...)
		if store != nil || !errors.Is(err, kalshiauth.ErrInvalidInput) || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("New with %s = %v, %v; want ErrInvalidInput, and %q", name, store, err, c.want)
		}
	}
	for name, c := range map[string]struct {
		client redis.UniversalClient
		key    string
	}{
		"an empty prefix":       {good, "{h}"},
		"a long prefix":         {good, "a:b c/d\n{h}"},
		"a client of one's own": {struct{ redis.UniversalClient }{good}, key},
		"a key of Key":          {good, redisstore.Key("p:", "https://example.com", email)},
	} {
		if _, err := redisstore.New(c.client, c.key); err != nil {
			t.Errorf("New with %s: %v", name, err)
		}
	}
}

type incomparable struct {
	redis.UniversalClient
	_ func()
}

func TestKeyIsTheSameForOneAccountOnly(t *testing.T) {
	t.Parallel()
	key := redisstore.Key("p:", "https://api.example.com:443", "trader@example.com")
	for _, same := range []string{
		redisstore.Key("p:", "https://api.example.com", "trader@example.com"),
		redisstore.Key("p:", "https://api.example.com/v1/", "trader@example.com"),
		redisstore.Key("p:", "HTTPS://API.example.com", "Trader@Example.com"),
	} {
		if same != key {
			t.Errorf("Key = %q, want %q: it is the same account", same, key)
		}
	}
	for _, other := range []string{
		redisstore.Key("p:", "https://api.example.com:8443", "trader@example.com"),
		redisstore.Key("p:", "http://api.example.com", "trader@example.com"),
		redisstore.Key("p:", "http://api.example.com:443", "trader@example.com"),
		redisstore.Key("p:", "https://api2.example.com", "trader@example.com"),
		redisstore.Key("p:", "https://api.example.com", "trader2@example.com"),
		redisstore.Key("p:", "", "trader@example.com"),
		redisstore.Key("p:", "https://apİ.example.com", "trader@example.com"),
		redisstore.Key("p:", "https://api.example.com", "trader@example.com\xff"),
		redisstore.Key("p:", "https://api.example.com", ""),
		redisstore.Key("q:", "https://api.example.com", "trader@example.com"),
	} {
		if other == key {
			t.Errorf("another account has the same key %q", key)
		}
	}
	if redisstore.Key("", "a", "bc") == redisstore.Key("", "ab", "c") {
		t.Error("the border between origin and e-mail address has no effect")
	}
	if strings.Contains(key, "trader") || strings.Contains(key, "example") || !strings.HasPrefix(key, "p:{") {
		t.Errorf("Key = %q, want the prefix, and neither the origin nor the e-mail address", key)
	}
}

func TestRedisRemovesASessionAtItsExpiry(t *testing.T) {
	t.Parallel()
	client, key := newClient(t, shared), keyOf(t)
	store := newStore(t, client, key)
	for lifetime, want := range map[time.Duration]time.Duration{0: -1, time.Hour: time.Hour, 1500 * time.Millisecond: 1500 * time.Millisecond} {
		if err := store.Save(t.Context(), session(t, "t", lifetime)); err != nil {
			t.Fatal(err)
		}
		left, err := client.PTTL(t.Context(), key+":session").Result()
		if err != nil || left > want || lifetime != 0 && left < want-time.Second {
			t.Errorf("the key of a session with %v left lives for %v, %v; want %v", lifetime, left, err, want)
		}
	}
	before := session(t, "kept", time.Hour)
	if err := store.Save(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	if err := store.Save(t.Context(), session(t, "over", -time.Second)); !errors.Is(err, kalshiauth.ErrInvalidInput) {
		t.Errorf("Save of an expired session: %v, want ErrInvalidInput", err)
	}
	if s, err := store.Load(t.Context()); err != nil || !s.Equal(before) {
		t.Errorf("Load after Save of an expired session = %v, %v; want the session from before", s, err)
	}
}

// Another machine has saved the session, and its clock was wrong by this much.
func TestMachinesWithWrongClocksAgreeOnTheExpiry(t *testing.T) {
	t.Parallel()
	client, key := newClient(t, shared), keyOf(t)
	store := newStore(t, client, key)
	for _, wrong := range []time.Duration{0, time.Hour, -time.Hour, 1000 * time.Hour} {
		issued := time.Now().Add(-10 * time.Minute)
		saved := session(t, "t", 20*time.Minute)
		saved.IssuedAt, saved.Expiry = issued.Add(wrong), saved.Expiry.Add(wrong)
		data, err := saved.Export()
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Set(t.Context(), key+":session", data, 20*time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		s, err := store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Until(s.Expiry) - 20*time.Minute; d.Abs() > 5*time.Second {
			t.Errorf("with a clock wrong by %v: the session ends %v late", wrong, d)
		}
		if d := s.IssuedAt.Sub(issued); d.Abs() > 5*time.Second {
			t.Errorf("with a clock wrong by %v: IssuedAt is %v late", wrong, d)
		}
		if s.Expiry.String() != s.Expiry.Round(0).String() {
			t.Error("Expiry has a monotonic reading")
		}
	}
	// Without Expiry, or without an end in Redis, the times stay.
	for ttl, expiry := range map[time.Duration]time.Time{time.Hour: {}, 0: time.Now().Add(time.Minute).Round(0)} {
		saved := session(t, "t", time.Hour)
		saved.Expiry = expiry
		data, err := saved.Export()
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Set(t.Context(), key+":session", data, ttl).Err(); err != nil {
			t.Fatal(err)
		}
		s, err := store.Load(t.Context())
		if err != nil || !s.Expiry.Equal(expiry) || !s.IssuedAt.Equal(saved.IssuedAt) {
			t.Errorf("Load = %v, %v; want IssuedAt %v and Expiry %v", s, err, saved.IssuedAt, expiry)
		}
	}
}

func TestKeysAreReplacedInThreeDeployments(t *testing.T) {
	t.Parallel()
	client, key := newClient(t, shared), keyOf(t)
	before, after := encryption("o"), encryption("n")
	deployments := []*redisstore.Store{
		newStore(t, client, key, redisstore.WithEncryptionKey(before)),
		newStore(t, client, key, redisstore.WithEncryptionKey(before, after)),
		newStore(t, client, key, redisstore.WithEncryptionKey(after, before)),
		newStore(t, client, key, redisstore.WithEncryptionKey(after)),
	}
	clear(before) // New has copied it
	copy(after, before)
	for i := range deployments[1:] {
		machines := deployments[i : i+2] // while they are deployed, both are in use
		for j, writer := range machines {
			if i == 2 && j == 0 {
				continue
			}
			want := session(t, fmt.Sprint(i, j), time.Hour)
			if err := writer.Save(t.Context(), want); err != nil {
				t.Fatal(err)
			}
			for _, reader := range machines {
				if s, err := reader.Load(t.Context()); err != nil || !s.Equal(want) {
					t.Errorf("deployment %d: Load = %v, %v", i+1, s, err)
				}
			}
		}
	}
	early := encryption("e")
	option, other := redisstore.WithEncryptionKey(early), keyOf(t)
	clear(early) // before New
	want := session(t, "early", time.Hour)
	if err := newStore(t, client, other, option).Save(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	s, err := newStore(t, client, other, redisstore.WithEncryptionKey(encryption("e"))).Load(t.Context())
	if err != nil || !s.Equal(want) {
		t.Errorf("an option whose key was cleared after it was made: Load = %v, %v", s, err)
	}
	first := newStore(t, client, key, redisstore.WithEncryptionKey(encryption("o")))
	if s, err := first.Load(t.Context()); s != nil || err == nil {
		t.Errorf("Load with the old key = %v, %v; want an error", s, err)
	}
	value, err := client.Get(t.Context(), key+":session").Result()
	if err != nil || strings.Contains(value, secret) || strings.Contains(value, "u-1") {
		t.Errorf("Redis has %q, %v; want an encrypted session", value, err)
	}
}

func TestNoFormattingShowsAnEncryptionKeyOrAPassword(t *testing.T) {
	t.Parallel()
	client := newClient(t, shared, func(o *redis.Options) { o.Password = "redis-password" })
	encryptionKey := []byte("0123456789abcdefghijklmnopqrstuv")
	store := newStore(t, client, "p{h}", redisstore.WithEncryptionKey(encryptionKey))
	holder := struct{ Store *redisstore.Store }{store}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, value := range []any{store, *store, holder} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(text, "cdefgh") || strings.Contains(text, "redis-password") || strings.Contains(text, "99 100 101 102") {
				t.Errorf("%s shows a secret: %s", verb, text)
			}
		}
	}
}

// A Redis that does not answer, and a context that ends.
func TestEveryMethodReturnsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*redis.Options){
		"a hanging server": nil,
		"a hanging dialer": func(o *redis.Options) { o.Dialer = hang },
		"a hanging TLS handshake": func(o *redis.Options) {
			o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true} //nolint:gosec // nothing is sent
		},
		"one connection, in use": func(o *redis.Options) { o.PoolSize = 1 },
	} {
		if change == nil {
			change = func(*redis.Options) {}
		}
		client := newClient(t, silentServer(t), change)
		if client.Options().PoolSize == 1 {
			go client.Ping(t.Context())
		}
		store := newStore(t, client, keyOf(t))
		kept := session(t, "t", time.Hour)
		for method, call := range map[string]func(context.Context) error{
			"Load":   func(ctx context.Context) error { _, err := store.Load(ctx); return err },
			"Save":   func(ctx context.Context) error { return store.Save(ctx, kept) },
			"Lock":   func(ctx context.Context) error { _, _, err := store.Lock(ctx); return err },
			"Delete": store.Delete,
		} {
			t.Run(name+"/"+method, func(t *testing.T) {
				t.Parallel()
				canceled, cancel := context.WithCancelCause(t.Context())
				late, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
				defer stop()
				reason := errors.New("the program ends")
				time.AfterFunc(20*time.Millisecond, func() { cancel(reason) })
				if err := call(canceled); !errors.Is(err, context.Canceled) || !errors.Is(err, reason) {
					t.Errorf("%s, canceled: %v, want context.Canceled and its cause", method, err)
				}
				if err := call(late); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s with a deadline: %v, want context.DeadlineExceeded", method, err)
				}
			})
		}
	}
}

// The README shows the function of the example, which runs.
func TestTheReadmeShowsCodeThatRuns(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "## More than one machine")
	_, code, _ := strings.Cut(section, "```go\n")
	code, _, found := strings.Cut(code, "```\n")
	if !found || !strings.HasPrefix(code, "func ") || !strings.Contains(string(example), code) {
		t.Errorf("the code of the README is not in example_test.go:\n%s", code)
	}
}
