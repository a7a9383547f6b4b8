// Command mutants tells how good the tests of a package are: it makes small changes to the package, one at a time, and
// counts those that make a test fail. It prints the others. It exits 1 if too many live.
//
// All mutants are compiled into one test binary, in which the environment says which one is alive.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/tools/go/packages"
)

// A runner runs the tests of a package.
type runner struct {
	dir      string        // of the package
	binary   string        // its tests, with all mutants
	skip     string        // the tests that do not run, as -test.skip has it; "": none
	parallel int           // how many mutants are tested at once
	timeout  time.Duration // of one run
}

func main() {
	r := runner{}
	flag.StringVar(&r.dir, "dir", ".", "the folder of the package")
	flag.StringVar(&r.skip, "skip", "", "a regular expression of tests that take too long for this")
	flag.IntVar(&r.parallel, "parallel", runtime.GOMAXPROCS(0), "how many mutants are tested at once")
	least := flag.Float64("least", 90, "how many percent have to be killed")
	flag.Parse()
	score, err := r.run(os.Stdout)
	switch {
	case err != nil:
		_, _ = fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2) //nolint:forbidigo // a command's
	case score < *least:
		_, _ = fmt.Fprintf(os.Stderr, "mutants: %g%% have to be killed\n", *least)
		os.Exit(1) //nolint:forbidigo // a command's
	}
}

// run prints the mutants that live, and returns how many percent do not.
func (r *runner) run(w io.Writer) (score float64, err error) {
	tmp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 0, fmt.Errorf("a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	mutants, err := r.build(tmp)
	if err != nil {
		return 0, err
	}
	reached, err := r.reached(filepath.Join(tmp, "reached"))
	if err != nil {
		return 0, err
	}
	lives := make([]bool, len(mutants))
	var running sync.WaitGroup
	slots := make(chan struct{}, r.parallel)
	for i := range mutants {
		if i%50 == 0 {
			_, _ = fmt.Fprintf(os.Stderr, "mutants: %d of %d\n", i, len(mutants))
		}
		if lives[i] = !slices.Contains(reached, strconv.Itoa(i+1)); lives[i] {
			continue
		}
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			lives[i] = r.passes(i + 1)
		})
	}
	running.Wait()
	if out, err := r.test("MUTANT=0"); err != nil {
		return 0, fmt.Errorf("the tests fail without a mutant, now that they ran so often: %w\n%s", err, out)
	}
	var text strings.Builder
	killed := 0
	for i, m := range mutants {
		if !lives[i] {
			killed++
			continue
		}
		fmt.Fprintf(&text, "%s:%d:%d: %s -> %s", filepath.Base(m.pos.Filename), m.pos.Line, m.pos.Column, m.was, m.is)
		if m.why != "" {
			fmt.Fprintf(&text, " (%s)", m.why)
		}
		text.WriteString("\n")
	}
	score = 100 * float64(killed) / float64(len(mutants))
	fmt.Fprintf(&text, "mutants: %d of %d killed (%.1f%%)\n", killed, len(mutants), score)
	if _, err := io.WriteString(w, text.String()); err != nil {
		return 0, fmt.Errorf("printing: %w", err)
	}
	return score, nil
}

// build makes the test binary, and returns the mutants in it, by number.
func (r *runner) build(tmp string) ([]mutant, error) {
	loaded, err := packages.Load(&packages.Config{Dir: r.dir, Mode: packages.LoadSyntax}, ".")
	if err != nil {
		return nil, fmt.Errorf("loading the package: %w", err)
	}
	pkg := loaded[0]
	if len(pkg.Errors) > 0 {
		return nil, fmt.Errorf("loading the package: %w", pkg.Errors[0])
	}
	m := mutator{pkg: pkg}
	overlay := map[string]string{}
	replace := func(file, text string) error {
		copied := filepath.Join(tmp, filepath.Base(file))
		overlay[file] = copied
		return os.WriteFile(copied, []byte(text), 0o600)
	}
	for i, file := range pkg.Syntax {
		src, err := os.ReadFile(pkg.CompiledGoFiles[i])
		if err != nil {
			return nil, fmt.Errorf("the source: %w", err)
		}
		if err := replace(pkg.CompiledGoFiles[i], m.file(file, src)); err != nil {
			return nil, fmt.Errorf("the mutated source: %w", err)
		}
	}
	if len(m.mutants) == 0 {
		return nil, errors.New("there is nothing to mutate")
	}
	dir := filepath.Dir(pkg.CompiledGoFiles[0])
	if err := replace(filepath.Join(dir, "mutants_support.go"), fmt.Sprintf(support, pkg.Name)); err != nil {
		return nil, fmt.Errorf("the mutated source: %w", err)
	}
	data, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return nil, fmt.Errorf("the overlay: %w", err)
	}
	overlayFile := filepath.Join(tmp, "overlay.json")
	if err := os.WriteFile(overlayFile, data, 0o600); err != nil {
		return nil, fmt.Errorf("the overlay: %w", err)
	}
	r.binary = filepath.Join(tmp, "package.test")
	args := []string{"test", "-c", "-vet=off", "-overlay", overlayFile, "-o", r.binary, "."}
	cmd := exec.Command("go", args...) //nolint:gosec,noctx // ours
	cmd.Dir = r.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compiling the mutants: %w\n%s", err, out)
	}
	return m.mutants, nil
}

// slower is how many times longer than without a mutant the tests take before they hang.
const slower = 10

// reached returns the numbers of the mutants that the tests come across, after all of them passed without any.
func (r *runner) reached(file string) ([]string, error) {
	r.timeout = 10 * time.Minute
	start := time.Now()
	if out, err := r.test("MUTANTS_REACHED=" + file); err != nil {
		return nil, fmt.Errorf("the tests fail without a mutant: %w\n%s", err, out)
	}
	r.timeout = slower * (time.Since(start) + 100*time.Millisecond)
	data, err := os.ReadFile(file) //nolint:gosec // ours
	if err != nil {
		return nil, fmt.Errorf("the tests reach no mutant: %w", err)
	}
	return strings.Fields(string(data)), nil
}

// passes tells whether the tests pass with a mutant, which then lives.
func (r *runner) passes(n int) bool {
	_, err := r.test(fmt.Sprint("MUTANT=", n))
	return err == nil
}

// test runs the test binary until a test fails.
func (r *runner) test(env string) (output []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.binary, "-test.v", "-test.skip="+r.skip) //nolint:gosec // ours
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), env)
	out := &tripwire{cancel: cancel}
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	return out.Bytes(), err
}

// A tripwire keeps the output of tests, and pulls the plug when one fails.
type tripwire struct {
	bytes.Buffer

	cancel context.CancelFunc
}

func (t *tripwire) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("--- FAIL")) {
		t.cancel()
	}
	return t.Buffer.Write(p) //nolint:wrapcheck // a buffer has no errors
}
