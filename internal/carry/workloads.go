package carry

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

// Workloads are the kinds whose health counts beside that of units: a unit that does not
// wait for what it applied (wait: false, disableWait) is ready all the same.
var Workloads = []schema.GroupKind{
	{Group: "apps", Kind: "Deployment"}, {Group: "apps", Kind: "StatefulSet"}, {Group: "apps", Kind: "DaemonSet"},
}

// workloadsOf are those that units made which are told of, and that are not healthy.
func workloadsOf(objects []*unstructured.Unstructured, told map[object.Key]bool) []Arrival {
	var out []Arrival
	for _, o := range objects {
		if !isWorkload(o) || !madeByOne(o, told) {
			continue
		}
		a := Arrival{Unit: object.KeyOf(o), Name: object.KeyOf(o).String()}
		switch r := health.Of(o, health.Rules{}); r.Status {
		case health.Current:
			continue
		case health.Failed:
			a.Stage, a.Message = Failed, r.Message
		default:
			a.Stage, a.Message = Applied, r.Message
		}
		out = append(out, a)
	}
	return out
}

func isWorkload(o *unstructured.Unstructured) bool {
	for _, kind := range Workloads {
		if o.GroupVersionKind().GroupKind() == kind {
			return true
		}
	}
	return false
}

// madeByOne tells whether the labels of owners name a unit that is told of.
func madeByOne(o *unstructured.Unstructured, told map[object.Key]bool) bool {
	labels := o.GetLabels()
	return told[object.Key{Group: object.GroupKustomize, Kind: unit.KustomizationKind, Namespace: labels[object.OwnerNamespace], Name: labels[object.OwnerName]}] ||
		told[object.Key{Group: object.GroupHelm, Kind: unit.HelmReleaseKind, Namespace: labels[object.HelmOwnerNamespace], Name: labels[object.HelmOwnerName]}]
}
