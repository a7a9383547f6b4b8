package contract

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"
)

//go:embed report.html
var htmlPage string

//go:embed report.css
var htmlStyle string

var htmlTemplate = template.Must(template.New("report").Parse(htmlPage))

// htmlPolicy returns a policy that allows the page its own style, and nothing else. The page contains no script and
// loads nothing; the policy limits the harm of a mistake in the escaping.
func htmlPolicy() string {
	hash := sha256.Sum256([]byte(htmlStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
		"'; base-uri 'none'; form-action 'none'"
}

// htmlReport is what the template shows. It has no method by which a template could get the new password.
type htmlReport struct {
	Policy   string
	Style    template.CSS
	Outcome  string // of the verdict
	Mark     string
	Verdict  string
	Target   string
	Origin   []string
	Warning  string
	Counts   []htmlCount
	Coverage string
	Failed   []htmlCheck
	Columns  []string // documented statuses
	Rows     []htmlRow
	Groups   []htmlGroup
}

type htmlCount struct {
	Outcome Outcome
	N       int
}

type htmlCheck struct {
	*Check
	Anchor    string
	Open      bool
	Mark      string
	Elapsed   string
	Time      string
	Exchanges []htmlExchange
}

type htmlExchange struct {
	Title         string
	Request, Sent string // the first line and the rest
	Answer, Came  string
}

// An htmlGroup contains the checks of an operation.
type htmlGroup struct {
	Operation string
	Counts    []htmlCount // without zeros
	Checks    []htmlCheck
}

// An htmlRow is an operation in the matrix. Its cells are those of the columns; nil: the status is not documented.
type htmlRow struct {
	Operation string
	Cells     []*StatusCount
}

// maxOpen is the number of failed checks that are unfolded, so that a page with many of them can be looked over.
const maxOpen = 5

var htmlMarks = map[Outcome]string{Passed: "✓", Failed: "✗", Skipped: "–"}

func (r *Report) html() ([]byte, error) {
	v := r.verdict()
	page := htmlReport{
		Policy: htmlPolicy(), Style: template.CSS(htmlStyle), Outcome: string(v.Outcome), //nolint:gosec // our own style
		Mark: htmlMarks[v.Outcome], Verdict: v.Text, Target: r.Target, Origin: r.origin(), Warning: r.passwordWarning(),
		Coverage: r.coverage(),
	}
	if v.Outcome == Skipped {
		page.Mark = "!"
	}
	for _, o := range []Outcome{Failed, Passed, Skipped} {
		page.Counts = append(page.Counts, htmlCount{o, r.Count(o)})
	}
	page.Columns, page.Rows = r.matrix()
	for i := range r.Checks {
		c := newHTMLCheck(&r.Checks[i], i)
		if c.Outcome == Failed {
			c.Open = len(page.Failed) < maxOpen
			page.Failed = append(page.Failed, c)
		}
		j := slices.IndexFunc(page.Groups, func(g htmlGroup) bool { return g.Operation == c.Operation })
		if j < 0 {
			j = len(page.Groups)
			page.Groups = append(page.Groups, htmlGroup{Operation: c.Operation})
		}
		page.Groups[j].add(c)
	}
	var b bytes.Buffer
	err := htmlTemplate.Execute(&b, page)
	return b.Bytes(), err
}

func (g *htmlGroup) add(c htmlCheck) { //nolint:gocritic // it is stored
	g.Checks = append(g.Checks, c)
	if i := slices.IndexFunc(g.Counts, func(n htmlCount) bool { return n.Outcome == c.Outcome }); i >= 0 {
		g.Counts[i].N++
	} else {
		g.Counts = append(g.Counts, htmlCount{c.Outcome, 1})
	}
}

func newHTMLCheck(c *Check, i int) htmlCheck {
	h := htmlCheck{
		Check: c, Anchor: fmt.Sprintf("check-%d", i+1), Mark: htmlMarks[c.Outcome], Elapsed: elapsed(c.Duration),
	}
	if !c.Started.IsZero() {
		h.Time = c.Started.UTC().Format(time.RFC3339)
	}
	for j := range c.Exchanges {
		e := htmlExchange{}
		if len(c.Exchanges) > 1 {
			e.Title = fmt.Sprintf("Exchange %d of %d", j+1, len(c.Exchanges))
		}
		e.Request, e.Sent = c.Exchanges[j].request()
		e.Answer, e.Came = c.Exchanges[j].response()
		h.Exchanges = append(h.Exchanges, e)
	}
	return h
}

// matrix returns the documented statuses in order, and a row for each operation.
func (r *Report) matrix() (columns []string, rows []htmlRow) {
	for _, s := range r.Statuses {
		if !slices.Contains(columns, s.Status) {
			columns = append(columns, s.Status)
		}
	}
	slices.SortFunc(columns, func(a, b string) int { // "default" is last, and "4XX" follows "499"
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	})
	for i := range r.Statuses {
		s := &r.Statuses[i]
		j := slices.IndexFunc(rows, func(row htmlRow) bool { return row.Operation == s.Operation })
		if j < 0 {
			j = len(rows)
			rows = append(rows, htmlRow{Operation: s.Operation, Cells: make([]*StatusCount, len(columns))})
		}
		rows[j].Cells[slices.Index(columns, s.Status)] = s
	}
	return columns, rows
}
