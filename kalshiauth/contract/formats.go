package contract

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
)

func (r *Report) text() ([]byte, error) {
	marks := map[Outcome]string{Passed: "ok  ", Failed: "FAIL", Skipped: "skip"}
	var b bytes.Buffer
	if r.Target != "" {
		fmt.Fprintf(&b, "%s\n%s\n\n", oneLine(r.Target), oneLine(strings.Join(r.origin(), ", ")))
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		fmt.Fprintf(&b, "%s %s\n", marks[c.Outcome], oneLine(c.label()))
		if c.Outcome != Passed {
			fmt.Fprintf(&b, "     %s\n", oneLine(c.Detail))
		}
		if c.Outcome == Failed {
			fmt.Fprintf(&b, "     rule: %s\n", oneLine(c.Rule))
			for _, line := range c.conversation() {
				fmt.Fprintf(&b, "     %s\n", line)
			}
		}
	}
	if len(r.Checks) > 0 {
		fmt.Fprintln(&b)
	}
	if coverage := r.coverage(); coverage != "" {
		if _, missing := r.seen(); missing != "" {
			coverage += "; not seen: " + missing
		}
		fmt.Fprintln(&b, oneLine(coverage))
	}
	if warning := r.passwordWarning(); warning != "" {
		fmt.Fprintln(&b, warning)
	}
	fmt.Fprintf(&b, "%s\n%s\n", oneLine(r.verdict().Text), r)
	return b.Bytes(), nil
}

// In GitHub's workflow commands, a message ends at a newline, and a property also at a comma or colon.
var (
	githubMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func (r *Report) github() ([]byte, error) {
	var b bytes.Buffer
	annotate := func(level, name string, lines ...string) {
		fmt.Fprintf(&b, "::%s title=%s::%s\n", level, githubProperty.Replace(name),
			githubMessage.Replace(strings.Join(lines, "\n")))
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		if c.Outcome != Failed {
			continue
		}
		lines := []string{c.Detail, "rule: " + c.Rule}
		if n := len(c.Exchanges); n > 0 {
			sent, _ := c.Exchanges[n-1].request()
			came, _ := c.Exchanges[n-1].response()
			lines = append(lines, "sent: "+sent, "came: "+came)
		}
		annotate("error", c.label(), lines...)
	}
	v := r.verdict()
	if r.Err != "" {
		annotate("error", title, v.Text)
	}
	if warning := r.passwordWarning(); warning != "" {
		annotate("warning", title, warning)
	}
	summary := []string{r.String()}
	if coverage := r.coverage(); coverage != "" {
		summary = append(summary, coverage)
	}
	if r.Target != "" {
		summary = append(summary, "target: "+r.Target, strings.Join(r.origin(), ", "))
	}
	annotate("notice", title, summary...)
	return b.Bytes(), nil
}

// markdownText escapes a text for one line of Markdown, or for a cell of a table.
var markdownText = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "", "\n", "<br>", `\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`,
	"[", `\[`, "]", `\]`, "~", `\~`, "#", `\#`, "!", `\!`, "@", "&#64;", ":", "&#58;",
).Replace

var markdownMarks = map[Outcome]string{Passed: "✅", Failed: "❌", Skipped: "⚪"}

// maxConversations is the number of failed checks whose requests and answers are in the Markdown: GitHub does not take
// a job's summary of more than 1 MiB.
const maxConversations = 20

func (r *Report) markdown() ([]byte, error) {
	var b bytes.Buffer
	paragraph := func(texts ...string) {
		if text := strings.Join(texts, ", "); text != "" {
			fmt.Fprintf(&b, "%s\n\n", markdownText(text))
		}
	}
	v := r.verdict()
	fmt.Fprintf(&b, "### %s %s: %s\n\n", markdownMarks[v.Outcome], markdownText(v.Text), r)
	if r.Target != "" {
		paragraph(append([]string{r.Target}, r.origin()...)...)
	}
	if warning := r.passwordWarning(); warning != "" {
		fmt.Fprintf(&b, "**%s**\n\n", warning)
	}
	paragraph(r.coverage())
	if _, missing := r.seen(); missing != "" {
		paragraph("Not seen: " + missing)
	}
	r.markdownTable(&b, Failed, Skipped)
	shown := 0
	for i := range r.Checks {
		c := &r.Checks[i]
		if lines := c.conversation(); c.Outcome == Failed && len(lines) > 0 && shown < maxConversations {
			shown++
			text := strings.Join(lines, "\n")
			fence := fenceOf(text)
			fmt.Fprintf(&b, "<details><summary>%s</summary>\n\n%stext\n%s\n%[2]s\n\n</details>\n\n",
				markdownText(cmp.Or(c.ID, c.Name)), fence, text)
		}
	}
	if n := r.Count(Passed); n > 0 {
		fmt.Fprintf(&b, "<details><summary>%d passed</summary>\n\n", n)
		r.markdownTable(&b, Passed)
		b.WriteString("</details>\n")
	}
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n'), nil
}

// markdownTable writes a table of the checks with some outcomes, in this order, and nothing if there are none.
func (r *Report) markdownTable(b *bytes.Buffer, outcomes ...Outcome) {
	rows := 0
	for _, o := range outcomes {
		for i := range r.Checks {
			c := &r.Checks[i]
			if c.Outcome != o {
				continue
			}
			if rows == 0 {
				b.WriteString("| Outcome | ID | Check | Detail | Rule |\n| --- | --- | --- | --- | --- |\n")
			}
			rows++
			fmt.Fprintf(b, "| %s %s | %s | %s | %s | %s |\n", markdownMarks[o], o,
				markdownText(c.ID), markdownText(c.Name), markdownText(c.Detail), markdownText(c.Rule))
		}
	}
	if rows > 0 {
		b.WriteString("\n")
	}
}

// fenceOf returns a Markdown code fence that does not occur in a text.
func fenceOf(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence
}
