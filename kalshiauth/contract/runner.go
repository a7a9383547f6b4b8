package contract

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

// secretLength is the number of characters of a random value, unless its schema requires more or fewer.
const secretLength = 26

// Why scenarios are skipped.
const (
	errNoSession = skipError("it needs the session of a log-in")
	errNoCode    = skipError("it needs a mailed code")
	errNotReset  = skipError("it needs a reset that has succeeded")
)

// A runner is the state of one Run.
type runner struct {
	*rules

	target *Target
	client *http.Client
	report Report

	answered bool  // the server has answered at least one request
	lost     int   // requests without a response
	fatal    error // why Run cannot continue

	secrets redact.Secrets // not shown in the report

	password string  // the account's, as far as Run knows
	session  session // of the first log-in
	over     bool    // whether it has been logged out
	before   session // of a log-in before the reset
	mailed   mailed  // the last mail
	used     mailed  // the mail whose code set a password
	touched  bool    // a request that may have changed the password was sent
	changed  bool    // a mailed code was accepted
}

// session is the secret of a log-in in both forms, as a cookie and as a token.
type session struct{ cookie, token string }

// mailed is the content of a mail.
type mailed struct{ code, userID string }

// random returns a new secret.
func (r *runner) random(length int) string {
	secret := ""
	for len(secret) < length {
		secret += rand.Text()
	}
	r.secrets = append(r.secrets, secret[:length])
	return secret[:length]
}

func randomUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// unknownEmail returns an address without an owner: RFC 2606 reserves the domain.
func unknownEmail() string {
	return "kalshiauth-contract-" + strings.ToLower(rand.Text()) + "@example.invalid"
}

// sample returns a call that follows the document. It has all required values, and only ones unknown to the server.
func (r *runner) sample(op *document.Operation) call {
	c := call{op: op, path: map[string]string{}, query: url.Values{}, header: http.Header{}}
	if schema, _ := op.JSONBody(); schema != nil {
		c.fields = map[string]any{}
	}
	for _, in := range op.Inputs() {
		switch {
		case in.In == openapi3.ParameterInPath:
			c.path[in.Name] = fmt.Sprint(r.value(in.Schema))
		case in.In != openapi3.ParameterInCookie && in.Required != "":
			c = c.with(in, r.value(in.Schema))
		}
	}
	return c
}

// value returns a value that follows a schema, except for keywords that it does not support.
func (r *runner) value(s *openapi3.Schema) any {
	length := max(secretLength, int(s.MinLength)) //nolint:gosec // a length
	if s.MaxLength != nil {
		length = min(length, int(*s.MaxLength)) //nolint:gosec // a length
	}
	switch {
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Type.Is(openapi3.TypeObject), len(s.AllOf) > 0:
		fields := map[string]any{}
		for _, in := range document.Properties(s) {
			if in.Required != "" {
				fields[in.Name] = r.value(in.Schema)
			}
		}
		return fields
	case s.Type.Is(openapi3.TypeArray):
		return r.items(s, int(s.MinItems)) //nolint:gosec // a length
	case s.Format == "email":
		return unknownEmail()
	case s.Format == "uuid":
		return randomUUID()
	case s.Format == "date":
		return time.Now().Format(time.DateOnly)
	case s.Format == "date-time":
		return time.Now().Format(time.RFC3339)
	case s.Format == "byte":
		return base64.StdEncoding.EncodeToString([]byte(r.random(length)))
	case s.Pattern == "" && (s.Type == nil || s.Type.Is(openapi3.TypeString)):
		return r.random(length)
	case s.Example != nil:
		return s.Example
	case s.Type.Is(openapi3.TypeBoolean):
		return true
	case s.Min != nil:
		return *s.Min
	}
	return 0
}

// items returns an array of a given length.
func (r *runner) items(s *openapi3.Schema, n int) []any {
	items := []any{}
	for range n {
		item := any(0)
		if s.Items != nil {
			item = r.value(s.Items.Value)
		}
		items = append(items, item)
	}
	return items
}

// call returns a sample of an operation with some properties of its body set.
func (r *runner) call(operation string, fields map[string]any) call {
	op := r.Operation(operation)
	if op == nil {
		return call{}
	}
	c := r.sample(op)
	for name, value := range fields {
		c = c.with(&document.Input{Name: name, In: document.InBody}, value)
	}
	return c
}

// send sends a call. It follows no redirect.
func (r *runner) send(ctx context.Context, c call) (*answer, error) {
	if c.op == nil {
		return nil, skipError("the document does not have an operation that it needs")
	}
	var connected, answered atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:              func(httptrace.GotConnInfo) { connected.Store(true) },
		GotFirstResponseByte: func() { answered.Store(true) },
	})
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := c.request(ctx, r.base)
	if err != nil {
		return nil, err
	}
	resp, err := r.client.Do(req)
	r.answered = r.answered || err == nil || answered.Load()
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) { // its text has the URL, which may contain the code
			err = wrapped.Err
		}
		err = fmt.Errorf("no answer: %w", r.secrets.Error(err))
		r.lost++
		if !r.answered && (!connected.Load() || r.lost == 3) {
			r.fatal = fmt.Errorf("%s: %w", r.base.Host, err)
		}
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("the answer is %d, and its body breaks off: %w", resp.StatusCode, r.secrets.Error(err))
	}
	got := body{data: data, whole: true}
	if len(data) > maxBody {
		got = body{long: true}
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: func() body { return got }}, nil
}

// login logs in. The session is empty if the response has none.
func (r *runner) login(ctx context.Context, email, password string) (*answer, session, error) {
	c := r.call("Login", map[string]any{"email": email, "password": password})
	a, err := r.send(ctx, c)
	if err != nil || !success.includes(c.op, a.status) {
		return a, session{}, err
	}
	var s session
	var body struct {
		Token string `json:"token"`
	}
	if json.Unmarshal(a.body().data, &body) == nil {
		s.token = body.Token
	}
	if cookie, _ := r.sessionCookie(c.op, a.header); cookie != nil {
		s.cookie = cookie.Value
		if cookie.Quoted {
			s.cookie = `"` + s.cookie + `"`
		}
	}
	r.secrets = append(r.secrets, s.token, strings.Trim(s.cookie, `"`))
	// If one form is missing, a check reports that. Use the other one, so that the rest can be checked.
	s.token, s.cookie = cmp.Or(s.token, s.cookie), cmp.Or(s.cookie, s.token)
	return a, s, nil
}

// letsIn reports whether the server accepts a password.
func (r *runner) letsIn(ctx context.Context, email, password string) bool {
	_, s, err := r.login(ctx, email, password)
	if err != nil || s == (session{}) {
		return false
	}
	_, _ = r.logout(ctx, s) // end the session again
	return true
}

// logout logs a session out. It presents the session as the target specifies.
func (r *runner) logout(ctx context.Context, s session) (*answer, error) {
	c := r.call("Logout", nil)
	if c.op == nil {
		return r.send(ctx, c)
	}
	return r.send(ctx, c.presenting(s, r.target.inHeader()))
}

func (r *runner) reset(ctx context.Context, email string) (*answer, error) {
	return r.send(ctx, r.call("ResetPassword", map[string]any{"email": email}))
}

// mailCode requests a reset, and gets the mailed code from the target's ResetCode.
func (r *runner) mailCode(ctx context.Context) (*answer, error) {
	a, err := r.reset(ctx, r.target.Credentials.Email)
	if err != nil || a.status >= 300 {
		return a, err
	}
	ctx, cancel := context.WithTimeout(ctx, codeTimeout)
	defer cancel()
	code, userID, err := r.target.ResetCode(ctx, r.target.Credentials.Email)
	r.secrets = append(r.secrets, code)
	c := r.call("ResetPasswordConfirm", map[string]any{"user_id": userID})
	switch {
	case err != nil:
		return nil, fmt.Errorf("the mailed code is not available: %w", r.secrets.Error(err))
	case code == "" || code == "." || code == "..":
		return nil, errors.New("the mailed code is not available: there is none")
	case c.op != nil && c.breaks(ctx, &document.Input{Name: "user_id", In: document.InBody}, r.base):
		return nil, errors.New("the mailed code is not available: its user ID is not a UUID")
	}
	r.mailed = mailed{code, userID}
	return a, nil
}

// confirm sets a password with a mailed code. The password must be one of the runner's secrets.
func (r *runner) confirm(ctx context.Context, m mailed, password string) (*answer, error) {
	r.touched = true
	c := r.call("ResetPasswordConfirm", map[string]any{"user_id": m.userID, "password": password})
	for name := range c.path {
		c.path[name] = m.code
	}
	a, err := r.send(ctx, c)
	if err != nil || a.status < 300 { // without a response, it may have been set
		r.changed, r.password = true, password
	}
	return a, err
}
