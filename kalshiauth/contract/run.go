package contract

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	// Schemes are the names of the security schemes by which Run presents a session, one after the other; nil means all
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

// Time limits of Run.
const (
	requestTimeout = 15 * time.Second
	codeTimeout    = 2 * time.Minute
)

// Run checks a running server. Failed checks are in the report. An error means that Run could not finish: target is
// invalid, no server answers there, the server rejects the credentials, or ctx ended.
//
// Without Credentials, Run uses random passwords, and an e-mail address that cannot exist. With ResetCode, it requests
// a few mails and changes the password of the account. At the end it restores the original password, even if checks
// failed or ctx ended.
func Run(ctx context.Context, target Target) (*Report, error) { //nolint:gocritic // a struct of options
	return run(ctx, &target, document.API())
}

func run(ctx context.Context, target *Target, doc *document.Document) (*Report, error) {
	r, err := newRunner(target, doc)
	if err != nil {
		return nil, fmt.Errorf("contract: Run: %w", err)
	}
	for _, s := range scenarios(ctx, r) {
		sctx := ctx
		if s.restores {
			sctx = context.WithoutCancel(ctx)
		} else if r.fatal != nil || ctx.Err() != nil {
			continue
		}
		check := s.run(sctx, r)
		r.report.Checks = append(r.report.Checks, check)
		if target.OnCheck != nil {
			target.OnCheck(check)
		}
	}
	if err := errors.Join(r.fatal, ctx.Err()); err != nil {
		if n := len(r.report.Checks); n > 0 && r.report.Checks[n-1].Outcome == Failed {
			last := r.report.Checks[n-1]
			err = fmt.Errorf("%w; %s: %s", err, last.Name, last.Detail) // the account has another password
		}
		return nil, fmt.Errorf("contract: Run: %w", err)
	}
	return &r.report, nil
}

func newRunner(target *Target, doc *document.Document) (*runner, error) {
	rules, err := newRules(target.BaseURL, doc)
	if err != nil {
		return nil, err
	}
	if (target.Credentials.Email == "") != (target.Credentials.Password == "") {
		return nil, errors.New("the credentials lack the e-mail address or the password")
	}
	client := http.Client{}
	if target.HTTPClient != nil {
		client = *target.HTTPClient
	}
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &runner{
		rules: rules, target: target, client: &client, password: target.Credentials.Password,
		secrets: redact.Secrets{target.Credentials.Password},
	}, nil
}

// inHeader reports whether sessions are presented in a header.
func (t *Target) inHeader() bool { return len(t.Schemes) == 1 && t.Schemes[0] == "authorization" }
