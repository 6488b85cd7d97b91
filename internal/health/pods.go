package health

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// scheduleWindow is how long a pod may wait for a node before that counts as a
// failure (fluxcd/cli-utils v1.2.3 kstatus/status/core.go).
const scheduleWindow = 15 * time.Second

// simulated is the label, annotation or condition type by which an object says
// that it ran on a simulated node.
const simulated = "leat.dev/simulated"

var podKind = schema.GroupKind{Kind: "Pod"}

// restOnPods are the kinds whose Current status means that pods ran.
var restOnPods = map[schema.GroupKind]bool{
	podKind:                                   true,
	jobKind:                                   true,
	{Kind: "ReplicationController"}:           true,
	{Group: "apps", Kind: "Deployment"}:       true,
	{Group: "apps", Kind: "StatefulSet"}:      true,
	{Group: "apps", Kind: "DaemonSet"}:        true,
	{Group: "apps", Kind: "ReplicaSet"}:       true,
	{Group: "extensions", Kind: "Deployment"}: true,
	{Group: "extensions", Kind: "DaemonSet"}:  true,
	{Group: "extensions", Kind: "ReplicaSet"}: true,
}

// RestsOnPods tells whether Current means, for objects of the kind, that pods
// ran. Where pods are simulated, so is the health of such an object.
func RestsOnPods(gk schema.GroupKind) bool { return restOnPods[gk] }

// ReadsPods tells whether Rules.Pods matter for the kind: a StatefulSet or
// ReplicaSet that is in progress has failed as soon as one of its pods has.
func ReadsPods(gk schema.GroupKind) bool {
	return gk.Group == "apps" && (gk.Kind == "StatefulSet" || gk.Kind == "ReplicaSet")
}

// failedByPods returns Failed if one of the pods has failed for good. Pods that
// are being deleted, or wait for a node, do not count: an update and an
// autoscaler make those.
func (r Rules) failedByPods(result Result) Result {
	failed := 0
	for _, pod := range r.Pods {
		if pod.GetDeletionTimestamp() == nil && !unschedulable(pod) && r.ofPod(pod).Status == Failed {
			failed++
		}
	}
	if failed == 0 {
		return result
	}
	return Result{Status: Failed, Message: fmt.Sprintf("%d of its pods have failed", failed)}
}

// ofPod is kstatus, but for a pod that waits for a node: there kstatus would
// look at the clock.
func (r Rules) ofPod(pod *unstructured.Unstructured) Result {
	phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
	if phase != "Pending" || !unschedulable(pod) || pod.GetDeletionTimestamp() != nil {
		return compute(pod)
	}
	deadline := pod.GetCreationTimestamp().Add(scheduleWindow)
	if latest := r.Now.Add(scheduleWindow); latest.Before(deadline) {
		deadline = latest // our clock is behind that of the server, or went back
	}
	if r.Now.Before(deadline) {
		return Result{Status: InProgress, Message: "Pod has not been scheduled", Until: deadline}
	}
	return Result{Status: Failed, Message: "Pod could not be scheduled"}
}

func unschedulable(pod *unstructured.Unstructured) bool {
	for _, c := range conditionsOf(pod) {
		if c.kind == "PodScheduled" && c.status == "False" && c.reason == "Unschedulable" {
			return true
		}
	}
	return false
}

// isSimulated tells whether an object says that it ran on a simulated node. A
// workload often cannot know: ask RestsOnPods, and where the pods ran.
func isSimulated(obj *unstructured.Unstructured) bool {
	if _, ok := obj.GetLabels()[simulated]; ok {
		return true
	}
	if _, ok := obj.GetAnnotations()[simulated]; ok {
		return true
	}
	for _, c := range conditionsOf(obj) {
		if c.kind == simulated && c.status == "True" {
			return true
		}
	}
	return false
}
