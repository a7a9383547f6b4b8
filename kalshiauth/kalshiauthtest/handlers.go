package kalshiauthtest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/kalshiauth/kalshiauth-go/gen/server"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

const accessLevel = "trading"

// handlers serves the operations of the document, behind a [gate]. The gate has checked that the request follows the
// document and has a session if the operation requires one; callerOf returns its user. The package does not compile
// until handlers has a method for each operation.
type handlers struct {
	accounts *accounts
	doc      *document.Document
}

var _ server.ServerInterface = handlers{}

func (h handlers) Login(w http.ResponseWriter, r *http.Request) {
	in, ok := decode[server.LoginRequest](w, r)
	if !ok {
		return
	}
	user, token, refused := h.accounts.login(in.Email, in.Password)
	if refused != nil {
		refused.write(w)
		return
	}
	sameSite := h.accounts.sameSite
	if r.TLS == nil && sameSite == http.SameSiteNoneMode {
		sameSite = http.SameSiteLaxMode // a browser would drop the cookie
	}
	for _, scheme := range h.doc.Schemes {
		if scheme.In == "cookie" {
			http.SetCookie(w, &http.Cookie{
				Name: scheme.Name, Value: token, Path: "/", HttpOnly: true, SameSite: sameSite, Secure: r.TLS != nil,
			})
		}
	}
	writeJSON(w, http.StatusOK, server.LoginResponse{UserID: user.ID, Token: token, AccessLevel: accessLevel})
}

func (h handlers) Logout(w http.ResponseWriter, r *http.Request) {
	done(w, http.StatusNoContent, h.accounts.logout(callerOf(r).token))
}

func (h handlers) ResetPassword(w http.ResponseWriter, r *http.Request) {
	if in, ok := decode[server.ResetPasswordRequest](w, r); ok {
		h.accounts.mailCode(in.Email)
		w.WriteHeader(http.StatusAccepted)
	}
}

func (h handlers) ResetPasswordConfirm(w http.ResponseWriter, r *http.Request, code string) {
	if in, ok := decode[server.ConfirmPasswordResetRequest](w, r); ok {
		done(w, http.StatusNoContent, h.accounts.resetPassword(code, in.UserID, in.Password))
	}
}

// decode returns the body of a checked request, if there is one. It answers with a 400 if T cannot hold a value that
// the document allows, such as a number that is too large.
func decode[T any](w http.ResponseWriter, r *http.Request) (in T, ok bool) {
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil && !errors.Is(err, io.EOF) {
		badRequest("body: not what this operation takes").write(w)
		return in, false
	}
	return in, true
}
