package kalshiauth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const redacted = "[redacted]"

// secrets are the strings of one call that nothing may show, the longest first, since one may be part of another.
type secrets []string

func newSecrets(list ...string) secrets {
	s := slices.DeleteFunc(list, func(secret string) bool { return secret == "" })
	slices.SortFunc(s, func(a, b string) int { return len(b) - len(a) })
	return s
}

// scrub returns text without the secrets, as they are and escaped as in a URL, in JSON or in a quoted string.
func (s secrets) scrub(text string) string {
	escaped := strings.Contains(text, "%") || strings.Contains(text, "+") || strings.Contains(text, `\`)
	for _, secret := range s {
		if escaped {
			text = anyForm(secret).ReplaceAllLiteralString(text, redacted)
		} else {
			text = strings.ReplaceAll(text, secret, redacted)
		}
	}
	return text
}

// maxForm is how many characters of a secret are matched in any form: a pattern costs much more than its text.
const maxForm = 256

// anyForm matches a secret of which each character is as it is or escaped, and all that follows a longer one's start.
func anyForm(secret string) *regexp.Regexp {
	var form strings.Builder
	for n := 0; secret != ""; n++ {
		if n == maxForm {
			form.WriteString(`(?s:.*)`)
			break
		}
		r, size := utf8.DecodeRuneInString(secret)
		char, quoted := secret[:size], strconv.Quote(secret[:size])
		secret = secret[size:]
		fmt.Fprintf(&form, `(?:\\*%s|%s|(?i:`, regexp.QuoteMeta(string(r)), regexp.QuoteMeta(quoted[1:len(quoted)-1]))
		for _, b := range []byte(char) {
			fmt.Fprintf(&form, `%%%02x`, b)
		}
		form.WriteByte('|')
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&form, `\\+u%04x`, unit)
		}
		form.WriteByte(')')
		if r == ' ' {
			form.WriteString(`|\+`)
		}
		form.WriteByte(')')
	}
	return regexp.MustCompile(form.String())
}

// scrubError returns an error without the secrets. It is err itself where nothing in its tree shows one; otherwise
// errors.Is finds what it found in err, and errors.As no more than a url.Error.
func (s secrets) scrubError(err error) error {
	if !s.shownBy(err) {
		return err
	}
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // only the outermost is http.Client's own
		return &url.Error{Op: u.Op, URL: s.scrub(u.URL), Err: s.scrubError(u.Err)}
	}
	var timeout interface{ Timeout() bool }
	return &scrubbedError{
		text:    s.scrub(err.Error()),
		is:      func(target error) bool { return errors.Is(err, target) },
		timeout: errors.As(err, &timeout) && timeout.Timeout(),
	}
}

// shownBy tells whether err, or an error that it wraps, shows a secret.
func (s secrets) shownBy(err error) bool {
	if err == nil {
		return false
	}
	if text := err.Error(); s.scrub(text) != text {
		return true
	}
	switch err := err.(type) { //nolint:errorlint // this walks the tree itself
	case interface{ Unwrap() error }:
		return s.shownBy(err.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(err.Unwrap(), s.shownBy)
	}
	return false
}

// scrubbedError stands for an error whose text, or that of an error it wraps, shows a secret. It holds that error in
// a func, since fmt follows every other kind of field.
type scrubbedError struct {
	text    string
	is      func(target error) bool
	timeout bool
}

func (e *scrubbedError) Error() string        { return e.text }
func (e *scrubbedError) Is(target error) bool { return e.is(target) }
func (e *scrubbedError) Timeout() bool        { return e.timeout }

// Credentials are an account's e-mail address and password, of at least 6 characters. No fmt verb, log or encoder
// shows them; neither does that of a struct that has them in an exported field.
type Credentials struct {
	Email, Password string
}

// Format keeps the password out of fmt's output.
func (c Credentials) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// String says no more than that these are credentials.
func (c Credentials) String() string { return "Credentials(" + redacted + ")" }

// LogValue keeps the password out of logs.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText keeps the password out of JSON and other encodings.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// A PasswordResetConfirmation sets a new password. Code and UserID come from the e-mailed link: the verification
// code, and the user's UUID in the query parameter user_id. NewPassword has at least 6 characters. No fmt verb, log
// or encoder shows them; neither does that of a struct that has them in an exported field.
type PasswordResetConfirmation struct {
	Code, UserID, NewPassword string
}

// Format keeps the secrets out of fmt's output.
func (p PasswordResetConfirmation) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.String())) }

// String says no more than what this is.
func (p PasswordResetConfirmation) String() string {
	return "PasswordResetConfirmation(" + redacted + ")"
}

// LogValue keeps the secrets out of logs.
func (p PasswordResetConfirmation) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText keeps the secrets out of JSON and other encodings.
func (p PasswordResetConfirmation) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
