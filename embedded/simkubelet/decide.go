package simkubelet

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// act is what to do about a pod.
type act int

const (
	nothing act = iota
	remove      // take it out of the API
	bind        // give it a node although the scheduler found none
	report      // write status
)

// decision about one pod.
type decision struct {
	act    act
	status corev1.PodStatus // for report
	why    string           // for bind: what the scheduler said
	again  time.Duration    // when to decide again; 0 is when the pod changes
}

// decide is the whole simulated kubelet as a function: what to do about a pod
// now. nodeIP is the address of its node, ip the pod's own.
func decide(p *corev1.Pod, now time.Time, nodeIP, ip string) decision {
	switch {
	case p.DeletionTimestamp != nil:
		if p.DeletionGracePeriodSeconds != nil && *p.DeletionGracePeriodSeconds == 0 {
			return decision{} // waits for its finalizers
		}
		return decision{act: remove}
	case p.Spec.NodeName == "":
		if why, ok := noNodeFits(p); ok {
			return decision{act: bind, why: why}
		}
		return decision{}
	case p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed:
		return decision{}
	}
	s, again := stageOf(p, now, ip)
	want := s.status(p, nodeIP)
	if equality.Semantic.DeepEqual(want, p.Status) {
		return decision{again: again}
	}
	return decision{act: report, status: want, again: again}
}

// noNodeFits reports whether the scheduler found no node for a reason that lies
// in the nodes, such as a selector for a node pool: simulated nodes have no
// pools, zones or accelerators. A missing volume claim is the pod's own fault.
func noNodeFits(p *corev1.Pod) (why string, ok bool) {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return c.Message, !strings.Contains(strings.ToLower(c.Message), "persistentvolumeclaim")
		}
	}
	return "", false
}
