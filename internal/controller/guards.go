package controller

import (
	"context"
	"maps"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world/live"
)

// guards knows what in a cluster can refuse an object beyond its schema:
// admission webhooks and policies, quotas, and the rights of accounts. Where
// there is no webhook, policy or quota, an object of a built-in kind is made
// without a dry run first; where there is one, a stage is rehearsed whole, as
// Flux does. Whoever was refused is told when any of them changes.
type guards struct {
	client metadata.Interface
	echo   *echo

	mu      sync.RWMutex
	ctx     context.Context
	watched map[guard]bool
	held    map[string]int // guards that make a rehearsal, by namespace; "" for the cluster
	synced  int
	wait    sync.WaitGroup
}

// guard is a kind of object that can refuse others.
type guard struct {
	schema.GroupVersionResource
	scope scope
}

// scope is what a guard holds for.
type scope string

const (
	inCluster   scope = "cluster"
	inNamespace scope = "namespace"
	inRights    scope = "rights"
)

const admission, rbac = "admissionregistration.k8s.io", "rbac.authorization.k8s.io"

// rehearsed are the guards that a rehearsal is made for. They are watched from
// the start.
var rehearsed = []guard{
	{schema.GroupVersionResource{Group: admission, Version: "v1", Resource: "validatingwebhookconfigurations"}, inCluster},
	{schema.GroupVersionResource{Group: admission, Version: "v1", Resource: "mutatingwebhookconfigurations"}, inCluster},
	{schema.GroupVersionResource{Group: admission, Version: "v1", Resource: "validatingadmissionpolicybindings"}, inCluster},
	{schema.GroupVersionResource{Version: "v1", Resource: "resourcequotas"}, inNamespace},
}

// consulted are those that matter only to who was refused: they are watched from
// the first refusal of their sort on. Of their objects nothing is kept.
var consulted = []guard{
	{schema.GroupVersionResource{Group: admission, Version: "v1", Resource: "validatingadmissionpolicies"}, inCluster},
	{schema.GroupVersionResource{Version: "v1", Resource: "limitranges"}, inNamespace},
	{schema.GroupVersionResource{Group: rbac, Version: "v1", Resource: "roles"}, inRights},
	{schema.GroupVersionResource{Group: rbac, Version: "v1", Resource: "rolebindings"}, inRights},
	{schema.GroupVersionResource{Group: rbac, Version: "v1", Resource: "clusterroles"}, inRights},
	{schema.GroupVersionResource{Group: rbac, Version: "v1", Resource: "clusterrolebindings"}, inRights},
}

// subject names what changes with a guard.
func (g guard) subject(namespace string) string {
	switch g.scope {
	case inRights:
		return engine.RightsSubject
	case inNamespace:
		return engine.GuardSubject(namespace)
	default:
		return engine.GuardSubject("")
	}
}

// start watches the metadata of the guards until ctx ends.
func (g *guards) start(ctx context.Context, client metadata.Interface, e *echo) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ctx, g.client, g.echo = ctx, client, e
	g.watched, g.held = map[guard]bool{}, map[string]int{}
	for _, one := range rehearsed {
		g.watch(one)
	}
}

// consult watches, too, what else may have refused a unit that reads a subject.
func (g *guards) consult(subjects []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx == nil {
		return
	}
	rights, others := slices.Contains(subjects, engine.RightsSubject), slices.Contains(subjects, engine.GuardSubject(""))
	for _, one := range consulted {
		if one.scope == inRights && rights || one.scope != inRights && others {
			g.watch(one)
		}
	}
}

// watch begins to watch a guard unless it is watched; g.mu is held.
func (g *guards) watch(one guard) {
	if g.watched[one] {
		return
	}
	g.watched[one] = true
	ctx, c := g.ctx, g.client.Resource(one.GroupVersionResource)
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return c.List(ctx, o) },
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return c.Watch(ctx, o)
		},
	}
	r := cache.NewReflectorWithOptions(lw, &metav1.PartialObjectMetadata{}, &guardSink{g: g, guard: one}, cache.ReflectorOptions{Name: "leat/" + one.Resource, Backoff: live.Backoff()})
	g.wait.Add(1)
	go func() {
		defer g.wait.Done()
		r.RunWithContext(ctx)
	}()
}

// Rehearse tells whether making an object must be tried dry first. Until every
// guard has been listed, everything is.
func (g *guards) Rehearse(ref object.Ref) bool {
	if !engine.Predictable(ref.Group) {
		return true
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.synced < len(rehearsed) || g.held[""] > 0 || g.held[ref.Namespace] > 0
}

// guardSink is the store that a reflector fills. It keeps the names of guards that
// make a rehearsal, and the newest version that it heard of.
type guardSink struct {
	g      *guards
	guard  guard
	synced bool
	newest uint64
	by     map[types.NamespacedName]bool
}

func (s *guardSink) Add(o any) error    { return s.set(o) }
func (s *guardSink) Update(o any) error { return s.set(o) }
func (s *guardSink) Resync() error      { return nil }

func (s *guardSink) set(o any) error {
	m, ok := o.(*metav1.PartialObjectMetadata)
	if !ok {
		return nil
	}
	s.newest = max(s.newest, parseVersion(m.ResourceVersion))
	s.keep(m)
	s.tell(m.Namespace, m.Name+" changed")
	return nil
}

func (s *guardSink) Delete(o any) error {
	if lost, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = lost.Obj
	}
	if m, ok := o.(*metav1.PartialObjectMetadata); ok {
		s.drop(types.NamespacedName{Namespace: m.Namespace, Name: m.Name})
		s.tell(m.Namespace, m.Name+" was deleted")
	}
	return nil
}

// Replace takes a whole list: the first one, which may have changed since a unit
// was refused, or the one after a lost watch.
func (s *guardSink) Replace(list []any, at string) error {
	gone, moved := maps.Clone(s.by), map[string]bool{}
	for _, o := range list {
		m, ok := o.(*metav1.PartialObjectMetadata)
		if !ok {
			continue
		}
		id := types.NamespacedName{Namespace: m.Namespace, Name: m.Name}
		delete(gone, id)
		if version := parseVersion(m.ResourceVersion); !s.synced || version > s.newest {
			moved[m.Namespace] = true
		}
		s.keep(m)
	}
	for id := range gone {
		moved[id.Namespace] = true
		s.drop(id)
	}
	s.newest = max(s.newest, parseVersion(at))
	if s.guard.scope != inNamespace && (len(moved) > 0 || !s.synced) {
		moved = map[string]bool{"": true}
	}
	for namespace := range moved {
		s.tell(namespace, "were listed")
	}
	s.listed()
	return nil
}

func (s *guardSink) listed() {
	if s.synced {
		return
	}
	s.synced = true
	if slices.Contains(rehearsed, s.guard) {
		s.g.mu.Lock()
		defer s.g.mu.Unlock()
		s.g.synced++
	}
}

// keep notes a guard that is there.
func (s *guardSink) keep(m *metav1.PartialObjectMetadata) {
	if !slices.Contains(rehearsed, s.guard) {
		return
	}
	id := types.NamespacedName{Namespace: m.Namespace, Name: m.Name}
	if s.by == nil {
		s.by = map[types.NamespacedName]bool{}
	}
	if !s.by[id] {
		s.count(id.Namespace, 1)
	}
	s.by[id] = true
}

// drop notes that a guard is gone.
func (s *guardSink) drop(id types.NamespacedName) {
	if s.by[id] {
		delete(s.by, id)
		s.count(id.Namespace, -1)
	}
}

func (s *guardSink) count(namespace string, by int) {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	if s.g.held[namespace] += by; s.g.held[namespace] == 0 {
		delete(s.g.held, namespace)
	}
}

func (s *guardSink) tell(namespace, what string) {
	s.g.echo.changed(s.guard.subject(namespace), s.guard.Resource+" "+what)
}
