package app

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/leat-dev/leat/internal/controller"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/screen"
)

// Following keeps what is heard of an engine that brings a fleet up, and knows when
// it has settled.
//
//	f := app.NewFollowing()
//	up, err := app.Prepare(ctx, app.UpConfig{Finished: f.Finished, Removed: f.Removed, …})
//	f.Follow(up)
//	settled := f.Settle(ctx, grace)
type Following struct {
	up *Up

	mu    sync.Mutex
	runs  map[object.Key]screen.Run
	whys  map[object.Key]string // what keeps units, when it was last looked at
	moved time.Time             // last news of any unit
}

// NewFollowing has heard of nothing.
func NewFollowing() *Following {
	return &Following{runs: make(map[object.Key]screen.Run), moved: time.Now()}
}

// Follow says whose runs those are.
func (f *Following) Follow(up *Up) { f.up = up }

// Finished takes the news of a run.
func (f *Following) Finished(r controller.Run) {
	rep := r.Report
	if rep.Summary.Ready == "" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	run := screen.RunOf(rep)
	run.Took, run.At = r.Took, time.Now()
	before, ok := f.runs[r.Unit]
	if ok && before.Ready == run.Ready && before.Took > run.Took {
		run.Took = before.Took // the run that did the work, not those that looked again
	}
	if !ok || before.Ready != run.Ready || before.Reason != run.Reason || before.Revision != run.Revision || len(run.Changed) > 0 {
		f.moved = run.At // a run that found everything as it was is no news
	}
	f.runs[r.Unit] = run
}

// Removed takes the news that a unit is gone.
func (f *Following) Removed(key object.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.runs, key)
	f.moved = time.Now()
}

// Runs are the last of each unit.
func (f *Following) Runs() map[object.Key]screen.Run {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.runs)
}

// Board is how everything stands now.
func (f *Following) Board() screen.Board {
	board := screen.Make(f.up.Units(), f.Runs())
	for i := range board.Rows {
		if r := &board.Rows[i]; r.State == screen.Progressing && len(r.On) == 0 {
			r.On = f.up.App.Controller.Awaits(r.Key)
		}
	}
	board.Warnings = f.up.Simulated()
	return board
}

// mostExplained bounds of how many units Look asks what keeps them.
const mostExplained = 20

// Look asks the cluster what keeps the workloads that units wait for: their pods know,
// and the last warnings about them.
func (f *Following) Look(ctx context.Context) error {
	k, whys := newKeeping(f.up.App.World, nil), map[object.Key]string{}
	for _, r := range f.Board().Rows {
		if !r.State.Bad() || len(r.On) == 0 || len(whys) == mostExplained {
			continue
		}
		if err := k.fetch(ctx, r.On); err != nil {
			return err
		}
		why, err := k.all(ctx, r.On)
		if err != nil {
			return err
		}
		if why != "" {
			whys[r.Key] = why
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.whys = whys
	return nil
}

// Explained is the board with what the last Look found.
func (f *Following) Explained() screen.Board {
	board := f.Board()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range board.Rows {
		if r := &board.Rows[i]; r.State.Bad() && len(r.On) > 0 {
			r.Message = reasoned(r.Reason, r.Message, f.whys[r.Key])
		}
	}
	return board
}

// quiet is how long nothing may have happened for the engine to count as settled:
// longer than a watch takes to tell what a write did.
const quiet = 1500 * time.Millisecond

// Settle returns true when nothing runs, nothing is due but timers, and what is
// not ready has had its grace; false when ctx ends before.
func (f *Following) Settle(ctx context.Context, grace time.Duration) bool {
	calm, c := time.Now(), f.up.App.Controller
	for {
		idle, changed := c.Idle()
		if !idle {
			calm = time.Now()
		}
		board := f.Board()
		ready, all := board.Counts()
		wait := quiet
		switch {
		case ready == all && all > 0:
			wait = quiet / 3
		case progressing(board):
			wait = grace
		}
		if idle && all > 0 && time.Since(calm) >= wait && time.Since(f.lastMove()) >= wait {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (f *Following) lastMove() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.moved
}

func progressing(b screen.Board) bool {
	for _, r := range b.Rows {
		if r.State == screen.Progressing || r.State == screen.Unknown {
			return true
		}
	}
	return false
}
