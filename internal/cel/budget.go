package cel

import (
	"strings"

	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

const (
	// maxCost bounds one evaluation, in the units of cel-go: about one per
	// operation and one per ten bytes handled. A million takes some tenths of a
	// second; Kubernetes sets the same limit for one expression.
	maxCost = 1_000_000
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

// workEstimator charges a call by what it handled. The estimates of cel-go
// itself go by checked overloads, which health expressions do not have, and do
// not know the extensions. A call that would be ruinous before it is charged is
// refused: see guards.
type workEstimator struct{}

// CallCost returns the cost of a call that was made.
func (workEstimator) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	cost := 1 + callWork(function, args, result)
	return &cost
}

func callWork(function string, args []ref.Val, result ref.Val) uint64 {
	switch function {
	case operators.Equals, operators.NotEquals, operators.In:
		return deepSize(args...)
	case "matches":
		return matchWork(args)
	case "sets.contains", "sets.equivalent", "sets.intersects":
		return productWork(args)
	case operators.Add:
		if _, growing := args[0].(traits.MutableLister); growing {
			return 0 // a macro such as map adds one item in place
		}
	}
	handled := size(result)
	for _, arg := range args {
		handled += size(arg)
	}
	return handled / bytesPerCost
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
