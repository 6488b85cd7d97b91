package app

import (
	"context"
	"maps"
	"slices"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/provenance"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/memory"
)

// charts are the releases that an action was taken on.
func (t *tracedHelm) charts() []object.Key {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedFunc(maps.Keys(t.last), object.Compare)
}

// restore has releases be answered for whose actions an earlier process took: what
// their jobs were follows from the world that they left.
func (t *tracedHelm) restore(releases []object.Key, in *memory.World) {
	t.before = in
	t.earlier = make(map[object.Key]bool, len(releases))
	for _, key := range releases {
		t.earlier[key] = true
	}
}

// again is the chart of a release by what stands in the world of an earlier process;
// nil where that is not known.
func (t *tracedHelm) again(key object.Key) provenance.Chart {
	if !t.earlier[key] || t.engine == nil {
		return nil
	}
	ctx := context.Background() // nothing is fetched
	w, err := t.before.Copy()
	if err != nil {
		return nil
	}
	obj, err := w.Get(ctx, unit.Ref(key))
	if err != nil {
		return nil
	}
	job, as, err := t.engine.Job(ctx, w, obj)
	if err != nil {
		return nil
	}
	if c := t.others[unit.Elsewhere(obj)]; c != nil {
		return tracedChart{c, as, job}
	}
	return tracedChart{t.cluster, as, job}
}
