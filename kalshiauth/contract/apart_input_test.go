package contract_test

import (
	"encoding/json"
	"net/http"
	"net/mail"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// whole takes some bodies that are no objects for right ones. A confirm takes them with a mailed code only.
func whole(operation string, match func(body string) bool) func(*kalshiauthtest.Server) middleware {
	return repairs(operation, func(b *book, r *http.Request, body string) string {
		switch owner, good := b.mailed(codeOf(r)); {
		case !match(body):
			return ""
		case operation == "ResetPasswordConfirm" && good:
			return object("user_id", b.ids[owner], "password", b.password(owner))
		}
		return b.rights(email)
	})
}

// lets takes an object in which a property has a wrong value for one with the right value, if all others are right.
func lets(operation, property string, match func(b *book, r *http.Request, value any, has bool) bool) func(*kalshiauthtest.Server) middleware {
	return repairs(operation, func(b *book, r *http.Request, body string) string {
		fields := parsed(body)
		value, has := fields[property]
		if fields == nil || !match(b, r, value, has) {
			return ""
		}
		right := map[string]string{"email": email, "password": b.password(email)}
		if owner, _ := b.mailed(codeOf(r)); operation == "ResetPasswordConfirm" {
			right = map[string]string{"user_id": b.ids[owner], "password": b.password(owner)}
		}
		fields[property] = right[property]
		data, _ := json.Marshal(fields)
		return string(data)
	})
}

// is matches a value by its type; "missing" and "empty" are types, too.
func is(kind string) func(*book, *http.Request, any, bool) bool {
	return func(_ *book, _ *http.Request, value any, has bool) bool { return typeOf(value, has) == kind }
}

func typeOf(value any, has bool) string {
	switch v := value.(type) {
	case string:
		if v == "" {
			return "empty"
		}
		return "text"
	case float64:
		return "number"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	if has {
		return "null"
	}
	return "missing"
}

// valueIn matches bodies that are a JSON value of a type.
func valueIn(kind string) func(string) bool {
	return func(body string) bool {
		var value any
		return json.Unmarshal([]byte(body), &value) == nil && typeOf(value, true) == kind
	}
}

func malformed(match func(body string) bool) func(string) bool {
	return func(body string) bool { return body != "" && !json.Valid([]byte(body)) && match(body) }
}

var apartInput = []namedMutant{
	// Whole bodies.
	{name: "no body logs in", class: "body", stateful: whole("Login", func(body string) bool { return body == "" })},
	{name: "no body mails", class: "body", stateful: whole("ResetPassword", func(body string) bool { return body == "" })},
	{name: "no body confirms with a mailed code", class: "body", stateful: whole("ResetPasswordConfirm", func(body string) bool { return body == "" })},
	{name: "null logs in", class: "body", stateful: whole("Login", valueIn("null"))},
	{name: "null mails", class: "body", stateful: whole("ResetPassword", valueIn("null"))},
	{name: "null confirms with a mailed code", class: "body", stateful: whole("ResetPasswordConfirm", valueIn("null"))},
	{name: "a text logs in", class: "body", stateful: whole("Login", valueIn("text"))},
	{name: "a number mails", class: "body", stateful: whole("ResetPassword", valueIn("number"))},
	{name: "a boolean logs in", class: "body", stateful: whole("Login", valueIn("boolean"))},
	{name: "an array mails", class: "body", stateful: whole("ResetPassword", valueIn("array"))},
	{name: "an array confirms with a mailed code", class: "body", stateful: whole("ResetPasswordConfirm", valueIn("array"))},
	{name: "half an object logs in", class: "body", stateful: whole("Login", malformed(func(s string) bool { return strings.HasPrefix(s, "{") && !strings.HasSuffix(s, "}") }))},
	{name: "malformed JSON mails", class: "body", stateful: whole("ResetPassword", malformed(func(string) bool { return true }))},
	{name: "malformed JSON confirms with a mailed code", class: "body", stateful: whole("ResetPasswordConfirm", malformed(func(string) bool { return true }))},

	// Properties of a log-in, for the known account.
	{name: "no password is needed", class: "known", stateful: lets("Login", "password", is("missing"))},
	{name: "an empty password lets in", class: "known", stateful: lets("Login", "password", is("empty"))},
	{name: "a null password lets in", class: "known", stateful: lets("Login", "password", is("null"))},
	{name: "a password that is an object lets in", class: "known", stateful: lets("Login", "password", is("object"))},
	{name: "a password that is an array lets in", class: "known", stateful: lets("Login", "password", is("array"))},
	{name: "a password that is true lets in", class: "known", stateful: lets("Login", "password",
		func(_ *book, _ *http.Request, v any, _ bool) bool { yes, ok := v.(bool); return ok && yes })},
	{name: "a password that is 0 lets in", class: "known", stateful: lets("Login", "password",
		func(_ *book, _ *http.Request, v any, _ bool) bool { return v == 0.0 })},
	{name: "a password that is an operator lets in", class: "known", stateful: lets("Login", "password",
		func(_ *book, _ *http.Request, v any, _ bool) bool { o, _ := v.(map[string]any); return hasOperator(o) })},
	{name: "a password in an array lets in", class: "known", stateful: lets("Login", "password",
		func(b *book, _ *http.Request, v any, _ bool) bool {
			a, _ := v.([]any)
			return len(a) == 1 && a[0] == b.password(email)
		})},
	{name: "an address in an array lets in", class: "known", stateful: lets("Login", "email",
		func(_ *book, _ *http.Request, v any, _ bool) bool {
			a, _ := v.([]any)
			return len(a) > 0 && a[0] == email
		})},
	{name: "no address is needed", class: "known", stateful: lets("Login", "email", is("missing"))},
	{name: "an empty address lets in", class: "known", stateful: lets("Login", "email", is("empty"))},
	{name: "an address that is an object lets in", class: "known", stateful: lets("Login", "email", is("object"))},
	{name: "a part of the address lets in", class: "format", stateful: lets("Login", "email",
		func(_ *book, _ *http.Request, v any, _ bool) bool { return v == "trader" })},
	{name: "a log-in takes a name with the address", class: "format", stateful: lets("Login", "email", named)},

	// Properties of a reset and of a confirm, with real data.
	{name: "a reset takes no address", class: "property", stateful: lets("ResetPassword", "email", is("missing"))},
	{name: "a reset takes null", class: "property", stateful: lets("ResetPassword", "email", is("null"))},
	{name: "a reset takes true", class: "property", stateful: lets("ResetPassword", "email", is("boolean"))},
	{name: "a reset takes an array", class: "property", stateful: lets("ResetPassword", "email", is("array"))},
	{name: "a reset takes an array with the known address", class: "known", stateful: lets("ResetPassword", "email",
		func(_ *book, _ *http.Request, v any, _ bool) bool {
			a, _ := v.([]any)
			return len(a) > 0 && a[0] == email
		})},
	{name: "a reset takes an empty text", class: "property", stateful: lets("ResetPassword", "email", is("empty"))},
	{name: "a reset takes a name with the address", class: "format", stateful: lets("ResetPassword", "email", named)},
	{name: "a reset takes two at signs", class: "format", stateful: lets("ResetPassword", "email",
		func(_ *book, _ *http.Request, v any, _ bool) bool {
			s, _ := v.(string)
			return strings.Count(s, "@") == 2 && len(s) < 200
		})},
	{name: "a code is enough, without a user ID", class: "property", stateful: lets("ResetPasswordConfirm", "user_id", withCode(is("missing")))},
	{name: "a code is enough, with null", class: "property", stateful: lets("ResetPasswordConfirm", "user_id", withCode(is("null")))},
	{name: "a code is enough, with an empty user ID", class: "property", stateful: lets("ResetPasswordConfirm", "user_id", withCode(is("empty")))},
	{name: "a code is enough, with a number", class: "property", stateful: lets("ResetPasswordConfirm", "user_id", withCode(is("number")))},
	{name: "a code is enough, with an object", class: "property", stateful: lets("ResetPasswordConfirm", "user_id", withCode(is("object")))},
	{name: "a confirm takes no password", class: "property", stateful: lets("ResetPasswordConfirm", "password", withCode(is("missing")))},
	{name: "a confirm takes a null password", class: "property", stateful: lets("ResetPasswordConfirm", "password", withCode(is("null")))},
	{name: "a confirm takes an empty password", class: "property", stateful: lets("ResetPasswordConfirm", "password", withCode(is("empty")))},
	{name: "a confirm takes a password that is true", class: "property", stateful: lets("ResetPasswordConfirm", "password", withCode(is("boolean")))},
	{name: "a confirm takes five characters", class: "minLength", stateful: lets("ResetPasswordConfirm", "password",
		withCode(func(_ *book, _ *http.Request, v any, _ bool) bool { s, _ := v.(string); return len(s) == minPassword-1 }))},
	{name: "a confirm counts bytes", class: "minLength", stateful: lets("ResetPasswordConfirm", "password",
		withCode(func(_ *book, _ *http.Request, v any, _ bool) bool {
			s, _ := v.(string)
			return utf8.RuneCountInString(s) < minPassword && len(s) >= minPassword
		}))},
	{name: "a user ID in braces", class: "format", stateful: lets("ResetPasswordConfirm", "user_id", looseID('{'))},
	{name: "a user ID without hyphens", class: "format", stateful: lets("ResetPasswordConfirm", "user_id", looseID(0))},
	{name: "a user ID with spaces around it", class: "format", stateful: lets("ResetPasswordConfirm", "user_id",
		withCode(func(b *book, _ *http.Request, v any, _ bool) bool {
			s, _ := v.(string)
			return s != strings.TrimSpace(s) && b.account(strings.TrimSpace(s)) != ""
		}))},
	{name: "a user ID with something after it", class: "format", stateful: lets("ResetPasswordConfirm", "user_id",
		withCode(func(b *book, _ *http.Request, v any, _ bool) bool {
			s, _ := v.(string)
			return len(s) > 36 && b.account(s[:36]) != ""
		}))},
}

func hasOperator(o map[string]any) bool {
	for name := range o {
		if strings.HasPrefix(name, "$") {
			return true
		}
	}
	return false
}

// named matches an address as a mail has it, with a name or in brackets.
func named(_ *book, _ *http.Request, v any, _ bool) bool {
	s, _ := v.(string)
	address, err := mail.ParseAddress(s)
	return err == nil && address.Address == email && s != email
}

// withCode also demands a mailed code that was not used.
func withCode(match func(*book, *http.Request, any, bool) bool) func(*book, *http.Request, any, bool) bool {
	return func(b *book, r *http.Request, value any, has bool) bool {
		_, good := b.mailed(codeOf(r))
		return good && match(b, r, value, has)
	}
}

// looseID matches the forms of a user ID that a common parser takes. They begin with a sign; 0: with any other.
func looseID(first byte) func(*book, *http.Request, any, bool) bool {
	return withCode(func(b *book, _ *http.Request, v any, _ bool) bool {
		s, _ := v.(string)
		id, err := uuid.Parse(s)
		return err == nil && b.account(s) == "" && b.account(id.String()) != "" && (s[0] == first || first == 0 && len(s) == 32)
	})
}
