// Command kalshiauth calls, fakes and checks Kalshi's auth API. Run kalshiauth -h for its subcommands.
//
// The exit code is 0 for success, 1 for a failure, and 2 if the command could not try: because of an invalid flag or
// argument, or because checks could not run.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with the process's arguments and streams as parameters, and its exit code as the result.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var lastLine string
	code := runCommands(ctx, args, stdin, stdout, stderr, &lastLine)
	if lastLine != "" {
		_, _ = fmt.Fprintln(stderr, lastLine)
	}
	return code
}

// runCommands is run, except for the line that is printed after everything else.
func runCommands(
	ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, lastLine *string,
) int {
	root := &cli.Command{
		Name:    "kalshiauth",
		Usage:   "log in to Kalshi, reset passwords, and test programs that do",
		Version: version(),
		Description: "Exit codes: 0 done, 1 failed, 2 not tried (a wrong flag or argument).\n" +
			"Secrets come from the environment, a terminal or standard input, never from an argument.",
		Commands:              append(accountCommands(), demoCommand(), serveCommand(), contractCommand(lastLine)),
		EnableShellCompletion: true,
		ConfigureShellCompletionCommand: func(cmd *cli.Command) {
			cmd.Hidden = false
			cmd.ArgValidator = func(context.Context, *cli.Command) error { return nil } // its argument is the name of a shell
		},
		Suggest:        true,
		Reader:         stdin,
		Writer:         stdout,
		ErrWriter:      stderr,
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // errors are printed below
		ArgValidator:   noArguments,
		Action: func(_ context.Context, cmd *cli.Command) error {
			_ = cli.ShowRootCommandHelp(cmd)
			return usageError{errors.New("a subcommand is missing")}
		},
	}
	_ = root.Walk(func(cmd *cli.Command) error {
		cmd.HideHelpCommand = true
		cmd.OnUsageError = func(_ context.Context, _ *cli.Command, err error, _ bool) error { return usageError{err} }
		return nil
	})
	err := root.Run(ctx, args)
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(stderr, "kalshiauth: "+strings.TrimPrefix(plainWords(err.Error()), "kalshiauth: "))
	isUsage, isStored := errors.As(err, new(usageError)), errors.As(err, new(storeError))
	if isUsage || errors.Is(err, kalshiauth.ErrInvalidInput) && !isStored { // a malformed session is ErrInvalidInput, too
		_, _ = fmt.Fprintln(stderr, "Run it with -h for help.")
		return 2
	}
	if notRun := (notRunError{}); errors.As(err, &notRun) {
		return 2
	}
	if hint := hint(err); hint != "" {
		_, _ = fmt.Fprintln(stderr, hint)
	}
	return 1
}

// version returns the version of the module, which go install and go build record.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}

// usageError is an error in the flags or arguments: nothing was tried.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// storeError is an error of a stored session. The flags and arguments may be valid.
type storeError struct{ error }

func (e storeError) Unwrap() error { return e.error }

// notRunError is the reason why checks could not run.
type notRunError struct{ error }

func (e notRunError) Unwrap() error { return e.error }

func noArguments(_ context.Context, cmd *cli.Command) error {
	if cmd.Args().Present() && cmd.Root() == cmd {
		return usageError{fmt.Errorf("there is no subcommand %q", cmd.Args().First())}
	}
	if cmd.Args().Present() {
		return usageError{fmt.Errorf("%s takes no argument %q", cmd.FullName(), cmd.Args().First())}
	}
	return nil
}
