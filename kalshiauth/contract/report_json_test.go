package contract_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

func reportSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile("report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// decoded returns a report's JSON. It fails the test if something follows.
func decoded(t *testing.T, report *contract.Report) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(written(t, report, contract.FormatJSON)))
	var got map[string]any
	if err := decoder.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("something follows: %v", err)
	}
	return got
}

func TestJSONFollowsItsSchema(t *testing.T) {
	t.Parallel()
	schema := reportSchema(t)
	for name, report := range reports {
		if err := schema.Validate(decoded(t, report)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheJSONSchemaRefusesOtherReports removes each property of a report, gives it each other JSON type, and adds one.
func TestTheJSONSchemaRefusesOtherReports(t *testing.T) {
	t.Parallel()
	schema := reportSchema(t)
	report := decoded(t, sampleReport())
	if err := schema.Validate(report); err != nil {
		t.Fatal(err)
	}
	tried := 0
	refused := func(place string) {
		tried++
		if schema.Validate(report) == nil {
			t.Errorf("the schema accepts %s", place)
		}
	}
	var breakEach func(place string, value any)
	breakEach = func(place string, value any) {
		object, ok := value.(map[string]any)
		if list, isList := value.([]any); isList && len(list) > 0 {
			breakEach(place+"/0", list[0])
		}
		if !ok {
			return
		}
		isHeader := strings.HasSuffix(place, "_header")
		for _, name := range slices.Sorted(maps.Keys(object)) {
			was := object[name]
			for _, other := range []any{nil, true, 0.5, -1.0, "x\x00", []any{1.0}, map[string]any{"x": 1.0}} {
				if kind(other) != kind(was) || other == -1.0 {
					object[name] = other
					refused(place + "/" + name + " with " + kind(other))
				}
			}
			delete(object, name)
			if !isHeader {
				refused(place + " without " + name)
			}
			object[name] = was
			breakEach(place+"/"+name, was)
		}
		if !isHeader {
			object["more"] = ""
			refused(place + " with another property")
			delete(object, "more")
		}
	}
	breakEach("", report)
	for name, value := range map[string]any{
		"version": 2.0, "password": "lost", "started": "2026-03-14 09:26:53", "passed": 1.5, "duration_ms": -0.1,
	} {
		was := report[name]
		report[name] = value
		refused(name)
		report[name] = was
	}
	if err := schema.Validate(report); err != nil || tried < 200 {
		t.Errorf("%d tries, and now the report is %v", tried, err)
	}
}

func kind(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	default:
		return "object"
	}
}

func TestJSONIsWhatItSays(t *testing.T) {
	t.Parallel()
	valid := func(text string) string { return string([]rune(text)) } // U+FFFD for each byte that is not UTF-8
	for name, report := range reports {
		got := decoded(t, report)
		seen := 0
		for _, s := range report.Statuses {
			seen += min(1, s.Seen)
		}
		coverage := got["coverage"].(map[string]any)
		for _, pair := range [][2]any{
			{got["version"], float64(contract.JSONFormatVersion)},
			{got["ok"], report.OK()},
			{got["target"], valid(report.Target)},
			{got["error"], valid(report.Err)},
			{got["failed"], float64(report.Count(contract.Failed))},
			{got["passed"].(float64) + got["failed"].(float64) + got["skipped"].(float64), float64(len(report.Checks))},
			{got["password"], string(report.Password)},
			{got["duration_ms"], float64(report.Duration) / 1e6},
			{got["started"], report.Started.UTC().Format(time.RFC3339Nano)},
			{coverage["seen"], float64(seen)},
			{coverage["documented"], float64(len(report.Statuses))},
			{coverage["ratio"], report.Coverage()},
			{len(coverage["statuses"].([]any)), len(report.Statuses)},
			{len(got["checks"].([]any)), len(report.Checks)},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: %v, want %v", name, pair[0], pair[1])
			}
		}
		for i, c := range got["checks"].([]any) {
			c, want := c.(map[string]any), report.Checks[i]
			if c["id"] != valid(want.ID) || c["name"] != valid(want.Name) || c["operation"] != valid(want.Operation) ||
				c["outcome"] != string(want.Outcome) || c["rule"] != valid(want.Rule) || c["detail"] != valid(want.Detail) ||
				c["duration_ms"] != float64(want.Duration)/1e6 || len(c["exchanges"].([]any)) != len(want.Exchanges) {
				t.Errorf("%s: check %d is %.500q", name, i, c)
			}
			for j, e := range c["exchanges"].([]any) {
				e, want := e.(map[string]any), want.Exchanges[j]
				if e["method"] != valid(want.Method) || e["url"] != valid(want.URL) || e["request_body"] != valid(want.RequestBody) ||
					e["status"] != float64(want.Status) || e["response_body"] != valid(want.ResponseBody) || e["error"] != valid(want.Error) ||
					len(e["request_header"].(map[string]any)) != len(want.RequestHeader) ||
					len(e["response_header"].(map[string]any)) != len(want.ResponseHeader) {
					t.Errorf("%s: exchange %d of check %d is %.500q", name, j, i, e)
				}
			}
		}
	}
}
