package simkubelet

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// stage is where a pod is in its simulated life. It depends on the pod and the
// time alone, so that computing it again changes nothing.
type stage struct {
	behaviour
	start   metav1.Time   // when the pod started; whole seconds, as the API keeps it
	elapsed time.Duration // since then
	due     bool          // the delay has passed
	ip      string
}

// stageOf computes the stage at a time, and how long until the next one; 0 is never.
func stageOf(p *corev1.Pod, now time.Time, ip string) (stage, time.Duration) {
	s := stage{behaviour: behaviourOf(p), start: metav1.Time{Time: now.Truncate(time.Second)}, ip: ip}
	if p.Status.StartTime != nil {
		s.start = *p.Status.StartTime
	}
	s.elapsed = now.Sub(s.start.Time)
	// The start is up to a second early; without a delay nothing waits.
	ready := s.delay
	if ready > 0 {
		ready += time.Second
	}
	s.due = s.elapsed >= ready
	switch {
	case s.mode == crashes:
		_, _, next := restarts(s.elapsed)
		return s, next - s.elapsed
	case !s.due:
		return s, ready - s.elapsed
	default:
		return s, 0
	}
}

// status is the whole status of a pod in this stage, on a node with this address.
func (s stage) status(p *corev1.Pod, nodeIP string) corev1.PodStatus {
	st := *p.Status.DeepCopy()
	st.Phase, st.Message, st.Reason = s.phase(), "", ""
	st.StartTime = &s.start
	st.ObservedGeneration = p.Generation
	st.HostIP, st.HostIPs = nodeIP, []corev1.HostIP{{IP: nodeIP}}
	st.PodIP = s.ip
	if p.Spec.HostNetwork {
		st.PodIP = nodeIP
	}
	st.PodIPs = []corev1.PodIP{{IP: st.PodIP}}
	st.Conditions = s.conditions(p)
	st.InitContainerStatuses, st.ContainerStatuses, st.EphemeralContainerStatuses = nil, nil, nil
	for _, c := range p.Spec.InitContainers {
		sidecar := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		st.InitContainerStatuses = append(st.InitContainerStatuses, s.initContainer(p, c, sidecar))
	}
	for _, c := range p.Spec.Containers {
		st.ContainerStatuses = append(st.ContainerStatuses, s.container(p, c.Name, c.Image))
	}
	for _, c := range p.Spec.EphemeralContainers {
		st.EphemeralContainerStatuses = append(st.EphemeralContainerStatuses, s.started(p, c.Name, c.Image))
	}
	return st
}

func (s stage) phase() corev1.PodPhase {
	switch {
	case s.mode == invalid:
		return corev1.PodPending
	case s.mode == ends && s.due:
		return corev1.PodSucceeded
	case s.mode == exits:
		return corev1.PodFailed
	default:
		return corev1.PodRunning
	}
}

// over reports whether the containers have ended for good.
func (s stage) over() bool { return s.mode == exits || s.mode == ends && s.due }

// ready reports whether the pod is Ready: it runs, or it is a slow Job that has
// not ended yet.
func (s stage) ready() bool { return s.mode == runs && s.due || s.mode == ends && !s.due }

func (s stage) conditions(p *corev1.Pod) (all []corev1.PodCondition) {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			all = append(all, c)
		}
	}
	add := func(t corev1.PodConditionType, ok bool, falseReason, falseMessage string) {
		c := corev1.PodCondition{
			Type: t, Status: corev1.ConditionTrue, Reason: Reason, Message: s.explain(p),
			ObservedGeneration: p.Generation, LastTransitionTime: s.start,
		}
		if !ok {
			c.Status, c.Reason, c.Message = corev1.ConditionFalse, falseReason, falseMessage
		} else if s.delay > 0 && s.due {
			c.LastTransitionTime = metav1.NewTime(s.start.Add(s.delay + time.Second).Truncate(time.Second))
		}
		all = append(all, c)
	}
	reason, message := "ContainersNotReady", "simulated: "+s.why()
	if s.over() {
		reason = "PodCompleted"
	}
	add(Condition, true, "", "")
	add(corev1.PodReadyToStartContainers, !s.over(), reason, message)
	add(corev1.PodInitialized, s.mode != invalid, reason, message)
	add(corev1.ContainersReady, s.ready(), reason, message)
	for _, gate := range p.Spec.ReadinessGates { // what would set them runs nowhere
		add(gate.ConditionType, s.ready(), reason, message)
	}
	add(corev1.PodReady, s.ready(), reason, message)
	return all
}

// explain is the message of conditions that are true.
func (s stage) explain(p *corev1.Pod) string {
	return fmt.Sprintf("simulated by leat on %s: no container runs, nothing was checked", p.Spec.NodeName)
}

// why says why the pod is not ready.
func (s stage) why() string {
	switch s.mode {
	case invalid:
		return s.err.Error()
	case crashes, exits:
		return "the annotation " + Annotation + " makes it fail"
	case ends:
		return "it has ended"
	default:
		return fmt.Sprintf("the annotation %s makes it ready after %s", Annotation, s.delay)
	}
}
