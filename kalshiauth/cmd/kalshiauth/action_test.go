package main

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

const actionFolder = "../../../.github/actions/contract-check"

// An action is what action.yml says.
type action struct {
	Inputs map[string]struct{ Default string }
	Runs   struct {
		Steps []struct {
			ID   string
			Env  map[string]string
			With map[string]string
			If   string
		}
	}
}

func readAction(t *testing.T) (a action) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(actionFolder, "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// expression is what GitHub replaces in action.yml.
var expression = regexp.MustCompile(`\$\{\{ *([a-z.-]+) *\}\}`)

// environment returns the environment of the step that checks, for some inputs.
func (a action) environment(t *testing.T, inputs map[string]string, temp string) (env []string) {
	t.Helper()
	for name := range inputs {
		if _, ok := a.Inputs[name]; !ok {
			t.Fatalf("the action has no input %q", name)
		}
	}
	for _, step := range a.Runs.Steps {
		if step.ID != "check" {
			continue
		}
		for variable, value := range step.Env {
			env = append(env, variable+"="+expression.ReplaceAllStringFunc(value, func(text string) string {
				name := expression.FindStringSubmatch(text)[1]
				if name == "runner.temp" {
					return temp
				}
				name = strings.TrimPrefix(name, "inputs.")
				if given, ok := inputs[name]; ok {
					return given
				}
				return a.Inputs[name].Default
			}))
		}
	}
	return env
}

func TestEachInputOfTheActionIsUsed(t *testing.T) {
	t.Parallel()
	a := readAction(t)
	used := ""
	for _, step := range a.Runs.Steps {
		for _, value := range step.Env {
			used += value + "\n"
		}
		for _, value := range step.With {
			used += value + "\n"
		}
	}
	for name := range a.Inputs {
		if !strings.Contains(used, "inputs."+name+" ") {
			t.Errorf("the input %s is not used", name)
		}
	}
	script, err := os.ReadFile(filepath.Join(actionFolder, "check.sh"))
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range a.environment(t, nil, "") {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "KALSHI_") && !strings.Contains(string(script), "$"+name) {
			t.Errorf("check.sh does not use %s", name)
		}
	}
}

// runAction runs the script of the action. It returns the exit code, the output, and the outputs of the step.
func runAction(t *testing.T, inputs map[string]string) (code int, output, outputs string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there is no bash")
	}
	if _, err := contract.ParseFormat("html"); err != nil {
		t.Skip(err)
	}
	temp := t.TempDir()
	if err := os.Symlink(built, filepath.Join(temp, "kalshiauth")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(temp, "outputs")
	cmd := exec.CommandContext(t.Context(), "bash", filepath.Join(actionFolder, "check.sh")) //nolint:gosec // our own
	cmd.Env = append(os.Environ(), "RUNNER_TEMP="+temp, "GITHUB_OUTPUT="+file, "GITHUB_STEP_SUMMARY="+filepath.Join(temp, "summary"))
	cmd.Env = append(cmd.Env, readAction(t).environment(t, inputs, temp)...)
	out, err := cmd.CombinedOutput()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	showsNoSecret(t, "the log", string(out))
	return cmd.ProcessState.ExitCode(), string(out), readReport(t, file)
}

func TestTheActionPassesItsInputsOn(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	var mu sync.Mutex // guards headers
	var headers []string
	fake.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			headers = append(headers, r.Header.Get("X-Gateway-Key")+r.Header.Get("X-Env"))
			mu.Unlock()
			next.ServeHTTP(w, r)
		})
	})
	for _, c := range []struct {
		code                  int
		result, report, wants string
		inputs                map[string]string
	}{
		{0, "holds", "report=", "0 failed, 0 skipped", map[string]string{"fake": "true", "strict": "true", "scheme": "cookie\nauthorization"}},
		{0, "holds", "report=", "0 failed", map[string]string{
			"base-url": fake.URL, "wait": "10s", "timeout": "1m", "email": email, "password": password, "other-email": "other@example.com",
			"other-password": otherPassword, "header": "X-Gateway-Key: " + headerSecret + "\nX-Env: test\n", "min-coverage": "0%",
			"only": "*\n", "skip": "No.*\nNone\n", "insecure-http": "true",
		}},
		{1, "broken", "report=", "checks were skipped", map[string]string{"base-url": fake.URL, "strict": "true"}},
		{2, "could-not-run", "report=", "No server listens there", map[string]string{"base-url": nobody}},
		{2, "could-not-run", "", "-base-url is empty", map[string]string{}},
		{2, "could-not-run", "", "-base-url is for a real server", map[string]string{"base-url": fake.URL, "fake": "true"}},
		{2, "could-not-run", "", "strict is neither true nor false", map[string]string{"fake": "true", "strict": "yes"}},
		{2, "could-not-run", "", "-document: open none", map[string]string{"fake": "true", "document": "none"}},
		{2, "could-not-run", "", "-cacert: open none", map[string]string{"base-url": nobody, "cacert": "none"}},
		{2, "could-not-run", "", "-reset-code-cmd needs", map[string]string{"base-url": nobody, "reset-code-cmd": "true"}},
	} {
		mu.Lock()
		headers = nil
		mu.Unlock()
		code, out, outputs := runAction(t, c.inputs)
		if code != c.code || !strings.Contains(outputs, "result="+c.result+"\n") || !strings.Contains(out, c.wants) ||
			strings.Contains(outputs, "report=") != (c.report != "") {
			t.Errorf("%v: exit %d, printed %q, outputs %q; want %d, %s and %q", c.inputs, code, out, outputs, c.code, c.result, c.wants)
		}
		mu.Lock()
		if c.inputs["header"] != "" && (len(headers) == 0 || headers[0] != headerSecret+"test") {
			t.Errorf("the headers of the requests are %.100q", headers)
		}
		mu.Unlock()
	}
}
