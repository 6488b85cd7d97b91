package finding

import (
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/words"
)

// cycles tells each circle once: of the unit whose key comes first.
func cycles(r fleet.Rendered) []Finding {
	units := byKey(r)
	next := func(key object.Key) []object.Key {
		if u := units[key]; u != nil {
			return u.DependsOn
		}
		return nil
	}
	var out []Finding
	for i := range r.Units {
		u := &r.Units[i]
		if len(u.DependsOn) == 0 {
			continue
		}
		way := unit.Cycle(u.Key, next)
		if way == nil || slices.MinFunc(way, object.Compare) != u.Key {
			continue
		}
		names := make([]string, len(way))
		for i, key := range way {
			names[i] = key.String()
		}
		f := ofUnit(u, "units wait for each other in a circle: %s", strings.Join(names, " → "))
		f.Field = "/spec/dependsOn"
		out = append(out, f)
	}
	return out
}

func missing(r fleet.Rendered) []Finding {
	units := byKey(r)
	var out []Finding
	for i := range r.Units {
		for j, on := range r.Units[i].DependsOn {
			if units[on] == nil {
				f := ofUnit(&r.Units[i], "it depends on %s, which nothing in the fleet makes", on)
				f.Field = fmt.Sprintf("/spec/dependsOn/%d", j)
				out = append(out, f)
			}
		}
	}
	return out
}

func dependencyKind(u *fleet.Unit) []Finding {
	var out []Finding
	for i, item := range listAt(u.Object, "spec", "dependsOn") {
		kind, _ := asMap(item)["kind"].(string)
		if kind == "" || kind == u.Key.Kind {
			continue
		}
		name, _ := asMap(item)["name"].(string)
		f := ofUnit(u, "it depends on the %s %s; Flux would look for a %s of that name", kind, name, u.Key.Kind)
		f.Field = fmt.Sprintf("/spec/dependsOn/%d/kind", i)
		out = append(out, f)
	}
	return out
}

// undeclared looks for units that make objects of a kind which another unit brings
// that they do not wait for.
func undeclared(r fleet.Rendered) []Finding {
	brings := definitions(r)
	if len(brings) == 0 {
		return nil
	}
	units := byKey(r)
	var out []Finding
	for i := range r.Units {
		u := &r.Units[i]
		told := map[object.Key]bool{}
		var earlier before
		for o := range made(u) {
			by, custom := brings[definition{o.Ref.Cluster, o.Ref.Group, o.Ref.Kind}]
			if !custom || by == u.Key || told[by] {
				continue
			}
			if earlier.seen == nil {
				earlier = comesBefore(units, u)
			}
			if told[by] = true; !earlier.has(units, by) {
				out = append(out, ofUnit(u, "it makes %s, a kind that %s brings; it does not depend on that", o.Ref, by))
			}
		}
	}
	return out
}

// definition is a kind in a cluster.
type definition struct{ cluster, group, kind string }

// definitions tells which unit brings which kind.
func definitions(r fleet.Rendered) map[definition]object.Key {
	out := map[definition]object.Key{}
	for i := range r.Units {
		for o := range made(&r.Units[i]) {
			if is(o.Ref, "apiextensions.k8s.io/CustomResourceDefinition") {
				out[definition{o.Ref.Cluster, textAt(o.Value, "spec", "group"), textAt(o.Value, "spec", "names", "kind")}] = r.Units[i].Key
			}
		}
	}
	return out
}

// before are the units that come before one.
type before struct {
	seen  map[object.Key]bool // what made it, what that and it wait for, and so on
	ready map[object.Key]bool // those of them that are ready before it is applied
}

func comesBefore(units map[object.Key]*fleet.Unit, u *fleet.Unit) before {
	b := before{map[object.Key]bool{}, map[object.Key]bool{}}
	queue := []*fleet.Unit{u}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, key := range at.DependsOn {
			b.ready[key] = true
		}
		for _, key := range append(slices.Clone(at.DependsOn), at.Parent) {
			if next := units[key]; next != nil && !b.seen[key] {
				b.seen[key] = true
				queue = append(queue, next)
			}
		}
	}
	return b
}

// has tells whether a unit comes before: itself, or as part of one that is ready
// only when it is.
func (b before) has(units map[object.Key]*fleet.Unit, key object.Key) bool {
	if b.seen[key] {
		return true
	}
	passed := map[object.Key]bool{}
	for u := units[key]; u != nil && !passed[u.Key]; u = units[u.Parent] {
		passed[u.Key] = true
		if b.ready[u.Key] && trueAt(u.Object, "spec", "wait") {
			return true
		}
	}
	return false
}

func twoOwners(r fleet.Rendered) []Finding {
	first := map[object.Key]*fleet.Unit{}
	var out []Finding
	for i := range r.Units {
		u := &r.Units[i]
		for o := range made(u) {
			other := first[o.Ref.Key]
			if other == nil {
				first[o.Ref.Key] = u
			} else if other != u {
				f := Finding{Message: fmt.Sprintf("%s is made by %s", o.Ref, words.Some(sortedNames(other.Key, u.Key)))}
				out = append(out, f.of(u, o))
			}
		}
	}
	for _, f := range warned(r, contested) { // where one of the two leaves it alone
		if !slices.ContainsFunc(out, func(told Finding) bool { return strings.HasPrefix(f.Message, told.Object.String()+" ") }) {
			out = append(out, f)
		}
	}
	return out
}

func sortedNames(keys ...object.Key) []string {
	slices.SortFunc(keys, object.Compare)
	out := make([]string, len(keys))
	for i, key := range keys {
		out[i] = key.String()
	}
	return out
}
