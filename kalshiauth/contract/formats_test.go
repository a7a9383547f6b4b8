package contract_test

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

var formats = contract.Formats()

// nasty has what means something in one of the formats, and what does not print: an escape sequence for terminals, a
// change of the direction of text, an invisible space, bytes that are not UTF-8.
const nasty = "50% of a|b, <b>`c`</b> & \"d\": \r\n::error::e \x1b[31m \\ *f* [g](h) '</style></pre><script>alert(1)</script>" +
	" ]]> {{.}} ``` \u202egnp.exe\u2066 \u200b \x00 \u009b1m \ufeff \xff\xfe javascript:x \t\u2028 <img src=x onerror=y>"

// nastyReport returns a report whose texts are all nasty, those of fields that are added later, too.
func nastyReport() *contract.Report {
	report := &contract.Report{Checks: make([]contract.Check, 3)}
	fill(reflect.ValueOf(report).Elem())
	report.Password = contract.PasswordChanged
	for i, o := range []contract.Outcome{contract.Failed, contract.Skipped, contract.Passed} {
		report.Checks[i].Outcome = o
	}
	return report
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(nasty)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Map:
		v.Set(reflect.ValueOf(http.Header{nasty: {nasty, nasty}}))
	case reflect.Slice:
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		}
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 3, 14, 9, 26, 53, 5, time.FixedZone("", 3600))))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	case reflect.Func:
	default:
		panic("there is a field of a new kind: " + v.Kind().String())
	}
}

// reports are those that every format has to write.
var reports = map[string]*contract.Report{
	"empty": {},
	"good": {Checks: []contract.Check{{
		ID: "Login.accepts", Name: "Login lets in", Operation: "Login", Outcome: contract.Passed,
		Rule: "#/paths/~1log_in/post", Detail: "the answer is 200",
	}}},
	"not run": {
		Target: "https://example.com", Version: "v1.0.0", Document: "API 1", Password: contract.PasswordUntouched,
		Err: "no server answers at example.com",
	},
	"not finished": {
		Target: "https://example.com", Version: "v1.0.0", Document: "API 1", Password: contract.PasswordUnknown,
		Err: "context deadline exceeded", Checks: sampleReport().Checks, Statuses: sampleReport().Statuses,
	},
	"sample": sampleReport(),
	"nasty":  nastyReport(),
}

func TestEveryFormatWritesOnlyPrintableText(t *testing.T) {
	t.Parallel()
	for name, report := range reports {
		for _, f := range formats {
			text := written(t, report, f)
			if !utf8.ValidString(text) || !strings.HasSuffix(text, "\n") || strings.HasPrefix(text, "\n") {
				t.Errorf("%s, %s: it is not text: %q", name, f, text)
			}
			if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%s, %s: %q", name, f, text[i:min(i+20, len(text))])
			}
			if name == "nasty" && !strings.Contains(text, `\u202egnp.exe\u2066`) {
				t.Errorf("%s does not show a change of the direction of text", f)
			}
		}
	}
}

func TestNoFormatWritesTheNewPassword(t *testing.T) {
	t.Parallel()
	for _, state := range []contract.PasswordState{contract.PasswordChanged, contract.PasswordUnknown} {
		report := sampleReport()
		report.Password = state
		report.SetChanged([]kalshiauth.Credentials{{Email: email, Password: "hunter2-hunter2"}})
		for _, f := range formats {
			if text := written(t, report, f); strings.Contains(text, "hunter2") || !strings.Contains(text, "another password") &&
				!strings.Contains(text, `"`+string(state)+`"`) {
				t.Errorf("%s, %s: %s", state, f, text)
			}
		}
	}
	for _, state := range []contract.PasswordState{"", contract.PasswordUntouched, contract.PasswordKept} {
		report := sampleReport()
		report.Password = state
		for _, f := range formats {
			if strings.Contains(written(t, report, f), "another password") {
				t.Errorf("%s warns about a password that is %q", f, state)
			}
		}
	}
}

func TestEveryFormatSaysWhatWasCheckedAndHow(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sample", "not run", "not finished"} {
		report := reports[name]
		for _, f := range formats {
			text := strings.NewReplacer("&#58;", ":", "&#43;", "+").Replace(written(t, report, f))
			for _, want := range []string{report.Target, report.Version, report.Document, report.Err} {
				if !strings.Contains(strings.ReplaceAll(text, `\`, ""), want) {
					t.Errorf("%s, %s: it lacks %q:\n%s", name, f, want, text)
				}
			}
			if verdict := "could not run to the end: "; f != contract.FormatJSON && strings.Contains(text, verdict) != (report.Err != "") {
				t.Errorf("%s, %s: %s", name, f, text)
			}
			if strings.Contains(text, "The contract holds") {
				t.Errorf("%s, %s: it looks good: %s", name, f, text)
			}
		}
	}
	for _, f := range formats {
		text := written(t, &contract.Report{}, f)
		if strings.Contains(text, "The contract holds") {
			t.Errorf("%s looks good, and nothing was checked: %s", f, text)
		}
	}
}

func TestAReportOfChecksThatDidNotAllRunIsNotOK(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"good": true, "not run": false, "not finished": false, "sample": false} {
		if got := reports[name].OK(); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestGitHubAnnotationsAreEscaped(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile(`^::(error|warning|notice) title=([^,:\r\n]*)::([^\r\n]*)$`)
	escape := regexp.MustCompile(`%(25|0D|0A|3A|2C)`)
	for name, report := range reports {
		text := written(t, report, contract.FormatGitHub)
		var levels []string
		for i, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
			m := line.FindStringSubmatch(l)
			if m == nil || strings.Count(l, "%") != len(escape.FindAllString(l, -1)) {
				t.Errorf("%s: %q", name, l)
				continue
			}
			levels = append(levels, m[1])
			unescape := strings.NewReplacer("%25", "%", "%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",").Replace
			if c := slices.IndexFunc(report.Checks, func(c contract.Check) bool { return c.Outcome == contract.Failed }); c == i {
				begin, _, _ := strings.Cut(report.Checks[c].Detail, "\x1b")
				if !strings.HasPrefix(unescape(m[2]), report.Checks[c].ID[:5]) || !strings.HasPrefix(unescape(m[3]), begin) ||
					!strings.Contains(unescape(m[3]), "\nrule: ") || !strings.Contains(unescape(m[3]), "\nsent: ") {
					t.Errorf("%s: %q", name, m)
				}
			}
		}
		want := slices.Repeat([]string{"error"}, report.Count(contract.Failed))
		if report.Err != "" {
			want = append(want, "error")
		}
		if report.Password == contract.PasswordChanged || report.Password == contract.PasswordUnknown {
			want = append(want, "warning")
		}
		if want = append(want, "notice"); !slices.Equal(levels, want) {
			t.Errorf("%s: %q, want %q", name, levels, want)
		}
	}
}

func TestMarkdownTablesKeepTheirColumns(t *testing.T) {
	t.Parallel()
	unescaped := regexp.MustCompile("(^|[^\\\\])([|`*_\\[\\]~#!])|[<>](br>)?|@|::")
	for name, report := range reports {
		text := written(t, report, contract.FormatMarkdown)
		outside := regexp.MustCompile("(?ms)^(`{3,})text\n(.*?\n)?`{3,}$").ReplaceAllString(text, "")
		rows := 0
		for i, line := range strings.Split(outside, "\n") {
			if i == 0 && !strings.HasPrefix(line, "### ") {
				t.Errorf("%s: %q", name, line)
			}
			line = strings.TrimPrefix(line, "### ")
			line = strings.TrimSuffix(strings.TrimPrefix(line, "<details><summary>"), "</summary>")
			if line == "</details>" {
				continue
			}
			cells := []string{line}
			if strings.HasPrefix(line, "|") {
				rows++
				cells = regexp.MustCompile(`(^|[^\\])\|`).Split(line, -1)
				if len(cells) != 7 {
					t.Errorf("%s: %d cells in %q", name, len(cells)-2, line)
				}
			}
			for _, cell := range cells {
				cell = strings.NewReplacer("<br>", " ", `\\`, "", "&#", "&").Replace(strings.Trim(cell, "*"))
				if cell != " --- " && unescaped.MatchString(cell) {
					t.Errorf("%s: the text %q", name, cell)
				}
			}
		}
		want, folded := len(report.Checks), report.Count(contract.Failed)
		if folded+report.Count(contract.Skipped) > 0 {
			want += 2 // the head of the table
		}
		if report.Count(contract.Passed) > 0 {
			want += 2
			folded++
		}
		if rows != want {
			t.Errorf("%s: %d rows, want %d: %s", name, rows, want, text)
		}
		if got := strings.Count(outside, "<details>"); got != folded || strings.Count(outside, "</details>") != got {
			t.Errorf("%s: %d folded parts, want %d: %s", name, got, folded, text)
		}
	}
}

func TestMarkdownFitsIntoASummary(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(strings.Repeat("x", 5000)+"\n", 100)
	check := contract.Check{
		ID: "Login.x", Name: strings.Repeat("n", 80), Detail: strings.Repeat("d", 200), Rule: strings.Repeat("r", 80), Outcome: contract.Failed,
		Exchanges: slices.Repeat([]contract.Exchange{{RequestBody: long, Status: 200, ResponseBody: long}}, 10),
	}
	report := &contract.Report{Checks: slices.Repeat([]contract.Check{check}, 600)}
	if n := len(written(t, report, contract.FormatMarkdown)); n > 1<<20 {
		t.Errorf("it has %d bytes", n)
	}
}

func TestTextIsForPeople(t *testing.T) {
	t.Parallel()
	const want = `https://example.com/v1
API 1.0.0, kalshiauth contract v1.2.3, 2026-03-14T09:26:53Z, 8.3 s

FAIL Login.a: a
     b
     rule: #/c
     (earlier requests, not shown: 1)
     > GET https://example.com/v1/2
     < no response: reset
     > GET https://example.com/v1/3
     < 200 OK
     <
     < y
     <
     < incomplete: EOF
     > POST https://example.com/v1/log_in
     > Accept: a/b
     > X: 1
     > X: 2
     >
     > {
     > }
     < 500 Internal Server Error
     < A: XX… (more characters: 3)
skip Login.d: d
     e
ok   Login.f: f

2 of 5 documented statuses seen (40%); not seen: Login 400, 401; Logout 204
The account may have another password now, not the one that it had before the checks.
The contract is broken
1 passed, 1 failed, 1 skipped
`
	exchange := func(number string) contract.Exchange {
		return contract.Exchange{Method: "GET", URL: "https://example.com/v1/" + number, Error: "reset"}
	}
	cut := exchange("3")
	cut.Status, cut.ResponseBody, cut.Error = 200, "y", "EOF"
	report := &contract.Report{
		Target: "https://example.com/v1", Document: "API 1.0.0", Version: "v1.2.3", Duration: 8312 * time.Millisecond,
		Started: time.Date(2026, 3, 14, 10, 26, 53, 0, time.FixedZone("", 3600)), Password: contract.PasswordUnknown,
		Checks: []contract.Check{
			{
				ID: "Login.a", Name: "a", Operation: "Login", Outcome: contract.Failed, Rule: "#/c", Detail: "b",
				Exchanges: []contract.Exchange{exchange("1"), exchange("2"), cut, {
					Method: "POST", URL: "https://example.com/v1/log_in", RequestHeader: http.Header{"X": {"1", "2"}, "Accept": {"a/b"}},
					RequestBody: "{\r\n}\n", Status: 500, ResponseHeader: http.Header{"A": {strings.Repeat("x", 200)}},
				}},
			},
			{ID: "Login.d", Name: "d", Operation: "Login", Outcome: contract.Skipped, Rule: "#/c", Detail: "e"},
			{ID: "Login.f", Name: "f", Operation: "Login", Outcome: contract.Passed, Rule: "#/c", Detail: "g"},
		},
		Statuses: []contract.StatusCount{
			{Operation: "Login", Status: "200", Seen: 2},
			{Operation: "Login", Status: "400"},
			{Operation: "Login", Status: "401"},
			{Operation: "Logout", Status: "204"},
			{Operation: "Logout", Status: "400", Seen: 1, Broken: 1},
		},
	}
	if got := strings.ReplaceAll(written(t, report, contract.FormatText), strings.Repeat("x", 197), "XX"); got != want {
		t.Errorf("the text is\n%s", got)
	}
	if got := written(t, reports["good"], contract.FormatText); got != "ok   Login.accepts: Login lets in\n\nThe contract holds\n1 passed, 0 failed, 0 skipped\n" {
		t.Errorf("the text is %q", got)
	}
}

// failing is a writer that does not.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	report := reports["good"]
	if err := report.Write(failing{}, contract.FormatText); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	if err := report.Write(io.Discard, "yaml"); err == nil || !strings.Contains(err.Error(), `"yaml"`) {
		t.Error(err)
	}
	for _, f := range formats {
		if got, err := contract.ParseFormat(string(f)); got != f || err != nil {
			t.Error(got, err)
		}
	}
	got, err := contract.ParseFormat("Text")
	if got != "" || err == nil || !strings.HasSuffix(err.Error(), "the formats are github, html, json, junit, markdown, text") {
		t.Error(got, err)
	}
}
