package cel

import (
	"fmt"

	celgo "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
)

// boundedMacros returns the macros of env, each of which refuses to be expanded
// from more than maxNodes nodes.
func boundedMacros(env *celgo.Env) []celgo.Macro {
	var all []celgo.Macro
	for _, m := range env.Macros() {
		all = append(all, boundedMacro{m})
	}
	return all
}

type boundedMacro struct{ celgo.Macro }

// Expander implements celgo.Macro.
func (m boundedMacro) Expander() celgo.MacroFactory {
	expand := m.Macro.Expander()
	return func(f celgo.MacroExprFactory, target ast.Expr, args []ast.Expr) (ast.Expr, *celgo.Error) {
		if count(append([]ast.Expr{target}, args...)) > maxNodes {
			id := args[0].ID()
			return nil, f.NewError(id, fmt.Sprintf("%s() expands to more than %d parts; chain fewer of them", m.Function(), maxNodes))
		}
		return expand(f, target, args)
	}
}

// count returns the number of nodes in exprs.
func count(exprs []ast.Expr) int {
	n := 0
	for _, e := range exprs {
		if e != nil {
			ast.PostOrderVisit(e, ast.NewExprVisitor(func(ast.Expr) { n++ }))
		}
	}
	return n
}
