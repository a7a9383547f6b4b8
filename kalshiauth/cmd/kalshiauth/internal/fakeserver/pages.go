package fakeserver

import (
	"bytes"
	"context"
	"crypto/subtle"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

//go:embed pages
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"clock": func(t time.Time) string { return t.UTC().Format(time.TimeOnly) },
	"stamp": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
}).ParseFS(files, "pages/*.html"))

// lastRequests is how many requests the overview shows.
const lastRequests = 20

// An overview is what the page for a person shows.
type overview struct {
	BaseURL  string
	Token    string
	Users    []shownUser
	Sessions []shownSession
	Mails    []shownMail
	Faults   []shownFault
	Requests []shownRequest
}

func (s *Server) showOverview(w http.ResponseWriter, r *http.Request) error {
	requests := s.shownRequests()
	requests = requests[max(0, len(requests)-lastRequests):]
	slices.Reverse(requests)
	mails := s.shownMails()
	slices.Reverse(mails)
	return show(w, http.StatusOK, "overview.html", overview{
		origin(r) + s.config.Prefix, s.token, s.shownUsers(), s.shownSessions(), mails, s.shownFaults(), requests,
	})
}

func (s *Server) showStyle(w http.ResponseWriter, _ *http.Request) error {
	data, err := files.ReadFile("pages/style.css")
	if err != nil {
		return fmt.Errorf("the style: %w", err)
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(data)
	return nil
}

func (s *Server) endSessionsByForm(w http.ResponseWriter, r *http.Request) error {
	if err := s.parseForm(w, r); err != nil {
		return err
	}
	s.fake.ExpireSessions()
	http.Redirect(w, r, ControlPath, http.StatusSeeOther)
	return nil
}

// A resetForm is what the page behind the link in a mail shows.
type resetForm struct {
	Token   string
	Code    string
	UserID  string
	Email   string // for a password manager; "": there is no such user
	Problem string
}

// newResetForm returns the form for a code in the path of r.
func (s *Server) newResetForm(r *http.Request, userID string) resetForm {
	form := resetForm{Token: s.token, Code: r.PathValue("code"), UserID: userID}
	for _, user := range s.fake.Users() {
		if strings.EqualFold(user.ID, userID) {
			form.Email = user.Email
		}
	}
	return form
}

func (s *Server) showResetForm(w http.ResponseWriter, r *http.Request) error {
	return show(w, http.StatusOK, "reset.html", s.newResetForm(r, r.URL.Query().Get("user_id")))
}

// confirmByForm calls the API, as the provider's own page does, so that the request is in the log, and faults happen.
func (s *Server) confirmByForm(w http.ResponseWriter, r *http.Request) error {
	if err := s.parseForm(w, r); err != nil {
		return err
	}
	form := s.newResetForm(r, r.PostForm.Get("user_id"))
	err := s.confirm(r.Context(), kalshiauth.PasswordResetConfirmation{
		Code: form.Code, UserID: form.UserID, NewPassword: r.PostForm.Get("password"),
	})
	if err == nil {
		http.Redirect(w, r, ControlPath+"password-set", http.StatusSeeOther)
		return nil
	}
	status, answer := http.StatusBadGateway, new(kalshiauth.Error)
	switch {
	case errors.Is(err, kalshiauth.ErrInvalidInput):
		status = http.StatusBadRequest
		_, form.Problem, _ = strings.Cut(err.Error(), kalshiauth.ErrInvalidInput.Error()+": ")
	case errors.As(err, &answer):
		if answer.StatusCode >= 400 {
			status = answer.StatusCode
		}
		form.Problem = strings.TrimSpace(fmt.Sprintf("The API answered with the status %d. %s %s", answer.StatusCode,
			answer.Message, answer.Details))
	default:
		form.Problem = "The API did not answer."
	}
	return show(w, status, "reset.html", form)
}

func (s *Server) confirm(ctx context.Context, confirmation kalshiauth.PasswordResetConfirmation) error {
	client, err := kalshiauth.New(
		kalshiauth.WithBaseURL(s.config.BaseURL), kalshiauth.WithInsecureHTTP(), kalshiauth.WithRetries(0),
		kalshiauth.WithHTTPClient(&http.Client{Transport: s.fake.Transport()}),
	)
	if err != nil {
		return fmt.Errorf("a client of the API: %w", err)
	}
	return client.ResetPasswordConfirm(ctx, confirmation)
}

func (s *Server) showPasswordSet(w http.ResponseWriter, _ *http.Request) error {
	return show(w, http.StatusOK, "set.html", nil)
}

// parseForm parses a form of one of the pages. No other page knows the token.
func (s *Server) parseForm(w http.ResponseWriter, r *http.Request) error {
	if err := checkType(r, "application/x-www-form-urlencoded"); err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return invalid(errors.New("the form cannot be read: open the page again"))
	}
	if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("token")), []byte(s.token)) != 1 {
		return &problem{http.StatusForbidden, "the form is not one of this server: open the page again"}
	}
	return nil
}

// show answers with a page.
func show(w http.ResponseWriter, status int, name string, data any) error {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name, data); err != nil {
		return fmt.Errorf("the page: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
	return nil
}
