// Package storetest tests implementations of [autologin.Store]:
//
//	func TestStore(t *testing.T) {
//		folder := t.TempDir()
//		storetest.Run(t, func(t *testing.T) autologin.Store {
//			store, err := mystore.New(filepath.Join(folder, t.Name()))
//			if err != nil {
//				t.Fatal(err)
//			}
//			return store
//		})
//	}
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
)

const (
	moment = 50 * time.Millisecond // how long a Lock that must wait is observed
	secret = "Zq7wX2pL"            //nolint:gosec // made up; a part of every token and cookie
)

// patience is how long a call may take that need not wait for a lock.
var patience = 10 * time.Second

var errHangs = errors.New("the call has not returned")

// Run tests a store. It skips the tests of [autologin.Locker] if the store does not implement that.
//
// Each test is a subtest. It calls open several times, with its own t. The first call of a subtest must return an empty
// store. The other calls must return more handles of the same store, as another process would open it. So derive the
// name of the file, the key or the map entry from t.Name(), which is unique among the subtests. If the data outlives
// the program, make the name unique among runs, too. open may call t.Fatal, and t.Cleanup to remove the data.
//
// Besides what [autologin.Store] and [autologin.Locker] promise, Run tests that
//   - Save rejects a session without a secret with [kalshiauth.ErrNoSession];
//   - IssuedAt and Expiry are kept to the second, and everything else exactly;
//   - a method whose context has ended does nothing, and returns an error that wraps the context's;
//   - Save and Load copy the session, and do not share the caller's;
//   - lockCtx ends with the context that Lock got, and unlock works after that;
//   - a second call of unlock does not release the lock of the next holder;
//   - no error shows a token or a cookie.
//
// Run takes a second or two. It allows each call 10 seconds, so that a correct store passes on a slow machine, too.
func Run(t *testing.T, open func(*testing.T) autologin.Store) {
	t.Helper()
	for _, subtest := range []struct {
		name string
		run  func(test)
	}{
		{"EmptyStoreHasNoSession", test.empty},
		{"LoadReturnsWhatWasSaved", test.roundTrip},
		{"SaveReplaces", test.saveReplaces},
		{"DeleteRemoves", test.delete},
		{"SessionWithoutSecretIsRefused", test.noSecret},
		{"EndedContextIsObeyed", test.endedContext},
		{"SessionIsCopied", test.copied},
		{"ConcurrentUse", test.concurrentUse},
		{"LockExcludes", test.lockExcludes},
		{"LockObeysItsContext", test.lockObeysItsContext},
		{"LockContextEnds", test.lockContextEnds},
		{"UnlockTwice", test.unlockTwice},
		{"WaiterGetsTheLock", test.waiterGetsTheLock},
		{"LockedUpdates", test.lockedUpdates},
	} {
		t.Run(subtest.name, func(t *testing.T) {
			subtest.run(test{t, func() handle {
				store := open(t)
				if store == nil {
					t.Fatal("open returned nil")
				}
				return handle{t, store}
			}})
		})
	}
}

// A test is a subtest of Run, with the store that it tests.
type test struct {
	*testing.T
	open func() handle
}

func (t test) empty() {
	for range 2 {
		if session, err := t.open().load(t.Context()); session != nil || !errors.Is(err, kalshiauth.ErrNoSession) {
			t.Errorf("Load of an empty store = %v, %v; want nil and an error that wraps ErrNoSession", session, err)
		}
	}
	if err := t.open().delete(t.Context()); err != nil {
		t.Errorf("Delete of nothing: %v, want success", err)
	}
}

func (t test) roundTrip() {
	now := time.Now()
	quoted := `sessions="` + secret + ` a,b"; Path=/`
	for name, want := range map[string]*kalshiauth.Session{
		"a session with everything": imported(t.T, "u-1", secret+"-1", now, now.Add(30*time.Minute),
			"sessions="+secret+"-cookie; Path=/; Domain=example.com; Max-Age=1800; HttpOnly; Secure; SameSite=Lax"),
		"a session with a quoted cookie": imported(t.T, "u-2", secret+"-2", now, time.Time{}, quoted),
		"a session without times":        imported(t.T, "u-3", secret+"-3", time.Time{}, time.Time{}, "sessions="+secret),
		"a session from a token":         session("u-4", "4"),
		"a session with a long token":    session("u-5", strings.Repeat("0123456789", 400)),
		"a user ID of other scripts":     session("用户 \"6\" 🙂", "6"),
	} {
		t.open().mustSave(want)
		t.open().mustLoad(want, name)
	}
}

func (t test) saveReplaces() {
	now := time.Now()
	first, other := t.open(), t.open()
	all := imported(t.T, "u-1", secret+"-1", now, now.Add(time.Hour), "sessions="+secret+"; Path=/")
	for _, s := range []*kalshiauth.Session{all, session("u-2", "2"), all, session("u-2", "3")} {
		first.mustSave(s)
		first.mustLoad(s, "the last of several sessions")
		other.mustLoad(s, "the last of several sessions, through another handle")
		first, other = other, first
	}
}

func (t test) delete() {
	for range 2 {
		store := t.open()
		store.mustSave(session("u", "1"))
		for _, what := range []string{"Delete", "Delete of nothing"} {
			if err := store.delete(t.Context()); err != nil {
				t.Errorf("%s: %v, want success", what, err)
			}
			for _, h := range []handle{store, t.open()} {
				if s, err := h.load(t.Context()); s != nil || !errors.Is(err, kalshiauth.ErrNoSession) {
					t.Errorf("Load after %s = %v, %v; want nil and an error that wraps ErrNoSession", what, s, err)
				}
			}
		}
	}
}

func (t test) noSecret() {
	store, kept := t.open(), session("u", "kept")
	for _, stored := range []bool{false, true} {
		if stored {
			store.mustSave(kept)
		}
		for _, bad := range []*kalshiauth.Session{nil, {}, {UserID: "u"}, kalshiauth.SessionFromToken("u", "")} {
			if err := store.save(t.Context(), bad); !errors.Is(err, kalshiauth.ErrNoSession) {
				t.Errorf("Save of a session without a secret: %v, want an error that wraps ErrNoSession", err)
			}
			if stored {
				store.mustLoad(kept, "the session that was there before one without a secret")
			} else if s, err := store.load(t.Context()); !errors.Is(err, kalshiauth.ErrNoSession) {
				t.Errorf("Save of a session without a secret has saved it: Load = %v, %v", s, err)
			}
		}
	}
}

func (t test) endedContext() {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	store, kept := t.open(), session("u", "kept")
	for _, ctx := range []context.Context{canceled, late} {
		obeys := func(method string, err error) {
			if !errors.Is(err, ctx.Err()) || errors.Is(err, kalshiauth.ErrNoSession) {
				t.Errorf("%s with a context that has ended: %v, want an error that wraps %q", method, err, ctx.Err())
			}
		}
		_, err := store.load(ctx)
		obeys("Load of an empty store", err)
		obeys("Delete of nothing", store.delete(ctx))
		obeys("Save", store.save(ctx, kept))
		if s, err := store.load(t.Context()); !errors.Is(err, kalshiauth.ErrNoSession) {
			t.Errorf("Save with a context that has ended has saved: Load = %v, %v", s, err)
		}

		store.mustSave(kept)
		s, err := store.load(ctx)
		obeys("Load", err)
		if s != nil {
			t.Error("Load with a context that has ended returns a session")
		}
		obeys("Save", store.save(ctx, session("u", "new")))
		obeys("Delete", store.delete(ctx))
		store.mustLoad(kept, "the session that Save and Delete with an ended context must leave alone")
		if err := store.delete(t.Context()); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
}

func (t test) copied() {
	now := time.Now()
	want := imported(t.T, "u", secret+"-token", now, now.Add(time.Hour), "sessions="+secret+"; Path=/")
	saved := *want
	store := t.open()
	store.mustSave(&saved)
	if d := difference(&saved, want); d != "" {
		t.Errorf("Save changes its argument: %s", d)
	}
	saved = *session("other", "other")
	store.mustLoad(want, "the session as it was when Save was called")

	loaded, err := store.load(t.Context())
	if err != nil || loaded == nil {
		t.Fatalf("Load = %v, %v", loaded, err)
	}
	*loaded = saved
	store.mustLoad(want, "the session although a caller has changed what an earlier Load returned")
}

func (t test) concurrentUse() {
	writers, readers := []handle{t.open(), t.open()}, []handle{t.open(), t.open()}
	var writing, reading sync.WaitGroup
	for i := range 6 {
		store, mine := writers[i%2], fmt.Sprint(i)
		writing.Go(func() {
			for range 5 {
				if err := store.save(t.Context(), session(mine, mine)); err != nil {
					t.Errorf("Save while others use the store: %v", err)
				}
				if i == 0 {
					if err := store.delete(t.Context()); err != nil {
						t.Errorf("Delete while others use the store: %v", err)
					}
				}
			}
		})
	}
	var done atomic.Bool
	for _, store := range append(readers, writers...) {
		reading.Go(func() {
			for ; !done.Load(); time.Sleep(time.Millisecond) {
				s, err := store.load(t.Context())
				switch {
				case errors.Is(err, kalshiauth.ErrNoSession):
				case err != nil || s == nil:
					t.Errorf("Load while others use the store = %v, %v", s, err)
					return
				case !s.Equal(session("", s.UserID)):
					t.Error("Load while others use the store returned a mixture of two sessions")
					return
				}
			}
		})
	}
	writing.Wait()
	done.Store(true)
	reading.Wait()
	last := session("u", "last")
	writers[0].mustSave(last)
	readers[1].mustLoad(last, "the last session after concurrent use")
}

func (t test) lockExcludes() {
	holder, other := t.open(), t.open()
	for range 2 { // the lock can be taken again
		_, unlock := holder.mustLock(t.Context())
		other.mustNotLock("another handle holds it")
		holder.mustNotLock("the same handle holds it")
		holder.mustUnlock(unlock)
		holder, other = other, holder
	}
}

func (t test) lockObeysItsContext() {
	holder, waiter := t.open(), t.open()
	_, unlock := holder.mustLock(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(moment, cancel)
	if _, _, err := waiter.lock(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Lock whose context is canceled while it waits: %v, want an error that wraps %q", err, context.Canceled)
	}
	holder.mustUnlock(unlock)

	for range 10 { // a select between a free lock and an ended context picks either at random
		_, unlock, err := waiter.lock(ctx)
		if errors.Is(err, context.Canceled) {
			continue
		}
		t.Errorf("Lock of a free lock with a context that has ended: %v, want an error that wraps %q", err, context.Canceled)
		if err == nil {
			waiter.mustUnlock(unlock)
		}
	}
	_, unlock = waiter.mustLock(t.Context()) // a Lock that failed holds nothing
	waiter.mustUnlock(unlock)
}

func (t test) lockContextEnds() {
	store, kept := t.open(), session("u", "kept")
	store.mustSave(kept)
	type key struct{}
	lockCtx, unlock := store.mustLock(context.WithValue(t.Context(), key{}, "value"))
	if lockCtx.Value(key{}) != "value" {
		t.Error("lockCtx does not have the values of the context that Lock got")
	}
	store.mustUnlock(unlock)
	if lockCtx.Err() == nil {
		t.Error("lockCtx has not ended after unlock")
	} else if err := store.save(lockCtx, session("u", "late")); !errors.Is(err, lockCtx.Err()) {
		t.Errorf("Save with lockCtx after unlock: %v, want an error that wraps %q", err, lockCtx.Err())
	}
	store.mustLoad(kept, "the session that a Save after unlock must leave alone")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lockCtx, unlock = store.mustLock(ctx)
	cancel()
	select {
	case <-lockCtx.Done():
	case <-time.After(patience):
		t.Error("lockCtx does not end with the context that Lock got")
	}
	store.mustUnlock(unlock) // this must work although ctx has ended
	_, unlock = t.open().mustLock(t.Context())
	store.mustUnlock(unlock)
}

func (t test) unlockTwice() {
	first, second := t.open(), t.open()
	_, unlock := first.mustLock(t.Context())
	first.mustUnlock(unlock)
	_, unlockSecond := second.mustLock(t.Context())
	_ = first.call("unlock", unlock) // may be an error
	first.mustNotLock("another handle holds it, and an earlier holder has called unlock twice")
	second.mustUnlock(unlockSecond)
}

func (t test) waiterGetsTheLock() {
	holder, waiter := t.open(), t.open()
	_, unlock := holder.mustLock(t.Context())
	var unlocked atomic.Bool
	time.AfterFunc(moment, func() {
		unlocked.Store(true)
		holder.mustUnlock(unlock)
	})
	lockCtx, unlockWaiter := waiter.mustLock(t.Context())
	if !unlocked.Load() {
		t.Error("Lock returned while another handle held the lock")
	}
	want := session("u", "waiter")
	if err := waiter.save(lockCtx, want); err != nil {
		t.Errorf("Save with lockCtx: %v", err)
	}
	waiter.mustLoad(want, "the session that was saved with lockCtx")
	waiter.mustUnlock(unlockWaiter)
}

// lockedUpdates increments a counter in the store under the lock, from several goroutines.
func (t test) lockedUpdates() {
	handles := []handle{t.open(), t.open(), t.open()}
	handles[0].mustLocker()
	const workers, rounds = 6, 3
	var holders atomic.Int32
	var wg sync.WaitGroup
	for i := range workers {
		store := handles[i%len(handles)]
		wg.Go(func() {
			for range rounds {
				lockCtx, unlock, err := store.lock(t.Context())
				if err != nil {
					t.Errorf("Lock while others use the lock: %v", err)
					return
				}
				if holders.Add(1) != 1 {
					t.Error("two hold the lock at once")
				}
				count := 0
				if s, err := store.load(lockCtx); err == nil && s != nil {
					_, _ = fmt.Sscan(s.UserID, &count)
				} else if !errors.Is(err, kalshiauth.ErrNoSession) {
					t.Errorf("Load with lockCtx = %v, %v", s, err)
				}
				if err := store.save(lockCtx, session(fmt.Sprint(count+1), "count")); err != nil {
					t.Errorf("Save with lockCtx: %v", err)
				}
				holders.Add(-1)
				store.mustUnlock(unlock)
			}
		})
	}
	wg.Wait()
	if !t.Failed() {
		handles[0].mustLoad(session(fmt.Sprint(workers*rounds), "count"), "the count of all updates")
	}
}

// session returns a session without times, whose secret ends with text.
func session(userID, text string) *kalshiauth.Session {
	return kalshiauth.SessionFromToken(userID, secret+"-"+text)
}

// imported returns a session that has all fields.
func imported(t *testing.T, userID, token string, issued, expiry time.Time, cookie string) *kalshiauth.Session {
	t.Helper()
	data, err := json.Marshal(map[string]any{
		"version": 1, "user_id": userID, "access_level": "level", "issued_at": issued, "expiry": expiry,
		"token": token, "cookie": cookie, "origin": "https://example.com:443", "email": "trader@example.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := kalshiauth.ImportSession(data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// difference describes how two sessions differ, or returns "".
func difference(got, want *kalshiauth.Session) string {
	cookie := func(s *kalshiauth.Session) string {
		if c := s.Cookie(); c != nil {
			return c.String()
		}
		return "none"
	}
	var differences []string
	for _, field := range []struct{ name, got, want string }{
		{"Token", got.Token(), want.Token()},
		{"Cookie", cookie(got), cookie(want)},
		{"UserID", got.UserID, want.UserID},
		{"AccessLevel", got.AccessLevel, want.AccessLevel},
		{"Email", got.Email(), want.Email()},
		{"Origin", got.Origin(), want.Origin()},
	} {
		if field.got != field.want {
			differences = append(differences, fmt.Sprintf("%s is %.200q, want %.200q", field.name, field.got, field.want))
		}
	}
	if !got.Equal(want) {
		differences = append(differences, "Equal is false")
	}
	for _, field := range []struct {
		name      string
		got, want time.Time
	}{{"IssuedAt", got.IssuedAt, want.IssuedAt}, {"Expiry", got.Expiry, want.Expiry}} {
		if field.got.IsZero() != field.want.IsZero() || field.got.Sub(field.want).Abs() > time.Second {
			differences = append(differences, fmt.Sprintf("%s is %v, want %v", field.name, field.got, field.want))
		}
	}
	return strings.Join(differences, "; ")
}

// A handle of the store. The methods that begin with must, except mustUnlock, are for the test's own goroutine.
type handle struct {
	t     *testing.T
	store autologin.Store
}

// call runs a method of the store. It reports an error of the test if the method does not return within patience, or if
// its error shows a secret.
func (h handle) call(method string, run func() error) error {
	done := make(chan error, 1)
	go func() { done <- run() }()
	select {
	case err := <-done:
		if shows(err) {
			h.t.Errorf("the error of %s shows a token or a cookie", method)
		}
		return err
	case <-time.After(patience):
		h.t.Errorf("%s has not returned after %v", method, patience)
		return errHangs
	}
}

// shows reports whether an error shows a secret.
func shows(err error) bool {
	if err == nil {
		return false
	}
	// %#v does not call Error: it prints the fields of the error, up to the next pointer.
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
		return true
	}
	switch e := err.(type) { //nolint:errorlint // this walks the tree itself
	case interface{ Unwrap() error }:
		return shows(e.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), shows)
	}
	return false
}

func (h handle) load(ctx context.Context) (*kalshiauth.Session, error) {
	var loaded atomic.Pointer[kalshiauth.Session] // atomic, since Load may hang
	err := h.call("Load", func() error {
		s, err := h.store.Load(ctx)
		loaded.Store(s)
		return err
	})
	return loaded.Load(), err
}

func (h handle) save(ctx context.Context, s *kalshiauth.Session) error {
	return h.call("Save", func() error { return h.store.Save(ctx, s) })
}

func (h handle) delete(ctx context.Context) error {
	return h.call("Delete", func() error { return h.store.Delete(ctx) })
}

// lock waits for the lock until ctx ends, or for patience. It releases a lock that comes later.
func (h handle) lock(ctx context.Context) (lockCtx context.Context, unlock func() error, err error) {
	locker, done := h.mustLocker(), make(chan struct{})
	var gotCtx context.Context // not lockCtx, which a return sets: Lock may hang
	var gotUnlock func() error
	err = h.call("Lock", func() error {
		defer close(done)
		var err error
		gotCtx, gotUnlock, err = locker.Lock(ctx) //nolint:fatcontext // it is the result
		if err == nil && (gotCtx == nil || gotUnlock == nil) {
			return errors.New("lockCtx or unlock is nil")
		}
		return err
	})
	if errors.Is(err, errHangs) {
		go func() {
			<-done
			if gotUnlock != nil {
				_ = gotUnlock()
			}
		}()
		return nil, nil, err
	}
	return gotCtx, gotUnlock, err
}

// mustLocker skips the test for a store without a lock.
func (h handle) mustLocker() autologin.Locker {
	h.t.Helper()
	locker, ok := h.store.(autologin.Locker)
	if !ok {
		h.t.Skip("the store is not an autologin.Locker")
	}
	return locker
}

func (h handle) mustSave(s *kalshiauth.Session) {
	h.t.Helper()
	if err := h.save(h.t.Context(), s); err != nil {
		h.t.Fatalf("Save: %v", err)
	}
}

func (h handle) mustLoad(want *kalshiauth.Session, what string) {
	h.t.Helper()
	got, err := h.load(h.t.Context())
	switch {
	case err != nil || got == nil:
		h.t.Errorf("Load = %v, %v; want %s", got, err, what)
	case difference(got, want) != "":
		h.t.Errorf("Load does not return %s: %s", what, difference(got, want))
	}
}

func (h handle) mustLock(ctx context.Context) (lockCtx context.Context, unlock func() error) {
	h.t.Helper()
	lockCtx, unlock, err := h.lock(ctx)
	if err != nil {
		h.t.Fatalf("Lock: %v", err)
	}
	if lockCtx.Err() != nil {
		h.t.Errorf("lockCtx has ended although the lock is held: %v", context.Cause(lockCtx))
	}
	return lockCtx, unlock
}

func (h handle) mustNotLock(why string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), moment)
	defer cancel()
	_, unlock, err := h.lock(ctx)
	switch {
	case err == nil:
		h.t.Errorf("Lock got the lock although %s", why)
		_ = h.call("unlock", unlock)
	case !errors.Is(err, context.DeadlineExceeded):
		h.t.Errorf("Lock: %v, want it to wait until its context ends, since %s", err, why)
	}
}

func (h handle) mustUnlock(unlock func() error) {
	h.t.Helper()
	if err := h.call("unlock", unlock); err != nil {
		h.t.Errorf("unlock: %v", err)
	}
}
