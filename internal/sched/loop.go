package sched

import (
	"context"
	"sync"
	"time"

	"github.com/leat-dev/leat/internal/object"
)

// Loop drives a State: it feeds it events from any goroutine, starts the runs
// it asks for and lets time pass.
type Loop struct {
	// Do runs a unit and says what it waits on; it is called on a goroutine of
	// its own and must return when ctx ends.
	Do func(ctx context.Context, r Run) Finished
	// Now tells the time; nil is time.Now.
	Now func() time.Time

	mu      sync.Mutex
	state   *State
	running sync.WaitGroup
	ctx     context.Context
	timer   *time.Timer
	armed   time.Time
	changed chan struct{} // closed and replaced at every event
}

// NewLoop returns a Loop over a fresh State. Nothing runs before Start.
func NewLoop(l Limits, do func(context.Context, Run) Finished) *Loop {
	state := New(l)
	state.damps = true
	return &Loop{Do: do, Now: time.Now, state: state, changed: make(chan struct{})}
}

// Start lets runs begin; events sent before are kept. The loop works until ctx
// ends; Wait returns when every run has ended.
func (l *Loop) Start(ctx context.Context) {
	l.mu.Lock()
	l.ctx = ctx
	l.mu.Unlock()
	l.Send(Tick{})
}

// Wait returns when all runs have ended. Call it after the context of Start.
func (l *Loop) Wait() {
	l.Look() // under the lock: who sends now may still begin a run
	l.running.Wait()
}

// Send feeds events, in order.
func (l *Loop) Send(events ...Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx == nil || l.ctx.Err() != nil {
		if l.ctx == nil {
			for _, e := range events {
				l.state.seq++
				l.keep(e)
			}
		}
		return
	}
	now := l.Now()
	for _, e := range events {
		for _, r := range l.state.Step(e, now) {
			l.launch(r)
		}
	}
	l.arm(now)
	close(l.changed)
	l.changed = make(chan struct{})
}

// keep takes an event before Start: it changes the state and starts nothing.
func (l *Loop) keep(e Event) {
	switch e := e.(type) {
	case Wake:
		l.state.wake(e, l.Now())
	case Removed:
		l.state.remove(e.Unit)
	case Drain:
		l.state.drain()
	case Moved, Finished, Tick: // nobody has read or run anything yet
	}
}

func (l *Loop) launch(r Run) {
	l.running.Add(1)
	ctx := l.ctx
	go func() {
		defer l.running.Done()
		f := l.Do(ctx, r)
		l.Send(f)
		if f.Taken != nil {
			f.Taken()
		}
	}()
}

func (l *Loop) arm(now time.Time) {
	at, ok := l.state.NextDue()
	if !ok || at.Equal(l.armed) {
		return
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	l.armed = at
	l.timer = time.AfterFunc(at.Sub(now), func() {
		l.mu.Lock()
		l.armed = time.Time{}
		l.mu.Unlock()
		l.Send(Tick{})
	})
}

// Snapshot is what Watch sees of the state.
type Snapshot struct {
	Running, Queued int
	Idle            bool
}

// Look returns the present counts and a channel that is closed at the next event.
func (l *Loop) Look() (Snapshot, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Snapshot{l.state.Running(), l.state.Queued(), l.state.Idle()}, l.changed
}

// Subscribed tells whether any unit waits on the subject.
func (l *Loop) Subscribed(subject string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.Subscribed(subject)
}

// Queued tells whether a unit stands in line for a run.
func (l *Loop) Queued(key object.Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.state.units[key]
	return u != nil && u.pending && !u.running
}

// Has tells whether the loop knows the unit.
func (l *Loop) Has(key object.Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.state.units[key]
	return u != nil && !u.removed
}
