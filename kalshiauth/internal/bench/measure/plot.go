package main

import (
	"fmt"
	"html"
	"strings"
)

// A panel is one group of bars.
type panel struct {
	title string
	bars  []bar
}

type bar struct {
	label, text string
	value       float64
	ours        bool
}

const plotHead = `<svg xmlns="http://www.w3.org/2000/svg" width="760" height="%[1]d" viewBox="0 0 760 %[1]d" role="img">
<title>%[2]s</title>
<style>
.back { fill: #ffffff; stroke: #d0d7de }
text { fill: #1f2328; font: 14px system-ui, sans-serif }
.title { font-weight: 600 }
.other { fill: #afb8c1 }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117; stroke: #30363d }
text { fill: #e6edf3 }
.other { fill: #6e7681 }
.ours { fill: #4493f8 }
}
</style>
<rect class="back" x="0.5" y="0.5" width="759" height="%[3]d" rx="6"/>
`

// svg draws the panels one below the other. Each has its own scale, which starts at 0. The background belongs to the
// picture, so that it can be read on light and dark pages.
func svg(title string, panels []panel) string {
	const top, row, gap = 16, 26, 14
	var shapes strings.Builder
	y := top
	for _, p := range panels {
		longest := 0.0
		for _, b := range p.bars {
			longest = max(longest, b.value)
		}
		fmt.Fprintf(&shapes, `<text class="title" x="16" y="%d">%s</text>`+"\n", y+15, html.EscapeString(p.title))
		y += row
		for _, b := range p.bars {
			class, width := "other", max(1, 360*max(0, b.value)/max(longest, 1e-9))
			if b.ours {
				class = "ours"
			}
			fmt.Fprintf(&shapes, `<text x="160" y="%d" text-anchor="end">%s</text>`+"\n", y+15, html.EscapeString(b.label))
			fmt.Fprintf(&shapes, `<rect class="%s" x="170" y="%d" width="%.1f" height="18" rx="2"/>`+"\n", class, y+1, width)
			fmt.Fprintf(&shapes, `<text x="%.1f" y="%d">%s</text>`+"\n", 178+width, y+15, html.EscapeString(b.text))
			y += row
		}
		y += gap
	}
	return fmt.Sprintf(plotHead, y, html.EscapeString(title), y-1) + shapes.String() + "</svg>\n"
}
