package main

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

const (
	getTermios        = unix.TCGETS
	setTermios        = unix.TCSETS
	setTermiosDiscard = unix.TCSETSF
)

// raiseStop sends SIGSTOP to this thread, which gets it before the call returns.
func raiseStop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
}
