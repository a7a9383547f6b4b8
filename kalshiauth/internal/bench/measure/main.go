// Command measure measures the clients, prints the results as a Markdown page, and exits with 1 where a target is
// clearly missed. The command in the folder above builds it.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

func main() {
	if os.Getenv(serveEnv) != "" {
		exitOn(serve(os.Stdin, os.Stdout))
		return
	}
	var m meter
	flag.IntVar(&m.rounds, "rounds", 151, "how often each client is measured")
	flag.DurationVar(&m.batch, "batch", 10*time.Millisecond, "how long each client runs in a round, about")
	plot := flag.String("svg", "", "write the plot to this `file`")
	page := flag.String("markdown", "", "write the page to this `file`, too")
	flag.Parse()
	met, err := run(os.Stdout, m, *plot, *page)
	exitOn(err)
	if !met {
		os.Exit(1) //nolint:forbidigo // a command
	}
}

func exitOn(err error) {
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(2) //nolint:forbidigo // a command
	}
}

// run measures, writes page and plot, and reports whether no target is clearly missed.
func run(w io.Writer, m meter, plot, page string) (met bool, err error) {
	url, stop, err := startServer()
	if err != nil {
		return false, fmt.Errorf("starting the server: %w", err)
	}
	defer stop()
	all, err := measureAll(m, url)
	if err != nil {
		return false, err
	}
	verdicts, err := judgeAll(all)
	if err != nil {
		return false, err
	}
	shown := ""
	if plot != "" {
		if err := os.WriteFile(plot, []byte(svg("Benchmarks of kalshiauth", panels(all))), 0o600); err != nil {
			return false, fmt.Errorf("writing the plot: %w", err)
		}
		shown = filepath.Base(plot)
	}
	text := report(all, verdicts, shown)
	if page != "" {
		if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
			return false, fmt.Errorf("writing the page: %w", err)
		}
	}
	if _, err := io.WriteString(w, text); err != nil {
		return false, fmt.Errorf("printing: %w", err)
	}
	return !slices.ContainsFunc(verdicts, func(v verdict) bool { return v.grade == fail }), nil
}

func measureAll(m meter, url string) (results, error) {
	all := results{}
	for _, p := range places(url) {
		for _, s := range []suite{
			{requestTasks, []string{oneCore, allCores}, 1},
			{loginTasks, []string{oneCore, allCores}, 1},
			{otherTasks, []string{oneCore}, 4},
			{framingTasks, []string{oneCore}, 4},
		} {
			if err := m.measure(all, s, p); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}
