package contract

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// seen counts exchanges and their violations.
type seen struct {
	started   time.Time
	exchanges map[kind]int
	found     map[Violation]int
	order     []Violation // the keys of found
}

// A kind of exchanges.
type kind struct {
	op     *document.Operation
	status int  // 0: there was no response
	broken bool // whether the response breaks the contract
}

func newSeen() seen {
	return seen{started: time.Now(), exchanges: map[kind]int{}, found: map[Violation]int{}}
}

// add counts an exchange.
func (s *seen) add(x *exchange, found []Violation) {
	k := kind{op: x.op}
	if x.response != nil {
		k.status = x.response.status
	}
	for _, v := range found {
		k.broken = k.broken || v.In == Response
		if s.found[v] == 0 {
			s.order = append(s.order, v)
		}
		s.found[v]++
	}
	s.exchanges[k]++
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

// NoAnswer is the detail of a skipped check of an operation whose requests got no response.
const NoAnswer = "its requests got no answer"

// Report returns what the Checker has seen so far: a failed check for each violation, a passed one for each other
// operation, and a skipped one for each operation that was not seen.
func (c *Checker) Report() *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.seen
	report := &Report{
		Target: c.rules.base.endpoint(""), Version: version(), Document: c.rules.title(), Started: s.started,
		Duration: time.Since(s.started), Statuses: statusCounts(c.rules.Document),
	}
	requests, answers := map[string]int{}, map[string]int{}
	for k, n := range s.exchanges {
		if k.op == nil {
			continue
		}
		requests[k.op.ID] += n
		if k.status > 0 {
			answers[k.op.ID] += n
			count(report.Statuses, k, n)
		}
	}
	broken := map[string]bool{}
	for _, v := range s.order {
		broken[v.Operation] = true
		rule := cmp.Or(v.Rule, "#")
		operation, place := cmp.Or(v.Operation, "undocumented"), cmp.Or(strings.Trim(v.Place, "/"), "body")
		report.Checks = append(report.Checks, Check{
			ID:   unusual.ReplaceAllString(operation+"."+string(v.In)+"."+place, "-"),
			Name: strings.TrimSpace(v.Operation + " follows the document"), Operation: v.Operation, Outcome: Failed, Rule: rule,
			Detail: fmt.Sprintf("%s (%d times)", v, s.found[v]), Started: s.started,
		})
	}
	for _, op := range c.rules.Operations {
		check := Check{
			ID: unusual.ReplaceAllString(op.ID, "-"), Name: op.ID + " follows the document", Operation: op.ID, Outcome: Passed,
			Rule: op.Pointer, Detail: fmt.Sprintf("%d exchanges", requests[op.ID]), Started: s.started,
		}
		switch {
		case requests[op.ID] == 0:
			check.Outcome, check.Detail = Skipped, "no request to it was seen"
		case answers[op.ID] == 0:
			check.Outcome, check.Detail = Skipped, NoAnswer
		}
		if !broken[op.ID] {
			report.Checks = append(report.Checks, check)
		}
	}
	return report
}
