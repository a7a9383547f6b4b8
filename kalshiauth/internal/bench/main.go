// Command bench compares kalshiauth with what its users would have otherwise: in one run, one table for the path of a
// request, one for the operations, whether each target is met, and what a program links. It exits 1 where a target is
// clearly missed.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// serveEnv has the command answer on loopback instead, in a process of its own: what a server allocates is no cost of a
// client.
const serveEnv = "KALSHIAUTH_BENCH_SERVE"

func main() {
	testing.Init()
	var m meter
	flag.IntVar(&m.rounds, "rounds", 61, "how often each client is measured")
	flag.DurationVar(&m.batch, "batch", 30*time.Millisecond, "how long each client runs in a round, about")
	only := flag.String("only", "", "run only the suites whose names contain this")
	flag.Parse()
	if os.Getenv(serveEnv) != "" {
		exitOn(serve(os.Stdin, os.Stdout))
		return
	}
	met, err := run(os.Stdout, &m, *only)
	exitOn(err)
	if !met {
		os.Exit(1) //nolint:forbidigo // a command's
	}
}

func exitOn(err error) {
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2) //nolint:forbidigo // a command's
	}
}

// run prints the table of each suite and its targets, and tells whether all are met.
func run(w io.Writer, m *meter, only string) (met bool, err error) {
	url, stop, err := startServer()
	if err != nil {
		return false, fmt.Errorf("starting the server: %w", err)
	}
	defer stop()
	_, err = fmt.Fprintf(w, "Measured on %s: %s, %d cores, %s %s/%s.\n", time.Now().Format(time.DateOnly), cpuName(),
		runtime.GOMAXPROCS(0), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return false, fmt.Errorf("printing: %w", err)
	}
	met = true
	for _, s := range []suite{requestSuite(), operationSuite()} {
		if !strings.Contains(strings.ToLower(s.name), strings.ToLower(only)) {
			continue
		}
		all, verdicts, err := m.runSuite(s, places(url))
		if err != nil {
			return false, fmt.Errorf("%s: %w", s.name, err)
		}
		var text strings.Builder
		fmt.Fprintf(&text, "\n### %s\n\n%s\n\n", s.name, s.note)
		if err := printTable(&text, s, all); err != nil {
			return false, err
		}
		text.WriteString("\n")
		for _, v := range verdicts {
			fmt.Fprintf(&text, "%s  %s\n", v.grade, v.target)
			met = met && v.grade != fail
		}
		if _, err := io.WriteString(w, text.String()); err != nil {
			return false, fmt.Errorf("printing: %w", err)
		}
	}
	if only != "" {
		return met, nil
	}
	all, err := link()
	if err != nil {
		return false, err
	}
	return met, printLinked(w, all)
}

// startServer runs this program as the server, and returns its URL.
func startServer() (url string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, fmt.Errorf("finding this program: %w", err)
	}
	cmd := exec.Command(self) //nolint:gosec,noctx // this program itself, which ends with its standard input
	cmd.Env = append(os.Environ(), serveEnv+"=1")
	cmd.Stderr = os.Stderr
	stdin, inErr := cmd.StdinPipe()
	stdout, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("running it: %w", err)
	}
	stop = func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("reading its URL: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

func cpuName() string {
	info, _ := os.ReadFile("/proc/cpuinfo") // where there is none, its name is not known
	for line := range strings.Lines(string(info)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
