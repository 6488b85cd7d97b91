package kubetest

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/yaml"
)

// awaitWithin is how long Await waits before the test fails.
const awaitWithin = time.Minute

// Object is a pointer to an API type, such as *corev1.Pod.
type Object[T any] interface {
	*T
	runtime.Object
}

// Await watches one object until ok accepts it, and returns it. It fails the
// test after a minute and prints the object as it was then. ns is empty for
// cluster-scoped resources.
//
//	d := kubetest.Await(t, client.AppsV1().RESTClient(), "deployments", ns, "web", func(d *appsv1.Deployment) bool {
//		return d.Status.AvailableReplicas == 3
//	})
func Await[T any, P Object[T]](t testing.TB, client rest.Interface, resource, ns, name string, ok func(P) bool) P {
	t.Helper()
	var last P
	ctx, cancel := context.WithTimeout(t.Context(), awaitWithin)
	defer cancel()
	_, err := watchtools.UntilWithSync(ctx, listWatch(client, resource, ns, name), P(new(T)), nil, func(e watch.Event) (bool, error) {
		o, is := e.Object.(P)
		if !is || e.Type == watch.Deleted {
			return false, nil
		}
		last = o
		return ok(o), nil
	})
	if err != nil {
		t.Fatalf("%s %s/%s is not as awaited: %v\n%s", resource, ns, name, err, show(last))
	}
	return last
}

// AwaitObject is Await for objects without a Go type.
func AwaitObject(t testing.TB, client dynamic.ResourceInterface, name string, ok func(*unstructured.Unstructured) bool) *unstructured.Unstructured {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), awaitWithin)
	defer cancel()
	w, err := client.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		t.Fatalf("watch %s: %v", name, err)
	}
	defer w.Stop()
	var last *unstructured.Unstructured
	for e := range w.ResultChan() {
		o, is := e.Object.(*unstructured.Unstructured)
		if !is || e.Type == watch.Deleted || e.Type == watch.Bookmark {
			continue
		}
		if last = o; ok(o) {
			return o
		}
	}
	t.Fatalf("%s is not as awaited: %v\n%s", name, ctx.Err(), show(last))
	return nil
}

// AwaitGone watches until the object does not exist.
func AwaitGone[T any, P Object[T]](t testing.TB, client rest.Interface, resource, ns, name string) {
	t.Helper()
	var last P
	ctx, cancel := context.WithTimeout(t.Context(), awaitWithin)
	defer cancel()
	absent := func(s cache.Store) (bool, error) { return len(s.List()) == 0, nil }
	_, err := watchtools.UntilWithSync(ctx, listWatch(client, resource, ns, name), P(new(T)), absent, func(e watch.Event) (bool, error) {
		last, _ = e.Object.(P)
		return e.Type == watch.Deleted, nil
	})
	if err != nil {
		t.Fatalf("%s %s/%s still exists: %v\n%s", resource, ns, name, err, show(last))
	}
}

func listWatch(client rest.Interface, resource, ns, name string) cache.ListerWatcher {
	return cache.NewListWatchFromClient(client, resource, ns, fields.OneTermEqualSelector("metadata.name", name))
}

func show(o any) string {
	b, err := yaml.Marshal(o)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
