package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	"github.com/leat-dev/leat/internal/world"
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
	return &Up{Entry: e, cfg: cfg, tree: snap.Tree, local: local, mirror: pool}, nil
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
	return u.lay(ctx)
}

func (u *Up) lay(ctx context.Context) error {
	steps := []func(context.Context) ([]string, error){
		func(ctx context.Context) ([]string, error) {
			return Ground(ctx, u.App.World, u.Entry.Kustomization.GetNamespace())
		},
		u.namespaces,
	}
	for _, step := range steps {
		made, err := step(ctx)
		if len(made) > 0 {
			u.cfg.Say("made %s", strings.Join(made, ", "))
		}
		if err != nil {
			return err
		}
	}
	for _, file := range u.cfg.Inputs {
		if err := u.input(ctx, file); err != nil {
			return err
		}
	}
	for _, obj := range []*unstructured.Unstructured{u.Entry.Repository, u.Entry.Kustomization} {
		if _, err := u.App.World.Apply(ctx, world.Apply{Object: obj, Manager: manager, Force: true}); err != nil {
			return fmt.Errorf("apply the entry %s: %w", object.KeyOf(obj), err)
		}
	}
	return nil
}

// namespaces makes those that the entry's build uses and does not contain.
func (u *Up) namespaces(ctx context.Context) ([]string, error) {
	k, err := unit.DecodeKustomization(u.Entry.Kustomization)
	if err != nil {
		return nil, err
	}
	res, _, err := build.Run(ctx, u.tree, build.Recipe{
		Path: k.Spec.Path, TargetNamespace: k.Spec.TargetNamespace, Patches: k.Spec.Patches, Components: k.Spec.Components,
	}, build.Options{Remote: u.bases()})
	if err != nil {
		return nil, nil // the engine will say it better, on the unit
	}
	missing := missingNamespaces(res.Objects)
	missing = slices.DeleteFunc(missing, func(ns string) bool {
		return slices.Contains([]string{"default", "kube-system", "kube-public", "kube-node-lease"}, ns)
	})
	if !u.cfg.CreateNamespaces && len(missing) > 0 {
		u.cfg.Say("not made, because of --create-namespaces=false: namespaces %s", strings.Join(missing, ", "))
		return nil, nil
	}
	return Namespaces(ctx, u.App.World, missing)
}

func missingNamespaces(objects []build.Object) []string {
	used := map[string]bool{}
	for _, o := range objects {
		if o.Ref.Namespace != "" {
			used[o.Ref.Namespace] = true
		}
	}
	for _, o := range objects {
		if o.Ref.Group == "" && o.Ref.Kind == "Namespace" {
			delete(used, o.Ref.Name)
		}
	}
	return slices.Sorted(maps.Keys(used))
}

// input applies the objects of a file, making their namespaces.
func (u *Up) input(ctx context.Context, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("--input: %w", err)
	}
	objs, err := entry.Decode(data)
	if err != nil {
		return fmt.Errorf("--input %s: %w", file, err)
	}
	spaces := map[string]bool{}
	for _, obj := range objs {
		if ns := obj.GetNamespace(); ns != "" {
			spaces[ns] = true
		}
	}
	if _, err := Namespaces(ctx, u.App.World, slices.Sorted(maps.Keys(spaces))); err != nil {
		return err
	}
	for _, obj := range objs {
		if obj.GroupVersionKind().GroupKind() == crdKind.GroupKind() {
			if err := installDefinition(ctx, u.App.World, obj); err != nil {
				return fmt.Errorf("--input %s: %s: %w", file, object.KeyOf(obj), err)
			}
			continue
		}
		if _, err := u.App.World.Apply(ctx, world.Apply{Object: obj, Manager: manager, Force: true}); err != nil {
			return fmt.Errorf("--input %s: %s: %w", file, object.KeyOf(obj), err)
		}
	}
	u.cfg.Say("applied %d objects of %s", len(objs), file)
	return nil
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		u.watch(ctx)
	}()
	mirrored := make(chan struct{})
	go func() {
		defer close(mirrored)
		u.watchMirrors(ctx)
	}()
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		u.beside.run(ctx)
	}()
	err := u.App.Run(ctx)
	cancel()
	<-watched
	<-mirrored
	<-followed
	return err
}

// watch wakes the repositories that read the fleet's directory when it changes.
func (u *Up) watch(ctx context.Context) {
	w, err := worktree.Watch(ctx, u.local.Fleet, worktree.WatchOptions{})
	if err != nil {
		u.cfg.Say("saved files are not noticed: %v", err)
		return
	}
	for range w.Changed() {
		for _, obj := range u.App.Controller.Units() {
			url, _, _ := unstructured.NestedString(obj.Object, "spec", "url")
			if obj.GetKind() == unit.GitRepositoryKind && u.local.isOwn(url) {
				_ = u.App.Controller.Wake(object.KeyOf(obj), "a file was saved") // one that just went need not wake
			}
		}
	}
}
