package finding

import (
	"encoding/base64"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/words"
)

// Practices are the practices of GitOps that rules watch over, by number.
var Practices = []string{
	1: "Never modify the cluster directly: all changes go through Git.",
	2: "Use Kustomize overlays: base configurations with patches for each environment.",
	3: "Declare dependencies, so that things are applied in the right order.",
	4: "Enable pruning, so that what Git no longer has is removed.",
	5: "Set health checks, so that what comes next waits until things are ready.",
	6: "Use semantic versions for charts and images.",
	7: "Never keep plain secrets in Git.",
}

// The numbers of the practices.
const (
	throughGit = 1 + iota
	overlays
	dependencies
	pruning
	healthChecks
	semanticVersions
	noPlainSecrets
)

var practiceRules = []Rule{
	{
		Name: "plain-secret", Severity: Danger, Practice: noPlainSecrets,
		Doc: "A Secret stands in Git in clear: whoever may read the repository, or ever could, has it. Change the secret, and keep the new one encrypted with SOPS or " +
			"outside Git.",
		Check: plainSecret,
	},
	{
		Name: "prune-off", Severity: Warning, Practice: pruning,
		Doc:   "A Kustomization does not prune: what is removed from Git stays in the cluster, and nobody manages it.",
		Check: perUnit(pruneOff),
	},
	{
		Name: "health-checks-off", Severity: Info, Practice: healthChecks,
		Doc: "A unit is ready as soon as it is applied: it neither waits (spec.wait) nor has health checks, or its waits are switched off. What depends on it starts too " +
			"early, and nobody hears that it failed.",
		Check: perUnit(healthChecksOff),
	},
	{
		Name: "drift-kept", Severity: Info, Practice: throughGit,
		Doc:   "Changes by hand in the cluster stay: an annotation keeps the object from being corrected, or the HelmRelease does not look for drift.",
		each:  perObject(driftKept),
		Check: perUnit(driftIgnored),
	},
	{
		Name: "copied-manifests", Severity: Info, Practice: overlays,
		Doc: fmt.Sprintf("Two units make %d or more objects that are alike but for their namespace, from different files. A base with an overlay for each says what "+
			"differs, and a correction is made once.", copiedLeast),
		Check: standing(copiedManifests),
	},
}

// plainSecret looks at Secrets that Kustomizations apply. What is encrypted, made
// up, or put in by substitution is none.
func plainSecret(set change.Set) []Finding {
	return standing(func(r fleet.Rendered) []Finding {
		madeUp := map[object.Key]bool{}
		for _, p := range r.Placeholders {
			madeUp[p.Object.Key] = true
		}
		var out []Finding
		for i := range r.Units {
			u := &r.Units[i]
			if u.Key.Kind != unit.KustomizationKind {
				continue
			}
			for o := range made(u) {
				if keys := plainKeys(o); len(keys) > 0 && !madeUp[o.Ref.Key] && !substituted(u, o) {
					f := Finding{Field: "/data", Message: "the Secret stands in Git in clear: " + words.Some(keys)}
					out = append(out, f.of(u, o))
				}
			}
		}
		return out
	})(set)
}

// plainKeys are the keys of a Secret whose values are in clear.
func plainKeys(o *fleet.Object) []string {
	if !is(o.Ref, "Secret") || at(o.Value, "sops") != nil {
		return nil
	}
	var out []string
	for _, field := range []string{"data", "stringData"} {
		for key, value := range asMap(at(o.Value, field)) {
			text, _ := value.(string)
			if clear, err := base64.StdEncoding.DecodeString(text); err == nil && field == "data" {
				text = string(clear)
			}
			if text != "" && !strings.HasPrefix(text, "ENC[") && !strings.HasPrefix(text, "placeholder-") && !isPublic(key) {
				out = append(out, key)
			}
		}
	}
	slices.Sort(out)
	return out
}

// isPublic tells of keys that are no secrets by their kind.
func isPublic(key string) bool {
	return key == "ca.crt" || key == "known_hosts" || key == "identity.pub"
}

// substituted tells whether the values of a Secret may come from variables: it is
// known where they were written, or its unit takes variables from Secrets.
func substituted(u *fleet.Unit, o *fleet.Object) bool {
	for _, link := range o.Origin.Chain {
		if link.Kind == "substitution" {
			return true
		}
	}
	if len(o.Origin.Chain) > 0 {
		return false
	}
	for _, item := range listAt(u.Object, "spec", "postBuild", "substituteFrom") {
		if asMap(item)["kind"] == "Secret" {
			return true
		}
	}
	return false
}

func pruneOff(u *fleet.Unit) []Finding {
	if u.Key.Kind != unit.KustomizationKind || trueAt(u.Object, "spec", "prune") {
		return nil
	}
	f := ofUnit(u, "it does not prune")
	f.Field = "/spec/prune"
	return []Finding{f}
}

func healthChecksOff(u *fleet.Unit) []Finding {
	switch u.Key.Kind {
	case unit.KustomizationKind:
		if !trueAt(u.Object, "spec", "wait") && len(listAt(u.Object, "spec", "healthChecks")) == 0 {
			return []Finding{ofUnit(u, "it neither waits nor has health checks")}
		}
	case unit.HelmReleaseKind:
		for _, action := range []string{"install", "upgrade"} {
			if trueAt(u.Object, "spec", action, "disableWait") {
				f := ofUnit(u, "its %s does not wait", action)
				f.Field = "/spec/" + action + "/disableWait"
				return []Finding{f}
			}
		}
	}
	return nil
}

func driftKept(o *fleet.Object) []Finding {
	for _, mark := range [][2]string{{object.AnnotationReconcile, "disabled"}, {object.AnnotationSSA, "Ignore"}, {object.AnnotationSSA, "IfNotPresent"}} {
		if plan.Marked(o.Value, mark[0], mark[1]) {
			return found("%s is %s: changes by hand stay", mark[0], mark[1])
		}
	}
	return nil
}

func driftIgnored(u *fleet.Unit) []Finding {
	if u.Key.Kind != unit.HelmReleaseKind || u.Object == nil {
		return nil
	}
	switch textAt(u.Object, "spec", "driftDetection", "mode") {
	case "enabled", "warn":
		return nil
	}
	f := ofUnit(u, "it does not look for drift: changes by hand stay until the next upgrade")
	f.Field = "/spec/driftDetection/mode"
	return []Finding{f}
}

// copiedLeast is how many objects alike are copies.
const copiedLeast = 3

// twin is an object that another unit may make as well, elsewhere.
type twin struct{ group, kind, name string }

type copyOf struct {
	unit *fleet.Unit
	obj  *fleet.Object
}

func copiedManifests(r fleet.Rendered) []Finding {
	twins := map[twin][]copyOf{}
	for i := range r.Units {
		u := &r.Units[i]
		if u.Key.Kind != unit.KustomizationKind || len(u.Files) == 0 {
			continue
		}
		for o := range made(u) {
			if o.Ref.Namespace != "" && o.Ref.Kind != "Secret" {
				t := twin{o.Ref.Group, o.Ref.Kind, o.Ref.Name}
				twins[t] = append(twins[t], copyOf{u, o})
			}
		}
	}
	alike := map[[2]*fleet.Unit][]string{}
	for _, t := range slices.SortedFunc(maps.Keys(twins), func(a, b twin) int { return strings.Compare(a.kind+a.name, b.kind+b.name) }) {
		for i, b := range twins[t] {
			if i == 0 {
				continue
			}
			if a := twins[t][i-1]; a.unit != b.unit && copied(a.obj, b.obj) {
				pair := [2]*fleet.Unit{a.unit, b.unit}
				alike[pair] = append(alike[pair], t.kind+" "+t.name)
			}
		}
	}
	var out []Finding
	for pair, names := range alike {
		if len(names) >= copiedLeast && disjoint(pair[0].Files, pair[1].Files) {
			out = append(out, ofUnit(pair[1], "%s are as in %s but for their namespace, from other files: %s", count(len(names), "object"), pair[0].Key, words.Some(names)))
		}
	}
	slices.SortFunc(out, func(a, b Finding) int { return strings.Compare(a.Message, b.Message) })
	return out
}

// copied tells whether two objects are alike but for metadata.
func copied(a, b *fleet.Object) bool {
	if len(a.Value.Object) != len(b.Value.Object) || len(a.Value.Object) < 4 {
		return false
	}
	for key, value := range a.Value.Object {
		if key != "metadata" && !reflect.DeepEqual(value, b.Value.Object[key]) {
			return false
		}
	}
	return true
}

func disjoint(a, b []string) bool {
	return !slices.ContainsFunc(a, func(file string) bool { _, in := slices.BinarySearch(b, file); return in })
}
