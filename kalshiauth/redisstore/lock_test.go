package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	mini "github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/redisstore"
)

// The lease of the lock, as DESIGN and the documentation say. Time is simulated in this file.
const (
	lease = 5 * time.Second
	poll  = 50 * time.Millisecond // no wait between two tries is longer
)

// A smallRedis is a miniredis in a bubble of synctest.
type smallRedis struct {
	*miniredis.Miniredis

	broken atomic.Pointer[func(command string) (done bool)] // see during
	down   atomic.Bool
	sent   atomic.Int64 // scripts
}

func newSmall(t *testing.T) *smallRedis {
	t.Helper()
	s := &smallRedis{Miniredis: miniredis.NewMiniRedis()}
	conn, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	s.ClockTTL(true)
	s.Server().SetPreHook(func(_ *mini.Peer, command string, _ ...string) bool {
		if strings.HasPrefix(command, "EVAL") {
			s.sent.Add(1)
		}
		if broken := s.broken.Load(); broken != nil {
			return (*broken)(command)
		}
		return false
	})
	t.Cleanup(func() {
		s.heal()
		s.Close()
	})
	return s
}

// during calls f before each command of a client. The command is not run, and gets no answer, if f returns true.
func (s *smallRedis) during(f func(command string) bool) { s.broken.Store(&f) }
func (s *smallRedis) heal()                              { s.broken.Store(nil) }

// client returns a client as another machine has it.
func (s *smallRedis) client(t *testing.T, change ...func(*redis.Options)) *redis.Client {
	t.Helper()
	return newClient(t, "127.0.0.1:1", append(change, func(o *redis.Options) {
		o.Dialer = func(context.Context, string, string) (net.Conn, error) {
			if s.down.Load() {
				return nil, errors.New("connection refused")
			}
			return s.Dial()
		}
	})...)
}

const key, lockKey, sessionKey = "test:{account}", "test:{account}:lock", "test:{account}:session"

func mustLock(ctx context.Context, t *testing.T, store *redisstore.Store) (lockCtx context.Context, unlock func() error) {
	t.Helper()
	lockCtx, unlock, err := store.Lock(ctx)
	if err != nil {
		t.Fatalf("Lock: %v", err)
	}
	return lockCtx, unlock
}

func TestLockIsExtendedForAsLongAsItIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small := newSmall(t)
		holder, other := newStore(t, small.client(t), key), newStore(t, small.client(t), key)
		lockCtx, unlock := mustLock(t.Context(), t, holder)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, _, err := other.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Lock of a lock that is held for a minute: %v, want context.DeadlineExceeded", err)
		}
		if lockCtx.Err() != nil {
			t.Errorf("lockCtx has ended: %v", context.Cause(lockCtx))
		}
		if err := unlock(); err != nil {
			t.Errorf("unlock: %v", err)
		}
		if lockCtx.Err() == nil || small.Exists(lockKey) {
			t.Error("the lock is still there after unlock")
		}
	})
}

func TestAHolderThatDiesDelaysOthersByTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small := newSmall(t)
		if err := small.Set(lockKey, "of a program that was killed"); err != nil {
			t.Fatal(err)
		}
		small.SetTTL(lockKey, lease)
		start := time.Now()
		_, unlock := mustLock(t.Context(), t, newStore(t, small.client(t), key)) // its context has no deadline
		if took := time.Since(start); took < lease || took > lease+poll {
			t.Errorf("Lock took %v, want the lease of %v and one poll", took, lease)
		}
		if err := unlock(); err != nil {
			t.Errorf("unlock: %v", err)
		}
	})
}

func TestLockIsWaitedForLongerThanALease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small := newSmall(t)
		_, unlock := mustLock(t.Context(), t, newStore(t, small.client(t), key))
		time.AfterFunc(time.Minute, func() { _ = unlock() })
		start := time.Now()
		mustLock(t.Context(), t, newStore(t, small.client(t), key))
		if took := time.Since(start); took < time.Minute || took > time.Minute+poll {
			t.Errorf("Lock took %v, want a minute and one poll", took)
		}
	})
}

// What happens to a lock while it is held, and how long the holder may take to notice.
var losses = map[string]struct {
	lose func(s *smallRedis)
	most time.Duration
}{
	"it is deleted":       {func(s *smallRedis) { s.Del(lockKey) }, lease/3 + poll},
	"another one has it":  {func(s *smallRedis) { _ = s.Set(lockKey, "another") }, lease/3 + poll},
	"Redis has no data":   {func(s *smallRedis) { s.FlushAll() }, lease/3 + poll},
	"Redis hangs":         {func(s *smallRedis) { s.during(func(string) bool { return true }) }, lease + poll},
	"Redis hangs often":   {func(s *smallRedis) { s.during(func(c string) bool { return strings.HasPrefix(c, "EVAL") }) }, lease + poll},
	"Redis is down":       {func(s *smallRedis) { s.down.Store(true); s.Server().Close() }, lease + poll},
	"Redis answers wrong": {func(s *smallRedis) { s.SetError("ERR broken") }, lease + poll},
}

func TestLockContextEndsWhenTheLockIsLost(t *testing.T) {
	t.Parallel()
	for name, loss := range losses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				small := newSmall(t)
				store := newStore(t, small.client(t), key)
				kept := session(t, "kept", time.Hour)
				if err := store.Save(t.Context(), kept); err != nil {
					t.Fatal(err)
				}
				lockCtx, unlock := mustLock(t.Context(), t, store)
				time.Sleep(lease * 10)
				if lockCtx.Err() != nil {
					t.Fatalf("lockCtx has ended: %v", context.Cause(lockCtx))
				}
				loss.lose(small)
				lost := time.Now()
				<-lockCtx.Done()
				if took := time.Since(lost); took > loss.most {
					t.Errorf("lockCtx ended after %v, want %v at most", took, loss.most)
				}
				if cause := context.Cause(lockCtx); cause == nil || !strings.Contains(cause.Error(), "the lock is lost") {
					t.Errorf("the cause is %v, want that the lock is lost", cause)
				}
				before := time.Now()
				if err := unlock(); err == nil {
					t.Error("unlock of a lost lock succeeds")
				}
				if took := time.Since(before); took > lease {
					t.Errorf("unlock took %v, want the lease of %v at most", took, lease)
				}
				if err := unlock(); err == nil {
					t.Error("the second unlock has another result")
				}
				if value, err := small.Get(lockKey); err == nil && value != "another" && name == "another one has it" {
					t.Errorf("unlock has changed the lock of another one to %q", value)
				}
			})
		})
	}
}

// A program that is stopped, or waits for a slow server, may not notice in time that its lock is lost.
func TestNothingIsWrittenWithALockThatIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small := newSmall(t)
		client := small.client(t)
		store, sibling := newStore(t, client, key), newStore(t, client, key)
		kept := session(t, "kept", time.Hour)
		lockCtx, unlock := mustLock(t.Context(), t, store)
		within, cancel := context.WithTimeout(lockCtx, time.Minute)
		defer cancel()
		for _, ctx := range []context.Context{lockCtx, within} {
			if err := errors.Join(store.Save(ctx, session(t, "first", time.Hour)), store.Delete(ctx), sibling.Save(ctx, kept)); err != nil {
				t.Errorf("with the lock: %v", err)
			}
		}
		if err := small.Set(lockKey, "another"); err != nil {
			t.Fatal(err)
		}
		for _, ctx := range []context.Context{lockCtx, within, context.WithoutCancel(lockCtx)} {
			for _, s := range []*redisstore.Store{store, sibling} {
				for method, err := range map[string]error{"Save": s.Save(ctx, session(t, "late", time.Hour)), "Delete": s.Delete(ctx)} {
					if err == nil || !strings.Contains(err.Error(), "the lock is lost") {
						t.Errorf("%s with a lost lock: %v, want an error", method, err)
					}
				}
			}
		}
		if s, err := store.Load(t.Context()); err != nil || !s.Equal(kept) {
			t.Errorf("Load = %v, %v; want the session that was saved with the lock", s, err)
		}
		_ = unlock()
		if err := store.Save(context.WithoutCancel(lockCtx), session(t, "late", time.Hour)); err == nil {
			t.Error("Save after unlock succeeds")
		}
		if err := store.Save(t.Context(), session(t, "new", time.Hour)); err != nil {
			t.Errorf("Save without a lock: %v", err)
		}
	})
}

func TestEachLockFencesItsOwnStoreOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small, second := newSmall(t), newSmall(t)
		client := small.client(t)
		first, other := newStore(t, client, key), newStore(t, client, "test:{other account}")
		elsewhere := newStore(t, second.client(t), key)
		lockCtx, unlock := mustLock(t.Context(), t, first)
		if err := errors.Join(other.Save(lockCtx, session(t, "s", 0)), elsewhere.Save(lockCtx, session(t, "s", 0))); err != nil {
			t.Errorf("Save in another store: %v", err)
		}
		both, unlockSecond := mustLock(lockCtx, t, other)
		if err := errors.Join(first.Save(both, session(t, "s", 0)), other.Save(both, session(t, "s", 0))); err != nil {
			t.Errorf("Save with both locks: %v", err)
		}
		small.Del(lockKey)
		if err := first.Save(both, session(t, "late", 0)); err == nil {
			t.Error("Save in the first store succeeds although its lock is lost")
		}
		if err := other.Save(both, session(t, "s", 0)); err != nil {
			t.Errorf("Save in the second store: %v", err)
		}
		_, _ = unlockSecond(), unlock()
	})
}

func TestLockSurvivesAnOutageOfAThirdOfTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small := newSmall(t)
		lockCtx, unlock := mustLock(t.Context(), t, newStore(t, small.client(t), key))
		for range 10 {
			small.during(func(string) bool { return true })
			time.Sleep(lease / 3)
			small.heal()
			time.Sleep(lease)
		}
		if lockCtx.Err() != nil {
			t.Errorf("lockCtx has ended: %v", context.Cause(lockCtx))
		}
		if err := unlock(); err != nil {
			t.Errorf("unlock: %v", err)
		}
	})
}

func TestLockSurvivesASlowRedis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small := newSmall(t)
		store := newStore(t, small.client(t), key)
		lockCtx, unlock := mustLock(t.Context(), t, store)
		time.Sleep(lease) // Redis caches the scripts
		if err := errors.Join(store.Save(lockCtx, session(t, "t", 0)), unlock()); err != nil {
			t.Fatal(err)
		}
		small.during(func(command string) bool {
			if strings.HasPrefix(command, "EVAL") {
				time.Sleep(lease * 9 / 20)
			}
			return false
		})
		lockCtx, unlock = mustLock(t.Context(), t, store)
		time.Sleep(10 * lease)
		if lockCtx.Err() != nil {
			t.Errorf("lockCtx has ended: %v", context.Cause(lockCtx))
		}
		if err := errors.Join(store.Save(lockCtx, session(t, "t", 0)), unlock()); err != nil {
			t.Errorf("Save and unlock: %v", err)
		}
	})
}

// A Locker's error that wraps fs.ErrPermission would mean that the source does without a lock.
func TestNoErrorOfTheNetworkSaysThatThereAreNoLocks(t *testing.T) {
	t.Parallel()
	for _, errno := range []error{syscall.EACCES, syscall.EPERM, syscall.ECONNREFUSED} {
		client := newClient(t, "127.0.0.1:1", func(o *redis.Options) {
			o.MaxRetries, o.DialerRetries = -1, 1
			o.Dialer = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)}
			}
		})
		_, _, err := newStore(t, client, key).Lock(t.Context())
		if err == nil || errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), errno.Error()) {
			t.Errorf("Lock: %v, want an error with %q that is not fs.ErrPermission", err, errno)
		}
	}
}

// go-redis and redislock have limits of their own. They are not the caller's.
func TestALimitOfTheClientIsNotTheContexts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small := newSmall(t)
		small.during(func(string) bool { return true })
		client := small.client(t, func(o *redis.Options) { o.ReadTimeout = time.Minute })
		_, _, err := newStore(t, client, key).Lock(t.Context())
		if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer of Redis in time") {
			t.Errorf("Lock: %v, want that Redis did not answer in time", err)
		}
		time.Sleep(time.Hour) // for what is still under way
	})
}

func TestAPanicOfTheClientIsAnError(t *testing.T) {
	t.Parallel()
	client := newClient(t, "127.0.0.1:1", func(o *redis.Options) {
		o.Dialer = func(context.Context, string, string) (net.Conn, error) { panic(secret) }
	})
	client.AddHook(panicking{})
	_, err := newStore(t, client, key).Load(t.Context())
	if want := "redisstore: reading the session: the client of Redis panicked, or ended its goroutine"; fmt.Sprint(err) != want {
		t.Errorf("Load: %v, want %q", err, want)
	}
}

type panicking struct{ loseAnswers }

func (panicking) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(context.Context, redis.Cmder) error { panic(secret) }
}

// Only a lock that is lost is an error of unlock, not a release that is repeated since its answer got lost.
func TestAnUnlockThatIsRepeatedSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small := newSmall(t)
		_, unlock := mustLock(t.Context(), t, newStore(t, small.client(t), key))
		small.Del(lockKey)
		if err := unlock(); err != nil {
			t.Errorf("unlock: %v", err)
		}
	})
}

// Redis runs the command that takes the lock, and the answer is lost.
func TestALockWhoseAnswerIsLostDelaysNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small := newSmall(t)
		deaf := small.client(t, func(o *goredis) { o.MaxRetries = -1; o.ReadTimeout = time.Second })
		deaf.AddHook(loseAnswers{})
		for name, ctx := range map[string]func() (context.Context, context.CancelFunc){
			"an error": func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) },
			"a deadline": func() (context.Context, context.CancelFunc) {
				return context.WithTimeout(t.Context(), 500*time.Millisecond)
			},
			"a cancellation": func() (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(500*time.Millisecond, cancel)
				return ctx, cancel
			},
		} {
			ctx, cancel := ctx()
			if _, _, err := newStore(t, deaf, key).Lock(ctx); err == nil {
				t.Errorf("%s: Lock succeeds without an answer", name)
			}
			cancel()
			start := time.Now()
			_, unlock := mustLock(t.Context(), t, newStore(t, small.client(t), key))
			if took := time.Since(start); took > time.Second+poll {
				t.Errorf("%s: the lock was free after %v, want a second at most", name, took)
			}
			_ = unlock()
		}
		time.Sleep(time.Second) // for the last late answer
	})
}

type goredis = redis.Options

// loseAnswers runs commands that lock, and loses the answers after a second.
type loseAnswers struct{}

func (loseAnswers) DialHook(next redis.DialHook) redis.DialHook { return next }
func (loseAnswers) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (loseAnswers) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(context.WithoutCancel(ctx), cmd)
		if args := cmd.Args(); len(args) == 7 { // value, tokenLen, ttl
			time.Sleep(time.Second)
			cmd.SetErr(errors.New("the answer is lost"))
			return cmd.Err()
		}
		return err
	}
}

// Redis runs the command that takes the lock after Lock has returned.
func TestALockThatComesLateDelaysNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small := newSmall(t)
		slow := small.client(t)
		slow.AddHook(comesLate{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := newStore(t, slow, key).Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Lock: %v, want context.DeadlineExceeded", err)
		}
		time.Sleep(3500 * time.Millisecond) // two commands, as Redis does not have the script
		if small.Exists(lockKey) {
			t.Error("the lock of a Lock that failed is still there")
		}
	})
}

// comesLate delays commands that lock by two seconds.
type comesLate struct{ loseAnswers }

func (comesLate) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if len(cmd.Args()) == 7 {
			time.Sleep(2 * time.Second)
		}
		return next(context.WithoutCancel(ctx), cmd)
	}
}

// Redis hangs from the moment on when it has given the lock.
func TestALockThatIsNeverExtendedEndsWithItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small := newSmall(t)
		start := time.Now()
		lockCtx, unlock := mustLock(t.Context(), t, newStore(t, small.client(t), key))
		small.during(func(string) bool { return true })
		<-lockCtx.Done()
		if took := time.Since(start); took != lease {
			t.Errorf("lockCtx ended after %v, want %v", took, lease)
		}
		_ = unlock()
	})
}

func TestManyWaitersOfOneProgramAreOneForRedis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small := newSmall(t)
		_, unlock := mustLock(t.Context(), t, newStore(t, small.client(t), key))
		client := small.client(t)
		var waiters sync.WaitGroup
		var got atomic.Int64
		for range 1000 {
			waiters.Go(func() {
				store := newStore(t, client, key)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, unlock, err := store.Lock(ctx)
				if err != nil {
					t.Errorf("Lock: %v", err)
					return
				}
				got.Add(1)
				if err := unlock(); err != nil {
					t.Errorf("unlock: %v", err)
				}
			})
		}
		time.Sleep(time.Second)
		before := small.sent.Load()
		time.Sleep(10 * time.Second)
		if polls := small.sent.Load() - before; polls < 100 || polls > 1010 {
			t.Errorf("%d scripts in 10 s, want those of one waiter and of the holder", polls)
		}
		_ = unlock()
		waiters.Wait()
		if got.Load() != 1000 {
			t.Errorf("%d waiters got the lock, want 1000", got.Load())
		}
	})
}

func TestWaitersThatGiveUpLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		small := newSmall(t)
		client := small.client(t)
		store := newStore(t, client, key)
		_, unlock := mustLock(t.Context(), t, store)
		var waiters sync.WaitGroup
		for range 100 {
			waiters.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				if _, _, err := store.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Lock: %v, want context.DeadlineExceeded", err)
				}
				if took := time.Since(start); took != time.Second {
					t.Errorf("Lock returned after %v, want a second", took)
				}
			})
		}
		waiters.Wait()
		_ = unlock()
		if n := redisstore.Gates(client); n != 0 {
			t.Errorf("%d gates are left", n)
		}
		_, unlock = mustLock(t.Context(), t, store)
		_ = unlock()
	})
}
