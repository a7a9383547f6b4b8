//go:build unix && !linux

package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// raiseStop sends SIGSTOP to this process. Any thread may get it, a moment after the call has returned.
func raiseStop() {
	_ = unix.Kill(os.Getpid(), unix.SIGSTOP)
	time.Sleep(100 * time.Millisecond)
}
