package app

import (
	"context"
	"fmt"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

// beside is what a person should see of a cluster on this machine beside the
// units: objects of kinds that Flux reconciles and this engine does not, and
// what was simulated besides pods.
type beside struct {
	stores []cache.Store
	events cache.Store
	all    []*cache.Reflector
}

// unwatched are the kinds of Flux that the engine does not watch.
var unwatched = []unit.Kind{
	{Group: object.GroupImage, Kind: "ImageRepository", Version: "v1", Plural: "imagerepositories"},
	{Group: object.GroupImage, Kind: "ImagePolicy", Version: "v1", Plural: "imagepolicies"},
	{Group: object.GroupImage, Kind: "ImageUpdateAutomation", Version: "v1", Plural: "imageupdateautomations"},
	{Group: object.GroupNotification, Kind: "Provider", Version: "v1beta3", Plural: "providers"},
	{Group: object.GroupNotification, Kind: "Alert", Version: "v1beta3", Plural: "alerts"},
	{Group: object.GroupNotification, Kind: "Receiver", Version: "v1", Plural: "receivers"},
}

// simulation is the component whose events tell what was simulated
// (embedded/simkubelet, embedded/simservice).
const simulation = "leat-simulation"

func newBeside(client dynamic.Interface) *beside {
	b := &beside{}
	for _, k := range unwatched {
		if slices.ContainsFunc(unit.Kinds, func(known unit.Kind) bool { return known.Group == k.Group && known.Kind == k.Kind }) {
			continue
		}
		b.stores = append(b.stores, b.store(client, k.GVK().GroupVersion().WithResource(k.Plural), ""))
	}
	b.events = b.store(client, schema.GroupVersionResource{Version: "v1", Resource: "events"}, "reportingComponent="+simulation)
	return b
}

// run follows until ctx ends.
func (b *beside) run(ctx context.Context) {
	var wait sync.WaitGroup
	for _, r := range b.all {
		wait.Go(func() { r.RunWithContext(ctx) })
	}
	wait.Wait()
}

// store will hold all objects of a resource.
func (b *beside) store(client dynamic.Interface, gvr schema.GroupVersionResource, fields string) cache.Store {
	store := cache.NewStore(cache.MetaNamespaceKeyFunc)
	c := client.Resource(gvr)
	selected := func(o metav1.ListOptions) metav1.ListOptions {
		o.FieldSelector = fields
		return o
	}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return c.List(ctx, selected(o))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return c.Watch(ctx, selected(o))
		},
	}
	b.all = append(b.all, cache.NewReflectorWithOptions(lw, &unstructured.Unstructured{}, store, cache.ReflectorOptions{Name: "leat/" + gvr.Resource}))
	return store
}

// Units are all units as they are known, and those that nobody reconciles.
func (u *Up) Units() []*unstructured.Unstructured {
	out := u.App.Controller.Units()
	for _, store := range u.beside.stores {
		for _, o := range store.List() {
			if obj, ok := o.(*unstructured.Unstructured); ok {
				out = append(out, obj)
			}
		}
	}
	return out
}

// Simulated tells what was simulated besides pods.
func (u *Up) Simulated() []report.Warning {
	var out []report.Warning
	for _, o := range u.beside.events.List() {
		obj, ok := o.(*unstructured.Unstructured)
		if !ok {
			continue
		}
		text := func(fields ...string) string {
			s, _, _ := unstructured.NestedString(obj.Object, fields...)
			return s
		}
		on := object.Key{Kind: text("involvedObject", "kind"), Namespace: text("involvedObject", "namespace"), Name: text("involvedObject", "name")}
		switch reason := text("reason"); reason {
		case report.ReasonSimulatedHook, report.ReasonSimulatedBind:
			out = append(out, report.Warning{Reason: reason, Object: on.String(), Message: fmt.Sprintf("%s: %s", on, text("message"))})
		}
	}
	return out
}
