package contract

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// A scenario is one check. send sends its requests and returns the response to check.
type scenario struct {
	name     string
	op       *document.Operation
	rule     string // JSON pointer, relative to op unless it begins with "#"
	want     wanted
	needs    needs
	restores bool // it runs even after a fatal error or the end of the context
	send     func(ctx context.Context, r *runner) (*answer, error)
}

// A skipError is the reason why a scenario cannot run although the target allows it.
type skipError string

func (s skipError) Error() string { return string(s) }

// run runs the scenario and checks the response.
func (s *scenario) run(ctx context.Context, r *runner) Check {
	check := Check{Name: s.name, Operation: s.op.ID, Outcome: Skipped, Rule: s.op.Pointer + s.rule}
	if strings.HasPrefix(s.rule, "#") {
		check.Rule = s.rule
	}
	if check.Detail = s.needs.missing(r.target); check.Detail != "" {
		return check
	}
	a, err := s.send(ctx, r)
	if err != nil {
		check.Detail = err.Error()
		if !errors.As(err, new(skipError)) {
			check.Outcome = Failed
		}
		return check
	}
	var problems []string
	if !s.want.includes(s.op, a.status) {
		problems = append(problems, fmt.Sprintf("the answer is %d, want %s", a.status, list(s.want.statuses(s.op), "or")))
	}
	for _, v := range r.checkResponse(s.op, a) { //nolint:contextcheck // kin-openapi takes a context and does not use it
		problems = append(problems, v.String())
	}
	if len(problems) > 0 {
		check.Outcome, check.Detail = Failed, strings.Join(problems, "; ")
		return check
	}
	check.Outcome, check.Detail = Passed, fmt.Sprintf("the answer is %d", a.status)
	return check
}

// wanted is the kind of response that a scenario expects. The document has its statuses.
type wanted int

const (
	success wanted = 1 << iota
	refusal        // any 4xx except 429, which says nothing about the request
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
	class := success
	if status/100 == 4 && status != http.StatusTooManyRequests {
		class = refusal
	} else if status/100 != 2 {
		return false
	}
	key, _ := documented(op, status)
	return w&class != 0 && slices.Contains(w.statuses(op), key)
}

// needs are the fields of the target that a scenario requires.
type needs int

const (
	nothing needs = iota
	account       // Credentials
	mailbox       // Credentials and ResetCode
)

// missing returns what the target lacks for a scenario, and how to set it, or "".
func (n needs) missing(t *Target) string {
	switch {
	case n >= account && t.Credentials == kalshiauth.Credentials{}:
		return "it needs an account: set Target.Credentials (the command: -email and KALSHI_PASSWORD)"
	case n == mailbox && t.ResetCode == nil:
		return "it sends mail and changes the password: allow it with Target.ResetCode (the command: -reset-code-cmd)"
	}
	return ""
}
