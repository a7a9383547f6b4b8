package filestore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// giveUpRights makes a program unable to write beside path. It must own path to read it.
func giveUpRights(path string) error {
	if os.Getenv("FILESTORE_MOUNT") != "" {
		return mountReadOnly(path)
	}
	if os.Geteuid() != 0 {
		return nil
	}
	return syscall.Setuid(nobody)
}

func TestAReadOnlyFolderHasNoLock(t *testing.T) {
	t.Parallel()
	base, err := os.MkdirTemp("", "filestore") //nolint:usetesting // nobody can enter the folders of t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(base, "folder")
	path := filepath.Join(folder, "session.json")
	if err := newStore(t, path).Save(t.Context(), session("kept")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.Chmod(folder, 0o700) //nolint:gosec // a folder
		_ = os.RemoveAll(base)
	})
	if os.Geteuid() == 0 {
		if err := os.Chown(path, nobody, -1); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(base, 0o755), os.Chmod(folder, 0o555)); err != nil { //nolint:gosec // folders
		t.Fatal(err)
	}
	wantReadOnly(t, child(t, "readonly", path, ""))
}

// mountReadOnly mounts a read-only file system at path's folder, which has a session. It needs a mount namespace.
func mountReadOnly(path string) error {
	folder := filepath.Dir(path)
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := syscall.Mount("filestore", folder, "tmpfs", 0, "mode=700"); err != nil {
		return err
	}
	data, err := session("kept").Export()
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, data, 0o600); err != nil { //nolint:gosec // the test's own path
		return err
	}
	return syscall.Mount("filestore", folder, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
}

func TestAReadOnlyFileSystemHasNoLock(t *testing.T) {
	t.Parallel()
	cmd := child(t, "readonly", filepath.Join(t.TempDir(), "session.json"), "")
	cmd.Env = append(cmd.Env, "FILESTORE_MOUNT=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	wantReadOnly(t, cmd)
}

func TestADeviceIsNeitherReplacedNorRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "device")
	if err := syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|3); err != nil {
		t.Skipf("this user cannot make a device: %v", err)
	}
	store := newStore(t, path)
	for name, err := range map[string]error{"Save": store.Save(t.Context(), session("token")), "Delete": store.Delete(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want an error that names the device", name, err)
		}
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Type()&os.ModeDevice == 0 {
		t.Errorf("the device is %v, %v", info, err)
	}
}
