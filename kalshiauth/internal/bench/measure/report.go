package main

import (
	_ "embed"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"time"
)

const reportHead = `# Benchmarks

` + "`make bench`" + ` writes this page and the plot. Do not edit them.

Measured on %s: %s, %d cores, %s %s/%s.
`

// notes say how to read the page.
//
//go:embed notes.md
var notes string

// report returns the results as a Markdown page. The plot is the file that the page shows; "": none.
func report(all results, verdicts []verdict, plot string) string {
	var page strings.Builder
	fmt.Fprintf(&page, reportHead, time.Now().Format(time.DateOnly), cpuName(), runtime.NumCPU(), runtime.Version(),
		runtime.GOOS, runtime.GOARCH)
	if plot != "" {
		fmt.Fprintf(&page, "\n![Bars of the times of each client](%s)\n", plot)
	}

	page.WriteString("\n## Targets\n\n| target of kalshiauth | measured | limit | |\n| --- | --- | --- | --- |\n")
	for _, v := range verdicts {
		fmt.Fprintf(&page, "| %s | %s | %s | %s |\n", v.target, v.measured, v.limit, v.grade)
	}

	page.WriteString("\n## An authenticated request\n\nA GET of a small JSON body with a session that is valid. " +
		"The other columns show what each client adds to a bare `http.Client`: time, memory, allocations.\n\n")
	requestClients := []string{bareClient, jarClient, oauth2Name, ours}
	both := []string{oneCore, allCores}
	table(&page, all, []string{request}, both, requestClients, added)

	page.WriteString("\n## A log-in\n\nTime, memory and allocations of a call. In brackets: the time, where by hand is " +
		"1.\n\n")
	operationClients := []string{handClient, genClient, ogenClient, ours}
	table(&page, all, []string{logIn}, both, operationClients, ratio)

	page.WriteString("\n## The memory of a log-in, by framing and size of the body\n\nWhat kalshiauth allocates. In " +
		"brackets: compared with by hand. \"Content-Length 0\" is a test double that leaves `ContentLength` at 0 " +
		"although there is a body.\n\n")
	framingTable(&page, all)

	page.WriteString("\n## Other calls\n\nFor information, without targets.\n\n")
	table(&page, all, []string{refused, logOut}, []string{oneCore}, operationClients, ratio)
	page.WriteString("\n" + notes)
	return page.String()
}

// table writes a row for each task, place and number of goroutines, and a column for each client.
func table(page *strings.Builder, all results, tasks, cores, clients []string, cell func(base, of []sample) string) {
	fmt.Fprintf(page, "| | %s |\n| --- |%s\n", strings.Join(clients, " | "), strings.Repeat(" --- |", len(clients)))
	for _, t := range tasks {
		for _, place := range []string{inMemory, onLoopback} {
			for _, c := range cores {
				base := all[key{t, place, c, clients[0]}]
				fmt.Fprintf(page, "| %s, %s, %s | %s |", t, place, c, absolute(base))
				for _, client := range clients[1:] {
					fmt.Fprintf(page, " %s |", cell(base, all[key{t, place, c, client}]))
				}
				page.WriteString("\n")
			}
		}
	}
}

func absolute(of []sample) string {
	return fmt.Sprintf("%s, %.0f B, %.0f", duration(typical(of, timeOf)), typical(of, bytesOf), typical(of, allocsOf))
}

func ratio(base, of []sample) string {
	times := each(base, of, func(a, b float64) float64 { return b / a })
	return fmt.Sprintf("%s (%.2f), %.0f B, %.0f", duration(typical(of, timeOf)), typical(times, timeOf),
		typical(of, bytesOf), typical(of, allocsOf))
}

func added(base, of []sample) string {
	more := each(base, of, func(a, b float64) float64 { return b - a })
	return fmt.Sprintf("%+.0f ns, %+.0f B, %+.0f", typical(more, timeOf), typical(more, bytesOf), typical(more, allocsOf))
}

func timeOf(s sample) float64   { return s.nanoseconds }
func bytesOf(s sample) float64  { return s.bytes }
func allocsOf(s sample) float64 { return s.allocs }

// each returns how the samples of a client compare with those of the baseline in the same round.
func each(base, of []sample, with func(a, b float64) float64) (compared []sample) {
	for i := range of {
		compared = append(compared, sample{
			nanoseconds: with(base[i].nanoseconds, of[i].nanoseconds),
			bytes:       with(base[i].bytes, of[i].bytes),
			allocs:      with(base[i].allocs, of[i].allocs),
		})
	}
	return compared
}

func typical(samples []sample, figure func(sample) float64) float64 {
	var values []float64
	for _, s := range samples {
		values = append(values, figure(s))
	}
	return median(values)
}

func framingTable(page *strings.Builder, all results) {
	columns := strings.Repeat(" --- |", len(bodySizes))
	fmt.Fprintf(page, "| | %s KiB |\n| --- |%s\n", strings.Join(bodySizes, " KiB | "), columns)
	for _, p := range places("") {
		for _, f := range p.framings {
			fmt.Fprintf(page, "| %s, %s |", p.name, f)
			for _, size := range bodySizes {
				t := framingTask(f, size)
				of := all[key{t, p.name, oneCore, ours}]
				more := each(all[key{t, p.name, oneCore, handClient}], of, func(a, b float64) float64 { return b - a })
				fmt.Fprintf(page, " %.0f B (%+.0f) |", typical(of, bytesOf), typical(more, bytesOf))
			}
			page.WriteString("\n")
		}
	}
}

// panels are those of the plot.
func panels(all results) []panel {
	hot := panel{title: "Authenticated GET, in memory: what a client adds to a bare http.Client"}
	for _, client := range []string{bareClient, jarClient, oauth2Name, ours} {
		more := each(all[key{request, inMemory, oneCore, bareClient}], all[key{request, inMemory, oneCore, client}],
			func(a, b float64) float64 { return b - a })
		value := typical(more, timeOf)
		hot.bars = append(hot.bars, bar{
			client, fmt.Sprintf("%+.0f ns, %+.0f allocations", value, typical(more, allocsOf)), value, client == ours,
		})
	}
	hot.bars[0].text = "0"
	drawn := []panel{hot}
	for _, place := range []string{inMemory, onLoopback} {
		p := panel{title: fmt.Sprintf("Log-in, %s: time, by hand = 1", place)}
		for _, client := range []string{handClient, genClient, ogenClient, ours} {
			of := all[key{logIn, place, oneCore, client}]
			times := each(all[key{logIn, place, oneCore, handClient}], of, func(a, b float64) float64 { return b / a })
			value := typical(times, timeOf)
			p.bars = append(p.bars, bar{
				client, fmt.Sprintf("%.2f, %.0f allocations", value, typical(of, allocsOf)), value, client == ours,
			})
		}
		drawn = append(drawn, p)
	}
	return drawn
}

func duration(ns float64) string {
	if math.Abs(ns) < 10_000 {
		return fmt.Sprintf("%.0f ns", ns)
	}
	return fmt.Sprintf("%.1f µs", ns/1000)
}

func cpuName() string {
	info, _ := os.ReadFile("/proc/cpuinfo") // only Linux has it
	for line := range strings.Lines(string(info)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
