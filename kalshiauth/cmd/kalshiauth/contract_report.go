package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// reportFlags returns the flags that say what comes out of the checks.
func reportFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{
			Name: "report",
			Usage: "write a report as `FORMAT=FILE`, or FORMAT alone for standard output; may be repeated; the format is " +
				"text, json, junit, github, markdown or html; github also adds a table to the file of GITHUB_STEP_SUMMARY",
		},
		&cli.StringFlag{
			Name:  "min-coverage",
			Usage: "fail if less than this `PERCENTAGE` of the documented pairs of operation and status was seen, such as 80%",
		},
	}
}

// outputs say where the reports go.
type outputs struct {
	destinations []destination
	minCoverage  float64 // from 0 to 1
}

// A destination is a place for a report.
type destination struct {
	format contract.Format
	file   string // "": standard output
}

// newOutputs returns the outputs of the flags. Without -report, they have defaults. Its errors are usage errors.
func newOutputs(cmd *cli.Command, defaults []destination) (o outputs, err error) {
	if err := noEmptyFlag(cmd, "path-prefix"); err != nil {
		return outputs{}, err
	}
	if text := cmd.String("min-coverage"); text != "" {
		if o.minCoverage, err = parsePercent("min-coverage", text); err != nil {
			return outputs{}, err
		}
	}
	if !cmd.IsSet("report") {
		o.destinations = defaults
		return o, nil
	}
	for _, text := range cmd.StringSlice("report") {
		d, err := parseDestination(text)
		if err != nil {
			return outputs{}, err
		}
		if slices.ContainsFunc(o.destinations, d.samePlace) {
			return outputs{}, fmt.Errorf("-report: two reports go to %s: give each a file of its own", d.place())
		}
		o.destinations = append(o.destinations, d)
	}
	return o, nil
}

// parseDestination parses FORMAT or FORMAT=FILE. It fails early where the file could not be written.
func parseDestination(text string) (destination, error) {
	name, file, hasFile := strings.Cut(text, "=")
	format, err := contract.ParseFormat(name)
	if err != nil {
		return destination{}, fmt.Errorf("-report: %w", inWords(err))
	}
	if hasFile && file == "" {
		return destination{}, fmt.Errorf("-report %s has no file: give %s=FILE, or %s for standard output", text, name, name)
	}
	if !hasFile || file == "-" {
		return destination{format: format}, nil
	}
	if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
		return destination{}, fmt.Errorf("-report %s: there is no folder %s", text, filepath.Dir(file))
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return destination{}, fmt.Errorf("-report %s: %s is a folder: give the name of a file in it", text, file)
	}
	return destination{format, file}, nil
}

// place returns where the report goes, for people.
func (d destination) place() string {
	if d.file == "" {
		return "standard output"
	}
	return d.file
}

func (d destination) samePlace(other destination) bool {
	if d.file == "" || other.file == "" {
		return d.file == other.file
	}
	a, errA := filepath.Abs(d.file)
	b, errB := filepath.Abs(other.file)
	return errA == nil && errB == nil && a == b
}

// lacksCoverage returns a problem if less was seen than -min-coverage requires, or "".
func (o outputs) lacksCoverage(report *contract.Report) string {
	if coverage := report.Coverage(); coverage < o.minCoverage {
		return fmt.Sprintf("the coverage is %s, and -min-coverage is %s", percent(coverage), percent(o.minCoverage))
	}
	return ""
}

// toStdout reports whether a report goes to standard output.
func (o outputs) toStdout() bool {
	return slices.ContainsFunc(o.destinations, func(d destination) bool { return d.file == "" })
}

// write writes all reports, even if one cannot be written.
func (o outputs) write(cmd *cli.Command, report *contract.Report) error {
	var errs []error
	github := false
	for _, d := range o.destinations {
		errs = append(errs, d.write(cmd.Root().Writer, report))
		github = github || d.format == contract.FormatGitHub
	}
	if summary := os.Getenv("GITHUB_STEP_SUMMARY"); summary != "" && github {
		errs = append(errs, appendReport(summary, report))
	}
	return errors.Join(errs...)
}

func (d destination) write(stdout io.Writer, report *contract.Report) error {
	var text bytes.Buffer
	err := report.Write(&text, d.format)
	switch {
	case err != nil:
	case d.file == "":
		_, err = stdout.Write(text.Bytes())
	default:
		err = os.WriteFile(d.file, text.Bytes(), 0o644) //nolint:gosec // a report has no secret, and CI systems read it
	}
	if err != nil {
		return fmt.Errorf("-report: %w", inWords(err))
	}
	return nil
}

// appendReport adds a report in Markdown to the summary of a job.
func appendReport(file string, report *contract.Report) error {
	//nolint:gosec // the CI system sets the path
	out, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("GITHUB_STEP_SUMMARY: %w", err)
	}
	return errors.Join(report.Write(out, contract.FormatMarkdown), out.Close())
}

// progressTo returns functions that show each check in the last line of a terminal, and that remove the line. If stderr
// is not a terminal, they do nothing.
func progressTo(stderr io.Writer) (show func(contract.Check), remove func()) {
	file, ok := stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return func(contract.Check) {}, func() {}
	}
	const clearLine = "\r\x1b[K"
	done := 0
	return func(c contract.Check) {
		done++
		_, _ = fmt.Fprintf(stderr, "%s%d checks; %s: %s", clearLine, done, c.Name, c.Outcome)
	}, func() { _, _ = fmt.Fprint(stderr, clearLine) }
}
