package robustness

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// LoginBody is the answer of a log-in.
const LoginBody = `{"user_id":"` + UserID + `","token":"` + Token + `","access_level":"trading"}`

// AllVerbs are the verbs of fmt. With MethodVerbs fmt calls methods; with the other ones, only fields of kinds that it
// does not follow are safe.
const (
	MethodVerbs = "vsqxXdobcUeEfFgGtT"
	AllVerbs    = MethodVerbs + "pw"
)

// Sentinels are all that an error of a call can be, by their names.
var Sentinels = map[string]error{
	"ErrInvalidInput": kalshiauth.ErrInvalidInput, "ErrNoSession": kalshiauth.ErrNoSession,
	"ErrBadRequest": kalshiauth.ErrBadRequest, "ErrUnauthorized": kalshiauth.ErrUnauthorized,
	"ErrForbidden": kalshiauth.ErrForbidden, "ErrRateLimited": kalshiauth.ErrRateLimited,
	"ErrServer": kalshiauth.ErrServer, "ErrUnavailable": kalshiauth.ErrUnavailable,
	"ErrUnexpectedResponse": kalshiauth.ErrUnexpectedResponse,
}

// Kinds names the sentinels that an error is, in alphabetical order.
func Kinds(err error) string {
	var names []string
	for name, sentinel := range Sentinels {
		if errors.Is(err, sentinel) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// NewClient returns a new client.
func NewClient(tb testing.TB, opts ...kalshiauth.Option) *kalshiauth.Client {
	tb.Helper()
	client, err := kalshiauth.New(opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

// RoundTripper is a transport in memory.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f RoundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Answering has handler answer requests, without a network, so that time can be faked.
func Answering(handler http.Handler) RoundTripper {
	return func(req *http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		resp := rec.Result()
		resp.Request = req
		return resp, req.Context().Err()
	}
}

// InMemory has the requests of a client answered by handler, as [Answering] does.
func InMemory(handler http.Handler) kalshiauth.Option {
	return kalshiauth.WithHTTPClient(&http.Client{Transport: Answering(handler)})
}

// Reply answers every request alike, with JSON unless a header says otherwise. headers are "Name: value".
func Reply(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Add(name, value)
		}
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", jsonType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Renderings returns v in each way that programs print things.
func Renderings(v any, verbs string) map[string]string {
	out := map[string]string{}
	for _, verb := range verbs {
		for _, flag := range []string{"", "+", "#", "-", "# "} {
			format := "%" + flag + string(verb)
			out[format] = fmt.Sprintf(format, v)
		}
	}
	var text, js strings.Builder
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&js, nil)).Info("x", "v", v)
	out["slog text"], out["slog JSON"] = text.String(), js.String()
	data, err := json.Marshal(v)
	out["JSON"] = fmt.Sprint(string(data), err)
	data, err = xml.Marshal(v)
	out["XML"] = fmt.Sprint(string(data), err)
	func() {
		defer func() { out["panic"] = fmt.Sprint(recover()) }()
		panic(v)
	}()
	return out
}

// AssertNoSecret renders v and each error that it wraps, and looks for the secrets.
func AssertNoSecret(tb testing.TB, what string, v any, verbs string, secrets ...string) {
	tb.Helper()
	if found := Shown(v, verbs, secrets); found != nil {
		tb.Errorf("%s shows a secret in %d ways, such as %.500q", what, len(found), found[0])
	}
}

// Shown returns the renderings of v, and of each error that it wraps, that have a secret.
func Shown(v any, verbs string, secrets []string) (found []string) {
	for how, text := range Renderings(v, verbs) {
		if slices.ContainsFunc(secrets, func(secret string) bool {
			path, query := url.PathEscape(secret), url.QueryEscape(secret)
			return slices.ContainsFunc([]string{
				secret, path, query, strings.ToLower(path), strings.ToLower(query),
				fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret),
			}, func(form string) bool { return strings.Contains(text, form) })
		}) {
			found = append(found, how+": "+text)
		}
	}
	switch err := v.(type) {
	case interface{ Unwrap() error }:
		if err.Unwrap() != nil {
			found = append(found, Shown(err.Unwrap(), verbs, secrets)...)
		}
	case interface{ Unwrap() []error }:
		for _, e := range err.Unwrap() {
			found = append(found, Shown(e, verbs, secrets)...)
		}
	}
	return found
}
