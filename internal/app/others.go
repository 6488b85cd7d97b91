package app

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/preview"
	"github.com/leat-dev/leat/internal/words"
	"github.com/leat-dev/leat/internal/world/memory"
	"github.com/leat-dev/leat/internal/world/remote"
)

// What a preview takes for other clusters (spec.kubeConfig): each is a world of its
// own that holds what every cluster holds, and what the fleet puts there.

// others are those of one preview.
type others struct {
	previews *Previews
	from     *origins
	worlds   map[string]*memory.World // by name
	saved    map[string]memory.Saved  // what they are to begin as
}

// open makes a cluster; see preview.Config.
func (o *others) open(name string) (preview.Other, error) {
	bare, err := o.previews.bare()
	if err != nil {
		return preview.Other{}, err
	}
	w, err := bare.Copy()
	if err != nil {
		return preview.Other{}, err
	}
	if was, known := o.saved[name]; known {
		if err := w.Restore(was); err != nil {
			return preview.Other{}, err
		}
	}
	charts, err := o.previews.charter(w, "")
	if err != nil {
		return preview.Other{}, err
	}
	o.worlds[name] = w
	return preview.Other{World: w, Helm: o.from.helm.in(name, charts)}, nil
}

// bareWorld is a cluster of which nothing is known.
func bareWorld() (*memory.World, error) { return memory.New(memory.Options{}), nil }

// reach says what is wrong with a kubeconfig that was given. What it would ask of the
// controller that runs the fleet is that one's to allow.
func reach(at engine.Address) error {
	text := at.Kubeconfig.Reveal()
	if at.Workload != nil || strings.HasPrefix(text, "ENC[") {
		return nil
	}
	_, err := remote.Parse([]byte(text), remote.Allow{Exec: true, Insecure: true})
	return err
}

// savedOther is another cluster as plain data.
type savedOther struct {
	Name  string
	World memory.Saved
}

// keep returns all as plain data, by name.
func (o *others) keep() ([]savedOther, error) {
	bare, err := o.previews.bare()
	if err != nil {
		return nil, err
	}
	var out []savedOther
	for name, w := range o.worlds {
		s, err := w.Saved(bare)
		if err != nil {
			return nil, err
		}
		out = append(out, savedOther{name, s})
	}
	slices.SortFunc(out, func(a, b savedOther) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// elsewhere tells in which other clusters units work, and what is known of those.
func elsewhere(r fleet.Rendered) []string {
	clusters := map[string]bool{}
	for _, u := range r.Units {
		if u.Cluster != "" {
			clusters[u.Cluster] = true
		}
	}
	if len(clusters) == 0 {
		return nil
	}
	return []string{"units with spec.kubeConfig are planned in the clusters of " + words.Some(slices.Sorted(maps.Keys(clusters))) +
		", each taken to hold what this fleet puts there and nothing else"}
}

// unasked names the units that stand as they are, because they work in clusters that
// were not asked.
func unasked(r fleet.Rendered) []string {
	var units []string
	for _, u := range r.Units {
		if u.Cluster != "" {
			units = append(units, u.Key.String())
		}
	}
	if len(units) == 0 {
		return nil
	}
	return []string{"not planned, because other clusters are not asked (spec.kubeConfig): " + words.Some(units)}
}
