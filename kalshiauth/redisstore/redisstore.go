// Package redisstore keeps a session in Redis or Valkey, so that programs on many machines share it:
//
//	client := redis.NewClient(&redis.Options{Addr: "redis.internal:6379", ContextTimeoutEnabled: true})
//	key := redisstore.Key("kalshi:", kalshi.BaseURL(), credentials.Email)
//	store, err := redisstore.New(client, key)
//	...
//	source, err := autologin.New(kalshi, autologin.StaticCredentials(credentials), autologin.WithStore(store))
//
// One machine logs in, and the others use its session. A request with a live session sends no command to Redis. A
// log-in sends four: to lock, load, save and unlock.
//
// # What Redis must be
//
// Any client of go-redis is good: for one server, a cluster, Sentinel, TLS. It needs ContextTimeoutEnabled. Without
// that, go-redis ignores the deadline of a context. If the client has a user of its own in Redis, that user needs the
// commands EVAL and EVALSHA and, in their scripts, DEL, GET, GETRANGE, MGET, MSET, MSETNX, PEXPIRE, PTTL and SET, for
// the keys that [New] names. go-redis itself sends HELLO, CLIENT, SELECT for a database other than 0, and CLUSTER to a
// cluster. A [redis.Ring] uses another server while one is down, so that machines may log in at the same time.
//
// Whoever can read those keys can use the session. [WithEncryptionKey] prevents that. Redis may lose its data: the next
// log-in replaces it. If it does so during a log-in, as a failover can, another machine may log in at the same time.
//
// The clocks of the machines may differ if the server says how long a session lives, as Kalshi's does. Otherwise
// [autologin.WithLifetime] counts from the time that the clock of another machine showed. If the clock of Redis jumps,
// sessions and locks end as much earlier or later.
//
// # What goes wrong
//
// A Redis that is down, slow, read-only or full makes the methods fail. The source then returns their error, and does
// not log in, as other machines may have a session. As long as its own session is live, it does not need Redis.
package redisstore

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"sync"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
)

const (
	leaseTime = 5 * time.Second       // how long the lock outlives a holder that does not extend it
	extend    = leaseTime / 3         // how often the holder extends it
	pollTime  = 30 * time.Millisecond // at most, between two tries to lock; jittered
	maxSize   = 64 << 10              // of a stored session, in bytes; a session is far smaller
)

// A Store keeps one account's session in Redis. It implements [autologin.Store] and [autologin.Locker]. Goroutines,
// processes and machines can use it concurrently.
//
// Its errors do not show the session. Of an error that Redis sends, they show the first word only, such as READONLY,
// because Redis may quote what it got. They wrap the context's error if that has ended, and errors of the network.
type Store struct {
	client        redis.UniversalClient
	session, lock string               // keys
	ciphers       func() []cipher.AEAD // the first one seals, and all open; a func, so that fmt shows no key
}

var (
	_ autologin.Store  = (*Store)(nil)
	_ autologin.Locker = (*Store)(nil)
)

// An Option configures a [Store].
type Option func(*Store) error

// WithEncryptionKey encrypts the session with AES-256-GCM, for a Redis that others can read. A key has 32 random bytes.
// The store encrypts with key, and decrypts with key or a previous one. Then it does not accept a session that is not
// encrypted, or was copied from another key of Redis.
//
// To replace a key while machines run, deploy three times: with (old, new), so that all machines can decrypt with new;
// with (new, old); and, once each session has been replaced, with (new).
func WithEncryptionKey(key []byte, previous ...[]byte) Option {
	var ciphers []cipher.AEAD
	var wrong error
	for i, key := range append([][]byte{key}, previous...) {
		aead, err := newCipher(key) // copies the key
		if err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("WithEncryptionKey: key %d of %d: %w", i+1, len(previous)+1, err))
		}
		ciphers = append(ciphers, aead)
	}
	return func(s *Store) error {
		s.ciphers = func() []cipher.AEAD { return ciphers }
		return wrong
	}
}

// Key returns the key for the session of an account, as [New] needs it: prefix{hash}. The hash depends on the origin
// and the e-mail address, so that no other account or server has the same key, and shows neither. origin is the URL of
// the API, as from [kalshiauth.Client.BaseURL] or [kalshiauth.Session.Origin]. Its path has no effect, and neither has
// the case of ASCII letters. prefix tells programs apart that share a Redis. It must not contain braces.
func Key(prefix, origin, email string) string {
	if u, err := url.Parse(origin); err == nil && u.Host != "" {
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		origin = u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port)
	}
	text := []byte(origin + "\x00" + email)
	for i, c := range text { // not ToLower, which makes an i of other letters, too
		if c >= 'A' && c <= 'Z' {
			text[i] += 'a' - 'A'
		}
	}
	hash := sha256.Sum256(text)
	return prefix + "{" + hex.EncodeToString(hash[:]) + "}"
}

var keyForm = regexp.MustCompile(`^[^{}]*\{[^{}]+\}$`)

// New returns a store that keeps the session at key:session, and its lock at key:lock. The key has the form
// prefix{hash}, as from [Key]: a Redis cluster keeps all keys with the same text in braces on one server. Use one key
// for each account. New sends nothing to Redis.
//
// New fails with [kalshiauth.ErrInvalidInput] if key does not have that form, if client or an option is nil, if an
// encryption key does not have 32 bytes, or if client is one of go-redis without ContextTimeoutEnabled.
func New(client redis.UniversalClient, key string, opts ...Option) (*Store, error) {
	s := &Store{client, key + ":session", key + ":lock", func() []cipher.AEAD { return nil }}
	err := checkClient(client)
	if err == nil && !keyForm.MatchString(key) {
		err = fmt.Errorf("the key %q is not of the form prefix{hash}, such as %q", key, Key("kalshi:", "", ""))
	}
	for _, opt := range opts {
		if opt == nil {
			err = errors.Join(err, errors.New("an option is nil"))
			continue
		}
		err = errors.Join(err, opt(s))
	}
	if err != nil {
		return nil, fmt.Errorf("redisstore: New: %w: %w", kalshiauth.ErrInvalidInput, err)
	}
	return s, nil
}

func checkClient(client redis.UniversalClient) error {
	value := reflect.ValueOf(client)
	if client == nil || value.Kind() == reflect.Pointer && value.IsNil() {
		return errors.New("the client is nil")
	}
	if !value.Comparable() { // stores of one client share its waiters
		return fmt.Errorf("the client is a %T, which == cannot compare: use a pointer", client)
	}
	obeys := true // or we cannot tell
	switch c := client.(type) {
	case *redis.Client:
		obeys = c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		obeys = c.Options().ContextTimeoutEnabled
	case *redis.Ring:
		obeys = c.Options().ContextTimeoutEnabled
	}
	if !obeys {
		return errors.New("the client ignores the deadlines of contexts: set ContextTimeoutEnabled in its options")
	}
	return nil
}

// All commands are scripts: a replica does not answer them in place of its primary, and each takes one round trip. The
// lease is "" without a lock.
var (
	loadScript = redis.NewScript(`return {redis.call('getrange', KEYS[1], 0, ARGV[1]), redis.call('pttl', KEYS[1])}`)
	saveScript = redis.NewScript(`
if ARGV[1] ~= '' and redis.call('get', KEYS[2]) ~= ARGV[1] then return 0 end
if ARGV[3] == '' then redis.call('set', KEYS[1], ARGV[2]) else redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3]) end
return 1`)
	deleteScript = redis.NewScript(`
if ARGV[1] ~= '' and redis.call('get', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('del', KEYS[1])
return 1`)
)

// Load reads the session. It fails with [kalshiauth.ErrNoSession] if there is none. It fails with another error if what
// is stored is not a session, was written by a later version of this package that changed the format, or cannot be
// decrypted. If the session has an Expiry, Load reckons it from the time that Redis will still keep the session, and
// moves IssuedAt by as much, so that both are by the clock of this machine.
func (s *Store) Load(ctx context.Context) (*kalshiauth.Session, error) {
	const op = "reading the session"
	asked := time.Now()
	reply, err := within(ctx, func() ([]any, error) {
		return loadScript.Run(ctx, s.client, []string{s.session}, maxSize).Slice()
	}, nil)
	if err != nil {
		return nil, failed(ctx, op, err)
	}
	var text string
	var left int64 // milliseconds; -2: there is no such key; -1: it has no end
	ok := len(reply) == 2
	if ok {
		text, ok = reply[0].(string)
	}
	if ok {
		left, ok = reply[1].(int64)
	}
	switch {
	case !ok:
		return nil, failed(ctx, op, errors.New("an unexpected reply"))
	case left == -2:
		return nil, fmt.Errorf("redisstore: %s: %w", s.session, kalshiauth.ErrNoSession)
	case len(text) > maxSize:
		return nil, fmt.Errorf("redisstore: %s is too large for a session: delete it to log in again", s.session)
	}
	data, err := open(s.ciphers(), s.session, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("redisstore: %s: %w; you can delete it to log in again", s.session, err)
	}
	session, err := kalshiauth.ImportSession(data)
	if err != nil {
		return nil, fmt.Errorf("redisstore: %s: %w; you can delete it to log in again", s.session, err)
	}
	if left < 0 || session.Expiry.IsZero() {
		return session, nil
	}
	moved := *session
	moved.Expiry = asked.Add(time.Duration(left) * time.Millisecond).Round(0)
	if !moved.IssuedAt.IsZero() {
		moved.IssuedAt = moved.IssuedAt.Add(moved.Expiry.Sub(session.Expiry))
	}
	return &moved, nil
}

// Save replaces the session, also one that Load cannot read. Redis removes it at its Expiry. With the lockCtx of
// [Store.Lock], from a store of the same client and key, Save fails and changes nothing if the lock is lost. It fails
// with [kalshiauth.ErrNoSession] if session has no secret, and with [kalshiauth.ErrInvalidInput] if it has expired.
func (s *Store) Save(ctx context.Context, session *kalshiauth.Session) error {
	data, err := session.Export()
	if err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	if len(data) > maxSize/2 { // leaves room for the encryption
		return fmt.Errorf("redisstore: %w: the session has %d bytes, more than the %d that fit",
			kalshiauth.ErrInvalidInput, len(data), maxSize/2)
	}
	left := "" // no end
	if !session.Expiry.IsZero() {
		milliseconds := time.Until(session.Expiry).Milliseconds()
		if milliseconds <= 0 {
			return fmt.Errorf("redisstore: %w: the session has expired", kalshiauth.ErrInvalidInput)
		}
		left = fmt.Sprint(milliseconds)
	}
	return s.change(ctx, "saving the session", saveScript, seal(s.ciphers(), s.session, data), left)
}

// Delete removes the session, also one that Load cannot read. It succeeds if there is none. With the lockCtx of
// [Store.Lock], Delete fails and changes nothing if the lock is lost.
func (s *Store) Delete(ctx context.Context) error {
	return s.change(ctx, "deleting the session", deleteScript)
}

// change runs a script that changes the session if the lease of ctx is still held, or ctx has none.
func (s *Store) change(ctx context.Context, op string, script *redis.Script, args ...any) error {
	lease, _ := ctx.Value(leaseOf{s.client, s.lock}).(string)
	return s.run(ctx, op, script, s.session, lease, args...)
}

// run runs a script that changes a key if lease is "" or still held.
func (s *Store) run(ctx context.Context, op string, script *redis.Script, key, lease string, args ...any) error {
	done, err := within(ctx, func() (int, error) {
		return script.Run(ctx, s.client, []string{key, s.lock}, append([]any{lease}, args...)...).Int()
	}, nil)
	switch {
	case err != nil:
		return failed(ctx, op, err)
	case done != 1:
		return fmt.Errorf("redisstore: %s: %w", op, errLost)
	}
	return nil
}

// leaseOf is the key of a lockCtx's lease in its context.
type leaseOf struct {
	client redis.UniversalClient
	lock   string
}

var errLost = errors.New("the lock is lost: its lease ended, or it was deleted")

// Lock waits for the lock that all machines share, until ctx ends. If the holder dies, its lock becomes free after 5
// seconds. lockCtx ends when ctx ends, when unlock is called, or when the lock is lost, as when Redis cannot be reached
// for 5 seconds. Then [context.Cause] says so. The lock is released when lockCtx ends; unlock waits for that, for 5
// seconds at most. A second call of unlock has no effect.
func (s *Store) Lock(ctx context.Context) (lockCtx context.Context, unlock func() error, err error) {
	const op = "locking"
	leave, err := enter(ctx, leaseOf{s.client, s.lock})
	if err != nil {
		return nil, nil, failed(ctx, op, err)
	}
	defer func() {
		if err != nil {
			leave()
		}
	}()
	token := rand.Text() // the same for each try: one whose answer got lost may have the lock
	for {
		start := time.Now()
		lock, err := within(ctx, func() (*redislock.Lock, error) {
			return redislock.Obtain(ctx, s.client, s.lock, leaseTime, &redislock.Options{Token: token})
		}, func() { _ = s.release(ctx, token) })
		if err == nil {
			lockCtx, unlock = s.hold(ctx, lock, start, leave) //nolint:fatcontext // once
			return lockCtx, unlock, nil
		}
		if !errors.Is(err, redislock.ErrNotObtained) {
			go func() { _ = s.release(ctx, token) }() // Redis may have done what it did not answer
			return nil, nil, failed(ctx, op, err)
		}
		select {
		case <-time.After(pollTime/3 + mathrand.N(pollTime*2/3)): //nolint:gosec // not a secret
		case <-ctx.Done():
			return nil, nil, failed(ctx, op, ctx.Err())
		}
	}
}

// hold extends the lease until the lockCtx that it returns has ended, and then releases it and calls leave.
func (s *Store) hold(
	ctx context.Context, lock *redislock.Lock, start time.Time, leave func(),
) (lockCtx context.Context, unlock func() error) {
	held, cancel := context.WithCancelCause(context.WithValue(ctx, leaseOf{s.client, s.lock}, lock.Token()))
	// This timer does not wait for Redis.
	lost := time.AfterFunc(time.Until(start.Add(leaseTime)), func() {
		cancel(fmt.Errorf("redisstore: %s: %w", s.lock, errLost))
	})
	released := make(chan error, 1)
	go func() {
		defer leave()
		ticks := time.NewTicker(extend)
		defer ticks.Stop()
		extended := make(chan time.Time)
		if time.Since(start) > extend { // Redis is slow
			go extendLease(held, lock, extended, lost)
		}
		for held.Err() == nil {
			select {
			case <-held.Done():
			case <-ticks.C:
				go extendLease(held, lock, extended, lost) // a slow answer does not delay the next try
			case at := <-extended:
				if at.After(start) && lost.Stop() {
					start = at
					lost.Reset(time.Until(start.Add(leaseTime)))
				}
			}
		}
		lost.Stop()
		err := s.release(ctx, lock.Token())
		if errors.Is(err, errLost) && !errors.Is(context.Cause(held), errLost) {
			err = nil // go-redis repeated a release whose answer was lost
		}
		released <- err
	}()
	return held, sync.OnceValue(func() error {
		cancel(nil)
		return <-released
	})
}

// extendLease extends a lease, and sends the time from which it counts. If another holder has the lock, lost fires.
func extendLease(ctx context.Context, lock *redislock.Lock, extended chan<- time.Time, lost *time.Timer) {
	start := time.Now()
	_, err := within(ctx, func() (any, error) { return nil, lock.Refresh(ctx, leaseTime, nil) }, nil)
	switch {
	case errors.Is(err, redislock.ErrNotObtained):
		lost.Reset(0)
	case err == nil:
		select {
		case extended <- start:
		case <-ctx.Done():
		}
	}
}

// release ends a lease. It takes no longer than that would.
func (s *Store) release(ctx context.Context, lease string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseTime)
	defer cancel()
	return s.run(ctx, "unlocking", deleteScript, s.lock, lease)
}
