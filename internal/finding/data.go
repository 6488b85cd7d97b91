package finding

import (
	"fmt"
	"reflect"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

var dataRules = []Rule{
	{
		Name: "claim-deleted", Severity: Danger,
		Doc: "A PersistentVolumeClaim is deleted, or deleted and made anew: the data on its volume goes with it, unless the volume's reclaim policy is Retain. " +
			"Annotate the claim `kustomize.toolkit.fluxcd.io/prune: disabled` first if the data is to stay.",
		Check: perChange(claimDeleted),
	},
	{
		Name: "claim-shrunk", Severity: Danger,
		Doc:   "A PersistentVolumeClaim asks for less storage than it has. No volume shrinks: the API refuses it, and with force the claim is deleted with its data.",
		Check: perChange(claimShrunk),
	},
	{
		Name: "claim-templates-changed", Severity: Danger,
		Doc: "The volumeClaimTemplates of a StatefulSet change. The API refuses that; replacing the StatefulSet keeps the old claims and does not change them. " +
			"Make a new StatefulSet and move the data.",
		Check: perChange(claimTemplates),
	},
	{
		Name: "statefulset-deleted", Severity: Danger,
		Doc:   "A StatefulSet is deleted: its pods go, and its claims too where its retention policy says so.",
		Check: perChange(statefulSetDeleted),
	},
	{
		Name: "definition-removed", Severity: Danger,
		Doc:   "A CustomResourceDefinition is deleted, and with it every object of its kind in the whole cluster, whoever made it.",
		Check: definitionRemoved,
	},
	{
		Name: "namespace-removed", Severity: Danger,
		Doc:   "A Namespace is deleted, and with it everything inside, also what Git does not know.",
		Check: namespaceRemoved,
	},
	{
		Name: "volume-reclaimed", Severity: Danger,
		Doc: "Data that outlived its claim would no longer do so: a PersistentVolume with the reclaim policy Delete goes, or a volume or a StatefulSet gets a policy " +
			"that deletes.",
		Check: perChange(volumeReclaimed),
	},
}

// goes tells whether what an object was is deleted.
func goes(o *change.Object) bool { return o.Op == change.Delete || o.Op == change.Replace }

func claimDeleted(o *change.Object) []Finding {
	if !is(o.Ref, "PersistentVolumeClaim") || !goes(o) {
		return nil
	}
	size := textAt(o.Before, "spec", "resources", "requests", "storage")
	if size != "" {
		size = " of " + size
	}
	return found("the claim%s is deleted; its data goes, unless the volume is retained", size)
}

func claimShrunk(o *change.Object) []Finding {
	if !is(o.Ref, "PersistentVolumeClaim") || !change.Shrinks(o.Before, o.After) {
		return nil
	}
	path := []string{"spec", "resources", "requests", "storage"}
	return foundAt("/spec/resources/requests/storage", "the claim asks for %s instead of %s; no volume shrinks", textAt(o.After, path...), textAt(o.Before, path...))
}

func claimTemplates(o *change.Object) []Finding {
	before, after := at(o.Before, "spec", "volumeClaimTemplates"), at(o.After, "spec", "volumeClaimTemplates")
	if !is(o.Ref, "apps/StatefulSet") || o.Before == nil || o.After == nil || reflect.DeepEqual(before, after) {
		return nil
	}
	return foundAt("/spec/volumeClaimTemplates", "the claims that the pods get change; the claims that are there stay as they are, and the API refuses the change")
}

func statefulSetDeleted(o *change.Object) []Finding {
	if !is(o.Ref, "apps/StatefulSet") || !goes(o) {
		return nil
	}
	if textAt(o.Before, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted") == "Delete" {
		return found("the StatefulSet is deleted, and the claims of its pods with their data")
	}
	return found("the StatefulSet is deleted; the claims of its pods stay")
}

func definitionRemoved(set change.Set) []Finding {
	return perChange(func(o *change.Object) []Finding {
		if !is(o.Ref, "apiextensions.k8s.io/CustomResourceDefinition") || !goes(o) {
			return nil
		}
		group, kind := textAt(o.Before, "spec", "group"), textAt(o.Before, "spec", "names", "kind")
		n := 0
		for i := range set.Before.Units {
			for made := range made(&set.Before.Units[i]) {
				if made.Ref.Cluster == o.Ref.Cluster && made.Ref.Group == group && made.Ref.Kind == kind {
					n++
				}
			}
		}
		return found("the kind %s goes, and with it every object of the kind in the cluster; the fleet made %d", kind, n)
	})(set)
}

func namespaceRemoved(set change.Set) []Finding {
	return perChange(func(o *change.Object) []Finding {
		if !is(o.Ref, "Namespace") || !goes(o) {
			return nil
		}
		return found("everything in the namespace is deleted; the fleet wants %s there after the change", count(inNamespace(set.After, space{o.Ref.Cluster, o.Ref.Name}), "object"))
	})(set)
}

func inNamespace(r fleet.Rendered, in space) int {
	there := map[object.Key]bool{}
	for i := range r.Units {
		for o := range made(&r.Units[i]) {
			if spaceOf(o.Ref) == in {
				there[o.Ref.Key] = true
			}
		}
		for _, ref := range r.Units[i].Wanted {
			if spaceOf(ref) == in {
				there[ref.Key] = true
			}
		}
	}
	return len(there)
}

func volumeReclaimed(o *change.Object) []Finding {
	switch {
	case is(o.Ref, "PersistentVolume"):
		const field = "persistentVolumeReclaimPolicy"
		before, after := textAt(o.Before, "spec", field), textAt(o.After, "spec", field)
		switch {
		case goes(o) && before == "Delete":
			return found("the volume is deleted, and its reclaim policy is Delete")
		case o.Before != nil && o.After != nil && before != "Delete" && after == "Delete":
			return foundAt("/spec/"+field, "the reclaim policy becomes Delete: the data goes with the claim")
		}
	case is(o.Ref, "apps/StatefulSet") && o.Before != nil && o.After != nil:
		return retention(o)
	}
	return nil
}

func retention(o *change.Object) []Finding {
	const policy = "persistentVolumeClaimRetentionPolicy"
	var out []Finding
	for _, when := range []string{"whenDeleted", "whenScaled"} {
		if textAt(o.Before, "spec", policy, when) != "Delete" && textAt(o.After, "spec", policy, when) == "Delete" {
			out = append(out, foundAt(fmt.Sprintf("/spec/%s/%s", policy, when), "%s becomes Delete: claims go with their data", when)...)
		}
	}
	return out
}
