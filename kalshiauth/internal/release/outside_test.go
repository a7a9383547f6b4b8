package release_test

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// release prepares and tags a release as CONTRIBUTING.md says.
func (r repository) release(m, root module) {
	r.Helper()
	if m.dir == "" {
		r.replace("kalshiauth/client.go", `^const ownUserAgent = .*$`, `const ownUserAgent = "kalshiauth-go/`+number+`"`)
	} else {
		mustRun(r.T, filepath.Join(r.dir, m.dir), nil, "go", "mod", "edit", "-require="+root.path+"@v"+number)
	}
	r.describe(path.Join(m.dir, number))
	r.commit()
	if out, status := r.check(m.tag()); status != 0 {
		r.Fatalf("%s cannot be released:\n%s", m.tag(), out)
	}
	r.git("tag", m.tag())
}

// TestProgramsUseTheTaggedModules releases all modules as they are now, and builds and runs a program outside the
// repository with each. The program gets them from a module proxy, without a replace directive.
func TestProgramsUseTheTaggedModules(t *testing.T) {
	t.Parallel()
	r := newRepository(t, filesHere(t, ".")...)
	r.commit()
	modules := r.modules()
	root := modules[0]
	for _, m := range modules {
		r.release(m, root)
	}

	// The go command makes the files of a proxy from the tags of the repository, as a public proxy does.
	local, empty := t.TempDir(), t.TempDir()
	download := []string{"mod", "download", "-json"}
	for _, m := range modules {
		download = append(download, m.path+"@v"+number)
	}
	out := mustRun(t, empty, []string{
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_VALUE_0=https://" + root.path,
		"GIT_CONFIG_KEY_0=url." + fileURL(r.dir) + ".insteadOf",
		"GOFLAGS=-modcacherw", "GOMODCACHE=" + local, "GONOSUMDB=" + root.path, "GOPROXY=direct",
	}, "go", download...)
	for answers := json.NewDecoder(strings.NewReader(out)); answers.More(); {
		var answer struct{ Path, Dir string }
		if err := answers.Decode(&answer); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(answer.Dir, "LICENSE")); err != nil {
			t.Errorf("%s has no license: %v", answer.Path, err)
		}
		for _, m := range modules[1:] {
			if _, err := os.Stat(filepath.Join(answer.Dir, m.dir)); err == nil {
				t.Errorf("%s has the files of %s, too", answer.Path, m.path)
			}
		}
	}

	// The dependencies come from the module cache. Our made-up versions stay out of it.
	env := []string{
		"GOFLAGS=-mod=mod -modcacherw -trimpath", "GOMODCACHE=" + t.TempDir(), "GONOSUMDB=" + root.path,
		"GOPROXY=" + fileURL(filepath.Join(local, "cache", "download")) + "," + cacheProxy(t) + "," + goEnv(t, "GOPROXY"),
	}
	for _, m := range modules {
		program := "kalshiauth"
		prints := "User-Agent: kalshiauth-go/" + number + "\n"
		if m.dir != "" {
			program, prints = path.Base(m.dir), "log-ins: 1\n"
		}
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			p := repository{t, t.TempDir()}
			source, err := os.ReadFile(filepath.Join("testdata", program, "main.go"))
			if err != nil {
				t.Fatalf("add a program that uses %s: %v", m.path, err)
			}
			p.write("main.go", string(source))
			// The sums of all dependencies, so that no checksum database is asked.
			sums := r.read("go.sum")
			p.write("go.mod", "module example.com/outside\n\ngo 1.25.0\n\nrequire "+root.path+" v"+number+"\n")
			if m.dir != "" {
				sums += r.read(path.Join(m.dir, "go.sum"))
				mustRun(t, p.dir, nil, "go", "mod", "edit", "-require="+m.path+"@v"+number)
			}
			p.write("go.sum", sums)
			mustRun(t, p.dir, env, "go", "build", "-o", "program", ".")
			if out := mustRun(t, p.dir, nil, "./program"); out != prints {
				t.Errorf("it prints %q, want %q", out, prints)
			}
			if strings.Contains(p.read("go.mod"), "replace") {
				t.Error("its go.mod has a replace directive")
			}
			if m.dir != "" {
				return
			}
			// go mod graph has all modules of go list -m all, but asks no proxy for their dates.
			for _, list := range [][]string{{"mod", "graph"}, {"list", "-deps"}} {
				if out := mustRun(t, p.dir, env, "go", list...); strings.Contains(out, "redis") {
					t.Errorf("go %s of a program without redisstore:\n%s", strings.Join(list, " "), out)
				}
			}
		})
	}
}
