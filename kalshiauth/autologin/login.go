package autologin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

// A WaitError means that no log-in is tried before a time.
type WaitError struct {
	Err   error     // why: the error of an earlier log-in, or that WithLoginLimit allows no more
	Until time.Time // when a call of [Source.Session] may log in again
}

// Error returns the time of the next try, and why no log-in is tried before.
func (e *WaitError) Error() string {
	return fmt.Sprintf("autologin: no log-in before %v: %v", e.Until.Format(time.RFC3339), e.Err)
}

// Unwrap returns Err.
func (e *WaitError) Unwrap() error { return e.Err }

// LogValue returns the time of the next try. It leaves out the reason, which may hold an e-mail address.
func (e *WaitError) LogValue() slog.Value {
	return slog.StringValue("not before " + e.Until.Format(time.RFC3339))
}

// The keys of waits.failures besides credentials.
const theServer, theCredentialsFunc = "the server", "the CredentialsFunc"

// waits decides when a log-in may be tried.
type waits struct {
	bucket   *rate.Limiter
	failures map[any]failure // by credentials, theServer or theCredentialsFunc
	last     error           // of the last log-in; nil: it succeeded
}

type failure struct {
	WaitError

	at   time.Time
	wait time.Duration
}

// check returns a WaitError with the longest wait of the bucket and of these failures, or nil if there is no wait.
func (w *waits) check(of ...any) error {
	now := time.Now()
	token := w.bucket.ReserveN(now, 1)
	longest := WaitError{cmp.Or(w.last, errors.New("WithLoginLimit allows no more")), now.Add(token.DelayFrom(now))}
	token.CancelAt(now)
	for _, key := range of {
		if f := w.failures[key]; f.Until.After(longest.Until) {
			longest = f.WaitError
		}
	}
	if longest.Until.After(now) {
		return &longest
	}
	return nil
}

// failed records a failure. The wait is least at first, doubles with each failure up to most, and is then shortened by
// a random fraction of at most random.
func (w *waits) failed(of any, err error, least, most time.Duration, random float64) {
	wait := min(max(2*w.failures[of].wait, least), most)
	until := time.Now().Add(wait - time.Duration(random*rand.Float64()*float64(wait))) //nolint:gosec // not a secret
	w.failures[of] = failure{WaitError{err, until}, time.Now(), wait}
	if len(w.failures) > 16+2 { // of the last 16 credentials, and of the two other keys
		delete(w.failures, slices.MinFunc(slices.Collect(maps.Keys(w.failures)), func(a, b any) int {
			return w.failures[a].at.Compare(w.failures[b].at)
		}))
	}
}

// result records the result of a log-in.
func (w *waits) result(creds kalshiauth.Credentials, err error) {
	w.last = err
	answer := new(kalshiauth.Error)
	errors.As(err, &answer)
	switch {
	case err == nil:
		maps.DeleteFunc(w.failures, func(of any, _ failure) bool { return of == creds || of == theServer })
	case refused(err, kalshiauth.ErrUnauthorized, kalshiauth.ErrForbidden):
		longer := min(answer.RetryAfter, 24*time.Hour)
		w.failed(creds, err, max(time.Minute, longer), max(15*time.Minute, longer), 0)
	case errors.Is(err, kalshiauth.ErrRateLimited), errors.Is(err, kalshiauth.ErrUnavailable):
		hold := min(answer.RetryAfter, time.Hour)
		w.failed(theServer, err, hold, hold, 0)
		fallthrough
	default:
		w.failed(creds, err, time.Second, time.Minute, 0.5)
	}
}

// refused reports whether the API answered with one of these errors. An HTML page or plain text is not the API's: it
// comes from a proxy, or from a host that no longer serves this API.
func refused(err error, as ...error) bool {
	var answer *kalshiauth.Error
	return errors.As(err, &answer) && (answer.ContentType == "" || strings.HasSuffix(answer.ContentType, "json")) &&
		slices.ContainsFunc(as, func(kind error) bool { return errors.Is(err, kind) })
}

// workTime limits a log-in, including the calls of the CredentialsFunc and the store.
const workTime = time.Minute

// What may be wrong with a stored session: it is of another server or account, or cannot be read.
var errForeign, errUnreadable = fmt.Errorf("%w: the store has another session", kalshiauth.ErrInvalidInput),
	errors.New("the store cannot be read")

// login obtains and ends sessions, one at a time.
type login struct {
	client      *kalshiauth.Client
	credentials CredentialsFunc
	store       Store
	waits       waits
	untried     atomic.Pointer[kalshiauth.Session] // from the store, and not yet accepted by the server
	lifetime    time.Duration                      // of a session; 0: not known
	log         *slog.Logger
	email       string                // of the last credentials; "": not known
	left        []*kalshiauth.Session // which the next log-out has to end
	over        []*kalshiauth.Session // which the last log-outs ended; the store may still have one
}

// obtain returns the stored session, unless it has ended or is one of not, and else that of a log-in. why is for the
// log.
func (l *login) obtain(ctx context.Context, why string, not ...*kalshiauth.Session) (*kalshiauth.Session, error) {
	work, stop := context.WithTimeout(ctx, workTime)
	defer stop()
	creds, err := l.ready(work)
	if err != nil {
		return nil, err
	}
	l.over = append(l.over[max(0, len(l.over)-16):], not...)
	locked, unlock, session, err := l.open(work)
	defer unlock()
	if err != nil || session.Valid() && !reached(l.endOf(session)) && !slices.ContainsFunc(l.over, session.Equal) {
		l.untried.Store(session)
		return session, err
	}
	l.waits.bucket.Allow()
	err = guard("Client.Login", func() (err error) { session, err = l.client.Login(locked, creds); return err })
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) { // by a log-out
		return session, err
	}
	if err != nil && locked.Err() != nil && work.Err() == nil && why != "the lock was lost" {
		unlock()
		return l.obtain(ctx, "the lock was lost", not...) // another process may have logged in meanwhile
	}
	l.waits.result(creds, err)
	if err != nil {
		l.log.Info("autologin: the log-in failed", slog.String("why", why), redact.Secrets{}.LogError(err),
			slog.Any("next", l.waits.check(theServer, creds)))
		return nil, err
	}
	l.log.Info("autologin: logged in", slog.String("why", why))
	err = guard("the store's Save", func() error { return l.store.Save(locked, session) })
	l.warn("the session was not saved", redact.Secrets{session.Token(), session.Cookie().Value}.Error(err))
	return session, nil
}

// endOf returns when a session ends, by its Expiry or the configured lifetime, or zero if neither is known.
func (l *login) endOf(session *kalshiauth.Session) time.Time {
	end := session.IssuedAt.Add(l.lifetime)
	if l.lifetime == 0 || session.IssuedAt.IsZero() || !session.Expiry.IsZero() && session.Expiry.Before(end) {
		return session.Expiry
	}
	return end
}

func reached(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (l *login) warn(what string, err error) {
	if err != nil {
		l.log.Warn("autologin: the store failed", slog.String("what", what), redact.Secrets{}.LogError(err))
	}
}

// ready returns the credentials for a log-in, or an error if none may be tried now.
func (l *login) ready(ctx context.Context) (creds kalshiauth.Credentials, err error) {
	if err := cmp.Or(ctx.Err(), l.waits.check(theServer, theCredentialsFunc)); err != nil {
		return creds, err //nolint:wrapcheck // our own, or of a log-out
	}
	if err = guard(theCredentialsFunc, func() (err error) { creds, err = l.credentials(ctx); return err }); err != nil {
		err = fmt.Errorf("autologin: the credentials: %w", err)
		l.waits.failed(theCredentialsFunc, err, time.Second, time.Minute, 0.5)
		return creds, err
	}
	delete(l.waits.failures, theCredentialsFunc)
	l.email = creds.Email
	return creds, l.waits.check(creds)
}

// open locks the store, if it is a Locker, and returns its session, or nil. unlock is never nil.
func (l *login) open(ctx context.Context) (locked context.Context, unlock func(), s *kalshiauth.Session, err error) {
	locked, unlock = ctx, func() {}
	if locker, ok := l.store.(Locker); ok {
		err = guard("the store's Lock", func() error {
			lockCtx, release, err := locker.Lock(ctx)
			if err != nil {
				return fmt.Errorf("autologin: the store cannot be locked: %w", err)
			}
			locked = lockCtx //nolint:fatcontext // it is called once
			unlock = sync.OnceFunc(func() { l.warn("the store could not be unlocked", guard("the store's unlock", release)) })
			return nil
		})
	}
	if errors.Is(err, fs.ErrPermission) {
		l.warn("the store is used without a lock", err)
		err = nil
	}
	if err == nil {
		s, err = l.load(locked)
	}
	return locked, unlock, s, err
}

// load returns the stored session, or nil. A session of another server or account is errForeign.
func (l *login) load(ctx context.Context) (session *kalshiauth.Session, err error) {
	switch err = guard("the store's Load", func() (err error) { session, err = l.store.Load(ctx); return err }); {
	case errors.Is(err, kalshiauth.ErrNoSession), err == nil && session == nil:
		return nil, nil //nolint:nilnil // as said
	case err != nil:
		return nil, fmt.Errorf("autologin: %w: %w", errUnreadable, err)
	}
	if session.Email() != "" && l.email == "" {
		_, err = l.ready(ctx) // at a log-out before any log-in, the account is not known yet
	}
	origin, _ := url.Parse(session.Origin())
	if session.Email() != "" && !strings.EqualFold(session.Email(), l.email) ||
		session.Origin() != "" && !l.client.Serves(origin) {
		return nil, errors.Join(err, fmt.Errorf("autologin: %w: of %q at %q, and not of %q at %q", errForeign,
			session.Email(), session.Origin(), l.email, l.client.BaseURL()))
	}
	return session, nil
}

// logOut ends the current session, the stored one, and those that earlier log-outs could not end.
//
//nolint:contextcheck // the store gets none of the caller's values
func (l *login) logOut(ctx context.Context, current *kalshiauth.Session) error {
	work, stop := context.WithTimeout(context.Background(), workTime)
	defer stop()
	defer context.AfterFunc(ctx, stop)() //nolint:revive // the result stops it
	locked, unlock, stored, err := l.open(work)
	defer unlock()
	remove := errors.Is(err, errUnreadable) && ctx.Err() == nil
	if remove {
		err = fmt.Errorf("%w; the stored session may still be valid, and is removed", err)
	}
	sessions := slices.CompactFunc(append(l.left, stored, current), (*kalshiauth.Session).Equal)
	l.left, l.over = nil, append(l.over[max(0, len(l.over)-16):], sessions...)
	for _, session := range sessions {
		alive := guard("Client.Logout", func() error { return l.client.Logout(ctx, session) })
		if alive != nil && !refused(alive, kalshiauth.ErrUnauthorized) && session.Token() != "" {
			l.left = append(l.left, session)
			err = errors.Join(err, fmt.Errorf("%v, issued at %v, may still be valid: %w", session, session.IssuedAt, alive))
		}
	}
	if remove || stored != nil && !slices.ContainsFunc(l.left, stored.Equal) {
		err = errors.Join(err, guard("the store's Delete", func() error { return l.store.Delete(locked) }))
	}
	return err
}
