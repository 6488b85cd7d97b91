package cel

// Ready is a compiled readyExpr of spec.dependsOn.
type Ready struct{ program program }

// CompileReady compiles a readyExpr. It is checked to yield a bool; its errors
// are of type *Error.
func CompileReady(expr string) (Ready, error) {
	p, err := newProgram(compiled, expr)
	if err != nil {
		return Ready{}, &Error{"readyExpr", expr, err}
	}
	return Ready{p}, nil
}

// Eval tells whether the unit self may run, for all that its dependency dep
// says; both are objects as the API has them. Its errors are of type *EvalError.
func (r Ready) Eval(self, dep map[string]any) (bool, error) {
	return r.program.evalBool(map[string]any{"self": self, "dep": dep})
}
