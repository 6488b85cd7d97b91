package cel

import (
	"fmt"
	"regexp"
	"strings"

	celgo "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/functions"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

// maxPrecision bounds the precision in a format clause, %.1000f.
const maxPrecisionDigits = 3

// guards tell of a function whether a call is affordable, before it is made:
// its result may be far bigger than its arguments, or its work their product.
var guards = map[string]func(args []ref.Val) bool{
	operators.Equals:    affordableWalk,
	operators.NotEquals: affordableWalk,
	operators.In:        affordableWalk,
	"matches":           func(args []ref.Val) bool { return matchWork(args) <= maxCost },
	"sets.contains":     func(args []ref.Val) bool { return productWork(args) <= maxCost },
	"sets.equivalent":   func(args []ref.Val) bool { return productWork(args) <= maxCost },
	"sets.intersects":   func(args []ref.Val) bool { return productWork(args) <= maxCost },
	"replace":           affordableReplace,
	"join":              affordableJoin,
	"split":             affordableSplit,
	"format":            affordableFormat,
}

func affordableWalk(args []ref.Val) bool { return deepSize(args...) < maxCost }

func affordableReplace(args []ref.Val) bool {
	if len(args) < 3 {
		return true
	}
	s, ok1 := args[0].(types.String)
	old, ok2 := args[1].(types.String)
	with, ok3 := args[2].(types.String)
	if !ok1 || !ok2 || !ok3 {
		return true // the function itself refuses it
	}
	count := strings.Count(string(s), string(old))
	return len(s)+count*len(with) <= maxText
}

func affordableJoin(args []ref.Val) bool {
	list, ok := args[0].(traits.Lister)
	if !ok {
		return true
	}
	separator := 0
	if len(args) > 1 {
		s, _ := args[1].(types.String)
		separator = len(s)
	}
	total := 0
	for it := list.Iterator(); it.HasNext() == types.True; {
		s, _ := it.Next().(types.String)
		if total += len(s) + separator; total > maxText {
			return false
		}
	}
	return true
}

func affordableSplit(args []ref.Val) bool {
	s, ok1 := args[0].(types.String)
	separator, ok2 := args[1].(types.String)
	return !ok1 || !ok2 || strings.Count(string(s), string(separator)) <= maxItems
}

func affordableFormat(args []ref.Val) bool {
	s, ok := args[0].(types.String)
	if !ok {
		return true
	}
	for _, clause := range strings.Split(string(s), "%.")[1:] {
		digits := len(clause) - len(strings.TrimLeft(clause, "0123456789"))
		if digits > maxPrecisionDigits {
			return false
		}
	}
	return deepSize(args...) <= maxText/bytesPerCost
}

// call is the plain function behind a guarded call.
type call func(args []ref.Val) ref.Val

// guardedCall evaluates its arguments, and calls only if that is affordable. It
// hides what it calls, so that nothing replaces it by a faster call without guard.
type guardedCall struct {
	id         int64
	function   string
	args       []interpreter.Interpretable
	affordable func(args []ref.Val) bool
	call       call
}

// ID implements interpreter.Interpretable.
func (g *guardedCall) ID() int64 { return g.id }

// Eval implements interpreter.Interpretable. All guarded functions are strict:
// an argument that is an error is the result.
func (g *guardedCall) Eval(vars interpreter.Activation) ref.Val {
	args := make([]ref.Val, len(g.args))
	for i, plan := range g.args {
		args[i] = plan.Eval(vars)
	}
	for _, arg := range args {
		if types.IsUnknownOrError(arg) {
			return arg
		}
	}
	if !g.affordable(args) {
		return types.LabelErrNode(g.id, types.WrapErr(ErrTooExpensive))
	}
	spend(vars, 1+guardedWork(g.function, args))
	return types.LabelErrNode(g.id, g.call(args))
}

// guardCalls puts a guard before every guarded call of a program of env, and a
// meter around everything else that works.
func guardCalls(env *celgo.Env) (interpreter.InterpretableDecorator, error) {
	calls := map[string]call{
		operators.Equals:    func(args []ref.Val) ref.Val { return types.Equal(args[0], args[1]) },
		operators.NotEquals: func(args []ref.Val) ref.Val { return types.Bool(types.Equal(args[0], args[1]) != types.True) },
	}
	for name := range guards {
		if calls[name] != nil {
			continue
		}
		function, err := plainCall(env, name)
		if err != nil {
			return nil, err
		}
		calls[name] = function
	}
	return func(i interpreter.Interpretable) (interpreter.Interpretable, error) {
		plain, ok := i.(interpreter.InterpretableCall)
		if !ok || guards[plain.Function()] == nil {
			return metered(i), nil
		}
		name := plain.Function()
		function, err := fixedPattern(plain, calls[name])
		return &guardedCall{plain.ID(), name, plain.Args(), guards[name], function}, err
	}, nil
}

// fixedPattern returns a call of matches whose pattern stands in the expression
// with the pattern compiled, which is then also known to be valid; else function.
func fixedPattern(plain interpreter.InterpretableCall, function call) (call, error) {
	if plain.Function() != "matches" || len(plain.Args()) != 2 {
		return function, nil
	}
	fixed, ok := plain.Args()[1].(interpreter.InterpretableConst)
	if !ok {
		return function, nil
	}
	pattern, ok := fixed.Value().(types.String)
	if !ok {
		return function, nil
	}
	compiled, err := regexp.Compile(string(pattern))
	if err != nil {
		return nil, err
	}
	return func(args []ref.Val) ref.Val {
		text, ok := args[0].(types.String)
		if !ok {
			return function(args)
		}
		return types.Bool(compiled.MatchString(string(text)))
	}, nil
}

// plainCall returns the function of env that picks the overload by the types of
// the arguments.
func plainCall(env *celgo.Env, name string) (call, error) {
	bindings, err := env.Functions()[name].Bindings()
	if err != nil {
		return nil, fmt.Errorf("guard function %s: %w", name, err)
	}
	for _, binding := range bindings {
		if binding.Operator == name {
			return dispatch(name, binding), nil
		}
	}
	return nil, fmt.Errorf("guard function %s: it is not declared", name)
}

func dispatch(name string, binding *functions.Overload) call {
	return func(args []ref.Val) ref.Val {
		switch {
		case len(args) == 1 && binding.Unary != nil:
			return binding.Unary(args[0])
		case len(args) == 2 && binding.Binary != nil:
			return binding.Binary(args[0], args[1])
		case binding.Function != nil:
			return binding.Function(args...)
		}
		return types.MaybeNoSuchOverloadErr(args[0])
	}
}
