package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const adult = `package adult

const age = 18

// Adult tells whether somebody is one.
func Adult(years int) bool {
	return years >= age && years < 150 // mutant: nobody gets as old as that
}
`

// score returns what is printed of the package above with a test of these ages, and the score.
func score(t *testing.T, ages string) (printed string, percent float64) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":   "module adult\n\ngo 1.25\n",
		"adult.go": adult,
		"adult_test.go": "package adult\n\nimport \"testing\"\n\nfunc TestAdult(t *testing.T) {\n" +
			"\tfor years, want := range map[int]bool{" + ages + "} {\n\t\tif Adult(years) != want {\n\t\t\tt.Error(years)\n\t\t}\n\t}\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := runner{dir: dir, parallel: 2}
	var out strings.Builder
	percent, err := r.run(&out)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), percent
}

func TestAGoodTestKillsEachMutant(t *testing.T) {
	t.Parallel()
	printed, percent := score(t, "17: false, 18: true, 149: true, 150: false")
	if percent != 100 || !strings.HasPrefix(printed, "mutants: 5 of 5 killed") {
		t.Errorf("%v%%: %s", percent, printed)
	}
}

func TestAMutantThatLivesIsShown(t *testing.T) {
	t.Parallel()
	printed, percent := score(t, "17: false, 18: true")
	for _, want := range []string{
		"adult.go:7:25: years < 150 -> years <= 150 (nobody gets as old as that)\n",
		"mutants: 4 of 5 killed (80.0%)\n",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("%q is not in %s", want, printed)
		}
	}
	if percent != 80 {
		t.Errorf("the score is %v%%", percent)
	}
}

func TestAPackageWhoseTestsFailHasNoScore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module adult\n\ngo 1.25\n", "adult.go": adult,
		"adult_test.go": "package adult\n\nimport \"testing\"\n\nfunc TestAdult(t *testing.T) { t.Error(Adult(1)) }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := runner{dir: dir, parallel: 1}
	if _, err := r.run(new(strings.Builder)); err == nil || !strings.Contains(err.Error(), "the tests fail without a mutant") {
		t.Error(err)
	}
}
