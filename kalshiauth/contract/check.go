package contract

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// A check is one property of a server. run sends its requests, and returns what is wrong.
type check struct {
	id    string // without the operation's ID
	name  string // without the operation's ID
	op    *document.Operation
	rule  string // JSON pointer, relative to op unless it begins with "#"; "": the operation's success
	needs needs
	run   action
}

// An action sends the requests of a check, and returns what is wrong.
type action = func(ctx context.Context, r *runner) error

// fullID returns the ID of the check. It has only letters, digits and a few signs, so that it can be typed in a shell.
func (c *check) fullID() string { return unusual.ReplaceAllString(c.op.ID+"."+c.id, "-") }

var unusual = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// pointer returns the JSON pointer to the rule of the check.
func (c *check) pointer() string {
	if keys := success.statuses(c.op); c.rule == "" && len(keys) > 0 {
		return c.op.Pointer + "/responses/" + keys[0]
	}
	if strings.HasPrefix(c.rule, "#") {
		return c.rule
	}
	return c.op.Pointer + c.rule
}

// selected reports whether the target selects the check.
func (c *check) selected(t *Target) bool {
	matches := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			ok, _ := path.Match(pattern, c.fullID()) // newRunner has checked the patterns
			return ok
		})
	}
	return (len(t.Only) == 0 || matches(t.Only)) && !matches(t.Skip)
}

// A skipError is the reason why a check cannot run although the target allows it.
type skipError string

func (s skipError) Error() string { return string(s) }

// A needless is the reason why a check has nothing to send: the server cannot break its rule.
type needless string

func (n needless) Error() string { return string(n) }

// perform runs a check.
func (r *runner) perform(ctx context.Context, c *check) Check {
	result := Check{
		ID: c.fullID(), Name: c.op.ID + " " + c.name, Operation: c.op.ID, Outcome: Skipped, Rule: c.pointer(),
		Started: time.Now(),
	}
	if result.Detail = c.needs.missing(r); result.Detail != "" {
		if r.broken && result.Detail == r.keep {
			result.Outcome = Failed
		}
		return result
	}
	r.sent, r.found, r.last = nil, nil, 0
	err := c.run(ctx, r)
	if err == nil || errors.As(err, new(skipError)) || errors.As(err, new(needless)) {
		r.tidy(ctx)
	}
	result.Duration = time.Since(result.Started)
	for _, s := range r.sent {
		result.Exchanges = append(result.Exchanges, s.shown(r))
	}
	switch {
	case ctx.Err() != nil:
		result.Detail = "the run ended before this check did"
		return result
	case errors.As(err, new(skipError)):
		result.Detail = err.Error()
	case errors.As(err, new(needless)):
		result.Outcome, result.Detail = Passed, err.Error()
	case err != nil:
		result.Outcome = Failed
		r.found = append([]string{r.secrets.Error(err).Error()}, r.found...)
	default:
		result.Outcome, result.Detail = Passed, fmt.Sprintf("the answer is %d", r.last)
	}
	if len(r.found) > 0 {
		result.Outcome, result.Detail = Failed, strings.Join(r.found, "; ")
	}
	return result
}

// wanted is the kind of response that a check expects. The document has its statuses.
type wanted int

const (
	success      wanted = 1 << iota
	refusal             // any 4xx except 429, which says nothing about the request
	undocumented        // any 3xx or 4xx that the document does not have, as of a server in front of the API
)

// statuses returns the keys of the wanted responses of an operation, such as "200", "4XX" or "default".
func (w wanted) statuses(op *document.Operation) (keys []string) {
	for key := range op.Operation.Responses.Map() {
		if w&success != 0 && key[0] == '2' || w&refusal != 0 && (key[0] == '4' && key != "429" || key == "default") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// includes reports whether a status is a wanted response of an operation.
func (w wanted) includes(op *document.Operation, status int) bool {
	key, _ := documented(op, status)
	switch {
	case key == "":
		return w&undocumented != 0 && status/100 > 2 && status/100 < 5 && status != http.StatusTooManyRequests
	case status/100 == 2:
		return slices.Contains((w & success).statuses(op), key)
	case status/100 == 4 && status != http.StatusTooManyRequests:
		return slices.Contains((w & refusal).statuses(op), key)
	}
	return false
}

// String names the wanted statuses of an operation.
func (w wanted) of(op *document.Operation) string {
	keys := w.statuses(op)
	if w&undocumented != 0 {
		keys = append(keys, "another 4xx")
	}
	return list(keys, "or")
}

// needs are what a check requires of the target.
type needs int

const (
	needsNothing     needs = 0
	needsAccount     needs = 1 << iota // Credentials
	needsMailbox                       // ResetCode
	needsOther                         // Other
	needsNewPassword                   // the server lets Run set the present password again, and so restore it
)

// missing returns what a check lacks, and how to get it, or "".
func (n needs) missing(r *runner) string {
	t := r.target
	switch {
	case n != needsNothing && t.Credentials == kalshiauth.Credentials{}:
		return "it needs an account: set Target.Credentials (the command: -email and KALSHI_PASSWORD)"
	case n&(needsMailbox|needsNewPassword) != 0 && t.ResetCode == nil:
		return "it may send mail or change the password: allow it with Target.ResetCode (the command: -reset-code-cmd)"
	case n&needsOther != 0 && t.Other == kalshiauth.Credentials{}:
		return "it needs a second account: set Target.Other (the command: -other-email and KALSHI_OTHER_PASSWORD)"
	case n&needsNewPassword != 0 && r.keep != "":
		return r.keep
	}
	return ""
}
