//go:build unix

package filestore_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

const nobody = 65534 // a user without rights

func TestASessionOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	path := filepath.Join(t.TempDir(), "session.json")
	store := newStore(t, path)
	if err := store.Save(t.Context(), session("token")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, nobody, -1); err != nil {
		t.Fatal(err)
	}
	got, err := store.Load(t.Context())
	if got != nil || err == nil || errors.Is(err, kalshiauth.ErrNoSession) || !strings.Contains(err.Error(), "another user owns "+path) {
		t.Errorf("Load = %v, %v; want an error that says that another user owns the file", got, err)
	}
	if err := store.Delete(t.Context()); err != nil {
		t.Error(err)
	}
	if err := store.Save(t.Context(), session("token")); err != nil {
		t.Error(err)
	}
	if got, err := store.Load(t.Context()); err != nil || got.Token() != "token" {
		t.Errorf("after Delete and Save, Load = %v, %v", got, err)
	}
}

func TestWhatIsNotARegularFileIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	short, err := os.MkdirTemp("", "f") //nolint:usetesting // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	paths := map[string]string{
		"a named pipe": filepath.Join(short, "pipe"), "a socket": filepath.Join(short, "socket"), "a device": os.DevNull,
	}
	if err := syscall.Mkfifo(paths["a named pipe"], 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", paths["a socket"])
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = listener.Close()
	for name, path := range paths {
		store := newStore(t, path)
		failed := make(chan error, 1)
		go func() {
			_, err := store.Load(t.Context())
			failed <- err
		}()
		select {
		case err := <-failed:
			if err == nil || errors.Is(err, kalshiauth.ErrNoSession) || !strings.Contains(err.Error(), path+" is not a regular file") {
				t.Errorf("%s: Load: %v, want an error that names it", name, err)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: Load hangs", name)
		}
		if path == os.DevNull {
			continue
		}
		if err := store.Delete(t.Context()); err != nil {
			t.Errorf("%s: Delete: %v", name, err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: after Delete: %v", name, err)
		}
	}
}

func TestLockObeysItsContextWhereTheLockIsANamedPipe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "session.json")
	if err := syscall.Mkfifo(path+".lock", 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, unlock, err := newStore(t, path).Lock(ctx); err == nil {
			_ = unlock()
		}
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("Lock hangs")
	}
}

func TestAFileThatBecomesANamedPipeDoesNotStopLoad(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file, pipe, path := filepath.Join(folder, "file"), filepath.Join(folder, "pipe"), filepath.Join(folder, "session.json")
	if err := newStore(t, file).Save(t.Context(), session("token")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	swap := func(with string) {
		if err := errors.Join(os.Link(with, path+".new"), os.Rename(path+".new", path)); err != nil {
			t.Error(err)
		}
	}
	swap(file)
	store, done := newStore(t, path), make(chan struct{})
	go func() {
		defer close(done)
		for range 2000 {
			if _, err := store.Load(t.Context()); err != nil && !strings.Contains(err.Error(), "is not a regular file") {
				t.Errorf("Load: %v", err)
			}
		}
	}()
	late := time.After(10 * time.Second)
	for {
		select {
		case <-done:
			return
		case <-late:
			t.Fatal("Load hangs")
		default:
			swap(pipe)
			swap(file)
		}
	}
}
