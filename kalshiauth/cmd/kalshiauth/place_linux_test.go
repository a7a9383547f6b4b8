package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// inNamespace runs a script of sh in namespaces of its own, as the user with this ID there. It skips the test if the
// system does not allow that.
func (h *home) inNamespace(user int, script string, u use) outcome {
	h.t.Helper()
	cmd, out, errOut := h.command(u)
	const unprepared = 99
	cmd.Args = append([]string{"sh", "-c", script + ` || exit 99; exec "$0" "$@"`, built}, u.args...)
	var err error
	if cmd.Path, err = exec.LookPath("sh"); err != nil {
		h.t.Skip(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		h.t.Skip(err)
	}
	if cmd.ProcessState.ExitCode() == unprepared {
		h.t.Skip(errOut.String())
	}
	return outcome{u.args, cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

func TestLoginSendsNothingWhereTheFolderCannotBeWrittenTo(t *testing.T) {
	t.Parallel()
	fake := twoUsers(t)
	login := use{args: []string{"login", "-base-url", fake.URL, "-email", email}, stdin: password + "\n"}
	const folder = `"$XDG_CONFIG_HOME"`
	for name, c := range map[string]struct {
		user         int
		script, want string
	}{
		"no right to write":     {1000, "chmod 500 " + folder, "permission denied"},
		"a read-only system":    {0, "mount -t tmpfs -o ro,mode=700 tmpfs " + folder, "read-only file system"},
		"a full disk":           {0, "mount -t tmpfs -o size=16k,mode=700 tmpfs " + folder, "no space left on device"},
		"no space, and no file": {0, "mount -t tmpfs -o nr_inodes=2,mode=700 tmpfs " + folder, "no space left on device"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.wants(h.inNamespace(c.user, c.script, login), 1, c.want, "nothing was sent")
		})
	}
	t.Run("with space", func(t *testing.T) {
		t.Parallel()
		h, fake := newHome(t), twoUsers(t)
		login := use{args: []string{"login", "-base-url", fake.URL, "-email", email}, stdin: password + "\n"}
		h.wants(h.inNamespace(0, "mount -t tmpfs -o size=1m,mode=700 tmpfs "+folder, login), 0, "Logged in")
	})
	t.Cleanup(func() {
		if n := fake.Requests("Login"); n != 0 {
			t.Errorf("%d log-ins were sent", n)
		}
	})
}

func TestLoginSendsNothingWhereAnotherUserOwnsTheFile(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	h, fake := newHome(t), twoUsers(t)
	h.logIn(fake, email, password)
	if err := os.Chown(h.file(fake.URL, email), 65534, -1); err != nil {
		t.Fatal(err)
	}
	h.refusesToLogIn(fake)
	if n := fake.Requests("Login"); n != 1 {
		t.Errorf("%d log-ins were sent, want 1", n)
	}
}

// cmdlineOf returns the arguments of a process, as ps shows them.
func cmdlineOf(t *testing.T, proc string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", proc, "cmdline"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(data), "\x00", " ")
}
