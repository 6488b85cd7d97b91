package simkubelet

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)

func pod(simulate string, policy corev1.RestartPolicy) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "1", Generation: 1},
		Spec: corev1.PodSpec{
			NodeName: NodeName(0), RestartPolicy: policy,
			Containers: []corev1.Container{{Name: "c", Image: "nginx"}},
		},
	}
	if simulate != "" {
		p.Annotations = map[string]string{Annotation: simulate}
	}
	return p
}

func TestDecideByAnnotation(t *testing.T) {
	for _, c := range []struct {
		simulate string
		policy   corev1.RestartPolicy
		after    time.Duration
		phase    corev1.PodPhase
		ready    bool
		again    time.Duration
	}{
		{"", corev1.RestartPolicyAlways, 0, corev1.PodRunning, true, 0},
		{"", corev1.RestartPolicyNever, 0, corev1.PodSucceeded, false, 0},
		{"", corev1.RestartPolicyOnFailure, 0, corev1.PodSucceeded, false, 0},
		{"slow", corev1.RestartPolicyAlways, 0, corev1.PodRunning, false, 5400 * time.Millisecond},
		{"slow", corev1.RestartPolicyAlways, 6 * time.Second, corev1.PodRunning, true, 0},
		{"slow=30s", corev1.RestartPolicyAlways, 6 * time.Second, corev1.PodRunning, false, 24400 * time.Millisecond},
		{"slow=2s", corev1.RestartPolicyNever, 0, corev1.PodRunning, true, 2400 * time.Millisecond},
		{"slow=2s", corev1.RestartPolicyNever, 3 * time.Second, corev1.PodSucceeded, false, 0},
		{"fail", corev1.RestartPolicyAlways, 0, corev1.PodRunning, false, 9400 * time.Millisecond},
		{"fail", corev1.RestartPolicyNever, 0, corev1.PodFailed, false, 0},
		{"job-exit-1", corev1.RestartPolicyNever, 0, corev1.PodFailed, false, 0},
		{"job-exit-1", corev1.RestartPolicyOnFailure, 0, corev1.PodFailed, false, 0},
		{"job-exit-1", corev1.RestartPolicyAlways, 0, corev1.PodRunning, false, 9400 * time.Millisecond},
		{"fali", corev1.RestartPolicyAlways, 0, corev1.PodPending, false, 0},
		{"slow=soon", corev1.RestartPolicyAlways, 0, corev1.PodPending, false, 0},
		{"slow=-1s", corev1.RestartPolicyAlways, 0, corev1.PodPending, false, 0},
	} {
		p := pod(c.simulate, c.policy)
		began := metav1.NewTime(start.Truncate(time.Second))
		p.Status.StartTime = &began
		d := decide(p, start.Add(c.after), "198.51.100.1", "10.128.0.1")
		if d.act != report || d.status.Phase != c.phase || condition(d.status, corev1.PodReady) != c.ready || d.again != c.again {
			t.Errorf("%q %s after %s: got act %d, %s, ready %t, again %s; want %s, ready %t, again %s", c.simulate, c.policy, c.after,
				d.act, d.status.Phase, condition(d.status, corev1.PodReady), d.again, c.phase, c.ready, c.again)
		}
	}
}

func condition(s corev1.PodStatus, kind corev1.PodConditionType) bool {
	for _, c := range s.Conditions {
		if c.Type == kind {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// A decision that was carried out is followed by none, at that time and later,
// until the moment it named.
func TestDecideSettles(t *testing.T) {
	for _, simulate := range []string{"", "slow", "slow=1500ms", "fail", "job-exit-1", "nonsense"} {
		for _, policy := range []corev1.RestartPolicy{corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever} {
			p := pod(simulate, policy)
			p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "example.com/gate"}}
			now := start
			for range 20 {
				d := decide(p, now, "198.51.100.1", "10.128.0.1")
				p.Status = d.status
				if d.act != report {
					t.Fatalf("%q %s: got act %d, want a status", simulate, policy, d.act)
				}
				again := decide(p, now, "198.51.100.1", "10.128.0.1")
				if again.act != nothing {
					t.Fatalf("%q %s at %s: got a second decision %+v", simulate, policy, now, again.status)
				}
				if d.again == 0 {
					break
				}
				if early := decide(p, now.Add(d.again-time.Millisecond), "198.51.100.1", "10.128.0.1"); early.act != nothing {
					t.Fatalf("%q %s: decides before its time", simulate, policy)
				}
				now = now.Add(d.again)
			}
		}
	}
}

func TestEveryReadyPodSaysThatItIsSimulated(t *testing.T) {
	d := decide(pod("", corev1.RestartPolicyAlways), start, "198.51.100.1", "10.128.0.1")
	for _, c := range d.status.Conditions {
		if c.Reason != Reason || !strings.Contains(c.Message, "simulated by leat") {
			t.Errorf("condition %s: got %s %q, want it to say that it is simulated", c.Type, c.Reason, c.Message)
		}
	}
	if !condition(d.status, Condition) {
		t.Errorf("no condition %s in %+v", Condition, d.status.Conditions)
	}
}

func TestCrashingPodCountsItsRestarts(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		count int32
		next  time.Duration
	}{
		{0, 1, 10 * time.Second},
		{9 * time.Second, 1, 10 * time.Second},
		{10 * time.Second, 2, 30 * time.Second},
		{30 * time.Second, 3, 70 * time.Second},
		{620 * time.Second, 7, 910 * time.Second},
	} {
		count, _, next := restarts(c.after)
		if count != c.count || next != c.next {
			t.Errorf("after %s: got %d restarts, next at %s; want %d, %s", c.after, count, next, c.count, c.next)
		}
	}
}

func TestDecideDeletesAtOnceButOnce(t *testing.T) {
	p := pod("", corev1.RestartPolicyAlways)
	now := metav1.NewTime(start)
	p.DeletionTimestamp = &now
	if d := decide(p, start, "", ""); d.act != remove {
		t.Errorf("got act %d, want remove", d.act)
	}
	zero := int64(0)
	p.DeletionGracePeriodSeconds = &zero
	if d := decide(p, start, "", ""); d.act != nothing {
		t.Errorf("a pod that waits for its finalizers: got act %d, want nothing", d.act)
	}
}

func TestDecideBindsWhatFitsNowhere(t *testing.T) {
	for message, want := range map[string]act{
		"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.": bind,
		`0/1 nodes are available: persistentvolumeclaim "data" not found.`:              nothing,
		"pod has unbound immediate PersistentVolumeClaims":                              nothing,
	} {
		p := pod("", corev1.RestartPolicyAlways)
		p.Spec.NodeName = ""
		p.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message,
		}}
		if d := decide(p, start, "", ""); d.act != want {
			t.Errorf("%s: got act %d, want %d", message, d.act, want)
		}
	}
}

func TestAddressesAreNotGivenTwice(t *testing.T) {
	var a addresses
	a.used("10.128.0.7")
	a.used("10.128.0.3")
	a.used("127.0.0.1")
	p := pod("", corev1.RestartPolicyAlways)
	if got := a.of(p); got != "10.128.0.8" {
		t.Errorf("got %s, want 10.128.0.8", got)
	}
	p.Status.PodIP = "10.128.0.3"
	if got := a.of(p); got != "10.128.0.3" {
		t.Errorf("a pod with an address: got %s, want its own", got)
	}
}
