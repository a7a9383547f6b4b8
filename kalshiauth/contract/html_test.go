package contract_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// htmlAttributes are the elements of the page, and their attributes. None of them can run a script or load anything.
var htmlAttributes = map[string]string{
	"html": "lang", "head": "", "meta": "charset http-equiv content name", "title": "", "style": "", "body": "",
	"header": "class", "main": "", "footer": "", "section": "aria-labelledby", "h1": "", "h2": "id", "h3": "", "p": "class",
	"ul": "class", "li": "class", "strong": "", "small": "", "b": "", "a": "href", "code": "", "pre": "", "time": "datetime",
	"span": "class aria-hidden role aria-level", "div": "class role aria-labelledby tabindex", "table": "", "thead": "", "tbody": "",
	"tr": "", "th": "scope", "td": "class", "details": "class id open", "summary": "", "dl": "class", "dt": "", "dd": "",
}

// A page is what a test looks at of an HTML report.
type page struct {
	policy     string
	ids, links []string
	text       map[string][]string // by the class or name of the element
}

// parsePage parses a report's HTML. It fails the test if the HTML is malformed, or has other elements or attributes.
func parsePage(t *testing.T, name, html string) page {
	t.Helper()
	if !strings.HasPrefix(html, "<!DOCTYPE html>\n<html lang=\"en\">") {
		t.Errorf("%s: it begins with %.50q", name, html)
	}
	asXML := regexp.MustCompile(`(<meta [^>]*)>`).ReplaceAllString(strings.ReplaceAll(html, " open>", ` open="">`), "$1/>")
	decoder := xml.NewDecoder(strings.NewReader(asXML))
	p := page{text: map[string][]string{}}
	var path []string
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatal(name, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, p.add(t, name, token))
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if len(path) > 0 {
				last := path[len(path)-1]
				p.text[last] = append(p.text[last], string(token))
			}
		case xml.Comment, xml.ProcInst:
			t.Errorf("%s: %q", name, token)
		}
	}
}

// add checks an element, and returns its class, or its name if it has none.
func (p *page) add(t *testing.T, report string, e xml.StartElement) string {
	t.Helper()
	name, class := e.Name.Local, e.Name.Local
	allowed, ok := htmlAttributes[name]
	if !ok {
		t.Errorf("%s: the element %s", report, name)
	}
	attrs := map[string]string{}
	for _, a := range e.Attr {
		attrs[a.Name.Local] = a.Value
		if !slices.Contains(strings.Fields(allowed), a.Name.Local) {
			t.Errorf("%s: %s has the attribute %s=%q", report, name, a.Name.Local, a.Value)
		}
		switch a.Name.Local {
		case "class":
			class = a.Value
		case "id":
			p.ids = append(p.ids, a.Value)
		case "href", "aria-labelledby":
			p.links = append(p.links, strings.TrimPrefix(a.Value, "#"))
		}
	}
	if attrs["http-equiv"] == "Content-Security-Policy" {
		p.policy = attrs["content"]
	}
	if name == "th" && attrs["scope"] == "" {
		t.Errorf("%s: a th without a scope", report)
	}
	return class
}

func TestHTMLHasNothingThatRunsOrLoads(t *testing.T) {
	t.Parallel()
	for name, report := range reports {
		html := written(t, report, contract.FormatHTML)
		p := parsePage(t, name, html)
		style := strings.Join(p.text["style"], "")
		hash := sha256.Sum256([]byte(style))
		want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; base-uri 'none'; form-action 'none'"
		if p.policy != want {
			t.Errorf("%s: the policy is %q, want %q", name, p.policy, want)
		}
		if strings.Contains(style, "url(") || strings.Contains(style, "@import") {
			t.Errorf("%s: the style loads something", name)
		}
		if title := strings.Join(p.text["title"], ""); title == "" {
			t.Errorf("%s: no title", name)
		}
		for _, id := range p.ids {
			if strings.Count(html, ` id="`+id+`"`) != 1 {
				t.Errorf("%s: the id %q is not unique", name, id)
			}
		}
		for _, link := range p.links {
			if !slices.Contains(p.ids, link) {
				t.Errorf("%s: a link to %q", name, link)
			}
		}
	}
}

func TestHTMLShowsEachCheckOnce(t *testing.T) {
	t.Parallel()
	for name, report := range reports {
		html := written(t, report, contract.FormatHTML)
		for o, end := range map[contract.Outcome]string{contract.Passed: ">", contract.Skipped: ">", contract.Failed: " open>"} {
			details := regexp.MustCompile(`<details class="check ` + string(o) + `" id="check-\d+"` + end)
			if n := len(details.FindAllString(html, -1)); n != report.Count(o) {
				t.Errorf("%s: %d checks are %s, want %d", name, n, o, report.Count(o))
			}
		}
	}
	html := written(t, sampleReport(), contract.FormatHTML)
	report := sampleReport()
	for i := range report.Checks {
		c := &report.Checks[i]
		for _, text := range []string{c.ID, c.Name, c.Detail, c.Rule} {
			if !strings.Contains(html, text) {
				t.Errorf("it lacks %q", text)
			}
		}
	}
	failed, matrix, all := strings.Index(html, `id="failed"`), strings.Index(html, `id="coverage"`), strings.Index(html, `id="checks"`)
	if failed < 0 || matrix < failed || all < matrix {
		t.Errorf("the order is %d, %d, %d", failed, matrix, all)
	}
}

func TestHTMLOpensOnlyTheFirstOfManyFailedChecks(t *testing.T) {
	t.Parallel()
	check := contract.Check{ID: "Login.x", Name: "n", Operation: "Login", Outcome: contract.Failed, Detail: "d", Rule: "r"}
	html := written(t, &contract.Report{Checks: slices.Repeat([]contract.Check{check}, 12)}, contract.FormatHTML)
	if open, all := strings.Count(html, " open>"), strings.Count(html, "<details"); open != 5 || all != 12 ||
		strings.LastIndex(html, " open>") > strings.Index(html, `id="check-6"`) {
		t.Errorf("%d of %d are open", open, all)
	}
}

func TestHTMLShowsTheMatrixOfStatuses(t *testing.T) {
	t.Parallel()
	html := written(t, &contract.Report{Statuses: []contract.StatusCount{
		{Operation: "A", Status: "default", Seen: 4, Broken: 4},
		{Operation: "A", Status: "404"},
		{Operation: "A", Status: "200", Seen: 3, Broken: 1},
		{Operation: "B", Status: "4XX", Seen: 2},
	}}, contract.FormatHTML)
	table := html[strings.Index(html, "<table>"):strings.Index(html, "</table>")]
	rows := strings.Split(table, "<tr>")[1:]
	for i, want := range []string{
		"Operation|200|404|4XX|default",
		"A|✗ broken 1 of 3|not seen|not documented|✗ broken 4",
		"B|not documented|not documented|✓ seen 2|not documented",
	} {
		cells := regexp.MustCompile(`</t[hd]>`).ReplaceAllString(rows[i], "|")
		text := strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(cells, "")), " ")
		if got := strings.Trim(text, "| "); got != want {
			t.Errorf("row %d is %q, want %q", i, got, want)
		}
	}
}

func TestHTMLEscapesWhatServersSend(t *testing.T) {
	t.Parallel()
	html := written(t, reports["nasty"], contract.FormatHTML)
	p := parsePage(t, "nasty", html)
	for _, class := range []string{"target", "name", "detail", "pre", "b", "code"} {
		text := strings.Join(p.text[class], "")
		if !strings.Contains(text, "<script>alert(1)</script>") || !strings.Contains(text, `\u202egnp.exe\u2066`) {
			t.Errorf("%s is %q", class, text)
		}
	}
}

// TestHTMLHasContrast reckons the contrast of the style's colors as the Web Content Accessibility Guidelines define it.
func TestHTMLHasContrast(t *testing.T) {
	t.Parallel()
	style, err := os.ReadFile("report.css")
	if err != nil {
		t.Fatal(err)
	}
	schemes := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllSubmatch(style, -1)
	if len(schemes) != 3 {
		t.Fatalf("%d color schemes, want light, dark and print", len(schemes))
	}
	for i, scheme := range schemes {
		colors := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]+);`).FindAllSubmatch(scheme[1], -1) {
			colors[string(m[1])] = luminance(t, string(m[2]))
		}
		pairs := map[string][]string{
			"text": {"page", "panel", "skipped-panel"}, "soft": {"page", "panel"}, "link": {"page"},
			"passed": {"page", "passed-panel"}, "failed": {"page", "panel", "failed-panel"}, "skipped": {"page", "panel"},
		}
		for front, backs := range pairs {
			for _, back := range backs {
				a, okA := colors[front]
				b, okB := colors[back]
				if contrast := (max(a, b) + 0.05) / (min(a, b) + 0.05); !okA || !okB || contrast < 4.5 {
					t.Errorf("scheme %d: %s on %s has the contrast %.2f", i, front, back, contrast)
				}
			}
		}
	}
}

func luminance(t *testing.T, color string) float64 {
	t.Helper()
	digits := color[1:]
	if len(digits) == 3 {
		digits = fmt.Sprintf("%[1]c%[1]c%[2]c%[2]c%[3]c%[3]c", digits[0], digits[1], digits[2])
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(digits[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(color, err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
