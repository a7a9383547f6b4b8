// Package release_test tests the scripts of a release, and that programs can use the released modules.
package release_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const (
	top       = "../../.." // of this repository
	changelog = ".github/CHANGELOG.md"
)

// environment is that of this process, without settings of git and Go that change what commands do.
var environment = append(slices.DeleteFunc(os.Environ(), func(setting string) bool {
	return strings.HasPrefix(setting, "GIT_")
}),
	"GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
	"GIT_AUTHOR_NAME=Releaser", "GIT_AUTHOR_EMAIL=releaser@example.com",
	"GIT_COMMITTER_NAME=Releaser", "GIT_COMMITTER_EMAIL=releaser@example.com",
	"GOFLAGS=-buildvcs=false", "GOWORK=off",
)

// run runs a command in dir, and returns what it printed and its exit status.
func run(t *testing.T, dir string, env []string, name string, args ...string) (output string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...) //nolint:gosec // the tests choose the commands
	cmd.Dir, cmd.Env = dir, slices.Concat(environment, env)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// mustRun is run for a command that must succeed.
func mustRun(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	out, status := run(t, dir, env, name, args...)
	if status != 0 {
		t.Fatalf("%s %s: exit status %d\n%s", name, strings.Join(args, " "), status, out)
	}
	return out
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(mustRun(t, "", nil, "go", "env", name))
}

// cacheProxy is the URL of the module cache, which has the layout of a module proxy.
func cacheProxy(t *testing.T) string {
	t.Helper()
	return fileURL(filepath.Join(goEnv(t, "GOMODCACHE"), "cache", "download"))
}

func fileURL(name string) string { return "file://" + filepath.ToSlash(name) }

// A repository is a git repository that the test may change.
type repository struct {
	*testing.T
	dir string
}

// newRepository returns a repository without commits that has the given files of this one.
func newRepository(t *testing.T, files ...string) repository {
	t.Helper()
	r := repository{t, t.TempDir()}
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(top, name)) //nolint:gosec // git lists the files
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, but git still knows it
		}
		if err != nil {
			t.Fatal(err)
		}
		r.write(name, string(text))
	}
	r.git("init", "--quiet")
	return r
}

// filesHere returns the files of this repository, committed or not, that match one of the patterns. It skips the test
// where there is no repository, as in a module that was downloaded.
func filesHere(t *testing.T, patterns ...string) []string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("releases are made on Linux and macOS")
	}
	if _, err := os.Stat(filepath.Join(top, ".git")); err != nil {
		t.Skip("this is not a git repository")
	}
	list := []string{"ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"}
	out := mustRun(t, top, nil, "git", append(list, patterns...)...)
	files := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
	// go test sees that a file is new if the test reads the directory.
	for _, name := range files {
		if _, err := os.ReadDir(filepath.Dir(filepath.Join(top, name))); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return files
}

func (r repository) git(args ...string) string {
	r.Helper()
	return mustRun(r.T, r.dir, nil, "git", args...)
}

func (r repository) commit() {
	r.Helper()
	r.git("add", "--all")
	r.git("commit", "--quiet", "--message=A change")
}

func (r repository) read(name string) string {
	r.Helper()
	text, err := fs.ReadFile(os.DirFS(r.dir), name)
	if err != nil {
		r.Fatal(err)
	}
	return string(text)
}

func (r repository) write(name, text string) {
	r.Helper()
	name = filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		r.Fatal(err)
	}
	err := os.WriteFile(name, []byte(text), 0o600) //nolint:gosec // it is in a temporary directory
	if err != nil {
		r.Fatal(err)
	}
}

// replace replaces what matches pattern, which must match.
func (r repository) replace(name, pattern, with string) {
	r.Helper()
	text, re := r.read(name), regexp.MustCompile("(?m)"+pattern)
	if !re.MatchString(text) {
		r.Fatalf("%s has no match of %s", name, pattern)
	}
	r.write(name, re.ReplaceAllString(text, with))
}

// describe adds the section of a release to the changelog.
func (r repository) describe(version string) {
	r.Helper()
	r.write(changelog, r.read(changelog)+"\n## ["+version+"] - 2026-01-02\n\n- A change.\n")
}

// check runs release-check.sh.
func (r repository) check(tag string, env ...string) (output string, status int) {
	r.Helper()
	return run(r.T, r.dir, env, "bash", ".github/scripts/release-check.sh", tag)
}

// number is a version of all modules, higher than any real one.
const number = "1.999.0"

// A module is one that users import.
type module struct {
	dir  string // "": the root module
	path string
}

func (m module) tag() string { return path.Join(m.dir, "v"+number) }

// modules returns the modules that users import, the root module first.
func (r repository) modules() []module {
	r.Helper()
	var all []module
	for name := range strings.FieldsSeq(r.git("ls-files", "go.mod", "*/go.mod")) {
		if dir := strings.TrimSuffix(path.Dir(name), "."); !strings.Contains("/"+dir+"/", "/internal/") {
			m := module{dir, strings.TrimSpace(mustRun(r.T, filepath.Join(r.dir, dir), nil, "go", "list", "-m"))}
			if dir == "" {
				all = append([]module{m}, all...)
			} else {
				all = append(all, m)
			}
		}
	}
	return all
}
