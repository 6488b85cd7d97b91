package app

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// ground is what a fleet stands on in a world that was made for it.
type ground struct {
	world            world.World
	entry            entry.Entry
	tree             tree.Tree
	bases            build.RemoteFetcher
	builds           engine.Builder
	options          engine.Options
	inputs           []string // files of objects that live outside Git
	createNamespaces bool
	say              func(format string, args ...any)
}

// lay puts the ground, the inputs and the entry into the world.
func (g ground) lay(ctx context.Context) error {
	steps := []func(context.Context) ([]string, error){
		func(ctx context.Context) ([]string, error) {
			return Ground(ctx, g.world, g.entry.Kustomization.GetNamespace())
		},
		g.namespaces,
	}
	for _, step := range steps {
		made, err := step(ctx)
		if len(made) > 0 {
			g.say("made %s", strings.Join(made, ", "))
		}
		if err != nil {
			return err
		}
	}
	for _, file := range g.inputs {
		if err := g.input(ctx, file); err != nil {
			return err
		}
	}
	return g.enter(ctx)
}

// enter puts the entry into the world.
func (g ground) enter(ctx context.Context) error {
	for _, obj := range []*unstructured.Unstructured{g.entry.Repository, g.entry.Kustomization} {
		if _, err := g.world.Apply(ctx, world.Apply{Object: obj, Manager: manager, Force: true}); err != nil {
			return fmt.Errorf("apply the entry %s: %w", object.KeyOf(obj), err)
		}
	}
	return nil
}

// namespaces makes those that the entry's build uses and does not contain.
func (g ground) namespaces(ctx context.Context) ([]string, error) {
	k, err := unit.DecodeKustomization(g.entry.Kustomization)
	if err != nil {
		return nil, err
	}
	out, err := g.builds.Run(ctx, g.tree, engine.Recipe(k, g.options, nil), build.Options{Remote: g.bases})
	if err != nil {
		return nil, nil // the engine will say it better, on the unit
	}
	missing := missingNamespaces(out.Result.Objects)
	missing = slices.DeleteFunc(missing, func(ns string) bool {
		return slices.Contains([]string{"default", "kube-system", "kube-public", "kube-node-lease"}, ns)
	})
	if !g.createNamespaces && len(missing) > 0 {
		g.say("not made, because of --create-namespaces=false: namespaces %s", strings.Join(missing, ", "))
		return nil, nil
	}
	return Namespaces(ctx, g.world, missing)
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

func readInput(file string) ([]*unstructured.Unstructured, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--input: %w", err)
	}
	objs, err := entry.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("--input %s: %w", file, err)
	}
	return objs, nil
}

// input applies the objects of a file, making their namespaces.
func (g ground) input(ctx context.Context, file string) error {
	objs, err := readInput(file)
	if err != nil {
		return err
	}
	if err := put(ctx, g.world, objs); err != nil {
		return fmt.Errorf("--input %s: %w", file, err)
	}
	g.say("applied %d objects of %s", len(objs), file)
	return nil
}

// put applies objects, definitions with what they bring, and makes their namespaces.
func put(ctx context.Context, w world.World, objs []*unstructured.Unstructured) error {
	spaces := map[string]bool{}
	for _, obj := range objs {
		if ns := obj.GetNamespace(); ns != "" {
			spaces[ns] = true
		}
	}
	if _, err := Namespaces(ctx, w, slices.Sorted(maps.Keys(spaces))); err != nil {
		return err
	}
	for _, obj := range objs {
		if obj.GroupVersionKind().GroupKind() == crdKind.GroupKind() {
			if err := installDefinition(ctx, w, obj); err != nil {
				return fmt.Errorf("%s: %w", object.KeyOf(obj), err)
			}
			continue
		}
		if _, err := w.Apply(ctx, world.Apply{Object: obj, Manager: manager, Force: true}); err != nil {
			return fmt.Errorf("%s: %w", object.KeyOf(obj), err)
		}
	}
	return nil
}
