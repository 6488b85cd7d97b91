// Package provenance finds the file and line that a field of a rendered fleet
// was written on, and the chain that led from there to the field: manifest,
// patches, components, generators, the unit's own spec, substituted variables
// and the ConfigMaps that define them, values of a chart.
//
//	builds := provenance.Trace(build.NewCache(build.Limits{})) // stands in the engine
//	provenance.Fill(ctx, &set, provenance.Sides{Base: …, Head: builds.At(head, nil)})
//	set.Units[0].Objects[0].Fields[0].Origin.At() // "clusters/prod/apps.yaml:14"
//
// Nothing is told that was not verified: the scalar on a line is changed in a
// copy of the tree, the unit is built again, and the field must change with it.
// The number of builds per question is bounded by a constant.
//
// It must never change what it is given, and never print a value: origins hold
// places and names only.
package provenance

import (
	"context"
	"maps"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
)

// Fleet is one side of a change: what it rendered to, and from what.
type Fleet interface {
	// Rendered is the side as a whole.
	Rendered() fleet.Rendered
	// Build is what a Kustomization was built from; false where it was not built.
	Build(unit object.Key) (Build, bool)
	// Chart renders the chart of a HelmRelease; nil where that is not possible.
	Chart(unit object.Key) Chart
}

// Build is what one Kustomization was built from.
type Build struct {
	Tree    tree.Tree
	Recipe  build.Recipe
	Options build.Options
	Outcome build.Outcome
}

// Chart renders the chart of one HelmRelease, with its post renderers, and
// changes nothing.
type Chart interface {
	Render(ctx context.Context, values map[string]any) ([]Templated, error)
}

// Templated is an object of a chart with the template that made it, as Helm
// notes it («# Source: podinfo/templates/service.yaml»).
type Templated struct {
	Object   *unstructured.Unstructured
	Template string
}

// Builder builds, or remembers having built; it is build.Cache, mostly.
type Builder interface {
	Run(ctx context.Context, t tree.Tree, r build.Recipe, o build.Options) (build.Outcome, error)
}

// Traced is a Builder that remembers what each unit was built from last. It may
// be used by several goroutines at once.
type Traced struct {
	builder Builder

	mu   sync.Mutex
	last map[object.Key]Build
}

// Trace returns b with a memory. A side of a change has one of its own; the
// cache below it can be shared.
func Trace(b Builder) *Traced { return &Traced{builder: b, last: make(map[object.Key]Build)} }

// Run builds.
func (b *Traced) Run(ctx context.Context, t tree.Tree, r build.Recipe, o build.Options) (build.Outcome, error) {
	out, err := b.builder.Run(ctx, t, r, o)
	if err == nil {
		b.mu.Lock()
		b.last[kustomization(r.OwnerNamespace, r.OwnerName)] = Build{t, r, o, out}
		b.mu.Unlock()
	}
	return out, err
}

// Ahead builds what will be asked for, where the builder below can.
func (b *Traced) Ahead(ctx context.Context, t tree.Tree, r build.Recipe, o build.Options) {
	if below, can := b.builder.(interface {
		Ahead(context.Context, tree.Tree, build.Recipe, build.Options)
	}); can {
		below.Ahead(ctx, t, r, o)
	}
}

// Copy returns a Builder of its own that remembers what b does now.
func (b *Traced) Copy() *Traced {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &Traced{builder: b.builder, last: maps.Clone(b.last)}
}

// At returns a Fleet of what was traced; charts renders those of HelmReleases
// and may be nil.
func (b *Traced) At(rendered fleet.Rendered, charts func(unit object.Key) Chart) Fleet {
	return traced{b, rendered, charts}
}

func kustomization(namespace, name string) object.Key {
	return object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: namespace, Name: name}
}

type traced struct {
	builds   *Traced
	rendered fleet.Rendered
	charts   func(object.Key) Chart
}

func (f traced) Rendered() fleet.Rendered { return f.rendered }

func (f traced) Build(unit object.Key) (Build, bool) {
	f.builds.mu.Lock()
	defer f.builds.mu.Unlock()
	b, ok := f.builds.last[unit]
	return b, ok
}

func (f traced) Chart(unit object.Key) Chart {
	if f.charts == nil {
		return nil
	}
	return f.charts(unit)
}
