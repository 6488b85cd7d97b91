package finding

import (
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/words"
)

var pruneRules = []Rule{
	{
		Name: "mass-prune", Severity: Danger,
		Doc: fmt.Sprintf("Much is pruned at once: %d objects or more that are half of a unit, everything of a unit that stays, or %d objects or more that are a quarter "+
			"of the fleet. An empty folder, a wrong path or a lost overlay looks like this.", massLeast, massFleet),
		Check: massPrune,
	},
	{
		Name: "prune", Severity: Warning,
		Doc:   "Objects are deleted because Git no longer has them. The share of the unit's objects is named.",
		Check: somePrune,
	},
	{
		Name: "release-uninstalled", Severity: Warning,
		Doc:   "A Helm release is uninstalled, because its HelmRelease goes or because it is called otherwise: Helm runs its delete hooks and forgets its history.",
		Check: uninstalled,
	},
	{
		Name: "orphaned", Severity: Info,
		Doc:   "Objects leave Git and stay in the cluster, where nobody manages them any more: prune is off, or they say so. Remove them by hand once they are not needed.",
		Check: orphaned,
	},
}

// What mass-prune calls much.
const (
	massLeast = 5  // objects of a unit
	massFleet = 20 // objects of the fleet
)

// pruned is what a change prunes of one unit.
type pruned struct {
	unit  *change.Unit
	names []string
	of    int // objects that the unit had
}

func prunes(set change.Set) []pruned {
	before := byKey(set.Before)
	var out []pruned
	for i := range set.Units {
		p := pruned{unit: &set.Units[i]}
		for _, o := range set.Units[i].Objects {
			if o.Op == change.Delete {
				p.names = append(p.names, o.Ref.String())
			}
		}
		if len(p.names) > 0 {
			p.of = max(size(before[p.unit.Key]), len(p.names))
			out = append(out, p)
		}
	}
	return out
}

func size(u *fleet.Unit) int {
	if u == nil {
		return 0
	}
	return len(u.Objects)
}

// mass tells whether much of a unit is pruned.
func (p pruned) mass() bool {
	all := len(p.names) == p.of && len(p.names) > 1 && p.unit.Op != change.Delete
	return all || len(p.names) >= massLeast && 2*len(p.names) >= p.of
}

func (p pruned) finding() Finding {
	return Finding{Unit: p.unit.Key, At: p.unit.Origin.At(), Message: fmt.Sprintf(
		"%d of %s pruned (%d %%): %s", len(p.names), count(p.of, "object"), 100*len(p.names)/p.of, words.Some(p.names))}
}

func massPrune(set change.Set) []Finding {
	var out []Finding
	all, total := 0, 0
	for i := range set.Before.Units {
		total += len(set.Before.Units[i].Objects)
	}
	for _, p := range prunes(set) {
		all += len(p.names)
		if p.mass() {
			out = append(out, p.finding())
		}
	}
	if all >= massFleet && 4*all >= total {
		out = append(out, Finding{Message: fmt.Sprintf("%d of %s of the fleet pruned (%d %%)", all, count(total, "object"), 100*all/total)})
	}
	return out
}

func somePrune(set change.Set) []Finding {
	var out []Finding
	for _, p := range prunes(set) {
		if !p.mass() {
			out = append(out, p.finding())
		}
	}
	return out
}

func uninstalled(set change.Set) []Finding {
	var out []Finding
	for i := range set.Units {
		u := &set.Units[i]
		switch r := u.Release; {
		case r != nil && r.Op == change.Delete:
			out = append(out, Finding{Unit: u.Key, Message: fmt.Sprintf("the release %s/%s is uninstalled", r.Namespace, r.Name)})
		case r != nil && r.Op == change.Replace:
			out = append(out, Finding{Unit: u.Key, Message: fmt.Sprintf("the release becomes %s/%s: the old one is uninstalled, another one installed", r.Namespace, r.Name)})
		}
	}
	return out
}

func orphaned(set change.Set) []Finding {
	var out []Finding
	for i := range set.Units {
		u := &set.Units[i]
		if u.Op == change.Orphan {
			out = append(out, Finding{Unit: u.Key, Message: "it stays in the cluster and goes on by itself: " + u.Why})
		}
		names, why := map[string][]string{}, []string{}
		for _, o := range u.Objects {
			if o.Op != change.Orphan || strings.HasPrefix(o.Why, change.HookOnly) {
				continue
			}
			if names[o.Why] == nil {
				why = append(why, o.Why)
			}
			names[o.Why] = append(names[o.Why], o.Ref.String())
		}
		for _, w := range why {
			out = append(out, Finding{Unit: u.Key, Message: fmt.Sprintf("%s stay, unmanaged, because %s: %s", count(len(names[w]), "object"), w, words.Some(names[w]))})
		}
	}
	return out
}

var immutableRules = []Rule{
	{
		Name: "immutable-refused", Severity: Danger,
		Doc: "A field changes that the API never changes. The apply fails, and everything behind it in the unit waits. Give the object another name, or set " +
			"`kustomize.toolkit.fluxcd.io/force: enabled` on it to have it deleted and made anew.",
		Check: perChange(func(o *change.Object) []Finding {
			if o.Op != change.Refuse || o.ByServer {
				return nil // what was refused for another reason, its unit tells
			}
			return foundAt(frozen(o), "the API will refuse the change: %s", o.Why)
		}),
	},
	{
		Name: "immutable-replaced", Severity: Danger,
		Doc:   "A field changes that the API never changes, and force is set: the object is deleted and made anew. What it ran stops, what it held is gone.",
		Check: perChange(replaced),
	},
}

func replaced(o *change.Object) []Finding {
	if o.Op != change.Replace {
		return nil
	}
	return foundAt(frozen(o), "it is deleted and made anew: %s", o.Why)
}

// frozen is the first field that changes and that the API never changes.
func frozen(o *change.Object) string {
	path, _, _ := strings.Cut(o.Why, " ")
	path = "/" + strings.ReplaceAll(strings.TrimSuffix(path, ","), ".", "/")
	if i := slices.IndexFunc(o.Fields, func(f change.Field) bool { return touch(f.Path, path) }); i >= 0 {
		return o.Fields[i].Path
	}
	return ""
}
