// Package filestore keeps a session in a file, so that the next run of a program need not log in, and any number of
// processes on one machine share one session:
//
//	store, err := filestore.New(filepath.Join(dir, "session.json"))
//	...
//	source := client.LoginSource(credentials, kalshiauth.WithStore(store))
//
// The file holds the session's secret. It is made with mode 0600, in folders of mode 0700, and not used if others can
// read it.
package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

const (
	maxSize    = 64 << 10              // of a file; a session is far smaller
	lockRetry  = 10 * time.Millisecond // files have no lock that can be waited for with a context
	tempSuffix = ".tmp"                // of a file that is being written
	abandoned  = time.Minute           // the age of such a file whose writer was killed
)

// A Store keeps one account's session in a file. It is safe for use by several goroutines and processes of one machine;
// network file systems may not have the locks that this needs.
type Store struct {
	path string
}

var (
	_ kalshiauth.Store  = (*Store)(nil)
	_ kalshiauth.Locker = (*Store)(nil)
)

// New returns a store in the file at path, which need not exist, nor its folder. It fails with
// [kalshiauth.ErrInvalidInput] where path cannot be a file's. Beside the file there will be one with the suffix .lock.
func New(path string) (*Store, error) {
	absolute, err := filepath.Abs(path) // so that a change of folder does no harm
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	info, err := os.Stat(absolute)
	if path == "" || os.IsPathSeparator(path[len(path)-1]) || err == nil && info.IsDir() {
		return nil, fmt.Errorf("filestore: %w: %q names a folder, not a file", kalshiauth.ErrInvalidInput, path)
	}
	return &Store{path: absolute}, nil
}

// Load reads the session. It fails with [kalshiauth.ErrNoSession] where there is no file. A file that others can read,
// that is corrupt, or that a later version of this package wrote is another error, which names the file and says what
// to do.
func (s *Store) Load(context.Context) (*kalshiauth.Session, error) {
	file, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("filestore: %s: %w", s.path, kalshiauth.ErrNoSession)
	}
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("filestore: %s is not a file", s.path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("filestore: others can use the session in %s (mode %#o): run chmod 600 %s",
			s.path, info.Mode().Perm(), quote(s.path))
	case info.Size() > maxSize:
		return nil, fmt.Errorf("filestore: %s is too large for a session: remove it to log in anew", s.path)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxSize))
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	session, err := kalshiauth.ImportSession(data)
	if err != nil {
		return nil, fmt.Errorf("filestore: %s: %w; or remove the file to log in anew", s.path, err)
	}
	return session, nil
}

// Save replaces the file: whoever reads it finds the old session or the new one, also after a crash.
func (s *Store) Save(_ context.Context, session *kalshiauth.Session) error {
	data, err := session.Export()
	if err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	if err := s.makeFolder(); err != nil {
		return err
	}
	s.removeAbandoned()
	temp, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+".*"+tempSuffix) // mode 0600
	if err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Sync()
	}
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), s.path)
	}
	if err != nil {
		return fmt.Errorf("filestore: %w", errors.Join(err, os.Remove(temp.Name())))
	}
	if folder, err := os.Open(filepath.Dir(s.path)); err == nil {
		_ = folder.Sync() // not every system can; the file is whole in any case
		_ = folder.Close()
	}
	return nil
}

// Delete removes the file. It succeeds where there is none.
func (s *Store) Delete(context.Context) error {
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("filestore: %w", err)
	}
	return nil
}

// Lock waits for the lock that all processes share, or until ctx ends. The lock of a process that dies is free.
func (s *Store) Lock(ctx context.Context) (unlock func() error, err error) {
	if err := s.makeFolder(); err != nil {
		return nil, err
	}
	// Each call has a lock of its own, which excludes the others of this process as well.
	lock := flock.New(s.path+".lock", flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return nil, fmt.Errorf("filestore: waiting for the lock %s: %w", lock.Path(), err)
	}
	return func() error {
		if err := lock.Close(); err != nil {
			return fmt.Errorf("filestore: %w", err)
		}
		return nil
	}, nil
}

func (s *Store) makeFolder() error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	return nil
}

// removeAbandoned removes what writers left that were killed. It is no matter if it fails.
func (s *Store) removeAbandoned() {
	folder, prefix := filepath.Dir(s.path), filepath.Base(s.path)+"."
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && strings.HasPrefix(entry.Name(), prefix) && strings.HasSuffix(entry.Name(), tempSuffix) &&
			time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(folder, entry.Name()))
		}
	}
}

var plain = regexp.MustCompile(`^[\w./-]+$`)

// quote writes a path as a shell reads it.
func quote(path string) string {
	if plain.MatchString(path) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
