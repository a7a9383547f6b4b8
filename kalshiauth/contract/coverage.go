package contract

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// seen counts exchanges and their violations.
type seen struct {
	started   time.Time
	exchanges map[kind]int
	found     map[Violation]int
	order     []Violation // the keys of found, at most maxDistinct
	more      int         // violations that are not in found
}

// A kind of exchanges.
type kind struct {
	op     *document.Operation
	status int  // 0: there was no response
	broken bool // whether the response breaks the contract
}

// maxDistinct is how many different violations a report has. Undocumented paths could be many.
const maxDistinct = 1000

func newSeen() seen {
	return seen{started: time.Now(), exchanges: map[kind]int{}, found: map[Violation]int{}}
}

// add counts an exchange. status is that of its response; 0: there was none.
func (s *seen) add(op *document.Operation, status int, found []Violation) {
	broken := false
	for _, v := range found {
		broken = broken || v.In == Response
		switch {
		case s.found[v] > 0:
		case len(s.order) == maxDistinct:
			s.more++
			continue
		default:
			s.order = append(s.order, v)
		}
		s.found[v]++
	}
	s.exchanges[kind{op, status, broken}]++
}

// statusCounts returns all pairs of an operation and a status in a document.
func statusCounts(doc *document.Document) (all []StatusCount) {
	for _, op := range doc.Operations {
		for key := range op.Operation.Responses.Map() {
			all = append(all, StatusCount{Operation: op.ID, Status: key})
		}
	}
	slices.SortFunc(all, func(a, b StatusCount) int {
		return cmp.Or(strings.Compare(a.Operation, b.Operation), strings.Compare(a.Status, b.Status))
	})
	return all
}

// count counts n responses of a kind.
func count(all []StatusCount, k kind, n int) {
	key, _ := documented(k.op, k.status)
	for i := range all {
		if s := &all[i]; s.Operation == k.op.ID && s.Status == key {
			s.Seen += n
			if k.broken {
				s.Broken += n
			}
		}
	}
}

// Report returns what the Checker has seen so far: a failed check for each different violation, a passed one for each
// other operation, and a skipped one for each operation without a response. After 1000 different violations, it only
// counts the other ones.
func (c *Checker) Report() *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.seen
	report := &Report{
		Target: c.rules.base.endpoint(""), Version: version(), Document: c.rules.title(), Started: s.started,
		Duration: time.Since(s.started), Statuses: statusCounts(c.rules.Document),
	}
	requests, lost := map[string]int{}, map[string]int{}
	for k, n := range s.exchanges {
		switch {
		case k.op == nil:
			continue
		case k.status == 0:
			lost[k.op.ID] += n
		default:
			count(report.Statuses, k, n)
		}
		requests[k.op.ID] += n
	}
	broken := map[string]bool{}
	for _, v := range s.order {
		broken[v.Operation] = true
		report.Checks = append(report.Checks, Check{
			ID: v.id(), Name: cmp.Or(v.Operation, "Each request") + " follows the document", Operation: v.Operation,
			Outcome: Failed, Rule: v.Rule, Detail: fmt.Sprintf("%s (%s)", v, times(s.found[v], "time")), Started: s.started,
		})
	}
	if s.more > 0 {
		report.Checks = append(report.Checks, Check{
			ID: "more", Name: "Each exchange follows the document", Outcome: Failed, Rule: "#/paths",
			Detail: "more violations: " + times(s.more, "violation"), Started: s.started,
		})
	}
	for _, op := range c.rules.Operations {
		if !broken[op.ID] {
			report.Checks = append(report.Checks, s.check(op, requests[op.ID], lost[op.ID]))
		}
	}
	return report
}

// check returns the check of an operation without violations. lost is how many of its requests had no answer.
func (s *seen) check(op *document.Operation, requests, lost int) Check {
	check := Check{
		ID: unusual.ReplaceAllString(op.ID, "-"), Name: op.ID + " follows the document", Operation: op.ID, Outcome: Passed,
		Rule: op.Pointer, Detail: times(requests, "exchange"), Started: s.started,
	}
	if lost > 0 {
		check.Detail += ", " + strconv.Itoa(lost) + " without an answer"
	}
	switch requests {
	case 0:
		check.Outcome, check.Detail = Skipped, "no request to it was seen"
	case lost:
		check.Outcome, check.Detail = Skipped, "no answer to it was seen: "+times(requests, "request")
	}
	return check
}

// id returns a stable name, such as "Login.response.200.token".
func (v *Violation) id() string {
	parts := []string{cmp.Or(v.Operation, "undocumented"), string(v.In)}
	if _, status, ok := strings.Cut(v.Rule, "/responses/"); ok {
		status, _, _ = strings.Cut(status, "/")
		parts = append(parts, status)
	}
	parts = append(parts, cmp.Or(strings.Trim(v.Place, "/"), "body"))
	return unusual.ReplaceAllString(strings.Join(parts, "."), "-")
}

// times returns a number with a word, such as "2 exchanges".
func times(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return strconv.Itoa(n) + " " + word
}
