package api_test

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestAnyDocumentGenerates runs `go generate` in a copy of the module with testdata/fixture.yaml as its openapi.yaml.
// The configuration in gen must also work for operations of a kind that openapi.yaml does not have yet.
func TestAnyDocumentGenerates(t *testing.T) {
	t.Parallel()
	module := t.TempDir()
	if err := os.CopyFS(filepath.Join(module, "gen"), os.DirFS("../gen")); err != nil {
		t.Fatal(err)
	}
	copyFile(t, "../go.mod", filepath.Join(module, "go.mod"))
	copyFile(t, "../go.sum", filepath.Join(module, "go.sum"))
	copyFile(t, "testdata/fixture.yaml", filepath.Join(module, "api", "openapi.yaml"))
	copyFile(t, "testdata/fixture_test.go", filepath.Join(module, "fixture_test.go"))

	const fault = "An option in gen/client.yaml, gen/server/server.yaml or gen/overlay.yaml is missing or wrong"
	for _, step := range []struct {
		args    []string
		failure string
	}{
		{[]string{"generate", "./..."}, "oapi-codegen cannot generate code from api/testdata/fixture.yaml"},
		{[]string{"vet", "./gen/..."}, "the code generated from api/testdata/fixture.yaml does not compile"},
		{[]string{"test", "-vet=all", "."}, "the code generated from api/testdata/fixture.yaml does not do what " +
			"api/testdata/fixture_test.go expects"},
	} {
		cmd := exec.CommandContext(t.Context(), "go", step.args...) //nolint:gosec // the arguments above
		cmd.Dir = module
		cmd.Env = append(cmd.Environ(), "GOWORK=off") // not the workspace of whoever runs the test
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s. %s.\n%s: %v\n%s", step.failure, fault, cmd, err, output)
		}
	}
}

// oapi-codegen reads a single configuration file, so gen/server/server.yaml repeats the options of gen/client.yaml.
func TestClientAndServerHaveTheSameOutputOptions(t *testing.T) {
	t.Parallel()
	client, server := outputOptions(t, "gen/client.yaml"), outputOptions(t, "gen/server/server.yaml")
	delete(client, "response-type-suffix") // for a type that only the client has
	if !reflect.DeepEqual(client, server) {
		t.Errorf("the output-options of gen/client.yaml and gen/server/server.yaml differ:\n%v\n%v", client, server)
	}
}

// outputOptions returns the output-options of a configuration file, with the overlay's path relative to the module.
func outputOptions(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		OutputOptions map[string]any `yaml:"output-options"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	overlay, ok := config.OutputOptions["overlay"].(map[string]any)
	if !ok {
		t.Fatalf("%s has no overlay", file)
	}
	overlay["path"] = path.Join(path.Dir(file), fmt.Sprint(overlay["path"]))
	return config.OutputOptions
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from) //nolint:gosec // a file of the project
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil { //nolint:gosec // in the test's own directory
		t.Fatal(err)
	}
}
