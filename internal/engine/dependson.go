package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/cel"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

// dependencies returns an error unless everything in dependsOn is ready. Its
// text is that of the first that is not; it waits on all of them.
func (c *kustomizing) dependencies(ctx context.Context, revision string) error {
	var first *report.Problem
	for _, d := range c.k.Dependencies() {
		err := c.dependency(ctx, d, revision)
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
	if err := c.cycle(ctx); err != nil {
		return err
	}
	return first
}

// cycle returns an error when the unit waits for itself. It reads what is on
// the circle, so that breaking it anywhere brings the next run.
func (c *kustomizing) cycle(ctx context.Context) error {
	circle := unit.Cycle(c.k.Key(), func(key object.Key) []object.Key { return c.awaits(ctx, key) })
	if circle == nil {
		return nil
	}
	names := make([]string, len(circle))
	for i, key := range circle {
		names[i] = key.Namespace + "/" + key.Name
		if _, err := c.view.get(ctx, unit.Ref(key)); err != nil {
			return report.Retry(report.ReasonDependency, err)
		}
	}
	return report.Stall(report.ReasonDependency, fmt.Errorf(
		"dependsOn goes in a circle: %s; remove one of these dependencies", strings.Join(names, " → ")))
}

// awaits returns what a unit waits to be ready for. An expression may hold
// before the dependency is ready, and closes no circle.
func (c *kustomizing) awaits(ctx context.Context, key object.Key) []object.Key {
	k := c.k
	if key != c.k.Key() {
		obj, err := c.own.Get(ctx, unit.Ref(key))
		if err != nil {
			return nil
		}
		if k, err = unit.DecodeKustomization(obj); err != nil {
			return nil
		}
	}
	var out []object.Key
	for _, d := range k.Dependencies() {
		if d.ReadyExpr == "" || c.Options.AdditiveReadyExpr {
			out = append(out, d.Key)
		}
	}
	return out
}

func (c *kustomizing) dependency(ctx context.Context, d unit.Dependency, revision string) error {
	obj, err := c.view.get(ctx, unit.Ref(d.Key))
	if err != nil {
		return report.Retry(report.ReasonDependency, err)
	}
	if obj == nil {
		return report.Missing(report.ReasonDependency, fmt.Errorf("dependency '%s/%s' not found", d.Key.Namespace, d.Key.Name), d.Key.String())
	}
	if d.ReadyExpr != "" {
		ready, err := cel.CompileReady(d.ReadyExpr)
		if err != nil {
			return report.Stall(report.ReasonInvalidCEL, fmt.Errorf("spec.dependsOn '%s': %w", d.Key.Name, err))
		}
		ok, err := ready.Eval(c.raw.Object, obj.Object)
		if err != nil {
			return report.Wait(report.ReasonDependency, fmt.Errorf("dependency '%s/%s': %w", d.Key.Namespace, d.Key.Name, err), d.Key.String())
		}
		if !ok {
			return report.Wait(report.ReasonDependency, fmt.Errorf(
				"dependency '%s/%s' is not ready according to readyExpr eval", d.Key.Namespace, d.Key.Name), d.Key.String())
		}
		if !c.Options.AdditiveReadyExpr {
			return nil
		}
	}
	dep, err := unit.DecodeKustomization(obj)
	if err != nil {
		return report.Wait(report.ReasonDependency, err, d.Key.String())
	}
	if err := unit.DependencyReady(c.k, dep, revision); err != nil {
		return report.Wait(report.ReasonDependency, err, d.Key.String())
	}
	return nil
}
