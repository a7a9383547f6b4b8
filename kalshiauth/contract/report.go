package contract

import (
	"fmt"
	"io"
)

// An Outcome is how a [Check] ended.
type Outcome string

// The outcomes of a check.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped" // nothing is known: the check could not be played
)

// A Check is one thing that [Run] looked at. It shows no secret.
type Check struct {
	Name      string  `json:"name"`      // what has to hold, such as "Login refuses a wrong password"
	Operation string  `json:"operation"` // the operationId
	Outcome   Outcome `json:"outcome"`
	Rule      string  `json:"rule"`   // the JSON pointer of what the check rests on in the document
	Detail    string  `json:"detail"` // what came back, what is wrong with it, or what would enable a skipped check
}

// A Report is what [Run] found, in the order in which it looked.
type Report struct {
	Checks []Check `json:"checks"`
}

// OK reports whether no check failed.
func (r *Report) OK() bool { return r.Count(Failed) == 0 }

// Count returns how many checks have an outcome.
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

// A Format is a form in which a [Report] writes itself.
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

// ParseFormat returns the format of a name, such as "junit".
func ParseFormat(name string) (Format, error) {
	if _, ok := writers[Format(name)]; !ok {
		return "", fmt.Errorf("contract: there is no format %.40q: text, json, junit, github and markdown are", name)
	}
	return Format(name), nil
}

// Write writes the report.
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
