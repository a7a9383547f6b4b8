// Command proxies compares the speed of proxies before one server. Its arguments are NAME=URL: first the server itself,
// then ours, then the others. It sends log-ins of the account in KALSHI_EMAIL and KALSHI_PASSWORD.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	rounds      = 30
	roundTime   = 300 * time.Millisecond
	connections = 8
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "proxies:", err)
		os.Exit(1) //nolint:forbidigo // a command
	}
}

// A target is a server or a proxy. Figures with the same index are from the same round.
type target struct {
	name, url string
	many, one []float64       // requests a second with many connections, and with one
	times     []time.Duration // median time of a request with one connection
}

func run(w io.Writer, args []string) error {
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
	if len(targets) < 2 {
		return errors.New("the arguments are NAME=URL: the server, and proxies before it")
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	for round := range rounds + 1 {
		for turn := range targets {
			t := targets[(round+turn)%len(targets)] // no target always comes first
			if err := t.measure(client, string(body)); err != nil {
				return err
			}
		}
		if round == 0 { // it warms up
			for _, t := range targets {
				t.many, t.one, t.times = nil, nil, nil
			}
		}
	}
	_, err = io.WriteString(w, report(targets))
	return err //nolint:wrapcheck // it says what failed
}

// measure adds the figures of a round.
func (t *target) measure(client *http.Client, body string) error {
	many, _, err := t.load(client, body, connections)
	if err != nil {
		return err
	}
	one, times, err := t.load(client, body, 1)
	if err != nil {
		return err
	}
	t.many, t.one, t.times = append(t.many, many), append(t.one, one), append(t.times, median(times))
	return nil
}

// load sends requests for a while, each connection one after the other.
func (t *target) load(client *http.Client, body string, n int) (rate float64, times []time.Duration, err error) {
	var mu sync.Mutex // guards times and err
	var all sync.WaitGroup
	start := time.Now()
	for range n {
		all.Go(func() {
			var own []time.Duration
			var failure error
			for failure == nil && time.Since(start) < roundTime {
				begin := time.Now()
				failure = t.send(client, body)
				own = append(own, time.Since(begin))
			}
			mu.Lock()
			defer mu.Unlock()
			times, err = append(times, own...), cmp.Or(err, failure)
		})
	}
	all.Wait()
	return float64(len(times)) / time.Since(start).Seconds(), times, err
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

// report compares the second target with those after it, round by round.
func report(targets []*target) string {
	var page strings.Builder
	_, _ = fmt.Fprintf(&page, "| | requests a second, %d connections | 1 connection | median of one | added |\n"+
		"| --- | --: | --: | --: | --: |\n", connections)
	for i, t := range targets {
		more := ""
		if i > 0 {
			more = fmt.Sprintf("%.0f µs", median(t.added(targets[0])))
		}
		_, _ = fmt.Fprintf(&page, "| %s | %.0f | %.0f | %d µs | %s |\n", t.name, median(t.many), median(t.one),
			median(t.times).Microseconds(), more)
	}
	ours := targets[1]
	_, _ = fmt.Fprintf(&page, "\n| %s : | requests a second, %d connections | 1 connection | added |\n"+
		"| --- | --: | --: | --: |\n", ours.name, connections)
	for _, t := range targets[2:] {
		_, _ = fmt.Fprintf(&page, "| %s | %s | %s | %s |\n", t.name, ratio(ours.many, t.many), ratio(ours.one, t.one),
			ratio(ours.added(targets[0]), t.added(targets[0])))
	}
	return page.String()
}

// added returns by how many microseconds a request is slower than to the server itself.
func (t *target) added(direct *target) (microseconds []float64) {
	for i := range t.times {
		microseconds = append(microseconds, float64(t.times[i]-direct.times[i])/float64(time.Microsecond))
	}
	return microseconds
}

// ratio shows the median of a/b in each round with its 99% confidence interval. It makes no assumption about the noise,
// except that the rounds are independent.
func ratio(a, b []float64) string {
	var all []float64
	for i := range a {
		all = append(all, a[i]/b[i])
	}
	slices.Sort(all)
	n := len(all)
	i := max(0, int(float64(n)/2-2.576*math.Sqrt(float64(n))/2))
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median(all), all[i], all[n-1-i])
}

func median[T float64 | time.Duration](values []T) T {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}
