package cel

import (
	"strings"
	"time"

	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

const (
	// maxCost bounds one evaluation: one per operation and one per ten bytes
	// handled. A million takes some tenths of a second; Kubernetes sets the same
	// limit for one expression.
	maxCost = 1_000_000
	// maxTime bounds an evaluation that slips through the costs. It is many times
	// what maxCost takes, so that a busy machine gives the same answer.
	maxTime = 5 * time.Second
	// timeChecks is how many turns of a loop pass between looks at the time.
	timeChecks = 100
	// maxText bounds a string that one call may make, in bytes.
	maxText = 4 << 20
	// maxItems bounds a list that one call may make.
	maxItems = 200_000
	// bytesPerCost is how many bytes are handled for one unit of cost.
	bytesPerCost = 10
	// matchesPerCost is how many steps of a regular expression cost one unit.
	matchesPerCost = 20
	// maxRepeat is how far a regular expression can multiply itself: {1000}.
	maxRepeat = 1000
	// maxDepth bounds how deep a value is measured.
	maxDepth = 200
)

// budgetName is the name that a budget is found under; no expression can spell
// it.
const budgetName = "#budget"

// budget is what one evaluation sees: its variables, and the work that is left.
// The meter of cel-go itself would search, at every step, all that a loop did
// before, and needs minutes to find that a budget is spent.
type budget struct {
	vars map[string]any
	left uint64
}

// ResolveName implements interpreter.Activation.
func (b *budget) ResolveName(name string) (any, bool) {
	if name == budgetName {
		return b, true
	}
	value, found := b.vars[name]
	return value, found
}

// Parent implements interpreter.Activation.
func (b *budget) Parent() interpreter.Activation { return nil }

// spend takes work from the budget in vars. It ends the evaluation if that is
// more than what is left; while constants are folded there is no budget.
func spend(vars interpreter.Activation, work uint64) {
	found, _ := vars.ResolveName(budgetName)
	b, ok := found.(*budget)
	if !ok {
		return
	}
	if work > b.left {
		panic(interpreter.EvalCancelledError{Message: ErrTooExpensive.Error(), Cause: interpreter.CostLimitExceeded})
	}
	b.left -= work
}

// metered returns i with its work charged: what it makes, and the constants that
// it looks at. What it looks at otherwise was charged when that was evaluated.
// Loops and the logical operators are charged through what is in them.
func metered(i interpreter.Interpretable) interpreter.Interpretable {
	switch i := i.(type) {
	case interpreter.InterpretableConst:
		return i
	case interpreter.InterpretableAttribute:
		return &meteredAttribute{i}
	case interpreter.InterpretableCall:
		return &meteredCall{i, 1 + constantWork(i.Args())}
	case interpreter.InterpretableConstructor:
		if constants(i.InitVals()) == len(i.InitVals()) {
			return i // it is folded
		}
		return &meteredConstructor{i, 1 + uint64(len(i.InitVals()))}
	}
	return i
}

// meteredAttribute is a variable, or a field or item of one.
type meteredAttribute struct {
	interpreter.InterpretableAttribute
}

// AddQualifier implements interpreter.InterpretableAttribute.
func (m *meteredAttribute) AddQualifier(q interpreter.Qualifier) (interpreter.Attribute, error) {
	_, err := m.InterpretableAttribute.AddQualifier(q)
	return m, err
}

// Eval implements interpreter.Interpretable.
func (m *meteredAttribute) Eval(vars interpreter.Activation) ref.Val {
	value := m.InterpretableAttribute.Eval(vars)
	spend(vars, 1+handled(value))
	return value
}

type meteredCall struct {
	interpreter.InterpretableCall
	fixed uint64
}

// Eval implements interpreter.Interpretable.
func (m *meteredCall) Eval(vars interpreter.Activation) ref.Val {
	result := m.InterpretableCall.Eval(vars)
	spend(vars, m.fixed+handled(result))
	return result
}

type meteredConstructor struct {
	interpreter.InterpretableConstructor
	fixed uint64
}

// Eval implements interpreter.Interpretable.
func (m *meteredConstructor) Eval(vars interpreter.Activation) ref.Val {
	spend(vars, m.fixed)
	return m.InterpretableConstructor.Eval(vars)
}

// handled is the work of making or looking at a value once.
func handled(v ref.Val) uint64 {
	if _, growing := v.(traits.MutableLister); growing {
		return 0 // a macro such as map adds one item in place
	}
	return size(v) / bytesPerCost
}

func constants(plans []interpreter.Interpretable) int {
	n := 0
	for _, plan := range plans {
		if _, ok := plan.(interpreter.InterpretableConst); ok {
			n++
		}
	}
	return n
}

func constantWork(plans []interpreter.Interpretable) uint64 {
	var work uint64
	for _, plan := range plans {
		if constant, ok := plan.(interpreter.InterpretableConst); ok {
			work += handled(constant.Value())
		}
	}
	return work
}

// guardedWork is the work of a call that has a guard.
func guardedWork(function string, args []ref.Val) uint64 {
	switch function {
	case operators.Equals, operators.NotEquals, operators.In:
		return deepSize(args...)
	case "matches":
		return matchWork(args)
	case "sets.contains", "sets.equivalent", "sets.intersects":
		return productWork(args)
	}
	var work uint64
	for _, arg := range args {
		work += handled(arg)
	}
	return work
}

// matchWork estimates what it takes to match a text with a regular expression:
// every character of the one meets every state of the other.
func matchWork(args []ref.Val) uint64 {
	if len(args) != 2 {
		return 0
	}
	states := size(args[1])
	if re, ok := args[1].(types.String); ok && strings.Contains(string(re), "{") {
		states *= maxRepeat
	}
	return (1 + size(args[0])) * (1 + states) / matchesPerCost
}

// productWork estimates what it takes to compare each item of a list with each
// of another.
func productWork(args []ref.Val) uint64 {
	if len(args) != 2 {
		return 0
	}
	return deepSize(args[0]) * deepSize(args[1])
}

// size is the length of a string or bytes, the number of items of a list or
// map, and 1 for anything else.
func size(v ref.Val) uint64 {
	if sizer, ok := v.(traits.Sizer); ok {
		if n, ok := sizer.Size().(types.Int); ok && n > 0 {
			return uint64(n)
		}
	}
	return 1
}

// deepSize is the cost of walking through values with everything in them, at
// most maxCost: values can share their parts, and then be exponentially bigger
// than the memory they take.
func deepSize(values ...ref.Val) uint64 {
	m := meter{left: maxCost}
	for _, v := range values {
		m.measure(v, maxDepth)
	}
	return maxCost - m.left
}

// meter counts down while it walks.
type meter struct{ left uint64 }

func (m *meter) spend(n uint64) { m.left -= min(n, m.left) }

func (m *meter) measure(v ref.Val, depth int) {
	if depth == 0 {
		m.left = 0
	}
	if m.left == 0 {
		return
	}
	switch v := v.(type) {
	case types.String:
		m.spend(1 + uint64(len(v))/bytesPerCost)
	case types.Bytes:
		m.spend(1 + uint64(len(v))/bytesPerCost)
	case traits.Mapper:
		m.spend(1)
		for it := v.Iterator(); m.left > 0 && it.HasNext() == types.True; {
			key := it.Next()
			m.measure(key, depth-1)
			if value, found := v.Find(key); found {
				m.measure(value, depth-1)
			}
		}
	case traits.Lister:
		m.spend(1)
		for it := v.Iterator(); m.left > 0 && it.HasNext() == types.True; {
			m.measure(it.Next(), depth-1)
		}
	default:
		m.spend(1)
	}
}
