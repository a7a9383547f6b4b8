package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

const contractExitCodes = "Exit codes: 0 the contract holds, 1 it is broken, 2 it could not be checked, or a\n" +
	"flag is wrong."

// contractCommand returns the subcommand. What it writes to lastLine is printed after everything else.
func contractCommand(lastLine *string) *cli.Command {
	return &cli.Command{
		Name:  "contract",
		Usage: "check that a server does what the OpenAPI document says",
		Description: contractExitCodes + "\n\n" +
			"Without a subcommand, it is contract run: kalshiauth contract run -h lists its flags.",
		DefaultCommand: "run",
		Commands:       []*cli.Command{contractRunCommand(lastLine), contractProxyCommand(), contractHARCommand()},
	}
}

func contractRunCommand(lastLine *string) *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "send requests to a running server, and check its answers",
		Description: contractExitCodes + "\n\n" +
			"The server is -base-url or the variable KALSHI_BASE_URL. -fake checks a fake server of its own instead.\n" +
			"Checks that need an account are skipped, unless -email and the variable KALSHI_PASSWORD name one. They permit\n" +
			"log-ins, and one with a wrong password. Checks that send mail are skipped, unless there is a -reset-code-cmd.\n" +
			"It permits the account's password to be changed a few times. At the end, the first password is restored. If\n" +
			"that fails, the last line on standard error shows the password that the account has now.\n\n" +
			"The reset code command is run by the shell after each reset, with the address in KALSHI_EMAIL. It waits for\n" +
			"the mail and prints the code and the user ID of its link, with a space between them.",
		Flags:                     contractRunFlags(),
		DisableSliceFlagSeparator: true, // a header may have a comma
		ArgValidator:              noSubcommand,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			line, err := contractRun(ctx, cmd)
			*lastLine = line
			return err
		},
	}
}

// noSubcommand refuses the arguments of contract run, which may be a misspelt subcommand.
func noSubcommand(_ context.Context, cmd *cli.Command) error {
	if !cmd.Args().Present() {
		return nil
	}
	return usageError{fmt.Errorf("contract has no subcommand %q, and contract run takes no argument: "+
		"kalshiauth contract -h lists the subcommands%s", cmd.Args().First(),
		didYouMean(cmd.Lineage()[1], cmd.Args().First()))}
}

func contractRunFlags() []cli.Flag {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "base-url", Usage: "base `URL` of the server, such as " + kalshiauth.DemoURL +
			"; or the variable " + baseURLVariable},
		&cli.BoolFlag{Name: "fake", Usage: "check a fake server that the command starts, with all checks"},
		&cli.StringFlag{Name: "path-prefix", Value: "/v1", Usage: "`PATH` below which -fake serves; may be empty"},
		&cli.DurationFlag{Name: "wait", Usage: "how long to wait until the server answers, such as 30s"},
		&cli.DurationFlag{Name: "timeout", Value: 15 * time.Minute, Usage: "how long all checks may take"},
		&cli.StringSliceFlag{Name: "only", Usage: "run only checks with this `ID`, or pattern such as 'Login.*'; repeatable"},
		&cli.StringSliceFlag{Name: "skip", Usage: "leave out checks with this `ID` or pattern; repeatable"},
		&cli.BoolFlag{Name: "strict", Usage: "fail if a check is skipped"},
		&cli.StringFlag{Name: "email", Usage: "`ADDRESS` of an account there, whose password is in KALSHI_PASSWORD; " +
			"or the variable " + emailVariable},
		&cli.StringFlag{Name: "other-email", Usage: "`ADDRESS` of a second account, whose password is in " +
			"KALSHI_OTHER_PASSWORD"},
		&cli.StringFlag{Name: "reset-code-cmd", Usage: "`COMMAND` that prints the mailed CODE and USER_ID"},
		&cli.StringSliceFlag{Name: "scheme", Usage: "`NAME` of a security scheme of the document, by which to present " +
			"sessions; repeatable (default: all)"},
		&cli.StringSliceFlag{Name: "header", Usage: "`HEADER` for each request, such as 'Name: value'; " +
			"repeatable; secret ones are better in the variable " + headersVariable + ", one in each line"},
	}
	return append(append(append(flags, transportFlags()...), documentFlag()), reportFlags()...)
}

// contractRun checks the target of the flags. It returns the line to print last.
func contractRun(ctx context.Context, cmd *cli.Command) (lastLine string, err error) {
	outputs, err := newOutputs(cmd, []destination{{format: contract.FormatText}})
	if err != nil {
		return "", usageError{err}
	}
	server, err := contractTarget(cmd)
	if err != nil {
		return "", usageError{err}
	}
	defer server.close()
	report, runErr := server.check(ctx, cmd)
	server.mask(report)
	written := outputs.write(cmd, report)
	if runErr != nil {
		return passwordLine(report, &server.target), notRunError{errors.Join(runErr, written)}
	}
	if written != nil {
		return passwordLine(report, &server.target), notRunError{written}
	}
	return passwordLine(report, &server.target), verdict(cmd, report, outputs)
}

// check waits for the server, and runs the checks. An error means that they could not run; report is never nil.
func (s *server) check(ctx context.Context, cmd *cli.Command) (report *contract.Report, err error) {
	started := time.Now()
	if report, err = s.run(ctx, cmd); report == nil {
		report = &contract.Report{Target: s.target.BaseURL, Version: version(), Started: started}
		report.Duration = time.Since(started)
	}
	if err == nil {
		err = nothingChecked(report)
	} else if moved := movedHost(report); moved != "" {
		err = errors.New(moved) // it refuses the credentials, but not because they are wrong
	}
	if err != nil {
		err = s.explain(err)
		report.Err = strings.ReplaceAll(err.Error(), "\n", ". ")
	}
	return report, err
}

func (s *server) run(ctx context.Context, cmd *cli.Command) (*contract.Report, error) {
	if err := s.waitFor(ctx, cmd.Duration("wait")); err != nil {
		return nil, err
	}
	progress, clearProgress := progressTo(cmd.Root().ErrWriter)
	defer clearProgress()
	s.target.OnCheck = progress
	started := time.Now()
	report, err := contract.Run(ctx, s.target)
	if errors.Is(err, context.DeadlineExceeded) && time.Since(started) >= s.target.Timeout {
		return report, fmt.Errorf("the checks did not end within -timeout %s: give a longer time, or fewer checks with "+
			"-only: %w", s.target.Timeout, inWords(err))
	}
	return report, inWords(err)
}

// nothingChecked returns an error if the flags left nothing to check, which must not pass for a contract that holds.
func nothingChecked(report *contract.Report) error {
	if report.Count(contract.Passed)+report.Count(contract.Failed) > 0 {
		return nil
	}
	if len(report.Checks) == 0 {
		return errors.New("nothing was checked: -only and -skip leave out all checks")
	}
	return fmt.Errorf("nothing was checked: %d checks were skipped; the report says what they need", len(report.Checks))
}

// verdict returns an error if the contract is broken, or if less was checked than the flags require.
func verdict(cmd *cli.Command, report *contract.Report, outputs outputs) error {
	var problems []string
	if !report.OK() {
		problems = append(problems, "the contract is broken: "+report.String())
	}
	if skipped := report.Count(contract.Skipped); cmd.Bool("strict") && skipped > 0 {
		problems = append(problems, fmt.Sprintf("-strict: %d checks were skipped; the report says what they need", skipped))
	}
	if problem := outputs.lacksCoverage(report); problem != "" {
		problems = append(problems, problem)
	}
	if hint := hintAtAnswers(report); hint != "" && len(problems) > 0 {
		problems = append(problems, hint)
	}
	if len(problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(problems, "\n"))
}

// passwordLine returns the only line that may show passwords: those of accounts that lost the one they had.
func passwordLine(report *contract.Report, target *contract.Target) string {
	var accounts []string
	for _, account := range report.Changed() {
		has := "may now have"
		if account.Email == target.Credentials.Email && report.Password == contract.PasswordChanged {
			has = "now has"
		}
		accounts = append(accounts, fmt.Sprintf("The account %s %s the password %s", account.Email, has, account.Password))
	}
	return strings.Join(accounts, "; ")
}
