//go:build unix

package filestore

import (
	"io/fs"
	"os"
	"syscall"
)

// nonblock makes opening a named pipe return at once.
const nonblock = syscall.O_NONBLOCK

// errReadOnly is the error of a read-only file system.
const errReadOnly = syscall.EROFS

// foreign reports whether another user owns a file.
func foreign(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) != os.Geteuid()
}

func retry(operation func() error) error { return operation() }
