package controller

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
)

// maxEventText bounds the message of a Kubernetes Event, in bytes (the API's
// limit is 1024).
const maxEventText = 1024

// recorder writes events without keeping a run waiting for them.
type recorder struct {
	client v1.CoreV1Interface
	queue  chan *corev1.Event
	wait   sync.WaitGroup
	failed func(error)
}

// newRecorder returns a recorder; what does not fit its queue is dropped and
// said through failed, because an event must never stop delivery.
func newRecorder(client v1.CoreV1Interface, failed func(error)) *recorder {
	return &recorder{client: client, queue: make(chan *corev1.Event, 4096), failed: failed}
}

// run writes events until ctx ends and the queue is empty.
func (r *recorder) run(ctx context.Context) {
	for range 2 {
		r.wait.Add(1)
		go func() {
			defer r.wait.Done()
			for e := range r.queue {
				r.write(context.WithoutCancel(ctx), e)
			}
		}()
	}
}

func (r *recorder) write(ctx context.Context, e *corev1.Event) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := r.client.Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{}); err != nil {
		r.failed(err)
	}
}

// stop writes what is queued and returns.
func (r *recorder) stop() {
	close(r.queue)
	r.wait.Wait()
}

func (r *recorder) record(obj *unstructured.Unstructured, events []report.Event, now time.Time) {
	for i, e := range events {
		select {
		case r.queue <- eventOf(obj, e, now, i):
		default:
			r.failed(fmt.Errorf("event dropped, too many are waiting: %s", e.Message))
		}
	}
}

// eventOf words an event as Flux does: the source is the controller, metadata
// stands in annotations under the group of the object.
func eventOf(obj *unstructured.Unstructured, e report.Event, now time.Time, i int) *corev1.Event {
	kind := obj.GroupVersionKind()
	at := metav1.NewTime(now)
	out := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: obj.GetNamespace(), Name: fmt.Sprintf("%s.%x", obj.GetName(), now.UnixNano()+int64(i)),
		},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: obj.GetAPIVersion(), Kind: kind.Kind, Namespace: obj.GetNamespace(), Name: obj.GetName(),
			UID: obj.GetUID(), ResourceVersion: obj.GetResourceVersion(),
		},
		Reason: e.Reason, Message: cut(e.Message), Type: corev1.EventTypeNormal, Count: 1,
		FirstTimestamp: at, LastTimestamp: at,
		Source: corev1.EventSource{Component: component(kind.Group)}, ReportingController: component(kind.Group),
	}
	if e.Warning {
		out.Type = corev1.EventTypeWarning
	}
	for key, value := range e.Metadata {
		metav1.SetMetaDataAnnotation(&out.ObjectMeta, kind.Group+"/"+key, value)
	}
	return out
}

func cut(text string) string {
	if len(text) <= maxEventText {
		return text
	}
	return strings.ToValidUTF8(text[:maxEventText-3], "") + "..."
}

// component is the controller of Flux that reports on a group.
func component(group string) string {
	switch group {
	case object.GroupKustomize:
		return object.ManagerKustomize
	case object.GroupHelm:
		return object.ManagerHelm
	case object.GroupSourceExtensions:
		return object.ManagerSourceWatcher
	default:
		return object.ManagerSource
	}
}
