package preview

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"

	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/screen"
)

// drawn is a unit as it was rendered, with what it was rendered from. Objects that the
// world told of never change, so that where the same stand there nothing is to be
// rendered anew; a run of the unit ends what is known (note).
type drawn struct {
	unit    fleet.Unit // as of its last run
	obj     *unstructured.Unstructured
	objects []*unstructured.Unstructured // of its inventory, as they stood
}

// drawAll renders units, in their order: those that did not move since they were last
// rendered are as they were then, the others are rendered on all processors.
func (f *Fleet) drawAll(ctx context.Context, objs []*unstructured.Unstructured, among screen.Others) []fleet.Unit {
	out := make([]fleet.Unit, len(objs))
	var anew []int
	for i, obj := range objs {
		var known bool
		if out[i], known = f.drawnBefore(object.KeyOf(obj), obj); !known {
			anew = append(anew, i)
		}
	}
	n := min(runtime.GOMAXPROCS(0), len(anew))
	var all sync.WaitGroup
	for w := range n {
		all.Go(func() {
			for j := w; j < len(anew); j += n {
				out[anew[j]] = f.draw(ctx, objs[anew[j]], among)
			}
		})
	}
	all.Wait()
	for _, i := range anew {
		f.keepDrawn(out[i], objs[i])
	}
	return out
}

// drawnBefore is a unit as it was rendered last; false where something moved since.
func (f *Fleet) drawnBefore(key object.Key, obj *unstructured.Unstructured) (fleet.Unit, bool) {
	d, known := f.drawn[key]
	if !known || d.obj != obj || f.lost[key] {
		return fleet.Unit{}, false
	}
	for i, o := range d.unit.Objects {
		if f.standing(o.Ref.Key) != d.objects[i] {
			return fleet.Unit{}, false
		}
	}
	return d.unit, true
}

// keepDrawn keeps how a unit was rendered, where nothing but what is compared above
// decides on it: what is not ready may wait for others, and what a generator made is
// found by the uid of that.
func (f *Fleet) keepDrawn(u fleet.Unit, obj *unstructured.Unstructured) {
	if u.State != fleet.Ready || len(u.On) > 0 || f.lost[u.Key] || obj.GetLabels()[swapi.ArtifactGeneratorLabel] != "" {
		delete(f.drawn, u.Key)
		return
	}
	d := drawn{unit: u, obj: obj, objects: make([]*unstructured.Unstructured, len(u.Objects))}
	for i, o := range u.Objects {
		d.objects[i] = f.standing(o.Ref.Key)
	}
	f.drawn[u.Key] = d
}

// facts are what a unit says of itself, read once for each state of it.
type facts struct {
	obj     *unstructured.Unstructured
	inputs  []input
	applied []object.Ref // of its inventory
}

// factsOf reads a unit.
func (f *Fleet) factsOf(obj *unstructured.Unstructured) facts {
	key := object.KeyOf(obj)
	known := f.said[key]
	if known.obj != obj {
		known = facts{obj: obj, inputs: inputsOf(obj)}
		known.applied, _ = inventoryOf(obj) // what this engine wrote can be read
		f.said[key] = known
	}
	return known
}

// standing is an object as the world tells of it; nil where it is not known.
func (f *Fleet) standing(key object.Key) *unstructured.Unstructured {
	if obj := f.objects[key]; obj != nil {
		return obj
	}
	return f.units[key]
}

// took takes a unit as the world has it.
func (f *Fleet) took(key object.Key, obj *unstructured.Unstructured) {
	if f.units[key] == nil {
		f.sorted = nil
	}
	f.units[key] = obj
}

// all returns the units in order.
func (f *Fleet) all() []*unstructured.Unstructured {
	if f.sorted == nil {
		f.sorted = slices.SortedFunc(maps.Keys(f.units), object.Compare)
	}
	out := make([]*unstructured.Unstructured, len(f.sorted))
	for i, key := range f.sorted {
		out[i] = f.units[key]
	}
	return out
}
