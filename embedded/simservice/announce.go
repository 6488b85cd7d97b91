package simservice

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Reason of the events about Services that were answered for.
const Reason = "SimulatedWebhook"

// Announcer writes one event per Service.
type Announcer struct {
	queue chan [2]string
	mu    sync.Mutex
	told  map[[2]string]bool
}

// announceQueue is how many Services may wait for their event; more are told
// when they are called again.
const announceQueue = 64

// NewAnnouncer makes an announcer; Run writes what Answered was told.
func NewAnnouncer() *Announcer {
	return &Announcer{queue: make(chan [2]string, announceQueue), told: map[[2]string]bool{}}
}

// Answered notes a Service. It never waits.
func (a *Announcer) Answered(namespace, service string) {
	key := [2]string{namespace, service}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.told[key] {
		return
	}
	select {
	case a.queue <- key:
		a.told[key] = true
	default:
	}
}

// Run writes events until ctx ends. An event that cannot be written is lost.
func (a *Announcer) Run(ctx context.Context, client kubernetes.Interface) error {
	for {
		select {
		case key := <-a.queue:
			_, _ = client.CoreV1().Events(key[0]).Create(ctx, event(key[0], key[1]), metav1.CreateOptions{})
		case <-ctx.Done():
			return nil
		}
	}
}

func event(namespace, service string) *corev1.Event {
	now := metav1.Now()
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: namespace, GenerateName: service + "."},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Service", Namespace: namespace, Name: service},
		Reason:         Reason, Type: corev1.EventTypeNormal, Count: 1, FirstTimestamp: now, LastTimestamp: now,
		Message:             "webhooks of this Service are simulated by leat: every request is allowed, nothing is changed or checked",
		Source:              corev1.EventSource{Component: "leat-simulation"},
		ReportingController: "leat-simulation",
	}
}
