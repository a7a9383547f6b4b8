// Package fakeserver serves the fake server of kalshiauthtest to programs in any language: the API, an example of an
// endpoint with a session, the document, and an interface that controls the server.
package fakeserver

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// A User is an account that exists from the start, and again after a reset.
type User struct {
	ID       string // "": a new one
	Email    string
	Password string
}

// A Config says what to serve.
type Config struct {
	BaseURL         string // of the API, as clients on this machine call it
	Prefix          string // the path of BaseURL
	Users           []User
	SessionLifetime time.Duration
	Mailer          func(kalshiauthtest.Mail)
	Origins         []string // of the pages that may call the API from a browser; see [CheckOrigin]
	ControlHosts    []string // hosts by which other machines may call the control interface
	CrossSite       bool     // the pages may be of other sites, which needs TLS
}

// A Server is the fake server with what is around it.
type Server struct {
	config  *Config
	fake    *kalshiauthtest.Server
	api     http.Handler
	control *http.ServeMux
	faults  faults
	token   string // what the forms of the pages send, so that no other page can send them

	changes sync.Mutex // held during a change of several steps
	users   []User     // of the configuration, with their IDs
}

// New returns a server. The caller must have checked the configuration, which must not change any more, and must call
// [Server.Close].
func New(config *Config) (*Server, error) {
	opts := []kalshiauthtest.Option{
		kalshiauthtest.WithSessionLifetime(config.SessionLifetime), kalshiauthtest.WithMailer(config.Mailer),
		kalshiauthtest.WithResetPage(strings.TrimSuffix(config.BaseURL, config.Prefix) + ControlPath + "reset-password"),
		kalshiauthtest.WithPathPrefix(config.Prefix),
	}
	if config.CrossSite {
		opts = append(opts, kalshiauthtest.WithCookieSameSite(http.SameSiteNoneMode))
	}
	s := &Server{config: config, fake: kalshiauthtest.NewUnstartedServer(opts...), token: rand.Text()}
	s.users = slices.Clone(config.Users)
	if err := s.addUsers(); err != nil {
		return nil, err
	}
	s.fake.Intercept(s.faults.intercept)
	s.fake.Handle(balancePattern, http.HandlerFunc(balance))
	s.api = s.withCORS(http.HandlerFunc(s.serveAPI))
	s.control = s.newControl()
	return s, nil
}

// Users returns the users of the configuration, with their IDs.
func (s *Server) Users() []User { return slices.Clone(s.users) }

// Close ends the faults that hang.
func (s *Server) Close() { s.fake.Close() }

// ServeHTTP serves the control interface, the document, and the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, ControlPath):
		s.serveControl(w, r)
	case r.URL.Path+"/" == ControlPath:
		http.Redirect(w, r, ControlPath, http.StatusMovedPermanently)
	default:
		s.api.ServeHTTP(w, r)
	}
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == documentPath {
		s.serveDocument(w, r)
		return
	}
	s.fake.Handler().ServeHTTP(w, r)
}

// addUsers adds the users of the configuration, and stores the IDs that they get.
func (s *Server) addUsers() error {
	for i := range s.users {
		user := &s.users[i]
		added, err := add(s.fake, *user)
		if err != nil {
			return fmt.Errorf("%s: %w", user.Email, err)
		}
		user.ID = added.ID
	}
	return nil
}

// CheckUsers returns an error if a server cannot have these users.
func CheckUsers(users []User) error {
	fake := kalshiauthtest.NewUnstartedServer()
	defer fake.Close()
	return (&Server{fake: fake, users: slices.Clone(users)}).addUsers()
}

func add(fake *kalshiauthtest.Server, user User) (added kalshiauthtest.User, err error) {
	err = Catch(func() {
		if user.ID == "" {
			added = fake.AddUser(user.Email, user.Password)
		} else {
			added = fake.AddUserWithID(user.ID, user.Email, user.Password)
		}
	})
	return added, err
}

// Catch returns the text of a panic of kalshiauthtest about an invalid argument, without the name of the function.
func Catch(call func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case string:
			_, problem, found := strings.Cut(p, "): ")
			if !found {
				problem = p
			}
			err = errors.New(problem)
		default:
			panic(p)
		}
	}()
	call()
	return nil
}

const balancePattern = "GET /users/{user_id}/balance"

// balance is an example of an endpoint that needs a session.
func balance(w http.ResponseWriter, r *http.Request) {
	user, _ := kalshiauthtest.UserFromContext(r.Context())
	if !strings.EqualFold(r.PathValue("user_id"), user.ID) {
		kalshiauthtest.WriteError(w, http.StatusForbidden, "forbidden", "This is not your account.",
			"The session is another user's.")
		return
	}
	writeJSON(w, http.StatusOK, map[string]int{"balance": 100_000})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // fails only if the client has disconnected
}

// origin returns the scheme and host by which r was called.
func origin(r *http.Request) string {
	u := url.URL{Scheme: "http", Host: r.Host}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	return u.String()
}
