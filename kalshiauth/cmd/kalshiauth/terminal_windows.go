package main

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// A terminal is one that a question is asked on.
type terminal struct {
	console windows.Handle
	was     uint32
}

func openTerminal(file *os.File) (*terminal, error) {
	t := &terminal{console: windows.Handle(file.Fd())}
	err := windows.GetConsoleMode(t.console, &t.was)
	return t, err //nolint:wrapcheck // the caller does
}

// hideInput turns the echo off.
func (t *terminal) hideInput() error {
	mode := t.was&^windows.ENABLE_ECHO_INPUT | windows.ENABLE_PROCESSED_INPUT | windows.ENABLE_LINE_INPUT
	return windows.SetConsoleMode(t.console, mode) //nolint:wrapcheck // the caller does
}

// restore sets the terminal as it was. If discard is true, the program that reads next gets nothing of a line that was
// typed halfway.
func (t *terminal) restore(discard bool) error {
	if discard {
		_ = windows.FlushConsoleInputBuffer(t.console)
	}
	return windows.SetConsoleMode(t.console, t.was) //nolint:wrapcheck // the caller does
}

// interrupted reports whether the end of the input was Ctrl-C, which ends it a moment before the context.
func (*terminal) interrupted(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(200 * time.Millisecond):
		return false
	}
}

// There is no job control.
func notifyPrompt(chan<- os.Signal) {}
func whatToDo(os.Signal) effect     { return toEnd }
func stopProcess() bool             { return false }

// showsColors reports whether a terminal knows escape sequences.
func showsColors(file *os.File) bool {
	var mode uint32
	err := windows.GetConsoleMode(windows.Handle(file.Fd()), &mode)
	return err == nil && mode&windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING != 0
}
