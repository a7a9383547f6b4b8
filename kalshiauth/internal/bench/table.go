package main

import (
	"fmt"
	"strings"
)

// printTable writes the results in Markdown. The first candidate of all is the baseline.
func printTable(w *strings.Builder, s suite, all results) error {
	fmt.Fprintf(w, "| | where | goroutines | client | ns | %[1]s | bytes | %[1]s | allocations | %[1]s |\n", s.compared)
	fmt.Fprintln(w, "| --- | --- | --- | --- | --: | --: | --: | --: | --: | --: |")
	for _, r := range all {
		base, err := all.of(key{r.task, r.place, r.cores, all[0].candidate})
		if err != nil {
			return err
		}
		var times, bytes, allocs string
		switch {
		case r.candidate == all[0].candidate:
		case s.ratios:
			times, bytes, allocs = ratio(r.times), ratio(r.bytes/base.bytes), ratio(r.allocs/base.allocs)
		default:
			times, bytes, allocs = more(r.more), more(r.bytes-base.bytes), more(r.allocs-base.allocs)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %.0f | %s | %.0f | %s | %.0f | %s |\n", r.task, r.place, r.cores, r.candidate,
			r.nanoseconds, times, r.bytes, bytes, r.allocs, allocs)
	}
	return nil
}

func ratio(x float64) string { return fmt.Sprintf("%.2f", x) }
func more(x float64) string  { return fmt.Sprintf("%+.0f", x) }

// A verdict is what comes out for one target.
type verdict struct {
	target string
	grade  grade
	noisy  bool // whether measuring anew can change it
}

type grade string

const (
	pass grade = "PASS"
	near grade = "NEAR" // missed by no more than a machine is wrong by
	fail grade = "FAIL"
)

// tolerance is by how many times a time may exceed its limit before it clearly does.
const tolerance = 1.1

// timeLimit judges a time, which is never the same twice.
func timeLimit(target string, got, limit float64) verdict {
	v := verdict{fmt.Sprintf("%s: %.0f ns, limit %.0f ns", target, got, limit), fail, true}
	switch {
	case got <= limit:
		v.grade = pass
	case got <= limit*tolerance:
		v.grade = near
	}
	return v
}

// ratioLimit judges a time as a ratio to another of the same rounds.
func ratioLimit(target string, got, limit float64) verdict {
	v := timeLimit("", got, limit)
	v.target = fmt.Sprintf("%s: %.2f times, limit %.2f", target, got, limit)
	return v
}

// allocLimit judges allocations. What happens once in many calls, such as the growth of a pool, is no call's.
func allocLimit(target string, got, limit float64) verdict {
	v := verdict{fmt.Sprintf("%s: %.2f allocations, limit %.0f", target, got, limit), fail, false}
	if got <= limit+0.1 {
		v.grade = pass
	}
	return v
}
