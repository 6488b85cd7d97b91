package simkubelet

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Annotation of a pod that says how it behaves.
const Annotation = "leat.dev/simulate"

// Label of simulated nodes and volumes; its value is "true".
const Label = "leat.dev/simulated"

// Condition of a pod that says that it is simulated.
const Condition corev1.PodConditionType = "leat.dev/Simulated"

// Reason of everything that is ready, or an event, because it is simulated.
const Reason = "Simulated"

// slowDefault is how long "slow" takes when it does not say.
const slowDefault = 5 * time.Second

// mode is what becomes of a pod.
type mode int

const (
	runs    mode = iota // Running and Ready, until it is deleted
	ends                // Succeeded
	crashes             // restarts again and again
	exits               // Failed, exit code 1
	invalid             // the annotation is not understood
)

// behaviour of one pod.
type behaviour struct {
	mode  mode
	delay time.Duration // until it is ready, or ended
	err   error         // of an invalid annotation
}

// behaviourOf reads the annotation and the restart policy: a pod that is not
// restarted when it ends is one that ends.
func behaviourOf(p *corev1.Pod) behaviour {
	b := behaviour{mode: runs}
	finite := p.Spec.RestartPolicy != corev1.RestartPolicyAlways
	if finite {
		b.mode = ends
	}
	value := p.Annotations[Annotation]
	name, arg, hasArg := strings.Cut(value, "=")
	switch {
	case value == "":
	case name == "slow":
		b.delay = slowDefault
		if hasArg {
			b.delay, b.err = time.ParseDuration(arg)
		}
	case value == "fail" && p.Spec.RestartPolicy == corev1.RestartPolicyNever:
		b.mode = exits
	case value == "fail":
		b.mode = crashes
	case value == "job-exit-1" && finite:
		b.mode = exits
	case value == "job-exit-1":
		b.mode = crashes
	default:
		b.err = fmt.Errorf("unknown value")
	}
	if b.err != nil || b.delay < 0 {
		return behaviour{mode: invalid, err: fmt.Errorf("annotation %s: %q: use fail, slow, slow=30s or job-exit-1", Annotation, value)}
	}
	return b
}

// Back-off between two restarts of a crashing container, as kubelet's.
const (
	backoffFirst = 10 * time.Second
	backoffMax   = 5 * time.Minute
)

// restarts is how often a container that crashes at once was restarted after
// this time, and when the next restart comes. The first one comes at once.
func restarts(elapsed time.Duration) (count int32, last, next time.Duration) {
	count = 1
	wait := backoffFirst
	next = wait
	for next <= elapsed {
		count, last = count+1, next
		wait = min(2*wait, backoffMax)
		next += wait
	}
	return count, last, next
}
