package flux

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// CompareByLogs orders pods by how much their logs are worth: those that run on a
// node first, then ready ones, those that restarted most, the oldest
// (kubectl v0.36, pkg/util/podutils).
func CompareByLogs(a, b corev1.Pod) int {
	return cmp.Or(
		cmp.Compare(unassigned(a), unassigned(b)),
		cmp.Compare(phases[a.Status.Phase], phases[b.Status.Phase]),
		cmp.Compare(unready(a), unready(b)),
		readySince(b).Compare(readySince(a).Time),
		cmp.Compare(restarts(b), restarts(a)),
		a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
		cmp.Compare(a.Name, b.Name),
	)
}

var phases = map[corev1.PodPhase]int{corev1.PodRunning: 0, corev1.PodUnknown: 1, corev1.PodPending: 2}

func unassigned(p corev1.Pod) int {
	if p.Spec.NodeName == "" {
		return 1
	}
	return 0
}

func unready(p corev1.Pod) int {
	if readySince(p).Time.IsZero() {
		return 1
	}
	return 0
}

// readySince is zero for a pod that is not ready.
func readySince(p corev1.Pod) metav1.Time {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return c.LastTransitionTime
		}
	}
	return metav1.Time{}
}

func restarts(p corev1.Pod) int32 {
	most := int32(0)
	for _, c := range p.Status.ContainerStatuses {
		most = max(most, c.RestartCount)
	}
	return most
}

// PodSelector selects the pods of a workload; empty where it has none.
func PodSelector(obj *unstructured.Unstructured) string {
	var selector metav1.LabelSelector
	fields, found, _ := unstructured.NestedMap(obj.Object, "spec", "selector")
	if !found || recode(fields, &selector) != nil {
		return ""
	}
	if obj.GetKind() == "Service" || obj.GetKind() == "ReplicationController" {
		selector = metav1.LabelSelector{}
		if recode(map[string]any{"matchLabels": fields}, &selector) != nil {
			return ""
		}
	}
	return metav1.FormatLabelSelector(&selector)
}
