package fakeserver

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A shownUser is a user in an answer.
type shownUser struct {
	UserID   string `json:"user_id"`
	Email    string `json:"email"`
	Locked   bool   `json:"locked"`
	Password string `json:"password,omitempty"` // only one that the server made, and only once
}

func (s *Server) shownUsers() []shownUser {
	all := []shownUser{}
	for _, user := range s.fake.Users() {
		all = append(all, shownUser{UserID: user.ID, Email: user.Email, Locked: s.fake.Locked(user.Email)})
	}
	return all
}

func (s *Server) listUsers(w http.ResponseWriter, r *http.Request) error {
	return list(w, r, "users", s.shownUsers())
}

// list answers with a list.
func list(w http.ResponseWriter, r *http.Request, name string, all any) error {
	if err := checkEmpty(w, r); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{name: all})
	return nil
}

// do does something that has no result.
func do(w http.ResponseWriter, r *http.Request, change func()) error {
	if err := checkEmpty(w, r); err != nil {
		return err
	}
	change()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// A newUser is a user to add.
type newUser struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	UserID   string `json:"user_id"`
}

func (s *Server) addUser(w http.ResponseWriter, r *http.Request) error {
	in, given, err := decode[newUser](w, r)
	if err != nil {
		return err
	}
	if !given["email"] {
		return invalid(errors.New("the field email is missing: give the address of the new user"))
	}
	var made string
	if !given["password"] {
		made = rand.Text()
		in.Password = made
	}
	if given["user_id"] && in.UserID == "" {
		return invalid(errors.New("user_id is empty: give a UUID, or leave it out"))
	}
	s.changes.Lock()
	defer s.changes.Unlock()
	added, err := add(s.fake, User{in.UserID, in.Email, in.Password})
	if err != nil {
		return invalid(fmt.Errorf("the user cannot be added: %w", err))
	}
	writeJSON(w, http.StatusCreated, shownUser{UserID: added.ID, Email: added.Email, Password: made})
	return nil
}

// A userChange is what can be changed of a user.
type userChange struct {
	Password string `json:"password"`
	Locked   bool   `json:"locked"`
}

func (s *Server) changeUser(w http.ResponseWriter, r *http.Request) error {
	in, given, err := decode[userChange](w, r)
	if err != nil {
		return err
	}
	if len(given) == 0 {
		return invalid(errors.New("the body has no fields: give password, locked, or both"))
	}
	s.changes.Lock()
	defer s.changes.Unlock()
	email, err := s.emailOf(r)
	if err != nil {
		return err
	}
	if given["password"] {
		if err := Catch(func() { s.fake.SetPassword(email, in.Password) }); err != nil {
			return invalid(err)
		}
	}
	if given["locked"] {
		if in.Locked {
			s.fake.Lock(email)
		} else {
			s.fake.Unlock(email)
		}
	}
	for _, user := range s.shownUsers() {
		if user.Email == email {
			writeJSON(w, http.StatusOK, user)
		}
	}
	return nil
}

// emailOf returns the address of the user in the path. The caller holds s.changes, so that the user stays.
func (s *Server) emailOf(r *http.Request) (string, error) {
	email := r.PathValue("email")
	for _, user := range s.fake.Users() {
		if strings.EqualFold(user.Email, email) {
			return user.Email, checkQuery(r)
		}
	}
	return "", notFound("no user has the address %q: GET %susers lists them", email, ControlPath)
}

// A shownSession is a session in an answer.
type shownSession struct {
	UserID    string    `json:"user_id"`
	Email     string    `json:"email"`
	IssuedAt  time.Time `json:"issued_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (s *Server) shownSessions() []shownSession {
	all := []shownSession{}
	for _, session := range s.fake.SessionList() {
		all = append(all, shownSession{session.User.ID, session.User.Email, session.IssuedAt.UTC(), session.Expiry.UTC()})
	}
	return all
}

func (s *Server) listSessions(w http.ResponseWriter, r *http.Request) error {
	return list(w, r, "sessions", s.shownSessions())
}

func (s *Server) endSessions(w http.ResponseWriter, r *http.Request) error {
	return do(w, r, s.fake.ExpireSessions)
}

func (s *Server) endSessionsOf(w http.ResponseWriter, r *http.Request) error {
	s.changes.Lock()
	defer s.changes.Unlock()
	email, err := s.emailOf(r)
	if err != nil {
		return err
	}
	return do(w, r, func() { s.fake.ExpireSessionsOf(email) })
}

// A shownMail is a mail in an answer.
type shownMail struct {
	Email  string `json:"email"`
	Code   string `json:"code"`
	UserID string `json:"user_id"`
	Link   string `json:"link"`
}

func (s *Server) shownMails() []shownMail {
	all := []shownMail{}
	for _, mail := range s.fake.Outbox() {
		all = append(all, shownMail(mail))
	}
	return all
}

func (s *Server) listMails(w http.ResponseWriter, r *http.Request) error {
	return list(w, r, "mails", s.shownMails())
}

func (s *Server) clearMails(w http.ResponseWriter, r *http.Request) error {
	return do(w, r, s.fake.ClearOutbox)
}

// A shownRequest is a request of the log in an answer.
type shownRequest struct {
	ID        string      `json:"id"`
	Time      time.Time   `json:"time"`
	Method    string      `json:"method"`
	Path      string      `json:"path"`
	Query     string      `json:"query"`
	Operation string      `json:"operation"`
	Status    int         `json:"status"`
	Header    http.Header `json:"headers"`
	Body      string      `json:"body"`
}

func (s *Server) shownRequests() []shownRequest {
	all := []shownRequest{}
	log := s.fake.RequestLog()
	for i := range log {
		log[i].Time = log[i].Time.UTC()
		all = append(all, shownRequest(log[i]))
	}
	return all
}

func (s *Server) listRequests(w http.ResponseWriter, r *http.Request) error {
	return list(w, r, "requests", s.shownRequests())
}

func (s *Server) clearRequests(w http.ResponseWriter, r *http.Request) error {
	return do(w, r, s.fake.ClearRequestLog)
}

// A shownFault is a fault in an answer.
type shownFault struct {
	ID int `json:"id"`
	faultRequest

	Hits int64 `json:"hits"`
}

func shown(f *fault) shownFault { return shownFault{f.id, f.faultRequest, f.hits.Load()} }

func (s *Server) shownFaults() []shownFault {
	all := []shownFault{}
	for _, f := range s.faults.all() {
		all = append(all, shown(f))
	}
	return all
}

func (s *Server) listFaults(w http.ResponseWriter, r *http.Request) error {
	return list(w, r, "faults", s.shownFaults())
}

func (s *Server) addFault(w http.ResponseWriter, r *http.Request) error {
	in, given, err := decode[faultRequest](w, r)
	if err != nil {
		return err
	}
	f, err := newFault(&in, given, s.config.Prefix)
	if err != nil {
		return invalid(err)
	}
	s.faults.add(f)
	writeJSON(w, http.StatusCreated, shown(f))
	return nil
}

func (s *Server) clearFaults(w http.ResponseWriter, r *http.Request) error {
	return do(w, r, s.faults.clear)
}

func (s *Server) removeFault(w http.ResponseWriter, r *http.Request) error {
	if err := checkEmpty(w, r); err != nil {
		return err
	}
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !s.faults.remove(id) {
		return notFound("there is no fault %q: GET %sfaults lists them", r.PathValue("id"), ControlPath)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// reset makes everything as it was at the start.
func (s *Server) reset(w http.ResponseWriter, r *http.Request) (err error) {
	s.changes.Lock()
	defer s.changes.Unlock()
	return do(w, r, func() {
		s.faults.clear()
		s.fake.Reset()
		s.fake.Intercept(s.faults.intercept)
		if err := s.addUsers(); err != nil {
			panic(err) // they were added before
		}
	})
}
