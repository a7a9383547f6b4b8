package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// built is the file of the command that TestMain builds.
var built string

// TestMain gives the tests a configuration folder of their own, no account, and a built command.
func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "kalshiauth")
	if err != nil {
		panic(err)
	}
	built = filepath.Join(folder, "bin", "kalshiauth")
	if runtime.GOOS == "windows" {
		built += ".exe"
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-o", built, ".") //nolint:gosec // a file of ours
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	for _, name := range []string{"XDG_CONFIG_HOME", "HOME", "AppData"} {
		_ = os.Setenv(name, folder)
	}
	for _, name := range []string{
		"KALSHI_BASE_URL", "KALSHI_EMAIL", "KALSHI_PASSWORD", "KALSHI_OTHER_PASSWORD", "KALSHI_NEW_PASSWORD", "KALSHI_RESET_CODE",
		"KALSHI_HEADERS",
		"GITHUB_STEP_SUMMARY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
	} {
		_ = os.Unsetenv(name)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// Secrets of the tests of the built command. No output may show them.
const (
	otherPassword = "battery-staple"
	headerSecret  = "the-value-of-a-gateway-key"
)

// A call is one run of the built command.
type call struct {
	args  []string
	env   []string // in addition to that of the tests
	stdin string
}

// run runs the call. It fails the test if the output shows a secret.
func (c call) run(t *testing.T) (code int, stdout, stderr string) {
	t.Helper()
	cmd, out, errOut := c.command(t)
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	showsNoSecret(t, "standard output", out.String())
	showsNoSecret(t, "standard error", errOut.String())
	return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
}

// command returns the command to run, and where its output goes.
func (c call) command(t *testing.T) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, built, append([]string{"contract"}, c.args...)...) //nolint:gosec // the command under test
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdin = strings.NewReader(c.stdin)
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// expect runs the call, and expects an exit code and a text on standard error.
func (c call) expect(t *testing.T, wantCode int, wantErr string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := c.run(t)
	if code != wantCode || !strings.Contains(stderr, wantErr) {
		t.Errorf("%q: exit %d, printed %q and %q; want %d and %q", c.args, code, stdout, stderr, wantCode, wantErr)
	}
	return stdout, stderr
}

// showsNoSecret fails the test if a text has a secret of the tests.
func showsNoSecret(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range []string{password, otherPassword, headerSecret} {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows %q: %s", what, secret, text)
		}
	}
}

// readReport returns the content of a report, and fails the test if it has none or shows a secret.
func readReport(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file) //nolint:gosec // a file of the test
	if err != nil || len(data) == 0 {
		t.Errorf("the report has %d bytes (%v)", len(data), err)
	}
	showsNoSecret(t, file, string(data))
	return string(data)
}

// fileFormats returns the formats for programs and browsers.
func fileFormats() []string {
	return slices.DeleteFunc([]string{"json", "junit", "github", "markdown", "html"}, func(format string) bool {
		_, err := contract.ParseFormat(format)
		return err != nil
	})
}

// writeFile writes a file of the test, and returns its name.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// logIn logs in with our own client.
func logIn(ctx context.Context, t *testing.T, baseURL string) error {
	t.Helper()
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(baseURL), kalshiauth.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	session, err := client.Login(ctx, kalshiauth.Credentials{Email: email, Password: password})
	if err == nil {
		err = client.Logout(ctx, session)
	}
	return err
}
