package preview

import (
	"context"

	relv1 "helm.sh/helm/v4/pkg/release/v1"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// release is what Helm's records say that a HelmRelease installed; nil for none.
func (f *Fleet) release(ctx context.Context, h *unit.HelmRelease, cluster string) *fleet.Release {
	driver := f.helmOf(cluster)
	if driver == nil {
		return nil
	}
	history, err := driver.As(world.Identity{}).Observe(ctx, helm.PlaceOf(&h.HelmRelease))
	if err != nil || len(history) == 0 {
		return nil
	}
	last := history[len(history)-1]
	out := &fleet.Release{Namespace: last.Namespace, Name: last.Name, Values: last.Config, Hooks: hooks(last, cluster)}
	if last.Info != nil {
		out.Notes = last.Info.Notes
	}
	if last.Chart != nil && last.Chart.Metadata != nil {
		m := last.Chart.Metadata
		out.Chart, out.Version, out.AppVersion = m.Name, m.Version, m.AppVersion
	}
	return out
}

// hooks are what Helm would run around the release; they are not applied here.
func hooks(r *relv1.Release, cluster string) []fleet.Object {
	var out []fleet.Object
	for _, h := range r.Hooks {
		objs, err := entry.Decode([]byte(h.Manifest))
		if err != nil {
			continue // Helm would refuse it
		}
		for _, obj := range objs {
			if obj.GetNamespace() == "" {
				obj.SetNamespace(r.Namespace)
			}
			out = append(out, fleet.Object{Ref: object.RefOf(obj).In(cluster), Value: obj, Assumed: true})
		}
	}
	return out
}
