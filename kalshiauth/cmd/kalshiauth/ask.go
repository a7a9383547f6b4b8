package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"
)

// An asker reads secrets from the environment, a terminal or standard input.
type asker struct {
	in     io.Reader
	lines  *bufio.Reader
	prompt io.Writer
}

func newAsker(cmd *cli.Command) *asker {
	root := cmd.Root()
	return &asker{in: root.Reader, lines: bufio.NewReader(root.Reader), prompt: root.ErrWriter}
}

// secret reads a secret from an environment variable, a terminal without echo, or the next line of standard input.
func (a *asker) secret(variable, what string) (string, error) {
	if value := os.Getenv(variable); value != "" {
		return value, nil
	}
	if file, ok := a.in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		_, _ = fmt.Fprintf(a.prompt, "%s: ", what)
		value, err := term.ReadPassword(int(file.Fd()))
		_, _ = fmt.Fprintln(a.prompt)
		return string(value), err
	}
	line, err := a.lines.ReadString('\n')
	if value := strings.TrimRight(line, "\r\n"); value != "" {
		return value, nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading standard input: %w", err)
	}
	return "", usageError{fmt.Errorf("%s is missing: set %s, or write it to standard input", what, variable)}
}
