package controller

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

// maxEventText bounds the message of a Kubernetes Event, in bytes (the API's
// limit is 1024).
const maxEventText = 1024

// gather is how long the events of one object wait for each other: what a unit
// applied and that it finished are told in one.
const gather = 500 * time.Millisecond

// recorder writes events without keeping a run waiting for them.
type recorder struct {
	client v1.CoreV1Interface
	failed func(error)

	mu      sync.Mutex
	waiting map[string]*corev1.Event // by object and type
	done    chan struct{}
}

// maxEvents bounds the events that wait to be written; more are dropped, because
// an event must never stop delivery.
const maxEvents = 8192

func newRecorder(client v1.CoreV1Interface, failed func(error)) *recorder {
	return &recorder{client: client, failed: failed, waiting: make(map[string]*corev1.Event), done: make(chan struct{})}
}

// lastWords is how long events are still written after the end.
const lastWords = 5 * time.Second

// run writes events until ctx ends; those that wait then, or are being written, are
// still written.
func (r *recorder) run(ctx context.Context) {
	writes, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(lastWords, cancel) })
	go func() {
		defer close(r.done)
		defer cancel()
		tick := time.NewTicker(gather)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				r.flush(writes)
				return
			case <-tick.C:
				r.flush(writes)
			}
		}
	}()
}

func (r *recorder) flush(ctx context.Context) {
	r.mu.Lock()
	batch := slices.SortedFunc(maps.Values(r.waiting), func(a, b *corev1.Event) int { return strings.Compare(a.Name, b.Name) })
	clear(r.waiting)
	r.mu.Unlock()
	var wait sync.WaitGroup
	for part := range slices.Chunk(batch, max((len(batch)+1)/2, 1)) {
		wait.Go(func() {
			for _, e := range part {
				r.write(ctx, e)
			}
		})
	}
	wait.Wait()
}

func (r *recorder) write(ctx context.Context, e *corev1.Event) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := r.client.Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{}); err != nil {
		r.failed(err)
	}
}

// eventLost says that an event was not written: aloud where a person has to do
// something about it.
func (c *Controller) eventLost(err error) {
	level := slog.LevelDebug
	if apierrors.IsForbidden(err) {
		level = slog.LevelWarn
	}
	c.cfg.Log.Log(context.Background(), level, "event not written", "error", err)
}

// stop returns when what waited is written.
func (r *recorder) stop() { <-r.done }

func (r *recorder) record(obj *unstructured.Unstructured, events []report.Event, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range events {
		if e.Quiet {
			continue
		}
		next := eventOf(obj, e, now, i)
		id := string(obj.GetUID()) + next.Type
		if e.Warning || obj.GetKind() == unit.HelmReleaseKind || obj.GetKind() == access.RequestKind { // each under its own reason
			id += next.Reason
		}
		if have := r.waiting[id]; have != nil {
			have.Message, have.Reason = cut(have.Message+"\n"+next.Message), next.Reason
			have.Annotations = next.Annotations
			continue
		}
		if len(r.waiting) >= maxEvents {
			r.failed(fmt.Errorf("event dropped, too many are waiting: %s", e.Message))
			continue
		}
		r.waiting[id] = next
	}
}

// eventOf words an event as Flux does: the source is the controller, metadata
// stands in annotations under the group of the object.
func eventOf(obj *unstructured.Unstructured, e report.Event, now time.Time, i int) *corev1.Event {
	kind := obj.GroupVersionKind()
	at := metav1.NewTime(now)
	out := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			// Events of what has no namespace stand in default (core/v1 validation).
			Namespace: cmp.Or(obj.GetNamespace(), metav1.NamespaceDefault), Name: fmt.Sprintf("%s.%x", obj.GetName(), now.UnixNano()+int64(i)),
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
	case access.Group:
		return "leat"
	default:
		return object.ManagerSource
	}
}
