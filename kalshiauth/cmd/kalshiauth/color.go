package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// red returns text in red for a terminal that shows colors, unless the user wants none: see https://no-color.org.
func red(w io.Writer, text string) string {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || !showsColors(file) ||
		os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[31m" + text + "\x1b[0m"
}
