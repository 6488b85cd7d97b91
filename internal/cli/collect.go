package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How garbage of a short-lived process is collected: late, since it makes much and
// keeps most of it, until the process holds what a large fleet needs; from there on
// as often as that takes. Half of the heap may be garbage in any case: where more
// than half of frugalFrom is in use, the bound grows with it.
const (
	gcPercent  = 300
	frugalFrom = 416 << 20 // bytes that the process holds
)

// collectLate sets it, below what GOMEMLIMIT says.
func collectLate() {
	debug.SetGCPercent(gcPercent)
	most := debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(min(most, frugalFrom))
	afterEach(func() { debug.SetMemoryLimit(min(most, max(frugalFrom, 2*heapInUse()))) })
}

// heapInUse is what the last collection found in use, in bytes.
func heapInUse() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(sample[0].Value.Uint64())
}

// afterEach calls f after each collection, until the process ends.
func afterEach(f func()) {
	type mark struct{ _ [16]byte }
	var set func()
	set = func() { runtime.SetFinalizer(&mark{}, func(*mark) { f(); set() }) }
	set()
}
