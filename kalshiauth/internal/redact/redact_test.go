package redact_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

var escapings = map[string]func(string) string{
	"path": url.PathEscape, "query": url.QueryEscape, "html": html.EscapeString,
	"json": func(s string) string { b, _ := json.Marshal(s); return string(b[1 : len(b)-1]) },
	"go":   func(s string) string { q := strconv.Quote(s); return q[1 : len(q)-1] },
	"ascii": func(s string) string {
		q := strconv.QuoteToASCII(s)
		return q[1 : len(q)-1]
	},
	"bytes": func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
		return b.String()
	},
	"utf16": func(s string) string {
		b, _ := json.Marshal(s)
		return strings.ReplaceAll(string(b[1:len(b)-1]), "😀", `\ud83d\ude00`)
	},
	"entities": func(s string) string {
		var b strings.Builder
		for _, r := range s {
			fmt.Fprintf(&b, "&#x%x;", r)
		}
		return b.String()
	},
	"lower": func(s string) string { return strings.ToLower(url.PathEscape(strings.ToLower(s))) },
}

func TestASecretIsFoundAfterAnyThreeEscapings(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{
		"hunter22", `p&ss "w\rd" <+%41>`, "hünter 😀", "a+b c%2Bd", "\x01line\nline\t", `\u0041&amp;%25`, "    ",
	} {
		for a, first := range escapings {
			for b, second := range escapings {
				for c, third := range escapings {
					if a == "lower" || b == "lower" || c == "lower" {
						continue // changes the secret
					}
					text := "wrong password: " + third(second(first(secret))) + "."
					if got := (redact.Secrets{secret}).Text(text); got != redact.Mask {
						t.Errorf("%s, %s, %s: %q is shown in %q", a, b, c, secret, got)
					}
				}
			}
		}
	}
	if got := (redact.Secrets{"a/b/c"}).Text(escapings["lower"]("a/b/c")); got != redact.Mask {
		t.Errorf("lower-case escapes: %q", got)
	}
}

func TestRandomSecretsAreFoundInRandomEscapings(t *testing.T) {
	t.Parallel()
	const alphabet = `aB1%+\&;#<>"' /u2é😀=.`
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"path", "query", "html", "json", "go", "ascii", "bytes", "utf16", "entities"}
	for range 5000 {
		secret := ""
		for len(secret) < 8 {
			runes := []rune(alphabet)
			secret += string(runes[random.IntN(len(runes))])
		}
		text := secret
		var used []string
		for range random.IntN(4) {
			name := names[random.IntN(len(names))]
			text, used = escapings[name](text), append(used, name)
		}
		if got := (redact.Secrets{secret}).Text("x" + text + "y"); got != redact.Mask {
			t.Fatalf("%q escaped by %v is shown: %q", secret, used, got)
		}
	}
}

func TestATextWithoutASecretStaysAsItIs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "nothing here", `100% \ &amp; +`, `\`, `%`, `%4`, `\u12`, `\ud83d\u0041`, "hunter", "abc"} {
		if got := (redact.Secrets{"hunter22", "abc", ""}).Text(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestALogTextHasNoEmailAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"no account": "no account", "no account trader@example.com": redact.Mask, "trader%40example.com": redact.Mask,
		`trader\u0040example.com`: redact.Mask, "trader&#64;example.com": redact.Mask, "hunter22": redact.Mask,
	} {
		if got := (redact.Secrets{"hunter22"}).LogText(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestAURLIsMaskedPieceByPiece(t *testing.T) {
	t.Parallel()
	secrets := redact.Secrets{"se/cret", "hunter22"}
	for raw, want := range map[string]string{
		"https://example.com/v1/passwords/reset/se%2Fcret/confirm": "https://example.com/v1/passwords/reset/[redacted]/confirm",
		"https://example.com/x?a=1&b=hunter22&c":                   "https://example.com/x?a=1&b=[redacted]&c",
		"https://example.com/x?hunter22":                           redact.Mask,
		"https://example.com/se/cret":                              redact.Mask,
		"%zz":                                                      "%zz",
	} {
		if got := secrets.URL(raw); got != want {
			t.Errorf("%s became %s, want %s", raw, got, want)
		}
	}
}

type timeoutError string

func (e timeoutError) Error() string { return string(e) }
func (timeoutError) Timeout() bool   { return true }

func TestAnErrorKeepsItsKindAndLosesItsSecret(t *testing.T) {
	t.Parallel()
	secrets := redact.Secrets{"hunter22"}
	plain := fmt.Errorf("reading: %w", io.ErrUnexpectedEOF)
	if got := secrets.Error(plain); got != plain { //nolint:errorlint // the same one
		t.Errorf("an error without a secret became %v", got)
	}
	if secrets.Error(nil) != nil {
		t.Error("nil became an error")
	}
	inner := errors.Join(timeoutError("at hunter22"), io.ErrUnexpectedEOF)
	got := secrets.Error(&url.Error{Op: "Put", URL: "https://example.com/hunter22", Err: inner})
	var u *url.Error
	if !errors.As(got, &u) || !u.Timeout() || !errors.Is(got, io.ErrUnexpectedEOF) {
		t.Errorf("the kind is lost: %v", got)
	}
	if want := `Put "https://example.com/[redacted]": [redacted]`; got.Error() != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, u.Err); strings.Contains(text, "hunter22") {
			t.Errorf("%s shows %s", verb, text)
		}
	}
	hiding := fmt.Errorf("nothing to see%w", hidden{timeoutError("hunter22")})
	if got := secrets.Error(hiding); strings.Contains(fmt.Sprint(errors.Unwrap(got)), "hunter22") {
		t.Errorf("unwrapped, it shows %v", errors.Unwrap(got))
	}
}

type hidden struct{ err error }

func (hidden) Error() string   { return "" }
func (h hidden) Unwrap() error { return h.err }

func isPassword(name string) bool { return name == "password" }

func TestQueryMasksValuesByThemselvesAndByName(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"a=b&c=hunter22&d":       "a=b&c=[redacted]&d",
		"password=x&pass%77ord=": "password=[redacted]&pass%77ord=[redacted]",
		"hunter%32%32=b":         "[redacted]=b",
		"hunter22":               "[redacted]",
		"":                       "",
	} {
		if got := (redact.Secrets{"hunter22"}).Query(raw, isPassword); got != want {
			t.Errorf("%q is shown as %q, want %q", raw, got, want)
		}
	}
}

func TestHeaderMasksValuesByThemselvesAndByName(t *testing.T) {
	t.Parallel()
	h := http.Header{"Cookie": {"a=b", "c=d"}, "X-A": {"fine", "hunter22 is secret"}, "X-B": nil}
	got := (redact.Secrets{"hunter22"}).Header(h, "cookie")
	if want := (http.Header{"Cookie": {redact.Mask, redact.Mask}, "X-A": {"fine", redact.Mask}}); !reflect.DeepEqual(got, want) {
		t.Errorf("the header is shown as %v, want %v", got, want)
	}
	if h.Get("Cookie") != "a=b" || h["X-A"][1] == redact.Mask {
		t.Errorf("the caller's header has become %v", h)
	}
}

func TestBodyMasksStringsByThemselvesAndByName(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"email":"a@b","password":"any","x":{"password":["y"]}}`:   `{"email":"a@b","password":"[redacted]","x":{"password":"[redacted]"}}`,
		`["a < b","\u0068unter22 x",{"hunter22":1},null,true,1.50]`: `["a < b","[redacted]",{"[redacted]":1},null,true,1.50]`,
		`[12345678,123456789]`:  `["[redacted]","[redacted]"]`,
		`"hunter22"`:            `"[redacted]"`,
		`email=a&x=hunter%3222`: `[redacted]`,
		`{"a":"hunter22"`:       `[redacted]`,
		`plain`:                 `plain`,
		``:                      ``,
	} {
		if got := (redact.Secrets{"hunter22", "12345678"}).Body([]byte(body), isPassword); got != want {
			t.Errorf("%s is shown as %s, want %s", body, got, want)
		}
	}
}

type chatty struct{ error }

func (chatty) LogValue() slog.Value {
	return slog.GroupValue(slog.String("user", "trader@example.com"), slog.String("token", "hunter22"))
}

func TestALogValueIsMaskedLikeAText(t *testing.T) {
	t.Parallel()
	for _, value := range []error{chatty{io.EOF}, fmt.Errorf("saving: %w", chatty{io.EOF})} {
		if got := (redact.Secrets{"hunter22"}).LogError(value).Value.String(); got != redact.Mask {
			t.Errorf("the log shows %s", got)
		}
	}
}

func TestATextThatIsTooLongToSearchIsMasked(t *testing.T) {
	t.Parallel()
	if got := (redact.Secrets{"hunter22"}).Text(strings.Repeat("%25255c&amp;", 1<<20)); got != redact.Mask {
		t.Errorf("%d bytes are shown", len(got))
	}
}
