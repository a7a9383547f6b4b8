package kalshiauth_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// With these verbs fmt calls methods; with the other ones, only fields of kinds that it does not follow are safe.
const methodVerbs, allVerbs = "vsqxXdobcUeEfFgGtT", "vsqxXdobcUeEfFgGtTpw"

// renderings is v in each way that programs print things.
func renderings(v any, verbs string) map[string]string {
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

// assertNoSecret renders v and each error that it wraps, and looks for the secrets.
func assertNoSecret(t *testing.T, what string, v any, secrets ...string) {
	t.Helper()
	assertNoSecretIn(t, what, v, allVerbs, secrets...)
}

func assertNoSecretIn(t *testing.T, what string, v any, verbs string, secrets ...string) {
	t.Helper()
	for _, text := range shown(v, verbs, secrets) {
		t.Errorf("%s shows a secret as %s", what, text)
	}
}

// shown returns the renderings of v, and of each error that it wraps, that have a secret.
func shown(v any, verbs string, secrets []string) (found []string) {
	for how, text := range renderings(v, verbs) {
		if slices.ContainsFunc(secrets, func(secret string) bool {
			path, query := url.PathEscape(secret), url.QueryEscape(secret)
			return slices.ContainsFunc([]string{
				secret, path, query, strings.ToLower(path), strings.ToLower(query), fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret),
			}, func(form string) bool { return strings.Contains(text, form) })
		}) {
			found = append(found, how+": "+text)
		}
	}
	switch err := v.(type) {
	case interface{ Unwrap() error }:
		if err.Unwrap() != nil {
			found = append(found, shown(err.Unwrap(), verbs, secrets)...)
		}
	case interface{ Unwrap() []error }:
		for _, e := range err.Unwrap() {
			found = append(found, shown(e, verbs, secrets)...)
		}
	}
	return found
}

func TestNoRenderingOfAValueShowsASecret(t *testing.T) {
	t.Parallel()
	client := serve(t, reply(200, loginBody, "Set-Cookie: sessions=cookie-SECRET"))
	session, err := client.Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		Credentials  kalshiauth.Credentials
		Confirmation *kalshiauth.PasswordResetConfirmation
	}
	type hidden struct {
		value   kalshiauth.Session
		pointer *kalshiauth.Session
		client  *kalshiauth.Client
		list    []*kalshiauth.Session
	}
	for what, v := range map[string]any{
		"Credentials": credentials, "*Credentials": &credentials, "confirmation": confirmation,
		"holder": holder{credentials, &confirmation}, "list": []kalshiauth.Credentials{credentials},
	} {
		assertNoSecretIn(t, what, v, methodVerbs, password, code, newPassword)
	}
	for what, v := range map[string]any{
		"*Session": session, "Session": *session, "Client": client, "*Client in a func's struct": *client,
		"hidden":  hidden{*session, session, client, []*kalshiauth.Session{session}},
		"*hidden": &hidden{*session, session, client, []*kalshiauth.Session{session}},
		"any":     []any{session, *session, &session},
	} {
		assertNoSecret(t, what, v, password, code, newPassword, token, "cookie-SECRET")
	}
}

func TestSecretsAreLoggedAndEncodedAsSuch(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]any{
		"Credentials([redacted])": credentials, "PasswordResetConfirmation([redacted])": confirmation,
	} {
		for how, text := range renderings(v, "vsq") {
			if how != "XML" && !strings.Contains(text, want) {
				t.Errorf("%s as %s is %s", want, how, text)
			}
		}
	}
}

func TestCredentialsCanBeReadFromJSON(t *testing.T) {
	t.Parallel()
	var creds kalshiauth.Credentials
	if err := json.Unmarshal([]byte(`{"Email":"`+email+`","Password":"`+password+`"}`), &creds); err != nil || creds != credentials {
		t.Errorf("read %q and %q, %v", creds.Email, creds.Password, err)
	}
}

func TestAServerThatEchoesSecretsDoesNotSpreadThem(t *testing.T) {
	t.Parallel()
	mine := map[string][]string{
		"Login": {password}, "Logout": {token}, "ResetPassword": nil, "ResetPasswordConfirm": {code, newPassword},
	}
	for name, call := range operations {
		for _, status := range []int{200, 204, 302, 400, 401, 418, 503} {
			for _, contentType := range []string{"application/json", "text/html; x=" + password + token + code + newPassword} {
				client := serve(t, func(w http.ResponseWriter, r *http.Request) {
					echo, _ := json.Marshal(strings.Join([]string{
						password, token, code, url.PathEscape(code), strings.ToLower(url.PathEscape(code)), strings.ToLower(url.QueryEscape(code)), newPassword, r.URL.String(),
						fmt.Sprintf("%q", password),
					}, " "))
					text := string(echo)
					w.Header().Set("Code", text)
					w.Header().Set("Service", text)
					w.Header().Set("Location", "https://"+password+token+strings.ReplaceAll(code, "/", "")+newPassword+".example.com/"+text)
					reply(status, `{"message":`+text+`,"details":{"a":`+text+`},"user_id":`+text+`,"token":1}`,
						"Content-Type: "+contentType)(w, r)
				})
				if err := call(t, client); err != nil {
					assertNoSecret(t, fmt.Sprint(name, " ", status), err, mine[name]...)
				} else if status != 204 {
					t.Errorf("%s: %d is a success", name, status)
				}
			}
		}
	}
}

func TestEachKindOfEscapeAloneHidesNoSecret(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"a secret phrase", "a+secret+phrase", "a%20secret phrase", `a\\u0020secret phrase`} {
		client := newClient(t, inMemory(reply(400, `{"message":"no: `+form+`"}`)))
		_, err := client.Login(t.Context(), kalshiauth.Credentials{Email: email, Password: "a secret phrase"})
		if err == nil || !strings.Contains(err.Error(), `"no: [redacted]"`) {
			t.Errorf("%s: %v", form, err)
		}
	}
}

func TestASecretIsNotShownWhereItBeginsWithAnother(t *testing.T) {
	t.Parallel()
	client := newClient(t, inMemory(reply(400, `{"message":"no: secret-and-more secret"}`)))
	for _, confirm := range []kalshiauth.PasswordResetConfirmation{
		{Code: "secret", UserID: userID, NewPassword: "secret-and-more"},
		{Code: "secret-and-more", UserID: userID, NewPassword: "secret"},
	} {
		err := client.ResetPasswordConfirm(t.Context(), confirm)
		if err == nil || !strings.Contains(err.Error(), `"no: [redacted] [redacted]"`) {
			t.Error(err)
		}
	}
}

func TestTokenAndCookieAreSecretsBoth(t *testing.T) {
	t.Parallel()
	session, err := newClient(t, inMemory(reply(200, loginBody, "Set-Cookie: sessions=another-SECRET"))).
		Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	err = newClient(t, inMemory(reply(400, `{"message":"no: `+token+` another-SECRET"}`))).Logout(t.Context(), session)
	if err == nil || !strings.Contains(err.Error(), `"no: [redacted] [redacted]"`) {
		t.Error(err)
	}
}

func TestAnErrorWithoutASecretIsTheTransportsOwn(t *testing.T) {
	t.Parallel()
	cause := leakyError{url: "nowhere"}
	client := newClient(t, kalshiauth.WithRetries(0), kalshiauth.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, errors.Join(errors.New("no"), cause)
		}),
	}))
	_, err := client.Login(t.Context(), credentials)
	var got leakyError
	if !errors.As(err, &got) || got != cause {
		t.Errorf("errors.As does not find the cause in %v", err)
	}
}

func TestALongSecretIsNeitherShownNorCostly(t *testing.T) {
	t.Parallel()
	for _, length := range []int{255, 256, 257, 2_000, 1_000_000} {
		long := strings.Repeat("ä", length)
		start := url.QueryEscape(long[:min(len(long), 6_000)])
		client := newClient(t, inMemory(reply(400, `{"message":"100% wrong: `+start+` at the end"}`)))
		_, err := client.Login(t.Context(), kalshiauth.Credentials{Email: email, Password: long})
		want := "100% wrong: [redacted] at the end"
		if length > 256 {
			want = "100% wrong: [redacted]"
		}
		if err == nil || !strings.Contains(err.Error(), strconv.Quote(want)) {
			t.Errorf("%d: error %v, want one that says %q", length, err, want)
		}
	}
}

// leakyError shows a secret, and hides one in a field.
type leakyError struct{ url, field string }

func (e leakyError) Error() string   { return "cannot reach " + e.url }
func (e leakyError) Timeout() bool   { return true }
func (e leakyError) Temporary() bool { return true }

func TestNetworkErrorsShowNoSecretAndKeepTheirCause(t *testing.T) {
	t.Parallel()
	secrets := []string{password, token, code, newPassword}
	cause := errors.New("the cause")
	for name, call := range operations {
		for what, fail := range map[string]func(text string) error{
			"plain":   func(string) error { return cause },
			"leaky":   func(text string) error { return errors.Join(leakyError{text, text}, cause) },
			"wrapped": func(text string) error { return fmt.Errorf("%s: %w", text, cause) },
			"deep": func(text string) error {
				return &net.OpError{Op: "read", Err: errors.Join(leakyError{text, text}, cause)}
			},
			"hidden": func(text string) error {
				return &hidingError{errors.Join(errors.New(text), cause)}
			},
		} {
			client := newClient(t, kalshiauth.WithRetries(0), kalshiauth.WithHTTPClient(&http.Client{
				Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
					return nil, fail(strings.Join(append(secrets, req.URL.String()), " "))
				}),
			}))
			err := call(t, client)
			if name == "ResetPassword" { // sends no secret
				continue
			}
			own := map[string][]string{
				"Login": {password}, "Logout": {token}, "ResetPasswordConfirm": {code, newPassword},
			}[name]
			assertNoSecret(t, name+", "+what, err, own...)
			if !errors.Is(err, cause) {
				t.Errorf("%s, %s: errors.Is does not find the cause in %v", name, what, err)
			}
			if what != "hidden" && !strings.Contains(err.Error(), "the cause") {
				t.Errorf("%s, %s: the text of the cause is lost: %v", name, what, err)
			}
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%s, %s: the error does not name the operation: %v", name, what, err)
			}
			var netErr net.Error
			if !errors.As(err, &netErr) {
				t.Errorf("%s, %s: errors.As finds no net.Error in %v", name, what, err)
			} else if netErr.Timeout() != (what == "leaky") {
				t.Errorf("%s, %s: Timeout() = %t", name, what, netErr.Timeout())
			}
		}
	}
}

// hidingError has nothing in its own text.
type hidingError struct{ err error }

func (*hidingError) Error() string   { return "nothing to see" }
func (e *hidingError) Unwrap() error { return e.err }
