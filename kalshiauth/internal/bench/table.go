package main

import (
	"fmt"
	"slices"
	"strings"
)

// printTable writes the results in Markdown: a row for each task, place and number of goroutines, and a column for each
// client. The first client is the baseline.
func printTable(w *strings.Builder, s suite, all results) error {
	var rows []key
	var clients []string
	for _, r := range all {
		if row := (key{r.task, r.place, r.cores, ""}); !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
		if !slices.Contains(clients, r.candidate) {
			clients = append(clients, r.candidate)
		}
	}
	fmt.Fprintf(w, "| | %s |\n| --- |%s\n", strings.Join(clients, " | "), strings.Repeat(" --- |", len(clients)))
	for _, row := range rows {
		fmt.Fprintf(w, "| %s, %s, %s |", row.task, row.place, row.cores)
		base, err := all.of(key{row.task, row.place, row.cores, clients[0]})
		if err != nil {
			return err
		}
		for _, client := range clients {
			f, err := all.of(key{row.task, row.place, row.cores, client})
			if err != nil {
				return err
			}
			switch {
			case client == clients[0]:
				fmt.Fprintf(w, " %.0f ns, %.0f B, %.0f |", f.nanoseconds, f.bytes, f.allocs)
			case s.ratios:
				fmt.Fprintf(w, " %.0f ns (%.2f), %.0f B (%.2f), %.0f (%.2f) |",
					f.nanoseconds, f.times, f.bytes, f.bytes/base.bytes, f.allocs, f.allocs/base.allocs)
			default:
				fmt.Fprintf(w, " %+.0f ns, %+.0f B, %+.0f |", f.more, f.bytes-base.bytes, f.allocs-base.allocs)
			}
		}
		w.WriteString("\n")
	}
	return nil
}

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
