package kalshiauth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

// Credentials are an account's e-mail address and password. They are hidden from fmt, slog and encoders that use
// [encoding.TextMarshaler], such as JSON: these show "Credentials([redacted])" instead. Credentials are not hidden from
// fmt's %p, from encoding/gob, and in unexported fields of other structs.
type Credentials struct {
	Email, Password string
}

// Format hides the credentials from fmt.
func (c Credentials) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, c.String()) }

// String returns "Credentials([redacted])".
func (Credentials) String() string { return "Credentials(" + redact.Mask + ")" }

// LogValue hides the credentials from slog.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText hides the credentials from encoders.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// A PasswordResetConfirmation sets a new password. Code and UserID come from the e-mailed link: the verification code,
// and the user's UUID in the query parameter user_id. It is hidden as [Credentials] are, with the same exceptions.
type PasswordResetConfirmation struct {
	Code, UserID, NewPassword string
}

// Format hides the confirmation from fmt.
func (p PasswordResetConfirmation) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, p.String()) }

// String returns "PasswordResetConfirmation([redacted])".
func (PasswordResetConfirmation) String() string {
	return "PasswordResetConfirmation(" + redact.Mask + ")"
}

// LogValue hides the confirmation from slog.
func (p PasswordResetConfirmation) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText hides the confirmation from encoders.
func (p PasswordResetConfirmation) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// minPassword is the minimum length of a password in the OpenAPI document, in characters.
const minPassword = 6

// invalid joins problems into one [ErrInvalidInput], or returns nil if there are none.
func invalid(problems ...error) error {
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("%w: %s", ErrInvalidInput, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

// check returns nil if ok, and else an error with this text.
func check(ok bool, text string) error {
	if ok {
		return nil
	}
	return errors.New(text)
}

func checkEmail(email string) error {
	addr, err := mail.ParseAddress(email)
	// The comparisons reject "Trader <trader@example.com>", which contains an address, but is not one.
	return check(err == nil && (addr.Address == email || addr.String() == "<"+email+">"),
		"the e-mail address is malformed: it must be like trader@example.com")
}

var shortPassword = fmt.Sprintf("the password has fewer than %d characters", minPassword)

func checkPassword(password string) error {
	return errors.Join(check(utf8.RuneCountInString(password) >= minPassword, shortPassword),
		check(utf8.ValidString(password), "the password is not UTF-8, and JSON would change it"))
}

func checkUserID(id string) error {
	_, err := uuid.Parse(id)
	return check(err == nil && len(id) == len(uuid.Nil.String()),
		"the user ID is not a UUID: it must be the query parameter user_id of the e-mailed link")
}

func checkCode(code string) error {
	// In a URL's path, "." and ".." are folders, and an empty segment makes another path.
	return check(code != "" && code != "." && code != "..", "the code is not the one from an e-mailed link")
}
