package main

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// programs log in once each. The first one is what the others are compared with.
var programs = []struct{ name, dir string }{
	{"net/http alone", "nethttp"}, {genClient, "gen"}, {ogenClient, "ogen"}, {ours, "kalshiauth"},
}

// linked is what a client adds to a program.
type linked struct {
	name          string
	size, modules int
}

// link builds the programs, and returns how large each is and how many modules it has besides its own. It has to run
// in the folder of this package.
func link() ([]linked, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, fmt.Errorf("a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var all []linked
	for _, p := range programs {
		file := filepath.Join(dir, p.dir)
		cmd := exec.Command("go", "build", "-trimpath", "-o", file, "./programs/"+p.dir) //nolint:gosec,noctx // our own
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build ./programs/%s: %w: %s", p.dir, err, out)
		}
		stat, err := os.Stat(file)
		if err != nil {
			return nil, fmt.Errorf("the program: %w", err)
		}
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("the program's modules: %w", err)
		}
		all = append(all, linked{p.name, int(stat.Size()), len(info.Deps)})
	}
	return all, nil
}

const linkedHead = `
### What a program links

One that logs in once, built by go build -trimpath; modules besides its own. kalshiauth and gen are one module; what
ogen generates is part of the program's own.

| client | MiB | over net/http alone | modules |
| --- | --: | --: | --: |
`

func printLinked(w io.Writer, all []linked) error {
	var text strings.Builder
	text.WriteString(linkedHead)
	for _, l := range all {
		over := ""
		if l != all[0] {
			over = fmt.Sprintf("%+.2f", mebibytes(l.size-all[0].size))
		}
		fmt.Fprintf(&text, "| %s | %.2f | %s | %d |\n", l.name, mebibytes(l.size), over, l.modules)
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

func mebibytes(n int) float64 { return float64(n) / (1 << 20) }
