package cluster

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/world"
)

var _ world.Catalog = (*World)(nil)

// Kinds returns every kind in every version that is served: one request per
// version of a group, kept until Invalidate. A group whose server does not
// answer is left out, as clients do.
func (w *World) Kinds(ctx context.Context) ([]world.Mapping, error) { return w.conn.kinds.catalog(ctx) }

func (d *discovery) catalog(ctx context.Context) ([]world.Mapping, error) {
	d.mu.Lock()
	all := d.all
	d.mu.Unlock()
	if all != nil {
		return slices.Clone(all), nil
	}
	var list metav1.APIGroupList
	if err := d.fetch(ctx, "/apis", &list); err != nil {
		return nil, fmt.Errorf("discover all groups: %w", err)
	}
	all, err := d.inGroup(ctx, "", []string{"v1"})
	if err != nil {
		return nil, fmt.Errorf("discover all kinds: %w", err)
	}
	for _, g := range list.Groups {
		if more, err := d.inGroup(ctx, g.Name, preferredFirst(g)); err == nil {
			all = append(all, more...)
		} else if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	slices.SortStableFunc(all, func(a, b world.Mapping) int { return strings.Compare(a.GVK.Group, b.GVK.Group) })
	d.mu.Lock()
	d.all = all
	d.mu.Unlock()
	return slices.Clone(all), nil
}

// inGroup returns the kinds of a group, by kind, in the order of versions.
func (d *discovery) inGroup(ctx context.Context, name string, versions []string) ([]world.Mapping, error) {
	g := d.group(name)
	var all []world.Mapping
	for _, v := range versions {
		g.mu.Lock()
		kinds := g.kinds[v]
		g.mu.Unlock()
		if kinds == nil {
			var err error
			if kinds, err = d.askVersion(ctx, g, schema.GroupVersion{Group: name, Version: v}); err != nil {
				return nil, err
			}
		}
		all = slices.AppendSeq(all, maps.Values(kinds))
	}
	order := func(m world.Mapping) int { return slices.Index(versions, m.GVK.Version) }
	slices.SortFunc(all, func(a, b world.Mapping) int {
		return cmp.Or(strings.Compare(a.GVK.Kind, b.GVK.Kind), order(a)-order(b))
	})
	return all, nil
}
