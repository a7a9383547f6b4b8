package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func contractCommand() *cli.Command {
	return &cli.Command{
		Name:  "contract",
		Usage: "check that a server does what the OpenAPI document says",
		Description: "Exit codes: 0 the contract holds, 1 it is broken, 2 the checks could not run (nothing answers at\n" +
			"the URL, the server refuses the credentials, a wrong flag).\n\n" +
			"Without -base-url it runs all checks against a fake server of its own. With -base-url it checks a real server.\n" +
			"Checks that need an account are skipped, unless -email and the variable KALSHI_PASSWORD name one. They permit\n" +
			"log-ins, and one with a wrong password. Checks that send mail are skipped, unless there is a -reset-code-cmd.\n" +
			"It permits the account's password to be changed a few times. At the end, the first password is restored.\n\n" +
			"The reset code command is run by the shell after each reset, with the address in KALSHI_EMAIL. It waits for\n" +
			"the mail and prints the code and the user ID of its link, with a space between them.\n\n" +
			"The format github writes annotations and, where GITHUB_STEP_SUMMARY names a file, a table into the summary\n" +
			"of the job.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "base-url", Usage: "base `URL` of the server, such as " + kalshiauth.DemoURL},
			&cli.StringFlag{Name: "email", Usage: "`ADDRESS` of an account there", Sources: cli.EnvVars("KALSHI_EMAIL")},
			&cli.StringFlag{Name: "reset-code-cmd", Usage: "`COMMAND` that prints the mailed CODE and USER_ID"},
			&cli.BoolFlag{Name: "authorization", Usage: "present the token in the Authorization header, not the cookie"},
			&cli.StringFlag{Name: "path-prefix", Value: "/v1", Usage: "`PATH` below which the fake server serves; may be empty"},
			&cli.StringFlag{Name: "format", Value: "text", Usage: "`FORMAT` of the report: text, json, junit, github, markdown"},
			&cli.StringFlag{Name: "output", Usage: "`FILE` for the report, instead of standard output"},
			&cli.DurationFlag{Name: "timeout", Value: 10 * time.Minute, Usage: "how long all of it may take; 0: no limit"},
		},
		Action: checkContract,
	}
}

func checkContract(ctx context.Context, cmd *cli.Command) error {
	root := cmd.Root()
	format, err := contract.ParseFormat(cmd.String("format"))
	if err != nil {
		return usageError{err}
	}
	target := contract.Target{Schemes: []string{map[bool]string{true: "authorization", false: "cookie"}[cmd.Bool("authorization")]}}
	if cmd.String("base-url") == "" {
		fake, err := fakeTarget(cmd, &target)
		if err != nil {
			return usageError{err}
		}
		defer fake.Close()
	} else if err := realTarget(cmd, &target); err != nil {
		return usageError{err}
	}
	switch timeout := cmd.Duration("timeout"); {
	case timeout < 0:
		return usageError{errors.New("-timeout is negative")}
	case timeout > 0:
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	progress, clearProgress := progressTo(root.ErrWriter)
	target.OnCheck = progress
	report, err := contract.Run(ctx, target)
	clearProgress()
	if err != nil {
		return notRunError{err}
	}
	if err := writeReport(root.Writer, cmd.String("output"), report, format); err != nil {
		return notRunError{err}
	}
	if summary := os.Getenv("GITHUB_STEP_SUMMARY"); summary != "" && format == contract.FormatGitHub {
		if err := appendReport(summary, report); err != nil {
			return notRunError{err}
		}
	}
	if !report.OK() {
		return fmt.Errorf("the contract is broken: %s", report)
	}
	return nil
}

// realTarget sets target from the flags and the environment.
func realTarget(cmd *cli.Command, target *contract.Target) error {
	password := os.Getenv("KALSHI_PASSWORD")
	if email := cmd.String("email"); email != "" || password != "" {
		target.Credentials = kalshiauth.Credentials{Email: email, Password: password}
		if email == "" || password == "" {
			return errors.New("an account is -email and the variable KALSHI_PASSWORD: one of them is missing")
		}
	}
	target.BaseURL = cmd.String("base-url")
	if cmd.IsSet("path-prefix") {
		return errors.New("-path-prefix is the fake server's: with -base-url, it is part of the URL")
	}
	if command := cmd.String("reset-code-cmd"); command != "" {
		if target.Credentials.Email == "" {
			return errors.New("-reset-code-cmd needs an account: -email and the variable KALSHI_PASSWORD")
		}
		target.ResetCode = func(ctx context.Context, email string) (code, userID string, err error) {
			return runResetCode(ctx, command, email, cmd.Root().ErrWriter)
		}
	}
	return nil
}

// runResetCode runs the user's command that prints a mailed code. Its output is a secret.
func runResetCode(ctx context.Context, command, email string, stderr io.Writer) (code, userID string, err error) {
	shell := []string{"sh", "-c"}
	if runtime.GOOS == "windows" {
		shell = []string{"cmd", "/C"}
	}
	c := exec.CommandContext(ctx, shell[0], shell[1], command) //nolint:gosec // the user's own command
	c.Env = append(os.Environ(), "KALSHI_EMAIL="+email)
	c.Stderr = stderr
	c.WaitDelay = time.Second // for child processes of the command
	out, err := c.Output()
	if err != nil {
		return "", "", fmt.Errorf("-reset-code-cmd: %w", err)
	}
	fields := strings.Fields(string(out))
	if len(fields) != 2 {
		return "", "", fmt.Errorf("-reset-code-cmd printed %d words, want a code and a user ID", len(fields))
	}
	return fields[0], fields[1], nil
}

// fakeTarget starts a fake server with an account, and sets target to it.
func fakeTarget(cmd *cli.Command, target *contract.Target) (*kalshiauthtest.Server, error) {
	if cmd.String("reset-code-cmd") != "" {
		return nil, errors.New("-reset-code-cmd needs -base-url")
	}
	prefix := cmd.String("path-prefix")
	plain := (&url.URL{Path: prefix}).EscapedPath() == prefix
	if prefix != "" && (prefix[0] != '/' || prefix == "/" || path.Clean(prefix) != prefix || !plain) {
		return nil, errors.New("-path-prefix is a path that begins with a slash, and does not end with one, such as /v1")
	}
	var opts []kalshiauthtest.Option
	if prefix != "" {
		opts = append(opts, kalshiauthtest.WithPathPrefix(prefix))
	}
	fake := kalshiauthtest.NewServer(opts...)
	target.BaseURL = fake.URL
	target.Credentials = kalshiauth.Credentials{Email: "trader@example.com", Password: rand.Text()}
	fake.AddUser(target.Credentials.Email, target.Credentials.Password)
	target.ResetCode = func(context.Context, string) (code, userID string, err error) {
		mails := fake.Outbox()
		if len(mails) == 0 {
			return "", "", errors.New("no mail was sent")
		}
		return mails[len(mails)-1].Code, mails[len(mails)-1].UserID, nil
	}
	return fake, nil
}

// writeReport writes the report to a file, or to stdout if name is "".
func writeReport(stdout io.Writer, file string, report *contract.Report, format contract.Format) error {
	if file == "" {
		return report.Write(stdout, format)
	}
	var text bytes.Buffer
	if err := report.Write(&text, format); err != nil {
		return err
	}
	//nolint:gosec // a report has no secret, and CI systems read it
	if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("-output: %w", err)
	}
	return nil
}

// appendReport adds a report in Markdown to the summary of a job.
func appendReport(file string, report *contract.Report) error {
	//nolint:gosec // the CI system sets the path
	out, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("GITHUB_STEP_SUMMARY: %w", err)
	}
	return errors.Join(report.Write(out, contract.FormatMarkdown), out.Close())
}

// progressTo returns functions that show each check in the last line of a terminal, and that remove the line. If stderr
// is not a terminal, they do nothing.
func progressTo(stderr io.Writer) (show func(contract.Check), remove func()) {
	file, ok := stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return func(contract.Check) {}, func() {}
	}
	const clearLine = "\r\x1b[K"
	done := 0
	return func(c contract.Check) {
		done++
		_, _ = fmt.Fprintf(stderr, "%s%d checks; %s: %s", clearLine, done, c.Name, c.Outcome)
	}, func() { _, _ = fmt.Fprint(stderr, clearLine) }
}
