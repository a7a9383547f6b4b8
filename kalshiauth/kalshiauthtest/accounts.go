package kalshiauthtest

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// A User is an account of the server.
type User struct {
	ID    string // a UUID
	Email string
}

// A Mail is what the owner of an account gets who asks for a new password.
type Mail struct {
	Email  string
	Code   string // what confirms the reset, once
	UserID string
	Link   string // has the code in its path, and the user's ID as the query parameter user_id; leads nowhere
}

// accounts is what the provider remembers.
type accounts struct {
	now             func() time.Time
	sessionLifetime time.Duration
	codeLifetime    time.Duration
	mailer          func(Mail)

	mu       sync.RWMutex        // guards what follows
	byEmail  map[string]*account // by the address in lower case
	sessions map[string]grant    // by token
	codes    map[string]grant    // by code
	outbox   []Mail
}

type account struct {
	user     User
	password [sha256.Size]byte // its hash
}

// A grant is a session or a code.
type grant struct {
	owner *account
	end   time.Time
}

func newAccounts() *accounts {
	return &accounts{
		now:             time.Now,
		sessionLifetime: 30 * time.Minute,
		codeLifetime:    time.Hour,
		mailer:          func(Mail) {},
		byEmail:         make(map[string]*account),
		sessions:        make(map[string]grant),
		codes:           make(map[string]grant),
	}
}

// AddUser adds an account. It panics if the e-mail address has one already, in upper or lower case, and if address or
// password are ones with which nobody could log in.
func (s *Server) AddUser(email, password string) User {
	if problem := cmp.Or(wrongEmail(email), wrongPassword(password)); problem != "" {
		panic(fmt.Sprintf("kalshiauthtest: AddUser(%q): %s", email, problem))
	}
	a, key := s.accounts, strings.ToLower(email)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byEmail[key] != nil {
		panic(fmt.Sprintf("kalshiauthtest: AddUser(%q): the address has an account already", email))
	}
	added := &account{user: User{ID: uuid.NewString(), Email: email}, password: sha256.Sum256([]byte(password))}
	a.byEmail[key] = added
	return added.user
}

// Outbox returns the mails that were sent, the oldest first.
func (s *Server) Outbox() []Mail {
	s.accounts.mu.RLock()
	defer s.accounts.mu.RUnlock()
	return slices.Clone(s.accounts.outbox)
}

// Sessions returns how many sessions are alive.
func (s *Server) Sessions() int {
	a, now, alive := s.accounts, s.accounts.now(), 0
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, session := range a.sessions {
		if now.Before(session.end) {
			alive++
		}
	}
	return alive
}

// ExpireSessions ends all sessions, as if their lifetime were over.
func (s *Server) ExpireSessions() {
	s.accounts.mu.Lock()
	defer s.accounts.mu.Unlock()
	clear(s.accounts.sessions)
}

// login begins a session, if the password is right.
func (a *accounts) login(email, password string) (user User, token string, ok bool) {
	hash := sha256.Sum256([]byte(password))
	token, end := rand.Text(), a.now().Add(a.sessionLifetime)
	// One lock from the check to the session: a reset in between would not end it.
	a.mu.Lock()
	defer a.mu.Unlock()
	owner, known := a.byEmail[strings.ToLower(email)]
	if !known {
		owner = new(account) // compared all the same, so that the time taken tells nothing
	}
	if subtle.ConstantTimeCompare(hash[:], owner.password[:]) != 1 || !known {
		return User{}, "", false
	}
	a.sessions[token] = grant{owner, end}
	return owner.user, token, true
}

// session returns whose session a token is, if it is alive.
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

// logout ends the session of a token, and reports whether it was alive.
func (a *accounts) logout(token string) bool {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	session, ok := a.sessions[token]
	delete(a.sessions, token)
	return ok && now.Before(session.end)
}

// mailCode mails a code to the owner of an address, if it has one.
func (a *accounts) mailCode(email string) {
	mail := Mail{Code: rand.Text()}
	end := a.now().Add(a.codeLifetime)
	a.mu.Lock()
	owner := a.byEmail[strings.ToLower(email)]
	if owner == nil {
		a.mu.Unlock()
		return
	}
	mail.Email, mail.UserID = owner.user.Email, owner.user.ID
	mail.Link = "https://kalshi.example/reset-password/" + mail.Code + "?user_id=" + url.QueryEscape(mail.UserID)
	a.codes[mail.Code] = grant{owner, end}
	a.outbox = append(a.outbox, mail)
	a.mu.Unlock()
	a.mailer(mail) // without the lock: it may ask the server
}

// resetPassword sets a user's password, if the code is theirs, and ends what the old one or its reset had granted.
func (a *accounts) resetPassword(code, userID, password string) bool {
	hash, now := sha256.Sum256([]byte(password)), a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	granted, ok := a.codes[code]
	if !ok || !now.Before(granted.end) || !strings.EqualFold(granted.owner.user.ID, userID) {
		return false
	}
	granted.owner.password = hash
	deleteOf(a.sessions, granted.owner)
	deleteOf(a.codes, granted.owner)
	return true
}

func deleteOf(grants map[string]grant, owner *account) {
	for secret, g := range grants {
		if g.owner == owner {
			delete(grants, secret)
		}
	}
}
