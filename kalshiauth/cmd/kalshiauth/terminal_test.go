//go:build unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// A tty is a pseudo-terminal with an interactive shell.
type tty struct {
	t    *testing.T
	keys *os.File // what is written is typed
	dev  *os.File

	mu      sync.Mutex // guards the fields below
	printed strings.Builder
	seen    int           // how much of printed the test has waited for
	more    chan struct{} // closed and replaced when something is printed
}

// shells returns the shells that the tests drive. Unlike bash, dash never sets the terminal: what the command leaves is
// what the user has.
func shells() map[string][]string {
	return map[string][]string{"dash": {"-i"}, "bash": {"--norc", "--noprofile", "--noediting", "-i"}}
}

// openTTY starts a shell in a pseudo-terminal.
func openTTY(t *testing.T, shell string, env ...string) *tty {
	t.Helper()
	if _, err := exec.LookPath(shell); err != nil {
		t.Skip(err)
	}
	keys, dev, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), shell, shells()[shell]...) //nolint:gosec // a shell of the test
	cmd.Stdin, cmd.Stdout, cmd.Stderr = dev, dev, dev
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	cmd.Env = append(os.Environ(), "PS1=> ", "ENV=", "HISTFILE=/dev/null", "TERM=xterm", "NO_COLOR=1", "KALSHIAUTH="+built)
	cmd.Env = append(cmd.Env, env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &tty{t: t, keys: keys, dev: dev, more: make(chan struct{})}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = dev.Close()
		_ = keys.Close()
	})
	go s.read()
	s.wait("> ")
	return s
}

func (s *tty) read() {
	buffer := make([]byte, 4096)
	for {
		n, err := s.keys.Read(buffer)
		s.mu.Lock()
		s.printed.Write(buffer[:n])
		close(s.more)
		s.more = make(chan struct{})
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// typed types text.
func (s *tty) typed(text string) {
	s.t.Helper()
	if _, err := s.keys.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// wait waits until a text is printed that was not waited for before. It returns what was printed after it so far.
func (s *tty) wait(text string) {
	s.t.Helper()
	s.waitFor(regexp.MustCompile(regexp.QuoteMeta(text)))
}

func (s *tty) waitFor(pattern *regexp.Regexp) []string {
	s.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		printed, more := s.printed.String()[s.seen:], s.more
		found := pattern.FindStringSubmatchIndex(printed)
		if found != nil {
			s.seen += found[1]
		}
		s.mu.Unlock()
		if found != nil {
			return pattern.FindStringSubmatch(printed)
		}
		select {
		case <-more:
		case <-limit:
			s.t.Fatalf("%q is not printed, but %q", pattern, s.all())
		}
	}
}

// all returns what was printed since the shell began.
func (s *tty) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.printed.String()
}

// start runs the command with a shell that has job control, and returns its process ID.
func (s *tty) start(args string) int {
	s.t.Helper()
	s.typed(`sh -c 'echo "pid=<$$>"; exec "$KALSHIAUTH" ` + args + "'\n")
	pid, err := strconv.Atoi(s.waitFor(regexp.MustCompile(`pid=<(\d+)>`))[1])
	if err != nil {
		s.t.Fatal(err)
	}
	return pid
}

// ended expects an exit code, and the terminal as it was.
func (s *tty) ended(code int, how string) {
	s.t.Helper()
	s.wait("> ")
	echoes := s.echoes()
	s.typed("printf 'ended with <%d>\\n' $?\n")
	if got := s.waitFor(regexp.MustCompile(`ended with <(\d+)>`))[1]; got != strconv.Itoa(code) || !echoes {
		s.t.Errorf("after %s: exit %s, want %d; echo: %t; printed %q", how, got, code, echoes, s.all())
	}
}

// echoes reports whether the terminal shows what is typed.
func (s *tty) echoes() bool {
	s.t.Helper()
	mode, err := unix.IoctlGetTermios(int(s.dev.Fd()), getTermios)
	if err != nil {
		s.t.Fatal(err)
	}
	return mode.Lflag&unix.ECHO != 0
}

// A question is one that the command asks.
type question struct {
	args   string
	env    []string
	before [][2]string // the questions before it, and their answers
	asks   string
	hidden bool
}

const userID = "6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e"

// questions are all that the command asks.
func questions() map[string]*question {
	const address, secret = "E-mail address: ", "Password of trader@example.com: "
	given := "-email " + email
	link := []string{"KALSHI_PASSWORD=" + password, "KALSHI_NEW_PASSWORD=" + otherPassword}
	return map[string]*question{
		"login, address":          {args: "login", asks: address},
		"login, password":         {args: "login " + given, asks: secret, hidden: true},
		"login, both":             {args: "login", before: [][2]string{{address, email}}, asks: secret, hidden: true},
		"reset-password, address": {args: "reset-password", asks: address},
		"reset-password-confirm, code": {
			args: "reset-password-confirm -user-id " + userID, asks: "Code from the mailed link: ", hidden: true,
		},
		"reset-password-confirm, password": {
			args: "reset-password-confirm -user-id " + userID, before: [][2]string{{"Code from the mailed link: ", "a-secret-code"}},
			asks: "New password: ", hidden: true,
		},
		"demo, address":  {args: "demo", asks: address},
		"demo, password": {args: "demo " + given, asks: secret, hidden: true},
		"demo, link": {
			args: "demo " + given, env: link, asks: "Code and user_id of the mailed link, with a space between them: ", hidden: true,
		},
	}
}

// ask runs the command until it asks the question.
func (q *question) ask(t *testing.T, shell string) (s *tty, pid int) {
	t.Helper()
	fake := kalshiauthtest.NewServer(kalshiauthtest.WithPathPrefix("/v1"))
	t.Cleanup(fake.Close)
	fake.AddUser(email, password)
	s = openTTY(t, shell, q.env...)
	pid = s.start(q.args + " -base-url " + fake.URL)
	for _, asked := range q.before {
		s.wait(asked[0])
		s.typed(asked[1] + "\n")
	}
	s.asked(q)
	return s, pid
}

// asked waits for a question, and expects that what is typed is hidden if it is a secret.
func (s *tty) asked(q *question) {
	s.t.Helper()
	s.wait(q.asks)
	if s.echoes() == q.hidden {
		s.t.Errorf("%s: echo: %t", q.asks, !q.hidden)
	}
}

// forEachQuestion runs a test for each question and shell.
func forEachQuestion(t *testing.T, test func(t *testing.T, q *question, shell string)) {
	t.Helper()
	for name, q := range questions() {
		for shell := range shells() {
			t.Run(name+", "+shell, func(t *testing.T) {
				t.Parallel()
				test(t, q, shell)
			})
		}
	}
}

func TestCtrlCEndsAQuestionAtOnce(t *testing.T) {
	t.Parallel()
	forEachQuestion(t, func(t *testing.T, q *question, shell string) {
		t.Helper()
		s, _ := q.ask(t, shell)
		s.typed("\x03")
		s.wait("kalshiauth: interrupted")
		s.ended(130, "Ctrl-C")
	})
}

func TestASignalEndsAQuestionAtOnce(t *testing.T) {
	t.Parallel()
	forEachQuestion(t, func(t *testing.T, q *question, shell string) {
		t.Helper()
		s, pid := q.ask(t, shell)
		for signal, code := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGHUP: 129, syscall.SIGQUIT: 131} {
			if err := syscall.Kill(pid, signal); err != nil {
				t.Fatal(err)
			}
			s.wait("kalshiauth: " + signal.String())
			s.ended(code, signal.String())
			s, pid = q.ask(t, shell)
		}
	})
}

func TestTheEndOfTheInputIsAnErrorWithASentence(t *testing.T) {
	t.Parallel()
	forEachQuestion(t, func(t *testing.T, q *question, shell string) {
		t.Helper()
		s, _ := q.ask(t, shell)
		s.typed("\x04")
		s.wait("the input ended before an answer: ")
		s.ended(1, "Ctrl-D")
	})
}

func TestAStoppedQuestionIsAskedAgain(t *testing.T) {
	t.Parallel()
	forEachQuestion(t, func(t *testing.T, q *question, shell string) {
		t.Helper()
		s, pid := q.ask(t, shell)
		for range 2 {
			s.typed("\x1a")
			s.stoppedAndGoesOn(q, "Ctrl-Z")
			if err := syscall.Kill(pid, syscall.SIGTSTP); err != nil {
				t.Fatal(err)
			}
			s.stoppedAndGoesOn(q, "SIGTSTP")
		}
		s.typed("\x03")
		s.ended(130, "Ctrl-C after a stop")
	})
}

// No process can act on SIGSTOP. bash then turns the echo on.
func TestAQuestionIsHiddenAgainAfterAStopThatItCouldNotSee(t *testing.T) {
	t.Parallel()
	q := questions()["login, password"]
	s, pid := q.ask(t, "bash")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.stoppedAndGoesOn(q, "SIGSTOP")
	s.typed("\x03")
	s.ended(130, "Ctrl-C after SIGSTOP")
}

// stoppedAndGoesOn expects that the command stops with the terminal as it was, and asks again when it goes on.
func (s *tty) stoppedAndGoesOn(q *question, how string) {
	s.t.Helper()
	s.wait("Stopped")
	s.wait("> ")
	if !s.echoes() {
		s.t.Errorf("after %s: no echo", how)
	}
	s.typed("fg\n")
	s.asked(q)
}

func TestAnAnswerAfterAStopIsUsedAndHidden(t *testing.T) {
	t.Parallel()
	for shell := range shells() {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			q := questions()["login, both"]
			s, _ := q.ask(t, shell)
			s.typed("\x1a")
			s.stoppedAndGoesOn(q, "Ctrl-Z")
			s.typed(password + "\n")
			s.wait("Logged in to ")
			s.ended(0, "the answer")
			if strings.Contains(s.all(), password) {
				t.Errorf("the password is shown: %q", s.all())
			}
		})
	}
}

func TestTheShellGetsNothingOfAnUnfinishedAnswer(t *testing.T) {
	t.Parallel()
	q := questions()["login, address"]
	s, pid := q.ask(t, "dash")
	s.typed("half-an-answer")
	s.wait("half-an-answer") // the terminal has it
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.ended(143, "SIGTERM") // or it would run half-an-answerprintf
	s.start("login -base-url http://127.0.0.1:1")
	s.asked(q)
	s.typed("half-an-answer")
	s.wait("half-an-answer")
	s.typed("\x1a")
	s.stoppedAndGoesOn(q, "Ctrl-Z")
	s.typed("\x03")
	s.ended(130, "Ctrl-C")
}

func TestAnEmptyAnswerIsAWrongCall(t *testing.T) {
	t.Parallel()
	s, _ := questions()["login, password"].ask(t, "dash")
	s.typed("\n")
	s.wait("the answer is empty: set KALSHI_PASSWORD, or type it")
	s.ended(2, "an empty answer")
}

// Without a shell above it, nobody could continue a process that stops. The kernel does not let it stop.
func TestAQuestionThatCannotStopStaysHidden(t *testing.T) {
	t.Parallel()
	stops := make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGTSTP) // or the command could inherit that it is ignored
	t.Cleanup(func() { signal.Stop(stops) })
	keys, dev, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), built, "login", "-email", email, "-base-url", "http://127.0.0.1:1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = dev, dev, dev
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &tty{t: t, keys: keys, dev: dev, more: make(chan struct{})}
	t.Cleanup(func() { _, _ = dev.Close(), keys.Close() })
	go s.read()
	s.wait("Password of trader@example.com: ")
	s.typed("\x1a")
	s.wait("Password of trader@example.com: ")
	s.typed(password + "\n")
	s.wait("kalshiauth: ")
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 || strings.Contains(s.all(), password) {
		t.Errorf("%v, printed %q", err, s.all())
	}
}

func TestErrorsAreRedOnATerminalOnly(t *testing.T) {
	t.Parallel()
	const plain, red = "kalshiauth: there is no subcommand", "\x1b[31mkalshiauth:\x1b[0m there is no subcommand"
	for _, c := range []struct{ env, args, want string }{
		{"NO_COLOR=", "dance", red},
		{"NO_COLOR=1", "dance", plain},
		{"NO_COLOR=", "dance 2>&1 | cat", plain},
	} {
		s := openTTY(t, "dash", c.env)
		s.start(c.args)
		s.wait(c.want)
	}
	s := openTTY(t, "dash", "NO_COLOR=", "TERM=dumb")
	s.start("dance")
	s.wait(plain)
}
