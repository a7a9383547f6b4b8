package contract_test

import (
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// An element is one of an XML file.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []element  `xml:",any"`
	Text     string     `xml:",chardata"`
}

func (e *element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// A junitRule says what an element looks like in the schemas of both Jenkins and Ant.
type junitRule struct {
	attrs    string // all required, in any order, except for message
	children string // a pattern of their names, each followed by a space
}

var junitRules = map[string]junitRule{
	"testsuites": {"", `^testsuite $`},
	"testsuite": {
		"errors failures hostname id name package tests time timestamp",
		`^properties (testcase )*system-out system-err $`,
	},
	"properties": {"", `^(property )*$`},
	"property":   {"name value", `^$`},
	"testcase":   {"classname name time", `^((skipped|error|failure) )?$`},
	"skipped":    {"message", `^$`},
	"error":      {"message type", `^$`},
	"failure":    {"message type", `^$`},
	"system-out": {"", `^$`},
	"system-err": {"", `^$`},
}

func TestJUnitKeepsTheRulesOfJenkinsAndAnt(t *testing.T) {
	t.Parallel()
	for name, report := range reports {
		text := written(t, report, contract.FormatJUnit)
		if !strings.HasPrefix(text, xml.Header) {
			t.Errorf("%s: no header: %s", name, text)
		}
		var root element
		if err := xml.Unmarshal([]byte(text), &root); err != nil {
			t.Fatal(name, err)
		}
		if root.XMLName.Local != "testsuites" {
			t.Errorf("%s: the root is %s", name, root.XMLName.Local)
		}
		count := map[string]int{}
		checkJUnit(t, name, &root, count)
		suite := root.Children[0]
		errors := 0
		if report.Err != "" {
			errors = 1
		}
		for of, want := range map[string]int{
			"testcase": len(report.Checks) + errors, "failure": report.Count(contract.Failed),
			"skipped": report.Count(contract.Skipped), "error": errors,
		} {
			if count[of] != want {
				t.Errorf("%s: %d elements %s, want %d", name, count[of], of, want)
			}
		}
		for attr, of := range map[string]string{"tests": "testcase", "failures": "failure", "errors": "error"} {
			if suite.attr(attr) != strconv.Itoa(count[of]) {
				t.Errorf("%s: %s is %s, want %d", name, attr, suite.attr(attr), count[of])
			}
		}
	}
}

// checkJUnit checks an element and those in it, and counts them by their names.
func checkJUnit(t *testing.T, report string, e *element, count map[string]int) {
	t.Helper()
	name := e.XMLName.Local
	count[name]++
	rule, ok := junitRules[name]
	if !ok {
		t.Errorf("%s: the element %s", report, name)
		return
	}
	var attrs []string
	for _, a := range e.Attrs {
		attrs = append(attrs, a.Name.Local)
		ok := true
		switch a.Name.Local {
		case "time":
			ok = regexp.MustCompile(`^\d+\.\d{3}$`).MatchString(a.Value)
		case "timestamp":
			ok = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$`).MatchString(a.Value)
		case "message", "value", "name":
		default:
			ok = a.Value != ""
		}
		if !ok {
			t.Errorf("%s: %s of %s is %q", report, a.Name.Local, name, a.Value)
		}
	}
	slices.Sort(attrs)
	if strings.Join(attrs, " ") != rule.attrs {
		t.Errorf("%s: %s has the attributes %q, want %q", report, name, attrs, rule.attrs)
	}
	children := ""
	for i := range e.Children {
		children += e.Children[i].XMLName.Local + " "
		checkJUnit(t, report, &e.Children[i], count)
	}
	if !regexp.MustCompile(rule.children).MatchString(children) {
		t.Errorf("%s: %s contains %q", report, name, children)
	}
}

func TestJUnitIsValidByTheSchemasOfJenkinsAndAnt(t *testing.T) {
	t.Parallel()
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Log("xmllint is missing (Debian's package libxml2-utils): the reports are not validated against XML schemas")
		return
	}
	validate := func(schema, file string) error {
		cmd := exec.CommandContext(t.Context(), xmllint, "--noout", "--nonet", "--schema", schema, file) //nolint:gosec // files of the test
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %.2000s", filepath.Base(schema), err, out)
		}
		return nil
	}
	schemas := []string{filepath.Join("testdata", "junit-ant.xsd"), filepath.Join("testdata", "junit-jenkins.xsd")}
	dir := t.TempDir()
	for name, report := range reports {
		file := filepath.Join(dir, name+".xml")
		if err := os.WriteFile(file, []byte(written(t, report, contract.FormatJUnit)), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, schema := range schemas {
			if err := validate(schema, file); err != nil {
				t.Error(name, err)
			}
		}
	}
	text := written(t, sampleReport(), contract.FormatJUnit)
	for _, change := range []struct{ from, to, schemas string }{ // what a schema must notice
		{` errors="0"`, ``, "ant jenkins"},
		{` value="`, ` worth="`, "ant jenkins"},
		{`<failure `, `<failed/><failure `, "ant jenkins"},
		{`<testsuites>`, `<testsuites more="">`, "ant jenkins"},
		{` time="8.312"`, ` time="8.3 s"`, "ant jenkins"},
		{` time="8.312"`, ` time="-8.312"`, "jenkins"},
		{`<failure `, `<skipped/><failure `, "ant"},
		{` type="contract"`, ``, "ant"},
		{`09:26:53"`, `09:26:53Z"`, "ant"},
		{`hostname="localhost"`, `hostname=""`, "ant"},
		{`<system-err></system-err>`, ``, "ant"},
	} {
		changed := strings.Replace(text, change.from, change.to, 1)
		file := filepath.Join(dir, "changed.xml")
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil || changed == text {
			t.Fatal(change.from, err)
		}
		for _, schema := range schemas {
			got, want := validate(schema, file) != nil, strings.Contains(change.schemas, strings.TrimSuffix(filepath.Base(schema)[6:], ".xsd"))
			if got != want {
				t.Errorf("%q for %q: %s refuses it: %t", change.to, change.from, schema, got)
			}
		}
	}
}

func TestJUnitSaysWhyTheChecksDidNotRun(t *testing.T) {
	t.Parallel()
	text := written(t, reports["not run"], contract.FormatJUnit)
	if !strings.Contains(text, `tests="1" failures="0" errors="1"`) ||
		!strings.Contains(text, `<error message="no server answers at example.com" type="incomplete">`) {
		t.Error(text)
	}
}
