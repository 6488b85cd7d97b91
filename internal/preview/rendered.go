package preview

import (
	"context"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/screen"
	"github.com/leat-dev/leat/internal/unit"
)

// Rendered is the fleet as it stands. Its values share what the world holds, and
// what the last rendering has of units that stand as they did then.
func (f *Fleet) Rendered(ctx context.Context, revision string) fleet.Rendered {
	out := fleet.Rendered{Revision: revision, Placeholders: f.placeholders()}
	objs := f.all()
	order := f.order(objs)
	out.Units = f.drawAll(ctx, objs, screen.Among(objs))
	for i := range out.Units {
		f.follow(&out.Units[i], objs[i])
		out.Units[i].Order = order[out.Units[i].Key]
	}
	out.Fidelity = f.fidelity(out.Units)
	return out
}

// draw renders one unit, among the others.
func (f *Fleet) draw(ctx context.Context, obj *unstructured.Unstructured, among screen.Others) fleet.Unit {
	key := object.KeyOf(obj)
	row := among.Row(obj, f.runs[key])
	u := fleet.Unit{
		Key: key, Parent: row.Parent, Object: shown(obj, keepStatus), State: stateOf(row.State),
		Reason: row.Reason, Message: row.Message, On: row.On, Missing: row.Missing || f.absent(key, row.On),
		Cluster: unit.Elsewhere(obj), Revision: row.Revision, Warnings: row.Warnings, Reads: f.readsOf(key),
	}
	if f.unrendered(key, obj) {
		u.State = fleet.NotRendered
		if at := unit.Elsewhere(obj); at != "" {
			u.Message = "it works in the cluster of " + at + ", which is not planned"
		}
	}
	u.Files = files(u.Reads)
	f.describe(ctx, &u, obj)
	return u
}

// stateOf is a state of a board for a fleet at rest: what is on its way there
// goes no further.
func stateOf(s screen.State) fleet.State {
	switch s {
	case screen.Ready:
		return fleet.Ready
	case screen.Suspended:
		return fleet.Suspended
	case screen.Unsupported:
		return fleet.NotRendered
	case screen.Failed:
		return fleet.Failed
	default:
		return fleet.Waiting
	}
}

// order counts the units as they came to rest; those that never did come last.
func (f *Fleet) order(objs []*unstructured.Unstructured) map[object.Key]int {
	keys := make([]object.Key, len(objs))
	for i, obj := range objs {
		keys[i] = object.KeyOf(obj)
	}
	slices.SortStableFunc(keys, func(a, b object.Key) int {
		x, readyA := f.rested[a]
		y, readyB := f.rested[b]
		switch {
		case readyA && readyB:
			return x - y
		case readyA:
			return -1
		case readyB:
			return 1
		default:
			return 0
		}
	})
	out := make(map[object.Key]int, len(keys))
	for i, key := range keys {
		out[key] = i
	}
	return out
}

// absent tells whether a unit waits on nothing but what does not exist.
func (f *Fleet) absent(key object.Key, on []string) bool {
	if len(on) == 0 {
		return false
	}
	missed := map[string]bool{}
	for _, r := range f.reads[key].Reads {
		cluster, subject := engine.SiteOf(r.Key)
		at, ok := engine.KeyOfSubject(subject)
		if ok && r.Answer == record.Miss && (cluster != "" || f.units[at] == nil) && f.objects[at.In(cluster)] == nil {
			missed[at.String()] = true
		}
	}
	return !slices.ContainsFunc(on, func(name string) bool { return !missed[name] })
}

// readsOf is what the last run of a unit looked at, its build included.
func (f *Fleet) readsOf(key object.Key) record.Set {
	all := slices.Concat(f.reads[key].Reads, f.cfg.Engine.BuildReads(key))
	slices.SortFunc(all, record.Compare)
	return slices.Compact(all)
}

// files are those of the source that were read and are there.
func files(reads record.Set) []string {
	var out []string
	for _, r := range reads {
		if r.Space == record.File && r.Answer != record.Miss {
			out = append(out, r.Key)
		}
	}
	return slices.Compact(out)
}

// describe fills in what the kind of a unit tells.
func (f *Fleet) describe(ctx context.Context, u *fleet.Unit, obj *unstructured.Unstructured) {
	if a, err := unit.DecodeAwaiting(obj); err == nil {
		for _, d := range a.Dependencies() {
			u.DependsOn = append(u.DependsOn, d.Key)
		}
	}
	switch u.Key.Kind {
	case unit.KustomizationKind:
		if k, err := unit.DecodeKustomization(obj); err == nil {
			u.Source, u.Path = k.Source(), k.Spec.Path
		}
		u.Objects = f.applied(obj)
		if u.State == fleet.Failed || u.State == fleet.Waiting {
			u.Wanted = f.wanted(ctx, obj)
		}
	case unit.HelmChartKind:
		if c, err := unit.DecodeHelmChart(obj); err == nil {
			u.Source, u.Path = c.Source(), c.Spec.Chart
		}
	case unit.HelmReleaseKind:
		if h, err := unit.DecodeHelmRelease(obj); err == nil {
			u.Source = h.ChartSource()
			u.Release = f.release(ctx, h, u.Cluster)
		}
		u.Objects = f.applied(obj)
	}
}

// wanted is what the build of a Kustomization asks for; nil where it cannot be
// built.
func (f *Fleet) wanted(ctx context.Context, obj *unstructured.Unstructured) []object.Ref {
	w, err := f.cfg.Engine.Wanted(ctx, f.cfg.World, obj)
	if err != nil {
		return nil
	}
	out := make([]object.Ref, 0, len(w.Input.Objects))
	for _, o := range w.Input.Objects {
		out = append(out, o.Ref.In(unit.Elsewhere(obj)))
	}
	return out
}

// applied are the objects of a unit's inventory, in its order.
func (f *Fleet) applied(obj *unstructured.Unstructured) []fleet.Object {
	refs, _ := inventoryOf(obj) // what this engine wrote can be read
	out := make([]fleet.Object, 0, len(refs))
	for _, ref := range refs {
		out = append(out, f.object(ref.In(unit.Elsewhere(obj))))
	}
	return out
}

func (f *Fleet) object(ref object.Ref) fleet.Object {
	o := fleet.Object{Ref: ref}
	live, judge := f.standing(ref.Key), engine.Assumed
	if ref.Cluster != "" {
		judge = engine.AssumedElsewhere
	}
	switch {
	case live == nil || ref.Cluster == "" && engine.Provided(ref, live.GetLabels()) != "":
		o.Provided, o.Value = true, bare(ref)
	default:
		o.Value = shown(live, dropStatus)
		o.Assumed = judge(ref.GroupKind(), health.Of(live, health.Rules{Now: f.cfg.Now})).Assumed
	}
	return o
}

// bare is an object of which only the name is told.
func bare(ref object.Ref) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(ref.GVK())
	u.SetNamespace(ref.Namespace)
	u.SetName(ref.Name)
	return u
}

// status says what becomes of a status that is shown.
type status string

const keepStatus, dropStatus status = "keep", "drop"

// ofServer are the fields of metadata that only a server sets.
var ofServer = []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"}

// shown is an object without what only a server, or the engine itself, sets. It
// shares the rest.
func shown(u *unstructured.Unstructured, s status) *unstructured.Unstructured {
	top := maps.Clone(u.Object)
	if s == dropStatus {
		delete(top, "status")
	}
	if meta, ok := top["metadata"].(map[string]any); ok {
		meta = maps.Clone(meta)
		for _, name := range ofServer {
			delete(meta, name)
		}
		if own, ok := meta["finalizers"].([]any); ok {
			meta["finalizers"] = slices.DeleteFunc(slices.Clone(own), func(v any) bool { return v == unit.Finalizer(u) })
			if len(own) == 1 && own[0] == unit.Finalizer(u) {
				delete(meta, "finalizers")
			}
		}
		top["metadata"] = meta
	}
	return &unstructured.Unstructured{Object: top}
}

// placeholders tells what was made up and has users, in order.
func (f *Fleet) placeholders() []fleet.Placeholder {
	if len(f.made) == 0 {
		return nil
	}
	users := f.users()
	var out []fleet.Placeholder
	for _, key := range slices.SortedFunc(maps.Keys(f.made), object.Compare) {
		by := users[key]
		if len(by) == 0 {
			continue // who used it is gone
		}
		out = append(out, fleet.Placeholder{Object: object.Ref{Key: key, Version: "v1"}, Keys: slices.Sorted(maps.Keys(f.made[key].data)), By: by})
	}
	return out
}

// users are the units, in order, that use each thing that was made up: those that
// name it, of a kind those that have an object of it, or asked for it and are not
// ready yet.
func (f *Fleet) users() map[object.Key][]object.Key {
	kinds := map[defined]object.Key{}
	for key, p := range f.made {
		if !p.kind.Empty() {
			kinds[defined{cluster: key.Cluster, kind: p.kind}] = key
		}
	}
	out := map[object.Key][]object.Key{}
	for _, obj := range f.all() {
		key := object.KeyOf(obj)
		used := map[object.Key]bool{}
		said := f.factsOf(obj)
		for _, in := range said.inputs {
			used[in.object] = f.made[in.object] != nil
		}
		for _, ref := range said.applied {
			if made, ok := kinds[defined{cluster: unit.Elsewhere(obj), kind: ref.GroupKind()}]; ok {
				used[made] = true
			}
			space := object.Key{Kind: "Namespace", Name: ref.Namespace, Cluster: unit.Elsewhere(obj)}
			used[space] = used[space] || f.made[space] != nil
		}
		for _, made := range kinds {
			used[made] = used[made] || f.made[made].by[key] && f.runs[key].Ready != "True"
		}
		for made, is := range used {
			if is {
				out[made] = append(out[made], key)
			}
		}
	}
	return out
}
