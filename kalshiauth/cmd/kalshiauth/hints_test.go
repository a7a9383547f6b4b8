package main

import (
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

func TestHintsComeFromAllAnswers(t *testing.T) {
	t.Parallel()
	answer := func(outcome contract.Outcome, status int, body, failure string) contract.Check {
		x := contract.Exchange{Status: status, ResponseBody: body, Error: failure}
		return contract.Check{Outcome: outcome, Exchanges: []contract.Exchange{x, x}}
	}
	for want, checks := range map[string][]contract.Check{
		"Every answer is 404":      {answer(contract.Failed, 404, "", ""), {Outcome: contract.Failed, Detail: "no answer"}},
		"Every answer is a redire": {answer(contract.Failed, 301, "", ""), answer(contract.Failed, 308, "", "")},
		"The server speaks https,": {answer(contract.Failed, 400, "Client sent an HTTP request to an HTTPS server.\n", "")},
		"the base URL is one of h": {answer(contract.Failed, 400, "<h1>The plain HTTP request was sent to HTTPS port</h1>", "")},
		"The server does not spea": {answer(contract.Failed, 0, "", `malformed HTTP response "SSH-2.0-x"`), answer(contract.Failed, 0, "", "EOF")},
	} {
		if got := hintAtAnswers(&contract.Report{Checks: checks}); !strings.Contains(got, want) {
			t.Errorf("the hint is %q, want %q", got, want)
		}
		passed := answer(contract.Passed, 200, "", "")
		if got := hintAtAnswers(&contract.Report{Checks: append(checks, passed)}); got != "" {
			t.Errorf("the hint is %q although a check passed", got)
		}
	}
}

func TestACoverageIsNeverRoundedUp(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]string{0: "0%", 1: "100%", 0.9999: "99.9%", 0.8: "80%", 2.0 / 3: "66.6%", 0.29: "29%"} {
		if got := percent(share); got != want {
			t.Errorf("%v is %s, want %s", share, got, want)
		}
	}
	for _, text := range []string{"", "%", "80", "0.8", "-1%", "100.1%", "Inf%", "80 %"} {
		if got, err := parsePercent("min-coverage", text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
