package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// checking is what contract proxy and contract har have in common: a Checker, whose violations are printed.
type checking struct {
	*contract.Checker

	cmd        *cli.Command
	outputs    outputs
	print      io.Writer
	violations atomic.Int64
}

// newChecking returns the checking of the flags. Its errors are usage errors.
func newChecking(cmd *cli.Command) (*checking, error) {
	outputs, err := newOutputs(cmd, nil)
	if err != nil {
		return nil, err
	}
	c := &checking{cmd: cmd, outputs: outputs, print: cmd.Root().Writer}
	if outputs.toStdout() {
		c.print = cmd.Root().ErrWriter
	}
	return c, nil
}

// against sets the base URL and the document to check against. Its errors are usage errors.
func (c *checking) against(baseURL string) error {
	document, err := readDocument(c.cmd)
	if err != nil {
		return err
	}
	var opts []contract.Option
	if document != nil {
		opts = append(opts, contract.WithDocument(document))
	}
	if c.Checker, err = contract.New(baseURL, c.add, opts...); err != nil {
		return inWords(err)
	}
	return nil
}

// add prints a violation as one line.
func (c *checking) add(v contract.Violation) { //nolint:gocritic // contract.New wants this signature
	c.violations.Add(1)
	_, _ = fmt.Fprintln(c.print, oneLine(v.String()))
}

// oneLine replaces the control characters of a text.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// finish writes the reports. err is why not everything could be checked, or nil.
func (c *checking) finish(err error) error {
	report := c.Report()
	unanswered := func(check contract.Check) bool {
		return strings.HasPrefix(check.Detail, "no answer")
	}
	if err == nil && report.Count(contract.Passed)+report.Count(contract.Failed) == 0 &&
		slices.ContainsFunc(report.Checks, unanswered) {
		err = errors.New("nothing was checked: the server answered no request")
	}
	if err != nil {
		report.Err = err.Error()
	}
	if err := errors.Join(err, c.outputs.write(c.cmd, report)); err != nil {
		return notRunError{err}
	}
	var problems []string
	if n := c.violations.Load(); n > 0 {
		problems = append(problems, fmt.Sprintf("the contract is broken: violations: %d", n))
	}
	if problem := c.outputs.lacksCoverage(report); problem != "" {
		problems = append(problems, problem)
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "\n"))
	}
	return nil
}
