package main

import (
	"fmt"
	"math"
	"slices"
)

// Limits of ours.
const (
	memoryTimes   = 1.2  // a log-in's time by hand, in memory
	loopbackTimes = 1.03 // a log-in's time by hand, over loopback
	moreBytes     = 2048 // than a log-in by hand
	moreAllocs    = 4    // than a request of a bare client
)

// A verdict is what one run says about a target.
type verdict struct {
	target, measured, limit string
	grade                   grade
}

type grade string

const (
	pass grade = "PASS" // the median is within the limit
	near grade = "NEAR" // the median is not, but its 99% confidence interval reaches the limit
	fail grade = "FAIL" // the target is clearly missed
)

// judgeAll returns the verdicts. It fails where a sample is missing, so that no target is met by a wrong name.
func judgeAll(all results) (verdicts []verdict, err error) {
	// compare returns how ours compares with another client in each round.
	compare := func(task, place, cores, other string, with func(a, b sample) float64) (values []float64) {
		as, bs := all[key{task, place, cores, ours}], all[key{task, place, cores, other}]
		if len(as) == 0 || len(as) != len(bs) {
			err = fmt.Errorf("%s, %s, %s: %d samples of %s, %d of %s", task, place, cores, len(as), ours, len(bs), other)
			return []float64{math.NaN()}
		}
		for i := range as {
			values = append(values, with(as[i], bs[i]))
		}
		return values
	}
	times := func(a, b sample) float64 { return a.nanoseconds / b.nanoseconds }
	moreTime := func(a, b sample) float64 { return a.nanoseconds - b.nanoseconds }
	more := func(a, b sample) float64 { return a.bytes - b.bytes }
	// Whole allocations, as go test -benchmem counts: what happens once in many calls belongs to none.
	allocs := func(a, b sample) float64 { return math.Round(a.allocs) - math.Round(b.allocs) }

	verdicts = append(verdicts, judge("log-in, in memory, one goroutine: allocations, compared with ogen",
		compare(logIn, inMemory, oneCore, ogenClient, allocs), -1, "%+.0f"))
	for _, cores := range []string{oneCore, allCores} {
		verdicts = append(verdicts,
			judge("log-in, in memory, "+cores+": time, by hand = 1",
				compare(logIn, inMemory, cores, handClient, times), memoryTimes, "%.3f"),
			judge("log-in, loopback, "+cores+": time, by hand = 1",
				compare(logIn, onLoopback, cores, handClient, times), loopbackTimes, "%.3f"))
	}
	for _, p := range places("") {
		for _, f := range p.framings {
			worst := verdict{}
			most := math.Inf(-1)
			for _, size := range bodySizes {
				values := compare(framingTask(f, size), p.name, oneCore, handClient, more)
				if m := median(values); !(m <= most) {
					most = m
					worst = judge(fmt.Sprintf("log-in, %s, %s: memory, compared with by hand (worst at %s KiB)", p.name, f, size),
						values, moreBytes, "%+.0f B")
				}
			}
			verdicts = append(verdicts, worst)
		}
	}
	for _, place := range []string{inMemory, onLoopback} {
		verdicts = append(verdicts, judge(request+", "+place+", one goroutine: allocations, compared with "+bareClient,
			compare(request, place, oneCore, bareClient, allocs), moreAllocs, "%+.0f"))
	}
	for _, cores := range []string{oneCore, allCores} {
		verdicts = append(verdicts, judge(request+", in memory, "+cores+": time, compared with "+oauth2Name,
			compare(request, inMemory, cores, oauth2Name, moreTime), 0, "%+.0f ns"))
	}
	return verdicts, err
}

// judge grades the median of the rounds.
func judge(target string, values []float64, limit float64, format string) verdict {
	low, high := interval(values)
	v := verdict{target: target, limit: fmt.Sprintf(format, limit), grade: fail}
	v.measured = fmt.Sprintf(format, median(values))
	if from, to := fmt.Sprintf(format, low), fmt.Sprintf(format, high); from != to {
		v.measured += " (" + from + " to " + to + ")"
	}
	switch {
	case median(values) <= limit:
		v.grade = pass
	case low <= limit:
		v.grade = near
	}
	return v
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// interval returns the 99% confidence interval of the median. It makes no assumption about the noise, except that the
// rounds are independent.
func interval(values []float64) (low, high float64) {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	i := max(0, int(float64(n)/2-2.576*math.Sqrt(float64(n))/2))
	return values[i], values[n-1-i]
}
