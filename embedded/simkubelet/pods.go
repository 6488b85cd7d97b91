package simkubelet

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/embedded/internal/loop"
)

const podWorkers = 8

// podSim is the simulated kubelet of all nodes.
type podSim struct {
	client kubernetes.Interface
	nodes  int
	ips    addresses
	// changed tells those who follow logs.
	changed *news
}

func (s *podSim) loop() *loop.Loop {
	return loop.New(loop.Spec{
		Resource: "pods", Client: s.client.CoreV1().RESTClient(), Object: &corev1.Pod{}, Workers: podWorkers,
		Seen: func(o runtime.Object) {
			p := o.(*corev1.Pod)
			s.ips.used(p.Status.PodIP)
			s.changed.tell(p.Namespace + "/" + p.Name)
		},
		Gone: s.changed.tell,
		Sync: func(ctx context.Context, o runtime.Object) (time.Duration, error) {
			return s.sync(ctx, o.(*corev1.Pod))
		},
	})
}

func (s *podSim) sync(ctx context.Context, p *corev1.Pod) (time.Duration, error) {
	node, mine := s.nodeOf(p)
	if !mine {
		return 0, nil
	}
	d := decide(p, time.Now(), nodeIP(node), s.ips.of(p))
	pods := s.client.CoreV1().Pods(p.Namespace)
	switch d.act {
	case remove:
		now := int64(0)
		return 0, pods.Delete(ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &p.UID}})
	case bind:
		return 0, s.bindAnyway(ctx, p, d.why)
	case report:
		p = p.DeepCopy()
		p.Status = d.status
		_, err := pods.UpdateStatus(ctx, p, metav1.UpdateOptions{})
		return d.again, err
	default:
		return d.again, nil
	}
}

// nodeOf is the index of a pod's node; a pod without one is everybody's.
func (s *podSim) nodeOf(p *corev1.Pod) (index int, mine bool) {
	if p.Spec.NodeName == "" {
		return 0, true
	}
	n, err := strconv.Atoi(strings.TrimPrefix(p.Spec.NodeName, nodePrefix))
	return n, err == nil && n < s.nodes && p.Spec.NodeName == NodeName(n)
}

// bindAnyway gives a pod one of the nodes, the same one each time, and leaves
// an event that says what a real cluster would need.
func (s *podSim) bindAnyway(ctx context.Context, p *corev1.Pod, why string) error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(p.UID))
	node := NodeName(int(h.Sum32() % uint32(s.nodes)))
	err := s.client.CoreV1().Pods(p.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, UID: p.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	ref := corev1.ObjectReference{Kind: "Pod", APIVersion: "v1", Namespace: p.Namespace, Name: p.Name, UID: p.UID}
	return s.event(ctx, ref, "SimulatedBinding", fmt.Sprintf("bound to %s although the scheduler says: %s; simulated nodes take every pod, a real cluster needs a node that fits", node, why))
}

// event writes an event about an object once: its name is that of the object
// and the reason.
func (s *podSim) event(ctx context.Context, ref corev1.ObjectReference, reason, message string) error {
	ns := ref.Namespace
	if ns == "" {
		ns = metav1.NamespaceDefault
	}
	now := metav1.Now()
	_, err := s.client.CoreV1().Events(ns).Create(ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: ns, Name: ref.Name + "." + strings.ToLower(reason)},
		InvolvedObject: ref, Reason: reason, Message: message, Type: corev1.EventTypeNormal, Count: 1,
		FirstTimestamp: now, LastTimestamp: now,
		Source: corev1.EventSource{Component: component}, ReportingController: component,
	}, metav1.CreateOptions{})
	return exists(err)
}
