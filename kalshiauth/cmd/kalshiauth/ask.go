package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"
)

// An asker reads what a command needs from the environment, a terminal or standard input.
type asker struct {
	terminal *os.File // nil: standard input is not one
	lines    *bufio.Reader
	prompt   io.Writer
}

func newAsker(cmd *cli.Command) *asker {
	root := cmd.Root()
	a := &asker{lines: bufio.NewReader(root.Reader), prompt: root.ErrWriter}
	if file, ok := root.Reader.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		a.terminal = file
	}
	return a
}

// secret reads a secret from an environment variable, a terminal without echo, or the next line of standard input.
func (a *asker) secret(ctx context.Context, variable, what string) (string, error) {
	if value := os.Getenv(variable); value != "" {
		return value, nil
	}
	return a.hiddenLine(ctx, what, "set "+variable)
}

// hiddenLine reads a line from a terminal without echo, or the next line of standard input. remedy is "" or says what
// else the user can do.
func (a *asker) hiddenLine(ctx context.Context, what, remedy string) (string, error) {
	if a.terminal != nil {
		return a.ask(ctx, what, true, remedy)
	}
	line, err := await(ctx, func() (string, error) { return a.lines.ReadString('\n') })
	if value := strings.TrimRight(line, "\r\n"); value != "" {
		return value, nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading standard input: %w", err)
	}
	return "", usageError{fmt.Errorf("%s is missing: %s", what, or(remedy, "write it to standard input"))}
}

// or joins two remedies, of which the first may be "".
func or(remedy, other string) string {
	if remedy == "" {
		return other
	}
	return remedy + ", or " + other
}

// email returns the value of -email, and asks for it on a terminal if there is none. Later calls of
// cmd.String("email") return it, too.
func (a *asker) email(ctx context.Context, cmd *cli.Command) (string, error) {
	const remedy = "give -email ADDRESS or set KALSHI_EMAIL"
	if email := cmd.String("email"); email != "" {
		return email, nil
	}
	if a.terminal == nil {
		return "", usageError{errors.New("the e-mail address is missing: " + remedy)}
	}
	email, err := a.ask(ctx, "E-mail address", false, remedy)
	if err != nil {
		return "", err
	}
	if err := cmd.Set("email", email); err != nil {
		return "", fmt.Errorf("-email: %w", err)
	}
	return email, nil
}

// ask asks on the terminal. While it waits, a signal ends it or stops the process, each time with the terminal as it
// was. After a stop, it asks again. remedy says how to do without the question.
func (a *asker) ask(ctx context.Context, question string, hidden bool, remedy string) (string, error) {
	t, err := openTerminal(a.terminal)
	if err != nil {
		return "", fmt.Errorf("the terminal: %w", err)
	}
	signals := make(chan os.Signal, 8) // or a stop could hide that the process goes on
	notifyPrompt(signals)
	defer signal.Stop(signals)

	if err := a.show(t, question, hidden); err != nil {
		return "", err
	}
	// A read of a terminal cannot be canceled. It goes on until the process ends.
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := a.lines.ReadString('\n')
		answers <- answer{line, err}
	}()
	for {
		select {
		case got := <-answers:
			if got.err != nil {
				return "", errors.Join(a.leave(ctx, t, got.err, question, remedy), t.restore(true))
			}
			if hidden {
				_, _ = fmt.Fprintln(a.prompt)
			}
			line := strings.TrimRight(got.line, "\r\n")
			if err := t.restore(false); err != nil {
				return "", fmt.Errorf("the terminal: %w", err)
			}
			if line == "" {
				return "", usageError{fmt.Errorf("%s: the answer is empty: %s", question, or(remedy, "type it"))}
			}
			return line, nil
		case <-ctx.Done():
			_, _ = fmt.Fprintln(a.prompt)
			return "", errors.Join(context.Cause(ctx), t.restore(true))
		case s := <-signals:
			switch whatToDo(s) {
			case toEnd:
				_, _ = fmt.Fprintln(a.prompt)
				return "", errors.Join(interruption{s}, t.restore(true))
			case toStop:
				if err := t.restore(true); err != nil {
					return "", err
				}
				if !stopProcess() {
					err = a.show(t, question, hidden)
				} // otherwise, toGoOn is next
			case toGoOn:
				err = a.show(t, question, hidden)
			}
			if err != nil {
				return "", err
			}
		}
	}
}

// show prints the question.
func (a *asker) show(t *terminal, question string, hidden bool) error {
	if err := hide(t, hidden); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(a.prompt, "%s: ", question)
	return nil
}

func hide(t *terminal, hidden bool) error {
	if !hidden {
		return nil
	}
	if err := t.hideInput(); err != nil {
		return fmt.Errorf("the terminal cannot hide what is typed: %w", err)
	}
	return nil
}

// leave returns the error of a question without an answer.
func (a *asker) leave(ctx context.Context, t *terminal, err error, question, remedy string) error {
	_, _ = fmt.Fprintln(a.prompt)
	if t.interrupted(ctx) {
		return context.Cause(ctx) //nolint:wrapcheck // run looks for it
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: the input ended before an answer: %s", question, or(remedy, "type it"))
	}
	return fmt.Errorf("%s: reading the terminal: %w", question, err)
}

// An effect is what a signal does to a question.
type effect int

const (
	toEnd effect = iota
	toStop
	toGoOn
)
