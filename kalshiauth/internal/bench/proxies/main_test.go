package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestTheReportComparesRoundByRound(t *testing.T) {
	t.Parallel()
	made := func(name string, rate float64, took time.Duration) *target {
		of := &target{name: name}
		for round := range 9 { // the machine gets slower
			n := float64(round + 1)
			of.many, of.one = append(of.many, rate/n), append(of.one, rate/n/2)
			of.times = append(of.times, took*time.Duration(n))
		}
		return of
	}
	got := report([]*target{
		made("direct", 8000, 100*time.Microsecond), made("ours", 4000, 200*time.Microsecond),
		made("theirs", 1000, 500*time.Microsecond),
	})
	for _, want := range []string{
		"| ours | 800 | 400 | 1000 µs | 500 µs |", "| theirs | 4.00 (4.00 to 4.00) | 4.00 (4.00 to 4.00) | 0.25 (0.25 to 0.25) |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestARefusedLogInEndsTheMeasurement(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	err := run(t.Output(), []string{"direct=" + server.URL, "ours=" + server.URL})
	if err == nil || !strings.Contains(err.Error(), "direct: the answer is 404") {
		t.Errorf("the error is %v", err)
	}
}
