package plan

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// Owner is the unit whose objects may be pruned, as the labels on them say.
type Owner struct {
	Name, Namespace string
	// Group begins the keys of the labels, <group>/name and <group>/namespace;
	// empty means object.GroupKustomize.
	Group string
}

// Labels returns the owner labels.
func (o Owner) Labels() map[string]string {
	group := o.Group
	if group == "" {
		group = object.GroupKustomize
	}
	return map[string]string{group + "/name": o.Name, group + "/namespace": o.Namespace}
}

// Owns tells whether obj carries the owner labels.
func (o Owner) Owns(obj *unstructured.Unstructured) bool {
	labels := obj.GetLabels()
	for key, value := range o.Labels() {
		if got, ok := labels[key]; !ok || got != value {
			return false
		}
	}
	return true
}

// Prune is what it takes to decide on deletions.
type Prune struct {
	// Old is what the unit applied before; New is what it applied now, empty
	// when the unit itself is being deleted.
	Old, New inventory.Inventory
	Owner    Owner
	// Live are the objects of Old as they are; a missing one does not exist.
	Live map[object.Key]*unstructured.Unstructured
	// HeldBy names the other unit in whose inventory an object is; it may be nil.
	HeldBy func(object.Key) (unit string, held bool)
}

// PruneSteps returns one step per object of Old that is not in New, in the
// order of deleting: Delete, or Skip with the reason. An object is deleted only
// if it exists, carries the owner labels, is in no other inventory, was not taken over
// by a release, is not being deleted already, and no mark on it forbids it.
func PruneSteps(p Prune) []Step {
	var steps []Step
	for _, ref := range SortForPrune(p.Old.Without(p.New)) {
		steps = append(steps, p.step(ref))
	}
	return steps
}

func (p Prune) step(ref object.Ref) Step {
	live := p.Live[ref.Key]
	if why, kept := p.keeps(ref.Key, live); kept {
		return Step{Op: Skip, Ref: ref, Before: live, Why: why}
	}
	return Step{
		Op: Delete, Ref: ref, Before: live, Why: pruneReason(ref, live),
		If: world.Precondition{UID: live.GetUID()},
	}
}

// keeps says why an object is not to be deleted.
func (p Prune) keeps(key object.Key, live *unstructured.Unstructured) (why string, kept bool) {
	if live == nil {
		return "already gone", true
	}
	if object.KeyOf(live) != key {
		return fmt.Sprintf("the live object is %s", object.KeyOf(live)), true
	}
	if p.HeldBy != nil {
		if unit, held := p.HeldBy(key); held {
			return "in the inventory of " + unit, true
		}
	}
	if !p.Owner.Owns(live) {
		return fmt.Sprintf("not labelled as of %s/%s", p.Owner.Namespace, p.Owner.Name), true
	}
	if why, kept := KeptOnPrune(live); kept {
		return why, true
	}
	if release := takenBy(live); release != "" && p.Owner.Group == "" {
		return "taken over by " + release, true
	}
	return leaving, live.GetDeletionTimestamp() != nil
}

// takenBy names the HelmRelease that took an object over from a Kustomization which does
// not make it any more; empty for none. A manifest that only brings the labels of a
// release was not applied by one.
func takenBy(live *unstructured.Unstructured) string {
	name := live.GetLabels()[object.HelmOwnerName]
	if w, ok := WriterOf(live, "/metadata/labels/"+strings.ReplaceAll(object.HelmOwnerName, "/", "~1")); !ok || name == "" || w.Manager != object.ManagerHelm {
		return ""
	}
	return fmt.Sprintf("HelmRelease/%s/%s", live.GetLabels()[object.HelmOwnerNamespace], name)
}

// leaving is why an object is not deleted a second time.
const leaving = "being deleted already"

// Leaving tells whether the object of a step of PruneSteps goes: by the step, or
// because it is being deleted already.
func (s Step) Leaving() bool { return s.Op == Delete || s.Op == Skip && s.Why == leaving }

func pruneReason(ref object.Ref, live *unstructured.Unstructured) string {
	const removed = "no longer in the source"
	switch {
	case ref.Kind == "Namespace" && ref.Group == "":
		return removed + "; deletes everything in the namespace"
	case ref.Kind == "CustomResourceDefinition" && ref.Group == "apiextensions.k8s.io":
		kind, _, _ := unstructured.NestedString(live.Object, "spec", "names", "kind")
		return fmt.Sprintf("%s; deletes every %s", removed, kind)
	}
	return removed
}

// Empties tells whether nothing is left of a unit that had applied something:
// an empty folder or a force-pushed branch looks like this, and a careful
// caller asks before it prunes.
func (p Prune) Empties() bool { return len(p.Old) > 0 && len(p.New) == 0 }
