package contract

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
)

// runner is one Run, and what it knows by now.
type runner struct {
	target *Target
	base   baseURL
	client *http.Client
	ops    []*operation
	report Report

	answered bool  // the server has answered something
	lost     int   // requests without an answer, before the first one
	fatal    error // why Run cannot go on

	secrets []string // that no report shows

	password string  // the account's, as far as is known
	session  session // of the first log-in
	over     bool    // it is logged out
	before   session // from before the password was reset
	mailed   mailed  // what was mailed last
	used     mailed  // what set a password
	touched  bool    // a mailed code was sent: the password may be another one
	changed  bool    // a mailed code was accepted
}

// session is the secret of a log-in, in the two forms in which it can be presented.
type session struct{ cookie, token string }

// mailed is what a mail holds.
type mailed struct{ code, userID string }

func (r *runner) op(id string) *operation {
	for _, op := range r.ops {
		if op.id == id {
			return op
		}
	}
	return &operation{id: id} // a test holds the scenarios against the document
}

// mask hides secrets that a network error or the caller's function may show.
func (r *runner) mask(text string) string {
	for _, secret := range append([]string{r.target.Credentials.Password}, r.secrets...) {
		if secret == "" {
			continue
		}
		quoted := strconv.Quote(secret)
		for _, form := range []string{url.PathEscape(secret), url.QueryEscape(secret), quoted[1 : len(quoted)-1], secret} {
			text = strings.ReplaceAll(text, form, "[redacted]")
		}
	}
	return text
}

// random returns a new secret, as long as it is to be, and 26 characters at most.
func (r *runner) random(length int) string {
	secret := rand.Text()[:length]
	r.secrets = append(r.secrets, secret)
	return secret
}

func randomUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// unknownEmail belongs to nobody: RFC 2606 keeps the domain from existing.
func unknownEmail() string {
	return "kalshiauth-contract-" + strings.ToLower(rand.Text()) + "@example.invalid"
}

// send calls an operation with a text as its body; "" is none. It follows no redirect.
func (r *runner) send(ctx context.Context, operation, code, text string, header http.Header) (*answer, error) {
	op := r.op(operation)
	var connected, answered atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:              func(httptrace.GotConnInfo) { connected.Store(true) },
		GotFirstResponseByte: func() { answered.Store(true) },
	})
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	target := r.base.endpoint(strings.Replace(op.Path, "{code}", url.PathEscape(code), 1))
	req, err := http.NewRequestWithContext(ctx, op.Method, target, strings.NewReader(text))
	if err != nil {
		return nil, errors.New("the request cannot be made") // err shows the code
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "kalshiauth-contract")
	if op.Operation.RequestBody != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := r.client.Do(req)
	r.answered = r.answered || err == nil || answered.Load()
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) { // it shows the URL, which has the code
			err = wrapped.Err
		}
		err = fmt.Errorf("no answer: %w", err)
		r.lost++
		if !r.answered && (!connected.Load() || r.lost == 3) {
			r.fatal = fmt.Errorf("%s: %w", r.base.Host, err)
		}
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("the answer is %d, and its body breaks off: %w", resp.StatusCode, err)
	}
	got := body{data: data, whole: true}
	if len(data) > maxBody {
		got = body{long: true}
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: func() body { return got }}, nil
}

func object(fields map[string]any) string {
	data, _ := json.Marshal(fields) // never fails: they are strings and the like
	return string(data)
}

// login logs in. The session is empty if the answer has none.
func (r *runner) login(ctx context.Context, email, password string) (*answer, session, error) {
	a, err := r.send(ctx, "Login", "", object(map[string]any{"email": email, "password": password}), nil)
	if err != nil || a.status != http.StatusOK {
		return a, session{}, err
	}
	var s session
	var body struct {
		Token string `json:"token"`
	}
	if json.Unmarshal(a.body().data, &body) == nil {
		s.token = body.Token
	}
	if cookie := sessionCookie(r.base, a.header); cookie != nil {
		s.cookie = cookie.Value
		if cookie.Quoted {
			s.cookie = `"` + s.cookie + `"`
		}
	}
	r.secrets = append(r.secrets, s.token, strings.Trim(s.cookie, `"`))
	// A form that is missing has failed a check already. The other one shows what else is wrong.
	s.token, s.cookie = cmp.Or(s.token, s.cookie), cmp.Or(s.cookie, s.token)
	return a, s, nil
}

// logout presents a session as the target wants it, or none.
func (r *runner) logout(ctx context.Context, s session) (*answer, error) {
	header := http.Header{}
	switch {
	case s == session{}:
	case r.target.Authorization:
		header.Set("Authorization", s.token)
	default:
		header.Set("Cookie", cookieName+"="+s.cookie)
	}
	return r.send(ctx, "Logout", "", "", header)
}

func (r *runner) reset(ctx context.Context, email string) (*answer, error) {
	return r.send(ctx, "ResetPassword", "", object(map[string]any{"email": email}), nil)
}

// fetchCode asks the target's function for what was mailed.
func (r *runner) fetchCode(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, codeTimeout)
	defer cancel()
	code, userID, err := r.target.ResetCode(ctx, r.target.Credentials.Email)
	r.secrets = append(r.secrets, code)
	switch {
	case err != nil:
		return fmt.Errorf("the mailed code cannot be had: %w", err)
	case code == "" || code == "." || code == ".." || checkUUID(userID) != nil:
		return errors.New("the mailed code cannot be had: there is none, or its user ID is not a UUID")
	}
	r.mailed = mailed{code, userID}
	return nil
}

// confirm sends a mailed code. The password that it sets is always one that mask knows.
func (r *runner) confirm(ctx context.Context, m mailed, password string) (*answer, error) {
	r.touched = true
	body := object(map[string]any{"user_id": m.userID, "password": password})
	a, err := r.send(ctx, "ResetPasswordConfirm", m.code, body, nil)
	if err != nil || a.status < 300 { // without an answer, nobody knows
		r.changed, r.password = true, password
	}
	return a, err
}
