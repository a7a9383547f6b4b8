// Package redact hides secrets in texts and errors. The rest of the module uses it for that.
package redact

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Mask replaces a text that contains a secret.
const Mask = "[redacted]"

const (
	minSecret = 4 // bytes; shorter secrets are not masked, since many texts contain them by chance
	maxLayers = 3 // how many unescapings in a row are tried on a text

	maxText = 128 << 10 // bytes of a text that is searched; a longer text is masked
)

// Secrets are strings that texts must not show.
type Secrets []string

// Text returns text, or [Mask] if text contains a secret, either as it is or escaped. It finds a secret that was
// escaped up to three times, in any combination: for a URL, with or without + for a space; with backslashes, as in JSON
// and Go; and as HTML entities.
func (s Secrets) Text(text string) string {
	if holds(text, s.shownBy) {
		return Mask
	}
	return text
}

// LogText is Text for a log record. It also masks text that may contain an e-mail address: text with an @.
func (s Secrets) LogText(text string) string {
	if holds(text, func(plain string) bool { return strings.Contains(plain, "@") || s.shownBy(plain) }) {
		return Mask
	}
	return text
}

// LogError returns the attribute for err in a log record, which is empty if err is nil. If err wraps a
// [slog.LogValuer], LogError uses its value.
func (s Secrets) LogError(err error) slog.Attr {
	if err == nil {
		return slog.Attr{}
	}
	var valuer interface {
		error
		slog.LogValuer
	}
	if errors.As(err, &valuer) {
		return slog.String("error", s.LogText(valuer.LogValue().Resolve().String()))
	}
	return slog.String("error", s.LogText(err.Error()))
}

// URL returns a URL with Text applied to each path segment and query value. The URL need not be well-formed.
func (s Secrets) URL(raw string) string {
	path, query, hasQuery := strings.Cut(raw, "?")
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = s.Text(segment)
	}
	masked := strings.Join(segments, "/")
	if hasQuery {
		masked += "?" + s.pairs(query, func(string) bool { return false })
	}
	return s.Text(masked) // a secret may contain a slash
}

// Query returns the query of a URL with Text applied to each name and value. It masks every value of a name for which
// hidden is true. The query need not be well-formed.
func (s Secrets) Query(raw string, hidden func(name string) bool) string {
	return s.Text(s.pairs(raw, hidden))
}

func (s Secrets) pairs(raw string, hidden func(name string) bool) string {
	pairs := strings.Split(raw, "&")
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		switch {
		case ok && hidden(unescapeQuery(name)):
			pairs[i] = name + "=" + Mask
		case ok:
			pairs[i] = s.Text(name) + "=" + s.Text(value)
		}
	}
	return strings.Join(pairs, "&")
}

// Header returns a copy of h with Text applied to each value. It masks every value of the headers in hidden.
func (s Secrets) Header(h http.Header, hidden ...string) http.Header {
	masked := make(http.Header, len(h))
	for name, values := range h {
		for _, value := range values {
			if slices.ContainsFunc(hidden, func(n string) bool { return strings.EqualFold(n, name) }) {
				value = Mask
			}
			masked[name] = append(masked[name], s.Text(value))
		}
	}
	return masked
}

// Body returns a JSON body with Text applied to each string, number and name. It masks every value of a property for
// which hidden is true. The result is JSON, too, with other white space and order. Body treats a body that is not JSON
// as one text.
func (s Secrets) Body(body []byte, hidden func(name string) bool) string {
	if !json.Valid(body) {
		return s.Text(string(body))
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	_ = decoder.Decode(&value) // it is valid
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s.json(value, hidden)) //nolint:errchkjson // it was JSON before
	return strings.TrimSuffix(b.String(), "\n")
}

func (s Secrets) json(value any, hidden func(name string) bool) any {
	switch value := value.(type) {
	case map[string]any:
		masked := make(map[string]any, len(value))
		for name, v := range value {
			if hidden(name) {
				masked[name] = Mask
			} else {
				masked[s.Text(name)] = s.json(v, hidden)
			}
		}
		return masked
	case []any:
		for i := range value {
			value[i] = s.json(value[i], hidden)
		}
		return value
	case string:
		return s.Text(value)
	case json.Number:
		if text := s.Text(value.String()); text == Mask {
			return text
		}
	}
	return value
}

// Error returns an error that shows no secret. It returns err itself if no error in its tree shows one. Otherwise,
// [errors.Is] still finds the errors in the tree, but [errors.As] finds only a [url.Error].
func (s Secrets) Error(err error) error {
	if !s.shownByError(err) {
		return err
	}
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // only the outermost is http.Client's own
		return &url.Error{Op: u.Op, URL: s.URL(u.URL), Err: s.Error(u.Err)}
	}
	var timeout interface{ Timeout() bool }
	return &maskedError{
		text:    s.Text(err.Error()),
		is:      func(target error) bool { return errors.Is(err, target) },
		timeout: errors.As(err, &timeout) && timeout.Timeout(),
	}
}

func (s Secrets) shownBy(plain string) bool {
	return slices.ContainsFunc(s, func(secret string) bool {
		return len(secret) >= minSecret && strings.Contains(plain, secret)
	})
}

// shownByError reports whether err, or an error that it wraps, shows a secret.
func (s Secrets) shownByError(err error) bool {
	if err == nil {
		return false
	}
	if holds(err.Error(), s.shownBy) {
		return true
	}
	switch err := err.(type) { //nolint:errorlint // this walks the tree itself
	case interface{ Unwrap() error }:
		return s.shownByError(err.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(err.Unwrap(), s.shownByError)
	}
	return false
}

// maskedError replaces an error that shows a secret, itself or in an error that it wraps. It keeps that error in a
// func: fmt prints the contents of every other kind of field.
type maskedError struct {
	text    string
	is      func(target error) bool
	timeout bool
}

func (e *maskedError) Error() string        { return e.text }
func (e *maskedError) Is(target error) bool { return e.is(target) }
func (e *maskedError) Timeout() bool        { return e.timeout }

// holds reports whether found is true for text, or for a result of up to maxLayers unescapings of it.
func holds(text string, found func(plain string) bool) bool {
	if len(text) > maxText {
		return true
	}
	texts := []string{text}
	for layer, next := 0, 0; next < len(texts); layer++ {
		for _, t := range texts[next:] {
			next++
			if found(t) {
				return true
			}
			if layer == maxLayers || !strings.ContainsAny(t, `%+\&`) {
				continue
			}
			for _, unescape := range unescapings {
				if plain := unescape(t); !slices.Contains(texts, plain) {
					texts = append(texts, plain)
				}
			}
		}
	}
	return false
}

var unescapings = []func(string) string{unescapePath, unescapeQuery, unescapeBackslashes, html.UnescapeString}

// unescapePath replaces %XX. It keeps malformed escapes.
func unescapePath(text string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(text, "%")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		if len(after) >= 2 {
			if n, err := strconv.ParseUint(after[:2], 16, 8); err == nil {
				b.WriteByte(byte(n))
				text = after[2:]
				continue
			}
		}
		b.WriteByte('%')
		text = after
	}
}

// unescapeQuery is unescapePath with + for a space.
func unescapeQuery(text string) string { return unescapePath(strings.ReplaceAll(text, "+", " ")) }

// unescapeBackslashes replaces the escapes of JSON and of Go's quoted strings. It removes the backslash of a malformed
// escape.
func unescapeBackslashes(text string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(text, `\`)
		b.WriteString(before)
		if !ok || after == "" {
			return b.String()
		}
		escape := text[len(before):]
		var r rune
		if r, text = utf16Escape(after); r >= 0 {
			b.WriteRune(r)
			continue
		}
		if r, isRune, tail, err := strconv.UnquoteChar(escape, 0); err == nil {
			if isRune || r < utf8.RuneSelf {
				b.WriteRune(r)
			} else {
				b.WriteByte(byte(r)) //nolint:gosec // \xff and \377 are bytes
			}
			text = tail
			continue
		}
		b.WriteByte(after[0])
		text = after[1:]
	}
}

// utf16Escape returns the rune of a surrogate pair, uXXXX\uXXXX, and the rest of text, or -1 if there is no such pair.
// strconv does not know these pairs.
func utf16Escape(text string) (char rune, tail string) {
	const length = len(`u0000\u0000`)
	if len(text) < length || text[0] != 'u' || text[5:7] != `\u` {
		return -1, text
	}
	high, err1 := strconv.ParseUint(text[1:5], 16, 16)
	low, err2 := strconv.ParseUint(text[7:length], 16, 16)
	r := utf16.DecodeRune(rune(high), rune(low))
	if err1 != nil || err2 != nil || r == utf8.RuneError {
		return -1, text
	}
	return r, text[length:]
}
