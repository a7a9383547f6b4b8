package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin/storetest"
)

// memory is a store with a lock, and with a bug that a test names.
type memory struct {
	*data
	bug  string
	sem  chan struct{} // the lock
	held bool          // by this handle; with a bug only
}

// data is what the handles of a store share.
type data struct {
	mu      sync.Mutex // guards what follows
	bytes   []byte
	session *kalshiauth.Session // with a bug only
}

// opener returns an open function for Run.
func opener(bug string) func(*testing.T) autologin.Store {
	stores, locks := map[string]*data{}, map[string]chan struct{}{}
	return func(t *testing.T) autologin.Store {
		t.Helper()
		if stores[t.Name()] == nil || bug == "each handle has its own data" {
			stores[t.Name()] = &data{}
		}
		if locks[t.Name()] == nil || bug == "each handle has its own lock" {
			locks[t.Name()] = make(chan struct{}, 1)
		}
		m := &memory{data: stores[t.Name()], bug: bug, sem: locks[t.Name()]}
		if bug == "it has no lock" {
			return struct{ autologin.Store }{m}
		}
		return m
	}
}

// ended is the error of a context that has ended, unless method ignores that.
func (m *memory) ended(ctx context.Context, method string) error {
	switch {
	case ctx.Err() == nil || m.bug == method+" ignores its context":
		return nil
	case m.bug == "the context's error is not wrapped":
		return errors.New(ctx.Err().Error())
	}
	return fmt.Errorf("memory: %w", ctx.Err())
}

func (m *memory) Load(ctx context.Context) (*kalshiauth.Session, error) {
	if err := m.ended(ctx, "Load"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bytes == nil {
		switch m.bug {
		case "no session is nil":
			return nil, nil
		case "no session is an error of its own":
			return nil, errors.New("memory: empty")
		}
		return nil, fmt.Errorf("memory: %w", kalshiauth.ErrNoSession)
	}
	s, err := kalshiauth.ImportSession(m.bytes)
	if err != nil {
		return nil, err
	}
	switch m.bug {
	case "Load loses Expiry":
		s.Expiry = time.Time{}
	case "Load invents IssuedAt":
		s.IssuedAt = time.Now().Add(-time.Minute)
	case "Load loses AccessLevel":
		s.AccessLevel = ""
	case "Load returns the pointer that Save got":
		return m.session, nil
	}
	return s, nil
}

func (m *memory) Save(ctx context.Context, s *kalshiauth.Session) error {
	if m.bug == "Save checks its context too late" {
		defer func() { ctx = context.Background() }()
	} else if err := m.ended(ctx, "Save"); err != nil {
		if m.bug == "an error shows the token" {
			return fmt.Errorf("saving %s: %w", s.Token(), err)
		}
		if m.bug == "an error hides the token in a cause" {
			return errors.Join(err, fmt.Errorf("memory: %w", &tokenError{s.Token()}))
		}
		return err
	}
	bytes, err := s.Export()
	if m.bug == "Save keeps the token only" && err == nil {
		bytes, err = kalshiauth.SessionFromToken(s.UserID, s.Token()).Export()
	}
	if m.bug == "Save changes its argument" && s != nil {
		s.AccessLevel = "seen"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil && m.bug == "Save of a session without a secret deletes":
		m.bytes = nil
	case err != nil && m.bug == "Save of a session without a secret succeeds":
		return nil
	case m.bytes != nil && m.bug == "the first session stays":
		return nil
	case m.bug == "Save is in two steps" && err == nil:
		m.bytes = bytes[:len(bytes)/2]
		m.mu.Unlock()
		time.Sleep(time.Millisecond)
		m.mu.Lock()
	}
	if err != nil {
		return err
	}
	m.bytes, m.session = bytes, s
	if m.bug == "Save checks its context too late" {
		return m.ended(ctx, "Save")
	}
	return nil
}

func (m *memory) Delete(ctx context.Context) error {
	if err := m.ended(ctx, "Delete"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bytes == nil && m.bug == "Delete of nothing is an error" {
		return errors.New("memory: nothing to delete")
	}
	if m.bug != "Delete does nothing" {
		m.bytes = nil
	}
	return nil
}

func (m *memory) Lock(ctx context.Context) (lockCtx context.Context, unlock func() error, err error) {
	if err := m.ended(ctx, "a free Lock"); err != nil {
		return nil, nil, err
	}
	done := ctx.Done()
	switch m.bug {
	case "Lock ignores its context":
		done = nil
	case "Lock does not wait":
		if len(m.sem) == 1 {
			return nil, nil, errors.New("memory: locked")
		}
	case "Lock succeeds when its context ends":
		return ctx, func() error { return nil }, nil
	}
	if m.bug == "a handle locks twice" && m.held {
		return ctx, func() error { return nil }, nil
	}
	select {
	case m.sem <- struct{}{}:
	case <-done:
		if m.bug == "a Lock that fails takes the lock later" {
			go func() { m.sem <- struct{}{} }()
		}
		return nil, nil, fmt.Errorf("memory: %w", ctx.Err())
	}
	m.held = true
	parent := ctx
	if m.bug == "lockCtx is not the caller's" {
		parent = context.Background()
	}
	lockCtx, cancel := context.WithCancel(parent)
	if m.bug == "lockCtx has ended" {
		cancel()
	}
	var once sync.Once
	return lockCtx, func() error {
		if m.bug != "lockCtx does not end" {
			cancel()
		}
		if m.bug == "unlock obeys the context of Lock" && ctx.Err() != nil {
			return ctx.Err()
		}
		release := func() {
			m.held = false
			if m.bug != "unlock does nothing" {
				select {
				case <-m.sem:
				default:
				}
			}
		}
		if m.bug == "unlock frees the next holder's lock" {
			release()
		} else {
			once.Do(release)
		}
		return nil
	}, nil
}

type tokenError struct{ token string }

func (e *tokenError) Error() string { return "memory: refused" }

func TestAnInMemoryStorePasses(t *testing.T) {
	t.Parallel()
	storetest.Run(t, opener(""))
}

func TestAStoreWithoutALockPasses(t *testing.T) {
	t.Parallel()
	storetest.Run(t, opener("it has no lock"))
}

// TestBrokenStore is what TestEachBugIsFound runs in a process of its own, since it fails.
func TestBrokenStore(t *testing.T) { //nolint:paralleltest // it is alone
	bug := os.Getenv("STORETEST_BUG")
	if bug == "" {
		t.Skip("it is run by TestEachBugIsFound")
	}
	storetest.SetPatience(500 * time.Millisecond)
	storetest.Run(t, opener(bug))
}

func TestEachBugIsFound(t *testing.T) {
	t.Parallel()
	failed := regexp.MustCompile(`--- FAIL: TestBrokenStore/(\w+)`)
	for bug, want := range map[string]struct{ test, text string }{
		"each handle has its own data":                {"LoadReturnsWhatWasSaved", "no session"},
		"no session is nil":                           {"EmptyStoreHasNoSession", "want nil and an error that wraps ErrNoSession"},
		"no session is an error of its own":           {"EmptyStoreHasNoSession", "memory: empty"},
		"Load loses Expiry":                           {"LoadReturnsWhatWasSaved", "Expiry is 0001"},
		"Load invents IssuedAt":                       {"LoadReturnsWhatWasSaved", "IssuedAt is"},
		"Load loses AccessLevel":                      {"LoadReturnsWhatWasSaved", `AccessLevel is "", want "level"`},
		"Save keeps the token only":                   {"LoadReturnsWhatWasSaved", "Cookie is"},
		"the first session stays":                     {"SaveReplaces", "UserID is"},
		"Delete does nothing":                         {"DeleteRemoves", "Load after Delete"},
		"Delete of nothing is an error":               {"DeleteRemoves", "Delete of nothing"},
		"Save of a session without a secret deletes":  {"SessionWithoutSecretIsRefused", "the session that was there before"},
		"Save of a session without a secret succeeds": {"SessionWithoutSecretIsRefused", "want an error that wraps ErrNoSession"},
		"the context's error is not wrapped":          {"EndedContextIsObeyed", `want an error that wraps "context`},
		"Load ignores its context":                    {"EndedContextIsObeyed", "Load with a context that has ended"},
		"Save ignores its context":                    {"EndedContextIsObeyed", "Save with a context that has ended"},
		"Save checks its context too late":            {"EndedContextIsObeyed", "has saved"},
		"Delete ignores its context":                  {"EndedContextIsObeyed", "Delete with a context that has ended"},
		"an error shows the token":                    {"EndedContextIsObeyed", "the error of Save shows a token or a cookie"},
		"an error hides the token in a cause":         {"EndedContextIsObeyed", "the error of Save shows a token or a cookie"},
		"Load returns the pointer that Save got":      {"SessionIsCopied", "as it was when Save was called"},
		"Save changes its argument":                   {"SessionIsCopied", "Save changes its argument: AccessLevel"},
		"Save is in two steps":                        {"ConcurrentUse", "while others use the store"},
		"each handle has its own lock":                {"LockExcludes", "although another handle holds it"},
		"a handle locks twice":                        {"LockExcludes", "although the same handle holds it"},
		"Lock succeeds when its context ends":         {"LockObeysItsContext", "Lock whose context is canceled while it waits: <nil>"},
		"Lock does not wait":                          {"WaiterGetsTheLock", "memory: locked"},
		"Lock ignores its context":                    {"LockObeysItsContext", "Lock has not returned after 500ms"},
		"a free Lock ignores its context":             {"LockObeysItsContext", "Lock of a free lock with a context that has ended"},
		"a Lock that fails takes the lock later":      {"LockExcludes", "Lock has not returned"},
		"lockCtx does not end":                        {"LockContextEnds", "lockCtx has not ended after unlock"},
		"lockCtx has ended":                           {"LockedUpdates", "Load with lockCtx"},
		"lockCtx is not the caller's":                 {"LockContextEnds", "lockCtx does not end with the context that Lock got"},
		"unlock obeys the context of Lock":            {"LockContextEnds", "unlock: context canceled"},
		"unlock frees the next holder's lock":         {"UnlockTwice", "an earlier holder has called unlock twice"},
		"unlock does nothing":                         {"LockExcludes", "Lock has not returned"},
	} {
		t.Run(bug, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBrokenStore$") //nolint:gosec // this program
			cmd.Env = append(os.Environ(), "STORETEST_BUG="+bug)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("Run does not find it")
			}
			var tests []string
			for _, match := range failed.FindAllStringSubmatch(string(out), -1) {
				tests = append(tests, match[1])
			}
			if !strings.Contains(" "+strings.Join(tests, " ")+" ", " "+want.test+" ") || !strings.Contains(string(out), want.text) {
				t.Errorf("%v fail, want %s, and a sentence with %q:\n%s", tests, want.test, want.text, out)
			}
			t.Log(tests)
		})
	}
}
