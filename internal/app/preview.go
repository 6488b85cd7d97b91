package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/isolate"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/preview"
	"github.com/leat-dev/leat/internal/provenance"
	"github.com/leat-dev/leat/internal/saved"
	"github.com/leat-dev/leat/internal/source/bases"
	"github.com/leat-dev/leat/internal/source/charts"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/source/oci"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
)

// PreviewConfig is what rendering fleets without a cluster needs.
type PreviewConfig struct {
	Inputs  []string // files of objects that live outside Git
	Values  map[string]string
	Mirrors []mirror.Mirror
	Fetch   bool // allow the network
	// Given says that the fleet was given all it needs: nothing is made up.
	Given bool
	// CacheDir holds what was fetched; it is needed for mirrors that are
	// repositories, and with Fetch.
	CacheDir string
	// Saved is where rendered bases are kept between processes; empty keeps none.
	Saved   string
	Options engine.Options
	Log     *slog.Logger
	Say     func(format string, args ...any)
	Isolate *isolate.Config
}

// Previews renders revisions of fleets. What one of them built, loaded or
// fetched serves the others.
type Previews struct {
	cfg      PreviewConfig
	pool     *git.Pool
	images   *oci.Pool
	charts   *charts.Pool
	children *isolate.Pool
	heavy    *heavy
	builds   *build.Cache
	store    *preview.Store
	renders  *helm.Renders
	empty    func() (*memory.World, error) // with the definitions of Flux's kinds; to be copied
	bare     func() (*memory.World, error) // another cluster's; to be copied
	saved    *saved.Dir                    // nil keeps nothing
	saves    *sync.WaitGroup               // what goes on beside
	read     *provenance.Memory
}

// previewMemory bounds what builds of previews keep, in bytes: two revisions of a
// large fleet.
const previewMemory = 256 << 20

// NewPreviews opens what previews share.
func NewPreviews(cfg PreviewConfig) (*Previews, error) {
	p := &Previews{
		saves: &sync.WaitGroup{}, read: &provenance.Memory{}, empty: sync.OnceValues(emptyWorld), bare: sync.OnceValues(bareWorld), renders: &helm.Renders{},
		cfg: cfg, images: oci.NewPool(oci.Options{}), builds: build.NewCache(build.Limits{Bytes: previewMemory}), store: preview.NewStore(),
		charts: charts.NewPool(charts.Options{MaxIndex: cfg.Options.MaxIndex, MaxChart: cfg.Options.ChartLimits.Packed}),
	}
	if cfg.Saved != "" {
		p.saved = saved.Open(cfg.Saved, saved.Limits{})
	}
	var err error
	if p.pool, err = git.NewPool(filepath.Join(cfg.CacheDir, "git"), git.Options{Remember: true}); err != nil {
		return nil, err
	}
	if cfg.Isolate != nil && isolate.Possible {
		p.children, p.heavy = isolate.NewPool(*cfg.Isolate), newHeavy(*cfg.Isolate)
		p.builds.Elsewhere(p.heavy.apart())
	}
	p.saves.Go(func() { _, _ = p.empty() }) // while sources are read
	return p, nil
}

// emptyWorld holds the definitions of Flux's kinds and nothing else.
func emptyWorld() (*memory.World, error) {
	w := memory.New(memory.Options{OwnStatus: true})
	_, err := InstallDefinitions(context.Background(), w)
	return w, err
}

func (p *Previews) world() (*memory.World, error) {
	w, err := p.empty()
	if err != nil {
		return nil, err
	}
	return w.Copy()
}

// Close ends what goes on.
func (p *Previews) Close() error {
	p.saves.Wait()
	if p.children != nil {
		p.children.Close()
	}
	p.heavy.close()
	p.charts.Close()
	return errors.Join(p.images.Close(), p.pool.Close())
}

// Preview is one revision of a fleet, from one entry, in a world of its own.
type Preview struct {
	Entry entry.Entry
	Fleet *preview.Fleet
	World *memory.World

	previews *Previews
	others   *others
	from     origins
	noted    *build.Noted
	source   *fixed
	local    *LocalSources
	ground   ground

	options entry.Options // by which the entry was found

	verdicts map[object.Key]verdict // of schemas, by unit, as last rendered
	digest   func(unit object.Key) gate.Digest
}

// fixed is a fleet at one revision.
type fixed struct{ worktree.Snapshot }

// Read implements Snapshots.
func (f *fixed) Read(context.Context) (worktree.Snapshot, error) { return f.Snapshot, nil }

// standing is the time that it is in previews.
var standing = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// Open makes the world of a revision and lets it come to rest.
func (p *Previews) Open(ctx context.Context, snap worktree.Snapshot, o entry.Options) (*Preview, error) {
	return p.open(ctx, snap, o, nil)
}

// open is Open of what is compared with what the fleet was before; that may be nil.
func (p *Previews) open(ctx context.Context, snap worktree.Snapshot, o entry.Options, before *fleet.Rendered) (*Preview, error) {
	v, err := p.stage(snap, o, nil)
	if err != nil {
		return nil, err
	}
	if before != nil {
		v.Fleet.Follows(*before)
	}
	if err = v.ground.lay(ctx); err == nil {
		err = v.Fleet.Settle(ctx)
	}
	if err != nil {
		v.Close()
		return nil, fmt.Errorf("render %s: %w", v.Entry.From, err)
	}
	return v, nil
}

// stage makes the world of a revision, in which nothing runs: as it was, or with
// nothing in it where that is nil.
func (p *Previews) stage(snap worktree.Snapshot, o entry.Options, was *savedBase) (*Preview, error) {
	e, err := entry.Find(snap.Tree, o)
	if err != nil {
		return nil, err
	}
	v := &Preview{Entry: e, options: o, previews: p, source: &fixed{snap}, noted: build.Note(p.builds)}
	v.from.builds, v.from.read = provenance.Trace(v.noted), p.read
	if v.World, err = p.world(); err != nil {
		return nil, err
	}
	v.others = &others{previews: p, from: &v.from, worlds: map[string]*memory.World{}, saved: map[string]memory.Saved{}}
	if was != nil {
		if err := v.World.Restore(was.World); err != nil {
			return nil, err
		}
		for _, o := range was.Others {
			v.others.saved[o.Name] = o.World
		}
	}
	local := &LocalSources{Own: []string{e.URL()}, Fleet: v.source, Mirrors: p.cfg.Mirrors, Pool: p.pool}
	v.local = local
	eng, err := p.engine(stage{world: v.World, from: &v.from, local: local})
	if err != nil {
		return nil, err
	}
	v.digest = eng.Digest
	v.from.helm.engine = eng
	v.Fleet = preview.New(preview.Config{
		World: v.World, Engine: eng, Now: standing, Inputs: preview.Inputs{Invent: !p.cfg.Given, Values: p.cfg.Values}, Log: p.cfg.Log, Built: v.built,
		Other: v.others.open, Reach: reach,
	})
	v.ground = ground{
		world: v.World, entry: e, tree: snap.Tree, bases: p.bases(local), builds: v.from.builds, options: p.cfg.Options, inputs: p.cfg.Inputs, createNamespaces: true,
		say: func(string, ...any) {},
	}
	return v, nil
}

// Update lets the fleet come to rest at another revision: only what that touches
// is built.
func (v *Preview) Update(ctx context.Context, snap worktree.Snapshot) error {
	v.source.Snapshot, v.ground.tree = snap, snap.Tree
	if _, err := v.ground.namespaces(ctx); err != nil {
		return err
	}
	for _, obj := range v.Fleet.Units() {
		url, _, _ := unstructured.NestedString(obj.Object, "spec", "url")
		if obj.GetKind() == unit.GitRepositoryKind && v.local.isOwn(url) {
			v.Fleet.Wake(object.KeyOf(obj), "a file was saved")
		}
	}
	return v.Fleet.Settle(ctx)
}

// Rendered is the fleet as it came to rest.
func (v *Preview) Rendered(ctx context.Context) fleet.Rendered {
	return v.Fleet.Rendered(ctx, v.source.Revision())
}

// built are the objects of a Kustomization's last build.
func (v *Preview) built(key object.Key) []object.Ref {
	b, ok := v.from.builds.At(fleet.Rendered{}, nil).Build(key)
	if !ok {
		return nil
	}
	out := make([]object.Ref, len(b.Outcome.Result.Objects))
	for i, o := range b.Outcome.Result.Objects {
		out[i] = o.Ref
	}
	return out
}

// Close lets go of the world.
func (v *Preview) Close() { v.Fleet.Close() }

func (p *Previews) bases(local *LocalSources) build.RemoteFetcher {
	b := &localBases{local: local}
	if p.cfg.Fetch {
		b.remote = bases.New(p.pool, bases.Options{})
	}
	return b
}

// stage is where an engine works.
type stage struct {
	world world.World
	kube  string   // the version of Kubernetes that charts see; empty is helm's
	from  *origins // what it makes is traced for
	local *LocalSources
}

func (p *Previews) engine(s stage) (*engine.Engine, error) {
	offline, err := p.charter(s.world, s.kube)
	if err != nil {
		return nil, err
	}
	s.from.helm = traceHelm(offline)
	local, shelf := s.local, p.store.Shelf()
	return &engine.Engine{
		Remote: p.bases(local), Options: p.cfg.Options, Trees: shelf, Store: shelf, Builds: s.from.builds,
		Git:    router{local: local, remote: &gitPort{p.pool, &checkouts{}}, offline: !p.cfg.Fetch},
		OCI:    registries{local: local, pool: p.images, offline: !p.cfg.Fetch},
		Charts: chartRepositories{local: local, pool: p.charts, offline: !p.cfg.Fetch},
		Helm:   s.from.helm,
	}, nil
}

// charter is Helm in a world, which charts see as a cluster of that version; empty is
// helm's own.
func (p *Previews) charter(w world.World, kube string) (*helm.Cluster, error) {
	c, err := helm.Offline(w, kube)
	if err != nil {
		return nil, err
	}
	if p.children != nil {
		c.Isolate(p.children)
	}
	c.Cache(p.renders)
	return c, nil
}
