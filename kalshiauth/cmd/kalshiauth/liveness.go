package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
)

// The API has no operation that only tells whether a session is alive, and log-out ends it. So status -check reads
// another resource of the server: one that needs a session.
const (
	userIDParameter  = "{user_id}"
	defaultCheckPath = "users/" + userIDParameter + "/balance"
	checkTimeout     = 30 * time.Second // of one request
)

// checkPath returns the path for status -check, or "" without -check.
func checkPath(cmd *cli.Command) (string, error) {
	given := cmd.String("check-path")
	if !cmd.Bool("check") {
		if cmd.IsSet("check-path") {
			return "", errors.New("-check-path is for -check: give both, or neither")
		}
		return "", nil
	}
	text := "/" + strings.TrimPrefix(given, "/")
	u, err := url.Parse(strings.ReplaceAll(text, userIDParameter, "id"))
	if err == nil {
		u.Path = strings.TrimSuffix(u.Path, "/")
	}
	if err != nil || u.Host != "" || u.Fragment != "" || path.Clean(u.Path) != u.Path {
		return "", fmt.Errorf("-check-path is %q: give a path below the base URL, such as %s", given, defaultCheckPath)
	}
	// The base URL may lack a part of the server's path, so that an operation's path may be the end of this one.
	for rest := strings.ToLower(u.Path); rest != ""; {
		if op, _, others := document.API().Find(http.MethodGet, rest); op != nil || len(others) > 0 {
			return "", fmt.Errorf("-check-path is %q, which belongs to log-ins, log-outs or password resets: "+
				"give a path that only reads, such as %s", given, defaultCheckPath)
		}
		next := strings.Index(rest[1:], "/")
		if next < 0 {
			break
		}
		rest = rest[1+next:]
	}
	return text, nil
}

// askServer asks the server whether it accepts a session, with GET requests only. A 401 means that it does not. Another
// answer means that it does only if the same request without a session gets a 401. err says why the state is not known.
func askServer(
	ctx context.Context, client *kalshiauth.Client, session *kalshiauth.Session, place string,
) (state string, err error) {
	target := client.BaseURL() + strings.ReplaceAll(place, userIDParameter, url.PathEscape(session.UserID))
	refused, err := isRefused(ctx, client, session, target)
	switch {
	case err != nil:
		return stateUnknown, err
	case refused:
		return stateEnded, nil
	}
	refused, err = isRefused(ctx, client, nil, target)
	switch {
	case err != nil:
		return stateUnknown, err
	case refused:
		return stateAlive, nil
	}
	return stateUnknown, fmt.Errorf("the server does not refuse GET %s without a session, so that its answer "+
		"does not tell: name a path that needs one with -check-path", target)
}

// isRefused sends a GET request, and reports whether the answer is the API's 401. An answer that says nothing about
// the session is an error. session may be nil.
func isRefused(
	ctx context.Context, client *kalshiauth.Client, session *kalshiauth.Session, target string,
) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return false, fmt.Errorf("the request cannot be made: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", client.UserAgent())
	if session != nil {
		if err := client.Authorize(req, session); err != nil {
			return false, err
		}
	}
	sender := client.HTTPClient()
	sender.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := sender.Do(req)
	if err != nil {
		return false, err //nolint:wrapcheck // it names the request
	}
	defer func() { _ = resp.Body.Close() }()
	mediaType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	foreign := mediaType != "" && !strings.HasSuffix(mediaType, "json") // as of a proxy, or a host that has moved
	switch status := resp.StatusCode; {
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests:
		return false, answerError{answerText(resp, mediaType, session), kalshiauth.ErrServer}
	case status/100 == 3, foreign && (status == http.StatusUnauthorized || status == http.StatusForbidden):
		return false, answerError{answerText(resp, mediaType, session), kalshiauth.ErrUnexpectedResponse}
	}
	return resp.StatusCode == http.StatusUnauthorized, nil
}

// An answerError is an answer that says nothing about the session. kind is for hint.
type answerError struct {
	text string
	kind error
}

func (e answerError) Error() string { return e.text }
func (e answerError) Unwrap() error { return e.kind }

const (
	maxAnswer = 4 << 10 // bytes of a text that are read
	maxQuoted = 300     // characters of it that are shown
)

// answerText returns the status of an answer and, if the body is a text, its beginning, without the session's secrets.
func answerText(resp *http.Response, mediaType string, session *kalshiauth.Session) string {
	text := fmt.Sprintf("the answer is %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	if mediaType != "text/plain" {
		return text
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return text
	}
	secrets := redact.Secrets{session.Token()}
	if cookie := session.Cookie(); cookie != nil {
		secrets = append(secrets, cookie.Value)
	}
	said := strings.TrimSpace(strings.ToValidUTF8(secrets.Text(string(body)), "?"))
	return fmt.Sprintf("%s, %.*q", text, maxQuoted, said)
}
