package preview

import (
	"context"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/screen"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// Standing is what stands in a world that was there before: its units, and the
// objects that their inventories name. It is shared and must not be changed.
type Standing struct {
	Units []*unstructured.Unstructured // ordered by kind, namespace and name
	// Runs are the last of each unit, of an engine that was listened to; nil infers
	// from statuses what units wait on.
	Runs    map[object.Key]screen.Run
	objects []*unstructured.Unstructured
}

// Undriven is what stands but for the fields that only these managers own
// (plan.Undriven).
func (s Standing) Undriven(managers ...string) Standing {
	objects := make([]*unstructured.Unstructured, len(s.objects))
	for i, obj := range s.objects {
		objects[i] = plan.Undriven(obj, managers...)
	}
	s.objects = objects
	return s
}

// Objects are those that the inventories name, and that are there.
func (s Standing) Objects() []*unstructured.Unstructured { return s.objects }

// Look reads what stands in a world. Kinds that it does not serve have no units.
//
//	standing, err := preview.Look(ctx, cluster)
//	base.Take(standing)          // as it is
//	err = head.Continue(ctx, preview.Start{Standing: standing, Idle: elsewhere})
func Look(ctx context.Context, r world.Reader) (Standing, error) {
	var out Standing
	for _, k := range unit.Kinds {
		gvk := k.GVK()
		gvk.Version = "" // as the server has it
		m, err := r.Kind(ctx, gvk)
		if apimeta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return out, fmt.Errorf("find %s: %w", k.Kind, err)
		}
		all, err := r.List(ctx, m.GVK, world.Selection{})
		if err != nil {
			return out, fmt.Errorf("list %s: %w", k.Kind, err)
		}
		out.Units = append(out.Units, all...)
	}
	slices.SortFunc(out.Units, func(a, b *unstructured.Unstructured) int { return object.Compare(object.KeyOf(a), object.KeyOf(b)) })
	return out, out.read(ctx, r)
}

// read gets what the inventories name and is there.
func (s *Standing) read(ctx context.Context, r world.Reader) error {
	seen := map[object.Key]bool{}
	for _, u := range s.Units {
		if elsewhere, _, _ := unstructured.NestedMap(u.Object, "spec", "kubeConfig"); elsewhere != nil {
			continue // they are in another cluster
		}
		refs, err := inventoryOf(u)
		if err != nil {
			return fmt.Errorf("inventory of %s: %w", object.KeyOf(u), err)
		}
		for _, ref := range refs {
			if _, ours := kindOf(ref.Key); ours || seen[ref.Key] {
				continue
			}
			seen[ref.Key] = true
			obj, err := r.Get(ctx, ref)
			if apierrors.IsNotFound(err) || apimeta.IsNoMatchError(err) {
				continue
			}
			if err != nil {
				return fmt.Errorf("read %s: %w", ref.Key, err)
			}
			s.objects = append(s.objects, obj)
		}
	}
	return nil
}

// inventoryOf are the objects of a unit's inventory, in its order.
func inventoryOf(obj *unstructured.Unstructured) (inventory.Inventory, error) {
	entries, _, _ := unstructured.NestedSlice(obj.Object, "status", "inventory", "entries")
	stored := make([]inventory.Entry, 0, len(entries))
	for _, e := range entries {
		m, _ := e.(map[string]any)
		id, _ := m["id"].(string)
		version, _ := m["v"].(string)
		stored = append(stored, inventory.Entry{ID: id, Version: version})
	}
	return inventory.Decode(stored)
}

// Take takes what stands as it is: nothing runs.
func (f *Fleet) Take(s Standing) {
	f.know(s)
	for _, obj := range s.Units {
		f.took(object.KeyOf(obj), obj)
	}
}

// know takes the objects, and what the statuses of units say.
func (f *Fleet) know(s Standing) {
	if s.Runs == nil {
		s.Runs = screen.Infer(s.Units)
	}
	maps.Copy(f.runs, s.Runs)
	for _, obj := range s.objects {
		f.objects[object.KeyOf(obj)] = obj
		f.live.Changed(obj)
	}
}

// Start says how a fleet goes on from what stands.
type Start struct {
	Standing Standing
	// Idle tells which units do not run unless their spec changes: sources that
	// cannot be asked, whose artifacts stand.
	Idle func(*unstructured.Unstructured) bool
}

// Continue runs what stands to rest again, from the top: a unit runs when that
// which applies it has come to rest, so that none runs with a spec that is about to
// change.
func (f *Fleet) Continue(ctx context.Context, s Start) error {
	f.know(s.Standing)
	for _, layer := range layers(s.Standing.Units) {
		for _, obj := range layer {
			if err := f.wakeStanding(ctx, obj, s.Idle); err != nil {
				return err
			}
		}
		if err := f.Settle(ctx); err != nil {
			return err
		}
	}
	return f.Settle(ctx) // what came without standing before
}

// wakeStanding takes a unit in as the world has it by now; one that is gone, or was
// heard of, needs nothing.
func (f *Fleet) wakeStanding(ctx context.Context, obj *unstructured.Unstructured, idle func(*unstructured.Unstructured) bool) error {
	key := object.KeyOf(obj)
	if f.units[key] != nil {
		return nil
	}
	now, err := f.cfg.World.Get(ctx, object.RefOf(obj))
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	f.took(key, now)
	if k, _ := kindOf(key); k.Run && !idle(now) {
		f.step(sched.Wake{Unit: key, Priority: sched.Revision, Why: "what it is made from may have changed"})
	}
	return nil
}

// layers orders units: first sources, and what nothing applies; then what those
// apply, and so on. Whatever is its own ancestor comes last.
func layers(units []*unstructured.Unstructured) [][]*unstructured.Unstructured {
	parents := map[object.Key]object.Key{}
	for _, row := range screen.Make(units, nil).Rows {
		parents[row.Key] = row.Parent
	}
	var out [][]*unstructured.Unstructured
	for _, obj := range units {
		key := object.KeyOf(obj)
		depth := 0
		if k, _ := kindOf(key); !k.Source {
			depth = depthOf(key, parents)
		}
		for len(out) <= depth {
			out = append(out, nil)
		}
		out[depth] = append(out[depth], obj)
	}
	return out
}

// depthOf counts the units that a unit hangs from, which applied each other.
func depthOf(key object.Key, parents map[object.Key]object.Key) int {
	depth := 0
	for seen := map[object.Key]bool{key: true}; ; depth++ {
		key = parents[key]
		if key.IsZero() || seen[key] {
			return depth
		}
		seen[key] = true
	}
}

// trusting is a world that knows what each of its predictions is worth.
type trusting interface {
	Asked(object.Key) (world.Fidelity, bool)
}

// fidelity is the worst of what is rendered. What was never written is as it stands;
// what was written without being asked for (Helm patches what it upgrades) is known
// by its schema. Flux's own kinds do not count: their schemas are all there is to
// know of them.
func (f *Fleet) fidelity(units []fleet.Unit) world.Fidelity {
	w, ok := f.cfg.World.(trusting)
	if !ok {
		return f.cfg.World.Fidelity()
	}
	worst := world.Exact
	for _, u := range units {
		for _, o := range u.Objects {
			if _, ours := kindOf(o.Ref.Key); ours {
				continue
			}
			switch trust, asked := w.Asked(o.Ref.Key); {
			case asked && trust == world.Structural:
				return trust
			case asked && trust != world.Exact, !asked && f.written[o.Ref.Key]:
				worst = world.OfSchema
			}
		}
	}
	return worst
}
