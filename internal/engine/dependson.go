package engine

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/cel"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// depending asks for what a unit of either kind must wait for.
type depending struct {
	of       unit.Awaiting
	raw      *unstructured.Unstructured
	own      world.World // as the engine
	view     view
	revision string // that the unit is about to apply
	// additive asks the built-in question also where there is a readyExpr.
	additive bool
	// assumed are units that count as ready whatever they say.
	assumed func(object.Key) bool
}

func (c *kustomizing) dependencies(ctx context.Context, revision string) error {
	return depending{c.k, c.raw, c.own, c.view, revision, c.Options.AdditiveReadyExpr, c.assumed}.ready(ctx)
}

// ready returns an error unless everything in dependsOn is ready. Its text is
// that of the first that is not; it waits on all of them.
func (d depending) ready(ctx context.Context) error {
	var first *report.Problem
	for _, dep := range d.of.Dependencies() {
		err := d.one(ctx, dep)
		if err == nil {
			continue
		}
		p := report.AsProblem(err, report.ReasonDependency)
		switch {
		case p.Class != report.Waiting:
			return err
		case first == nil:
			first = p
		default:
			first.On = append(first.On, p.On...)
			first.Missing = first.Missing || p.Missing
		}
	}
	if first == nil {
		return nil
	}
	if err := d.cycle(ctx); err != nil {
		return err
	}
	return first
}

func (d depending) one(ctx context.Context, dep unit.Dependency) error {
	name := d.name(dep.Key)
	obj, err := d.view.get(ctx, unit.Ref(dep.Key))
	if err != nil {
		return report.Retry(report.ReasonDependency, err)
	}
	if obj == nil {
		return report.Missing(report.ReasonDependency, fmt.Errorf("dependency '%s' not found", name), dep.Key.String())
	}
	if d.assumed(dep.Key) {
		return nil
	}
	if dep.ReadyExpr != "" {
		if err := d.expression(dep, obj); err != nil || !d.additive {
			return err
		}
	}
	if err := unit.DependencyReady(d.of, obj, d.revision); err != nil {
		return report.Wait(report.ReasonDependency, err, dep.Key.String())
	}
	return nil
}

// expression asks the readyExpr of a dependency.
func (d depending) expression(dep unit.Dependency, obj *unstructured.Unstructured) error {
	ready, err := cel.CompileReady(dep.ReadyExpr)
	if err != nil {
		return report.Stall(report.ReasonInvalidCEL, fmt.Errorf("spec.dependsOn '%s': %w", dep.Key.Name, err))
	}
	ok, err := ready.Eval(d.raw.Object, obj.Object)
	if err != nil {
		return report.Wait(report.ReasonDependency, fmt.Errorf("dependency '%s': %w", d.name(dep.Key), err), dep.Key.String())
	}
	if !ok {
		return report.Wait(report.ReasonDependency, fmt.Errorf(
			"dependency '%s' is not ready according to readyExpr eval", d.name(dep.Key)), dep.Key.String())
	}
	return nil
}

// name is a dependency as Flux names it, with its kind where that is another.
func (d depending) name(key object.Key) string {
	name := key.Namespace + "/" + key.Name
	if key.Kind != d.of.Key().Kind {
		return key.Kind + "/" + name
	}
	return name
}

// cycle returns an error when the unit waits for itself. It reads what is on
// the circle, so that breaking it anywhere brings the next run.
func (d depending) cycle(ctx context.Context) error {
	circle := unit.Cycle(d.of.Key(), func(key object.Key) []object.Key { return d.awaits(ctx, key) })
	if circle == nil {
		return nil
	}
	names := make([]string, len(circle))
	for i, key := range circle {
		names[i] = d.name(key)
		if _, err := d.view.get(ctx, unit.Ref(key)); err != nil {
			return report.Retry(report.ReasonDependency, err)
		}
	}
	return report.Stall(report.ReasonDependency, fmt.Errorf(
		"dependsOn goes in a circle: %s; remove one of these dependencies", strings.Join(names, " → ")))
}

// awaits returns what a unit waits to be ready for. An expression may hold
// before the dependency is ready, and closes no circle.
func (d depending) awaits(ctx context.Context, key object.Key) []object.Key {
	of := d.of
	if key != of.Key() {
		obj, err := d.own.Get(ctx, unit.Ref(key))
		if err != nil {
			return nil
		}
		if of, err = unit.DecodeAwaiting(obj); err != nil {
			return nil
		}
	}
	var out []object.Key
	for _, dep := range of.Dependencies() {
		if dep.ReadyExpr == "" || d.additive {
			out = append(out, dep.Key)
		}
	}
	return out
}
