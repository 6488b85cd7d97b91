package preview

import (
	"context"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/screen"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
)

// Saved is a fleet at rest as plain data, without its world. It shares what never
// changes.
type Saved struct {
	Standing []sched.Standing
	Memory   engine.Memory
	Runs     map[object.Key]screen.Run
	Reads    map[object.Key]record.Set
	Rested   map[object.Key]int
	Made     []Made
	Lost     []object.Key
	Count    int
}

// Made is what was made up.
type Made struct {
	Object object.Key
	Data   map[string]string
	By     []object.Key
	Kind   gvks.GroupKind // of a definition, what it defines
}

// Saved returns the fleet as it stands; false where it is not at rest.
//
//	s, ok := f.Saved()              // and its world, see memory.World.Saved
//	again := preview.New(cfg)       // in a world that stands like that one
//	again.Restore(s, objects)
//	same, err := again.Confirm(ctx) // where its sources are read anew
func (f *Fleet) Saved() (Saved, bool) {
	f.listen()
	standing, rests := f.state.Standing()
	f.mu.Lock()
	ended := len(f.ended)
	f.mu.Unlock()
	if !rests || len(f.starts)+len(f.releases)+len(f.soft)+len(f.behind)+ended > 0 {
		return Saved{}, false
	}
	out := Saved{
		Standing: standing, Memory: f.cfg.Engine.Memory(), Runs: maps.Clone(f.runs), Rested: maps.Clone(f.rested), Count: f.count,
		Reads: make(map[object.Key]record.Set, len(f.reads)),
	}
	for key, rep := range f.reads {
		out.Reads[key] = rep.Reads
	}
	for _, key := range slices.SortedFunc(maps.Keys(f.made), object.Compare) {
		p := f.made[key]
		out.Made = append(out.Made, Made{key, maps.Clone(p.data), slices.SortedFunc(maps.Keys(p.by), object.Compare), p.kind})
	}
	for key, lost := range f.lost {
		if lost {
			out.Lost = append(out.Lost, key)
		}
	}
	return out, true
}

// Restore has a fleet in whose world nothing has run stand as a saved one did, of
// whose clusters these are the objects, by name. They are shared.
func (f *Fleet) Restore(s Saved, objects map[string][]*unstructured.Unstructured) error {
	for _, cluster := range slices.Sorted(maps.Keys(objects)) {
		if cluster != "" {
			if _, err := f.other(cluster); err != nil {
				return err
			}
		}
		table := f.tableOf(cluster)
		for _, obj := range objects[cluster] {
			table.Stand(obj)
			key := object.KeyOf(obj).In(cluster)
			if _, ours := kindOf(key); ours && cluster == "" {
				f.took(key, obj)
			} else {
				f.objects[key] = obj
			}
		}
	}
	f.cfg.Engine.Remember(s.Memory)
	f.remember(s)
	for _, m := range s.Made {
		p := &placeholder{data: m.Data, kind: m.Kind, by: make(map[object.Key]bool, len(m.By))}
		for _, key := range m.By {
			p.by[key] = true
		}
		f.made[m.Object] = p
	}
	for _, key := range s.Lost {
		f.lost[key] = true
	}
	f.state.Stand(s.Standing)
	return nil
}

// remember takes what runs said.
func (f *Fleet) remember(s Saved) {
	f.runs, f.rested, f.count = maps.Clone(s.Runs), maps.Clone(s.Rested), s.Count
	for key, reads := range s.Reads {
		f.reads[key] = report.Report{Unit: key, Reads: reads}
	}
}

// Confirm reads all sources anew, as they are by now, and tells whether they are
// what the fleet was rendered from: nothing in its world changes by that, and every
// tree of theirs is known again. Where they are not, the fleet is of no use.
func (f *Fleet) Confirm(ctx context.Context, s Saved) (bool, error) {
	for _, keys := range f.sources() {
		for _, key := range keys {
			f.Wake(key, "what it was rendered from is read anew")
		}
		for len(f.starts) > 0 {
			if err := f.run(ctx); err != nil {
				return false, err
			}
		}
		f.told(ctx)
		f.listen()
		if len(f.written)+len(f.starts)+len(f.releases) > 0 {
			return false, nil
		}
	}
	f.remember(s)
	return true, nil
}

// sources are the units that fetch or make what others build from, in the order in
// which they need each other.
func (f *Fleet) sources() [3][]object.Key {
	var out [3][]object.Key
	for _, obj := range f.all() {
		key, at := object.KeyOf(obj), 0
		if k, _ := kindOf(key); !k.Run {
			continue
		}
		switch key.Kind {
		case unit.KustomizationKind, unit.HelmReleaseKind:
			continue
		case unit.HelmChartKind, unit.ArtifactGeneratorKind:
			at = 2
		default:
			if included, _, _ := unstructured.NestedSlice(obj.Object, "spec", "include"); len(included) > 0 {
				at = 1
			}
		}
		out[at] = append(out[at], key)
	}
	return out
}

// Tree returns the tree of an ID that a fleet of the store holds.
func (s *Store) Tree(id hash.ID) (tree.Tree, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.content["sha256:"+id.Hex()]
	if c == nil || c.isFile {
		return tree.Tree{}, false
	}
	return c.tree, true
}
