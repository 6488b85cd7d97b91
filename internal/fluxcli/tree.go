package fluxcli

import (
	"context"
	"errors"
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// maxNesting bounds how deep Kustomizations within Kustomizations are followed.
const maxNesting = 32

type treeFlags struct {
	compact bool
	output  string
}

func (p *program) newTree() *cobra.Command {
	f := &treeFlags{}
	cmd := &cobra.Command{
		Use: "tree", Short: "What an object made, as a tree",
		Example: `  tree kustomization flux-system --compact
  tree artifact generator apps`,
	}
	ks := &cobra.Command{
		Use: "kustomization [name]", Aliases: []string{"ks", "kustomization"}, Short: "What a Kustomization made",
		ValidArgsFunction: p.completeNames(mustKind(unit.KustomizationKind)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 {
				return errors.New("kustomization name is required")
			}
			return p.treeOf(cmd, flux.Asked{Kind: mustKind(unit.KustomizationKind), Namespace: p.namespace(), Name: args[0]}, f)
		},
	}
	ks.Flags().BoolVar(&f.compact, "compact", false, "Flux objects only")
	generator := &cobra.Command{
		Use: "generator [name]", Short: "What an ArtifactGenerator made", Args: cobra.ExactArgs(1),
		ValidArgsFunction: p.completeNames(mustKind("ArtifactGenerator")),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.treeOf(cmd, flux.Asked{Kind: mustKind("ArtifactGenerator"), Namespace: p.namespace(), Name: args[0]}, f)
		},
	}
	for _, c := range []*cobra.Command{ks, generator} {
		c.Flags().StringVarP(&f.output, "output", "o", "", "json or yaml")
	}
	artifact := &cobra.Command{Use: "artifact", Short: "What objects that make artifacts made"}
	artifact.AddCommand(generator)
	cmd.AddCommand(ks, artifact)
	p.ownTreeRoot(cmd)
	return cmd
}

func mustKind(kind string) flux.Kind {
	k, ok := flux.KindOf(kind)
	if !ok {
		panic(kind + " is no kind of Flux")
	}
	return k
}

func (p *program) treeOf(cmd *cobra.Command, a flux.Asked, f *treeFlags) error {
	ctx, cancel := p.timeout(cmd)
	defer cancel()
	w, err := p.cluster()
	if err != nil {
		return err
	}
	root, err := w.Get(ctx, a.Ref())
	if err != nil {
		return p.reached(err)
	}
	g := &growing{world: w, compact: f.compact}
	tree := flux.NewTree(object.KeyOf(root))
	if err := g.grow(ctx, tree, root, maxNesting); err != nil {
		return p.reached(err)
	}
	if p.Own {
		return p.ownTree(ctx, w, tree, f)
	}
	return p.printTree(tree, f.output)
}

// printTree ends with an empty line, as upstream does.
func (p *program) printTree(tree *flux.Tree, output string) error {
	var err error
	switch output {
	case "json":
		err = p.encode(output, tree)
	case "yaml":
		if err = p.encode(output, tree); err == nil {
			_, err = fmt.Fprintln(p.Out)
		}
	default:
		_, err = fmt.Fprintln(p.Out, tree.Text())
	}
	return err
}

// growing makes a tree out of inventories.
type growing struct {
	world   world.World
	compact bool
}

func (g *growing) grow(ctx context.Context, t *flux.Tree, obj *unstructured.Unstructured, depth int) error {
	keys, err := flux.Inventory(obj)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if g.compact && !flux.Compact(key) || key == object.KeyOf(obj) {
			continue
		}
		if err := g.branch(ctx, t.Add(key), flux.Remote(obj), depth-1); err != nil {
			return err
		}
	}
	return nil
}

// branch puts below an object what it made in turn. What a Kustomization put
// into another cluster is not looked for here.
func (g *growing) branch(ctx context.Context, t *flux.Tree, remote bool, depth int) error {
	switch key := t.Key(); key.GroupKind() {
	case mustKind(unit.HelmReleaseKind).GroupVersionKind.GroupKind():
		keys, err := g.released(ctx, key)
		if err != nil {
			return err
		}
		for _, of := range keys {
			if !g.compact || flux.Compact(of) {
				t.Add(of)
			}
		}
	case mustKind(unit.KustomizationKind).GroupVersionKind.GroupKind():
		if remote || depth <= 0 {
			return nil
		}
		below, err := g.world.Get(ctx, object.Ref{Key: key, Version: "v1"})
		if err != nil {
			return fmt.Errorf("failed to find object: %w", err)
		}
		return g.grow(ctx, t, below, depth)
	}
	return nil
}

// released are the objects of a release, read from Helm's storage, and the CRDs
// that came with it.
func (g *growing) released(ctx context.Context, key object.Key) ([]object.Key, error) {
	obj, err := g.world.Get(ctx, object.Ref{Key: key, Version: "v2"})
	if err != nil {
		return nil, err
	}
	hr, err := flux.ReleaseOf(obj)
	if err != nil || hr.Spec.KubeConfig != nil || hr.Status.StorageNamespace == "" || hr.Status.History.Latest() == nil {
		return nil, err
	}
	latest := hr.Status.History.Latest()
	name := fmt.Sprintf("sh.helm.release.v1.%s.v%v", latest.Name, latest.Version)
	stored, err := g.world.Get(ctx, object.Ref{Key: object.Key{Kind: "Secret", Namespace: hr.Status.StorageNamespace, Name: name}, Version: "v1"})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("failed to find the Helm storage object for HelmRelease '%s/%s': %w", key.Namespace, key.Name, err)
	}
	objs, err := flux.Stored(stored)
	if err != nil {
		return nil, fmt.Errorf("failed to decode the Helm storage object for HelmRelease '%s/%s': %w", key.Namespace, key.Name, err)
	}
	keys := g.placed(ctx, objs, latest.Namespace)
	if flux.BringsCRDs(hr) {
		keys = g.withCRDs(ctx, keys, hr)
	}
	return keys, nil
}

// placed are the keys of objects; those without a namespace get the release's
// where their kind has one.
func (g *growing) placed(ctx context.Context, objs []*unstructured.Unstructured, namespace string) []object.Key {
	var keys []object.Key
	for _, obj := range objs {
		key := object.KeyOf(obj)
		if key.Namespace == "" {
			if m, err := g.world.Kind(ctx, obj.GroupVersionKind()); err == nil && m.Namespaced {
				key.Namespace = namespace
			}
		}
		keys = append(keys, key)
	}
	return keys
}

var crdKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}

// withCRDs adds the CRDs that are labelled as the release's. Who may not list
// them sees the tree without.
func (g *growing) withCRDs(ctx context.Context, keys []object.Key, hr *helmv2.HelmRelease) []object.Key {
	owned := labels.SelectorFromSet(labels.Set{object.HelmOwnerName: hr.Name, object.HelmOwnerNamespace: hr.Namespace})
	crds, err := g.world.List(ctx, crdKind, world.Selection{Labels: owned})
	if err != nil || meta.IsNoMatchError(err) {
		return keys
	}
	have := map[object.Key]bool{}
	for _, key := range keys {
		have[key] = true
	}
	for _, crd := range crds {
		if key := object.KeyOf(crd); !have[key] {
			keys = append(keys, key)
		}
	}
	return keys
}
