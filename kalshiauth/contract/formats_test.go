package contract_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

var formats = []contract.Format{
	contract.FormatText, contract.FormatJSON, contract.FormatJUnit, contract.FormatGitHub, contract.FormatMarkdown,
}

const nasty = "50% of a|b, <b>`c`</b> & \"d\": \r\n::error::e \x1b[31m \\ *f* [g](h)"

// reports are those that every format has to bear.
var reports = map[string]*contract.Report{
	"empty": {},
	"good": {Checks: []contract.Check{{
		Name: "Login lets in", Operation: "Login", Outcome: contract.Passed, Rule: "#/paths/~1log_in/post", Detail: "the answer is 200",
	}}},
	"nasty": {Checks: []contract.Check{
		{Name: nasty, Operation: "Login", Outcome: contract.Failed, Rule: nasty, Detail: nasty},
		{Name: nasty, Operation: "Logout", Outcome: contract.Skipped, Rule: nasty, Detail: nasty},
		{Name: nasty, Operation: "Logout", Outcome: contract.Passed, Rule: nasty, Detail: nasty},
	}},
}

func TestJSONIsWhatItSays(t *testing.T) {
	t.Parallel()
	for name, report := range reports {
		var got struct {
			OK      bool             `json:"ok"`
			Passed  int              `json:"passed"`
			Failed  int              `json:"failed"`
			Skipped int              `json:"skipped"`
			Checks  []contract.Check `json:"checks"`
		}
		decoder := json.NewDecoder(strings.NewReader(written(t, report, contract.FormatJSON)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&got); err != nil {
			t.Error(name, err)
		}
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: something follows: %v", name, err)
		}
		if got.OK != report.OK() || got.Passed+got.Failed+got.Skipped != len(report.Checks) || got.Checks == nil {
			t.Errorf("%s: %+v", name, got)
		}
		for i, c := range got.Checks {
			if !reflect.DeepEqual(c, report.Checks[i]) {
				t.Errorf("%s: check %d is %+v", name, i, c)
			}
		}
	}
}

func TestJUnitHasTheElementsThatReadersKnow(t *testing.T) {
	t.Parallel()
	allowed := map[string]string{ // and their attributes
		"testsuites": "", "testsuite": "name tests failures errors skipped", "testcase": "classname name",
		"failure": "message type", "skipped": "message", "system-out": "",
	}
	for name, report := range reports {
		text := written(t, report, contract.FormatJUnit)
		if !strings.HasPrefix(text, xml.Header) {
			t.Errorf("%s: no header: %s", name, text)
		}
		decoder := xml.NewDecoder(strings.NewReader(text))
		decoder.Strict = true
		count, depth := map[string]int{}, 0
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(name, err)
			}
			switch e := token.(type) {
			case xml.StartElement:
				depth++
				attributes, ok := allowed[e.Name.Local]
				if !ok || depth == 1 && e.Name.Local != "testsuites" {
					t.Errorf("%s: the element %s", name, e.Name.Local)
				}
				for _, a := range e.Attr {
					if !strings.Contains(" "+attributes+" ", " "+a.Name.Local+" ") {
						t.Errorf("%s: %s has the attribute %s", name, e.Name.Local, a.Name.Local)
					}
				}
				count[e.Name.Local]++
			case xml.EndElement:
				depth--
			}
		}
		if count["testcase"] != len(report.Checks) || count["failure"] != report.Count(contract.Failed) ||
			count["skipped"] != report.Count(contract.Skipped) {
			t.Errorf("%s: %v", name, count)
		}
	}
}

func TestGitHubAnnotationsAreEscaped(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile(`^::(error|notice) title=([^,:\r\n]*)::([^\r\n]*)$`)
	for name, report := range reports {
		text := written(t, report, contract.FormatGitHub)
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(lines) != report.Count(contract.Failed)+1 {
			t.Errorf("%s: %q", name, lines)
		}
		for i, l := range lines {
			m := line.FindStringSubmatch(l)
			if m == nil || strings.Count(l, "%") != len(regexp.MustCompile(`%(25|0D|0A|3A|2C)`).FindAllString(l, -1)) {
				t.Errorf("%s: %q", name, l)
				continue
			}
			unescape := strings.NewReplacer("%25", "%", "%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",").Replace
			if m[1] == "error" && (unescape(m[2]) != report.Checks[i].Name || !strings.HasPrefix(unescape(m[3]), report.Checks[i].Detail)) {
				t.Errorf("%s: %q", name, m)
			}
		}
	}
}

func TestMarkdownTablesKeepTheirColumns(t *testing.T) {
	t.Parallel()
	unescaped := regexp.MustCompile("(^|[^\\\\])([|`*_\\[\\]~#!])|[<>](br>)?|@|::")
	for name, report := range reports {
		lines := strings.Split(written(t, report, contract.FormatMarkdown), "\n")
		if !strings.HasPrefix(lines[0], "### ") || lines[1] != "" || lines[len(lines)-1] != "" {
			t.Errorf("%s: %q", name, lines)
		}
		rows := lines[2 : len(lines)-1]
		if len(rows) != len(report.Checks)+2 {
			t.Errorf("%s: %d rows: %q", name, len(rows), rows)
		}
		for _, row := range rows {
			cells := regexp.MustCompile(`(^|[^\\])\|`).Split(row, -1)
			if len(cells) != 6 {
				t.Errorf("%s: %d cells in %q", name, len(cells)-2, row)
				continue
			}
			for _, cell := range cells[2:5] {
				cell = strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(cell, "<br>", " "), `\\`, ""), "&#", "&")
				if cell != " --- " && unescaped.MatchString(cell) {
					t.Errorf("%s: the cell %q", name, cell)
				}
			}
		}
	}
}

func TestTextIsForPeople(t *testing.T) {
	t.Parallel()
	const want = `FAIL a
     b
     rule: #/c
skip d
     e
ok   f
1 passed, 1 failed, 1 skipped
`
	report := &contract.Report{Checks: []contract.Check{
		{Name: "a", Operation: "Login", Outcome: contract.Failed, Rule: "#/c", Detail: "b"},
		{Name: "d", Operation: "Login", Outcome: contract.Skipped, Rule: "#/c", Detail: "e"},
		{Name: "f", Operation: "Login", Outcome: contract.Passed, Rule: "#/c", Detail: "g"},
	}}
	if got := written(t, report, contract.FormatText); got != want {
		t.Errorf("the text is %q", got)
	}
	if got := written(t, reports["nasty"], contract.FormatText); strings.ContainsAny(got, "\x1b\r") || strings.Count(got, "\n") != 7 {
		t.Errorf("the text has control characters: %q", got)
	}
}

// failing is a writer that does not.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	report := reports["good"]
	if err := report.Write(failing{}, contract.FormatText); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	if err := report.Write(io.Discard, "yaml"); err == nil || !strings.Contains(err.Error(), `"yaml"`) {
		t.Error(err)
	}
	for _, f := range formats {
		if got, err := contract.ParseFormat(string(f)); got != f || err != nil {
			t.Error(got, err)
		}
	}
	if got, err := contract.ParseFormat("Text"); got != "" || err == nil {
		t.Error(got, err)
	}
}
