package main

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestEveryClientIsMeasured runs everything once, for as short as can be. What comes out is noise.
func TestEveryClientIsMeasured(t *testing.T) { //nolint:paralleltest // sets a flag of all tests
	srv := httptest.NewServer(http.HandlerFunc(reply))
	defer srv.Close()
	benchtime := flag.Lookup("test.benchtime").Value.String()
	t.Cleanup(func() { _ = flag.Set("test.benchtime", benchtime) })
	m := meter{rounds: 1, batch: time.Microsecond}
	for _, s := range []suite{requestSuite(), operationSuite()} {
		all, verdicts, err := m.runSuite(s, places(srv.URL))
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		var table strings.Builder
		if err := printTable(&table, s, all); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		cells := strings.Count(table.String(), " ns")
		if cells != len(all) || cells == 0 || len(verdicts) == 0 {
			t.Errorf("%s: %d cells of %d results, and %d verdicts", s.name, cells, len(all), len(verdicts))
		}
	}
}
