package finding

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/words"
)

// Rules about what others found out: the engine, while it rendered, and the
// validation of schemas.
var knownRules = []Rule{
	{
		Name: "schema-error", Severity: Danger,
		Doc:   "The schema of an object refuses it: a value has the wrong type, something required is missing, or a rule of the kind is broken. The apply fails.",
		Check: flaws(func(f change.Flaw) bool { return !f.Unknown }),
	},
	{
		Name: "unknown-field", Severity: Warning,
		Doc:   "An object has a field that its kind does not know. The field is dropped, and what was meant does not happen; often it is a typing error.",
		Check: flaws(func(f change.Flaw) bool { return f.Unknown }),
	},
	{
		Name: "variable-undefined", Severity: Warning,
		Doc:   "A variable is used and defined nowhere: it becomes empty. Define it in postBuild.substitute, or give it a default: ${name:=value}.",
		Check: standing(func(r fleet.Rendered) []Finding { return warned(r, undefined) }),
	},
	{
		Name: "placeholder-used", Severity: Info,
		Doc: "Something that lives outside Git was not given, and a placeholder stands for it: what depends on its value is not what the cluster will have. Pass it " +
			"with --input or --set-input.",
		Check: placeholders,
	},
	{
		Name: "value-unused", Severity: Info,
		Doc:   "The chart of a release does not use one of the values: it has no effect. Often it is a typing error, or left over from an older version of the chart.",
		Check: standing(func(r fleet.Rendered) []Finding { return warned(r, unused) }),
	},
	{
		Name: "build-warning", Severity: Info,
		Doc:   "kustomize warned of something in a build, such as a field that it will drop one day.",
		Check: standing(func(r fleet.Rendered) []Finding { return warned(r, building) }),
	},
}

// reason is that of a warning of the engine.
type reason string

// Each reason of a warning has a rule that tells of it.
const (
	undefined reason = report.ReasonUndefined
	floating  reason = report.ReasonFloating
	unused    reason = report.ReasonUnused
	contested reason = report.ReasonContested
	building  reason = report.ReasonBuildWarning
)

// warned are the warnings of units that have a reason; one that stands on several
// units is told of the first.
func warned(r fleet.Rendered, why reason) []Finding {
	seen := map[string]bool{}
	var out []Finding
	for i := range r.Units {
		u := &r.Units[i]
		for _, w := range u.Warnings {
			id := w.Object + " " + w.Message
			if w.Reason != string(why) || seen[id] {
				continue
			}
			seen[id] = true
			f := ofUnit(u, "%s", strings.Join(strings.Fields(w.Message), " "))
			for i := range u.Objects {
				if u.Objects[i].Ref.String() == w.Object {
					f = f.of(u, &u.Objects[i])
				}
			}
			f.At = cmp.Or(w.At, f.At)
			out = append(out, f)
		}
	}
	return out
}

// flaws tells what schemas say; those that base has too are old.
func flaws(which func(change.Flaw) bool) func(change.Set) []Finding {
	return func(set change.Set) []Finding {
		old := map[mark]bool{}
		for _, flaw := range set.Flaws[0] {
			old[markOf(flawed(flaw))] = true
		}
		var out []Finding
		for _, flaw := range set.Flaws[1] {
			if which(flaw) {
				f := flawed(flaw)
				f.Old = old[markOf(f)]
				out = append(out, f)
			}
		}
		return out
	}
}

func flawed(f change.Flaw) Finding {
	return Finding{Unit: f.Unit, Object: f.Object, Field: f.Field, Message: f.Message, At: f.At}
}

// placeholders are old where all that reads them, and all of them that is read, was
// read before.
func placeholders(set change.Set) []Finding {
	before := map[object.Key]fleet.Placeholder{}
	for _, p := range set.Before.Placeholders {
		before[p.Object.Key] = p
	}
	var out []Finding
	for _, p := range set.After.Placeholders {
		f := Finding{Message: fmt.Sprintf("a placeholder stands for %s, which %s", p.Object, readBy(p.By))}
		if len(p.Keys) > 0 {
			f.Message += "; asked for: " + words.Some(p.Keys)
		}
		if len(p.By) > 0 {
			f.Unit = p.By[0]
		}
		was, stood := before[p.Object.Key]
		f.Old = stood && within(p.By, was.By) && within(p.Keys, was.Keys)
		out = append(out, f)
	}
	return out
}

// within tells whether each of some is one of all.
func within[T comparable](some, all []T) bool {
	return !slices.ContainsFunc(some, func(v T) bool { return !slices.Contains(all, v) })
}

func readBy(keys []object.Key) string {
	if len(keys) == 0 {
		return "was asked for"
	}
	return "is read by " + words.Some(sortedNames(keys...))
}
