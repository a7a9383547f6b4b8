package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"
)

// A candidate is one way to do a task.
type candidate struct {
	name string
	call func() error // does it once; called by many goroutines at once
}

// A task is what the candidates do. The first of them is what the others are compared with.
type task struct {
	name       string
	candidates []candidate
}

// A suite is one table.
type suite struct {
	name, note string
	ratios     bool                             // to the baseline, or else what comes on top of it
	tasks      func(place) ([]task, error)      // with clients of the server there
	judge      func(results) ([]verdict, error) // against the targets
}

// A key says what a figure is of.
type key struct {
	task, place, cores, candidate string
}

const (
	inMemory   = "in memory"
	onLoopback = "loopback"
	oneCore    = "one goroutine"
	allCores   = "all cores"
)

// A figure is what one call takes, typically.
type figure struct {
	nanoseconds, bytes, allocs float64
	more, times                float64 // how the time compares with that of the baseline in the same round
}

type result struct {
	key
	figure
}

type results []result

// of returns the figure of k, and fails where there is none: a target must not be met by a wrong name.
func (rs results) of(k key) (figure, error) {
	for _, r := range rs {
		if r.key == k {
			return r.figure, nil
		}
	}
	return figure{}, fmt.Errorf("there is no figure of %v", k)
}

// A meter measures candidates by turns, since a machine is not equally fast all the time: what counts is how the time
// of one compares with that of the baseline right before it.
type meter struct {
	rounds int
	batch  time.Duration
}

// tries is how often a suite is measured before a missed target counts: noise is not there each time.
const tries = 3

func (m *meter) runSuite(s suite, places []place) (all results, verdicts []verdict, err error) {
	for range tries {
		all = nil
		for _, p := range places {
			tasks, err := s.tasks(p)
			if err != nil {
				return nil, nil, err
			}
			measured, err := m.measure(tasks, p.name)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", p.name, err)
			}
			all = append(all, measured...)
		}
		verdicts, err = s.judge(all)
		if err != nil || !slices.ContainsFunc(verdicts, func(v verdict) bool { return v.grade == fail && v.noisy }) {
			break
		}
	}
	return all, verdicts, err
}

// measure returns the figures of tasks, at one goroutine and at all cores. Tasks take turns, too.
func (m *meter) measure(tasks []task, place string) (all results, err error) {
	counts, rounds := map[string]string{}, map[key][]figure{}
	for _, t := range tasks {
		for _, c := range t.candidates {
			if err := c.call(); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", t.name, c.name, err)
			}
		}
		calibration, err := benchmark(t.candidates[0], oneCore, m.batch.String())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		counts[t.name] = fmt.Sprintf("%dx", calibration.N)
		for _, cores := range []string{oneCore, allCores} {
			for _, c := range t.candidates {
				all = append(all, result{key: key{t.name, place, cores, c.name}})
			}
		}
	}
	for range m.rounds {
		for _, cores := range []string{oneCore, allCores} {
			for _, t := range tasks {
				var baseline float64
				for i, c := range t.candidates {
					r, err := benchmark(c, cores, counts[t.name])
					if err != nil {
						return nil, fmt.Errorf("%s, %s: %w", t.name, c.name, err)
					}
					n := float64(r.N)
					f := figure{nanoseconds: float64(r.T) / n, bytes: float64(r.MemBytes) / n, allocs: float64(r.MemAllocs) / n}
					if i == 0 {
						baseline = f.nanoseconds
					}
					f.more, f.times = f.nanoseconds-baseline, f.nanoseconds/baseline
					k := key{t.name, place, cores, c.name}
					rounds[k] = append(rounds[k], f)
				}
			}
		}
	}
	for i, r := range all {
		all[i].figure = typical(rounds[r.key])
	}
	return all, nil
}

// typical returns the median of each figure.
func typical(rounds []figure) figure {
	median := func(of func(figure) float64) float64 {
		values := make([]float64, len(rounds))
		for i, f := range rounds {
			values[i] = of(f)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return figure{
		nanoseconds: median(func(f figure) float64 { return f.nanoseconds }),
		bytes:       median(func(f figure) float64 { return f.bytes }),
		allocs:      median(func(f figure) float64 { return f.allocs }),
		more:        median(func(f figure) float64 { return f.more }),
		times:       median(func(f figure) float64 { return f.times }),
	}
}

// benchmark runs a candidate for a time or a count, as go test -benchtime does.
func benchmark(c candidate, cores, benchtime string) (testing.BenchmarkResult, error) {
	if err := flag.Set("test.benchtime", benchtime); err != nil {
		return testing.BenchmarkResult{}, fmt.Errorf("-test.benchtime: %w", err)
	}
	r := testing.Benchmark(func(b *testing.B) { //nolint:thelper // the benchmark itself
		if cores == oneCore {
			for range b.N {
				if err := c.call(); err != nil {
					b.Fatal(err)
				}
			}
			return
		}
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := c.call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	if r.N == 0 {
		return r, errors.New("a call failed in the middle of others")
	}
	return r, nil
}
