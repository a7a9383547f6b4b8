package fakeserver_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/cmd/kalshiauth/internal/fakeserver"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// isMiddleware reports whether an expression is func(http.Handler) http.Handler.
func isMiddleware(expr ast.Expr) bool {
	f, ok := expr.(*ast.FuncType)
	isHandler := func(fields *ast.FieldList) bool {
		if fields.NumFields() != 1 {
			return false
		}
		selector, ok := fields.List[0].Type.(*ast.SelectorExpr)
		return ok && selector.Sel.Name == "Handler"
	}
	return ok && isHandler(f.Params) && isHandler(f.Results)
}

func TestEachFaultOfTheLibraryCanBeSet(t *testing.T) {
	t.Parallel()
	isCode := func(info fs.FileInfo) bool { return !strings.HasSuffix(info.Name(), "_test.go") }
	packages, err := parser.ParseDir(token.NewFileSet(), "../../../../kalshiauthtest", isCode, 0) //nolint:staticcheck // files suffice
	if err != nil {
		t.Fatal(err)
	}
	var faults []string
	for _, file := range packages["kalshiauthtest"].Files {
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.Results.NumFields() != 1 || !isMiddleware(f.Type.Results.List[0].Type) {
				continue
			}
			// On, OnPath and Times take a fault.
			if !slices.ContainsFunc(f.Type.Params.List, func(p *ast.Field) bool { return isMiddleware(p.Type) }) {
				faults = append(faults, f.Name.Name)
			}
		}
	}
	served := fakeserver.FaultFunctions()
	slices.Sort(faults)
	slices.Sort(served)
	if len(faults) == 0 || !slices.Equal(faults, served) {
		t.Errorf("kalshiauthtest has the faults %q, and kinds in faults.go has %q", faults, served)
	}
}

func TestOnlyLoopbackClientsControlTheServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		client, host string
		hosts        []string
		status       int
	}{
		{"127.0.0.1:5", "127.0.0.1:8080", nil, 200},
		{"[::1]:5", "localhost:8080", nil, 200},
		{"192.0.2.7:5", "localhost:8080", nil, 403},
		{"[2001:db8::1]:5", "localhost:8080", nil, 403},
		{"", "localhost:8080", nil, 403},
		{"192.0.2.7:5", "fake.internal:8080", []string{"fake.internal"}, 200},
		{"192.0.2.7:5", "other.internal:8080", []string{"fake.internal"}, 403},
		{"127.0.0.1:5", "fake.internal:8080", nil, 403},
		{"127.0.0.1:5", "", nil, 403},
	} {
		s, err := fakeserver.New(&fakeserver.Config{
			BaseURL: "http://127.0.0.1:8080/v1", Prefix: "/v1", SessionLifetime: time.Minute, ControlHosts: c.hosts,
			Mailer: func(kalshiauthtest.Mail) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/__fake/users", http.NoBody)
		r.RemoteAddr, r.Host = c.client, c.host
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		if rec.Code != c.status {
			t.Errorf("%+v: the status is %d: %s", c, rec.Code, rec.Body)
		}
	}
}
