package kalshiauthtest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/mail"
	"strings"
	"unicode/utf8"

	"github.com/kalshiauth/kalshiauth-go/gen"
	"github.com/kalshiauth/kalshiauth-go/gen/server"
)

const (
	cookieName  = "sessions" // the document's security scheme cookie
	accessLevel = "trading"
	minPassword = 6 // the document's minLength, in characters
	maxBody     = 64 << 10
)

// handlers serves the operations of the document. A new operation does not compile until it is served.
type handlers struct{ accounts *accounts }

var _ server.ServerInterface = handlers{}

func (h handlers) Login(w http.ResponseWriter, r *http.Request) {
	in, ok := decode(w, r, func(in gen.LoginRequest) string {
		return cmp.Or(wrongEmail(in.Email), wrongPassword(in.Password))
	})
	if !ok {
		return
	}
	user, token, ok := h.accounts.login(in.Email, in.Password)
	if !ok {
		writeError(w, http.StatusUnauthorized, "invalid_credentials", "Wrong e-mail or password.",
			"No account has this e-mail and password.")
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
	})
	writeJSON(w, http.StatusOK, gen.LoginResponse{UserID: user.ID, Token: token, AccessLevel: accessLevel})
}

func (h handlers) Logout(w http.ResponseWriter, r *http.Request) {
	if !h.accounts.logout(presented(r)) {
		noSession(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h handlers) ResetPassword(w http.ResponseWriter, r *http.Request) {
	in, ok := decode(w, r, func(in gen.ResetPasswordRequest) string { return wrongEmail(in.Email) })
	if !ok {
		return
	}
	h.accounts.mailCode(in.Email)
	w.WriteHeader(http.StatusAccepted)
}

func (h handlers) ResetPasswordConfirm(w http.ResponseWriter, r *http.Request, code string) {
	in, ok := decode(w, r, func(in gen.ConfirmPasswordResetRequest) string { return wrongPassword(in.Password) })
	if !ok {
		return
	}
	if !h.accounts.resetPassword(code, in.UserID, in.Password) {
		// One answer for all, so that nobody learns which codes and users there are.
		writeError(w, http.StatusBadRequest, "invalid_code", "The reset cannot be confirmed.",
			"The code is wrong, used, expired, or another user's.")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

type userKey struct{}

// UserFromContext returns who is logged in, from the context of a request to a handler of [Server.Handle].
func UserFromContext(ctx context.Context) (User, bool) {
	user, ok := ctx.Value(userKey{}).(User)
	return user, ok
}

func (a *accounts) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := a.session(presented(r))
		if !ok {
			noSession(w)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
	})
}

// presented returns the token that a request presents, if any. An Authorization header decides alone: a program sets it
// on purpose, while a cookie may be an older session's that a jar still sends.
func presented(r *http.Request) string {
	if authorization := r.Header.Get("Authorization"); authorization != "" {
		switch words := strings.Fields(authorization); len(words) {
		case 1:
			return words[0]
		case 2: // the first is a scheme, such as Bearer
			return words[1]
		}
		return ""
	}
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// decode reads the JSON body of a request. If it is not what the operation takes, or problem finds one, decode answers
// with a 400 that quotes nothing, since the body may hold a secret. Fields that nobody knows are no mistake, as models
// are open; a field that is missing is empty, which is for problem to find.
func decode[T any](w http.ResponseWriter, r *http.Request, problem func(T) string) (in T, ok bool) {
	details := readJSON(w, r, &in)
	if details == "" {
		details = problem(in)
	}
	if details != "" {
		badRequest(w, details)
	}
	return in, details == ""
}

func readJSON(w http.ResponseWriter, r *http.Request, in any) (problem string) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return "Content-Type: not application/json"
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return fmt.Sprintf("body: cannot be read, or has more than %d bytes", maxBody)
	}
	if err := json.Unmarshal(body, in); err != nil {
		return "body: not the JSON object that this operation takes"
	}
	return ""
}

func wrongEmail(email string) (problem string) {
	// The comparison refuses "Trader <trader@example.com>", which has an address, but is none.
	if addr, err := mail.ParseAddress(email); err != nil || addr.String() != "<"+email+">" {
		return "email: not an e-mail address"
	}
	return ""
}

func wrongPassword(password string) (problem string) {
	if utf8.RuneCountInString(password) < minPassword {
		return fmt.Sprintf("password: at least %d characters", minPassword)
	}
	return ""
}

func badRequest(w http.ResponseWriter, details string) {
	writeError(w, http.StatusBadRequest, "invalid_parameters", "The request is not valid.", details)
}

// wrongParameter does not show err, which quotes the code.
func wrongParameter(w http.ResponseWriter, _ *http.Request, _ error) {
	badRequest(w, "path: a parameter is malformed")
}

func noSession(w http.ResponseWriter) {
	writeError(w, http.StatusUnauthorized, "no_session", "You are not logged in.", "The session is missing or over.")
}

// writeError answers with an error in both forms that the document has: headers and body.
func writeError(w http.ResponseWriter, status int, code, message, details string) {
	e := gen.JSONError{Code: code, Message: message, Details: details, Service: "users"}
	header := w.Header()
	header.Set("code", e.Code)
	header.Set("message", e.Message)
	header.Set("details", e.Details)
	header.Set("service", e.Service)
	writeJSON(w, status, e)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) //nolint:errchkjson // fails only if the client has left
}
