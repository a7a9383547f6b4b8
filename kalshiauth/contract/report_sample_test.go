package contract_test

import (
	"flag"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

var sampleFile = flag.String("sample", "", "a file for the HTML report of a broken server")

// sampleReport returns what the report of a broken server looks like. The server accepts a truncated token.
func sampleReport() *contract.Report {
	started := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	report := &contract.Report{
		Target: "https://staging.example.com/trade-api/v1", Version: "v1.4.0", Document: "Kalshi Auth API 1.0.0",
		Started: started, Duration: 8312 * time.Millisecond, Password: contract.PasswordKept,
	}
	for _, op := range document.API().Operations {
		path := strings.ReplaceAll(op.Path, "{code}", "[redacted]")
		add := func(outcome contract.Outcome, id, name, place, detail, request string, status int, response string) {
			c := contract.Check{
				ID: op.ID + "." + id, Name: op.ID + " " + name, Operation: op.ID, Outcome: outcome, Rule: op.Pointer + place,
				Detail: detail, Started: started.Add(time.Duration(len(report.Checks)) * 97 * time.Millisecond),
				Duration: time.Duration(4+7*len(id)%23) * time.Millisecond,
			}
			if outcome != contract.Skipped {
				c.Exchanges = []contract.Exchange{{
					Method: op.Method, URL: report.Target + path,
					RequestHeader: http.Header{
						"Accept": {"application/json"}, "Content-Type": {"application/json"}, "User-Agent": {"kalshiauth-contract"},
					},
					RequestBody: request, Status: status,
					ResponseHeader: http.Header{
						"Content-Type": {"application/json"}, "Date": {"Sat, 14 Mar 2026 09:26:53 GMT"},
						"X-Request-Id": {"0f8fad5b-d9cb-469f-a165-70867728950e"},
					},
					ResponseBody: response,
				}}
			}
			report.Checks = append(report.Checks, c)
		}
		const refusal = `{"code":"invalid_parameters","message":"the request is malformed"}`
		add(contract.Passed, "body.missing", "refuses a request without a body", "/requestBody/required", "the answer is 400", "", 400, refusal)
		add(contract.Passed, "body.malformed", "refuses a body that is not JSON", "/requestBody", "the answer is 400", `{"email":`, 400, refusal)
		for _, in := range op.Inputs() {
			add(contract.Passed, in.Name+".missing", "refuses a request without "+in.Name, "/requestBody", "the answer is 400",
				`{"email":"nobody@example.com"}`, 400, refusal)
			add(contract.Passed, in.Name+".null", "refuses null as "+in.Name, "/requestBody", "the answer is 400",
				`{"email":"nobody@example.com","`+in.Name+`":null}`, 400, refusal)
		}
		if op.ID == "Logout" {
			add(contract.Failed, "session.truncated", "refuses a token without its last character", "/security",
				"the answer is 204, want 400, 401 or 403: a truncated token is accepted", "", 204, "")
			last := &report.Checks[len(report.Checks)-1].Exchanges[0]
			last.RequestHeader.Set("Authorization", "[redacted]")
			last.ResponseHeader.Del("Content-Type")
		}
		if op.ID == "ResetPasswordConfirm" {
			add(contract.Skipped, "code.other", "refuses the code of another account", "/parameters/0", "it needs a second account", "", 0, "")
		}
		statuses := slices.Sorted(func(yield func(string) bool) {
			for status := range op.Operation.Responses.Map() {
				if !yield(status) {
					return
				}
			}
		})
		for _, status := range statuses {
			s := contract.StatusCount{Operation: op.ID, Status: status}
			if status < "5" {
				s.Seen = 1 + len(op.Path)%len(status+op.ID)
			}
			if status == "204" && op.ID == "Logout" {
				s.Broken = 1
			}
			report.Statuses = append(report.Statuses, s)
		}
	}
	return report
}

func TestWriteSampleReport(t *testing.T) {
	t.Parallel()
	if *sampleFile == "" {
		t.Skip("-sample is not given")
	}
	cut := takesSession("header", func(sent, token string) bool { return len(sent) > 8 && strings.HasPrefix(token, sent) })
	report := run(t, targetOf(serverWith(t, cut)))
	if err := os.WriteFile(*sampleFile, []byte(written(t, report, contract.FormatHTML)), 0o600); err != nil {
		t.Fatal(err)
	}
}
