package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

// A candidate is one way to do a task.
type candidate struct {
	client string
	call   func() error // does the task once; called by many goroutines at once
}

// A task is what the candidates do. The first candidate is the baseline of the others.
type task struct {
	name       string
	candidates []candidate
}

// A suite is a group of tasks that are measured alike.
type suite struct {
	tasks func(place) ([]task, error)
	cores []string
	part  int // the share of the meter's rounds: 1 means all, 4 a quarter
}

// A key says what a sample is of.
type key struct {
	task, place, cores, client string
}

const (
	inMemory   = "in memory"
	onLoopback = "loopback"
	oneCore    = "one goroutine"
	allCores   = "all cores"
)

// A sample is what one call took in one round, on average.
type sample struct {
	nanoseconds, bytes, allocs float64
}

// results are the samples of each round. Samples of one task, place and cores with the same index are from the same
// round, and are compared with each other.
type results map[key][]sample

// A meter measures the candidates in turn, round after round. The speed of a machine varies over time, so only times of
// one round are compared.
type meter struct {
	rounds int
	batch  time.Duration // how long each candidate runs in a round, about
}

func (m meter) measure(all results, s suite, p place) error {
	tasks, err := s.tasks(p)
	if err != nil {
		return err
	}
	calls := make([]int, len(tasks))
	for i, t := range tasks {
		for _, c := range t.candidates {
			if err := c.call(); err != nil {
				return fmt.Errorf("%s, %s, %s: %w", t.name, p.name, c.client, err)
			}
		}
		if calls[i], err = m.calibrate(t.candidates[0].call); err != nil {
			return fmt.Errorf("%s, %s: %w", t.name, p.name, err)
		}
	}
	for round := range max(1, m.rounds/s.part) {
		for _, cores := range s.cores {
			for i, t := range tasks {
				for turn := range t.candidates {
					c := t.candidates[(round+turn)%len(t.candidates)] // no candidate always comes first
					got, err := runBatch(c.call, calls[i], cores)
					if err != nil {
						return fmt.Errorf("%s, %s, %s: %w", t.name, p.name, c.client, err)
					}
					k := key{t.name, p.name, cores, c.client}
					all[k] = append(all[k], got)
				}
			}
		}
	}
	return nil
}

// calibrate returns how many calls take as long as a batch.
func (m meter) calibrate(call func() error) (calls int, err error) {
	for calls = 1; ; calls *= 2 {
		got, err := runBatch(call, calls, oneCore)
		if err != nil {
			return 0, err
		}
		if took := time.Duration(got.nanoseconds) * time.Duration(calls); took >= m.batch/4 {
			return max(1, int(float64(calls)*float64(m.batch)/float64(took))), nil
		}
	}
}

// runBatch calls n times from one goroutine, or about n times from one for each core.
func runBatch(call func() error, n int, cores string) (sample, error) {
	errs := make([]error, 1)
	if cores == allCores {
		errs = make([]error, runtime.GOMAXPROCS(0))
	}
	each := (n + len(errs) - 1) / len(errs)
	runtime.GC()
	if err := call(); err != nil { // fills the pools, which a collection empties
		return sample{}, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	var wait sync.WaitGroup
	for i := range errs {
		wait.Go(func() {
			for calls := 0; calls < each && errs[i] == nil; calls++ {
				errs[i] = call()
			}
		})
	}
	wait.Wait()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	for _, err := range errs {
		if err != nil {
			return sample{}, err
		}
	}
	calls := float64(each * len(errs))
	return sample{
		nanoseconds: float64(took) / calls,
		bytes:       float64(after.TotalAlloc-before.TotalAlloc) / calls,
		allocs:      float64(after.Mallocs-before.Mallocs) / calls,
	}, nil
}
