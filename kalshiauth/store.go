package kalshiauth

import "context"

// A Store keeps one account's session between runs of a program, for [WithStore]. Package filestore has one. Its
// methods may be called from several goroutines at once.
type Store interface {
	// Load returns the session that was saved last, or [ErrNoSession] where there is none. Any other error means that
	// the store cannot be read, and no login replaces what may be in it.
	Load(ctx context.Context) (*Session, error)
	// Save replaces the session.
	Save(ctx context.Context, s *Session) error
	// Delete forgets the session. It succeeds where there is none.
	Delete(ctx context.Context) error
}

// A Locker is a [Store] that is shared by processes. [LoginSource] holds the lock from Load to Save, and takes a
// session that somebody else has saved in the meantime instead of logging in.
type Locker interface {
	// Lock waits until nobody else holds the lock, or the context ends.
	Lock(ctx context.Context) (unlock func() error, err error)
}
