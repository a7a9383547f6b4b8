package release_test

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

type workflow struct {
	On struct {
		Push struct{ Tags []string }
	}
	Jobs map[string]struct {
		Steps []struct{ Name, Run string }
	}
}

func releaseWorkflow(t *testing.T) workflow {
	t.Helper()
	text, err := os.ReadFile(top + "/.github/workflows/release.yml")
	if err != nil {
		t.Fatal(err)
	}
	var w workflow
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTheTagOfEachModuleStartsTheReleaseWorkflow(t *testing.T) {
	t.Parallel()
	r := newRepository(t, filesHere(t, "go.mod", "*/go.mod")...)
	r.commit()
	patterns := releaseWorkflow(t).On.Push.Tags
	tags := []string{"kalshiauth/redisstore/v1.2.3"}
	for _, m := range r.modules() {
		tags = append(tags, m.tag())
	}
	for _, tag := range tags {
		// As in a workflow, * matches no slash.
		if !slices.ContainsFunc(patterns, func(p string) bool { ok, err := path.Match(p, tag); return ok && err == nil }) {
			t.Errorf("%s matches none of %q", tag, patterns)
		}
	}
}

// TestTheReleaseWorkflowCreatesTheRelease runs the workflow's last step, with a gh that prints its arguments.
func TestTheReleaseWorkflowCreatesTheRelease(t *testing.T) {
	t.Parallel()
	r := newRepository(t, filesHere(t, ".github/scripts/*.sh")...)
	steps := releaseWorkflow(t).Jobs["publish"].Steps
	step := steps[len(steps)-1]
	r.write(changelog, "# Changelog\n")
	r.write("bin/gh", "#!/bin/sh\necho \"$*\"\ncat \"$8\"\n")
	if err := os.Chmod(filepath.Join(r.dir, "bin", "gh"), 0o700); err != nil { //nolint:gosec // it must be executable
		t.Fatal(err)
	}
	for tag, flags := range map[string]string{
		"v1.2.3":                            "",
		"v1.2.3-rc.1":                       " --prerelease",
		"kalshiauth/redisstore/v0.1.0":      " --latest=false",
		"kalshiauth/redisstore/v0.1.0-rc.1": " --prerelease --latest=false",
		"kalshiauth/redis-store/v0.1.0":     " --latest=false",
	} {
		r.describe(strings.Replace(tag, "v", "", 1))
		temp := t.TempDir()
		out := mustRun(t, r.dir, []string{
			"GITHUB_REF_NAME=" + tag, "RUNNER_TEMP=" + temp,
			"PATH=" + filepath.Join(r.dir, "bin") + string(os.PathListSeparator) + os.Getenv("PATH"),
		}, "bash", "-e", "-c", step.Run)
		notes := filepath.Join(temp, "notes.md")
		want := "release create " + tag + " --verify-tag --title " + tag + " --notes-file " + notes + flags + "\n- A change.\n"
		if out != want {
			t.Errorf("%s: %q, want %q", tag, out, want)
		}
	}
}
