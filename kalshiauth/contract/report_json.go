package contract

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// jsonFormatVersion is "version" in a report of FormatJSON. A change that breaks its readers increases it; a new
// property does not. See report.schema.json.
const jsonFormatVersion = 1

type jsonReport struct {
	Version     int           `json:"version"`
	Target      string        `json:"target"`
	Document    string        `json:"document"`
	ToolVersion string        `json:"tool_version"`
	Started     time.Time     `json:"started"`
	DurationMS  float64       `json:"duration_ms"`
	OK          bool          `json:"ok"`
	Error       string        `json:"error"`
	Passed      int           `json:"passed"`
	Failed      int           `json:"failed"`
	Skipped     int           `json:"skipped"`
	Password    PasswordState `json:"password"`
	Coverage    jsonCoverage  `json:"coverage"`
	Checks      []jsonCheck   `json:"checks"`
}

type jsonCoverage struct {
	Seen       int          `json:"seen"`
	Documented int          `json:"documented"`
	Ratio      float64      `json:"ratio"`
	Statuses   []jsonStatus `json:"statuses"`
}

type jsonStatus struct {
	Operation string `json:"operation"`
	Status    string `json:"status"`
	Seen      int    `json:"seen"`
	Broken    int    `json:"broken"`
}

type jsonCheck struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Operation  string         `json:"operation"`
	Outcome    Outcome        `json:"outcome"`
	Rule       string         `json:"rule"`
	Detail     string         `json:"detail"`
	Started    time.Time      `json:"started"`
	DurationMS float64        `json:"duration_ms"`
	Exchanges  []jsonExchange `json:"exchanges"`
}

type jsonExchange struct {
	Method         string      `json:"method"`
	URL            string      `json:"url"`
	RequestHeader  http.Header `json:"request_header"`
	RequestBody    string      `json:"request_body"`
	Status         int         `json:"status"`
	ResponseHeader http.Header `json:"response_header"`
	ResponseBody   string      `json:"response_body"`
	Error          string      `json:"error"`
}

func (r *Report) json() ([]byte, error) {
	seen, _ := r.seen()
	out := jsonReport{
		Version: jsonFormatVersion, Target: r.Target, Document: r.Document, ToolVersion: r.Version,
		Started: r.Started.UTC(), DurationMS: milliseconds(r.Duration), OK: r.OK(), Error: r.Err,
		Passed: r.Count(Passed), Failed: r.Count(Failed), Skipped: r.Count(Skipped), Password: r.Password,
		Coverage: jsonCoverage{
			Seen: seen, Documented: len(r.Statuses), Ratio: r.Coverage(), Statuses: make([]jsonStatus, len(r.Statuses)),
		},
		Checks: make([]jsonCheck, len(r.Checks)),
	}
	for i, s := range r.Statuses {
		out.Coverage.Statuses[i] = jsonStatus(s)
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		out.Checks[i] = jsonCheck{
			ID: c.ID, Name: c.Name, Operation: c.Operation, Outcome: c.Outcome, Rule: c.Rule, Detail: c.Detail,
			Started: c.Started.UTC(), DurationMS: milliseconds(c.Duration), Exchanges: make([]jsonExchange, len(c.Exchanges)),
		}
		for j := range c.Exchanges {
			e := jsonExchange(c.Exchanges[j])
			e.RequestHeader, e.ResponseHeader = notNil(e.RequestHeader), notNil(e.ResponseHeader)
			out.Checks[i].Exchanges[j] = e
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(out) //nolint:gosec // "password" is the state of one
	return b.Bytes(), err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func notNil(h http.Header) http.Header {
	if h == nil {
		return http.Header{}
	}
	return h
}
