package sched

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// An event that is being taken when the loop ends may still begin a run; Wait waits
// for that one too.
func TestWaitWaitsForWhatIsJustBegun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var ended atomic.Bool
	loop := NewLoop(nil, func(_ context.Context, r Run) Finished {
		ended.Store(true)
		return Finished{Unit: r.Unit}
	})
	waited := make(chan bool, 1)
	loop.Start(ctx)
	loop.Now = func() time.Time { // under the lock of the loop, after it looked at ctx
		cancel()
		go func() {
			loop.Wait()
			waited <- ended.Load()
		}()
		for range 1000 {
			runtime.Gosched()
		}
		return epoch
	}
	loop.Send(Wake{Unit: key("a")})
	if !<-waited {
		t.Error("Wait returned before the run had ended")
	}
}
