package autologin_test

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestTheOperationPageHasEachLogRecord compares .github/docs/operation.md with the code that logs: each message with
// its level and attributes, and each value of why and what.
func TestTheOperationPageHasEachLogRecord(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../.github/docs/operation.md")
	if err != nil {
		t.Fatal(err)
	}
	records, values := logged(t, "..", "."), []string{"none yet", "ended", "ahead of time", "the lock was lost"}
	for _, value := range values { // a string of the source
		if !slices.Contains(records.strings, value) {
			t.Errorf("no source logs in for the reason %q", value)
		}
	}
	row := regexp.MustCompile("(?m)^\\| (?:(Info|Warn|Debug) \\| )?`([^`]+)` \\|(.*)$")
	found := map[string]string{}
	for _, match := range row.FindAllStringSubmatch(string(page), -1) {
		found[match[2]] = match[1]
		attributes, isRecord := records.messages[match[2]]
		if match[1] == "" && !isRecord && !slices.Contains(values, match[2]) && !slices.Contains(records.whats, match[2]) {
			t.Errorf("the page has a row for %q, which no code logs", match[2])
		}
		if match[1] != "" {
			cells := strings.Split(match[3], " | ")
			want := "`" + strings.Join(attributes[1:], "`, `") + "`"
			if got := strings.TrimSpace(cells[0]); got != want || match[1] != attributes[0] {
				t.Errorf("the page has %s at %s with %s, want %s with %s", match[2], match[1], got, attributes[0], want)
			}
		}
	}
	for message := range records.messages {
		if found[message] == "" {
			t.Errorf("the page has no row for the record %q", message)
		}
	}
	for _, value := range append(values, records.whats...) {
		if _, ok := found[value]; !ok {
			t.Errorf("the page has no row for %q", value)
		}
	}
	if len(records.messages) != 5 || len(records.whats) != 3 {
		t.Errorf("the code logs %v and %v: is something not found?", records.messages, records.whats)
	}
}

// records are what code logs.
type records struct {
	messages map[string][]string // the level and the attributes, by message
	whats    []string            // the first arguments of warn
	strings  []string            // all literals
}

// logged finds calls of slog in the packages of these folders.
func logged(t *testing.T, folders ...string) records {
	t.Helper()
	r := records{messages: map[string][]string{}}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			tree, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				if text := literal(n); text != "" {
					r.strings = append(r.strings, text)
				}
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				switch level := name(call.Fun); level {
				case "Info", "Warn":
					r.messages[literal(call.Args[0])] = append([]string{level}, attributes(call.Args[1:])...)
				case "LogAttrs":
					level := strings.TrimPrefix(name(call.Args[1]), "Level")
					r.messages[literal(call.Args[2])] = append([]string{level}, attributes(call.Args[3:])...)
				case "warn":
					r.whats = append(r.whats, literal(call.Args[0]))
				}
				return true
			})
		}
	}
	return r
}

// attributes returns the keys of arguments such as slog.String("key", value).
func attributes(args []ast.Expr) (keys []string) {
	for _, arg := range args {
		call, ok := arg.(*ast.CallExpr)
		switch {
		case ok && name(call.Fun) == "LogError":
			keys = append(keys, "error")
		case ok:
			keys = append(keys, literal(call.Args[0]))
		}
	}
	return keys
}

func name(n ast.Expr) string {
	if selector, ok := n.(*ast.SelectorExpr); ok {
		return selector.Sel.Name
	}
	return ""
}

func literal(n ast.Node) string {
	if basic, ok := n.(*ast.BasicLit); ok && basic.Kind == gotoken.STRING {
		text, _ := strconv.Unquote(basic.Value)
		return text
	}
	return ""
}
