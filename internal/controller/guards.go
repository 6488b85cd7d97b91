package controller

import (
	"context"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"github.com/leat-dev/leat/internal/object"
)

// guards knows what in a cluster can refuse a new object beyond its schema:
// admission webhooks and policies, and quotas. Where there is none, an object of
// a built-in kind is made without a dry run first; where there is one, a stage
// is rehearsed whole, as Flux does.
type guards struct {
	mu     sync.RWMutex
	by     map[string]map[string]bool // resource → names (namespaces, for quotas)
	synced int
	wait   sync.WaitGroup
}

// quotas is the one guard that holds for a namespace only.
var quotas = schema.GroupVersionResource{Version: "v1", Resource: "resourcequotas"}

var guardKinds = []schema.GroupVersionResource{
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicybindings"},
	quotas,
}

// start watches the metadata of the guards until ctx ends.
func (g *guards) start(ctx context.Context, client metadata.Interface) {
	g.by = make(map[string]map[string]bool)
	for _, gvr := range guardKinds {
		g.by[gvr.Resource] = make(map[string]bool)
		c := client.Resource(gvr)
		lw := &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return c.List(ctx, o) },
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				return c.Watch(ctx, o)
			},
		}
		r := cache.NewReflectorWithOptions(lw, &metav1.PartialObjectMetadata{}, &guardSink{g: g, gvr: gvr}, cache.ReflectorOptions{Name: "leat/" + gvr.Resource})
		g.wait.Add(1)
		go func() {
			defer g.wait.Done()
			r.RunWithContext(ctx)
		}()
	}
}

// Rehearse tells whether making an object must be tried dry first. Until every
// guard has been listed, everything is.
func (g *guards) Rehearse(ref object.Ref) bool {
	if !builtin(ref.Group) {
		return true
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.synced < len(guardKinds) {
		return true
	}
	for resource, names := range g.by {
		if resource == quotas.Resource && names[ref.Namespace] || resource != quotas.Resource && len(names) > 0 {
			return true
		}
	}
	return false
}

// builtin tells whether a group is part of Kubernetes, whose schema refuses the
// same here and there.
func builtin(group string) bool {
	return !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io") &&
		slices.Contains([]string{
			"rbac.authorization.k8s.io", "networking.k8s.io", "storage.k8s.io", "scheduling.k8s.io", "node.k8s.io",
			"policy", "discovery.k8s.io", "coordination.k8s.io", "events.k8s.io",
		}, group)
}

type guardSink struct {
	g      *guards
	gvr    schema.GroupVersionResource
	synced bool
}

func (s *guardSink) name(o any) string {
	if lost, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = lost.Obj
	}
	m, ok := o.(*metav1.PartialObjectMetadata)
	switch {
	case !ok:
		return ""
	case s.gvr == quotas:
		return m.Namespace
	default:
		return m.Name
	}
}

func (s *guardSink) Add(o any) error    { return s.set(o, true) }
func (s *guardSink) Update(o any) error { return s.set(o, true) }
func (s *guardSink) Delete(o any) error { return s.set(o, false) }
func (s *guardSink) Resync() error      { return nil }

func (s *guardSink) set(o any, there bool) error {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	if there {
		s.g.by[s.gvr.Resource][s.name(o)] = true
	} else {
		delete(s.g.by[s.gvr.Resource], s.name(o))
	}
	return nil
}

func (s *guardSink) Replace(list []any, _ string) error {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	clear(s.g.by[s.gvr.Resource])
	for _, o := range list {
		s.g.by[s.gvr.Resource][s.name(o)] = true
	}
	if !s.synced {
		s.synced = true
		s.g.synced++
	}
	return nil
}
