package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// support is what the mutated package has besides: a mutant is one number, and alive if the environment has it.
const support = `package %s

import (
	"fmt"
	"os"
	"strconv"
	"sync"
)

var (
	mutantAlive, _ = strconv.Atoi(os.Getenv("MUTANT"))
	mutantsFile    = os.Getenv("MUTANTS_REACHED")
	mutantsReached sync.Map
)

// mutant tells whether the mutant n is alive. Where nobody is, it notes that it was reached.
func mutant(n int) bool {
	if mutantsFile != "" {
		if _, again := mutantsReached.LoadOrStore(n, nil); !again {
			if f, err := os.OpenFile(mutantsFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
				_, _ = fmt.Fprintln(f, n)
				_ = f.Close()
			}
		}
	}
	return mutantAlive == n
}

func mutantZero[T any](n int, v T) T {
	if mutant(n) {
		return *new(T)
	}
	return v
}

func mutantElse[T any](n int, v, other func() T) T {
	if mutant(n) {
		return other()
	}
	return v()
}
`

// A mutant is one small change.
type mutant struct {
	pos          token.Position
	was, is, why string // why it may live, as a comment says
}

// A mutator writes all mutants of a package into one copy of it, in which each waits to be alive.
type mutator struct {
	pkg     *packages.Package
	mutants []mutant
	reasons map[int]string // by line, of the file at hand

	src   []byte
	edits []edit
	seq   int
}

// An edit inserts text before or after a part of the source.
type edit struct {
	offset, order int // in order: what ends here, the innermost first; then what begins here, the outermost first
	text          string
}

// file returns the mutated source of a file.
func (m *mutator) file(file *ast.File, src []byte) string {
	m.src, m.edits, m.reasons = src, nil, map[int]string{}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if _, why, ok := strings.Cut(comment.Text, "mutant: "); ok {
				m.reasons[m.pkg.Fset.Position(comment.Pos()).Line] = why
			}
		}
	}
	for _, decl := range file.Decls {
		if d, ok := decl.(*ast.GenDecl); !ok || d.Tok == token.VAR {
			ast.Inspect(decl, m.visit)
		}
	}
	slices.SortStableFunc(m.edits, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.order, b.order))
	})
	var out strings.Builder
	last := 0
	for _, e := range m.edits {
		out.Write(src[last:e.offset])
		out.WriteString(e.text)
		last = e.offset
	}
	out.Write(src[last:])
	return out.String()
}

func (m *mutator) text(n ast.Node) string {
	return string(m.src[m.offset(n.Pos()):m.offset(n.End())])
}

func (m *mutator) offset(pos token.Pos) int { return m.pkg.Fset.Position(pos).Offset }

// add makes a mutant of n, and returns its number.
func (m *mutator) add(n ast.Node, was, is string) int {
	pos := m.pkg.Fset.Position(n.Pos())
	m.mutants = append(m.mutants, mutant{pos, was, is, cmp.Or(m.reasons[pos.Line], m.reasons[pos.Line-1])})
	return len(m.mutants)
}

// wrap puts text around n.
func (m *mutator) wrap(n ast.Node, before, after string) {
	m.seq++
	m.edits = append(m.edits, edit{m.offset(n.Pos()), m.seq, before}, edit{m.offset(n.End()), -m.seq, after})
}

func (m *mutator) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GenDecl:
		return n.Tok == token.VAR
	case *ast.ArrayType, *ast.StructType, *ast.FuncType, *ast.InterfaceType, *ast.TypeSwitchStmt:
		if s, ok := n.(*ast.TypeSwitchStmt); ok {
			ast.Inspect(s.Body, m.visit)
		}
		return false
	case *ast.BlockStmt:
		m.statements(n.List)
	case *ast.CaseClause:
		m.statements(n.Body)
	case *ast.CommClause:
		m.statements(n.Body)
	case *ast.IfStmt:
		m.condition(n.Cond)
	case *ast.ForStmt:
		m.condition(n.Cond)
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			m.condition(n.X)
		}
	case *ast.ReturnStmt:
		for _, result := range n.Results {
			m.result(result)
		}
	case *ast.BinaryExpr:
		m.binary(n)
		_, limit := n.Y.(*ast.BasicLit)
		switch n.Op { //nolint:exhaustive // no other operator compares
		case token.EQL, token.NEQ, token.LSS, token.GTR, token.LEQ, token.GEQ:
			if limit { // the mutants of the comparison move it
				ast.Inspect(n.X, m.visit)
				return false
			}
		}
	case *ast.BasicLit:
		if t := m.typeOf(n); n.Kind == token.INT && t != "" {
			m.wrap(n, "("+t+"(", fmt.Sprintf(") + mutantElse(%d, func() %[2]s { return 0 }, func() %[2]s { return 1 }))",
				m.add(n, n.Value, n.Value+" + 1"), t))
		}
	}
	return true
}

// typeOf is the name of a number's type, if that is one to mutate.
func (m *mutator) typeOf(e ast.Expr) string {
	switch t := m.pkg.TypesInfo.TypeOf(e); {
	case t == nil:
	case t.String() == "int" || t.String() == "int64" || t.String() == "uint64" || t.String() == "time.Duration":
		return t.String()
	}
	return ""
}

// statements are removed one by one.
func (m *mutator) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt:
			if call, ok := s.X.(*ast.CallExpr); !ok || m.text(call.Fun) == "panic" {
				continue
			}
		case *ast.AssignStmt:
			if blank, ok := s.Lhs[0].(*ast.Ident); s.Tok == token.DEFINE || ok && blank.Name == "_" {
				continue
			}
		case *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
		case *ast.BranchStmt:
			if s.Tok != token.BREAK && s.Tok != token.CONTINUE {
				continue
			}
		default:
			continue
		}
		m.wrap(s, fmt.Sprintf("if !mutant(%d) { ", m.add(s, m.text(s), "nothing")), " }")
	}
}

// condition is negated, unless it is an operator's, which is negated as one.
func (m *mutator) condition(e ast.Expr) {
	switch e := e.(type) {
	case nil, *ast.BinaryExpr, *ast.UnaryExpr:
	case *ast.ParenExpr:
		m.condition(e.X)
	default:
		m.wrap(e, "(", fmt.Sprintf(" != mutant(%d))", m.add(e, m.text(e), "not "+m.text(e))))
	}
}

// result of a function is another: the opposite, or the zero value.
func (m *mutator) result(e ast.Expr) {
	t := m.pkg.TypesInfo.Types[e]
	if _, tuple := t.Type.(*types.Tuple); tuple || t.IsNil() {
		return
	}
	if literal, ok := e.(*ast.CompositeLit); ok && len(literal.Elts) == 0 {
		return // is one
	}
	basic, isBasic := t.Type.Underlying().(*types.Basic)
	switch {
	case isBasic && basic.Info()&types.IsBoolean != 0:
		m.condition(e)
	case t.Value == nil:
		m.wrap(e, fmt.Sprintf("mutantZero(%d, ", m.add(e, m.text(e), "the zero value")), ")")
	}
}

func (m *mutator) binary(n *ast.BinaryExpr) {
	if m.pkg.TypesInfo.Types[n].Value != nil {
		return // a constant
	}
	x, y := m.text(n.X), m.text(n.Y)
	with := func(op token.Token) string { return x + " " + op.String() + " " + y }
	mutate := func(op token.Token) int { return m.add(n, m.text(n), with(op)) }
	switch n.Op { //nolint:exhaustive // the other operators have no opposite
	case token.LAND:
		m.wrap(n, "((", fmt.Sprintf(") || mutant(%d) && (%s))", mutate(token.LOR), with(token.LOR)))
		m.condition(n.X)
		m.condition(n.Y)
	case token.LOR:
		m.wrap(n, "((", fmt.Sprintf(") && (!mutant(%d) || %s))", mutate(token.LAND), with(token.LAND)))
		m.condition(n.X)
		m.condition(n.Y)
	case token.EQL:
		m.wrap(n, "((", fmt.Sprintf(") != mutant(%d))", mutate(token.NEQ)))
	case token.NEQ:
		m.wrap(n, "((", fmt.Sprintf(") != mutant(%d))", mutate(token.EQL)))
	case token.LSS, token.GTR:
		negated, wider := token.GEQ, token.LEQ
		if n.Op == token.GTR {
			negated, wider = token.LEQ, token.GEQ
		}
		m.wrap(n, "((", fmt.Sprintf(" || mutant(%d) && %s) != mutant(%d))", mutate(wider), with(token.EQL), mutate(negated)))
	case token.LEQ, token.GEQ:
		negated, narrower := token.GTR, token.LSS
		if n.Op == token.GEQ {
			negated, narrower = token.LSS, token.GTR
		}
		m.wrap(n, "((", fmt.Sprintf(" && !(mutant(%d) && %s)) != mutant(%d))",
			mutate(narrower), with(token.EQL), mutate(negated)))
	case token.ADD, token.SUB, token.MUL, token.QUO:
		if t := m.typeOf(n); t != "" {
			other := map[token.Token]token.Token{
				token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL,
			}[n.Op]
			m.wrap(n, fmt.Sprintf("mutantElse(%d, func() %s { return ", mutate(other), t),
				fmt.Sprintf(" }, func() %s { return %s })", t, with(other)))
		}
	}
}
