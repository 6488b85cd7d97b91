package preview

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/schema"
)

// What is out of reach (a chart in a registry, when the network is not used) says
// nothing about the fleet: it runs where the fleet runs. So who waits for it goes
// on as if it were ready, while what builds from it stays unrendered. Likewise with
// kinds whose definitions nothing here brings: a cluster may have them, or a chart
// that is out of reach. They are made up, take whatever they are given, and are
// counted among the placeholders.

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
	if !f.missesAny() {
		return false, nil
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
	s, err := unit.StatusOf(obj)
	if err != nil || run.Ready == "True" || s.Artifact != nil || s.LastAppliedRevision != "" {
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

// noKind is how the API words that it does not know a kind.
var noKind = regexp.MustCompile(`no matches for kind "([A-Za-z0-9]+)" in version "([A-Za-z0-9./-]+)"`)

// kinds makes up those that are missing.
func (f *Fleet) kinds(ctx context.Context, objs []*unstructured.Unstructured) (bool, error) {
	changed := false
	for _, obj := range objs {
		key := object.KeyOf(obj)
		for _, m := range noKind.FindAllStringSubmatch(f.runs[key].Message, -1) {
			gv, err := gvks.ParseGroupVersion(m[2])
			if err != nil || gv.Group == "" {
				continue
			}
			made, err := f.kind(ctx, gv.WithKind(m[1]), key)
			if err != nil {
				return false, err
			}
			changed = changed || made
		}
	}
	return changed, nil
}

// kind makes up one kind, which takes whatever it is given.
func (f *Fleet) kind(ctx context.Context, gvk gvks.GroupVersionKind, by object.Key) (bool, error) {
	if _, err := f.cfg.World.Kind(ctx, gvk); err == nil {
		return false, nil
	}
	plural := strings.ToLower(gvk.Kind) + "s"
	key := object.Key{Group: schema.DefinitionKind.Group, Kind: schema.DefinitionKind.Kind, Name: plural + "." + gvk.Group}
	p := f.made[key]
	if p == nil {
		p = &placeholder{data: map[string]string{}, kind: gvk.GroupKind(), by: map[object.Key]bool{}}
		f.made[key] = p
	}
	p.by[by] = true
	if _, tried := p.data[gvk.Version]; tried {
		return false, nil
	}
	p.data[gvk.Version] = "" // a definition that cannot be made is not tried twice
	obj := definition(key, gvk, plural, p)
	if f.clusterWide(gvk.GroupKind()) {
		_ = unstructured.SetNestedField(obj.Object, "Cluster", "spec", "scope") // a fresh object
	}
	if _, err := f.cfg.World.Apply(ctx, world.Apply{Object: obj, Manager: manager, Force: true}); err != nil {
		return false, fmt.Errorf("make up the kind %s: %w", gvk, err)
	}
	return true, nil
}

// clusterWide tells whether the objects of a kind that were built have no namespace.
func (f *Fleet) clusterWide(gk gvks.GroupKind) bool {
	if strings.HasPrefix(gk.Kind, "Cluster") { // the habit of the field
		return true
	}
	if f.cfg.Built == nil {
		return false
	}
	some := false
	for key := range f.units {
		for _, ref := range f.cfg.Built(key) {
			if ref.GroupKind() != gk {
				continue
			}
			if some = true; ref.Namespace != "" {
				return false
			}
		}
	}
	return some
}

func definition(key object.Key, gvk gvks.GroupVersionKind, plural string, p *placeholder) *unstructured.Unstructured {
	obj := bare(object.Ref{Key: key, Version: "v1"})
	var versions []any
	for version := range p.data {
		versions = append(versions, map[string]any{
			"name": version, "served": true, "storage": version == gvk.Version, "subresources": map[string]any{"status": map[string]any{}},
			"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
		})
	}
	obj.Object["spec"] = map[string]any{
		"group": gvk.Group, "scope": "Namespaced", "versions": versions,
		"names": map[string]any{"kind": gvk.Kind, "listKind": gvk.Kind + "List", "plural": plural, "singular": strings.ToLower(gvk.Kind)},
	}
	return obj
}
