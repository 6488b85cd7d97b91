package app

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/controller"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/isolate"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/source/bases"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
)

// UpConfig is what bringing a fleet up needs.
type UpConfig struct {
	Dir              string // the fleet
	Entry            entry.Options
	DataDir          string
	Inputs           []string // files of objects that live outside Git
	Mirrors          []mirror.Mirror
	Fetch            bool // allow the network
	CreateNamespaces bool
	Options          engine.Options
	Log              *slog.Logger
	Say              func(format string, args ...any) // progress, for people
	Finished         func(controller.Run)
	Removed          func(object.Key)
	Isolate          *isolate.Config // as in Config
}

// Up is a fleet that is being brought up.
type Up struct {
	App   *App
	Entry entry.Entry

	cfg    UpConfig
	tree   tree.Tree
	fleet  *worktree.Reader
	local  *LocalSources
	mirror *git.Pool
	beside *beside
}

// Prepare reads the fleet and finds its entry; it needs no cluster.
func Prepare(ctx context.Context, cfg UpConfig) (*Up, error) {
	reader, err := worktree.Open(cfg.Dir)
	if err != nil {
		return nil, err
	}
	snap, err := reader.Read(ctx)
	if err != nil {
		return nil, err
	}
	e, err := entry.Find(snap.Tree, cfg.Entry)
	if err != nil {
		return nil, err
	}
	pool, err := git.NewPool(filepath.Join(cfg.DataDir, "mirrors"), git.Options{})
	if err != nil {
		return nil, err
	}
	cfg.Options.SimulatedPods = true
	local := &LocalSources{Own: []string{e.URL()}, Fleet: reader, Mirrors: cfg.Mirrors, Pool: pool}
	return &Up{Entry: e, cfg: cfg, tree: snap.Tree, fleet: reader, local: local, mirror: pool}, nil
}

// Install puts the ground, the inputs and the entry into a cluster and makes the
// engine for it.
func (u *Up) Install(ctx context.Context, rc *rest.Config) error {
	a, err := New(Config{
		REST: rc, Options: u.cfg.Options, Applying: 16, Fetching: 8, DataDir: u.cfg.DataDir,
		Artifacts: "127.0.0.1:0", Local: u.local, Offline: !u.cfg.Fetch, Bases: u.bases(), Log: u.cfg.Log,
		Finished: u.cfg.Finished, Removed: u.cfg.Removed, Isolate: u.cfg.Isolate,
	})
	if err != nil {
		return err
	}
	u.App = a
	client, err := dynamic.NewForConfig(rc)
	if err != nil {
		return err
	}
	u.beside = newBeside(client)
	n, err := InstallDefinitions(ctx, a.World)
	if err != nil {
		return err
	}
	if n > 0 {
		u.cfg.Say("installed %d CRDs of Flux's kinds", n)
	}
	return u.ground().lay(ctx)
}

func (u *Up) ground() ground {
	return ground{
		world: u.App.World, entry: u.Entry, tree: u.tree, bases: u.bases(), inputs: u.cfg.Inputs,
		builds: build.NewCache(build.Limits{}).Elsewhere(u.App.heavy.apart()), options: u.cfg.Options, createNamespaces: u.cfg.CreateNamespaces, say: u.cfg.Say,
	}
}

// bases brings what kustomizations name by URL, as far as it is allowed.
func (u *Up) bases() build.RemoteFetcher {
	b := &localBases{local: u.local}
	if u.cfg.Fetch {
		b.remote = bases.New(u.mirror, bases.Options{})
	}
	return b
}

// Run lets the engine work until ctx ends. Saved files reach it by themselves.
func (u *Up) Run(ctx context.Context) error {
	defer u.mirror.Close()
	return u.run(ctx, u.watch, u.watchMirrors)
}

// run lets the engine work until ctx ends, and others beside it.
func (u *Up) run(ctx context.Context, others ...func(context.Context)) error {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for _, f := range append(others, u.beside.run) {
		all.Go(func() { f(ctx) })
	}
	err := u.App.Run(ctx)
	cancel()
	all.Wait()
	return err
}

// watch wakes the repositories that read the fleet's directory when it changes.
func (u *Up) watch(ctx context.Context) {
	w, err := worktree.Watch(ctx, u.fleet, worktree.WatchOptions{})
	if err != nil {
		u.cfg.Say("saved files are not noticed: %v", err)
		return
	}
	for range w.Changed() {
		u.wakeOwn("a file was saved")
	}
}

// wakeOwn wakes the repositories that read the fleet.
func (u *Up) wakeOwn(why string) {
	for _, obj := range u.App.Controller.Units() {
		url, _, _ := unstructured.NestedString(obj.Object, "spec", "url")
		if obj.GetKind() == unit.GitRepositoryKind && u.local.isOwn(url) {
			_ = u.App.Controller.Wake(object.KeyOf(obj), why) // one that just went need not wake
		}
	}
}
