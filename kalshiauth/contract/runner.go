package contract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

// Time limits of Run.
const (
	requestTimeout = 15 * time.Second
	codeTimeout    = 2 * time.Minute
	restoreTimeout = 5 * time.Minute
	maxWait        = 2 * time.Minute // a longer Retry-After is not waited for
)

// How often Run tries.
const (
	maxTries  = 5 // to send a request that the server answers with a Retry-After
	maxSilent = 3 // to get an answer of an operation
)

// A runner is the state of one Run.
type runner struct {
	*rules

	target  *Target
	schemes []document.Scheme // by which sessions are presented
	client  *http.Client
	report  Report

	answered bool           // the server has answered at least one request
	lost     int            // requests without a response
	silent   map[string]int // those of an operation in a row
	hurried  map[string]bool
	fatal    error // why Run cannot continue

	secrets redact.Secrets // not shown in the report
	main    *account       // of Target.Credentials
	other   *account       // of Target.Other
	open    []session      // that were not ended
	keep    string         // why no check sets another password; "": checks may
	broken  bool           // keep is a failure
	noMail  error          // why no mail is waited for; nil: it is
	untidy  bool           // sessions cannot be logged out
	issued  issued

	// Of the current check.
	sent  []*sent
	found []string // violations
	last  int      // the status of the last response
	known map[Violation]bool
}

// A sent call, and what came back.
type sent struct {
	req    *http.Request
	body   string
	answer *answer // nil: no response
	err    error
}

// send sends a call and waits for the answer. It waits if the server asks for that with a Retry-After. It follows no
// redirect. It reports each violation once in a run.
func (r *runner) send(ctx context.Context, c call) (*answer, error) {
	a, err := r.deliver(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, v := range r.checkAnswer(ctx, c, a) {
		if !r.known[v] {
			r.known[v] = true
			r.found = append(r.found, v.String())
		}
	}
	return a, nil
}

// expect sends a call whose response must have a wanted status. It reports each violation.
func (r *runner) expect(ctx context.Context, c call, want wanted) (*answer, error) {
	a, err := r.deliver(ctx, c)
	if err != nil {
		return nil, err
	}
	r.last = a.status
	var problems []error
	if !want.includes(c.op, a.status) {
		problems = append(problems, fmt.Errorf("the answer is %d, want %s", a.status, want.of(c.op)))
	}
	if want&undocumented == 0 || a.status/100 == 2 { // the answer to odd input may come from in front of the API
		for _, v := range r.checkAnswer(ctx, c, a) {
			r.known[v] = true
			problems = append(problems, errors.New(v.String()))
		}
	}
	if len(problems) > 0 {
		return a, errors.Join(problems...)
	}
	return a, r.staysOut(ctx, c, a)
}

// refused sends calls that must be refused.
func (r *runner) refused(ctx context.Context, calls ...call) error {
	return r.refusedAs(ctx, refusal, calls...)
}

func (r *runner) refusedAs(ctx context.Context, want wanted, calls ...call) error {
	for _, c := range calls {
		if _, err := r.expect(ctx, c, want); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) checkAnswer(ctx context.Context, c call, a *answer) []Violation {
	found := r.checkResponse(c.op, a) //nolint:contextcheck // kin-openapi takes a context and does not use it
	if found == nil && len(codingsOf(a.header)) == 0 {
		if problem := unreadable(ctx, c.op.ID, a); problem != "" {
			found = []Violation{{c.op.ID, Response, c.op.Pointer + "/responses", "", problem}}
		}
	}
	count(r.report.Statuses, kind{c.op, a.status, len(found) > 0}, 1)
	return found
}

// deliver sends a call again for as long as the server asks for patience.
func (r *runner) deliver(ctx context.Context, c call) (*answer, error) {
	r.hide(c)
	if err := r.calm(ctx, c); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		if r.silent[c.op.ID] >= maxSilent {
			return nil, fmt.Errorf("not sent: %s has not answered %d times in a row", c.op.ID, maxSilent)
		}
		a, reused, err := r.once(ctx, c)
		switch {
		case err != nil && reused && try == 1 && ctx.Err() == nil:
			continue // the server closed the connection between two requests
		case err == nil && try < maxTries && !r.hurried[c.op.ID]:
			if wait := patience(ctx, a, try); wait > 0 && wait <= maxWait && pause(ctx, wait) == nil {
				continue
			}
		}
		if err == nil && patience(ctx, a, 1) > 0 {
			r.hurried[c.op.ID] = true // or the run would take hours
		}
		r.settle(c, a, err)
		return a, err
	}
}

// hide notes the secrets of a call, which the report must not show.
func (r *runner) hide(c call) {
	values := slices.Collect(maps.Values(c.path))
	for _, in := range passwordsOf(c.op) {
		if password, ok := c.fields[in.Name].(string); ok {
			values = append(values, password)
		}
	}
	if c.bearer != nil {
		values = append(values, c.bearer.cookie, c.bearer.token)
	}
	for _, value := range values {
		if !slices.Contains(r.secrets, value) {
			r.secrets = append(r.secrets, value)
		}
	}
}

// patience returns how long the server asks to wait before the request is sent again; 0: it does not ask.
func patience(ctx context.Context, a *answer, try int) time.Duration {
	if a.status != http.StatusTooManyRequests && a.status != http.StatusServiceUnavailable {
		return 0
	}
	wait := retryAfter(ctx, a)
	if a.status == http.StatusTooManyRequests && wait == 0 && try == 1 {
		return time.Second
	}
	return wait
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the caller compares it with nil
	}
}

// once sends a call. reused tells whether the connection had been used before and broke before a response came.
func (r *runner) once(ctx context.Context, c call) (a *answer, reused bool, err error) {
	var connected, used, answered atomic.Bool
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := c.request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:              func(info httptrace.GotConnInfo) { connected.Store(true); used.Store(info.Reused) },
		GotFirstResponseByte: func() { answered.Store(true) },
	}), r.base)
	if err != nil {
		return nil, false, err
	}
	exchange := &sent{req: req, body: c.body()}
	r.sent = append(r.sent, exchange)
	resp, err := r.client.Do(req)
	r.answered = r.answered || err == nil || answered.Load()
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) { // its text has the URL, which may contain the code
			err = wrapped.Err
		}
		err = fmt.Errorf("no answer: %w", r.secrets.Error(err))
		exchange.err = err
		if ctx.Err() == nil || req.Context().Err() != nil {
			r.lost++
			r.silent[c.op.ID]++
		}
		if !r.answered && (!connected.Load() || r.lost == 3) {
			r.fatal = fmt.Errorf("%s: %w", r.base.Host, err)
		}
		return nil, used.Load() && !answered.Load(), err
	}
	r.silent[c.op.ID] = 0
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	got := body{data: data, whole: true}
	if len(data) > maxBody {
		got = body{long: true}
	}
	a = &answer{status: resp.StatusCode, header: resp.Header, body: func() body { return got }, request: req.Header}
	exchange.answer = a
	if err != nil {
		exchange.err = fmt.Errorf(
			"the answer is %d, and its body breaks off: %w",
			resp.StatusCode,
			r.secrets.Error(err),
		)
		return a, false, exchange.err
	}
	return a, false, nil
}

// maxShown is the number of bytes of the longest body that a report shows.
const maxShown = 4 << 10

// shown returns the exchange without secrets. Call it when all secrets of the exchange are known.
func (s *sent) shown(r *runner) Exchange {
	hidden := func(name string) bool {
		name = strings.ToLower(name)
		return r.IsPassword(name) || strings.Contains(name, "token") || strings.Contains(name, "session")
	}
	text := func(data []byte) string {
		if len(data) > maxShown {
			return fmt.Sprintf("[%d bytes]", len(data)) // a part could show a part of a secret
		}
		return strings.ToValidUTF8(r.secrets.Body(data, hidden), "\ufffd")
	}
	const cookie, setCookie, authorization = "Cookie", "Set-Cookie", "Authorization"
	secretHeaders := []string{cookie, setCookie, authorization}
	for _, scheme := range r.Schemes {
		secretHeaders = append(secretHeaders, scheme.Name)
	}
	x := Exchange{
		Method: s.req.Method, URL: r.secrets.URL(s.req.URL.String()),
		RequestHeader: r.secrets.Header(s.req.Header, secretHeaders...), RequestBody: text([]byte(s.body)),
	}
	if s.err != nil {
		x.Error = r.secrets.Text(s.err.Error())
	}
	if s.answer != nil {
		x.Status, x.ResponseHeader = s.answer.status, r.secrets.Header(s.answer.header, secretHeaders...)
		x.ResponseBody = text(s.answer.body().data)
	}
	return x
}
