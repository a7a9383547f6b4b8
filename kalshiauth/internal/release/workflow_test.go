package release_test

import (
	"fmt"
	"maps"
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
	Permissions map[string]string
	Jobs        map[string]struct {
		Permissions map[string]string
		Steps       []struct {
			Name, Run, Uses string
			With            map[string]any
		}
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
	const files = " RELEASE/SHA256SUMS RELEASE/kalshiauth.tar.gz"
	for tag, flags := range map[string]string{
		"v1.2.3":                            files,
		"v1.2.3-rc.1":                       " --prerelease" + files,
		"kalshiauth/redisstore/v0.1.0":      " --latest=false",
		"kalshiauth/redisstore/v0.1.0-rc.1": " --prerelease --latest=false",
		"kalshiauth/redis-store/v0.1.0":     " --latest=false",
	} {
		r.describe(strings.Replace(tag, "v", "", 1))
		temp := t.TempDir()
		for file := range strings.FieldsSeq(strings.ReplaceAll(files, "RELEASE", "release")) {
			repository{t, temp}.write(file, "")
		}
		flags = strings.ReplaceAll(flags, "RELEASE", filepath.Join(temp, "release"))
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

// TestTheReleaseWorkflowPublishesWhatItBuilds follows the files from the step that builds them to the release.
func TestTheReleaseWorkflowPublishesWhatItBuilds(t *testing.T) {
	t.Parallel()
	r := newRepository(t, filesHere(t, ".github/scripts/build-release.sh")...)
	r.write(".github/scripts/build-release.sh", `echo "builds $1 in $2"`)
	jobs := releaseWorkflow(t).Jobs
	built := ""
	for _, step := range jobs["build"].Steps {
		if strings.Contains(step.Run, "build-release.sh") {
			env := []string{"GITHUB_REF_NAME=v1.2.3", "RUNNER_TEMP=TEMP"}
			built = mustRun(t, r.dir, env, "bash", "-e", "-c", step.Run)
		}
	}
	if want := "builds v1.2.3 in TEMP/release\n"; built != want {
		t.Errorf("the workflow %q, want %q", built, want)
	}
	var passed []string
	for _, step := range slices.Concat(jobs["build"].Steps, jobs["publish"].Steps) {
		action, _, _ := strings.Cut(step.Uses, "@")
		switch action {
		case "actions/upload-artifact", "actions/download-artifact":
			passed = append(passed, fmt.Sprintf("%s %v %v", path.Base(action), step.With["name"], step.With["path"]))
		case "actions/attest-build-provenance":
			passed = append(passed, fmt.Sprintf("attest %v", step.With["subject-checksums"]))
		}
	}
	const release = "${{ runner.temp }}/release" // RUNNER_TEMP/release, which the last step attaches
	want := []string{
		"upload-artifact release " + release, "download-artifact release " + release, "attest " + release + "/SHA256SUMS",
	}
	if !slices.Equal(passed, want) {
		t.Errorf("the files pass through %q, want %q", passed, want)
	}
}

func TestOnlyTheJobThatPublishesMayWrite(t *testing.T) {
	t.Parallel()
	w := releaseWorkflow(t)
	if want := map[string]string{"contents": "read"}; !maps.Equal(w.Permissions, want) {
		t.Errorf("each job has the permissions %v, want %v", w.Permissions, want)
	}
	for name, job := range w.Jobs {
		if name != "publish" && job.Permissions != nil {
			t.Errorf("the job %s has the permissions %v", name, job.Permissions)
		}
	}
}
