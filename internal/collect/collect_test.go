package collect

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestBound(t *testing.T) {
	const none = math.MaxInt64
	for name, tt := range map[string]struct{ most, until, inUse, want int64 }{
		"small":                         {none, 400, 100, 400},
		"half of it is in use":          {none, 400, 200, 400},
		"more than half is in use":      {none, 400, 300, 600},
		"GOMEMLIMIT is below":           {350, 400, 100, 350},
		"GOMEMLIMIT ends what it grows": {500, 400, 300, 500},
	} {
		t.Run(name, func(t *testing.T) {
			if got := bound(tt.most, tt.until, tt.inUse); got != tt.want {
				t.Errorf("bound(%d, %d, %d) = %d, want %d", tt.most, tt.until, tt.inUse, got, tt.want)
			}
		})
	}
}

// What is allowed besides holds from the next collection on, and ends with the work.
func TestAllow(t *testing.T) {
	if os.Getenv("GOGC") != "" {
		t.Skip("GOGC is set in the environment, and what it says goes before what is tested here")
	}
	percent, most := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(most)
	})
	const until, more = 1 << 30, 1 << 20
	Late(300, until)
	limit := func(want int64) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); debug.SetMemoryLimit(-1) != want; runtime.GC() {
			if time.Now().After(deadline) {
				t.Fatalf("the limit is %d, want %d", debug.SetMemoryLimit(-1), want)
			}
		}
	}
	limit(until)
	first, second := Allow(more), Allow(more)
	limit(until + 2*more)
	first()
	first()
	limit(until + more)
	second()
	limit(until)
}
