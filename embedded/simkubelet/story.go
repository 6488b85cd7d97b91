package simkubelet

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// maxRestartsTold bounds how many restarts a story tells of.
const maxRestartsTold = 100

// story is the log of a simulated container: what would have become of it.
type story struct {
	logs      *logs
	pod       *corev1.Pod
	container string
	told      int
}

func (s *story) next() (more []line, changes <-chan struct{}, over bool) {
	key := s.pod.Namespace + "/" + s.pod.Name
	changes = s.logs.changed.of(key) // before looking, so that no change is missed
	p := s.logs.pod(key)
	if p == nil || p.UID != s.pod.UID {
		return nil, changes, true
	}
	all := storyOf(p, s.container, time.Now())
	more = all[min(s.told, len(all)):]
	s.told = len(all)
	return more, changes, p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// storyOf tells of a container until now. What comes later only adds to it.
func storyOf(p *corev1.Pod, container string, now time.Time) []line {
	var out []line
	tell := func(at time.Time, format string, args ...any) {
		out = append(out, line{at, "leat: " + fmt.Sprintf(format, args...)})
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionTrue {
			tell(c.LastTransitionTime.Time, "pod %s/%s is scheduled to %s", p.Namespace, p.Name, p.Spec.NodeName)
		}
	}
	if p.Status.StartTime == nil {
		return out
	}
	s, _ := stageOf(p, now, p.Status.PodIP)
	start := s.start.Time
	tell(start, "pod %s/%s is simulated: container %s was never started and wrote nothing", p.Namespace, p.Name, container)
	if value := p.Annotations[Annotation]; value != "" {
		tell(start, "annotation %s is %q", Annotation, value)
	}
	switch init := isInit(p, container); {
	case s.mode == invalid:
		tell(start, "%v", s.err)
	case init:
		tell(start, "an init container: it counts as completed at once")
	case s.mode == crashes:
		count, _, _ := restarts(s.elapsed)
		at, wait := time.Duration(0), backoffFirst
		tell(start, "it exits with code 1")
		tell(start, "restart 1: it exits with code 1")
		for n := int32(2); n <= min(count, maxRestartsTold); n++ {
			at += wait
			tell(start.Add(at), "restart %d after %s: it exits with code 1", n, wait)
			wait = min(2*wait, backoffMax)
		}
	case s.mode == exits:
		tell(start, "it exits with code 1")
	case s.mode == ends && s.due:
		tell(start.Add(s.delay), "it has ended with code 0")
	case s.mode == runs && s.due:
		tell(start.Add(s.delay), "it counts as ready")
	}
	return out
}

// isInit tells whether a container runs before the others, and ends.
func isInit(p *corev1.Pod, name string) bool {
	return slices.ContainsFunc(p.Spec.InitContainers, func(c corev1.Container) bool {
		return c.Name == name && (c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways)
	})
}
