package fluxcli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// maxOwners bounds how far owner references are followed.
const maxOwners = 16

func (p *program) newTrace() *cobra.Command {
	var kind, version string
	cmd := &cobra.Command{
		Use: "trace <resource> <name> [<name> ...]", Short: "Where an object comes from: what applied it, of which source and revision",
		Example: `  trace deployment api -n apps
  trace pod/web-0 configmap/web -n apps
  trace api --kind Deployment --api-version apps/v1 -n apps`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			w, err := p.cluster()
			if err != nil {
				return err
			}
			var objs []*unstructured.Unstructured
			if kind != "" || version != "" {
				objs, err = p.namedObject(ctx, w, schema.GroupVersionKind{Version: version, Kind: kind}, args)
			} else {
				objs, err = p.resources(args)
			}
			if err != nil {
				return p.reached(err)
			}
			return p.traceAll(ctx, w, objs)
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "kind of the object, with --api-version")
	cmd.Flags().StringVar(&version, "api-version", "", "API version of the object, with --kind: apps/v1")
	return cmd
}

// namedObject reads the object of --kind and --api-version, which stands in
// gvk.Version as it was given.
func (p *program) namedObject(ctx context.Context, w world.World, gvk schema.GroupVersionKind, args []string) ([]*unstructured.Unstructured, error) {
	switch {
	case len(args) < 1:
		return nil, errors.New("object name is required")
	case gvk.Kind == "":
		return nil, errors.New("object kind is required (--kind)")
	case gvk.Version == "":
		return nil, errors.New("object apiVersion is required (--api-version)")
	}
	gv, err := schema.ParseGroupVersion(gvk.Version)
	if err != nil {
		return nil, fmt.Errorf("invaild apiVersion: %w", err) // upstream's spelling
	}
	mapping, err := w.Kind(ctx, gv.WithKind(gvk.Kind))
	if err != nil {
		return nil, fmt.Errorf("failed to find object: %w", err)
	}
	key := object.Key{Group: gv.Group, Kind: gvk.Kind, Name: args[0]}
	if mapping.Namespaced {
		key.Namespace = p.namespace()
	}
	obj, err := w.Get(ctx, object.Ref{Key: key, Version: gv.Version})
	if err != nil {
		return nil, fmt.Errorf("failed to find object: %w", err)
	}
	return []*unstructured.Unstructured{obj}, nil
}

// resources reads objects named as kubectl names them: deploy web, pod/web-0.
func (p *program) resources(args []string) ([]*unstructured.Unstructured, error) {
	found := resource.NewBuilder(p.global.kube).Unstructured().
		NamespaceParam(p.namespace()).DefaultNamespace().
		ResourceTypeOrNameArgs(false, args...).ContinueOnError().Latest().Do()
	if err := found.Err(); err != nil {
		if resource.IsUsageError(err) {
			return nil, errors.New("either `<resource>/<name>` or `<resource> <name>` is required as an argument")
		}
		return nil, err
	}
	infos, err := found.Infos()
	if err != nil {
		return nil, fmt.Errorf("x: %w", err) // upstream's text
	}
	var objs []*unstructured.Unstructured
	for _, info := range infos {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(info.Object)
		if err != nil {
			return nil, err
		}
		objs = append(objs, &unstructured.Unstructured{Object: content})
	}
	return objs, nil
}

// traceAll traces object after object. One that cannot be traced is told of on
// stderr; the exit code is 0 all the same.
func (p *program) traceAll(ctx context.Context, w world.World, objs []*unstructured.Unstructured) error {
	for i, obj := range objs {
		traced, err := trace(ctx, w, obj)
		if err != nil {
			fmt.Fprintf(p.Err, "failed to trace %v/%v in namespace %v: %v", obj.GetKind(), obj.GetName(), obj.GetNamespace(), err)
			if p.Own {
				fmt.Fprintln(p.Err)
			}
		} else if err := p.print(traced.Text()); err != nil {
			return err
		}
		if i < len(objs)-1 {
			fmt.Fprintln(p.Out, "---")
		}
	}
	return nil
}

func trace(ctx context.Context, w world.World, obj *unstructured.Unstructured) (flux.Traced, error) {
	for _, kind := range []string{unit.KustomizationKind, unit.HelmReleaseKind} {
		ref, found := managedBy(ctx, w, obj, kind)
		if !found {
			continue
		}
		by, err := w.Get(ctx, ref)
		if err != nil {
			if kind == unit.KustomizationKind {
				return flux.Traced{}, fmt.Errorf("failed to find kustomization: %w", err)
			}
			return flux.Traced{}, fmt.Errorf("failed to find %s: %w", kind, err)
		}
		return behind(ctx, w, flux.Traced{Object: obj, By: by})
	}
	return flux.Traced{}, errors.New("object not managed by Flux")
}

// managedBy finds what manages an object, or the owner of its owner…
func managedBy(ctx context.Context, w world.World, obj *unstructured.Unstructured, kind string) (object.Ref, bool) {
	for range maxOwners {
		if ref, found := flux.ManagedBy(obj, kind); found {
			return ref, true
		}
		owners := obj.GetOwnerReferences()
		if len(owners) == 0 {
			return object.Ref{}, false
		}
		gv, err := schema.ParseGroupVersion(owners[0].APIVersion)
		if err != nil {
			return object.Ref{}, false
		}
		key := object.Key{Group: gv.Group, Kind: owners[0].Kind, Namespace: obj.GetNamespace(), Name: owners[0].Name}
		if obj, err = w.Get(ctx, object.Ref{Key: key, Version: gv.Version}); err != nil {
			return object.Ref{}, false
		}
	}
	return object.Ref{}, false
}

// behind reads the chart and the source.
func behind(ctx context.Context, w world.World, t flux.Traced) (flux.Traced, error) {
	if ref, found := flux.ChartOf(t.By); found {
		chart, err := w.Get(ctx, ref.Ref())
		if err != nil {
			return t, fmt.Errorf("failed to find HelmChart: %w", err)
		}
		t.Chart = chart
	}
	if ref, found := flux.TracedSource(t.By); found {
		source, err := w.Get(ctx, ref.Ref())
		if err != nil {
			return t, fmt.Errorf("failed to find %s: %w", ref.Kind.Kind, err)
		}
		if _, set, _ := unstructured.NestedMap(source.Object, "spec", "sourceRef"); ref.Kind.Kind == "ExternalArtifact" && !set {
			return t, fmt.Errorf("ExternalArtifact %s/%s is missing spec.sourceRef", source.GetNamespace(), source.GetName())
		}
		t.Source = source
	}
	return t, nil
}
