package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/redact"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

const (
	baseURLVariable = "KALSHI_BASE_URL"
	emailVariable   = "KALSHI_EMAIL"
	headersVariable = "KALSHI_HEADERS"
)

// A server is what contract run checks.
type server struct {
	target  contract.Target
	secrets redact.Secrets // the values of -header
	close   func()
}

// contractTarget returns the server of the flags and the environment. Its errors are usage errors.
func contractTarget(cmd *cli.Command) (*server, error) {
	if err := noEmptyFlag(cmd, "path-prefix"); err != nil {
		return nil, err
	}
	s := &server{close: func() {}}
	var err error
	if s.target.Document, err = readDocument(cmd); err != nil {
		return nil, err
	}
	if cmd.IsSet("scheme") {
		s.target.Schemes = cmd.StringSlice("scheme") // an empty list is not nil, which means all
	}
	s.target.Only, s.target.Skip = cmd.StringSlice("only"), cmd.StringSlice("skip")
	for _, name := range []string{"only", "skip"} {
		if err := checkPatterns(name, cmd.StringSlice(name)); err != nil {
			return nil, err
		}
	}
	if s.target.Timeout = cmd.Duration("timeout"); s.target.Timeout <= 0 {
		return nil, fmt.Errorf("-timeout is %s: give a time, such as 5m", s.target.Timeout)
	}
	if cmd.Duration("wait") < 0 {
		return nil, fmt.Errorf("-wait is %s: give a time, such as 30s", cmd.Duration("wait"))
	}
	if cmd.Bool("fake") {
		return s, s.useFake(cmd)
	}
	return s, s.useReal(cmd)
}

// useReal sets the target from the flags and the environment.
func (s *server) useReal(cmd *cli.Command) error {
	if cmd.IsSet("path-prefix") {
		return errors.New("-path-prefix is for -fake: with -base-url, the path is part of the URL")
	}
	baseURL, given := flagOrVariable(cmd, "base-url", baseURLVariable)
	switch {
	case !given:
		return errors.New("the server is missing: give -base-url URL or set " + baseURLVariable +
			", or check the fake server with -fake")
	case baseURL == "":
		return errors.New(baseURLVariable + " is empty: set it to the base URL of the server, or give -base-url URL")
	}
	client, err := newClientAt("base-url", baseURL, cmd.Bool("insecure-http"))
	if err != nil {
		return err
	}
	s.target.BaseURL = client.BaseURL()
	if err := s.useAccounts(cmd); err != nil {
		return err
	}
	lines := strings.FieldsFunc(os.Getenv(headersVariable), func(r rune) bool { return r == '\n' || r == '\r' })
	headers, err := parseHeaders(append(lines, cmd.StringSlice("header")...))
	if err != nil {
		return err
	}
	for _, values := range headers {
		s.secrets = append(s.secrets, values...)
	}
	s.target.HTTPClient, err = newHTTPClient(cmd, s.target.BaseURL, headers)
	return err
}

// useAccounts sets the accounts of the target, and how to read their mail.
func (s *server) useAccounts(cmd *cli.Command) error {
	email, _ := flagOrVariable(cmd, "email", emailVariable)
	s.target.Credentials = kalshiauth.Credentials{Email: email, Password: os.Getenv("KALSHI_PASSWORD")}
	s.target.Other = kalshiauth.Credentials{Email: cmd.String("other-email"), Password: os.Getenv("KALSHI_OTHER_PASSWORD")}
	command := cmd.String("reset-code-cmd")
	switch {
	case half(s.target.Credentials):
		return errors.New("an account is -email and the variable KALSHI_PASSWORD: one of them is missing")
	case half(s.target.Other):
		return errors.New("the second account is -other-email and the variable KALSHI_OTHER_PASSWORD: one of them is missing")
	case email == "" && s.target.Other.Email != "":
		return errors.New("-other-email is a second account: give the first one, too, with -email and the variable " +
			"KALSHI_PASSWORD")
	case strings.EqualFold(email, s.target.Other.Email) && email != "":
		return errors.New("-other-email is the address of -email: give a second account, or leave it out")
	case email == "" && command != "":
		return errors.New("-reset-code-cmd needs an account: -email and the variable KALSHI_PASSWORD")
	case command != "":
		s.target.ResetCode = func(ctx context.Context, email string) (code, userID string, err error) {
			return runResetCode(ctx, command, email, cmd.Root().ErrWriter)
		}
	}
	return nil
}

// half reports whether one of the e-mail address and the password is missing.
func half(c kalshiauth.Credentials) bool { return (c.Email == "") != (c.Password == "") }

// notForFake are the flags that say how to reach a real server.
var notForFake = []string{
	"base-url", "email", "other-email", "reset-code-cmd", "header", "wait", "insecure-http", "cacert", "cert", "key",
}

// useFake starts a fake server with two accounts, and sets the target to it.
func (s *server) useFake(cmd *cli.Command) error {
	for _, name := range notForFake {
		if cmd.IsSet(name) {
			return fmt.Errorf("-%s is for a real server: leave out either it or -fake", name)
		}
	}
	prefix := cmd.String("path-prefix")
	plain := (&url.URL{Path: prefix}).EscapedPath() == prefix
	if prefix != "" && (prefix[0] != '/' || prefix == "/" || path.Clean(prefix) != prefix || !plain) {
		return fmt.Errorf("-path-prefix is %q: give a path that begins with a slash and does not end with one, such as /v1",
			prefix)
	}
	var opts []kalshiauthtest.Option
	if prefix != "" {
		opts = append(opts, kalshiauthtest.WithPathPrefix(prefix))
	}
	fake := kalshiauthtest.NewServer(opts...)
	s.close, s.target.BaseURL = fake.Close, fake.URL
	if cmd.Bool("v") {
		s.target.HTTPClient = &http.Client{Transport: trace(cmd, fake.URL, nil)}
	}
	s.target.Credentials = kalshiauth.Credentials{Email: "trader@example.com", Password: rand.Text()}
	s.target.Other = kalshiauth.Credentials{Email: "other@example.com", Password: rand.Text()}
	for _, c := range []kalshiauth.Credentials{s.target.Credentials, s.target.Other} {
		fake.AddUser(c.Email, c.Password)
	}
	s.target.ResetCode = func(_ context.Context, email string) (code, userID string, err error) {
		for _, mail := range slices.Backward(fake.Outbox()) {
			if mail.Email == email {
				return mail.Code, mail.UserID, nil
			}
		}
		return "", "", errors.New("no mail was sent")
	}
	return nil
}

// mask hides the values of -header in a report: a server may echo them.
func (s *server) mask(report *contract.Report) {
	report.Err = s.secrets.Text(report.Err)
	for i := range report.Checks {
		check := &report.Checks[i]
		check.Detail = commandWords(s.secrets.Text(check.Detail))
		for j := range check.Exchanges {
			x := &check.Exchanges[j]
			x.RequestHeader, x.ResponseHeader = s.secrets.Header(x.RequestHeader), s.secrets.Header(x.ResponseHeader)
			x.ResponseBody = s.secrets.Text(x.ResponseBody)
			x.Error = commandWords(s.secrets.Text(x.Error))
		}
	}
}

// runResetCode runs the user's command that prints a mailed code. Its output is a secret.
func runResetCode(ctx context.Context, command, email string, stderr io.Writer) (code, userID string, err error) {
	shell := []string{"sh", "-c"}
	if runtime.GOOS == "windows" {
		shell = []string{"cmd", "/C"}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := exec.CommandContext(ctx, shell[0], shell[1], command) //nolint:gosec // the user's own command
	out := &shortOutput{stop: cancel}
	c.Env = append(os.Environ(), emailVariable+"="+email)
	c.Stderr = stderr
	c.WaitDelay = time.Second // for child processes of the command
	c.Stdout = out
	if err := c.Run(); err != nil && out.Len() > maxOutput {
		return "", "", errors.New("-reset-code-cmd prints more than a code and a user ID, and was ended")
	} else if err != nil {
		return "", "", fmt.Errorf("-reset-code-cmd: %w", err)
	}
	fields := strings.Fields(out.String())
	if len(fields) != 2 {
		return "", "", fmt.Errorf("-reset-code-cmd printed %d words, want a code and a user ID", len(fields))
	}
	return fields[0], fields[1], nil
}

// maxOutput is how many bytes a reset code command may print.
const maxOutput = 64 << 10

// A shortOutput keeps what a command prints, and stops a command that prints too much.
type shortOutput struct {
	bytes.Buffer

	stop func()
}

func (o *shortOutput) Write(p []byte) (int, error) {
	if o.Len() > maxOutput {
		o.stop()
		return len(p), nil
	}
	return o.Buffer.Write(p) //nolint:wrapcheck // it has no errors
}
