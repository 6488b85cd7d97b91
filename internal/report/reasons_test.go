package report

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// Every condition type and every reason says what it means.
func TestReasonsAndConditionsAreExplained(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "reasons.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		text, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		value, err := strconv.Unquote(text.Value)
		if err != nil {
			t.Fatal(err)
		}
		list := Conditions
		if strings.HasPrefix(spec.Names[0].Name, "Reason") {
			list = Reasons
		}
		if n++; list[value] == "" {
			t.Errorf("%s (%s) says nothing of what it means", spec.Names[0].Name, value)
		}
		return true
	})
	if n < 60 {
		t.Errorf("found %d constants, want all of them", n)
	}
}
