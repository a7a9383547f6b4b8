package kalshiauthtest

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/kalshiauth/kalshiauth-go/gen/server"
)

// WriteError answers with an error in both documented forms, headers and body, as the server does. It is for handlers
// of [Server.Handle].
func WriteError(w http.ResponseWriter, status int, code, message, details string) {
	if status < 400 || status > 599 {
		panic(fmt.Sprintf("kalshiauthtest: WriteError(%d): not the status of an error", status))
	}
	(&apiError{status, code, message, details}).write(w)
}

// done answers with a success without a body or, if refused is not nil, with that error.
func done(w http.ResponseWriter, status int, refused *apiError) {
	if refused != nil {
		refused.write(w)
		return
	}
	w.WriteHeader(status)
}

// An apiError is an error of the API.
type apiError struct {
	status                 int
	code, message, details string
}

// write answers with an error in both documented forms: headers and body.
func (e *apiError) write(w http.ResponseWriter) {
	body := server.JSONError{Code: e.code, Message: e.message, Details: e.details, Service: "users"}
	header := w.Header()
	header.Set("code", body.Code)
	header.Set("message", body.Message)
	header.Set("details", body.Details)
	header.Set("service", body.Service)
	writeJSON(w, e.status, body)
}

func badRequest(details string) *apiError {
	return &apiError{http.StatusBadRequest, "invalid_parameters", "The request is not valid.", details}
}

// wrongParameter does not show err, which quotes the parameter.
func wrongParameter(w http.ResponseWriter, _ *http.Request, _ error) {
	badRequest("parameters: one is malformed").write(w)
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	(&apiError{http.StatusNotFound, "not_found", "There is nothing here.", "No operation has this path."}).write(w)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) //nolint:errchkjson // fails only if the client has disconnected
}

func hasBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}
