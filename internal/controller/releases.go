package controller

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/live"
)

// releases is what a controller keeps for HelmReleases: the watch of their
// objects, and that of Helm's storage.
type releases struct {
	table   *live.Table
	feed    *engine.Feed
	storage storage
}

// startReleases begins to watch for HelmReleases, where those are reconciled.
func (c *Controller) startReleases(ctx context.Context) {
	if c.cfg.Engine.Helm == nil || !c.kindOf(object.Key{Group: object.GroupHelm, Kind: unit.HelmReleaseKind}).Run {
		return
	}
	clients := c.cfg.Releases
	if clients == (Clients{}) {
		clients = c.cfg.Clients
	}
	r := &c.releases
	r.table = live.New(ctx, live.Config{
		Dynamic: clients.Dynamic, Metadata: clients.Metadata, Kind: c.cfg.World.Kind, Log: c.cfg.Log, Owner: live.HelmRelease,
		Managers: plan.Managers{Own: object.ManagerHelm, Overrides: c.cfg.Engine.Options.OverrideManagers, Only: true},
		Moved: func(m live.Move) {
			r.feed.Moved(m.Key)
			c.managedMoved(m)
		},
	})
	r.feed = engine.NewFeed(r.table)
	r.storage.start(ctx, clients.Metadata, func(place string) {
		c.loop.Send(sched.Moved{Subject: engine.StorageSubject(place), Priority: sched.Drift, Why: "Helm's storage of " + place + " changed"})
	})
	c.cfg.Engine.Stored = r.storage.look
	c.soft.queued = c.inLine
	c.cfg.Engine.Work(ctx, c.cfg.Limits["apply"], r.feed, func(key object.Key, why string) {
		c.loop.Send(sched.Wake{Unit: key, Class: classOf(key), Priority: sched.Conclude, Why: why})
	})
}

// inLine tells whether a release has nothing to tell yet but that others come
// first: it stands in line for a run or an action, or the HelmChart does that it
// has made.
func (c *Controller) inLine(key object.Key) bool {
	if key.Kind != unit.HelmReleaseKind {
		return false
	}
	if c.cfg.Engine.Queued(key, softDelay) || c.loop.Queued(key) {
		return true
	}
	obj := c.views.get(key)
	if obj == nil {
		return false
	}
	h, err := unit.DecodeHelmRelease(obj)
	return err == nil && h.Spec.Chart != nil && c.loop.Queued(h.OwnChart())
}

// wait returns when everything has ended that startReleases began.
func (r *releases) wait() {
	if r.table != nil {
		r.table.Wait()
	}
	r.storage.done.Wait()
}

// storage knows which versions of which releases Helm's storage holds, and in
// which state: from the labels of its Secrets, never from what is in them.
type storage struct {
	mu     sync.RWMutex
	synced bool
	by     map[string]map[string]string // place → Secret → "3:deployed"
	moved  func(place string)
	done   sync.WaitGroup
}

// The labels and names of Helm's Secrets (helm.sh/helm/v4 pkg/storage/driver).
const (
	storageSelector = "owner=helm"
	storagePrefix   = "sh.helm.release.v1."
)

func (s *storage) start(ctx context.Context, client metadata.Interface, moved func(place string)) {
	s.by, s.moved = make(map[string]map[string]string), moved
	c := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"})
	selected := func(o metav1.ListOptions) metav1.ListOptions {
		o.LabelSelector = storageSelector
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
	r := cache.NewReflectorWithOptions(lw, &metav1.PartialObjectMetadata{}, (*storageSink)(s), cache.ReflectorOptions{Name: "leat/releases", Backoff: live.Backoff()})
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		r.RunWithContext(ctx)
	}()
}

// look implements engine.Stored.
func (s *storage) look(namespace, name string) (string, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.synced {
		return "", false
	}
	versions := make([]string, 0, 4)
	for _, v := range s.by[namespace+"/"+name] {
		versions = append(versions, v)
	}
	return engine.StoredText(versions), true
}

// storageSink is the store that the reflector fills.
type storageSink storage

func (s *storageSink) Add(o any) error    { return s.put(o) }
func (s *storageSink) Update(o any) error { return s.put(o) }
func (s *storageSink) Resync() error      { return nil }

func (s *storageSink) put(o any) error {
	m, place, version, ok := readStorage(o)
	if !ok {
		return nil
	}
	s.mu.Lock()
	of := s.by[place]
	if of == nil {
		of = make(map[string]string)
		s.by[place] = of
	}
	news := of[m.Name] != version
	of[m.Name] = version
	s.mu.Unlock()
	if news {
		s.moved(place)
	}
	return nil
}

func (s *storageSink) Delete(o any) error {
	if lost, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = lost.Obj
	}
	m, place, _, ok := readStorage(o)
	if !ok {
		return nil
	}
	s.mu.Lock()
	delete(s.by[place], m.Name)
	if len(s.by[place]) == 0 {
		delete(s.by, place)
	}
	s.mu.Unlock()
	s.moved(place)
	return nil
}

// Replace takes a whole list: the first one, or the one after a lost watch.
func (s *storageSink) Replace(list []any, _ string) error {
	next := make(map[string]map[string]string)
	for _, o := range list {
		m, place, version, ok := readStorage(o)
		if !ok {
			continue
		}
		if next[place] == nil {
			next[place] = make(map[string]string)
		}
		next[place][m.Name] = version
	}
	s.mu.Lock()
	before, again := s.by, s.synced
	s.by, s.synced = next, true
	s.mu.Unlock()
	for place := range before {
		if !maps.Equal(before[place], next[place]) {
			s.moved(place)
		}
	}
	for place := range next {
		if _, known := before[place]; again && !known {
			s.moved(place)
		}
	}
	return nil
}

// readStorage reads the labels of one of Helm's Secrets.
func readStorage(o any) (m *metav1.PartialObjectMetadata, place, version string, ok bool) {
	m, ok = o.(*metav1.PartialObjectMetadata)
	if !ok || !strings.HasPrefix(m.Name, storagePrefix) {
		return nil, "", "", false
	}
	number, err := strconv.Atoi(m.Labels["version"])
	if err != nil {
		return nil, "", "", false
	}
	return m, m.Namespace + "/" + m.Labels["name"], engine.StoredVersion(number, m.Labels["status"]), true
}

// Awaits names what the action on a release that is under way waits for, which its
// status does not tell.
func (c *Controller) Awaits(key object.Key) []string { return c.cfg.Engine.Awaits(key) }
