package plan

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Undriven returns an object without the fields that these managers alone own: what
// a controller wrote into an object (the revision of a Deployment, the volume of a
// claim, the replicas that an autoscaler chose) is no wish of whoever applied it.
// What stands in the items of lists stays, and so does what cannot be read. The
// object itself is not changed.
//
//	obj = plan.Undriven(obj, "kube-controller-manager")
func Undriven(obj *unstructured.Unstructured, managers ...string) *unstructured.Unstructured {
	driven, others := &fieldpath.Set{}, &fieldpath.Set{}
	for _, e := range obj.GetManagedFields() {
		set, err := readFields(rawFields(e))
		switch {
		case err != nil:
			return obj
		case slices.Contains(managers, e.Manager):
			driven = driven.Union(set)
		default:
			others = others.Union(set)
		}
	}
	paths := namedPaths(driven.Leaves().Difference(others))
	if len(paths) == 0 {
		return obj
	}
	out := obj.DeepCopy()
	for _, path := range paths {
		unstructured.RemoveNestedField(out.Object, path...)
		above := path[:len(path)-1]
		if left, found, _ := unstructured.NestedMap(out.Object, above...); found && len(left) == 0 {
			unstructured.RemoveNestedField(out.Object, above...)
		}
	}
	return out
}

// namedPaths are the paths of a set that lead through fields only.
func namedPaths(set *fieldpath.Set) [][]string {
	var out [][]string
	set.Iterate(func(p fieldpath.Path) {
		path := make([]string, 0, len(p))
		for _, step := range p {
			if step.FieldName == nil {
				return
			}
			path = append(path, *step.FieldName)
		}
		if len(path) > 1 {
			out = append(out, path)
		}
	})
	return out
}
