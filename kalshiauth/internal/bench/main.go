// Command bench compares kalshiauth with the alternatives its users have. Run it in its own folder:
//
//	go run . [-rounds N] [-batch DURATION] [-svg FILE] [-markdown FILE]
//
// It generates ogen's client from the OpenAPI document into a temporary folder, builds the program in measure/ with
// that client, and runs it with the same arguments. The exit status is 1 where a target is clearly missed, and 2 where
// the benchmark could not run.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

const document = "../../../api/openapi.yaml"

func main() {
	err := bench(context.Background(), os.Stdout, os.Args[1:])
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		os.Exit(exit.ExitCode()) //nolint:forbidigo // a command
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2) //nolint:forbidigo // a command
	}
}

// bench generates, builds and runs.
func bench(ctx context.Context, stdout io.Writer, args []string) error {
	dir, err := os.MkdirTemp("", "kalshiauth-bench")
	if err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "measure.exe")
	if err := build(ctx, dir, program); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the program that was just built
	cmd.Stdout, cmd.Stderr = stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("measuring: %w", err)
	}
	return nil
}

// build builds measure/ with ogen's client. The client and the code that calls it are not in the source tree: go build
// reads them as if they were (-overlay).
func build(ctx context.Context, dir, program string) error {
	client := filepath.Join(dir, "ogenclient")
	err := run(ctx, "go", "tool", "ogen", "-loglevel", "error", "-config", "ogen.yml", "-package", "ogenclient",
		"-target", client, document)
	if err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("finding this folder: %w", err)
	}
	measure := filepath.Join(here, "measure")
	replace := map[string]string{filepath.Join(measure, "ogen.go"): filepath.Join(measure, "testdata", "ogen.go")}
	generated, err := filepath.Glob(filepath.Join(client, "*.go"))
	if err != nil {
		return fmt.Errorf("listing the generated files: %w", err)
	}
	for _, file := range generated {
		replace[filepath.Join(measure, "ogenclient", filepath.Base(file))] = file
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return fmt.Errorf("encoding the overlay: %w", err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return fmt.Errorf("writing the overlay: %w", err)
	}
	return run(ctx, "go", "build", "-overlay", file, "-o", program, "./measure")
}

func run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // fixed commands
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}
