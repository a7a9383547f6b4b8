package robustness_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// escapers are the ways in which something between us and a server may write a text. Each one can be undone by one of
// the usual unescapings.
var escapers = []func(string) string{
	func(s string) string { return s },
	url.PathEscape,
	url.QueryEscape,
	func(s string) string { return lowerEscapes(url.PathEscape(s)) },
	func(s string) string { return lowerEscapes(url.QueryEscape(s)) },
	func(s string) string { return escapeBytes(s, func(int) bool { return true }) },
	func(s string) string { return escapeBytes(s, func(i int) bool { return i%2 == 0 }) },
	func(s string) string { return inJSON(s, true) },
	func(s string) string { return strings.ReplaceAll(inJSON(s, false), "/", `\/`) },
	inASCII,
	func(s string) string { return within(strconv.Quote(s)) },
	func(s string) string { return within(strconv.QuoteToASCII(s)) },
	html.EscapeString,
	func(s string) string { return inEntities(s, "&#%d;") },
	func(s string) string { return inEntities(s, "&#x%x;") },
}

// escapeBytes writes bytes as %xx, in any case each % and what is not ASCII.
func escapeBytes(s string, escaped func(i int) bool) string {
	var b strings.Builder
	for i := range len(s) {
		if escaped(i) || s[i] == '%' || s[i] >= utf8.RuneSelf {
			fmt.Fprintf(&b, "%%%02x", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// inJSON is a text between the quotes of a JSON string.
func inJSON(s string, escapeHTML bool) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(escapeHTML)
	_ = encoder.Encode(s) // never fails
	return within(strings.TrimSuffix(b.String(), "\n"))
}

// within returns what is between quotes.
func within(quoted string) string { return quoted[1 : len(quoted)-1] }

// inEntities writes each character as a numeric entity, except those that HTML reads as other ones.
func inEntities(s, format string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= ' ' && r < 0x7f || r >= 0xa0 {
			fmt.Fprintf(&b, format, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// A shownText is a text of a server or a network that an error shows.
type shownText struct {
	name   string
	answer func(text string) (*http.Response, error)
	shown  func(said *kalshiauth.Error) string // nil: only in the text of the error
	layers int                                 // of escaping that it has by itself
}

var shownTexts = []shownText{
	{"the message", errorBody("message"), func(e *kalshiauth.Error) string { return e.Message }, 0},
	{"the code", errorBody("code"), func(e *kalshiauth.Error) string { return e.Code }, 0},
	{"the service", errorBody("service"), func(e *kalshiauth.Error) string { return e.Service }, 0},
	{"nested details", func(text string) (*http.Response, error) {
		body, _ := json.Marshal(map[string]any{"error": map[string]any{"details": map[string]any{"a": []any{1, text}}}})
		return answer(400, "application/json", string(body)), nil
	}, func(e *kalshiauth.Error) string { return e.Details }, 1},
	{"the header Message", errorHeader("Message"), func(e *kalshiauth.Error) string { return e.Message }, 0},
	{"the header Details", errorHeader("Details"), func(e *kalshiauth.Error) string { return e.Details }, 0},
	{"the request ID", errorHeader("X-Request-Id"), func(e *kalshiauth.Error) string { return e.RequestID }, 0},
	{"the content type", func(text string) (*http.Response, error) {
		return answer(503, "text/"+text, ""), nil
	}, func(e *kalshiauth.Error) string { return e.ContentType }, 0},
	{"plain text", func(text string) (*http.Response, error) { return answer(401, "text/plain", text), nil }, func(e *kalshiauth.Error) string {
		return e.Message
	}, 0},
	{"a redirect", func(text string) (*http.Response, error) {
		resp := answer(302, "", "")
		resp.Header.Set("Location", "https://"+text+"/")
		return resp, nil
	}, nil, 0},
	{"a network error", func(text string) (*http.Response, error) { return nil, errors.New(text) }, nil, 0},
	{"a body that is cut", func(text string) (*http.Response, error) {
		resp := answer(500, "application/json", "")
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), &failing{errors.New(text)}))
		return resp, nil
	}, nil, 0},
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func errorBody(field string) func(text string) (*http.Response, error) {
	return func(text string) (*http.Response, error) {
		body, _ := json.Marshal(map[string]string{field: text})
		return answer(400, "application/json", string(body)), nil
	}
}

func errorHeader(name string) func(text string) (*http.Response, error) {
	return func(text string) (*http.Response, error) {
		resp := answer(403, "", "")
		resp.Header.Set(name, text)
		return resp, nil
	}
}

func answer(status int, contentType, body string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}
	if contentType != "" {
		resp.Header.Set("Content-Type", contentType)
	}
	return resp
}

// TestASecretIsMaskedAfterAnyThreeEscapings has a secret come back in each text that an error shows, in any two
// escapings, and a third one.
func TestASecretIsMaskedAfterAnyThreeEscapings(t *testing.T) {
	t.Parallel()
	for place := range shownTexts {
		for i := range escapers {
			for j := range escapers {
				third := (i + j + place) % len(escapers)
				shownTexts[place].assertMasks(t, []int{i, j, third}, "no: ", ` pä"ss/w+rd;%<&>\`, " at the end & so on")
			}
		}
	}
}

// FuzzMasking does the same with other texts around the secret, and other secrets.
func FuzzMasking(f *testing.F) {
	for place := range shownTexts {
		f.Add(place, []byte{1, 2, 3}, "", "", "")
		f.Add(place, []byte{8, 13}, "\x00\x7f\u2028", "\U0001F600é", "\u00ad")
	}
	f.Add(8, []byte{0}, strings.Repeat("x", 295), "", "") // where a text is cut
	f.Add(8, []byte{13}, strings.Repeat("&", 290), "abc", strings.Repeat("x", 1000))
	f.Add(9, []byte{}, "", "/w+rd", "") // where a URL is cut
	f.Add(7, []byte{}, "", ";w+rd", "") // where a content type is cut
	f.Fuzz(func(t *testing.T, place int, layers []byte, before, suffix, after string) {
		t.Parallel()
		const longest = 500 // bytes, since three escapings make many of each
		for _, s := range []*string{&before, &suffix, &after} {
			*s = strings.ToValidUTF8((*s)[:min(len(*s), longest)], "")
		}
		var escapings []int
		for _, layer := range layers {
			escapings = append(escapings, int(layer))
		}
		n := len(shownTexts)
		shownTexts[(place%n+n)%n].assertMasks(t, escapings, before, suffix, after)
	})
}

// assertMasks checks that no error shows a secret that comes back between two texts, all escaped in layers.
func (p *shownText) assertMasks(t *testing.T, layers []int, before, suffix, after string) {
	t.Helper()
	secret := canary + suffix
	text := before + secret + after
	for _, layer := range layers[:min(len(layers), 3-p.layers)] {
		text = escapers[layer%len(escapers)](text)
	}
	if len(text) > maxBody/2 {
		return
	}
	for i := range secretCalls {
		if call := &secretCalls[i]; call.name != "" {
			p.assertMasksFor(t, call, secret, text)
		}
	}
}

// assertMasksFor checks that a call whose secret comes back in a text does not show it.
func (p *shownText) assertMasksFor(t *testing.T, call *secretCall, secret, text string) {
	t.Helper()
	var log strings.Builder
	sent := false
	client := newClient(t, kalshiauth.WithBaseURL(fuzzURL), kalshiauth.WithRetries(0),
		kalshiauth.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		kalshiauth.WithHTTPClient(&http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			sent = true
			return p.answer(text)
		})}))
	err := call.Call(t.Context(), client, call.input(secret))
	if !sent { // no server can have said it
		return
	}
	var said *kalshiauth.Error
	if p.shown != nil {
		if !errors.As(err, &said) {
			t.Fatalf("%s, %s: %v", call.ID, p.name, err)
		}
		if got := p.shown(said); got != mask {
			t.Errorf("%s: %s with the secret %q as %q is %q, want %q", call.ID, p.name, secret, text, got, mask)
		}
	}
	all := fmt.Sprintf("%v %+v %#v", err, err, err) + log.String()
	if err == nil || strings.Contains(all, canary) || strings.Contains(all, text) {
		t.Errorf("%s: %s with the secret %q as %q is shown by %s", call.ID, p.name, secret, text, all)
	}
	if !utf8.ValidString(err.Error()) {
		t.Errorf("%s: the error is not UTF-8: %q", call.ID, err)
	}
}
