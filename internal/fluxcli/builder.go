package fluxcli

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/source/bases"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// builder builds Kustomizations from folders of this machine.
type builder struct {
	*program
	flags   *buildFlags
	cluster world.World // nil where none is asked
	disk    disk
}

// wanted is a Kustomization to build.
type wanted struct {
	name, namespace, dir string
	local                *unit.Kustomization // what its parent holds, where it has one
	top                  bool                // the one that the flags speak of
	single               bool                // Kustomizations that it contains are not built
}

// built is what came of it.
type built struct {
	kustomization *unit.Kustomization
	objects       []*unstructured.Unstructured
}

// maxNested bounds Kustomizations within Kustomizations.
const maxNested = 50

func (b *builder) build(ctx context.Context, want wanted) (built, error) {
	return b.below(ctx, want, 0)
}

// below builds a Kustomization and, with --recursive, those that it contains
// after its own objects.
func (b *builder) below(ctx context.Context, want wanted, depth int) (built, error) {
	if depth > maxNested {
		return built{}, fmt.Errorf("kustomization %s/%s lies more than %d deep; does it contain itself?", want.namespace, want.name, maxNested)
	}
	k, err := b.kustomization(ctx, want)
	if err != nil {
		return built{}, fmt.Errorf("failed to get kustomization object: %w", err)
	}
	out := built{kustomization: k}
	if out.objects, err = b.render(ctx, k, want.dir); err != nil {
		return out, err
	}
	if !b.flags.recursive || want.single {
		return out, nil
	}
	var more []*unstructured.Unstructured
	for _, obj := range out.objects {
		child, dir, err := b.child(obj, k)
		if err != nil {
			return out, err
		}
		if child == nil {
			continue
		}
		sub, err := b.below(ctx, wanted{name: child.Name, namespace: child.Namespace, dir: dir, local: child}, depth+1)
		if err != nil {
			return out, err
		}
		more = append(more, sub.objects...)
	}
	out.objects = append(out.objects, more...)
	return out, nil
}

// child is the Kustomization that an object is, and where its manifests stand;
// nil for other objects and for the parent itself.
func (b *builder) child(obj *unstructured.Unstructured, parent *unit.Kustomization) (*unit.Kustomization, string, error) {
	if obj.GetKind() != unit.KustomizationKind || obj.GroupVersionKind().Group != object.GroupKustomize ||
		obj.GetName() == parent.Name && obj.GetNamespace() == parent.Namespace {
		return nil, "", nil
	}
	k, err := unit.DecodeKustomization(obj)
	if err != nil {
		return nil, "", fmt.Errorf("failed to convert to kustomization: %w", err)
	}
	ref := k.Source()
	key := ref.Kind + "/" + ref.Namespace + "/" + ref.Name
	root, ok := b.flags.sources[key]
	if !ok {
		return nil, "", fmt.Errorf("cannot get local path for %s of kustomization %s; pass --local-sources %s=<path>", key, k.Name, key)
	}
	return k, filepath.Join(root, filepath.FromSlash(k.Spec.Path)), nil
}

// kustomization is the object: that of the file, of the cluster, of the parent,
// the first that there is.
func (b *builder) kustomization(ctx context.Context, want wanted) (*unit.Kustomization, error) {
	file := ""
	if want.top {
		file = b.flags.file
	}
	var live *unit.Kustomization
	if b.cluster != nil {
		found, err := b.live(ctx, want)
		absent := apierrors.IsNotFound(err) && (want.local != nil || want.top && b.flags.ignoreNotFound)
		if err != nil && !absent {
			return nil, err
		}
		live = found
	}
	switch {
	case file != "":
		k, err := kustomizationIn(file, want)
		if err == nil && live != nil {
			k.Status = live.Status
		}
		return k, err
	case live != nil:
		return live, nil
	}
	return want.local, nil
}

func (b *builder) live(ctx context.Context, want wanted) (*unit.Kustomization, error) {
	obj, err := b.cluster.Get(ctx, unit.Ref(object.Key{Group: object.GroupKustomize, Kind: unit.KustomizationKind, Namespace: want.namespace, Name: want.name}))
	if err != nil {
		return nil, err
	}
	return unit.DecodeKustomization(obj)
}

// kustomizationIn finds a Kustomization in a file of any number of objects. One
// without a namespace will do.
func kustomizationIn(file string, want wanted) (*unit.Kustomization, error) {
	data, err := bounded(file)
	if err != nil {
		return nil, fmt.Errorf("failed to read kustomization file %s: %w", file, err)
	}
	docs := kyaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), max(1, len(data)))
	for {
		obj := &unstructured.Unstructured{}
		err := docs.Decode(&obj.Object)
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("failed find kustomization with name '%s' and namespace '%s' in file '%s'", want.name, want.namespace, file)
		}
		if err != nil {
			return nil, fmt.Errorf("failed to unmarshall kustomization file %s: %w", file, err)
		}
		if obj.GetKind() == unit.KustomizationKind && obj.GroupVersionKind().Group == object.GroupKustomize && obj.GetName() == want.name &&
			(obj.GetNamespace() == want.namespace || obj.GetNamespace() == "") {
			return unit.DecodeKustomization(obj)
		}
	}
}

// render builds one Kustomization from a folder.
func (b *builder) render(ctx context.Context, k *unit.Kustomization, dir string) ([]*unstructured.Unstructured, error) {
	recipe := build.RecipeOf(k)
	recipe.Strict = b.flags.strict
	if k.Spec.PostBuild != nil {
		vars, err := b.variables(ctx, k)
		if err != nil {
			return nil, fmt.Errorf("var substitution failed for '%s': %w", k.Name, err)
		}
		recipe.Substitute = vars
	}
	cache, err := os.MkdirTemp("", "leat-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(cache)
	pool, err := git.NewPool(cache, git.Options{})
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	ignored, err := ignoredBelow(dir, b.flags.ignore)
	if err != nil {
		return nil, fmt.Errorf("failed to generate kustomization.yaml: %w", err)
	}
	options := build.RenderOptions{Options: build.Options{Remote: bases.New(pool, bases.Options{})}}
	return b.disk.render(ctx, dir, func(s source) ([]*unstructured.Unstructured, error) {
		recipe.Path = s.path
		options.Ignored = ignored.in(s)
		return build.Render(ctx, s.tree, recipe, options)
	})
}

// variables are those of postBuild. Without a cluster, those of substituteFrom
// are not there, which upstream takes so too.
func (b *builder) variables(ctx context.Context, k *unit.Kustomization) (map[string]string, error) {
	vars := map[string]string{}
	for _, from := range k.Spec.PostBuild.SubstituteFrom {
		if b.cluster == nil {
			break
		}
		obj, err := b.cluster.Get(ctx, object.Ref{Key: object.Key{Kind: from.Kind, Namespace: k.Namespace, Name: from.Name}, Version: "v1"})
		if apierrors.IsNotFound(err) && from.Optional {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("substitute from '%s/%s' error: %w", from.Kind, from.Name, err)
		}
		data, err := substitutes(obj)
		if err != nil {
			return nil, fmt.Errorf("substitute from '%s/%s' error: %w", from.Kind, from.Name, err)
		}
		maps.Copy(vars, data)
	}
	maps.Copy(vars, k.Spec.PostBuild.Substitute)
	for name, value := range vars {
		vars[name] = strings.ReplaceAll(value, "\n", "")
	}
	return vars, nil
}

// substitutes are the data of a ConfigMap, or the decoded data of a Secret.
func substitutes(obj *unstructured.Unstructured) (map[string]string, error) {
	data, _, err := unstructured.NestedStringMap(obj.Object, "data")
	if err != nil || obj.GetKind() != "Secret" {
		return data, err
	}
	for name, value := range data {
		clear, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return nil, fmt.Errorf("key %s is not base64", name)
		}
		data[name] = string(clear)
	}
	return data, nil
}
