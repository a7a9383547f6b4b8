package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// har returns recorded traffic with one log-in.
func har(t *testing.T, url string, status int, answer string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"email": email, "password": password})
	if err != nil {
		t.Fatal(err)
	}
	header := []map[string]string{{"name": "Content-Type", "value": "application/json"}}
	data, err := json.Marshal(map[string]any{"log": map[string]any{
		"version": "1.2", "creator": map[string]string{"name": "test", "version": "1"},
		"entries": []any{map[string]any{
			"startedDateTime": "2026-01-02T03:04:05.000Z", "time": 1, "cache": map[string]any{},
			"timings": map[string]int{"send": 0, "wait": 1, "receive": 0},
			"request": map[string]any{
				"method": "POST", "url": url + "/log_in", "httpVersion": "HTTP/1.1", "cookies": []any{}, "queryString": []any{},
				"headers": header, "headersSize": -1, "bodySize": len(body),
				"postData": map[string]string{"mimeType": "application/json", "text": string(body)},
			},
			"response": map[string]any{
				"status": status, "statusText": "", "httpVersion": "HTTP/1.1", "cookies": []any{}, "redirectURL": "",
				"headers": header, "headersSize": -1, "bodySize": len(answer),
				"content": map[string]any{"size": len(answer), "mimeType": "application/json", "text": answer},
			},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const (
	recorded = "https://api.example.com/v1"
	refused  = `{"code":"invalid_credentials","message":"wrong password"}`
)

func TestRecordedTrafficIsChecked(t *testing.T) {
	t.Parallel()
	good := writeFile(t, "good.har", har(t, recorded, 401, refused))
	bad := writeFile(t, "bad.har", har(t, recorded, 200, `{"token":7}`))
	foreign := writeFile(t, "foreign.har", har(t, "https://www.example.com/"+password, 200, "{}"))
	base := []string{"har", "-base-url", recorded}
	for _, c := range []struct {
		code int
		args []string
		out  string
	}{
		{0, append(base, good), ""},
		{0, append(base, foreign, good), ""},
		{1, append(base, bad), "Login: response: "},
		{1, append(base, good, "-"), "Login: response: "},
	} {
		code, stdout, stderr := call{args: c.args, stdin: har(t, recorded, 200, "[]")}.run(t)
		if code != c.code || (stdout == "") != (c.out == "") || !strings.HasPrefix(stdout, c.out) || (stderr == "") != (code == 0) {
			t.Errorf("%q: exit %d, printed %q and %q", c.args, code, stdout, stderr)
		}
	}
	fromVariable := call{args: []string{"har", good}, env: []string{"KALSHI_BASE_URL=" + recorded}}
	fromVariable.expect(t, 0, "")
	file := filepath.Join(t.TempDir(), "report")
	stdout, _ := call{args: append(base, bad, "-report", "json", "-report", "junit="+file)}.expect(t, 1, "Login: response: ")
	if !json.Valid([]byte(stdout)) {
		t.Errorf("printed %q, want JSON", stdout)
	}
	readReport(t, file)
}

func TestRecordedTrafficThatIsNotCheckedIsAnError(t *testing.T) {
	t.Parallel()
	foreign := writeFile(t, "foreign.har", har(t, "https://www.example.com/"+password, 200, "{}"))
	good := writeFile(t, "good.har", har(t, recorded, 401, refused))
	nothing := writeFile(t, "nothing.har", `{"log":{"version":"1.2","creator":{"name":"t","version":"1"},"entries":[]}}`)
	report := filepath.Join(t.TempDir(), "report.json")
	base := []string{"har", "-base-url", recorded}
	for want, args := range map[string][]string{
		"the requests go to https://www.example.com: check -base-url": append(base, foreign, "-report", "json="+report),
		"the files have no requests":                                  append(base, nothing),
		"none.har":                                                    append(base, "none.har"),
		"text: ":                                                      append(base, writeFile(t, "text", "no JSON")),
		"FILE is missing: give HAR files":                             base,
		"FILE is empty":                                               append(base, ""),
		"- is given twice":                                            append(base, "-", "-"),
		"the base URL is missing or empty":                            {"har", good},
		"-base-url is empty":                                          {"har", "-base-url", "", good},
		"-base-url: not an absolute URL":                              {"har", "-base-url", "example.com", good},
		"-document: open none":                                        append(base, good, "-document", "none"),
		"there is no format":                                          append(base, good, "-report", "yaml"),
		`-min-coverage is "80"`:                                       append(base, good, "-min-coverage", "80"),
	} {
		call{args: args}.expect(t, 2, want)
	}
	readReport(t, report)
	call{args: append(base, good, "-min-coverage", "100%")}.expect(t, 1, "%, and -min-coverage is 100%")
}

func TestOnlySomeOfManyHostsAreListed(t *testing.T) {
	t.Parallel()
	var hosts []string
	for i := range 9 {
		hosts = append(hosts, fmt.Sprint("h", i))
	}
	if got := list(hosts); got != "h0, h1, h2, h3, h4 and 4 others" {
		t.Error(got)
	}
}
