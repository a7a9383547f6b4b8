package contract

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// An Outcome is the result of a [Check].
type Outcome string

// The outcomes of a check.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped" // the check could not run
)

// A Check is one property of the server that [Run] checked, or that a [Checker] saw. It contains no secret.
type Check struct {
	ID        string // stable, for [Target.Only] and [Target.Skip], such as "Login.password.missing"
	Name      string // what must be true, such as "Login refuses a wrong password"
	Operation string // the operationId
	Outcome   Outcome
	Rule      string // the JSON pointer to the rule in the document
	Detail    string // the response's status, what is wrong, or what a skipped check needs
	Started   time.Time
	Duration  time.Duration
	Exchanges []Exchange // what was sent and what came, in this order
}

// An Exchange is a request and its response, to show. Secrets are masked, and long bodies are cut.
type Exchange struct {
	Method         string
	URL            string
	RequestHeader  http.Header
	RequestBody    string
	Status         int // 0: there was no response
	ResponseHeader http.Header
	ResponseBody   string
	Error          string // why there was no response, or not all of it
}

// A StatusCount tells how often an operation answered with a documented status.
type StatusCount struct {
	Operation string // the operationId
	Status    string // as in the document, such as "200", "4XX" or "default"
	Seen      int    // responses with this status
	Broken    int    // those of them that break the contract
}

// A PasswordState says whether an account still has the password that [Run] was given.
type PasswordState string

// The states of the password of an account.
const (
	PasswordUntouched PasswordState = "untouched" // nothing was sent that could change it
	PasswordKept      PasswordState = "kept"      // the account has it: it was never changed, or is restored
	PasswordChanged   PasswordState = "changed"   // the account has another one: see Report.Changed
	PasswordUnknown   PasswordState = "unknown"   // the account may have another one: see Report.Changed
)

// A Report contains the checks of [Run] in the order in which they ran. It contains no secret that fmt or Write show.
type Report struct {
	Target   string // the base URL
	Version  string // of this module
	Document string // the title and the version of the document
	Started  time.Time
	Duration time.Duration
	Checks   []Check
	Statuses []StatusCount // all pairs of an operation and a status that are in the document
	Password PasswordState // of the account of Target.Credentials
	Err      string        // why not all checks ran; "": they did

	changed func() []kalshiauth.Credentials // a func, which fmt does not follow; nil: none
}

// Changed returns the accounts that have or may have another password than Run was given, with the password that they
// have or may have now.
func (r *Report) Changed() []kalshiauth.Credentials {
	if r.changed == nil {
		return nil
	}
	return r.changed()
}

// Coverage returns the share of the pairs in Statuses that were seen, from 0 to 1.
func (r *Report) Coverage() float64 {
	seen := 0
	for _, s := range r.Statuses {
		if s.Seen > 0 {
			seen++
		}
	}
	return float64(seen) / float64(max(1, len(r.Statuses)))
}

// OK reports whether all checks ran to the end and none failed.
func (r *Report) OK() bool { return r.Err == "" && r.Count(Failed) == 0 }

// Count returns the number of checks with an outcome.
func (r *Report) Count(o Outcome) int {
	n := 0
	for i := range r.Checks {
		if r.Checks[i].Outcome == o {
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
	FormatJSON     Format = "json"     // one object, which report.schema.json in this directory describes
	FormatJUnit    Format = "junit"    // the XML that CI systems read: valid by the schemas of Jenkins and Apache Ant
	FormatGitHub   Format = "github"   // workflow commands: an annotation for each failed check, and one with the counts
	FormatMarkdown Format = "markdown" // tables, for a job's summary
	FormatHTML     Format = "html"     // one page without scripts, which loads nothing, with all requests and answers
)

var writers = map[Format]func(*Report) ([]byte, error){
	FormatText: (*Report).text, FormatJSON: (*Report).json, FormatJUnit: (*Report).junit, FormatGitHub: (*Report).github,
	FormatMarkdown: (*Report).markdown, FormatHTML: (*Report).html,
}

// ParseFormat returns the format with a name, such as "junit". It fails if there is none.
func ParseFormat(name string) (Format, error) {
	if _, ok := writers[Format(name)]; !ok {
		var names []string
		for f := range writers {
			names = append(names, string(f))
		}
		slices.Sort(names)
		return "", fmt.Errorf("contract: there is no format %.40q: the formats are %s", name, strings.Join(names, ", "))
	}
	return Format(name), nil
}

// Write writes the report to w. It fails if there is no such format, or with the error of w.
//
// In every format, characters that do not print are escaped as in JSON, such as \u001b. Among them are control
// characters and those that change the direction of text.
func (r *Report) Write(w io.Writer, f Format) error {
	if _, err := ParseFormat(string(f)); err != nil {
		return err
	}
	text, err := writers[f](r)
	if err == nil {
		_, err = w.Write(printable(text))
	}
	if err != nil {
		return fmt.Errorf("contract: writing the report: %w", err)
	}
	return nil
}
