package simkubelet

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// base is what all states of a container have in common.
func base(p *corev1.Pod, name, image string) corev1.ContainerStatus {
	return corev1.ContainerStatus{
		Name: name, Image: image, ImageID: "simulated://" + image,
		ContainerID: fmt.Sprintf("simulated://%s/%s", p.UID, name),
		Started:     new(bool),
	}
}

// container is the status of a main container.
func (s stage) container(p *corev1.Pod, name, image string) corev1.ContainerStatus {
	switch {
	case s.mode == invalid:
		c := base(p, name, image)
		c.ContainerID, c.ImageID = "", ""
		c.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: s.err.Error()}
		return c
	case s.mode == crashes:
		return s.crashing(p, name, image)
	case s.mode == exits:
		c := base(p, name, image)
		c.State.Terminated = s.ended(c, 1, 0)
		return c
	case s.mode == ends && s.due:
		c := base(p, name, image)
		c.State.Terminated = s.ended(c, 0, s.delay)
		return c
	default:
		c := s.started(p, name, image)
		c.Ready = s.ready()
		return c
	}
}

// initContainer has completed; a sidecar does as the main containers do.
func (s stage) initContainer(p *corev1.Pod, c corev1.Container, sidecar bool) corev1.ContainerStatus {
	switch {
	case s.mode == invalid:
		return s.container(p, c.Name, c.Image)
	case sidecar && s.over():
		st := base(p, c.Name, c.Image)
		st.State.Terminated = s.ended(st, 0, s.delay)
		return st
	case sidecar:
		st := s.started(p, c.Name, c.Image)
		st.Ready = true
		return st
	default:
		st := base(p, c.Name, c.Image)
		st.Ready = true
		st.State.Terminated = s.ended(st, 0, 0)
		return st
	}
}

func (s stage) started(p *corev1.Pod, name, image string) corev1.ContainerStatus {
	c := base(p, name, image)
	*c.Started = true
	c.State.Running = &corev1.ContainerStateRunning{StartedAt: s.start}
	return c
}

// crashing waits for its next restart.
func (s stage) crashing(p *corev1.Pod, name, image string) corev1.ContainerStatus {
	c := base(p, name, image)
	count, last, next := restarts(s.elapsed)
	c.RestartCount = count
	c.LastTerminationState.Terminated = s.ended(c, 1, last)
	c.State.Waiting = &corev1.ContainerStateWaiting{
		Reason:  "CrashLoopBackOff",
		Message: fmt.Sprintf("simulated: back-off %s restarting failed container=%s pod=%s", next-last, name, p.Name),
	}
	return c
}

// ended is a termination this long after the pod's start.
func (s stage) ended(c corev1.ContainerStatus, exitCode int32, after time.Duration) *corev1.ContainerStateTerminated {
	at := metav1.NewTime(s.start.Add(after).Truncate(time.Second))
	t := &corev1.ContainerStateTerminated{
		ExitCode: exitCode, Reason: "Completed", Message: "simulated by leat: the container was never started",
		StartedAt: s.start, FinishedAt: at, ContainerID: c.ContainerID,
	}
	if exitCode != 0 {
		t.Reason, t.Message = "Error", fmt.Sprintf("simulated by leat: the annotation %s makes it exit with code %d", Annotation, exitCode)
	}
	return t
}
