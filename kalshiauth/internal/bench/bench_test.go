package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBenchMeasuresEveryClient runs the whole benchmark for as short as can be. Its times are noise, so a missed target
// is no failure.
func TestBenchMeasuresEveryClient(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	page, plot := filepath.Join(dir, "page.md"), filepath.Join(dir, "plot.svg")
	var out strings.Builder
	err := bench(t.Context(), &out, []string{"-rounds", "1", "-batch", "1ms", "-svg", plot, "-markdown", page})
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(os.DirFS(dir), "page.md")
	if err != nil || string(text) != out.String() {
		t.Errorf("the page is not what was printed: %v", err)
	}
	for _, want := range []string{
		"(plot.svg)", "| PASS |", "| | bare http.Client | net/http/cookiejar | oauth2.Transport | kalshiauth |",
		"| | by hand | gen | ogen | kalshiauth |", "| log-in, loopback, all cores |", "| loopback, gzip |", "| log-out, loopback,",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the page has no %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "NaN") || strings.Contains(out.String(), "%!") {
		t.Errorf("the page has a wrong number:\n%s", out.String())
	}

	picture, err := fs.ReadFile(os.DirFS(dir), "plot.svg")
	for decoder := xml.NewDecoder(bytes.NewReader(picture)); err == nil; {
		_, err = decoder.Token()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("the plot is not XML: %v", err)
	}
}

func TestBenchFailsWhereItCannotRun(t *testing.T) {
	t.Parallel()
	var exit *exec.ExitError
	err := bench(t.Context(), io.Discard, []string{"-rounds", "1", "-batch", "1us", "-svg", t.TempDir()})
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("a plot that cannot be written: %v, want exit status 2", err)
	}
}
