// Command proxies compares the speed of proxies before one server. Its arguments are NAME=URL; the first one is the
// server itself. It sends log-ins of the account in KALSHI_EMAIL and KALSHI_PASSWORD.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// The targets are measured in turn, so that noise of the machine meets all of them.
const (
	rounds      = 15
	roundTime   = 400 * time.Millisecond
	connections = 8
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "proxies:", err)
		os.Exit(1) //nolint:forbidigo // a command
	}
}

// A target is a server or a proxy.
type target struct {
	name, url string
	rates     []float64 // requests a second with many connections, one for each round
	times     []time.Duration
}

func run(args []string) error {
	body, err := json.Marshal(map[string]string{
		"email": os.Getenv("KALSHI_EMAIL"), "password": os.Getenv("KALSHI_PASSWORD"),
	})
	if err != nil {
		return fmt.Errorf("the body: %w", err)
	}
	var targets []*target
	for _, arg := range args {
		name, url, _ := strings.Cut(arg, "=")
		targets = append(targets, &target{name: name, url: url})
	}
	if len(targets) == 0 {
		return errors.New("the arguments are NAME=URL")
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	for round := range rounds + 1 {
		for _, t := range targets {
			rate, times, err := t.measure(client, string(body))
			if err != nil {
				return err
			}
			if round > 0 { // the first one warms up
				t.rates, t.times = append(t.rates, rate), append(t.times, times...)
			}
		}
	}
	var table strings.Builder
	table.WriteString("| | requests a second, 8 connections | median of one, 1 connection | added |\n")
	table.WriteString("| --- | --: | --: | --: |\n")
	direct := median(targets[0].times)
	for _, t := range targets {
		one := median(t.times)
		_, _ = fmt.Fprintf(&table, "| %s | %.0f (%.0f to %.0f) | %v | %v |\n", t.name, median(t.rates), slices.Min(t.rates),
			slices.Max(t.rates), one.Round(time.Microsecond), (one - direct).Round(time.Microsecond))
	}
	_, err = os.Stdout.WriteString(table.String())
	return err //nolint:wrapcheck // it says what failed
}

func median[T float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// measure sends requests for a while: with many connections, and then one after the other.
func (t *target) measure(client *http.Client, body string) (rate float64, times []time.Duration, err error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	start, sent := time.Now(), 0
	for range connections {
		all.Go(func() {
			for n := 0; ; n++ {
				if time.Since(start) > roundTime {
					mu.Lock()
					sent += n
					mu.Unlock()
					return
				}
				if e := t.send(client, body); e != nil {
					mu.Lock()
					err = e
					mu.Unlock()
					return
				}
			}
		})
	}
	all.Wait()
	rate = float64(sent) / time.Since(start).Seconds()
	for start := time.Now(); err == nil && time.Since(start) < roundTime; {
		begin := time.Now()
		err = t.send(client, body)
		times = append(times, time.Since(begin))
	}
	return rate, times, err
}

func (t *target) send(client *http.Client, body string) error {
	resp, err := client.Post(t.url+"/log_in", "application/json", strings.NewReader(body)) //nolint:noctx // a measurement
	if err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: the answer is %d", t.name, resp.StatusCode)
	}
	return nil
}
