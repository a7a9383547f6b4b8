package contract

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// What the formats have in common.

const title = "kalshiauth contract"

// A verdict is the result of a report in one sentence.
type verdict struct {
	Outcome Outcome // Skipped: there is none, because not all checks ran
	Text    string
}

func (r *Report) verdict() verdict {
	incomplete := "could not run to the end: " + r.Err
	seen, _ := r.seen()
	switch failed := r.Count(Failed) > 0; {
	case failed && r.Err != "":
		return verdict{Failed, "The contract is broken, and the checks " + incomplete}
	case failed:
		return verdict{Failed, "The contract is broken"}
	case r.Err != "":
		return verdict{Skipped, "The checks " + incomplete}
	case r.Count(Passed) == 0 && seen == 0:
		return verdict{Skipped, "Nothing was checked"}
	default:
		return verdict{Passed, "The contract holds"}
	}
}

// seen returns the number of pairs that were seen, and the others, such as "Login 400, 403; Logout 500".
func (r *Report) seen() (n int, missing string) {
	var b strings.Builder
	last := ""
	for _, s := range r.Statuses {
		switch {
		case s.Seen > 0:
			n++
			continue
		case b.Len() == 0:
			b.WriteString(s.Operation + " ")
		case s.Operation == last:
			b.WriteString(", ")
		default:
			b.WriteString("; " + s.Operation + " ")
		}
		b.WriteString(s.Status)
		last = s.Operation
	}
	return n, b.String()
}

// coverage returns a sentence part, or "" if the report has no statuses.
func (r *Report) coverage() string {
	if len(r.Statuses) == 0 {
		return ""
	}
	seen, _ := r.seen()
	return fmt.Sprintf("%d of %d documented statuses seen (%d%%)", seen, len(r.Statuses), 100*seen/len(r.Statuses))
}

// passwordWarning returns a sentence if the account may have another password, and otherwise "".
func (r *Report) passwordWarning() string {
	switch r.Password {
	case PasswordChanged:
		return "The account has another password now, not the one that it had before the checks."
	case PasswordUnknown:
		return "The account may have another password now, not the one that it had before the checks."
	default:
		return ""
	}
}

// origin returns what was checked, by what and when, as far as the report has it.
func (r *Report) origin() []string {
	var parts []string
	if r.Document != "" {
		parts = append(parts, r.Document)
	}
	parts = append(parts, strings.TrimSpace(title+" "+r.Version))
	if !r.Started.IsZero() {
		parts = append(parts, r.Started.UTC().Format(time.RFC3339), elapsed(r.Duration))
	}
	return parts
}

func elapsed(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// label returns the ID and the name of a check.
func (c *Check) label() string {
	if c.ID == "" {
		return c.Name
	}
	return c.ID + ": " + c.Name
}

// request returns the request as HTTP text, with the whole URL: its first line and the rest.
func (e *Exchange) request() (start, rest string) {
	return strings.TrimSpace(e.Method + " " + e.URL), message(e.RequestHeader, e.RequestBody)
}

// response returns the response as HTTP text, or why there is none.
func (e *Exchange) response() (start, rest string) {
	if e.Status == 0 {
		return "no response: " + e.Error, ""
	}
	start = strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)))
	rest = message(e.ResponseHeader, e.ResponseBody)
	if e.Error != "" {
		if rest != "" {
			rest += "\n"
		}
		rest += "\nincomplete: " + e.Error
	}
	return start, rest
}

func message(header http.Header, body string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			fmt.Fprintf(&b, "%s: %s\n", oneLine(name), oneLine(value))
		}
	}
	if body != "" {
		b.WriteString("\n" + body)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Limits of a check's exchanges where they have to be short.
const (
	maxExchanges = 3   // the last ones
	maxLines     = 20  // of a request or response
	maxLine      = 200 // characters
)

// conversation returns the last exchanges of a check in short: lines that begin with "> " were sent, "< " came.
func (c *Check) conversation() []string {
	var lines []string
	exchanges := c.Exchanges
	if more := len(exchanges) - maxExchanges; more > 0 {
		lines = append(lines, fmt.Sprintf("(earlier requests, not shown: %d)", more))
		exchanges = exchanges[more:]
	}
	for i := range exchanges {
		start, rest := exchanges[i].request()
		lines = appendMessage(lines, "> ", start+"\n"+rest)
		start, rest = exchanges[i].response()
		lines = appendMessage(lines, "< ", start+"\n"+rest)
	}
	return lines
}

func appendMessage(lines []string, prefix, text string) []string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range all {
		if i == maxLines {
			return append(lines, fmt.Sprintf("%s(more lines: %d)", prefix, len(all)-i))
		}
		if characters := []rune(line); len(characters) > maxLine {
			line = fmt.Sprintf("%s… (more characters: %d)", string(characters[:maxLine]), len(characters)-maxLine)
		}
		lines = append(lines, strings.TrimRight(prefix+oneLine(line), " "))
	}
	return lines
}

// oneLine makes line breaks and tabs spaces.
var oneLine = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ", "\t", " ").Replace

// printable escapes what does not print, except for line breaks and tabs, as JSON does. It makes "\r\n" a "\n".
func printable(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	var b bytes.Buffer
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		if unicode.IsPrint(r) || r == '\n' || r == '\t' {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.Bytes()
}
