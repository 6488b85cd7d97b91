package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leat-dev/leat/internal/collect"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/release"
)

// operation is one action on a release that goes on in the background. Actions
// wait for hooks and for health, minutes long; a run does not.
type operation struct {
	action release.Action
	moved  string // what part of the target moved, so that the release is uninstalled
	title  string // for people: "Running 'install' action with timeout of 5m0s"
	stamp  string // the inputs it was begun for
	req    release.Request
	cancel context.CancelCauseFunc
	share  chan struct{} // of the slots, of its namespace

	began atomic.Int64 // when its turn came, in ns since 1970; 0 before

	mu       sync.Mutex
	waits    []string // what it waits to become healthy; nil while it works
	recalled bool     // it is not to begin
}

// turn begins the operation, unless it was recalled.
func (o *operation) turn() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.recalled {
		o.began.Store(time.Now().UnixNano())
	}
	return !o.recalled
}

// recall ends an operation whose turn has not come, and tells whether it was so.
func (o *operation) recall() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.began.Load() != 0 {
		return false
	}
	o.recalled = true
	o.cancel(errObsolete)
	return true
}

// waiting names what the operation waits for.
func (o *operation) waiting() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.waits
}

// finished is how an operation ended.
type finished struct {
	op    *operation
	done  release.Done
	out   helm.Outcome
	fixed helm.Corrected
	left  bool // a target that is no longer meant was uninstalled
	never bool // it did not begin, and changed nothing

	// recorded is the history with this in it; it stays here until the status
	// that the cluster shows holds that.
	recorded string
}

// operations are those of all releases. At most so many work at a time; one that
// only waits does not count.
type operations struct {
	mu     sync.Mutex
	ctx    context.Context
	since  time.Time // when they could first begin
	slots  chan struct{}
	shares map[string]chan struct{} // of the slots, by namespace: nobody has all
	active map[object.Key]*operation
	ends   map[object.Key][]finished
	closed chan struct{} // when closed, nothing more begins
	wait   sync.WaitGroup
}

// errObsolete ends an operation whose inputs changed while it only waited, for its
// turn or for health. It did not fail, and counts as no attempt.
var errObsolete = fmt.Errorf("a newer revision came while it waited: %w", context.Canceled)

// start gives the operations the context that they end with, and how many may
// work at a time.
func (o *operations) start(ctx context.Context, atOnce int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.since = time.Now()
	o.ctx, o.slots, o.shares = ctx, make(chan struct{}, max(atOnce, 1)), map[string]chan struct{}{}
	o.closed = make(chan struct{})
	o.active, o.ends = map[object.Key]*operation{}, map[object.Key][]finished{}
}

// began returns when operations could first begin.
func (o *operations) began() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.since
}

// drain lets nothing more begin; what has a slot goes on.
func (o *operations) drain() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed != nil && !o.draining() {
		close(o.closed)
	}
}

// spared is which part of the slots one namespace alone cannot take: actions may take as
// long as the spec of their release says.
const spared = 8

// share returns how many slots a namespace may have; the lock is held.
func (o *operations) share(namespace string) chan struct{} {
	if o.shares[namespace] == nil {
		o.shares[namespace] = make(chan struct{}, cap(o.slots)-cap(o.slots)/spared)
	}
	return o.shares[namespace]
}

func (o *operations) draining() bool {
	select {
	case <-o.closed:
		return true
	default:
		return false
	}
}

// of returns the operation that a unit has under way, or nil.
func (o *operations) of(key object.Key) *operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.active[key]
}

// queued tells whether a unit has an operation whose turn has not come, or came
// less than so long ago.
func (o *operations) queued(key object.Key, young time.Duration) bool {
	op := o.of(key)
	if op == nil {
		return false
	}
	began := op.began.Load()
	return began == 0 || time.Since(time.Unix(0, began)) < young
}

// recall ends the operation of a unit whose turn has not come, and tells whether
// there was one.
func (o *operations) recall(key object.Key) bool {
	op := o.of(key)
	return op != nil && op.stamp != leaving && op.recall()
}

// ended returns how the operations of a unit ended that its status, which has a
// history, does not tell yet, first to last.
func (o *operations) ended(key object.Key, history string) []finished {
	o.mu.Lock()
	defer o.mu.Unlock()
	ends := o.ends[key]
	if n := len(ends); n > 0 && ends[n-1].recorded != "" && ends[n-1].recorded == history {
		delete(o.ends, key)
		return nil
	}
	return slices.Clone(ends)
}

// recorded notes the history that tells of the first n operations that ended.
func (o *operations) recorded(key object.Key, n int, history string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range min(n, len(o.ends[key])) {
		o.ends[key][i].recorded = history
	}
}

// without drops how the operations of a stamp ended.
func (o *operations) without(key object.Key, stamp string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ends[key] = slices.DeleteFunc(o.ends[key], func(f finished) bool { return f.op.stamp == stamp })
}

// forget drops how an operation ended of a unit that is gone.
func (o *operations) forget(key object.Key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.ends, key)
}

// action does the work of an operation. It gives back its slot by calling idle,
// once, when from then on it only waits.
type action func(ctx context.Context, idle func()) finished

// begin starts an operation; told is called when it has ended.
func (o *operations) begin(key object.Key, op *operation, do action, told func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	parent := o.ctx
	if parent == nil || parent.Err() != nil || o.draining() {
		return // ending; the next process goes on
	}
	ctx, cancel := context.WithCancelCause(parent)
	op.cancel, op.share = cancel, o.share(key.Namespace)
	o.active[key] = op
	o.wait.Add(1)
	go func() {
		defer o.wait.Done()
		defer cancel(nil)
		f, begun := o.do(ctx, op, do)
		f.op = op
		o.mu.Lock()
		delete(o.active, key)
		if begun {
			o.ends[key] = append(o.ends[key], f)
		}
		o.mu.Unlock()
		if begun {
			told()
		}
	}()
}

// actionGarbage is by how many bytes the process may be larger for each action in a
// slot: Helm leaves about two mebibytes of garbage in each.
const actionGarbage = 6 << 20

// do runs an action in a slot, unless none comes free before everything ends.
func (o *operations) do(ctx context.Context, op *operation, do action) (f finished, begun bool) {
	for i, slots := range []chan struct{}{op.share, o.slots} {
		select {
		case slots <- struct{}{}:
			continue
		case <-o.closed:
		case <-ctx.Done():
			f, begun = finished{done: release.Done{Err: context.Cause(ctx)}, never: true}, true
		}
		if i > 0 {
			<-op.share
		}
		return f, begun
	}
	if !op.turn() {
		<-o.slots
		<-op.share
		return finished{done: release.Done{Err: errObsolete}, never: true}, true
	}
	allowed := collect.Allow(actionGarbage)
	idle := sync.OnceFunc(func() {
		allowed()
		<-o.slots
		<-op.share
	})
	defer idle()
	began := time.Now()
	f = safely(ctx, do, idle)
	if f.done.Took == 0 {
		f.done.Took = time.Since(began)
	}
	return f, true
}

// safely keeps a panic of a chart's template or of Helm to its own release.
func safely(ctx context.Context, do action, idle func()) (f finished) {
	defer func() {
		if p := recover(); p != nil {
			f.done.Err = panicked(p)
		}
	}()
	return do(ctx, idle)
}

// Work gives the engine what actions on releases need that outlive a run: the
// context that ends them, how many may work at a time, the feed of what they
// wait for (nil lets each watch for itself), and who hears that one has ended.
func (e *Engine) Work(ctx context.Context, atOnce int, feed *Feed, ended func(unit object.Key, why string)) {
	e.ops.start(ctx, atOnce)
	e.feed, e.tell = feed, ended
}

// Drain lets no more actions begin; those under way go on.
func (e *Engine) Drain() { e.ops.drain() }

// Queued tells whether a unit has an action that waits for others to end, or did
// until so short a time ago: there is nothing to tell of it yet.
func (e *Engine) Queued(unit object.Key, young time.Duration) bool { return e.ops.queued(unit, young) }

// Wait returns when every action has ended.
func (e *Engine) Wait() { e.ops.wait.Wait() }
