package contract

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
)

const title = "kalshiauth contract"

func (r *Report) text() ([]byte, error) {
	marks := map[Outcome]string{Passed: "ok  ", Failed: "FAIL", Skipped: "skip"}
	var b bytes.Buffer
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%s %s\n", marks[c.Outcome], oneLine(c.Name))
		if c.Outcome != Passed {
			fmt.Fprintf(&b, "     %s\n", oneLine(c.Detail))
		}
		if c.Outcome == Failed {
			fmt.Fprintf(&b, "     rule: %s\n", oneLine(c.Rule))
		}
	}
	fmt.Fprintln(&b, r)
	return b.Bytes(), nil
}

func (r *Report) json() ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(struct {
		OK      bool    `json:"ok"`
		Passed  int     `json:"passed"`
		Failed  int     `json:"failed"`
		Skipped int     `json:"skipped"`
		Checks  []Check `json:"checks"`
	}{r.OK(), r.Count(Passed), r.Count(Failed), r.Count(Skipped), append([]Check{}, r.Checks...)})
	return b.Bytes(), err
}

type junitSuites struct {
	XMLName xml.Name   `xml:"testsuites"`
	Suite   junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string       `xml:"classname,attr"`
	Name    string       `xml:"name,attr"`
	Failure *junitResult `xml:"failure"`
	Skipped *junitResult `xml:"skipped"`
	Out     string       `xml:"system-out,omitempty"`
}

type junitResult struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

func (r *Report) junit() ([]byte, error) {
	suite := junitSuite{Name: title, Tests: len(r.Checks), Failures: r.Count(Failed), Skipped: r.Count(Skipped)}
	for _, c := range r.Checks {
		tc := junitCase{Class: "kalshiauth.contract." + c.Operation, Name: c.Name}
		switch c.Outcome {
		case Failed:
			tc.Failure = &junitResult{Message: c.Detail, Type: "contract", Text: c.Detail + "\nrule: " + c.Rule}
		case Skipped:
			tc.Skipped = &junitResult{Message: c.Detail}
		default:
			tc.Out = c.Detail
		}
		suite.Cases = append(suite.Cases, tc)
	}
	out, err := xml.MarshalIndent(junitSuites{Suite: suite}, "", "  ")
	return append([]byte(xml.Header), append(out, '\n')...), err
}

// In GitHub's workflow commands, a message ends at a newline, and a property also at a comma or colon.
var (
	githubMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func (r *Report) github() ([]byte, error) {
	var b bytes.Buffer
	for _, c := range r.Checks {
		if c.Outcome == Failed {
			fmt.Fprintf(&b, "::error title=%s::%s\n", githubProperty.Replace(c.Name),
				githubMessage.Replace(c.Detail+"\nrule: "+c.Rule))
		}
	}
	fmt.Fprintf(&b, "::notice title=%s::%s\n", title, githubMessage.Replace(r.String()))
	return b.Bytes(), nil
}

// markdownCell escapes a text for a cell of a Markdown table.
var markdownCell = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "", "\n", "<br>", `\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`,
	"[", `\[`, "]", `\]`, "~", `\~`, "#", `\#`, "!", `\!`, "@", "&#64;", ":", "&#58;",
)

func (r *Report) markdown() ([]byte, error) {
	marks := map[Outcome]string{Passed: "✅ passed", Failed: "❌ failed", Skipped: "⚪ skipped"}
	verdict := "✅ The contract holds"
	if !r.OK() {
		verdict = "❌ The contract is broken"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "### %s: %s\n\n| Outcome | Check | Detail | Rule |\n| --- | --- | --- | --- |\n", verdict, r)
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", marks[c.Outcome], markdownCell.Replace(c.Name),
			markdownCell.Replace(c.Detail), markdownCell.Replace(c.Rule))
	}
	return b.Bytes(), nil
}

// oneLine replaces control characters, which would change a terminal's state.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}
