package kalshiauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A SessionSource hands out sessions. Its method may be called from any number of goroutines at once.
type SessionSource interface {
	// Session returns a session to use now. Do not keep it: ask again for the next request.
	Session(ctx context.Context) (*Session, error)
}

// An Invalidator is a [SessionSource] that can renew its session. [Client.Transport] asks any source for it, also
// one of your own.
type Invalidator interface {
	// Invalidate says that the server does not know dead any more. A session that has replaced it is not concerned.
	Invalidate(dead *Session)
}

// StaticSource always hands out s, or [ErrNoSession] where it has no secret. It cannot renew it.
func StaticSource(s *Session) SessionSource { return staticSource(func() *Session { return s }) }

type staticSource func() *Session // a func, as in Session

func (f staticSource) Session(context.Context) (*Session, error) {
	if f().hidden().cookie == nil {
		return nil, fmt.Errorf("kalshiauth: StaticSource: %w", ErrNoSession)
	}
	return f(), nil
}

// A CredentialsFunc returns the credentials for a login. It is called for each, so that a password can stay in a
// vault, and from one goroutine at a time.
type CredentialsFunc func(ctx context.Context) (Credentials, error)

// StaticCredentials always returns c.
func StaticCredentials(c Credentials) CredentialsFunc {
	return func(context.Context) (Credentials, error) { return c, nil }
}

// A SourceOption configures a [LoginSource].
type SourceOption func(*loginState)

// WithStore keeps the session in store, where the next run of the program finds it. With a [Locker], any number of
// processes share one session.
func WithStore(store Store) SourceOption { return func(l *loginState) { l.store = store } }

// WithLifetime renews a session that is older than d, if the server does not end it earlier: a little ahead of time,
// in the background. Kalshi's sessions live for about 30 minutes, and the server does not say so. Without this
// option, a session is used until the server refuses it. A d of 0 or less means the same.
func WithLifetime(d time.Duration) SourceOption { return func(l *loginState) { l.lifetime = d } }

// A LoginSource hands out one account's session, and logs in when there is none. It is for programs that run for
// longer than a session lives, and safe for concurrent use; have one for each account. See [Client.HTTPClient].
//
// However many goroutines ask, one login runs at a time, and goes on if one of them gives up. Credentials that the
// server refused (401, 403) are not sent again for a minute, then two, and so on up to 15, so that no loop locks the
// account: meanwhile callers get the same error, unless the [CredentialsFunc] has other credentials. Any other
// failure is not remembered, but for a Retry-After.
type LoginSource struct {
	state func() *loginState // a func, as in Session
}

type loginState struct {
	client   *Client
	creds    CredentialsFunc
	store    Store // nil: none
	lifetime time.Duration

	busy chan struct{} // has an element while a login or a log-out runs

	current atomic.Pointer[held] // nil: none; changed under mu

	mu    sync.Mutex    // guards what follows
	login *login        // the one in progress, or nil
	dead  *Session      // the last one that was invalidated or logged out
	pause time.Duration // how long a fresh session that is refused is kept

	refusal refusal // of whoever has busy
}

// held is a session and when to renew it.
type held struct {
	session *Session
	since   time.Time
	renewAt time.Time // zero: when it is refused
}

// login is one in progress, or its result.
type login struct {
	done    chan struct{} // closed when there is a result
	session *Session
	err     error
}

// refusal is why not to send credentials for a while.
type refusal struct {
	err   error // nil: none
	of    func(Credentials) bool
	until time.Time
	wait  time.Duration
}

// Limits of how long things are put off.
const (
	minPause, maxPause     = time.Second, time.Minute
	minRefusal, maxRefusal = time.Minute, 15 * time.Minute
	maxRetryAfter          = 24 * time.Hour // of a server that asks for more
	renewalMargin          = time.Minute
)

// LoginSource returns a source that logs in with creds, and never before it is asked for a session.
func (c *Client) LoginSource(creds CredentialsFunc, opts ...SourceOption) *LoginSource {
	l := &loginState{client: c, creds: creds, busy: make(chan struct{}, 1), pause: minPause}
	for _, opt := range opts {
		opt(l)
	}
	return &LoginSource{state: func() *loginState { return l }}
}

// Session returns the session there is, or that of a login. It waits for the login until ctx ends.
//
// Its errors are those of [Client.Login], of the [CredentialsFunc] and of a [Store] that cannot be read, and
// [ErrInvalidInput] where the store has a session of another server or account.
func (s *LoginSource) Session(ctx context.Context) (*Session, error) {
	l := s.state()
	old := l.current.Load()
	if old != nil {
		if old.renewAt.IsZero() {
			return old.session, nil
		}
		switch now := time.Now(); {
		case now.Before(old.renewAt):
			return old.session, nil
		case now.Before(old.session.Expiry):
			l.join(ctx, old)
			return old.session, nil
		}
	}
	if ctx.Err() == nil {
		login := l.join(ctx, old)
		select {
		case <-login.done:
			return login.session, login.err
		case <-ctx.Done():
		}
	}
	return nil, fmt.Errorf("kalshiauth: waiting for a login: %w", context.Cause(ctx))
}

// Invalidate forgets dead, if that is the session that s hands out, in memory: what is in a store may be newer. The
// next Session logs in. A session fresh from a login that no request has been accepted with is kept for a while, so
// that an endpoint which refuses everybody does not cause a login for each request.
func (s *LoginSource) Invalidate(dead *Session) {
	l := s.state()
	l.mu.Lock()
	defer l.mu.Unlock()
	current := l.current.Load()
	if current == nil || !current.session.same(dead) {
		return
	}
	if current.session.hidden().doubt.Load() == freshLogin {
		if time.Since(current.since) < l.pause {
			return
		}
		l.pause = min(2*l.pause, maxPause)
	} else {
		l.pause = minPause
	}
	l.current.Store(nil)
	l.dead = current.session
}

// join returns the login in progress, or begins one to replace old. It returns a finished one if that has been done.
func (l *loginState) join(ctx context.Context, old *held) *login {
	l.mu.Lock()
	defer l.mu.Unlock()
	if current := l.current.Load(); current != nil && current != old {
		done := make(chan struct{})
		close(done)
		return &login{done: done, session: current.session}
	}
	if l.login == nil {
		l.login = &login{done: make(chan struct{}), err: errors.New("kalshiauth: the login was abandoned")}
		go l.run(context.WithoutCancel(ctx), l.login, old)
	}
	return l.login
}

// run is a login, from the moment when nothing else runs to its result.
func (l *loginState) run(ctx context.Context, login *login, old *held) {
	l.busy <- struct{}{}
	defer func() {
		l.mu.Lock()
		l.login = nil
		switch current := l.current.Load(); {
		case login.err == nil:
			l.current.Store(l.hold(login.session))
		case current != nil && current == old: // a renewal, to be tried again before the session ends
			again := *old
			again.renewAt = time.Now().Add(max(minPause, time.Until(old.session.Expiry)/4))
			if again.renewAt.After(old.session.Expiry) {
				again.renewAt = old.session.Expiry
			}
			l.current.Store(&again)
			l.client.config().log.WarnContext(ctx, "kalshiauth: renewing the session failed", slog.Any("error", login.err))
		}
		l.mu.Unlock()
		<-l.busy
		close(login.done)
	}()
	ctx, cancel := l.limit(ctx)
	defer cancel()
	login.session, login.err = l.obtain(ctx, old)
}

// limit is the time limit of what no caller's context limits.
func (l *loginState) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := l.client.config().timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	return context.WithTimeout(ctx, timeout)
}

func (l *loginState) hold(s *Session) *held {
	now := time.Now()
	if end := now.Add(l.lifetime); l.lifetime > 0 && (s.Expiry.IsZero() || s.Expiry.After(end)) {
		limited := *s
		limited.Expiry = end
		s = &limited
	}
	h := &held{session: s, since: now}
	if !s.Expiry.IsZero() {
		h.renewAt = s.Expiry.Add(-min(renewalMargin, s.Expiry.Sub(now)/4))
	}
	return h
}

// obtain takes a session from the store that is not old, or logs in.
func (l *loginState) obtain(ctx context.Context, old *held) (_ *Session, err error) {
	if l.creds == nil {
		return nil, fmt.Errorf("kalshiauth: LoginSource: %w: there is no CredentialsFunc", ErrInvalidInput)
	}
	creds, err := l.creds(ctx)
	if err != nil {
		return nil, fmt.Errorf("kalshiauth: LoginSource: the credentials: %w", err)
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	stored, err := l.load(ctx, creds.Email)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	dead := l.dead
	l.mu.Unlock()
	if stored.Valid() && !stored.same(dead) && (old == nil || !stored.same(old.session)) {
		stored.hidden().doubt.Store(fromStore)
		return stored, nil
	}
	if r := l.refusal; r.err != nil && r.of(creds) && time.Now().Before(r.until) {
		return nil, r.err
	}
	session, err := l.client.Login(ctx, creds)
	if err != nil {
		l.refuse(creds, err)
		return nil, err
	}
	l.refusal = refusal{}
	session.hidden().doubt.Store(freshLogin)
	session = l.hold(session).session
	if l.store != nil {
		if err := l.store.Save(ctx, session); err != nil {
			l.client.config().log.WarnContext(ctx, "kalshiauth: the session could not be saved", slog.Any("error", err))
		}
	}
	return session, nil
}

// lock locks a store that is shared.
func (l *loginState) lock(ctx context.Context) (unlock func(), err error) {
	locker, ok := l.store.(Locker)
	if !ok {
		return func() {}, nil
	}
	release, err := locker.Lock(ctx)
	if err != nil {
		return nil, fmt.Errorf("kalshiauth: LoginSource: the store cannot be locked: %w", err)
	}
	return func() {
		if err := release(); err != nil {
			l.client.config().log.WarnContext(ctx, "kalshiauth: the store could not be unlocked", slog.Any("error", err))
		}
	}, nil
}

// load returns what is in the store, or nil. It refuses a session of another server, or of another account than that
// of email, if both are known.
func (l *loginState) load(ctx context.Context, email string) (*Session, error) {
	if l.store == nil {
		return nil, nil //nolint:nilnil // a session that does not exist is an ordinary one
	}
	stored, err := l.store.Load(ctx)
	switch {
	case errors.Is(err, ErrNoSession):
		return nil, nil //nolint:nilnil // as above
	case err != nil:
		return nil, fmt.Errorf("kalshiauth: LoginSource: the store cannot be read: %w", err)
	}
	if err := l.client.config().checkOrigin(stored); err != nil {
		return nil, fmt.Errorf("kalshiauth: LoginSource: the store: %w", err)
	}
	if account := stored.hidden().account; account != "" && email != "" && !strings.EqualFold(account, email) {
		return nil, fmt.Errorf("kalshiauth: LoginSource: %w: the store has a session of %s, and the credentials are of %s",
			ErrInvalidInput, account, email)
	}
	return stored, nil
}

// refuse remembers a failure that is not to be repeated at once.
func (l *loginState) refuse(creds Credentials, err error) {
	var answer *Error
	switch {
	case errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrForbidden):
		wait := minRefusal
		if r := l.refusal; r.err != nil && r.of(creds) {
			wait = min(max(2*r.wait, minRefusal), maxRefusal)
		}
		of := func(c Credentials) bool { return c == creds }
		l.refusal = refusal{err: err, of: of, until: time.Now().Add(wait), wait: wait}
	case errors.As(err, &answer) && answer.RetryAfter > 0: // mutant: to wait for no time is not to wait
		everybody := func(Credentials) bool { return true }
		l.refusal = refusal{err: err, of: everybody, until: time.Now().Add(min(answer.RetryAfter, maxRetryAfter))}
	}
}

// Logout ends the session: in memory and in the store, even where the server cannot be told, which is an error, and
// at the server. It waits for a login in progress, until ctx ends. A session that was over already, or none, is no
// error. The next Session logs in anew.
func (s *LoginSource) Logout(ctx context.Context) error {
	l := s.state()
	select {
	case l.busy <- struct{}{}: // also where ctx has ended
	default:
		select {
		case l.busy <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("kalshiauth: Logout: waiting for a login: %w", context.Cause(ctx))
		}
	}
	defer func() { <-l.busy }()

	l.mu.Lock()
	var sessions []*Session
	account := ""
	if current := l.current.Swap(nil); current != nil {
		l.dead = current.session
		account = current.session.hidden().account
		sessions = append(sessions, current.session)
	}
	l.mu.Unlock()
	stored, err := l.forget(context.WithoutCancel(ctx), account)
	if stored != nil && (len(sessions) == 0 || !stored.same(sessions[0])) {
		sessions = append(sessions, stored)
	}
	errs := []error{err}
	for _, session := range sessions {
		if err := l.client.Logout(ctx, session); err != nil && !errors.Is(err, ErrUnauthorized) {
			errs = append(errs, fmt.Errorf("the session is forgotten here, but the server may still accept it: %w", err))
		}
	}
	return errors.Join(errs...)
}

// forget empties the store, and returns what was in it.
func (l *loginState) forget(ctx context.Context, account string) (*Session, error) {
	if l.store == nil {
		return nil, nil //nolint:nilnil // as in load
	}
	ctx, cancel := l.limit(ctx)
	defer cancel()
	unlock, err := l.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	stored, err := l.load(ctx, account)
	if errors.Is(err, ErrInvalidInput) { // somebody else's
		return nil, err
	}
	if err := l.store.Delete(ctx); err != nil {
		return stored, fmt.Errorf("kalshiauth: Logout: the store: %w", err)
	}
	return stored, nil
}
