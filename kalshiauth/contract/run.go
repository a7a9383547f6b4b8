package contract

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

// A Target is a server to check with [Run], and what Run may do there.
type Target struct {
	// BaseURL is the base URL of the API, such as "https://example.com/v1".
	BaseURL string
	// HTTPClient sends the requests, without its cookie jar and redirect policy; nil means an http.Client without
	// settings.
	HTTPClient *http.Client
	// Credentials allow Run to log in, and to try a wrong password once. If they are zero, checks that need an account are
	// skipped.
	Credentials kalshiauth.Credentials
	// Other is a second account, to check that what is done to the first one leaves it alone. With ResetCode, mails are
	// sent to it, too. If it is zero, checks that need it are skipped.
	Other kalshiauth.Credentials
	// ResetCode returns the code and the user ID of the last mail to email. Run calls it after each request for a reset.
	// It must wait for that mail, for which its context gives it two minutes. A ResetCode allows Run to have mails sent,
	// to change the password, and to try more wrong passwords, with a right one between any two. If it is nil, checks that
	// need it are skipped.
	ResetCode func(ctx context.Context, email string) (code, userID string, err error)
	// Schemes are the names of the security schemes by which Run presents a session, one after the other; none means all
	// of the document.
	Schemes []string
	// Document is the OpenAPI document, in JSON or YAML; nil means that of this module. It must have the operations that
	// this module's document has.
	Document []byte
	// Timeout limits the whole run, except for the time that it takes to restore the password; 0 means 15 minutes.
	Timeout time.Duration
	// Only and Skip select checks by their IDs, or by patterns of [path.Match], such as "Login.*". If Only is empty, all
	// checks run except those of Skip.
	Only, Skip []string
	// OnCheck, if not nil, is called after each check.
	OnCheck func(Check)
}

// Run checks a running server. Failed checks are in the report. An error means that Run could not finish: target is
// invalid, no server answers there, the server rejects the credentials, or time is over. The report then has the checks
// that ran by then. It is nil only if target is invalid.
//
// Without Credentials, Run uses random passwords, and an e-mail address that cannot exist. With ResetCode, it
// requests some mails and changes the password of the account. It begins with the password that the account has: if
// the server refuses that one as the new one, Run sets no other. At the end it restores the original password, even
// if checks failed or ctx ended. If it cannot, [Report.Changed] returns the password that the account has.
//
// If the server asks Run to wait, with a 429 or 503 and a Retry-After of at most two minutes, Run waits and tries
// again.
func Run(ctx context.Context, target Target) (*Report, error) { //nolint:gocritic // a struct of options
	r, err := newRunner(&target) //nolint:contextcheck // kin-openapi takes a context and does not use it
	if err != nil {
		return nil, fmt.Errorf("contract: Run: %w", err)
	}
	defer func() { r.report.Duration = time.Since(r.report.Started) }()
	err = r.run(ctx)
	if err != nil {
		r.report.Err = r.secrets.Text(err.Error())
		err = fmt.Errorf("contract: Run: %w", r.secrets.Error(err))
	}
	return &r.report, err
}

// defaultTimeout is the Target.Timeout of a target without one.
const defaultTimeout = 15 * time.Minute

func (r *runner) run(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, cmp.Or(r.target.Timeout, defaultTimeout))
	defer cancel()
	for _, c := range r.checks(limited) {
		if r.fatal != nil || limited.Err() != nil {
			break
		}
		if c.selected(r.target) {
			r.add(r.perform(limited, c))
		}
	}
	unlimited, cancelRestore := context.WithTimeout(context.WithoutCancel(ctx), restoreTimeout)
	defer cancelRestore()
	if r.main.touched || r.other.touched {
		r.add(r.perform(unlimited, &check{
			"restores", "sets the first password again", r.Operation("ResetPasswordConfirm"), "", needsMailbox,
			func(ctx context.Context, r *runner) error { return r.restoreAll(ctx) },
		}))
	}
	for _, s := range slices.Clone(r.open) {
		r.end(unlimited, s)
	}
	if limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("not all checks ran in %v: %w", cmp.Or(r.target.Timeout, defaultTimeout), limited.Err())
	}
	return errors.Join(r.fatal, ctx.Err())
}

// add adds a check to the report.
func (r *runner) add(c Check) { //nolint:gocritic // OnCheck takes it so
	r.report.Checks = append(r.report.Checks, c)
	if r.target.OnCheck != nil {
		r.target.OnCheck(c)
	}
}

func newRunner(target *Target) (*runner, error) {
	doc, err := loadDocument(target.Document)
	if err != nil {
		return nil, err
	}
	rules, err := newRules(target.BaseURL, doc)
	if err != nil {
		return nil, err
	}
	for _, a := range []kalshiauth.Credentials{target.Credentials, target.Other} {
		if (a.Email == "") != (a.Password == "") {
			return nil, errors.New("the credentials lack the e-mail address or the password")
		}
	}
	if target.Other.Email != "" &&
		(target.Credentials.Email == "" || strings.EqualFold(target.Other.Email, target.Credentials.Email)) {
		return nil, errors.New("the second account needs a first one, with another e-mail address")
	}
	if target.Timeout < 0 {
		return nil, errors.New("the timeout is negative")
	}
	for _, pattern := range slices.Concat(target.Only, target.Skip) {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("the pattern %.40q of checks is malformed", pattern)
		}
	}
	client := http.Client{}
	if target.HTTPClient != nil {
		client = *target.HTTPClient
	}
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r := &runner{
		rules: rules, target: target, client: &client, main: newAccount(target.Credentials), other: newAccount(target.Other),
		secrets: redact.Secrets{
			target.Credentials.Password, target.Credentials.Email, target.Other.Password, target.Other.Email,
		},
		silent: map[string]int{}, hurried: map[string]bool{}, known: map[Violation]bool{},
		report: Report{
			Target: rules.base.endpoint(""), Version: version(), Document: rules.title(),
			Started: time.Now(), Statuses: statusCounts(doc), Password: PasswordUntouched,
		},
	}
	for _, scheme := range doc.Schemes {
		if len(target.Schemes) == 0 || slices.Contains(target.Schemes, scheme.ID) {
			r.schemes = append(r.schemes, scheme)
		}
	}
	for _, name := range target.Schemes {
		if !slices.ContainsFunc(r.schemes, func(s document.Scheme) bool { return s.ID == name }) {
			return nil, fmt.Errorf("the document has no security scheme %.40q that uses a cookie or a header", name)
		}
	}
	for _, pattern := range target.Only {
		only := &Target{Only: []string{pattern}}
		if !slices.ContainsFunc(r.checks(context.Background()), func(c *check) bool { return c.selected(only) }) {
			return nil, fmt.Errorf("%.40q is the ID of no check: the reports list the IDs", pattern)
		}
	}
	return r, nil
}

// version returns the version of this module, or "" if the program does not record it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, module := range append(info.Deps, &info.Main) {
		if module.Path == "github.com/kalshiauth/kalshiauth-go" {
			return module.Version
		}
	}
	return ""
}
