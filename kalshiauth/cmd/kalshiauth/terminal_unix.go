//go:build unix

package main

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// A terminal is one that a question is asked on.
type terminal struct {
	fd  int
	was unix.Termios
}

func openTerminal(file *os.File) (*terminal, error) {
	fd := int(file.Fd())
	was, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller does
	}
	return &terminal{fd, *was}, nil
}

// hideInput turns the echo off. The terminal reads lines, and its keys send signals.
func (t *terminal) hideInput() error {
	hidden := t.was
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG
	hidden.Iflag |= unix.ICRNL
	return unix.IoctlSetTermios(t.fd, setTermios, &hidden) //nolint:wrapcheck // the caller does
}

// restore sets the terminal as it was. If discard is true, the program that reads next gets nothing of a line that was
// typed halfway.
func (t *terminal) restore(discard bool) error {
	if discard {
		return unix.IoctlSetTermios(t.fd, setTermiosDiscard, &t.was) //nolint:wrapcheck // the caller does
	}
	return unix.IoctlSetTermios(t.fd, setTermios, &t.was) //nolint:wrapcheck // the caller does
}

// interrupted reports whether the end of the input was a signal. Here, a signal does not end the input.
func (*terminal) interrupted(context.Context) bool { return false }

// notifyPrompt relays the signals that a question handles itself. The others end the context.
func notifyPrompt(signals chan<- os.Signal) {
	signal.Notify(signals, unix.SIGCONT, unix.SIGQUIT)
	if !signal.Ignored(unix.SIGTSTP) {
		signal.Notify(signals, unix.SIGTSTP)
	}
}

func whatToDo(s os.Signal) effect {
	switch s {
	case unix.SIGTSTP:
		return toStop
	case unix.SIGCONT:
		return toGoOn
	}
	return toEnd
}

// stopProcess stops the process, as Ctrl-Z does, and returns true when it goes on. In the process group of the
// session's leader, it returns false. Ctrl-Z does not stop a process there, either: no shell could continue it.
// The signal is SIGSTOP, because Go keeps its handler of SIGTSTP once a program was notified.
func stopProcess() bool {
	session, err := unix.Getsid(0)
	group, err2 := unix.Getpgid(0)
	if err != nil || err2 != nil || session == group {
		return false
	}
	raiseStop()
	return true
}

// showsColors reports whether a terminal knows escape sequences.
func showsColors(*os.File) bool { return true }
