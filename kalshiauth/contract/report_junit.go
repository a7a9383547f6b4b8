package contract

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// The elements and attributes are those that the schemas of Jenkins' xunit plugin and of Apache Ant both allow, in the
// order that Ant requires. Ant requires all that is here, except for the elements of a test case and the messages.
type junitSuites struct {
	XMLName xml.Name   `xml:"testsuites"`
	Suite   junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	ID         int             `xml:"id,attr"`
	Package    string          `xml:"package,attr"`
	Name       string          `xml:"name,attr"`
	Timestamp  string          `xml:"timestamp,attr"` // in UTC, without a zone
	Hostname   string          `xml:"hostname,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Time       string          `xml:"time,attr"` // seconds
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
	Out        string          `xml:"system-out"`
	Err        string          `xml:"system-err"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

// A junitCase has at most one of the three results.
type junitCase struct {
	Class   string       `xml:"classname,attr"`
	Name    string       `xml:"name,attr"`
	Time    string       `xml:"time,attr"`
	Skipped *junitResult `xml:"skipped"`
	Error   *junitResult `xml:"error"`
	Failure *junitResult `xml:"failure"`
}

type junitResult struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

func (r *Report) junit() ([]byte, error) {
	const class = "kalshiauth.contract"
	suite := junitSuite{
		Package: class, Name: title, Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05"), Hostname: "localhost",
		Tests: len(r.Checks), Failures: r.Count(Failed), Time: seconds(r.Duration),
		Out: strings.Join([]string{r.verdict().Text, r.String(), r.coverage()}, "\n"), Err: r.passwordWarning(),
		Properties: []junitProperty{
			{"target", r.Target},
			{"document", r.Document},
			{"tool_version", r.Version},
			{"password", string(r.Password)},
			{"coverage", fmt.Sprintf("%.3f", r.Coverage())},
		},
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		tc := junitCase{
			Class: strings.TrimSuffix(class+"."+c.Operation, "."), Name: oneLine(c.label()), Time: seconds(c.Duration),
		}
		switch c.Outcome {
		case Failed:
			lines := append([]string{c.Detail, "rule: " + c.Rule}, c.conversation()...)
			tc.Failure = &junitResult{Message: oneLine(c.Detail), Type: "contract", Text: strings.Join(lines, "\n")}
		case Skipped:
			tc.Skipped = &junitResult{Message: oneLine(c.Detail)}
		default:
		}
		suite.Cases = append(suite.Cases, tc)
	}
	if r.Err != "" {
		suite.Tests, suite.Errors = suite.Tests+1, 1
		suite.Cases = append(suite.Cases, junitCase{
			Class: class, Name: "The checks run to the end", Time: seconds(0),
			Error: &junitResult{Message: oneLine(r.Err), Type: "incomplete", Text: r.verdict().Text},
		})
	}
	out, err := xml.MarshalIndent(junitSuites{Suite: suite}, "", "  ")
	return append([]byte(xml.Header), append(out, '\n')...), err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
