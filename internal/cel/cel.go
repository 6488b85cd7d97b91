// Package cel evaluates the expressions that users write into their objects:
// spec.healthCheckExprs, and readyExpr of spec.dependsOn.
//
//	health, err := cel.ParseHealth(checks)
//	if check, ok := health.For(gk); ok {
//		outcome, err := check.Eval(obj.Object)
//	}
//	ready, err := cel.CompileReady("dep.status.observedGeneration >= 1")
//	ok, err := ready.Eval(self, dep)
//
// The language is that of Flux: the standard library with strings, sets,
// encoders and optional types, numbers of different types comparable, times in
// UTC (fluxcd/pkg/runtime v0.110 cel/expression.go). Every expression has a
// budget in length, nesting and work, the same on every machine; one that exceeds
// it ends with an error and never hangs. A clock stands behind the budget, far
// beyond what it allows. There is no input but the arguments: no
// clock, no network, no environment.
package cel

import (
	"context"
	"errors"
	"fmt"
	"sync"

	celgo "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"
	"github.com/google/cel-go/interpreter"
)

const (
	// MaxLength bounds the text of an expression, in bytes.
	MaxLength = 16 << 10
	// maxNesting bounds how deep parentheses, loops and operators stand in each
	// other; Flux has the same bound, which is the default of the language.
	maxNesting = 250
	// maxNodes bounds what a macro may be made of. The macros of optional values
	// copy what they are called on, so that a chain of them doubles at each link.
	maxNodes = 10_000
	// maxPrograms bounds the cache of compiled expressions.
	maxPrograms = 4096

	// Reason is the condition reason for an expression that is not valid.
	Reason = "InvalidCELExpression"
)

// Error is an expression that no retry can make valid: the unit is stalled with
// Reason until somebody edits it.
type Error struct {
	Where string // such as spec.healthCheckExprs[1].current
	Expr  string // its text; long ones are cut
	Err   error  // what is wrong, with line and column
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: expression %q: %v", e.Where, cut(e.Expr), e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// EvalError is an expression that could not be evaluated on an object: a field
// is missing, a type is wrong, or the budget is spent. The next state of the
// object may well do.
type EvalError struct {
	Expr string
	Err  error
}

func (e *EvalError) Error() string {
	return fmt.Sprintf("evaluate expression %q: %v", cut(e.Expr), e.Err)
}

func (e *EvalError) Unwrap() error { return e.Err }

// ErrTooExpensive is in an EvalError whose expression exceeded its budget.
var ErrTooExpensive = fmt.Errorf("the expression does too much work, more than %d steps or %s; make it look at fewer items", maxCost, maxTime)

// program is a compiled expression; it is safe for concurrent use.
type program struct {
	text string
	prog celgo.Program
}

// evalBool evaluates the program to true or false.
func (p program) evalBool(vars map[string]any) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), maxTime)
	defer cancel()
	return p.evalWithin(ctx, vars)
}

// evalWithin is evalBool, which ends at the latest when ctx does.
func (p program) evalWithin(ctx context.Context, vars map[string]any) (bool, error) {
	out, _, err := p.prog.ContextEval(ctx, &budget{vars, maxCost})
	var stopped interpreter.EvalCancelledError
	if ctx.Err() != nil || errors.As(err, &stopped) || errors.Is(err, ErrTooExpensive) {
		return false, &EvalError{p.text, ErrTooExpensive}
	}
	if err != nil {
		return false, &EvalError{p.text, err}
	}
	result, ok := out.(types.Bool)
	if !ok {
		return false, &EvalError{p.text, fmt.Errorf("got %s, want true or false", out.Type().TypeName())}
	}
	return bool(result), nil
}

// mode is how an expression is read.
type mode string

const (
	// parsed expressions see the top-level fields of an object, which not all
	// kinds share; so nothing is checked before evaluation.
	parsed mode = "parsed"
	// compiled expressions see the variables self and dep, and are checked to
	// yield a bool.
	compiled mode = "compiled"
)

type programKey struct {
	mode mode
	text string
}

// programs are compiled once per text: the same few expressions are read for
// every unit, at every run.
var programs = struct {
	sync.Mutex
	byKey map[programKey]program
}{byKey: map[programKey]program{}}

// newProgram compiles text, or finds it compiled. Only valid ones are kept.
func newProgram(m mode, text string) (program, error) {
	key := programKey{m, text}
	programs.Lock()
	p, found := programs.byKey[key]
	programs.Unlock()
	if found {
		return p, nil
	}
	p, err := compile(m, text)
	if err != nil {
		return program{}, err
	}
	programs.Lock()
	defer programs.Unlock()
	if len(programs.byKey) >= maxPrograms {
		clear(programs.byKey)
	}
	programs.byKey[key] = p
	return p, nil
}

func compile(m mode, text string) (program, error) {
	if len(text) > MaxLength {
		return program{}, fmt.Errorf("is %d bytes long, want at most %d; shorten it", len(text), MaxLength)
	}
	env, err := environment(m)
	if err != nil {
		return program{}, err
	}
	read := env.Parse
	if m == compiled {
		read = env.Compile
	}
	ast, issues := read(text)
	if issues.Err() != nil {
		return program{}, issues.Err()
	}
	if out := ast.OutputType(); m == compiled && out != celgo.BoolType {
		return program{}, fmt.Errorf("yields %s, want bool", out)
	}
	guard, err := guardCalls(env)
	if err != nil {
		return program{}, err
	}
	prog, err := env.Program(ast,
		celgo.CustomDecorator(guard),
		celgo.EvalOptions(celgo.OptOptimize),
		celgo.InterruptCheckFrequency(timeChecks),
	)
	if err != nil {
		return program{}, err
	}
	return program{text, prog}, nil
}

// environment returns the language of a mode; it is made once.
func environment(m mode) (*celgo.Env, error) {
	if m == compiled {
		return compiledEnv()
	}
	return parsedEnv()
}

var (
	parsedEnv   = sync.OnceValues(func() (*celgo.Env, error) { return newEnv() })
	compiledEnv = sync.OnceValues(func() (*celgo.Env, error) {
		object := celgo.ObjectType("google.protobuf.Struct")
		return newEnv(celgo.Variable("self", object), celgo.Variable("dep", object))
	})
)

func newEnv(variables ...celgo.EnvOption) (*celgo.Env, error) {
	options := append([]celgo.EnvOption{
		celgo.HomogeneousAggregateLiterals(),
		celgo.EagerlyValidateDeclarations(true),
		celgo.DefaultUTCTimeZone(true),
		celgo.CrossTypeNumericComparisons(true),
		celgo.OptionalTypes(),
		ext.Strings(),
		ext.Sets(),
		ext.Encoders(),
		celgo.ParserRecursionLimit(maxNesting),
	}, variables...)
	env, err := celgo.NewEnv(options...)
	if err == nil {
		env, err = env.Extend(celgo.ClearMacros(), celgo.Macros(boundedMacros(env)...))
	}
	if err != nil {
		return nil, fmt.Errorf("make CEL environment: %w", err)
	}
	return env, nil
}

// cut shortens a text for an error message.
func cut(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}
