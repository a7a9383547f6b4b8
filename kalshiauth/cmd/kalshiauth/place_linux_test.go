package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
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
func cmdlineOf(t *testing.T, pid int) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(data), "\x00", " ")
}

// While a command waits for an answer, other users of the machine can see its arguments.
func TestNoProcessShowsASecretInItsArguments(t *testing.T) {
	t.Parallel()
	const account = "KALSHI_EMAIL=" + email + " KALSHI_PASSWORD=" + password
	for _, c := range []struct{ args, env, stdin, path string }{
		{"login", account, "", "/log_in"},
		{"login -email " + email, "", password + "\n", "/log_in"},
		{"logout", "", "", "/log_out"},
		{"logout -all", "", "", "/log_out"},
		{"status -check", "", "", "/balance"},
		{"reset-password -email " + email, "", "", "/reset"},
		{"reset-password-confirm -user-id USER", "KALSHI_RESET_CODE=CODE KALSHI_NEW_PASSWORD=" + newPassword, "", "/confirm"},
		{"reset-password-confirm -user-id USER", "", "CODE\n" + newPassword + "\n", "/confirm"},
		{"demo", account, "", "/log_in"},
		{"curl", "", "", "/balance"},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			h, fake := newHome(t), twoUsers(t)
			balance(fake)
			h.logIn(fake, email, password)
			entries, _ := h.list()
			h.run(0, "cookie", "-base-url", fake.URL, "-file", jar)
			h.run(0, "reset-password", "-base-url", fake.URL, "-email", email)
			mail := fake.Outbox()[0]
			h.secrets = append(h.secrets, mail.Code)
			sent, seen := make(chan struct{}, 16), make(chan struct{})
			fake.Intercept(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, c.path) {
						sent <- struct{}{}
						<-seen
					}
					next.ServeHTTP(w, r)
				})
			})
			names := strings.NewReplacer("USER", mail.UserID, "RESET_CODE", "RESET_CODE", "CODE", mail.Code)
			cmd, out, errOut := h.command(use{
				args: strings.Fields(names.Replace(c.args)), stdin: names.Replace(c.stdin),
				env: append(strings.Fields(names.Replace(c.env)), "KALSHI_BASE_URL="+fake.URL),
			})
			if c.args == "curl" {
				cmd.Args = []string{"curl", "-q", "-sS", "-b", jar, fake.URL + "/users/" + entries[0].UserID + "/balance"}
				cmd.Path, _ = exec.LookPath("curl")
			}
			if err := cmd.Start(); err != nil {
				t.Skip(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case <-sent:
			case err := <-ended:
				t.Fatalf("it sent nothing: %v: %s%s", err, out, errOut)
			}
			arguments := cmdlineOf(t, cmd.Process.Pid)
			close(seen)
			if !strings.HasSuffix(strings.TrimSpace(arguments), strings.Join(cmd.Args[1:], " ")) {
				t.Errorf("the arguments are %q", arguments)
			}
			h.hides("the list of processes", arguments)
			if err := <-ended; err != nil {
				t.Errorf("%v: %s%s", err, out, errOut)
			}
			h.hides("the output", out.String()+errOut.String())
		})
	}
}
