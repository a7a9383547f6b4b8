package kalshiauthtest

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

// A User is an account of the server.
type User struct {
	ID    string // a UUID
	Email string // as passed to AddUser
}

// A Session is a session of the server, without its token.
type Session struct {
	User     User
	IssuedAt time.Time // when the log-in was, by the server's clock
	Expiry   time.Time // when it ends by itself
}

// A Mail is the message that the owner of an account gets after a request for a reset.
type Mail struct {
	Email  string
	Code   string // confirms the reset, once
	UserID string
	Link   string // has Code in its path, and UserID as the query parameter user_id; see WithResetPage
}

var (
	errCredentials = &apiError{
		http.StatusUnauthorized, "invalid_credentials", "Wrong e-mail or password.",
		"No account has this e-mail and password.",
	}
	errLocked    = &apiError{http.StatusForbidden, "forbidden", "The account is locked.", "Contact support."}
	errNoSession = &apiError{
		http.StatusUnauthorized, "no_session", "You are not logged in.", "The session is missing or has ended.",
	}
	// One error for all, so that nobody learns which codes and users there are.
	errCode = &apiError{
		http.StatusBadRequest, "invalid_code", "The reset cannot be confirmed.",
		"The code is wrong, used, expired, or another user's.",
	}
)

// accounts is the state of the fake provider.
type accounts struct {
	now             func() time.Time
	sessionLifetime time.Duration
	codeLifetime    time.Duration
	mailer          func(Mail)
	resetPage       string // the link in a mail begins with it
	sameSite        http.SameSite
	issuer          string // every token and code begins with it, so that the request log can find them all

	mu        sync.RWMutex        // guards the fields below
	byEmail   map[string]*account // by the address in lower case
	users     []*account          // the same accounts, oldest first
	sessions  map[string]grant    // by token
	codes     map[string]grant    // by code
	outbox    []Mail
	passwords map[string]bool // all that accounts have or had, for the request log
}

type account struct {
	user     User
	password [sha256.Size]byte // the hash of the password
	locked   bool
}

// A grant is a session or a code.
type grant struct {
	owner      *account
	begin, end time.Time
}

func newAccounts() *accounts {
	a := &accounts{
		now:             time.Now,
		sessionLifetime: 30 * time.Minute,
		codeLifetime:    time.Hour,
		mailer:          func(Mail) {},
		resetPage:       "https://kalshi.example/reset-password",
		sameSite:        http.SameSiteLaxMode,
		issuer:          rand.Text(),
	}
	a.reset()
	return a
}

// reset removes everything.
func (a *accounts) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byEmail = make(map[string]*account)
	a.users = nil
	a.sessions = make(map[string]grant)
	a.codes = make(map[string]grant)
	a.outbox = nil
	a.passwords = make(map[string]bool)
}

// change calls f with the account that has an address, or nil if none has.
func (a *accounts) change(email string, f func(*account)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a.byEmail[strings.ToLower(email)])
}

// mustChange is change for a method of [Server], which panics where no account has the address.
func (a *accounts) mustChange(method, email string, f func(*account)) {
	a.change(email, func(owner *account) {
		if owner == nil {
			panic(fmt.Sprintf("kalshiauthtest: %s(%q): no account has this address", method, email))
		}
		f(owner)
	})
}

// add adds the account of a user. call is for its panics.
func (a *accounts) add(call string, user User, password string) User {
	added := &account{user: user}
	a.change(user.Email, func(owner *account) {
		if owner != nil {
			panic(fmt.Sprintf("kalshiauthtest: %s: the address has an account already", call))
		}
		if slices.ContainsFunc(a.users, func(other *account) bool { return other.user.ID == user.ID }) {
			panic(fmt.Sprintf("kalshiauthtest: %s: another user has the ID %s", call, user.ID))
		}
		a.byEmail[strings.ToLower(user.Email)] = added
		a.users = append(a.users, added)
		a.setPassword(added, password)
	})
	return added.user
}

// setPassword sets a password and ends the account's sessions and codes. The caller holds a.mu.
func (a *accounts) setPassword(owner *account, password string) {
	owner.password = sha256.Sum256([]byte(password))
	a.passwords[password] = true
	deleteOf(a.sessions, owner)
	deleteOf(a.codes, owner)
}

func (a *accounts) listUsers() []User {
	a.mu.RLock()
	defer a.mu.RUnlock()
	users := make([]User, len(a.users))
	for i, account := range a.users {
		users[i] = account.user
	}
	return users
}

func (a *accounts) isLocked(email string) (locked bool) {
	a.change(email, func(owner *account) { locked = owner != nil && owner.locked })
	return locked
}

// listSessions returns the sessions that have not ended, oldest first.
func (a *accounts) listSessions() []Session {
	now := a.now()
	a.mu.RLock()
	var alive []Session
	for _, session := range a.sessions {
		if now.Before(session.end) {
			alive = append(alive, Session{session.owner.user, session.begin, session.end})
		}
	}
	a.mu.RUnlock()
	slices.SortFunc(alive, func(x, y Session) int {
		return cmp.Or(x.IssuedAt.Compare(y.IssuedAt), cmp.Compare(x.User.Email, y.User.Email))
	})
	return alive
}

func (a *accounts) expireSessions() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.sessions)
}

func (a *accounts) mails() []Mail {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return slices.Clone(a.outbox)
}

func (a *accounts) clearMails() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.outbox = nil
}

// secrets returns the texts that the request log must not show.
func (a *accounts) secrets() redact.Secrets {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return append(redact.Secrets{a.issuer}, slices.Collect(maps.Keys(a.passwords))...)
}

// login begins a session.
func (a *accounts) login(email, password string) (user User, token string, refused *apiError) {
	hash := sha256.Sum256([]byte(password))
	token, now := a.issuer+rand.Text(), a.now()
	// One lock for the check and the new session: otherwise, a reset in between would not end the session.
	a.change(email, func(owner *account) {
		known := owner != nil
		if !known {
			owner = new(account) // compared too, so that the time taken does not tell whether the account exists
		}
		switch {
		case subtle.ConstantTimeCompare(hash[:], owner.password[:]) != 1 || !known:
			refused = errCredentials
		case owner.locked:
			refused = errLocked
		default:
			user = owner.user
			a.sessions[token] = grant{owner, now, now.Add(a.sessionLifetime)}
		}
	})
	return user, token, refused
}

// session returns the user whose session has this token, if the session has not ended.
func (a *accounts) session(token string) (User, bool) {
	now := a.now()
	a.mu.RLock()
	session, ok := a.sessions[token]
	a.mu.RUnlock()
	if !ok || !now.Before(session.end) {
		return User{}, false
	}
	return session.owner.user, true
}

// logout ends the session of a token.
func (a *accounts) logout(token string) (refused *apiError) {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	session, ok := a.sessions[token]
	delete(a.sessions, token)
	if !ok || !now.Before(session.end) {
		return errNoSession
	}
	return nil
}

// mailCode mails a code to the owner of an address, if it has one.
func (a *accounts) mailCode(email string) {
	mail := Mail{Code: a.issuer + rand.Text()}
	now := a.now()
	a.change(email, func(owner *account) {
		if owner == nil {
			return
		}
		mail.Email, mail.UserID = owner.user.Email, owner.user.ID
		mail.Link = a.resetPage + "/" + mail.Code + "?user_id=" + url.QueryEscape(mail.UserID)
		a.codes[mail.Code] = grant{owner, now, now.Add(a.codeLifetime)}
		a.outbox = append(a.outbox, mail)
	})
	if mail.Email != "" {
		a.mailer(mail) // without the lock, since it may call the server
	}
}

// resetPassword sets a user's password, if the code was mailed to that user.
func (a *accounts) resetPassword(code, userID, password string) (refused *apiError) {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	granted, ok := a.codes[code]
	if !ok || !now.Before(granted.end) || !strings.EqualFold(granted.owner.user.ID, userID) {
		return errCode
	}
	a.setPassword(granted.owner, password)
	return nil
}

func deleteOf(grants map[string]grant, owner *account) {
	maps.DeleteFunc(grants, func(_ string, g grant) bool { return g.owner == owner })
}
