package finding

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/screen"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/words"
)

var deliveryRules = []Rule{
	{
		Name: "never-ready", Severity: Danger,
		Doc:   "Units would never become ready. Each root cause is told once, with what it holds up.",
		Check: neverReady,
	},
	{
		Name: "health-check-missing", Severity: Danger,
		Doc:   "A Kustomization waits for the health of an object that nothing in the fleet creates: it never becomes ready. Correct spec.healthChecks.",
		Check: standing(healthCheckMissing),
	},
	{
		Name: "kind-missing", Severity: Danger,
		Doc:   "An object is of a kind that no CustomResourceDefinition of the fleet brings and that the cluster does not know: it is refused until one does.",
		Check: perUnit(kindMissing),
	},
	{
		Name: "dependency-cycle", Severity: Danger, Practice: dependencies,
		Doc:   "Units depend on each other in a circle: none of them is ever applied.",
		Check: standing(cycles),
	},
	{
		Name: "suspended", Severity: Warning,
		Doc: "The change is not deployed: the unit that it is made in, one above it, or its source is suspended. A change that suspends a unit is told of too; one that " +
			"resumes it is a note.",
		Check: suspended,
	},
	{
		Name: "source-unreachable", Severity: Warning,
		Doc: "A source could not be read, so nothing is known of what builds from it; it is never taken for pruned. Allow the network with --fetch, or give a copy " +
			"with --mirror.",
		Check: unreachable,
	},
	{
		Name: "dependency-missing", Severity: Warning, Practice: dependencies,
		Doc:   "A unit depends on another one that nothing in the fleet makes: it waits until somebody does.",
		Check: standing(missing),
	},
	{
		Name: "dependency-kind", Severity: Warning, Practice: dependencies,
		Doc: "A dependency names a kind. Leat waits for it; the CRDs of Flux do not have the field, so that Flux would drop it and look for a unit of its own kind " +
			"instead.",
		Check: perUnit(dependencyKind),
	},
	{
		Name: "dependency-undeclared", Severity: Info, Practice: dependencies,
		Doc: "A unit makes objects of a kind that another unit's CustomResourceDefinition brings, and does not depend on it: the first runs fail until that one is " +
			"there. Declare dependsOn.",
		Check: standing(undeclared),
	},
	{
		Name: "two-owners", Severity: Warning,
		Doc: "Two units make one object. Leat keeps it with the first and leaves it alone in the other; Flux lets them overwrite each other for ever. Remove it from " +
			"one of the two.",
		Check: standing(twoOwners),
	},
	{
		Name: "wide-change", Severity: Info,
		Doc:   fmt.Sprintf("The change touches half of the fleet's units or more, and at least %d: look at who else is concerned.", wideLeast),
		Check: wide,
	},
}

// neverReady tells the root causes; those that are a source out of reach have a
// rule of their own.
func neverReady(set change.Set) []Finding {
	units := byName(set.After)
	var out []Finding
	for _, c := range set.Causes {
		if lost(units, c) {
			continue
		}
		f := causeFinding(units, c)
		text := strings.Join(strings.Fields(c.Message), " ")
		if text == "" {
			text = "it waits for " + words.Some(c.On)
		}
		if !strings.HasPrefix(text, c.Unit+" ") { // a thing that is missing says its name
			text = c.Unit + " would not become ready: " + text
		}
		f.Message = text + holdsUp(c)
		out = append(out, f)
	}
	return out
}

func causeFinding(units map[string]*fleet.Unit, c change.Cause) Finding {
	f := Finding{Old: c.Old}
	u := units[c.Unit]
	if all := slices.Concat(c.Units, c.Blocking); u == nil && len(all) > 0 {
		u = units[all[0]] // a thing that is missing: who misses it first
	}
	if u != nil {
		f.Unit, f.At = u.Key, u.Origin.At()
	}
	return f
}

func holdsUp(c change.Cause) string {
	if len(c.Blocking) == 0 {
		return ""
	}
	return fmt.Sprintf("; holds up %s: %s", count(len(c.Blocking), "unit"), words.Some(c.Blocking))
}

func byName(r fleet.Rendered) map[string]*fleet.Unit {
	out := make(map[string]*fleet.Unit, len(r.Units))
	for i := range r.Units {
		out[r.Units[i].Key.String()] = &r.Units[i]
	}
	return out
}

// lost tells whether a cause is a source out of reach: a unit that is not
// rendered, or one because of which others are not.
func lost(units map[string]*fleet.Unit, c change.Cause) bool {
	unrendered := func(name string) bool { return units[name] != nil && units[name].State == fleet.NotRendered }
	if u := units[c.Unit]; u != nil {
		kind, _ := unit.KindOf(u.Key.GroupKind())
		return unrendered(c.Unit) || kind.Source && slices.ContainsFunc(c.Blocking, unrendered)
	}
	return c.State != screen.Unsupported && slices.ContainsFunc(c.Blocking, unrendered)
}

func unreachable(set change.Set) []Finding {
	units := byName(set.After)
	var out []Finding
	for _, c := range set.Causes {
		if !lost(units, c) {
			continue
		}
		f := causeFinding(units, c)
		text := strings.Join(strings.Fields(c.Message), " ")
		if text == "" {
			text = "it is out of reach"
		}
		f.Message = fmt.Sprintf("%s %s: %s%s", c.Unit, read(units[c.Unit]), text, strings.Replace(holdsUp(c), "holds up", "not rendered because of it:", 1))
		out = append(out, f)
	}
	return out
}

// read says in which way nothing is known of a unit.
func read(u *fleet.Unit) string {
	if u != nil && unit.Elsewhere(u.Object) != "" {
		return "was not rendered"
	}
	return "could not be read"
}

func healthCheckMissing(r fleet.Rendered) []Finding {
	var there map[object.Key]bool
	whole := !slices.ContainsFunc(r.Units, func(u fleet.Unit) bool { return u.State == fleet.NotRendered })
	var out []Finding
	for i := range r.Units {
		u := &r.Units[i]
		if u.Key.Kind != unit.KustomizationKind || u.State == fleet.NotRendered || u.State == fleet.Suspended {
			continue
		}
		for j, item := range listAt(u.Object, "spec", "healthChecks") {
			if there == nil {
				there = objectsOf(r)
			}
			key := checkOf(asMap(item), u.Key.Namespace).In(u.Cluster)
			if there[key] || there[object.Key{Group: key.Group, Kind: key.Kind, Name: key.Name, Cluster: u.Cluster}] {
				continue
			}
			f := ofUnit(u, "it waits for the health of %s, which nothing creates", key)
			f.Field = fmt.Sprintf("/spec/healthChecks/%d", j)
			if !whole {
				f = f.as(Warning) // what was not rendered may create it
			}
			out = append(out, f)
		}
	}
	return out
}

func checkOf(m map[string]any, namespace string) object.Key {
	text := func(field string) string { s, _ := m[field].(string); return s }
	group, _, grouped := strings.Cut(text("apiVersion"), "/")
	if !grouped {
		group = ""
	}
	key := object.Key{Group: group, Kind: text("kind"), Namespace: text("namespace"), Name: text("name")}
	if key.Namespace == "" {
		key.Namespace = namespace
	}
	return key
}

// objectsOf are all that a fleet makes, units included.
func objectsOf(r fleet.Rendered) map[object.Key]bool {
	out := map[object.Key]bool{}
	for i := range r.Units {
		out[r.Units[i].Key] = true
		for _, o := range r.Units[i].Objects {
			out[o.Ref.Key] = true
		}
	}
	return out
}

// noMatch is how the API says that it does not know a kind (apimachinery
// pkg/api/meta/errors.go).
var noMatch = regexp.MustCompile(`no matches for kind "([^"]+)" in (?:version|group) "([^"]*)"`)

func kindMissing(u *fleet.Unit) []Finding {
	var out []Finding
	for _, m := range noMatch.FindAllStringSubmatch(u.Message, -1) {
		f := ofUnit(u, "no CustomResourceDefinition brings the kind %s of %s", m[1], m[2])
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

func suspended(set change.Set) []Finding {
	before, after := byKey(set.Before), byKey(set.After)
	var out []Finding
	for i := range set.Units {
		u := &set.Units[i]
		was, is := before[u.Key], after[u.Key]
		switch {
		case was != nil && is != nil && !off(was) && off(is):
			out = append(out, Finding{Unit: u.Key, Field: "/spec/suspend", Message: "the change suspends it: from here on nothing that Git says of it is done"})
			continue
		case was != nil && is != nil && off(was) && !off(is):
			out = append(out, Finding{Unit: u.Key, Field: "/spec/suspend", Message: "the change resumes it: what was held back comes as well"}.as(Info))
			continue
		}
		if u.Op == change.Unknown || u.Op == change.Same {
			continue // nothing of it is to be deployed, as far as is known
		}
		if by := suspender(after, u); by != nil {
			out = append(out, Finding{Unit: u.Key, Message: fmt.Sprintf("the change is not deployed: %s is suspended", by.Key)})
		}
	}
	return out
}

func off(u *fleet.Unit) bool {
	return u.State == fleet.Suspended || trueAt(u.Object, "spec", "suspend")
}

// suspender returns the unit because of which a changed one is not delivered: one
// above it, its source, or itself where more changes than its own manifest.
func suspender(units map[object.Key]*fleet.Unit, u *change.Unit) *fleet.Unit {
	if is := units[u.Key]; is != nil {
		if off(is) && (len(u.Objects) > 0 || u.Release != nil || len(u.Spec) > 0) {
			return is
		}
		if source := units[is.Source]; source != nil && off(source) {
			return source
		}
	}
	seen := map[object.Key]bool{}
	for key := u.Parent; !seen[key] && units[key] != nil; key = units[key].Parent {
		if off(units[key]) {
			return units[key]
		}
		seen[key] = true
	}
	return nil
}

// wideLeast is how many units a change must touch to be wide.
const wideLeast = 10

func wide(set change.Set) []Finding {
	units, objects := 0, 0
	for _, u := range set.Units {
		if u.Op != change.Same {
			units++
			objects += len(u.Objects)
		}
	}
	if units < wideLeast || 2*units < set.All {
		return nil
	}
	return []Finding{{Message: fmt.Sprintf("%d of %s and %s change", units, count(set.All, "unit"), count(objects, "object"))}}
}
