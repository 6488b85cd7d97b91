package preview

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/unit"
)

// What is out of reach (a chart in a registry, when the network is not used) says
// nothing about the fleet: it runs where the fleet runs. So who waits for it goes
// on as if it were ready, while what builds from it stays unrendered.

// assume takes what is out of reach as ready, once all else has come to rest, and
// tells whether there was anything new.
func (f *Fleet) assume(ctx context.Context) (bool, error) {
	objs := f.all()
	found := f.reach(objs)
	if !f.cfg.Inputs.Invent {
		return false, nil
	}
	for _, key := range found {
		why := "the reach of " + key.String() + " changed"
		f.step(sched.Moved{Subject: engine.Subject(key), Priority: sched.Released, Why: why},
			sched.Moved{Subject: engine.HealthSubject(key), Priority: sched.Released, Why: why})
	}
	if len(found) > 0 {
		return true, nil
	}
	if made, err := f.spaces(ctx, objs); made || err != nil {
		return made, err
	}
	return f.kinds(ctx, objs)
}

// missesAny tells whether anything is out of reach.
func (f *Fleet) missesAny() bool {
	for _, lost := range f.lost {
		if lost {
			return true
		}
	}
	return false
}

// reach finds out what is out of reach, and returns what was not before, or is not
// any more.
func (f *Fleet) reach(objs []*unstructured.Unstructured) []object.Key {
	var moved []object.Key
	for again := true; again; {
		again = false
		for _, obj := range objs {
			key := object.KeyOf(obj)
			if lost := f.unreachable(key, obj); lost != f.lost[key] {
				f.lost[key], again = lost, true
				moved = append(moved, key)
			}
		}
	}
	return moved
}

// unrendered tells whether nothing is known of a unit because of what it is made
// from; a source that itself is out of reach has failed.
func (f *Fleet) unrendered(key object.Key, obj *unstructured.Unstructured) bool {
	k, _ := kindOf(key)
	return f.lost[key] && (!k.Source || f.lost[madeFrom(obj)])
}

// unreachable tells whether a unit, or a source, cannot be had here: it says that
// it would have to be fetched, it is of a kind that is not reconciled, it works in
// another cluster, or what it is made from cannot be had.
func (f *Fleet) unreachable(key object.Key, obj *unstructured.Unstructured) bool {
	run := f.runs[key]
	if run.Ready == "True" {
		return false
	}
	s, err := unit.StatusOf(obj)
	if err != nil || s.Artifact != nil || s.LastAppliedRevision != "" {
		return false
	}
	k, _ := kindOf(key)
	switch {
	case slices.ContainsFunc(run.On, report.IsRemedy), k.Source && !k.Run:
		return true
	case suspended(obj):
		return false
	case unit.Elsewhere(obj) != "" && f.cfg.Other == nil:
		return true
	}
	return f.lost[madeFrom(obj)]
}

func suspended(obj *unstructured.Unstructured) bool {
	on, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend")
	return on
}

// madeFrom is the source of a unit; the zero key where it has none.
func madeFrom(obj *unstructured.Unstructured) object.Key {
	switch obj.GetKind() {
	case unit.KustomizationKind:
		if k, err := unit.DecodeKustomization(obj); err == nil {
			return k.Source()
		}
	case unit.HelmChartKind:
		if c, err := unit.DecodeHelmChart(obj); err == nil {
			return c.Source()
		}
	case unit.HelmReleaseKind:
		if h, err := unit.DecodeHelmRelease(obj); err == nil {
			return h.ChartSource()
		}
	}
	return object.Key{}
}
