package kalshiauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

func TestValidNeedsASecretAndTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		session := kalshiauth.SessionFromToken(userID, token)
		if !session.Valid() {
			t.Error("a session without Expiry is not valid")
		}
		session.Expiry = time.Now().Add(time.Minute)
		time.Sleep(time.Minute - time.Nanosecond)
		if !session.Valid() {
			t.Error("a session before its Expiry is not valid")
		}
		time.Sleep(time.Nanosecond)
		if session.Valid() {
			t.Error("a session at its Expiry is valid")
		}
	})
	for name, session := range map[string]*kalshiauth.Session{
		"nil": nil, "zero": {UserID: userID}, "no token": kalshiauth.SessionFromToken(userID, ""),
		"LF": kalshiauth.SessionFromToken(userID, "a\n"), "semicolon": kalshiauth.SessionFromToken(userID, "a;b"),
	} {
		if session.Valid() || session.Cookie() != nil {
			t.Errorf("%s: the session is valid, or has a cookie", name)
		}
	}
}

func TestCookieIsACopyWithTheServersAttributes(t *testing.T) {
	t.Parallel()
	client := serve(t, reply(200, loginBody, "Set-Cookie: sessions=c1; Path=/v1; HttpOnly; SameSite=Lax"))
	session, err := client.Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	const want = "sessions=c1; Path=/v1; HttpOnly; SameSite=Lax"
	for range 2 {
		cookie := session.Cookie()
		if got := cookie.String(); got != want || cookie.Raw != "" {
			t.Errorf("the cookie is %q, want %q", got, want)
		}
		cookie.Value = "changed"
	}
}

// fields are the exported fields of a session, by name.
func fields(session *kalshiauth.Session) map[string]any {
	values, v := map[string]any{}, reflect.ValueOf(*session)
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.IsExported() {
			values[field.Name] = v.Field(i).Interface()
		}
	}
	return values
}

func TestASessionHasWhatTheDocumentSaysOfALogin(t *testing.T) {
	t.Parallel()
	answer := map[string]any{}
	for name, property := range document.API().Spec.Components.Schemas["LoginResponse"].Value.Properties {
		if !property.Value.Type.Is(openapi3.TypeString) {
			t.Errorf("LoginResponse.%s is no string: extend this test", name)
		}
		answer[name] = "the-" + name
	}
	body, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	session, err := newClient(t, inMemory(reply(200, string(body)))).Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	known := append(slices.Collect(maps.Values(fields(session))), session.Token())
	for name, value := range answer {
		if !slices.Contains(known, value) {
			t.Errorf("no field of the session has LoginResponse.%s: add it to Session and sessionOf in kalshiauth/session.go", name)
		}
	}
}

func TestExportAndImportKeepASession(t *testing.T) {
	t.Parallel()
	client := serve(t, reply(200, loginBody, "Set-Cookie: sessions=c1; Max-Age=1800; Path=/; HttpOnly"))
	fresh, err := client.Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := serve(t, reply(200, loginBody, `Set-Cookie: sessions="a b"`)).Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	full := *fresh
	for name, value := range fields(&full) {
		if _, ok := value.(string); ok {
			reflect.ValueOf(&full).Elem().FieldByName(name).SetString("any " + name)
		}
	}
	for _, session := range []*kalshiauth.Session{fresh, quoted, &full, kalshiauth.SessionFromToken(userID, token)} {
		data, err := session.Export()
		if err != nil {
			t.Fatal(err)
		}
		got, err := kalshiauth.ImportSession(data)
		if err != nil {
			t.Fatal(err)
		}
		for name, was := range fields(session) {
			is := fields(got)[name]
			at, ok := is.(time.Time)
			if same := is == was || ok && at.Equal(was.(time.Time)); !same {
				t.Errorf("%s was %v and is %v: give the field a JSON tag in Session in kalshiauth/session.go that no other has", name, was, is)
			}
		}
		if got.Token() != session.Token() || got.Cookie().String() != session.Cookie().String() {
			t.Errorf("imported %s", data)
		}
		if got.Cookie().Raw != "" {
			t.Error("the cookie has what it was read from")
		}
		again, err := got.Export()
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("exported again as %s, was %s", again, data)
		}
	}
	elsewhere := newClient(t)
	data, _ := fresh.Export()
	imported, err := kalshiauth.ImportSession(data)
	if err != nil {
		t.Fatal(err)
	}
	err = elsewhere.Logout(t.Context(), imported)
	if !errors.Is(err, kalshiauth.ErrInvalidInput) || !strings.Contains(err.Error(), client.BaseURL()) {
		t.Errorf("an imported session used for another server: %v", err)
	}
}

func TestExportNeedsASecret(t *testing.T) {
	t.Parallel()
	for _, session := range []*kalshiauth.Session{nil, {}, kalshiauth.SessionFromToken(userID, "")} {
		if data, err := session.Export(); data != nil || !errors.Is(err, kalshiauth.ErrNoSession) {
			t.Errorf("Export = %s, %v; want ErrNoSession", data, err)
		}
	}
	late := kalshiauth.SessionFromToken(userID, token)
	late.Expiry = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := late.Export(); err == nil {
		t.Error("a year that JSON cannot hold was exported")
	}
}

func TestImportRefusesWhatIsNotASession(t *testing.T) {
	t.Parallel()
	data, err := kalshiauth.SessionFromToken(userID, token).Export()
	if err != nil {
		t.Fatal(err)
	}
	with := func(field string, value any) string {
		var m map[string]any
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		m[field] = value
		changed, _ := json.Marshal(m)
		return string(changed)
	}
	for name, data := range map[string]string{
		"empty": "", "not JSON": token, "an array": "[]", "null": "null", "cut": string(data[:len(data)-2]),
		"trailing data": string(data) + "{}", "no version": with("version", 0), "negative version": with("version", -1),
		"newer version": with("version", 2), "no token": with("token", ""), "no cookie": with("cookie", ""),
		"token of another type": with("token", 12345), "another cookie": with("cookie", "a=b"),
		"a cookie for nobody": with("cookie", "sessions="), "a bad expiry": with("expiry", token),
	} {
		session, err := kalshiauth.ImportSession([]byte(data))
		if session != nil || !errors.Is(err, kalshiauth.ErrInvalidInput) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: ImportSession = %v, %v; want ErrInvalidInput without the data", name, session, err)
		}
	}
	_, err = kalshiauth.ImportSession([]byte(with("version", 2)))
	if !strings.Contains(err.Error(), "update kalshiauth-go") {
		t.Errorf("a newer version: %v", err)
	}
	if _, err := kalshiauth.ImportSession([]byte(with("unknown", "field"))); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
}

func TestTimesOfASessionAreByTheWallClock(t *testing.T) {
	t.Parallel()
	session, err := newClient(t, inMemory(reply(200, loginBody, "Set-Cookie: sessions=c1; Max-Age=1800"))).Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]time.Time{"IssuedAt": session.IssuedAt, "Expiry": session.Expiry} {
		if at.IsZero() || strings.Contains(at.String(), "m=") { // a monotonic reading, which stands still while a computer sleeps
			t.Errorf("%s is %v", name, at)
		}
	}
	if got := session.Expiry.Sub(session.IssuedAt); got != 30*time.Minute || time.Since(session.IssuedAt) > time.Minute {
		t.Errorf("the session was issued at %v and lives for %v", session.IssuedAt, got)
	}
	if at := kalshiauth.SessionFromToken(userID, token).IssuedAt; !at.IsZero() {
		t.Errorf("a token obtained elsewhere was issued at %v", at)
	}
}

func TestASessionKnowsItsAccountAndServerAlsoWhenImported(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"https://API.example.com/v1": "https://api.example.com:443", "http://localhost": "http://localhost:80",
		"http://[::1]:8080/v1": "http://[::1]:8080",
	} {
		fresh, err := newClient(t, inMemory(reply(200, loginBody)), kalshiauth.WithBaseURL(base)).Login(t.Context(), credentials)
		if err != nil {
			t.Fatal(err)
		}
		data, err := fresh.Export()
		if err != nil {
			t.Fatal(err)
		}
		imported, err := kalshiauth.ImportSession(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, session := range []*kalshiauth.Session{fresh, imported} {
			if session.Origin() != want || session.Email() != email || !session.IssuedAt.Equal(fresh.IssuedAt) || !session.Equal(fresh) {
				t.Errorf("%s: origin %q, e-mail %q, issued at %v", base, session.Origin(), session.Email(), session.IssuedAt)
			}
		}
	}
	for _, session := range []*kalshiauth.Session{nil, {}, kalshiauth.SessionFromToken(userID, token)} {
		if session.Origin() != "" || session.Email() != "" {
			t.Errorf("%v: origin %q, e-mail %q", session, session.Origin(), session.Email())
		}
	}
}

func TestSessionsAreEqualByTheirSecret(t *testing.T) {
	t.Parallel()
	a, b := kalshiauth.SessionFromToken(userID, token), kalshiauth.SessionFromToken("another", token)
	other := kalshiauth.SessionFromToken(userID, token+"x")
	same := a
	if !a.Equal(same) || !a.Equal(b) || a.Equal(other) || a.Equal(nil) {
		t.Error("sessions with secrets are compared wrongly")
	}
	for _, none := range []*kalshiauth.Session{nil, {UserID: userID}, kalshiauth.SessionFromToken(userID, "")} {
		if same := none; none.Equal(same) || none.Equal(a) || a.Equal(none) {
			t.Errorf("%v, without a secret, equals a session", none)
		}
	}
}

func TestAUserIDWithEscapeCharactersIsQuoted(t *testing.T) {
	t.Parallel()
	client := newClient(t, inMemory(reply(200, `{"user_id":"\u001b[2Ju\n","token":"tok-SECRET"}`)))
	session, err := client.Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{session, *session} {
		if got, want := fmt.Sprint(v), `Session(user "\x1b[2Ju\n")`; got != want {
			t.Errorf("%T: %s, want %s", v, got, want)
		}
	}
}

func TestAnEncodedSessionShowsNoSecretAndCannotBeReadBack(t *testing.T) {
	t.Parallel()
	session, err := newClient(t, inMemory(reply(200, loginBody, "Set-Cookie: sessions=cookie-SECRET"))).Login(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{session, *session, struct{ S *kalshiauth.Session }{session}} {
		data, err := json.Marshal(v)
		if err == nil && (bytes.Contains(data, []byte("SECRET")) || bytes.Contains(data, []byte(email))) {
			t.Errorf("the JSON is %s", data)
		}
		var read kalshiauth.Session
		if err := json.Unmarshal(data, &read); err == nil && read.Valid() {
			t.Errorf("%s was read as a valid session", data)
		}
		if _, err := kalshiauth.ImportSession(data); err == nil {
			t.Errorf("%s was imported", data)
		}
	}
}
