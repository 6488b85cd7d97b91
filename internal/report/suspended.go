package report

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/unit"
)

// Suspended returns the status of a unit that is suspended, nil where it stays as it is:
// the generation that suspends it is observed, and nothing else moves. Who waits for the
// unit, depends on it or takes its artifact would else take it for one in progress. As in
// Flux, a HelmRelease is observed in any case (helm-controller v1.6.4
// internal/controller/helmrelease_controller.go), a Kustomization while it is ready
// (kustomize-controller v1.9.5, finalizeStatus), a source that ran before
// (source-controller v1.9.5 internal/reconcile/reconcile.go).
func Suspended(obj *unstructured.Unstructured) map[string]any {
	if on, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend"); !on {
		return nil
	}
	status, err := unit.StatusOf(obj)
	if err != nil || obj.GetDeletionTimestamp() != nil || status.ObservedGeneration == obj.GetGeneration() {
		return nil
	}
	switch obj.GetKind() {
	case unit.HelmReleaseKind:
	case unit.KustomizationKind:
		if ready := status.Ready(); ready == nil || ready.Status != "True" {
			return nil
		}
	default:
		if len(status.Conditions) == 0 {
			return nil
		}
	}
	next, _, _ := unstructured.NestedMap(obj.Object, "status") // a copy
	if next == nil {
		next = map[string]any{}
	}
	next["observedGeneration"] = obj.GetGeneration()
	return next
}
