// Package autologin keeps a program logged in, for as long as it runs.
//
// Kalshi's sessions expire after about half an hour, which a program notices only by a 401. A [Source] logs in when
// there is no session. Its HTTP client adds the session to requests to the API. After a 401, it gets a new session and
// sends the request again:
//
//	source, err := autologin.New(client, autologin.StaticCredentials(credentials))
//	...
//	kalshi := source.HTTPClient()
//	resp, err := kalshi.Get(client.BaseURL() + "/users/" + userID + "/balance")
//	...
//	err = source.Logout(ctx)
//
// Use one Source for each account. [WithStore] keeps the session between runs, and shares it between processes. Package
// filestore has a store for one machine.
//
// For a library that sends its own requests, such as one for WebSockets, get the session from [Source.Session] and add
// it to the request with [kalshiauth.Client.Authorize].
//
// # What goes wrong
//
// Only one log-in runs at a time, however many goroutines get a 401. The number of log-ins is limited, in case an
// endpoint always answers 401: ten at once, then one a minute. Rejected credentials are not tried again for a minute,
// then for longer, so that a loop does not get the account locked. Meanwhile [Source.Session] returns the last session
// or, if that has expired, a [*WaitError] with the time of the next try.
package autologin

import (
	"context"
	"fmt"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// A SessionSource provides sessions. Its method must be safe for concurrent use.
type SessionSource interface {
	// Session returns a session for one request. Do not keep it: call Session again for the next request.
	Session(ctx context.Context) (*kalshiauth.Session, error)
}

// An Invalidator is a [SessionSource] that can replace its session. Its method must be safe for concurrent use.
type Invalidator interface {
	// Invalidate tells the source that the server no longer accepts the session dead. It has no effect if the source has
	// replaced that session already.
	Invalidate(dead *kalshiauth.Session)
}

// Static returns a source that always returns s, and cannot replace it. If s has no secret, the source returns an error
// that wraps [kalshiauth.ErrNoSession].
func Static(s *kalshiauth.Session) SessionSource { return static{s} }

type static struct{ session *kalshiauth.Session }

func (s static) Session(context.Context) (*kalshiauth.Session, error) {
	if s.session.Token() == "" {
		return nil, fmt.Errorf("autologin: Static: %w", kalshiauth.ErrNoSession)
	}
	return s.session, nil
}

// A CredentialsFunc returns the credentials of the account. A [Source] calls it each time that it needs a new session,
// from the store or by a log-in, so that the password can stay in a vault. The calls of a source do not overlap. Their
// context ends after a minute at most, and has none of a caller's values.
type CredentialsFunc func(ctx context.Context) (kalshiauth.Credentials, error)

// StaticCredentials returns a CredentialsFunc that always returns c.
func StaticCredentials(c kalshiauth.Credentials) CredentialsFunc {
	return func(context.Context) (kalshiauth.Credentials, error) { return c, nil }
}

// A Store keeps one account's session between runs of a program, for [WithStore]. Its methods must be safe for
// concurrent use. Their contexts end after a minute at most, and have none of a caller's values. Use package storetest
// to test an implementation.
type Store interface {
	// Load returns the session that was saved last, or [kalshiauth.ErrNoSession] if there is none. Any other error means
	// that the store cannot be read. The source then does not log in, so that it overwrites no session.
	Load(ctx context.Context) (*kalshiauth.Session, error)
	// Save replaces the session.
	Save(ctx context.Context, s *kalshiauth.Session) error
	// Delete removes the session. It succeeds if there is none.
	Delete(ctx context.Context) error
}

// A Locker is a [Store] that processes share. A [Source] holds the lock from Load to Save. If another
// process has saved a session in the meantime, the source uses that session and does not log in.
type Locker interface {
	// Lock waits until it gets the lock, or until ctx ends. An error that wraps [io/fs.ErrPermission] means that a lock is
	// not possible, as in a read-only folder: the source logs it, and uses the store without a lock.
	//
	// The source passes lockCtx to Load, Login, Save and Delete. lockCtx must end when the lock is lost, and when unlock
	// is called. If it ends during a log-in, the source locks once more, as another process may have logged in meanwhile.
	// unlock has no context: it must limit its own duration.
	Lock(ctx context.Context) (lockCtx context.Context, unlock func() error, err error)
}

// empty is the store of a source without WithStore.
type empty struct{}

func (empty) Load(context.Context) (*kalshiauth.Session, error) { return nil, kalshiauth.ErrNoSession }
func (empty) Save(context.Context, *kalshiauth.Session) error   { return nil }
func (empty) Delete(context.Context) error                      { return nil }

// guard calls a function of the caller's. If it panics or calls [runtime.Goexit], guard returns an error. The error
// does not show the panic's value, which may hold a secret.
func guard(what string, call func() error) error {
	err := fmt.Errorf("autologin: %s panicked, or ended its goroutine", what)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		err = call()
	}()
	<-done
	return err
}
