package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/api"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// exportedWords are the exported names of the packages that the command uses, as they could stand in a message.
var exportedWords = sync.OnceValue(func() *regexp.Regexp {
	var alternatives []string
	for _, folder := range []string{"", "autologin", "filestore", "contract", "kalshiauthtest"} {
		dir := filepath.Join("..", "..", folder)
		packages, err := parser.ParseDir(token.NewFileSet(), dir, func(info fs.FileInfo) bool { //nolint:staticcheck // no types needed
			return !strings.HasSuffix(info.Name(), "_test.go")
		}, 0)
		if err != nil {
			panic(err)
		}
		for name, pkg := range packages {
			for _, exported := range exportedNames(pkg) {
				alternatives = append(alternatives, patternsFor(name, exported)...)
			}
		}
	}
	alternatives = append(alternatives,
		`\bWith[A-Z]\w*`, `\bTarget\.`, `\bSession\(`, `\bGo (?:value|struct)\b`, `\bGo type`, `context (?:deadline exceeded|canceled)`,
		`(?:^|: |; |\()(?:kalshiauth|autologin|filestore|contract|document|kalshiauthtest|net/http|http|tls|x509|asn1|json|yaml|url|`+
			`strconv|time|exec|context|os|net|openapi3|redact): `,
		`\b(?:http|tls|x509|json|url|strconv|time|exec|context|os|net|openapi3|cli|fs|io)\.[A-Z]\w*`)
	return regexp.MustCompile(`(?m)(?:` + strings.Join(alternatives, `|`) + `)`)
})

// An exported name of a package: of a function, type, variable or constant, or of a method or field, with its owner.
type exportedName struct{ owner, name string }

func exportedNames(pkg *ast.Package) (names []exportedName) { //nolint:staticcheck // as above
	add := func(owner string, idents ...*ast.Ident) {
		for _, ident := range idents {
			if ident.IsExported() && (owner == "" || ast.IsExported(owner)) {
				names = append(names, exportedName{owner, ident.Name})
			}
		}
	}
	ast.Inspect(pkg, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			owner := ""
			if n.Recv != nil {
				receiver := n.Recv.List[0].Type
				if star, ok := receiver.(*ast.StarExpr); ok {
					receiver = star.X
				}
				if ident, ok := receiver.(*ast.Ident); ok {
					owner = ident.Name
				}
			}
			add(owner, n.Name)
			return false
		case *ast.TypeSpec:
			add("", n.Name)
			if s, ok := n.Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					add(n.Name.Name, field.Names...)
				}
			}
			return false
		case *ast.ValueSpec:
			add("", n.Names...)
		}
		return true
	})
	return names
}

var innerCapital = regexp.MustCompile(`[a-z][A-Z]`)

// patternsFor returns how an exported name could stand in a message. A name that is also a word of plain English counts
// only where it stands as a name.
func patternsFor(pkg string, e exportedName) []string {
	patterns := []string{`\b` + pkg + `\.` + e.name + `\b`, `(?:^|: )` + e.name + `: `}
	if e.owner != "" {
		patterns = append(patterns, `\b`+e.owner+`\.`+e.name+`\b`)
	}
	if innerCapital.MatchString(e.name) {
		patterns = append(patterns, `\b`+e.name+`\b`)
	}
	return patterns
}

// ownPrefix is how each error of the command begins.
var ownPrefix = regexp.MustCompile(`(?m)^kalshiauth: `)

// speaksNoGo fails the test if a text has the name of a Go package, function or option. operations may be named.
func speaksNoGo(t *testing.T, what, text string, operations ...string) {
	t.Helper()
	text = ownPrefix.ReplaceAllString(text, "")
	for _, name := range operations {
		text = strings.ReplaceAll(text, name, "operation")
	}
	if found := exportedWords().FindAllString(text, -1); found != nil {
		t.Errorf("%s: names %q: %s", what, found, text)
	}
}

func TestTheNamesOfGoAreFound(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"allow it with WithInsecureHTTP", "set Target.Credentials", "kalshiauth.New", "it: Login: 401", "Login: 401",
		"Session.Expiry", "filestore: x", "kalshiauth: autologin: x", "the OnCheck of it", "tls: x", "json: cannot",
		"Client.ResetPasswordConfirm", "x: kalshiauth: y", "contract: HAR: x", "ErrNoSession", "Go value of type openapi3.T",
	} {
		if !exportedWords().MatchString(ownPrefix.ReplaceAllString(text, "")) {
			t.Errorf("%q passes", text)
		}
	}
	for _, text := range []string{"kalshiauth: login: 401 Unauthorized", "Log in first: kalshiauth login -email ADDRESS"} {
		speaksNoGo(t, "plain words", text)
	}
}

func TestPlainWordsKeepWhatIsQuoted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`kalshiauth: Login: 401, "x: Login: y"`:                          `login: 401, "x: Login: y"`,
		`autologin: Logout: kalshiauth: Logout: x`:                       `logout: x`,
		`"autologin: x": filestore: y`:                                   `"autologin: x": y`,
		`"a \" b": "filestore: x"`:                                       `"a \" b": "filestore: x"`,
		`the contract: holds; contract: Run: x`:                          `the contract: holds; x`,
		`"x"tls: y`:                                                      `"x"tls: y`,
		"tls: x\nx509: y":                                                "x\ny",
		`json: cannot unmarshal string into Go value of type openapi3.T`: `string is found where something else is expected`,
	} {
		if got := plainWords(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// The uses of accounts are in TestEachUseOfACommand. These are the other wrong uses, and those that need more.
func TestNoErrorNamesGo(t *testing.T) {
	t.Parallel()
	var operations []string
	for _, op := range document.API().Operations {
		operations = append(operations, op.ID) // the words of the document, for contract
	}
	h, fake := newHome(t), twoUsers(t)
	file := func(name, content string) string { return writeFile(t, name, content) }
	of := func(more string) string { return "contract run -base-url " + fake.URL + " " + more }
	har := func(content string) string {
		return "contract har -base-url " + fake.URL + " " + file("x.har", content)
	}
	whole, broken := string(api.Document), "openapi: 3.0.3\npaths: x\n"
	docs := []string{
		"[]", "{", "x", "{}", broken, strings.Replace(whole, "operationId: Logout", "operationId: Bye", 1),
		strings.Replace(whole, "required: true", "required: maybe", 1), strings.Replace(whole, "info:", "info: x\nother:", 1),
	}
	uses := []use{
		{args: strings.Fields("login -email " + email + " -base-url http://user:xyzzy@example.com")},
		{args: strings.Fields("login -email " + email + " -base-url http://127.0.0.1:99999/v1")},
		{args: strings.Fields("login -email " + email + " -base-url http://127.0.0.1:1/v1?x=1")},
		{args: strings.Fields("login -email " + email + " -base-url http://%zz")},
		{args: strings.Fields("login -email " + email + " -base-url http://127.0.0.1:1/v1"), stdin: password},
		{args: strings.Fields("login -email " + email + " -base-url " + strings.Replace(fake.URL, "http:", "https:", 1)), stdin: password},
		{args: strings.Fields("login -email " + email + " -base-url https://xyzzy.invalid/v1"), stdin: password},
		{args: strings.Fields("contract run")},
		{args: strings.Fields("contract run -fake -base-url http://127.0.0.1:1")},
		{args: strings.Fields("contract run -base-url x")},
		{args: strings.Fields("contract run -base-url http://example.com")},
		{args: strings.Fields("contract run -base-url http://127.0.0.1:1")},
		{args: strings.Fields("contract run -base-url http://127.0.0.1:1 -wait 1ms")},
		{args: strings.Fields("contract run -base-url " + strings.Replace(fake.URL, "http:", "https:", 1))},
		{args: strings.Fields("contract run -fake -timeout 1ms")},
		{args: strings.Fields("contract run -fake -timeout soon")},
		{args: strings.Fields(of("-only x"))},
		{args: strings.Fields(of("-only ["))},
		{args: strings.Fields(of("-scheme x"))},
		{args: strings.Fields(of("-report x"))},
		{args: strings.Fields(of("-report html="))},
		{args: strings.Fields(of("-cacert " + file("x.pem", "x")))},
		{args: strings.Fields(of("-cacert missing.pem"))},
		{args: strings.Fields(of("-cert " + file("x.pem", "x") + " -key " + file("y.pem", "y")))},
		{args: strings.Fields(of("-header x"))},
		{args: strings.Fields(of("-other-email x"))},
		{args: strings.Fields(of("-document missing"))},
		{args: strings.Fields(of("-email " + email)), env: []string{"KALSHI_PASSWORD=wrong-horse"}},
		{args: strings.Fields(of("-email trader")), env: []string{"KALSHI_PASSWORD=" + password}},
		{args: strings.Fields(of("-email " + email + " -reset-code-cmd false -only ResetPassword*")), env: []string{"KALSHI_PASSWORD=" + password}},
		{args: strings.Fields("contract proxy")},
		{args: strings.Fields("contract proxy -upstream x")},
		{args: strings.Fields("contract proxy -upstream http://example.com")},
		{args: strings.Fields("contract proxy -listen x -upstream " + fake.URL)},
		{args: strings.Fields("contract proxy -listen 127.0.0.1:99999 -upstream " + fake.URL)},
		{args: strings.Fields("contract har")},
		{args: strings.Fields("contract har -base-url x y.har")},
		{args: strings.Fields("contract har -base-url " + fake.URL + " missing.har")},
		{args: strings.Fields(har("x"))},
		{args: strings.Fields(har("[]"))},
		{args: strings.Fields(har(`{"log":{"entries":1}}`))},
		{args: strings.Fields(har(`{"log":{"entries":[1]}}`))},
		{args: strings.Fields(har(`{"log":{"entries":[{}]}`))},
		{args: strings.Fields("serve -addr 256.0.0.1:1")},
		{args: strings.Fields("serve -addr x")},
		{args: strings.Fields("serve -path-prefix /a/../b")},
		{args: strings.Fields("serve -session-lifetime 0s")},
		{args: strings.Fields("serve -session-lifetime soon")},
		{args: strings.Fields("serve -user a@example.com:x")},
	}
	for _, content := range docs {
		doc := file("x.yaml", content)
		uses = append(uses, use{args: strings.Fields(of("-document " + doc))},
			use{args: strings.Fields("contract har -document " + doc + " -base-url " + fake.URL + " x.har")})
	}
	for _, u := range uses {
		t.Run(strings.Join(u.args, " "), func(t *testing.T) {
			t.Parallel()
			h := &home{t, h.folder, h.secrets}
			o := h.do(u)
			if o.code == 0 || !strings.Contains(o.errOut, "kalshiauth: ") {
				t.Errorf("exit %d, printed %q", o.code, o.errOut)
			}
			allowed := operations
			if u.args[0] != "contract" {
				allowed = nil
			}
			speaksNoGo(t, strings.Join(u.args, " "), o.out+o.errOut, allowed...)
		})
	}
}

func TestNoErrorOfAStoredSessionNamesGo(t *testing.T) {
	t.Parallel()
	const base = "https://api.example.com/v1"
	good := `{"version":1,"user_id":"x","token":"a-token-of-an-account","cookie":"sessions=a-token-of-an-account","email":"` + email + `"`
	for name, put := range map[string]func(file string) error{
		"damaged":       func(file string) error { return os.WriteFile(file, []byte("{"), 0o600) },
		"later version": func(file string) error { return os.WriteFile(file, []byte(`{"version":99}`), 0o600) },
		"too large":     func(file string) error { return os.WriteFile(file, make([]byte, 100_000), 0o600) },
		"readable":      func(file string) error { return os.WriteFile(file, []byte(good+"}"), 0o644) }, //nolint:gosec // on purpose
		"folder":        func(file string) error { return os.Mkdir(file, 0o700) },
		"no answer":     func(file string) error { return os.WriteFile(file, []byte(good+"}"), 0o600) },
		"another server": func(file string) error {
			return os.WriteFile(file, []byte(good+`,"origin":"https://other.example.com:443"}`), 0o600)
		},
		"another account": func(file string) error {
			return os.WriteFile(file, []byte(strings.Replace(good, email, otherEmail, 1)+`,"origin":"https://api.example.com:443"}`), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, args := range []string{"login -email " + email, "logout", "logout -all", "status", "status -check", "cookie -file " + jar} {
				h := newHome(t)
				file := h.file(base, email)
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := put(file); err != nil {
					t.Fatal(err)
				}
				env := []string{"KALSHI_BASE_URL=" + base, "HTTPS_PROXY=http://127.0.0.1:1", "KALSHI_PASSWORD=" + password}
				o := h.do(use{args: strings.Fields(args), env: env})
				speaksNoGo(t, args, o.out+o.errOut)
			}
		})
	}
}

func TestOnlyAHostThatAlwaysAnswersThisHasMoved(t *testing.T) {
	t.Parallel()
	exchange := func(status int, mediaType string) contract.Exchange {
		return contract.Exchange{
			Status: status, ResponseBody: "moved to x\n", ResponseHeader: http.Header{"Content-Type": {mediaType}},
		}
	}
	report := func(seen string, exchanges ...contract.Exchange) *contract.Report {
		return &contract.Report{
			Statuses: []contract.StatusCount{{Status: "200"}, {Status: seen, Seen: 1}},
			Checks:   []contract.Check{{}, {Exchanges: exchanges}},
		}
	}
	const text = "text/plain; charset=utf-8"
	moved := exchange(http.StatusUnauthorized, text)
	if got := movedHost(report("401", moved, moved)); !strings.Contains(got, `"moved to x"`) {
		t.Errorf("%q", got)
	}
	for name, r := range map[string]*contract.Report{
		"another status was seen": report("200", moved),
		"another status":          report("401", moved, exchange(http.StatusForbidden, text)),
		"JSON":                    report("401", exchange(http.StatusUnauthorized, "application/json"), moved),
		"no answer":               report("401", moved, exchange(0, "")),
		"nothing":                 report("401"),
	} {
		if got := movedHost(r); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
