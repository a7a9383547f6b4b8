package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// Pauses between two tries of waitFor.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// waitFor waits until the server answers, with any status.
func (s *server) waitFor(ctx context.Context, limit time.Duration) error {
	if limit <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("the time is over"))
	defer cancel()
	client := *s.target.HTTPClient
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var last error
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := ping(ctx, &client, s.target.BaseURL)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err // the error of a try that was not cut short says more
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("no server answered at %s within -wait %s: %w", s.target.BaseURL, limit, last)
			}
			return inWords(ctx.Err())
		case <-time.After(pause):
		}
	}
}

// ping sends one request. Any answer is good.
func ping(ctx context.Context, client *http.Client, target string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return fmt.Errorf("the request cannot be made: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err // its text repeats the URL
		}
		return err
	}
	_ = resp.Body.Close()
	return nil
}

// explain adds to an error what the user can do about it.
func (s *server) explain(err error) error {
	if hint := s.hint(err); hint != "" {
		err = fmt.Errorf("%w\n%s", err, hint)
	}
	return s.secrets.Error(err)
}

func (s *server) hint(err error) string {
	if hint := hintAtProtocol(err.Error()); hint != "" {
		return hint
	}
	refused := (*net.OpError)(nil)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return "The server speaks http, and the base URL is one of https: check the scheme and the port of -base-url."
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "The server's certificate is not trusted: if it is a test server, give its CA with -cacert FILE."
	case errors.As(err, &refused) && refused.Op == "dial":
		return "No server listens there: check -base-url, and give a server that starts some time with -wait 30s."
	}
	return ""
}

// speaksTLS are what answers to a plain request say where the port expects TLS. Bytes of TLS begin with 15 03.
var speaksTLS = regexp.MustCompile(`HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS port|` +
	`malformed HTTP response "\\x15\\x03`)

// hintAtProtocol returns what to change if a text says that the server speaks another protocol, or "".
func hintAtProtocol(text string) string {
	switch {
	case speaksTLS.MatchString(text):
		return "The server speaks https, and the base URL is one of http: check the scheme and the port of -base-url."
	case strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return "The server speaks http, and the base URL is one of https: check the scheme and the port of -base-url."
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		return "The server does not speak TLS: check the scheme and the port of -base-url."
	case strings.Contains(text, "malformed HTTP response"), strings.Contains(text, "malformed HTTP version"),
		strings.Contains(text, "malformed HTTP status"):
		return "The server does not speak HTTP: check the port of -base-url."
	}
	return ""
}

// hintAtAnswers returns what to change if every answer to the checks says the same, or "".
func hintAtAnswers(report *contract.Report) string {
	var hints []string
	for i := range report.Checks {
		hints = append(hints, hintsOf(&report.Checks[i])...)
	}
	if moved := movedHost(report); moved != "" {
		return moved
	}
	if len(hints) == 0 || slices.ContainsFunc(hints, func(h string) bool { return h != hints[0] }) {
		return ""
	}
	return hints[0]
}

// hintsOf returns what to change for each answer to a check, or "" for an answer that says nothing about that.
// A request without an answer counts only if its error says what to change: a server that ends a connection may also
// reset it.
func hintsOf(c *contract.Check) (hints []string) {
	for i := range c.Exchanges {
		x := &c.Exchanges[i]
		if hint := hintAtAnswer(x.Status, x.Error+"\n"+x.ResponseBody); hint != "" || x.Status != 0 {
			hints = append(hints, hint)
		}
	}
	return hints
}

func hintAtAnswer(status int, text string) string {
	switch {
	case status == http.StatusNotFound:
		return "Every answer is 404: the base URL may lack a path such as /v1."
	case status/100 == 3:
		return "Every answer is a redirect: check the scheme, the host and the path of -base-url."
	}
	return hintAtProtocol(text)
}
