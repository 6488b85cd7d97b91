package controller

import (
	"context"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/live"
)

// Connection is the way to another cluster.
type Connection struct {
	World   World
	Clients Clients // for watches: they wait while the cluster does not answer
	Helm    engine.Helm
	// State is as engine.Site has it.
	State func() (asked bool, err error)
	// Run asks whether the cluster answers until ctx ends; Close ends all there is.
	Run   func(ctx context.Context)
	Close func()
}

// Dial makes the way to a cluster and asks nothing of it; answers is told when it
// first answers or does not, and when that changes.
type Dial func(at engine.Address, answers func(error)) (Connection, error)

// remotes are the other clusters that units work in, one connection for all units
// with the same address. It implements engine.Remotes.
type remotes struct {
	c    *Controller
	dial Dial
	key  secret.Key // of the names of sites, which are made of credentials

	mu    sync.Mutex
	ctx   context.Context
	sites map[string]*remote
	units map[object.Key]*remote
	wait  sync.WaitGroup
}

// remote is a cluster, with what is watched there.
type remote struct {
	engine.Site
	of      *remotes
	uses    int // by units, and by what they began
	cancel  context.CancelFunc
	ctx     context.Context
	table   *live.Table // of Kustomizations
	release *live.Table // of HelmReleases
	named   *named
	storage *storage // nil before the first HelmRelease
	clients Clients
}

func newRemotes(c *Controller, dial Dial) *remotes {
	return &remotes{c: c, dial: dial, key: secret.NewKey(), sites: map[string]*remote{}, units: map[object.Key]*remote{}}
}

func (r *remotes) start(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ctx = ctx
}

// Use implements engine.Remotes.
func (r *remotes) Use(key object.Key, at engine.Address) (*engine.Site, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := r.name(at)
	s := r.sites[id]
	if s == nil {
		var err error
		if s, err = r.open(id, at); err != nil {
			return nil, err
		}
		r.sites[id] = s
	}
	if old := r.units[key]; old != s {
		s.uses++
		r.units[key] = s
		r.release(old)
	}
	if key.Kind == unit.HelmReleaseKind {
		s.store()
	}
	site := s.Site
	return &site, nil
}

// Leave implements engine.Remotes.
func (r *remotes) Leave(key object.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.units[key]
	delete(r.units, key)
	r.release(old)
}

// release ends one use of a site, and the site with the last one; r.mu is held.
func (r *remotes) release(s *remote) {
	if s == nil {
		return
	}
	if s.uses--; s.uses > 0 {
		return
	}
	s.cancel()
	if r.sites[s.ID] == s { // and not one that came after it
		delete(r.sites, s.ID)
	}
}

// hold is one more use of a site, until what it returns is called.
func (r *remotes) hold(s *remote) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.uses++
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.release(s)
	})
}

// name tells addresses apart, and nothing about what is in them.
func (r *remotes) name(at engine.Address) string {
	text := "kubeconfig " + at.Kubeconfig.Reveal()
	if w := at.Workload; w != nil {
		text = fmt.Sprintf("workload %#v", *w)
	}
	sum := r.key.Digest(secret.Of(text))
	return fmt.Sprintf("%x", sum[:8])
}

// at returns a site, or nil.
func (r *remotes) at(id string) *remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sites[id]
}

// prune ends the watches of objects that nobody waits on, in the clusters that are due.
func (r *remotes) prune(due func(*named) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sites {
		if due(s.named) {
			s.named.prune(func(key object.Key) bool { return r.c.matters(engine.At(s.ID, engine.Subject(key))) })
		}
	}
}

func everySite(*named) bool { return true }

// open connects to a cluster; r.mu is held.
func (r *remotes) open(id string, at engine.Address) (*remote, error) {
	ctx, cancel := context.WithCancel(r.ctx)
	s := &remote{of: r, ctx: ctx, cancel: cancel}
	conn, err := r.dial(at, func(err error) { s.answers(err) })
	if err != nil {
		cancel()
		return nil, err
	}
	s.clients = conn.Clients
	s.table = live.New(ctx, s.watching(conn, live.Kustomization, object.ManagerKustomize, s.managedMoved))
	s.release = live.New(ctx, s.watching(conn, live.HelmRelease, object.ManagerHelm, s.releasedMoved))
	s.named = newNamed(func(schema.GroupKind) dynamic.Interface { return conn.Clients.Dynamic }, conn.World.Kind, s.namedMoved)
	s.Site = engine.Site{
		ID: id, World: conn.World, Live: lenient{s.table, conn.State}, Helm: conn.Helm, Feed: engine.NewFeed(lenient{s.release, conn.State}),
		Stored: s.look, State: conn.State, Hold: func() func() { return r.hold(s) },
	}
	d := &definitions{
		events: map[string]int{},
		ctx:    ctx, metadata: conn.Clients.Metadata, log: r.c.cfg.Log, named: s.named, invalidate: conn.World.Invalidate,
		tables: func() []*live.Table { return []*live.Table{s.table, s.release} },
		moved:  func(subject, why string) { s.moved(sched.Released, subject, why) },
	}
	defined := d.watch()
	r.wait.Go(func() {
		conn.Run(ctx)
		<-defined
		s.end()
		conn.Close()
	})
	return s, nil
}

func (s *remote) watching(conn Connection, owner live.Owner, manager string, moved func(live.Move)) live.Config {
	cfg := s.of.c.cfg
	return live.Config{
		Dynamic: conn.Clients.Dynamic, Metadata: conn.Clients.Metadata, Kind: conn.World.Kind, Log: cfg.Log, Owner: owner,
		Managers: plan.Managers{Own: manager, Overrides: cfg.Engine.Options.OverrideManagers, Only: manager == object.ManagerHelm}, Moved: moved,
	}
}

// end returns when everything has ended that watched there.
func (s *remote) end() {
	s.named.wait.Wait()
	s.table.Wait()
	s.release.Wait()
	s.of.mu.Lock()
	kept := s.storage
	s.of.mu.Unlock()
	if kept != nil {
		kept.done.Wait()
	}
}

// store begins to watch Helm's storage; the lock of remotes is held.
func (s *remote) store() {
	if s.storage != nil || s.ctx.Err() != nil {
		return
	}
	s.storage = &storage{}
	s.storage.start(s.ctx, s.clients.Metadata, func(place string) {
		s.moved(sched.Drift, engine.StorageSubject(place), "Helm's storage of "+place+" changed")
	})
}

// look implements engine.Stored.
func (s *remote) look(namespace, name string) (string, bool) {
	s.of.mu.Lock()
	kept := s.storage
	s.of.mu.Unlock()
	if kept == nil {
		return "", false
	}
	return kept.look(namespace, name)
}

func (s *remote) moved(p sched.Priority, subject, why string) {
	s.of.c.loop.Send(sched.Moved{Subject: engine.At(s.ID, subject), Priority: p, Why: why})
}

// answers hears whether the cluster does.
func (s *remote) answers(err error) {
	if err == nil {
		s.moved(sched.Released, "reach", "its cluster answers")
		return
	}
	s.of.c.cfg.Log.Warn("the cluster of a kubeconfig does not answer; its units wait for it", "error", err)
	s.moved(sched.Released, "reach", "its cluster does not answer")
}

func (s *remote) managedMoved(m live.Move) {
	s.moved(sched.Request, engine.HealthSubject(m.Key), m.Why)
	if m.Drift {
		s.moved(sched.Drift, engine.ManagedSubject(m.Key), m.Why)
	}
}

func (s *remote) releasedMoved(m live.Move) {
	s.Feed.Moved(m.Key)
	s.managedMoved(m)
}

func (s *remote) namedMoved(key object.Key) {
	s.moved(sched.Released, engine.Subject(key), key.String()+" changed")
}

// follow watches an object that a run read there.
func (s *remote) follow(ctx context.Context, key object.Key) error {
	if s.ctx.Err() != nil {
		return nil
	}
	ref := object.Ref{Key: key, Version: "v1"}
	if m, err := s.World.Kind(ctx, key.GroupKind().WithVersion("")); err == nil {
		ref.Version = m.GVK.Version
	}
	return s.named.follow(s.ctx, ref)
}

// lenient is a table of a cluster in which we may not be allowed to watch: then
// nothing is known of a kind, and every run looks.
type lenient struct {
	*live.Table
	state func() (bool, error)
}

// Follow implements apply.Live.
func (l lenient) Follow(ctx context.Context, gvk schema.GroupVersionKind) error {
	if _, err := l.state(); err != nil {
		return err
	}
	err := l.Table.Follow(ctx, gvk)
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		return nil
	}
	return err
}
