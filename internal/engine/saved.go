package engine

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/apply"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// Memory is what an engine remembers between runs, as plain data: enough for
// another one to go on where nothing runs. Left out is what a run finds out again:
// trees, indexes, charts, what a generator wrote, and how often something failed.
type Memory struct {
	Units  []UnitMemory // by key
	Left   map[object.Key][]apply.Contest
	Floats map[object.Key]map[object.Key]Floating
}

// UnitMemory is what is remembered of one unit; see memo.
type UnitMemory struct {
	Unit   object.Key
	Marks  map[object.Key]apply.Mark
	Stamp  string // of Wants
	Wants  []object.Key
	Since  time.Time
	WaitOn string
	Reads  record.Set
	Swept  bool
	At     string
	Held   Unwritten
	Digest gate.Digest

	Built, Values []report.Warning
	ValuesStamp   string

	Attempt  Attempt
	Settled  string
	Compared string
	Drift    []string
}

// Unwritten is an inventory that a status may not show yet.
type Unwritten struct {
	Unit          types.UID
	Status, Found inventory.Inventory
}

// Floating is a version that became empty, by the message about it.
type Floating struct{ Message, Cause, At string }

// Attempt is what was done for the present inputs of a release.
type Attempt struct {
	Stamp string
	Done  []release.Action
	Drift release.Drift
}

// Memory returns what is remembered while nothing runs. It shares what never
// changes.
func (e *Engine) Memory() Memory {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := Memory{Left: maps.Clone(e.shared.left), Floats: map[object.Key]map[object.Key]Floating{}}
	for by, found := range e.shared.floats {
		out.Floats[by] = map[object.Key]Floating{}
		for of, f := range found {
			out.Floats[by][of] = Floating{f.message, f.cause, f.at}
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(e.memos), object.Compare) {
		out.Units = append(out.Units, e.memos[key].saved(key))
	}
	return out
}

func (m *memo) saved(key object.Key) UnitMemory {
	out := UnitMemory{
		Unit: key, Marks: maps.Clone(m.marks), Stamp: m.wants.stamp, Wants: slices.SortedFunc(maps.Keys(m.wants.keys), object.Compare),
		Since: m.since, WaitOn: m.waitOn, Reads: m.reads, Swept: m.swept, At: m.at, Held: Unwritten{m.held.unit, m.held.status, m.held.found},
		Digest: m.digest, Built: m.warnings.built, Values: m.warnings.values, ValuesStamp: m.warnings.stamp,
	}
	if reflect.DeepEqual(m.attempt.found, helm.Drift{}) { // else it is compared again
		out.Attempt = Attempt{m.attempt.stamp, slices.Clone(m.attempt.done), m.attempt.drift}
		out.Settled, out.Compared, out.Drift = m.settled, m.compared, m.drift
	}
	return out
}

// Remember gives an engine that has not run yet the memory of another one.
func (e *Engine) Remember(mem Memory) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.memos = make(map[object.Key]*memo, len(mem.Units))
	e.shared.left, e.shared.floats = mem.Left, make(map[object.Key]map[object.Key]floatingBy, len(mem.Floats))
	for by, found := range mem.Floats {
		e.shared.floats[by] = make(map[object.Key]floatingBy, len(found))
		for of, f := range found {
			e.shared.floats[by][of] = floatingBy{f.Message, f.Cause, f.At}
		}
	}
	for _, u := range mem.Units {
		e.memos[u.Unit] = u.memo()
	}
}

func (u UnitMemory) memo() *memo {
	m := &memo{
		marks: u.Marks, wants: wanted{stamp: u.Stamp}, since: u.Since, waitOn: u.WaitOn, reads: u.Reads, swept: u.Swept, at: u.At,
		held:     unwritten{u.Held.Unit, u.Held.Status, u.Held.Found},
		digest:   u.Digest,
		warnings: warnings{built: u.Built, values: u.Values, stamp: u.ValuesStamp},
		attempt:  attempt{stamp: u.Attempt.Stamp, done: u.Attempt.Done, drift: u.Attempt.Drift},
		settled:  u.Settled, compared: u.Compared, drift: u.Drift,
	}
	if u.Stamp != "" {
		m.wants.keys = make(map[object.Key]bool, len(u.Wants))
		for _, key := range u.Wants {
			m.wants.keys[key] = true
		}
	}
	return m
}

// Job returns the job that a run of a HelmRelease would give to Helm, and whom it
// would act as, by the inputs that stand in a world; it begins nothing.
func (e *Engine) Job(ctx context.Context, w world.World, obj *unstructured.Unstructured) (helm.Job, world.Identity, error) {
	h, err := unit.DecodeHelmRelease(obj)
	if err != nil {
		return helm.Job{}, world.Identity{}, err
	}
	r := &releasing{Engine: e, h: h, raw: obj, own: w, memo: &memo{}}
	r.view = view{world: w, rec: &record.Recorder{}}
	r.run.Status = *h.Status.DeepCopy()
	if err := r.gather(ctx); err != nil {
		return helm.Job{}, world.Identity{}, err
	}
	r.req.Object = &h.HelmRelease
	return r.job(), r.as, nil
}

// gather reads what the release is made of.
func (r *releasing) gather(ctx context.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	made, err := r.template(ctx)
	if err != nil {
		return err
	}
	art, err := r.artifact(ctx, made)
	if err != nil {
		return err
	}
	if err := r.compose(ctx); err != nil {
		return err
	}
	if err := r.load(ctx, art); err != nil {
		return err
	}
	return r.enter(ctx)
}
