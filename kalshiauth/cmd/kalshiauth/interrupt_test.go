package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// interrupted starts the built command, waits until ready is closed, and sends a signal.
func interrupted(t *testing.T, cmd *exec.Cmd, ready <-chan struct{}, signal os.Signal) (code int, stderr string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted")
	}
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-ready
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode(), errOut.String()
}

// endings are the exit codes and the output after signals.
var endings = []struct {
	signal os.Signal
	code   int
	prints string
}{
	{os.Interrupt, 130, "kalshiauth: interrupted\n"},
	{syscall.SIGTERM, 143, "kalshiauth: terminated\n"},
}

func TestASignalEndsEachNetworkCall(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"login -email " + email, "logout -email " + email, "reset-password -email " + email,
		"reset-password-confirm -user-id 6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e", "demo -email " + email, "contract run",
		"contract run -wait 1h",
	} {
		for _, ending := range endings {
			t.Run(args+", "+ending.signal.String(), func(t *testing.T) {
				t.Parallel()
				s := newShell(t)
				if strings.HasPrefix(args, "logout") {
					s.run(0, password, "login -email "+email)
				}
				arrived := make(chan struct{}, 100)
				s.fake.Intercept(func(http.Handler) http.Handler {
					return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body)
						arrived <- struct{}{}
						<-r.Context().Done()
					})
				})
				cmd := exec.CommandContext(t.Context(), built, append(strings.Fields(args), "-base-url", s.fake.URL)...) //nolint:gosec // ours
				cmd.Env = append(os.Environ(), "KALSHI_PASSWORD="+password, "KALSHI_RESET_CODE=a-code", "KALSHI_NEW_PASSWORD="+otherPassword)
				if strings.HasPrefix(args, "contract") {
					cmd.Env = os.Environ()
				}
				code, stderr := interrupted(t, cmd, arrived, ending.signal)
				if code != ending.code || stderr != ending.prints {
					t.Errorf("exit %d, printed %q; want %d and %q", code, stderr, ending.code, ending.prints)
				}
			})
		}
	}
}

func TestASignalEndsTheWaitForStandardInput(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"login -email " + email, "contract har -"} {
		for _, ending := range endings {
			t.Run(args+", "+ending.signal.String(), func(t *testing.T) {
				t.Parallel()
				read, write, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _, _ = read.Close(), write.Close() })
				cmd := exec.CommandContext(t.Context(), built, append(strings.Fields(args), "-base-url", "http://127.0.0.1:1")...) //nolint:gosec // ours
				cmd.Stdin = read
				ready := make(chan struct{})
				go func() {
					// More than a pipe holds: once it is written, the command has read from it.
					_, _ = write.Write(bytes.Repeat([]byte("x"), 1<<20))
					close(ready)
				}()
				code, stderr := interrupted(t, cmd, ready, ending.signal)
				if code != ending.code || stderr != ending.prints {
					t.Errorf("exit %d, printed %q; want %d and %q", code, stderr, ending.code, ending.prints)
				}
			})
		}
	}
}

func TestServeEndsNormallyOnASignal(t *testing.T) {
	t.Parallel()
	for _, ending := range endings {
		t.Run(ending.signal.String(), func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), built, "serve", "-addr", "127.0.0.1:0")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			ready := make(chan struct{})
			go func() {
				_, _ = out.Read(make([]byte, 1)) // the line that says where it serves
				close(ready)
			}()
			if code, stderr := interrupted(t, cmd, ready, ending.signal); code != 0 || stderr != "" {
				t.Errorf("exit %d, printed %q", code, stderr)
			}
		})
	}
}

func TestNothingIsAskedWithoutATerminal(t *testing.T) {
	t.Parallel()
	fake := kalshiauthtest.NewServer()
	t.Cleanup(fake.Close)
	for want, args := range map[string]string{
		"the e-mail address is missing: give -email ADDRESS or set KALSHI_EMAIL":            "login",
		"e-mail address is missing: give -email ADDRESS or set KALSHI_EMAIL\nRun":           "reset-password",
		"mail address is missing: give -email ADDRESS or set KALSHI_EMAIL":                  "demo",
		"Password of trader@example.com is missing: set KALSHI_PASSWORD, or write it to":    "login -email " + email,
		"of trader@example.com is missing: set KALSHI_PASSWORD, or write it to standard in": "demo -email " + email,
		"Code from the mailed link is missing: set KALSHI_RESET_CODE, or write it to":       "reset-password-confirm -user-id x",
	} {
		code, out, stderr := runCommand(t, append(strings.Fields(args), "-base-url", fake.URL)...)
		if code != 2 || out != "" || !strings.HasPrefix(stderr, "kalshiauth: ") || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, printed %q and %q, want %q", args, code, out, stderr, want)
		}
	}
}
