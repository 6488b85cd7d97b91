// Package preview runs a whole fleet to rest in a world of its own, with the very
// engine that works in clusters, and tells what it became.
//
//	f := preview.New(preview.Config{World: memory.New(memory.Options{}), Engine: eng, Now: now})
//	defer f.Close()
//	err := f.Settle(ctx)   // the entry was applied to the world before
//	fleet := f.Rendered("main@sha1:…")
//
// What watches and timers do in a cluster is done here by the world, which tells
// of each change: runs go one after the other, in an order that depends on nothing
// but the fleet. No clock is read; nothing that only time brings is awaited. What
// comes next (another tree, a missing input) is told with Wake, and only what it
// touches runs again. It must never reach for the network or a file: the engine's
// ports do, as far as they may.
package preview

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/commit"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/screen"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/live"
	"github.com/leat-dev/leat/internal/world/memory"
)

// World is a world in this process that tells of its changes: memory or overlay.
type World interface {
	world.World
	Subscribe(f func(memory.Event)) (cancel func())
}

// Config is what a Fleet needs.
type Config struct {
	World World
	// Engine is this fleet's alone; what it hears of the world is set here.
	Engine *engine.Engine
	// Now is the time that it is all along.
	Now time.Time
	// Other makes the world of another cluster, as units with spec.kubeConfig first come
	// to it, by its name (unit.Elsewhere); nil leaves such units unrendered.
	Other func(name string) (Other, error)
	// Reach says what is wrong with what leads to another cluster; it is not asked about
	// what was made up, and may be nil.
	Reach func(engine.Address) error
	// Inputs says what to do about what lives outside Git and was not given.
	Inputs Inputs
	// Built tells what the last build of a Kustomization yielded; it may be nil.
	Built func(object.Key) []object.Ref
	Log   *slog.Logger
}

// Fleet is a fleet in its world. It is not safe for concurrent use.
type Fleet struct {
	cfg    Config
	commit commit.Committer
	state  *sched.State
	starts []sched.Run // that the scheduler has begun
	// releases are those of HelmReleases: they begin actions, which go on beside
	// runs, and so have their turn when nothing else runs.
	releases []sched.Run
	live     live.Told
	cancel   func()

	units   map[object.Key]*unstructured.Unstructured // as the world tells; shared
	objects map[object.Key]*unstructured.Unstructured // all others, likewise, of all clusters
	others  map[string]*other                         // clusters, by name
	runs    map[object.Key]screen.Run
	reads   map[object.Key]report.Report // the last of each unit, for what it read
	soft    map[object.Key]softStatus    // progress that was not written down yet
	rested  map[object.Key]int           // when a unit first was ready
	made    map[object.Key]*placeholder
	lost    map[object.Key]bool // out of reach, and taken as ready
	before  *former             // nil where nothing is known of it
	written map[object.Key]bool // the world told of a change
	count   int                 // of runs
	// behind are units that follow their source without a run, and where it is.
	behind map[object.Key]*meta.Artifact
	drawn  map[object.Key]drawn // as last rendered
	said   map[object.Key]facts // what units say of themselves, as far as anybody asked
	sorted []object.Key         // of units; what comes or goes ends it
	ahead  ahead

	mu    sync.Mutex
	heard []heard
	ended map[object.Key]string // actions on releases that ended
	stop  context.CancelFunc
}

// heard is what the world of a cluster told.
type heard struct {
	memory.Event
	at string
}

func (h heard) key() object.Key { return object.KeyOf(h.Object).In(h.at) }

// softStatus is a status on its way to another one.
type softStatus struct {
	obj    *unstructured.Unstructured
	status map[string]any
}

// actionsAtOnce is how many actions on releases work at a time.
const actionsAtOnce = 2

// New returns a fleet in whose world nothing has run. What is in the world is
// taken as it is; what is put there from now on wakes whom it concerns.
func New(cfg Config) *Fleet {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	f := &Fleet{
		cfg: cfg, commit: commit.Committer{World: cfg.World}, state: sched.New(sched.Limits{one: 1}),
		units: map[object.Key]*unstructured.Unstructured{}, objects: map[object.Key]*unstructured.Unstructured{},
		runs: map[object.Key]screen.Run{}, reads: map[object.Key]report.Report{}, soft: map[object.Key]softStatus{},
		rested: map[object.Key]int{}, made: map[object.Key]*placeholder{}, ended: map[object.Key]string{}, lost: map[object.Key]bool{},
		written: map[object.Key]bool{}, others: map[string]*other{}, behind: map[object.Key]*meta.Artifact{}, drawn: map[object.Key]drawn{},
		said: map[object.Key]facts{},
	}
	eng := cfg.Engine
	f.live = f.table(cfg.World, func(m live.Move) { f.step(engine.NewsOfManaged(m)...) })
	if cfg.Other != nil {
		eng.Remotes = f
	}
	eng.Live, eng.Units, eng.Nudge = f.live, f.all, f.Wake
	eng.Unreached = func(key object.Key) bool { return cfg.Inputs.Invent && f.lost[key] }
	eng.Options.Alone, eng.Options.Log = true, cfg.Log
	eng.Options.Rehearse = func(ref object.Ref) bool { return !engine.Predictable(ref.Group) }
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	f.lookAhead(ctx)
	eng.Work(ctx, actionsAtOnce, nil, f.actionEnded)
	f.cancel = cfg.World.Subscribe(f.hearFrom(""))
	return f
}

// Close ends what goes on and lets go of the world and of its artifacts.
func (f *Fleet) Close() {
	f.cancel()
	for _, o := range f.others {
		o.cancel()
	}
	f.stop()
	f.ahead.wait.Wait()
	f.cfg.Engine.Wait()
	if s, ok := f.cfg.Engine.Store.(*Shelf); ok {
		s.Close()
	}
}

// Wake has a unit run again, because something outside of the world changed.
func (f *Fleet) Wake(key object.Key, why string) {
	f.step(sched.Wake{Unit: key, Priority: sched.Revision, Why: why})
}

// Settle runs until nothing is left to do.
func (f *Fleet) Settle(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		f.listen()
		switch {
		case len(f.starts) > 0:
			if err := f.run(ctx); err != nil {
				return err
			}
		case len(f.releases) > 0:
			f.starts, f.releases = f.releases, nil
			for len(f.starts) > 0 {
				if err := f.run(ctx); err != nil {
					return err
				}
			}
			f.actions()
		case f.told(ctx):
		default:
			more, err := f.provide(ctx)
			if err != nil || !more {
				return err
			}
		}
	}
}

// hearFrom takes the word of a cluster's world of a change.
func (f *Fleet) hearFrom(cluster string) func(memory.Event) {
	return func(e memory.Event) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.heard = append(f.heard, heard{e, cluster})
	}
}

// actionEnded takes the engine's word that an action on a release has ended.
func (f *Fleet) actionEnded(key object.Key, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended[key] = why
}

// actions waits for the actions that runs began: for all together, and takes what
// they did in the order of names, since they end in none.
func (f *Fleet) actions() {
	f.cfg.Engine.Wait()
	f.mu.Lock()
	ended := f.ended
	f.ended = map[object.Key]string{}
	slices.SortStableFunc(f.heard, func(a, b heard) int { return object.Compare(a.key(), b.key()) })
	f.mu.Unlock()
	for _, key := range slices.SortedFunc(maps.Keys(ended), object.Compare) {
		f.step(sched.Wake{Unit: key, Priority: sched.Conclude, Why: ended[key]})
	}
}

// told writes down progress that nothing replaced, and tells whether there was any.
func (f *Fleet) told(ctx context.Context) bool {
	keys := slices.SortedFunc(maps.Keys(f.soft), object.Compare)
	for _, key := range keys {
		s := f.soft[key]
		delete(f.soft, key)
		if _, _, err := f.commit.Status(ctx, s.obj, s.status); err != nil {
			f.cfg.Log.Debug("progress was not written", "unit", key, "error", err)
		}
	}
	return len(keys) > 0
}

// Units returns the units in order; they are shared and must not be changed.
func (f *Fleet) Units() []*unstructured.Unstructured { return f.all() }

// The classes of units: of one, one runs at a time.
const one, together = "one", "together"

// step feeds the scheduler.
func (f *Fleet) step(events ...sched.Event) {
	for _, e := range events {
		if w, ok := e.(sched.Wake); ok {
			if w.Class = one; w.Unit.Kind == unit.HelmReleaseKind {
				w.Class = together
			}
			e = w
		}
		for _, r := range f.state.Step(e, f.cfg.Now) {
			if r.Unit.Kind == unit.HelmReleaseKind {
				f.releases = append(f.releases, r)
			} else {
				f.starts = append(f.starts, r)
			}
		}
	}
}

// runsEach bounds the runs of a fleet, per unit: more means that units wake each
// other for ever.
const runsEach = 100

// exhausted is the error of a fleet that does not come to rest.
func (f *Fleet) exhausted() error {
	if f.count <= runsEach*(len(f.units)+10) {
		return nil
	}
	return fmt.Errorf("the fleet does not come to rest: after %d runs of %d units there is still work, last for %s",
		f.count, len(f.units), f.starts[0].Unit)
}

// kindOf is what is known of a unit's kind.
func kindOf(key object.Key) (unit.Kind, bool) { return unit.KindOf(key.GroupKind()) }
