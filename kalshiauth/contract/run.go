package contract

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// A Target is the server that [Run] plays its scenarios against, and what it may do there.
type Target struct {
	// BaseURL is the URL below which the server serves the API, such as "https://example.com/v1".
	BaseURL string
	// HTTPClient sends the requests; nil means http.DefaultClient. Its jar and its redirect policy are not used.
	HTTPClient *http.Client
	// Credentials permit logins and one attempt with a wrong password. Zero: checks that need an account are skipped.
	Credentials kalshiauth.Credentials
	// ResetCode returns the code and user id last mailed to email: it is called after each request for a reset, and waits
	// for that mail, within two minutes. It permits mail to be sent and the password to be changed. nil: checks that need
	// it are skipped.
	ResetCode func(ctx context.Context, email string) (code, userID string, err error)
	// Authorization presents the token in the Authorization header instead of the cookie.
	Authorization bool
	// OnCheck is called after each check.
	OnCheck func(Check)
}

// What Run waits for at most.
const (
	requestTimeout = 15 * time.Second
	codeTimeout    = 2 * time.Minute
)

// Run plays the scenarios against a live server and returns what it found. An error means that it could not run: the
// target is not one, nothing answers there, the server refuses the credentials, or the context ended.
//
// Without Credentials, Run sends no e-mail and no password of an account. With ResetCode, it asks for a few mails and
// changes the password of the account, and sets the one that it found again at the end, also where checks fail or the
// context ends.
func Run(ctx context.Context, target Target) (*Report, error) { //nolint:gocritic // a struct of options
	r, err := newRunner(&target)
	if err != nil {
		return nil, fmt.Errorf("contract: Run: %w", err)
	}
	for _, s := range scenarios {
		sctx := ctx
		if s.restores {
			sctx = context.WithoutCancel(ctx)
		} else if r.fatal != nil || ctx.Err() != nil {
			continue
		}
		check := r.play(sctx, s)
		r.report.Checks = append(r.report.Checks, check)
		if target.OnCheck != nil {
			target.OnCheck(check)
		}
	}
	if err := errors.Join(r.fatal, ctx.Err()); err != nil {
		if last := r.report.Checks[len(r.report.Checks)-1]; last.Outcome == Failed {
			err = fmt.Errorf("%w; %s: %s", err, last.Name, last.Detail) // the account has another password
		}
		return nil, fmt.Errorf("contract: Run: %w", err)
	}
	return &r.report, nil
}

func newRunner(target *Target) (*runner, error) {
	base, err := parseBaseURL(target.BaseURL)
	if err != nil {
		return nil, err
	}
	if (target.Credentials.Email == "") != (target.Credentials.Password == "") {
		return nil, errors.New("the credentials lack the e-mail address or the password")
	}
	ops, err := operations()
	if err != nil {
		return nil, err
	}
	client := http.Client{}
	if target.HTTPClient != nil {
		client = *target.HTTPClient
	}
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &runner{target: target, base: base, client: &client, ops: ops, password: target.Credentials.Password}, nil
}

// needs are what a scenario takes of the target.
type needs int

const (
	nothing needs = iota
	account       // Credentials
	mailbox       // Credentials and ResetCode
)

// missing says what would enable a scenario.
func (n needs) missing(t *Target) string {
	switch {
	case n >= account && t.Credentials == kalshiauth.Credentials{}:
		return "it needs an account: set Target.Credentials (the command: -email and KALSHI_PASSWORD)"
	case n == mailbox && t.ResetCode == nil:
		return "it sends mail and changes the password: allow it with Target.ResetCode (the command: -reset-code-cmd)"
	}
	return ""
}

// A scenario is one check. It plays what leads to the one answer that it judges.
type scenario struct {
	name      string
	operation string
	rule      string // in the document: below the operation, or behind "#" anywhere
	statuses  []int  // that hold the contract
	needs     needs
	restores  bool // it is played whatever happens
	play      func(ctx context.Context, r *runner) (*answer, error)
}

// A skipError is why a scenario that the target allows could not be played.
type skipError string

func (s skipError) Error() string { return string(s) }

// play plays a scenario and judges it.
func (r *runner) play(ctx context.Context, s *scenario) Check {
	op := r.op(s.operation)
	check := Check{Name: s.name, Operation: s.operation, Outcome: Skipped, Rule: op.pointer + s.rule}
	if strings.HasPrefix(s.rule, "#") {
		check.Rule = s.rule
	}
	if check.Detail = s.needs.missing(r.target); check.Detail != "" {
		return check
	}
	a, err := s.play(ctx, r)
	var skipped skipError
	switch {
	case errors.As(err, &skipped):
		check.Detail = r.mask(err.Error())
		return check
	case err != nil:
		check.Outcome, check.Detail = Failed, r.mask(err.Error())
		return check
	}
	check.Outcome, check.Detail = Passed, fmt.Sprintf("the answer is %d", a.status)
	var problems []string
	if !slices.Contains(s.statuses, a.status) {
		problems = append(problems, fmt.Sprintf("the answer is %d, want %s", a.status, oneOf(s.statuses)))
	}
	for _, v := range op.checkResponse(r.base, a) { //nolint:contextcheck // see Checker.Middleware
		problems = append(problems, v.String())
	}
	if len(problems) > 0 {
		check.Outcome, check.Detail = Failed, r.mask(strings.Join(problems, "; "))
	}
	return check
}

func oneOf(statuses []int) string {
	texts := make([]string, len(statuses))
	for i, status := range statuses {
		texts[i] = strconv.Itoa(status)
	}
	if last := len(texts) - 1; last > 0 {
		return strings.Join(texts[:last], ", ") + " or " + texts[last]
	}
	return texts[0]
}
