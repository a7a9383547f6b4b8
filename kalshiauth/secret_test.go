package kalshiauth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
)

func TestNoRenderingOfAValueShowsASecret(t *testing.T) {
	t.Parallel()
	client := serve(t, reply(200, loginBody, "Set-Cookie: sessions=cookie-SECRET"))
	session, err := client.Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	type hidden struct {
		value   kalshiauth.Session
		pointer *kalshiauth.Session
		client  *kalshiauth.Client
		list    []*kalshiauth.Session
	}
	for what, v := range map[string]any{
		"*Session": session, "Session": *session, "Client": client, "*Client in a func's struct": *client,
		"hidden":  hidden{*session, session, client, []*kalshiauth.Session{session}},
		"*hidden": &hidden{*session, session, client, []*kalshiauth.Session{session}},
		"any":     []any{session, *session, &session},
	} {
		robustness.AssertNoSecret(t, what, v, robustness.AllVerbs, password, code, newPassword, token, "cookie-SECRET")
	}
}

func TestCredentialsCanBeReadFromJSON(t *testing.T) {
	t.Parallel()
	var creds kalshiauth.Credentials
	if err := json.Unmarshal([]byte(`{"Email":"`+email+`","Password":"`+password+`"}`), &creds); err != nil || creds != credentials {
		t.Errorf("read %q and %q, %v", creds.Email, creds.Password, err)
	}
}

// escapings are ways in which a server, or an error, may quote what was sent.
var escapings = map[string]func(string) string{
	"raw": func(s string) string { return s }, "path": url.PathEscape, "query": url.QueryEscape, "html": html.EscapeString,
	"path, lower case": func(s string) string {
		return regexp.MustCompile("%..").ReplaceAllStringFunc(url.PathEscape(s), strings.ToLower)
	},
	"quoted twice":    func(s string) string { return strconv.Quote(strconv.QuoteToASCII(s)) },
	"html, then path": func(s string) string { return url.PathEscape(html.EscapeString(s)) },
	"bytes": func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
		return b.String()
	},
}

// echoes are answers that quote a text in one place each.
func echoes(text string) map[string]http.HandlerFunc {
	quoted, _ := json.Marshal(text) //nolint:errchkjson // a string
	q := string(quoted)
	out := map[string]http.HandlerFunc{
		"nested":       reply(401, `{"error":{"message":`+q+`}}`),
		"an object":    reply(401, `{"details":{"a":[`+q+`]}}`),
		"an error":     reply(401, `{"error":`+q+`}`),
		"plain text":   reply(401, text, "Content-Type: text/plain"),
		"HTML":         reply(502, "<p>"+text, "Content-Type: text/html"),
		"broken JSON":  reply(400, "{"+text),
		"a 200":        reply(200, `{"user_id":`+q+`,"token":1,"access_level":`+q+`}`),
		"another 2xx":  reply(206, q),
		"Location":     reply(302, "", "Location: https://"+text+".example.com/"+text),
		"a path":       reply(302, "", "Location: /"+text),
		"Content-Type": reply(400, "x", "Content-Type: text/"+text),
		"a parameter":  reply(200, "x", "Content-Type: text/html; x="+text),
		"X-Request-Id": reply(401, `{"code":"c"}`, "X-Request-Id: "+text),
		"Retry-After":  reply(503, "", "Retry-After: "+text),
		"Set-Cookie":   reply(401, "", "Set-Cookie: "+text),
		"a header of that name": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()[text] = []string{text}
			w.WriteHeader(http.StatusUnauthorized)
		},
	}
	for _, field := range []string{"code", "message", "details", "service"} {
		out["body "+field] = reply(403, `{"`+field+`":`+q+`}`)
		out["header "+field] = reply(403, "", field+": "+text)
	}
	return out
}

func TestAServerThatEchoesItsRequestSpreadsNoSecret(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		t.Run(op.ID, func(t *testing.T) {
			t.Parallel()
			for name, value := range op.Input {
				for escaping, escape := range escapings {
					for place, handler := range echoes(escape(value)) {
						var log strings.Builder
						logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
						client := newClient(t, kalshiauth.WithRetries(0), kalshiauth.WithLogger(logger), inMemory(handler))
						err := op.Call(t.Context(), client, op.Input)
						if err == nil && place == "a 200" {
							continue // it is the success of an operation, and the caller's
						}
						what := fmt.Sprintf("%s as %s in %s", name, escaping, place)
						if slices.Contains(op.Secrets, name) {
							if found := robustness.Shown(err, robustness.AllVerbs, []string{value, escape(value)}); found != nil {
								t.Fatalf("%s: the error shows it, as %.200q: add it to secrets in Client.%s in kalshiauth/client.go",
									what, found[0], op.ID)
							}
						}
						if strings.Contains(log.String(), email) || strings.Contains(log.String(), url.QueryEscape(email)) ||
							slices.Contains(op.Secrets, name) && strings.Contains(log.String(), escape(value)) {
							t.Errorf("%s: the log shows it: %.500q", what, log.String())
						}
					}
				}
			}
		})
	}
}

func TestATextWithASecretIsMaskedWhole(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"a secret phrase", "a+secret+phrase", "a%20secret phrase", `a\\u0020secret phrase`} {
		client := newClient(t, inMemory(reply(400, `{"message":"no: `+form+`","code":"c"}`)))
		_, err := client.Login(t.Context(), kalshiauth.Credentials{Email: email, Password: "a secret phrase"})
		if want := `kalshiauth: Login: 400 Bad Request, "[redacted]", code "c"`; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", form, err, want)
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
	body := `{"message":"no: ` + token + `","details":"no: another-SECRET"}`
	err = newClient(t, inMemory(reply(400, body))).Logout(t.Context(), session)
	if err == nil || !strings.Contains(err.Error(), `"[redacted]", details "[redacted]"`) {
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

func TestALongSecretIsNotShown(t *testing.T) {
	t.Parallel()
	for _, length := range []int{255, 256, 2_000} {
		long := strings.Repeat("ä", length)
		client := newClient(t, inMemory(reply(400, `{"message":"100% wrong: `+url.QueryEscape(long)+` at the end"}`)))
		_, err := client.Login(t.Context(), kalshiauth.Credentials{Email: email, Password: long})
		if err == nil || !strings.Contains(err.Error(), `"[redacted]"`) {
			t.Errorf("%d: error %v", length, err)
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
	cause := errors.New("the cause")
	for _, op := range operations {
		for what, fail := range map[string]func(text string) error{
			"plain":   func(string) error { return cause },
			"leaky":   func(text string) error { return errors.Join(leakyError{text, text}, cause) },
			"wrapped": func(text string) error { return fmt.Errorf("%s: %w", text, cause) },
			"deep": func(text string) error {
				return &net.OpError{Op: "read", Err: errors.Join(leakyError{text, text}, cause)}
			},
			"hidden": func(text string) error { return &hidingError{errors.Join(errors.New(text), cause)} },
		} {
			var log strings.Builder
			logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			client := newClient(t, kalshiauth.WithRetries(0), kalshiauth.WithLogger(logger), kalshiauth.WithHTTPClient(&http.Client{
				Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
					dump, err := httputil.DumpRequestOut(req, true)
					if err != nil {
						t.Error(err)
					}
					return nil, fail(req.URL.String() + string(dump))
				}),
			}))
			err := op.Call(t.Context(), client, op.Input)
			robustness.AssertNoSecret(t, op.ID+", "+what, err, robustness.AllVerbs, op.SecretValues()...)
			for _, secret := range append(op.SecretValues(), email) {
				if strings.Contains(log.String(), secret) {
					t.Errorf("%s, %s: the log shows a secret or the e-mail address: %.500q", op.ID, what, log.String())
				}
			}
			if !errors.Is(err, cause) || !strings.Contains(err.Error(), op.ID) {
				t.Errorf("%s, %s: errors.Is does not find the cause, or the operation is not named, in %v", op.ID, what, err)
			}
			var netErr net.Error
			if !errors.As(err, &netErr) {
				t.Errorf("%s, %s: errors.As finds no net.Error in %v", op.ID, what, err)
			} else if netErr.Timeout() != (what == "leaky" && op.Secrets != nil) {
				t.Errorf("%s, %s: Timeout() = %t", op.ID, what, netErr.Timeout())
			}
		}
	}
}

// inputTypes are the structs of this package that methods of Client take by value.
func inputTypes() (types []reflect.Type) {
	client := reflect.TypeFor[*kalshiauth.Client]()
	for i := range client.NumMethod() {
		method := client.Method(i).Type
		for j := range method.NumIn() {
			in := method.In(j)
			if in.Kind() == reflect.Struct && in.PkgPath() == client.Elem().PkgPath() && !slices.Contains(types, in) {
				types = append(types, in)
			}
		}
	}
	return types
}

// fill sets each string in a struct to a text of its own, and returns them.
func fill(v reflect.Value) (texts []string) {
	for i := range v.NumField() {
		switch field := v.Field(i); {
		case field.Kind() == reflect.Struct:
			texts = append(texts, fill(field)...)
		case field.Kind() == reflect.String && field.CanSet():
			text := fmt.Sprintf("SECRET-%s-%d", v.Type().Field(i).Name, i)
			field.SetString(text)
			texts = append(texts, text)
		}
	}
	return texts
}

func TestNoInputTypeShowsWhatIsInIt(t *testing.T) {
	t.Parallel()
	types := inputTypes()
	for _, known := range []any{kalshiauth.Credentials{}, kalshiauth.PasswordResetConfirmation{}} {
		if !slices.Contains(types, reflect.TypeOf(known)) {
			t.Errorf("%T is not among the types that Client takes", known)
		}
	}
	for _, typ := range types {
		v := reflect.New(typ)
		secrets := fill(v.Elem())
		if len(secrets) == 0 {
			t.Errorf("%s has no strings to hide", typ)
		}
		field := func(name string, typ reflect.Type) reflect.StructField {
			return reflect.StructField{Name: name, Type: typ}
		}
		holder := reflect.New(reflect.StructOf([]reflect.StructField{field("Value", typ), field("Any", reflect.TypeFor[any]())})).Elem()
		holder.Field(0).Set(v.Elem())
		holder.Field(1).Set(v)
		list := reflect.MakeSlice(reflect.SliceOf(typ), 1, 1)
		list.Index(0).Set(v.Elem())
		for what, value := range map[string]any{
			"by value": v.Elem().Interface(), "by pointer": v.Interface(), "in a list": list.Interface(),
			"in a field": holder.Interface(), "in a field of a pointer": holder.Addr().Interface(),
			"in a map": map[string]any{"a": v.Elem().Interface()},
		} {
			if found := robustness.Shown(value, robustness.MethodVerbs, secrets); found != nil {
				t.Errorf("%s %s shows a secret as %.500q: give the type the methods that Credentials has in kalshiauth/input.go",
					typ, what, found[0])
			}
		}
		want := typ.Name() + "([redacted])"
		for how, text := range robustness.Renderings(v.Elem().Interface(), "vsq") {
			if how != "XML" && !strings.Contains(text, want) {
				t.Errorf("%s as %s is %s, want %s", typ, how, text, want)
			}
		}
	}
}

// hidingError has nothing in its own text.
type hidingError struct{ err error }

func (*hidingError) Error() string   { return "nothing to see" }
func (e *hidingError) Unwrap() error { return e.err }
