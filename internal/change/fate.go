package change

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

// fate is what becomes of something that head does not have.
type fate struct {
	op  Op // Delete, Orphan or Unknown
	why string
}

// fate tells what becomes of a unit that head does not have: what its parent does
// about it, if that is still there, else what the end of the parent does.
func (c *comparison) fate(b *fleet.Unit) fate {
	if f, known := c.fates[b.Key]; known {
		return f
	}
	c.fates[b.Key] = fate{op: Delete} // ends a circle of parents
	f := c.decide(b)
	c.fates[b.Key] = f
	return f
}

func (c *comparison) decide(b *fleet.Unit) fate {
	before, after := c.base.units[b.Parent], c.head.units[b.Parent]
	switch {
	case before == nil && after == nil:
		return fate{op: Delete}
	case after != nil && !Applied(after) && (after.Wanted == nil || wants(after, b.Key)):
		return fate{Unknown, fmt.Sprintf("%s, which makes it, %s", b.Parent, howUnapplied(after))}
	case after != nil:
		return c.pruned(after, manifest(before, b))
	}
	switch f := c.fate(before); f.op {
	case Orphan:
		return fate{Orphan, fmt.Sprintf("%s stays, and so does this", b.Parent)}
	case Unknown:
		return f
	}
	return finalized(before, manifest(before, b))
}

// manifest returns a unit as its parent applied it.
func manifest(parent, u *fleet.Unit) *unstructured.Unstructured {
	if parent != nil {
		for i := range parent.Objects {
			if parent.Objects[i].Ref.Key == u.Key {
				return parent.Objects[i].Value
			}
		}
	}
	return u.Object
}

// Applied tells whether a unit came as far as to prune: it is ready, or waits for
// the health of what it applied.
func Applied(u *fleet.Unit) bool {
	switch u.State {
	case fleet.Ready:
		return true
	case fleet.Waiting, fleet.Failed:
		return u.Reason == report.ReasonHealthFailed || u.Reason == report.ReasonProgressing
	}
	return false
}

func howUnapplied(u *fleet.Unit) string {
	switch u.State {
	case fleet.Suspended:
		return "is suspended"
	case fleet.NotRendered:
		return "could not be rendered"
	default:
		return "is not ready"
	}
}

// left tells what becomes of an object that a unit no longer makes: where it does not
// work any more, it prunes nothing.
func (c *comparison) left(by *fleet.Unit, o *fleet.Object) fate {
	if o.Ref.Cluster != by.Cluster {
		return fate{Orphan, fmt.Sprintf("%s works in another cluster now", by.Key)}
	}
	return c.pruned(by, o.Value)
}

// pruned tells what a unit that is still there does about an object that it no
// longer makes. One that is kept says so as it is, not as it would be.
func (c *comparison) pruned(by *fleet.Unit, obj *unstructured.Unstructured) fate {
	f := c.prunes(by, obj)
	if f.op == Delete && !Applied(by) {
		f.why = fmt.Sprintf("as soon as %s can be applied", by.Key)
	}
	return f
}

func (c *comparison) prunes(by *fleet.Unit, obj *unstructured.Unstructured) fate {
	switch by.Key.Kind {
	case unit.KustomizationKind:
		return c.prunesOf(by, obj)
	case unit.HelmReleaseKind:
		return unlessHelmKeeps(obj)
	}
	return fate{op: Delete}
}

// prunesOf tells what a Kustomization does about an object that it no longer builds.
// Where one commit takes files away and turns spec.prune, the unit hears of the files
// at once, as all units of a source do, and of its spec when its parent has applied it.
func (c *comparison) prunesOf(by *fleet.Unit, obj *unstructured.Unstructured) fate {
	on, still, then := isTrue(by.Object, "prune"), "", ""
	if b := c.base.units[by.Key]; b != nil && isTrue(b.Object, "prune") != on && sameBuild(b.Object, by.Object) && c.moves(by.Source) {
		on, still, then = !on, "still ", " when its files go"
	}
	f := unlessKept(obj)
	switch {
	case !on:
		return fate{Orphan, fmt.Sprintf("spec.prune of %s is %soff%s", by.Key, still, then)}
	case f.op == Delete && still != "":
		return fate{Delete, fmt.Sprintf("spec.prune of %s is %son%s", by.Key, still, then)}
	}
	return f
}

// ofBuild are the fields of a Kustomization that decide on what it builds.
var ofBuild = []string{
	"path", "sourceRef", "targetNamespace", "namePrefix", "nameSuffix", "patches", "images", "components",
	"commonMetadata", "postBuild", "ignoreMissingComponents", "decryption",
}

// sameBuild tells whether two specs build the same from the same source.
func sameBuild(a, b *unstructured.Unstructured) bool {
	return !slices.ContainsFunc(ofBuild, func(field string) bool {
		x, _, _ := unstructured.NestedFieldNoCopy(a.Object, "spec", field)
		y, _, _ := unstructured.NestedFieldNoCopy(b.Object, "spec", field)
		return !equal(x, y)
	})
}

// moves tells whether a source has another revision at head.
func (c *comparison) moves(source object.Key) bool {
	b, h := c.base.units[source], c.head.units[source]
	return b != nil && h != nil && b.Revision != h.Revision
}

// deletesFirst tells whether an object that goes from one unit to another is deleted in
// between: what Helm holds at either side, the other does not know to be handed over.
func (c *comparison) deletesFirst(from, to *fleet.Unit, was *fleet.Object) bool {
	return (from.Key.Kind == unit.HelmReleaseKind || to.Key.Kind == unit.HelmReleaseKind) && c.dropped(from, was).op == Delete
}

// finalized tells what the end of a unit does to its objects (kustomize-controller
// v1.9 api/v1 deletionPolicy; helm-controller v1.6 uninstalls what is not
// suspended).
func finalized(u *fleet.Unit, obj *unstructured.Unstructured) fate {
	switch {
	case isTrue(u.Object, "suspend"):
		return fate{Orphan, fmt.Sprintf("%s is suspended, and its end removes nothing", u.Key)}
	case u.Key.Kind == unit.HelmReleaseKind:
		return unlessHelmKeeps(obj)
	case u.Key.Kind != unit.KustomizationKind:
		return fate{op: Delete}
	}
	switch policy := text(u.Object, "deletionPolicy"); {
	case policy == "Orphan":
		return fate{Orphan, fmt.Sprintf("spec.deletionPolicy of %s is Orphan", u.Key)}
	case policy != "Delete" && policy != "WaitForTermination" && !isTrue(u.Object, "prune"):
		return fate{Orphan, fmt.Sprintf("spec.prune of %s is off", u.Key)}
	}
	return unlessKept(obj)
}

func unlessKept(obj *unstructured.Unstructured) fate {
	if why, kept := plan.KeptOnPrune(obj); kept {
		return fate{Orphan, why}
	}
	return fate{op: Delete}
}

// Annotations by which Helm knows what to leave (helm v4 pkg/kube/resource_policy.go)
// and what is its own; it never removes the CRDs of a chart's crds folder, which
// have no such mark.
const (
	helmPolicy  = "helm.sh/resource-policy"
	helmRelease = "meta.helm.sh/release-name"
)

func unlessHelmKeeps(obj *unstructured.Unstructured) fate {
	if obj == nil {
		return fate{op: Delete}
	}
	annotations := obj.GetAnnotations()
	switch {
	case strings.EqualFold(strings.TrimSpace(annotations[helmPolicy]), "keep"):
		return fate{Orphan, helmPolicy + " is keep"}
	case isDefinition(object.KeyOf(obj)) && annotations[helmRelease] == "":
		return fate{Orphan, "Helm never removes what stands in a chart's crds folder"}
	}
	return fate{op: Delete}
}

func isDefinition(key object.Key) bool {
	return key.Kind == "CustomResourceDefinition" && key.Group == "apiextensions.k8s.io"
}

// isTrue and text read a field of a spec.
func isTrue(u *unstructured.Unstructured, field string) bool {
	if u == nil {
		return false
	}
	on, _, _ := unstructured.NestedBool(u.Object, "spec", field)
	return on
}

func text(u *unstructured.Unstructured, field string) string {
	if u == nil {
		return ""
	}
	s, _, _ := unstructured.NestedString(u.Object, "spec", field)
	return s
}
