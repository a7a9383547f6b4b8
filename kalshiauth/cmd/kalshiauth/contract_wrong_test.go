package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/api"
)

// nobody is where no server listens: no listener gets this port by chance.
const nobody = "http://127.0.0.1:1"

func TestContractExitsWith2AndSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	empty, text := writeFile(t, "empty", ""), writeFile(t, "text", "no certificate")
	invalid := writeFile(t, "invalid", "openapi: 3.0.3")
	lacking := writeFile(t, "lacking", strings.Replace(string(api.Document), "operationId: Logout", "operationId: Bye", 1))
	fake := newFake(t).URL
	account := []string{"KALSHI_PASSWORD=" + password, "KALSHI_EMAIL=" + email}
	for want, c := range map[string]call{
		"the server is missing: give -base-url URL or set KALSHI_BASE_URL": {},
		"-base-url is empty":         {args: []string{"-base-url", ""}, env: []string{"KALSHI_BASE_URL=" + nobody}},
		"-base-url is empty: give":   {args: []string{"-base-url="}},
		"KALSHI_BASE_URL is empty":   {env: []string{"KALSHI_BASE_URL="}},
		"-base-url is for a real":    {args: []string{"-fake", "-base-url", nobody}},
		"-email is for a real":       {args: []string{"-fake", "-email", email}},
		"-wait is for a real":        {args: []string{"-fake", "-wait", "1s"}},
		"-header is for a real":      {args: []string{"-fake", "-header", "A: b"}},
		"-base-url: not an absolu":   {args: []string{"-base-url", "example.com"}},
		"or one with a user":         {args: []string{"-base-url", "https://trader:" + password + "@example.com"}},
		"or allow it with -insecur":  {args: []string{"-base-url", "http://example.com"}},
		"-path-prefix is for -fake":  {args: []string{"-base-url", nobody, "-path-prefix", "/v1"}},
		`-path-prefix is "/v1/../`:   {args: []string{"-fake", "-path-prefix", "/v1/../v2"}},
		"-wait is -1s":               {args: []string{"-base-url", nobody, "-wait", "-1s"}},
		`"soon" for flag -wait`:      {args: []string{"-base-url", nobody, "-wait", "soon"}},
		"-timeout is -1s":            {args: []string{"-fake", "-timeout", "-1s"}},
		"-timeout is 0s":             {args: []string{"-fake", "-timeout", "0"}},
		"within -timeout 1ns":        {args: []string{"-fake", "-timeout", "1ns"}},
		`-only "[" is not a patter`:  {args: []string{"-fake", "-only", "["}},
		`-skip "Login.[" is not a`:   {args: []string{"-fake", "-skip", "Login.["}},
		"-only is empty":             {args: []string{"-fake", "-only", ""}},
		"nothing was checked: -only": {args: []string{"-fake", "-skip", "*"}},
		`"Lgin" is the ID of no ch`:  {args: []string{"-fake", "-only", "Logout.*", "-only", "Lgin"}},
		"1 checks were skipped; th":  {args: []string{"-base-url", fake, "-only", "Login.right"}},
		`no security scheme "nix"`:   {args: []string{"-fake", "-scheme", "nix"}},
		"-scheme is empty":           {args: []string{"-fake", "-scheme", ""}},
		"document lacks the operat":  {args: []string{"-fake", "-document", lacking}},
		"invalid info: must be an":   {args: []string{"-fake", "-document", invalid}},
		"KALSHI_PASSWORD: one of":    {args: []string{"-base-url", nobody, "-email", email}},
		"-email is empty":            {args: []string{"-base-url", nobody, "-email", ""}},
		"OTHER_PASSWORD: one of":     {args: []string{"-base-url", nobody, "-other-email", "other@example.com"}, env: account},
		"-other-email is a second": {
			args: []string{"-base-url", nobody, "-other-email", "other@example.com"}, env: []string{"KALSHI_OTHER_PASSWORD=" + otherPassword},
		},
		"-other-email is the address of -email": {
			args: []string{"-base-url", nobody, "-other-email", email}, env: append(account, "KALSHI_OTHER_PASSWORD="+otherPassword),
		},
		"-reset-code-cmd needs":           {args: []string{"-base-url", nobody, "-reset-code-cmd", "true"}},
		"-reset-code-cmd is empty":        {args: []string{"-base-url", nobody, "-reset-code-cmd", ""}},
		"header number 1 has no":          {args: []string{"-base-url", nobody, "-header", headerSecret}},
		"header number 2 has no":          {args: []string{"-base-url", nobody, "-header", "A: b", "-header", "A b: " + headerSecret}},
		"header X-Key has no val":         {args: []string{"-base-url", nobody, "-header", "X-Key: "}},
		"header X-Key has a cont":         {args: []string{"-base-url", nobody, "-header", "X-Key: " + headerSecret + "\n" + headerSecret}},
		"header Cookie cannot be":         {args: []string{"-base-url", nobody, "-header", "cookie: " + headerSecret}},
		"-cacert: open":                   {args: []string{"-base-url", nobody, "-cacert", filepath.Join(folder, "none")}},
		"text has no certificate":         {args: []string{"-base-url", nobody, "-cacert", text}},
		"-cert and -key belong":           {args: []string{"-base-url", nobody, "-cert", text}},
		"-key belong together":            {args: []string{"-base-url", nobody, "-key", text}},
		"-cert and -key: fai":             {args: []string{"-base-url", nobody, "-cert", text, "-key", text}},
		"-document: open":                 {args: []string{"-fake", "-document", filepath.Join(folder, "none")}},
		"empty is empty":                  {args: []string{"-fake", "-document", empty}},
		`there is no format "yaml"`:       {args: []string{"-fake", "-report", "yaml"}},
		"-report json= has no file":       {args: []string{"-fake", "-report", "json="}},
		"-report is empty":                {args: []string{"-fake", "-report", ""}},
		"go to standard output":           {args: []string{"-fake", "-report", "json", "-report", "text=-"}},
		"two reports go to ./rep":         {args: []string{"-fake", "-report", "json=report", "-report", "text=./report"}},
		"there is no folder no-suc":       {args: []string{"-fake", "-report", "json=" + filepath.Join("no-such-folder", "x")}},
		"is a folder: give":               {args: []string{"-fake", "-report", "json=" + folder}},
		`-min-coverage is "80"`:           {args: []string{"-fake", "-min-coverage", "80"}},
		`-min-coverage is "0.8"`:          {args: []string{"-fake", "-min-coverage", "0.8"}},
		`-min-coverage is "101%"`:         {args: []string{"-fake", "-min-coverage", "101%"}},
		`-min-coverage is "NaN%"`:         {args: []string{"-fake", "-min-coverage", "NaN%"}},
		"provided but not defined: -bass": {args: []string{"-bass", "x"}},
		`has no subcommand "proxi"`:       {args: []string{"proxi"}},
		`has no subcommand "x"`:           {args: []string{"run", "-fake", "x"}},
		"No server listens there":         {args: []string{"-base-url", nobody}},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if _, stderr := c.expect(t, 2, want); goNames.MatchString(stderr) {
				t.Errorf("it names a Go function: %s", stderr)
			}
		})
	}
}

// goNames are names that only a Go programmer knows.
var goNames = regexp.MustCompile(`contract: |Run:|With[A-Z]|Target\.`)

func TestEachFlagOfContractHasATest(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file) //nolint:gosec // a file of the package
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(data)
	}
	err = contractCommand(nil).Walk(func(cmd *cli.Command) error {
		for _, flag := range cmd.Flags {
			if name := flag.Names()[0]; !strings.Contains(tests.String(), `"-`+name+`"`) {
				t.Errorf("no test gives -%s", name)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
