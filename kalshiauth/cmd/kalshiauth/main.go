// Command kalshiauth calls, fakes and checks Kalshi's auth API. Run kalshiauth -h for its subcommands.
//
// The exit code is 0 for success, 1 for a failure, and 2 if the command could not try: because of an invalid flag or
// argument, or because checks could not run. A command that a signal interrupts exits with 128 and the signal's number:
// 130 after Ctrl-C, 143 after SIGTERM. For serve and contract proxy, these signals are the normal end.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

func main() {
	ctx, stop := untilSignal(context.Background())
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
	root := newRoot(lastLine)
	root.Reader, root.Writer, root.ErrWriter = stdin, stdout, stderr
	err := root.Run(withLastWord(ctx, args), args)
	if err == nil {
		return 0
	}
	if i, ok := interruptionOf(ctx, err); ok {
		_, _ = fmt.Fprintln(stderr, red(stderr, "kalshiauth:")+" "+i.Error())
		return i.exitCode()
	}
	_, _ = fmt.Fprintln(stderr, red(stderr, "kalshiauth:")+" "+strings.TrimPrefix(plainWords(err.Error()), "kalshiauth: "))
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

// newRoot returns the command with all subcommands.
func newRoot(lastLine *string) *cli.Command {
	commands := accountCommands()
	commands = append(commands, demoCommand(), serveCommand(), contractCommand(lastLine), versionCommand(), helpCommand())
	root := &cli.Command{
		Name:  "kalshiauth",
		Usage: "log in to Kalshi, reset passwords, and test programs that do",
		Description: "Exit codes: 0 done, 1 failed, 2 not tried (a wrong flag or argument), 130 or 143 interrupted.\n" +
			"Secrets come from the environment, a terminal or standard input, never from an argument.",
		Flags:                           []cli.Flag{&cli.BoolFlag{Name: "version", Local: true, Usage: "print the version"}},
		Commands:                        commands,
		EnableShellCompletion:           true,
		ConfigureShellCompletionCommand: configureCompletion,
		ExitErrHandler:                  func(context.Context, *cli.Command, error) {}, // run prints errors
		ArgValidator:                    noArguments,
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Bool("version") {
				return printVersion(cmd)
			}
			_ = cli.ShowRootCommandHelp(cmd)
			return usageError{errors.New("a subcommand is missing")}
		},
	}
	setUp(root.Name, root)
	return root
}

// setUp sets what all commands have in common. name is the command's full name.
func setUp(name string, cmd *cli.Command) {
	cmd.HideHelpCommand = true // the root has its own
	cmd.ShellComplete = complete
	cmd.OnUsageError = func(_ context.Context, cmd *cli.Command, err error, _ bool) error {
		return usageError{wrongFlag(cmd, err)}
	}
	if slices.Contains(traced, name) {
		cmd.Flags = append(cmd.Flags, traceFlag())
	}
	addExample(name, cmd)
	for _, sub := range cmd.Commands {
		setUp(name+" "+sub.Name, sub)
	}
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
		return usageError{fmt.Errorf("there is no subcommand %q%s", cmd.Args().First(), didYouMean(cmd, cmd.Args().First()))}
	}
	if cmd.Args().Present() {
		return usageError{fmt.Errorf("%s takes no argument %q", cmd.FullName(), cmd.Args().First())}
	}
	return nil
}
