package autologin_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// memoryStore is a store of our own, with faults. It is a Locker, too, by lockingStore.
type memoryStore struct {
	mu                  sync.Mutex // guards what follows
	data                []byte
	saves               int
	loadErr, saveErr    error
	deleteErr           error
	emptyMeansNilAndNil bool
	used                *[]context.Context // if not nil, by each method
}

func (s *memoryStore) note(ctx context.Context) {
	if s.used != nil {
		*s.used = append(*s.used, ctx)
	}
}

func (s *memoryStore) Load(ctx context.Context) (*kalshiauth.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case s.loadErr != nil:
		return nil, s.loadErr
	case s.data == nil && s.emptyMeansNilAndNil:
		return nil, nil
	case s.data == nil:
		return nil, fmt.Errorf("memory: %w", kalshiauth.ErrNoSession)
	}
	return kalshiauth.ImportSession(s.data)
}

func (s *memoryStore) Save(ctx context.Context, session *kalshiauth.Session) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(ctx)
	s.saves++
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.saveErr != nil {
		return s.saveErr
	}
	s.data, err = session.Export()
	return err
}

func (s *memoryStore) Delete(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.deleteErr == nil {
		s.data = nil
	}
	return s.deleteErr
}

// lockingStore is a memoryStore that is a Locker.
type lockingStore struct {
	*memoryStore

	lock      chan struct{}
	lockErr   error
	unlockErr error
	lose      func(cancel context.CancelCauseFunc) // called with what ends lockCtx, if not nil
}

func (s *lockingStore) Lock(ctx context.Context) (context.Context, func() error, error) {
	if s.lockErr != nil {
		return nil, nil, s.lockErr
	}
	select {
	case s.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	lockCtx, cancel := context.WithCancelCause(context.WithValue(ctx, lockKey{}, s))
	if s.lose != nil {
		s.lose(cancel)
	}
	return lockCtx, func() error { cancel(nil); <-s.lock; return s.unlockErr }, nil
}

// lockKey is the key of lockCtx's value.
type lockKey struct{}

func newLockingStore() *lockingStore {
	return &lockingStore{memoryStore: &memoryStore{}, lock: make(chan struct{}, 1)}
}

func (s *memoryStore) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data == nil
}
