package filestore

import (
	"errors"
	"io/fs"
	"syscall"
	"time"
)

const (
	nonblock         = 0
	errReadOnly      = syscall.Errno(19) // ERROR_WRITE_PROTECT
	sharingViolation = syscall.Errno(32) // ERROR_SHARING_VIOLATION
	patience         = time.Second       // how long retry tries
)

func foreign(fs.FileInfo) bool { return false }

// retry repeats an operation for up to a second: Windows does not replace or remove a file that somebody reads.
func retry(operation func() error) error {
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		err := operation()
		if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, sharingViolation) || time.Now().After(end) {
			return err
		}
	}
}
