package fluxcli

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/commit"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/world"
)

var definitionKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}

// partOfFlux marks what an installation consists of.
var partOfFlux = labels.SelectorFromSet(labels.Set{"app.kubernetes.io/part-of": "flux"})

// migrateCluster has all objects stored in the version that is stored now, and
// then says so in the definitions.
func (p *program) migrateCluster(ctx context.Context) error {
	p.act("starting migration of custom resources")
	w, err := p.cluster()
	if err != nil {
		return err
	}
	definitions, err := w.List(ctx, definitionKind, world.Selection{Labels: partOfFlux})
	if err != nil {
		return fmt.Errorf("failed to list CRDs: %w", err)
	}
	for _, d := range definitions {
		if err := p.migrateKind(ctx, w, d); err != nil {
			return err
		}
	}
	p.succeed("custom resources migrated successfully")
	return nil
}

func (p *program) migrateKind(ctx context.Context, w world.World, d *unstructured.Unstructured) error {
	gvk := storage(d)
	if gvk.Version == "" {
		return fmt.Errorf("no storage version found for CRD %s", d.GetName())
	}
	objs, err := w.List(ctx, gvk, world.Selection{})
	if err != nil {
		return fmt.Errorf("failed to list resources for CRD %s: %w", d.GetName(), err)
	}
	for _, obj := range objs {
		if err := store(ctx, w, obj); err != nil {
			return fmt.Errorf("failed to migrate resources for CRD %s: %s/%s/%s: %w", d.GetName(), obj.GetKind(), obj.GetNamespace(), obj.GetName(), err)
		}
		p.succeed("%s/%s/%s migrated to version %s", obj.GetKind(), obj.GetNamespace(), obj.GetName(), gvk.Version)
	}
	stored, _, _ := unstructured.NestedStringSlice(d.Object, "status", "storedVersions")
	if len(stored) == 1 && stored[0] == gvk.Version {
		return nil
	}
	if err := commit.Stored(ctx, w, d, gvk.Version); err != nil {
		return err
	}
	p.succeed("%s migrated to storage version %s", d.GetName(), gvk.Version)
	return nil
}

// storage is the kind of a definition in the version that it stores.
func storage(d *unstructured.Unstructured) schema.GroupVersionKind {
	group, _, _ := unstructured.NestedString(d.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(d.Object, "spec", "names", "kind")
	out := schema.GroupVersionKind{Group: group, Kind: kind}
	versions, _, _ := unstructured.NestedSlice(d.Object, "spec", "versions")
	for _, v := range versions {
		if v, ok := v.(map[string]any); ok && v["storage"] == true {
			out.Version, _ = v["name"].(string)
		}
	}
	return out
}

// maxStores bounds how often an object that changes meanwhile is tried.
const maxStores = 5

// store writes an object back as it is, and with it the versions that its
// managers are said to have used. One that is gone needs nothing.
func store(ctx context.Context, w world.World, obj *unstructured.Unstructured) error {
	ref := object.RefOf(obj)
	for try := 1; ; try++ {
		patch := world.Patch{Ref: ref, Type: types.MergePatchType, Data: []byte("{}"), Manager: manager}
		ops, err := plan.MigrateVersion(obj, ref.APIVersion())
		if err != nil {
			return err
		}
		if ops != nil {
			patch.Type, patch.Data = types.JSONPatchType, ops
		}
		_, err = w.Patch(ctx, patch)
		if err == nil || apierrors.IsNotFound(err) {
			return nil
		}
		if !apierrors.IsConflict(err) && !apierrors.IsInvalid(err) || try == maxStores {
			return err
		}
		if obj, err = w.Get(ctx, ref); err != nil {
			if apierrors.IsNotFound(err) {
				return nil
			}
			return err
		}
	}
}
