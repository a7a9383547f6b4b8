package autologin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// An Option configures a [Source].
type Option func(*state) error

// option returns an Option that calls set if the argument is valid (ok), and else fails with the text why.
func option(ok bool, why string, set func(*state)) Option {
	return func(s *state) error {
		if !ok {
			return errors.New(why)
		}
		set(s)
		return nil
	}
}

// WithStore keeps the session in store, where the next run of the program finds it. If the store is a [Locker], any
// number of processes can share one session. The default is to keep the session in memory only.
func WithStore(store Store) Option {
	return option(store != nil, "WithStore: the store is nil", func(s *state) { s.login.store = store })
}

// WithLifetime sets how long a session lives, for servers that do not send an expiry. Kalshi's sessions are reported to
// live for about 30 minutes. The source replaces a session shortly before it is d old, or before its Expiry if that is
// earlier. Without this option, or with 0, a session without Expiry is used until the server answers 401.
func WithLifetime(d time.Duration) Option {
	return option(d >= 0, "WithLifetime: the duration is negative", func(s *state) { s.login.lifetime = d })
}

// WithLoginLimit limits the number of log-ins: at most burst at once, and then one per interval every. The default is
// ten, and then one a minute. With 0 for every, there is no limit; burst is at least 1. Use this option for tests and
// unusual servers only.
func WithLoginLimit(every time.Duration, burst int) Option {
	return option(every >= 0 && burst >= 1, "WithLoginLimit: every is negative, or burst is less than 1", func(s *state) {
		s.login.waits.bucket = rate.NewLimiter(rate.Every(every), burst)
	})
}

// WithLogger sets the logger. It gets each log-in at level Info, with the reason for it and, if it failed, the time of
// the next try; and problems with the store at level Warn. The default is to log nothing. No record holds a secret or
// an e-mail address. To tell several accounts apart, give each source a logger with an attribute of its own.
func WithLogger(logger *slog.Logger) Option {
	return option(logger != nil, "WithLogger: the logger is nil", func(s *state) { s.login.log = logger })
}

// A Source provides the session of one account, and logs in when there is none. It is safe for concurrent use.
type Source struct {
	state func() *state // a func: fmt prints the contents of every other kind of field
}

// New returns a source that logs in with these credentials. It does not log in itself: the first call of
// [Source.Session] does. A nil argument or an invalid option is an error that wraps [kalshiauth.ErrInvalidInput].
func New(client *kalshiauth.Client, credentials CredentialsFunc, opts ...Option) (*Source, error) {
	if client == nil || credentials == nil || slices.ContainsFunc(opts, func(opt Option) bool { return opt == nil }) {
		return nil, fmt.Errorf("autologin: New: %w: a nil client, CredentialsFunc or Option", kalshiauth.ErrInvalidInput)
	}
	s := &state{sem: make(chan struct{}, 1), login: login{
		client: client, credentials: credentials, store: empty{}, log: slog.New(slog.DiscardHandler),
		waits: waits{bucket: rate.NewLimiter(rate.Every(time.Minute), 10), failures: map[any]failure{}},
	}}
	s.logins, s.cancel = context.WithCancel(context.Background())
	for _, opt := range opts {
		if err := opt(s); err != nil {
			return nil, fmt.Errorf("autologin: New: %w: %w", kalshiauth.ErrInvalidInput, err)
		}
	}
	return &Source{func() *state { return s }}, nil
}

// HTTPClient returns a client for the rest of the API. It is a copy of the one from [kalshiauth.WithHTTPClient],
// without its cookie jar, and with its transport wrapped in a [Transport], which adds the session. HTTPClient sets no
// timeout, since a response may stream for hours: set Timeout, or give each request a context.
//
// Libraries for tracing, retries, recording and WebSockets can use this client or wrap its transport. There, they see
// no password, session or reset code. The page .github/docs/interop.md in the repository shows how.
func (s *Source) HTTPClient() *http.Client {
	client := s.state().login.client.HTTPClient()
	client.Transport = &Transport{Client: s.state().login.client, Source: s, Base: client.Transport}
	return client
}

// Session returns the current session. If there is none, or it has ended, Session waits until a log-in is done or ctx
// ends. It returns a session that has not ended at once, even if ctx has ended. Shortly before the session ends,
// Session starts a renewal in the background.
//
// Session returns the errors of [kalshiauth.Client.Login], of the [CredentialsFunc], of a [Store] that cannot be read
// or locked, and of ctx. It returns [kalshiauth.ErrInvalidInput] if the store has a session of another server or
// account. While no log-in is tried, it returns the last session if that is [kalshiauth.Session.Valid], even after a
// 401, and else a [*WaitError]. It also fails if [Source.Logout] cancels the log-in.
//
//nolint:contextcheck // a log-in has the context of no caller
func (s *Source) Session(ctx context.Context) (*kalshiauth.Session, error) {
	st := s.state()
	session, last, why, logins := st.look()
	switch {
	case why == "":
		return session, nil
	case session == nil && ctx.Err() != nil:
		return nil, fmt.Errorf("autologin: Session: %w", context.Cause(ctx))
	}
	// The log-in has the context of no caller, so that no caller can cancel it for the others. Callers share it if they
	// replace the same session: the result of another one may be the session that this caller has to replace.
	key := fmt.Sprintf("%p %p", logins, last)
	login := st.flight.DoChan(key, func() (any, error) { return st.renew(logins, last, why) })
	if session != nil {
		return session, nil
	}
	select {
	case result := <-login:
		session, _ := result.Val.(*kalshiauth.Session)
		if _, last, _, _ := st.look(); last.Valid() && errors.As(result.Err, new(*WaitError)) {
			return last, nil
		}
		return session, result.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("autologin: waiting for a log-in: %w", context.Cause(ctx))
	}
}

// Invalidate tells the source that the server no longer accepts the session dead. If dead is the current session, the
// next call of [Source.Session] gets a new one, within the limit of [WithLoginLimit]. It has no effect on another
// session.
func (s *Source) Invalidate(dead *kalshiauth.Session) {
	st := s.state()
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.current.Equal(dead) {
		st.dead = dead
	}
}

// unproven reports whether a session came from the store and the server has not accepted it yet. accepted means that
// the server has accepted it now.
func (s *Source) unproven(session *kalshiauth.Session, accepted bool) bool {
	untried := &s.state().login.untried
	return (!accepted || !untried.CompareAndSwap(session, nil)) && untried.Load() == session
}

// Logout ends the current session, the stored session, and the session of a log-in in flight, which it cancels. It
// returns nil only if all of them have ended: the server confirmed it or no longer knew them, or they have expired.
// Otherwise its error names the sessions that may still be valid, and the next Logout tries again to end them.
//
// Logout removes the stored session once it has ended. It also removes one that cannot be read. It leaves alone one of
// another server or account. The last two cases are errors. The next call of [Source.Session] logs in again, unless
// log-ins still wait for an earlier failure.
func (s *Source) Logout(ctx context.Context) error {
	st := s.state()
	st.mu.Lock()
	st.cancel()
	st.logins, st.cancel = context.WithCancel(context.Background())
	st.mu.Unlock()
	select {
	case st.sem <- struct{}{}:
		defer func() { <-st.sem }()
	case <-ctx.Done():
		return fmt.Errorf("autologin: Logout: a log-in is in flight, and its session may be valid: %w", context.Cause(ctx))
	}
	st.mu.Lock()
	current := st.current
	st.current = nil
	st.mu.Unlock()
	if err := st.login.logOut(ctx, current); err != nil {
		return fmt.Errorf("autologin: Logout: %w", errors.Join(err, context.Cause(ctx)))
	}
	return nil
}

// state holds the fields of a Source.
type state struct {
	flight singleflight.Group // of log-ins, by their context, which a log-out replaces, and the session that they replace

	sem   chan struct{} // a semaphore: full while a log-in or a log-out is in flight
	login login         // guarded by sem

	mu      sync.Mutex          // guards the fields below
	current *kalshiauth.Session // the last session, even if it has ended; nil: none
	dead    *kalshiauth.Session // the last argument of Invalidate
	endAt   time.Time           // when current ends; zero: not known
	renewAt time.Time           // when to renew current; zero: not known
	logins  context.Context     //nolint:containedctx // of the log-ins until the next log-out, which cancels it
	cancel  context.CancelFunc  // of logins
}

// look returns the session to use now, or nil; the last session, even if it has ended; why a log-in is needed, or "";
// and the context for that log-in.
func (s *state) look() (usable, last *kalshiauth.Session, why string, logins context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.current == nil:
		return nil, nil, "none yet", s.logins
	case s.current.Equal(s.dead) || reached(s.endAt):
		return nil, s.current, "ended", s.logins
	case reached(s.renewAt):
		return s.current, s.current, "ahead of time", s.logins
	}
	return s.current, s.current, "", nil
}

// renew replaces the session old by one from the store or a log-in, unless that has happened already.
func (s *state) renew(ctx context.Context, old *kalshiauth.Session, why string) (*kalshiauth.Session, error) {
	s.sem <- struct{}{}
	defer func() { <-s.sem }()
	if usable, _, _, _ := s.look(); usable != nil && usable != old {
		return usable, nil
	}
	s.mu.Lock()
	current, dead := s.current, s.dead
	s.renewAt = s.endAt // one renewal is enough
	s.mu.Unlock()
	session, err := s.login.obtain(ctx, why, current, dead)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		delete(s.login.waits.failures, theCredentialsFunc) // it may have failed because of the cancellation
		if err == nil {
			s.login.left = append(s.login.left, session)
		}
		return nil, errors.New("autologin: a log-out canceled the log-in")
	case err != nil:
		s.renewAt = time.Now().Add(time.Second)
		return nil, err
	}
	s.current, s.endAt = session, s.login.endOf(session)
	if s.renewAt = s.endAt; !s.endAt.IsZero() {
		// Jittered, so that machines that share a session do not all renew it at once.
		ahead := min(5*time.Minute, max(0, s.endAt.Sub(session.IssuedAt))/4)
		s.renewAt = s.endAt.Add(-ahead + rand.N(ahead/4+1)) //nolint:gosec // not a secret
	}
	return session, nil
}
