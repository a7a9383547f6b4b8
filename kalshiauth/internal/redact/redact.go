// Package redact hides secrets in texts and errors. It is the one place of the module that does.
package redact

import (
	"errors"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Mask stands for a text that holds a secret.
const Mask = "[redacted]"

const (
	minSecret = 4 // bytes of a secret that is searched for: shorter ones are in too many texts by chance
	maxLayers = 3 // unescapings, one after another, that are tried on a text
)

// Secrets are strings that no text may show.
type Secrets []string

// Text returns text, or [Mask] where it holds a secret: as it is, or after up to three unescapings in any order. Those
// are URL escapes, with and without + for a space, backslashes as in JSON and Go, and HTML entities.
func (s Secrets) Text(text string) string {
	if holds(text, s.shownBy) {
		return Mask
	}
	return text
}

// LogText is Text for a log record, which shows no e-mail address either: a text with an @ is masked.
func (s Secrets) LogText(text string) string {
	if holds(text, func(plain string) bool { return strings.Contains(plain, "@") || s.shownBy(plain) }) {
		return Mask
	}
	return text
}

// URL returns a URL with each path segment and query value masked by itself. It need not be well-formed.
func (s Secrets) URL(raw string) string {
	path, query, hasQuery := strings.Cut(raw, "?")
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = s.Text(segment)
	}
	masked := strings.Join(segments, "/")
	if hasQuery {
		pairs := strings.Split(query, "&")
		for i, pair := range pairs {
			if name, value, ok := strings.Cut(pair, "="); ok {
				pairs[i] = s.Text(name) + "=" + s.Text(value)
			}
		}
		masked += "?" + strings.Join(pairs, "&")
	}
	return s.Text(masked) // a secret may have a slash in it
}

// Error returns an error that shows no secret. It is err itself where nothing in its tree shows one. Otherwise
// [errors.Is] finds what it found in err, and [errors.As] finds no more than a [url.Error].
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

// maskedError stands for an error whose text, or that of an error it wraps, shows a secret. It keeps that error in a
// func, since fmt follows every other kind of field.
type maskedError struct {
	text    string
	is      func(target error) bool
	timeout bool
}

func (e *maskedError) Error() string        { return e.text }
func (e *maskedError) Is(target error) bool { return e.is(target) }
func (e *maskedError) Timeout() bool        { return e.timeout }

// holds reports whether found is true of text, or of what up to maxLayers unescapings make of it.
func holds(text string, found func(plain string) bool) bool {
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
			for _, unescape := range [...]func(string) string{unescapePath, unescapeQuery, unescapeBackslashes, html.UnescapeString} {
				if plain := unescape(t); !slices.Contains(texts, plain) {
					texts = append(texts, plain)
				}
			}
		}
	}
	return false
}

// unescapePath replaces %XX. What is no escape stays.
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

// unescapeBackslashes replaces the escapes of JSON and of Go's quoted strings. What is no escape stays, without its
// backslash.
func unescapeBackslashes(text string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(text, `\`)
		b.WriteString(before)
		if !ok || after == "" {
			return b.String()
		}
		var r rune
		if r, text = utf16Escape(after); r >= 0 {
			b.WriteRune(r)
			continue
		}
		if r, isRune, tail, err := strconv.UnquoteChar(`\`+after, 0); err == nil {
			if isRune || r < utf8.RuneSelf {
				b.WriteRune(r)
			} else {
				b.WriteByte(byte(r)) // \xff and \377 are bytes
			}
			text = tail
			continue
		}
		b.WriteByte(after[0])
		text = after[1:]
	}
}

// utf16Escape returns the rune of a surrogate pair, uXXXX\uXXXX, which Go does not know, and what is behind it, or -1.
func utf16Escape(text string) (rune, string) {
	const length = len(`u0000\u0000`)
	if len(text) < length || text[0] != 'u' || text[5:7] != `\u` {
		return -1, text
	}
	high, err1 := strconv.ParseUint(text[1:5], 16, 16)
	low, err2 := strconv.ParseUint(text[7:length], 16, 16)
	r := utf16.DecodeRune(rune(high), rune(low)) //nolint:gosec // 16 bits
	if err1 != nil || err2 != nil || r == utf8.RuneError {
		return -1, text
	}
	return r, text[length:]
}
