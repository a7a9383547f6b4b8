// Package filestore keeps a session in a file. The next run of a program then need not log in, and any number of
// processes on one machine can share one session:
//
//	store, err := filestore.New(filepath.Join(dir, "session.json"))
//	...
//	source, err := autologin.New(client, autologin.StaticCredentials(credentials), autologin.WithStore(store))
//
// The file holds the session's secret. It is created with mode 0600, and missing folders with mode 0700. Loading a file
// that other users can access, or that another user owns, is an error: somebody else who can write to the folder can
// remove the session or replace it by another one of the file's owner, but not by one of theirs. On Windows there are
// no such checks: keep the file in a folder that only its user can open.
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
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
)

const (
	maxSize    = 64 << 10              // of a file, in bytes; a session is far smaller
	maxLinks   = 40                    // symbolic links from a path to its file, as on Linux
	lockRetry  = 10 * time.Millisecond // between tries to lock: waiting for a file's lock takes no context
	tempSuffix = ".tmp"                // of a file while it is written
	abandoned  = time.Minute           // age from which such a file is taken for one whose writer was killed
)

// A Store keeps one account's session in a file. It implements [autologin.Store] and [autologin.Locker]. Goroutines and
// processes of one machine can use it concurrently. Network file systems may lack the locks that this needs.
type Store struct {
	path string
}

var (
	_ autologin.Store  = (*Store)(nil)
	_ autologin.Locker = (*Store)(nil)
)

// New returns a store in the file at path. The file and its folder need not exist. If path is a symbolic link, the
// store uses the file that the link leads to, which need not exist either. Only New follows the link: a later change of
// the link has no effect. New fails with [kalshiauth.ErrInvalidInput] if path is a folder, ends with a slash, or leads
// through too many links.
//
// [Store.Lock] creates another file with the suffix .lock next to the file. No method removes it.
func New(path string) (*Store, error) {
	absolute, err := filepath.Abs(path) // so that a change of the working directory has no effect
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	file, err := follow(absolute)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(file)
	if path == "" || os.IsPathSeparator(path[len(path)-1]) || err == nil && info.IsDir() {
		return nil, fmt.Errorf("filestore: %w: %q names a folder, not a file", kalshiauth.ErrInvalidInput, path)
	}
	return &Store{path: file}, nil
}

// follow returns the path that is left after following all symbolic links. It need not exist.
func follow(path string) (string, error) {
	link := path
	for range maxLinks {
		target, err := os.Readlink(path)
		if err != nil {
			return path, nil //nolint:nilerr // it is not a link
		}
		folder, name := filepath.Split(target)
		if !filepath.IsAbs(target) {
			folder = filepath.Dir(path) + string(filepath.Separator) + folder
		}
		if resolved, err := filepath.EvalSymlinks(folder); err == nil { // before Join removes "link/.."
			folder = resolved
		}
		path = filepath.Join(folder, name)
	}
	return "", fmt.Errorf("filestore: %w: %s leads through more than %d symbolic links",
		kalshiauth.ErrInvalidInput, link, maxLinks)
}

// Load reads the session. It fails with [kalshiauth.ErrNoSession] if there is no file. It fails with another error if
// other users can access the file or another user owns it, and if the file is corrupt, is not a regular file, or was
// written by a later version of this package that changed the format. The error names the file.
func (s *Store) Load(ctx context.Context) (*kalshiauth.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	info, err := os.Stat(s.path) // before Open, which has side effects on some devices
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("filestore: %s: %w", s.path, kalshiauth.ErrNoSession)
	case err == nil && !info.Mode().IsRegular():
		return nil, fmt.Errorf("filestore: %s is not a regular file", s.path)
	}
	var file *os.File
	err = retry(func() (err error) {
		file, err = os.OpenFile(s.path, os.O_RDONLY|nonblock, 0)
		return err //nolint:wrapcheck // it is wrapped below
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("filestore: %s: %w", s.path, kalshiauth.ErrNoSession)
	}
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	defer func() { _ = file.Close() }() // the file was only read
	info, err = file.Stat()
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("filestore: %s is not a regular file", s.path)
	case foreign(info):
		return nil, fmt.Errorf("filestore: another user owns %s: remove it to log in again", s.path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("filestore: others can use the session in %s (mode %#o): run chmod 600 %s",
			s.path, info.Mode().Perm(), quote(s.path))
	case info.Size() > maxSize:
		return nil, fmt.Errorf("filestore: %s is too large for a session: remove it to log in again", s.path)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxSize))
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	session, err := kalshiauth.ImportSession(data)
	if err != nil {
		return nil, fmt.Errorf("filestore: %s: %w; you can remove the file to log in again", s.path, err)
	}
	return session, nil
}

// Save replaces the file atomically: a reader finds the old session or the new one, even after a crash. It also
// replaces a file that Load cannot read, but not a folder or a device. It fails with [kalshiauth.ErrNoSession] if
// session has no secret.
func (s *Store) Save(ctx context.Context, session *kalshiauth.Session) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	data, err := session.Export()
	if err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	if len(data) > maxSize {
		return fmt.Errorf("filestore: %w: the session has %d bytes, more than the %d that Load reads",
			kalshiauth.ErrInvalidInput, len(data), maxSize)
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
		err = retry(func() error { return os.Rename(temp.Name(), s.path) })
	}
	if err != nil {
		return fmt.Errorf("filestore: %w", errors.Join(err, os.Remove(temp.Name())))
	}
	if folder, err := os.Open(filepath.Dir(s.path)); err == nil {
		_ = folder.Sync() // not every system can do this; the file is complete in any case
		_ = folder.Close()
	}
	return nil
}

// Delete removes the file. It also removes a file that Load cannot read, but not a folder or a device. It succeeds if
// there is no file.
func (s *Store) Delete(ctx context.Context) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	if err := retry(func() error { return os.Remove(s.path) }); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("filestore: %w", err)
	}
	return nil
}

// check returns an error if ctx has ended, or if the store's path is a folder or a device.
func (s *Store) check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	if info, err := os.Lstat(s.path); err == nil && info.Mode()&(fs.ModeDir|fs.ModeDevice) != 0 {
		return fmt.Errorf("filestore: %s is a folder or a device, not a file", s.path)
	}
	return nil
}

// Lock waits for the lock that all processes share, until ctx ends. When a process dies, its lock becomes free. If the
// user may not create or open the lock file, or the file system is read-only, the error wraps [fs.ErrPermission].
// lockCtx ends when ctx ends or unlock is called. A second call of unlock has no effect.
func (s *Store) Lock(ctx context.Context) (lockCtx context.Context, unlock func() error, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("filestore: %w", err)
	}
	// Each call opens the file anew, so that the lock also excludes other calls in this process.
	lock := flock.New(s.path+".lock", flock.SetFlag(os.O_CREATE|os.O_RDONLY|nonblock), flock.SetPermissions(0o600))
	err = s.makeFolder()
	if err == nil {
		_, err = lock.TryLockContext(ctx, lockRetry)
	}
	if errors.Is(err, errReadOnly) {
		err = fmt.Errorf("%w: %w", fs.ErrPermission, err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("filestore: waiting for the lock %s: %w", lock.Path(), err)
	}
	lockCtx, cancel := context.WithCancel(ctx)
	return lockCtx, func() error {
		cancel()
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

// removeAbandoned removes the temporary files of writers that were killed. Save does not depend on it.
func (s *Store) removeAbandoned() {
	folder, prefix := filepath.Dir(s.path), filepath.Base(s.path)+"."
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		info, err := entry.Info()
		random, ours := strings.CutPrefix(strings.TrimSuffix(entry.Name(), tempSuffix), prefix)
		if err == nil && ours && digits.MatchString(random) && strings.HasSuffix(entry.Name(), tempSuffix) &&
			info.Mode().IsRegular() && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(folder, entry.Name()))
		}
	}
}

var digits = regexp.MustCompile(`^\d+$`) // what os.CreateTemp puts into a name

var plain = regexp.MustCompile(`^[\w./-]+$`)

// quote returns a path quoted for a shell.
func quote(path string) string {
	if plain.MatchString(path) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
