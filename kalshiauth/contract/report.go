package contract

import (
	"fmt"
	"io"
)

// An Outcome is the result of a [Check].
type Outcome string

// The outcomes of a check.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped" // the check could not run
)

// A Check is one property of the server that [Run] checked. It contains no secret.
type Check struct {
	Name      string  `json:"name"`      // what must be true, such as "Login refuses a wrong password"
	Operation string  `json:"operation"` // the operationId
	Outcome   Outcome `json:"outcome"`
	Rule      string  `json:"rule"`   // the JSON pointer to the rule in the document
	Detail    string  `json:"detail"` // the response's status, what is wrong, or what a skipped check needs
}

// A Report contains the checks of [Run] in the order in which they ran.
type Report struct {
	Checks []Check `json:"checks"`
}

// OK reports whether no check failed.
func (r *Report) OK() bool { return r.Count(Failed) == 0 }

// Count returns the number of checks with an outcome.
func (r *Report) Count(o Outcome) int {
	n := 0
	for _, c := range r.Checks {
		if c.Outcome == o {
			n++
		}
	}
	return n
}

// String returns the counts, such as "31 passed, 1 failed, 2 skipped".
func (r *Report) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", r.Count(Passed), r.Count(Failed), r.Count(Skipped))
}

// A Format is an output format of a [Report].
type Format string

// The formats of a report.
const (
	FormatText     Format = "text"     // for people
	FormatJSON     Format = "json"     // one object, with "ok", the counts, and "checks"
	FormatJUnit    Format = "junit"    // the XML that CI systems read
	FormatGitHub   Format = "github"   // workflow commands: an annotation for each failed check, and one with the counts
	FormatMarkdown Format = "markdown" // a table, for a job's summary
)

var writers = map[Format]func(*Report) ([]byte, error){
	FormatText: (*Report).text, FormatJSON: (*Report).json, FormatJUnit: (*Report).junit, FormatGitHub: (*Report).github,
	FormatMarkdown: (*Report).markdown,
}

// ParseFormat returns the format with a name, such as "junit". It fails if there is none.
func ParseFormat(name string) (Format, error) {
	if _, ok := writers[Format(name)]; !ok {
		return "", fmt.Errorf("contract: there is no format %.40q: text, json, junit, github and markdown are", name)
	}
	return Format(name), nil
}

// Write writes the report to w. It fails if there is no such format, or with the error of w.
func (r *Report) Write(w io.Writer, f Format) error {
	if _, err := ParseFormat(string(f)); err != nil {
		return err
	}
	text, err := writers[f](r)
	if err == nil {
		_, err = w.Write(text)
	}
	if err != nil {
		return fmt.Errorf("contract: writing the report: %w", err)
	}
	return nil
}
