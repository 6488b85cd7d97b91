// Package collect decides how often Go's runtime collects garbage: seldom while a
// process is small, since that saves up to a tenth of its processor time, and as
// often as it must once it is large.
//
//	collect.Late(300, 416<<20)
package collect

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
)

// Late lets the heap grow by so many percent between collections until the process
// holds this many bytes; from there on as often as staying within them takes. Half of
// the heap may be garbage in any case: where more than half of the bytes are in use,
// the bound grows with what is. What $GOGC and $GOMEMLIMIT say goes before, and so
// does an earlier call.
func Late(percent int, until int64) {
	if os.Getenv("GOGC") != "" || !called.CompareAndSwap(false, true) {
		return
	}
	debug.SetGCPercent(percent)
	most := debug.SetMemoryLimit(math.MinInt64) // what holds now, unchanged
	set := func() { debug.SetMemoryLimit(bound(most, until+allowed.Load(), heapInUse())) }
	set()
	afterEach(set)
}

// Allow lets the process hold this many bytes more, from the next collection on and
// until done is called: for work that makes much garbage while it lasts.
func Allow(bytes int64) (done func()) {
	allowed.Add(bytes)
	return sync.OnceFunc(func() { allowed.Add(-bytes) })
}

var (
	called  atomic.Bool
	allowed atomic.Int64
)

// bound is the memory within which a process stays that has this much in use. All are bytes.
func bound(most, until, inUse int64) int64 { return min(most, max(until, 2*inUse)) }

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
