package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/apply"
	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/drift"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/source/artifact"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
	"github.com/leat-dev/leat/internal/world/overlay"
)

// DriftConfig says what to look at.
type DriftConfig struct {
	REST    *rest.Config
	Options engine.Options
	// Namespace narrows to the units of one; empty is all.
	Namespace string
	// Local takes the place of the artifacts of all GitRepositories with this
	// address; the zero value takes none.
	Local LocalTree
}

// Drift compares what Git wants with what is in a cluster: each Kustomization by
// building it again from the artifact that its source has and asking the server
// for dry runs, each HelmRelease by its stored manifest. It changes nothing.
func Drift(ctx context.Context, cfg DriftConfig) (drift.Report, error) {
	w, err := cluster.New(cfg.REST, cluster.Options{})
	if err != nil {
		return drift.Report{}, err
	}
	dir, err := os.MkdirTemp("", "leat-drift-")
	if err != nil {
		return drift.Report{}, fmt.Errorf("keep artifacts: %w", err)
	}
	defer os.RemoveAll(dir)
	client, err := inCluster(cfg.REST)
	if err != nil {
		return drift.Report{}, err
	}
	store, err := artifact.NewStore(dir, artifact.Options{Client: client})
	if err != nil {
		return drift.Report{}, err
	}
	defer store.Close()
	charts, err := helm.Connect(cfg.REST)
	if err != nil {
		return drift.Report{}, err
	}
	d := &drifting{
		world: w, namespace: cfg.Namespace, charts: charts.As(helm.Identity{}),
		engine: &engine.Engine{
			Options: cfg.Options, Builds: build.NewCache(build.Limits{}),
			Trees: localTrees{storePort{store}, cfg.Local, nil},
		},
	}
	if err := d.localSources(ctx, cfg.Local); err != nil {
		return drift.Report{}, err
	}
	return d.report(ctx)
}

// drifting is one comparison of a cluster with Git.
type drifting struct {
	world     world.World
	namespace string
	engine    *engine.Engine
	charts    *helm.Driver
}

// localSources finds the sources that a checkout takes the place of.
func (d *drifting) localSources(ctx context.Context, local LocalTree) error {
	if local.URL == "" {
		return nil
	}
	all, err := d.list(ctx, unit.GitRepositoryKind, "")
	if err != nil {
		return err
	}
	trees := d.engine.Trees.(localTrees)
	trees.paths = map[string]bool{}
	for _, obj := range all {
		address, _, _ := unstructured.NestedString(obj.Object, "spec", "url")
		if mirror.Normalize(address) == mirror.Normalize(local.URL) {
			trees.paths["gitrepository/"+obj.GetNamespace()+"/"+obj.GetName()+"/"] = true
		}
	}
	if len(trees.paths) == 0 {
		return fmt.Errorf("no GitRepository of the cluster has the address %s, which the directory is of", local.URL)
	}
	d.engine.Trees = trees
	return nil
}

func (d *drifting) list(ctx context.Context, kind, namespace string) ([]*unstructured.Unstructured, error) {
	i := slices.IndexFunc(unit.Kinds, func(k unit.Kind) bool { return k.Kind == kind })
	k := unit.Kinds[i]
	gvk := k.GVK()
	gvk.Version = "" // as the server has it
	m, err := d.world.Kind(ctx, gvk)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w; is this a cluster of Leat or Flux?", kind, err)
	}
	out, err := d.world.List(ctx, m.GVK, world.Selection{Namespace: namespace})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind, err)
	}
	return out, nil
}

func (d *drifting) report(ctx context.Context) (drift.Report, error) {
	var units []drift.Unit
	for kind, compare := range map[string]func(context.Context, *unstructured.Unstructured, *drift.Unit) error{
		unit.KustomizationKind: d.kustomization, unit.HelmReleaseKind: d.release,
	} {
		all, err := d.list(ctx, kind, d.namespace)
		if err != nil {
			return drift.Report{}, err
		}
		for _, obj := range all {
			u := drift.Unit{Key: object.KeyOf(obj)}
			u.Suspended, _, _ = unstructured.NestedBool(obj.Object, "spec", "suspend")
			if err := compare(ctx, obj, &u); err != nil {
				if ctx.Err() != nil {
					return drift.Report{}, ctx.Err()
				}
				u.Error = err.Error()
			}
			units = append(units, u)
		}
	}
	return drift.Make(units), nil
}

var errElsewhere = errors.New("spec.kubeConfig: it works in another cluster, which is not looked at")

// kustomization compares what a Kustomization wants, in a copy of the cluster.
func (d *drifting) kustomization(ctx context.Context, obj *unstructured.Unstructured, u *drift.Unit) error {
	if unit.Elsewhere(obj) != "" {
		return errElsewhere
	}
	wanted, err := d.engine.Wanted(ctx, d.world, obj)
	if err != nil {
		return err
	}
	u.Revision, u.Compared = wanted.Revision, len(wanted.Input.Objects)
	if local := d.engine.Trees.(localTrees); local.takes(wanted.Unit.Source()) {
		u.Revision = local.local.Revision
	}
	wanted.Input.World = overlay.New(d.world, overlay.Options{})
	found, err := apply.Compare(ctx, wanted.Input)
	if err != nil {
		return err
	}
	for _, c := range found {
		if c.Err != nil {
			u.Objects = append(u.Objects, drift.Object{Ref: c.Ref, State: drift.Refused, Why: c.Err.Error()})
		} else if o, differs := drift.Of(c.Step, c.Live); differs {
			u.Objects = append(u.Objects, o)
		}
	}
	for i := range u.Objects {
		u.Objects[i].Hide(d.engine.Options.Mask, wanted.Secrets)
	}
	return d.extra(ctx, wanted, u)
}

// extra finds what was applied before and is not wanted any more, though it is
// still there.
func (d *drifting) extra(ctx context.Context, wanted engine.Wanted, u *drift.Unit) error {
	if wanted.Unit.Status.Inventory == nil {
		return nil
	}
	want := map[object.Key]bool{}
	for _, o := range wanted.Input.Objects {
		want[o.Ref.Key] = true
	}
	for _, e := range wanted.Unit.Status.Inventory.Entries {
		key, err := object.ParseInventoryID(e.ID)
		if err != nil || want[key] {
			continue
		}
		ref := object.Ref{Key: key, Version: e.Version}
		live, err := d.live(ctx, ref)
		if err != nil {
			return err
		}
		if live != nil {
			u.Objects = append(u.Objects, drift.Object{Ref: ref, State: drift.Extra})
		}
	}
	return nil
}

// live returns an object; nil where there is none.
func (d *drifting) live(ctx context.Context, ref object.Ref) (*unstructured.Unstructured, error) {
	obj, err := d.world.Get(ctx, ref)
	if apierrors.IsNotFound(err) || apimeta.IsNoMatchError(err) {
		return nil, nil
	}
	return obj, err
}

// release compares the manifest of a release as Helm stored it.
func (d *drifting) release(ctx context.Context, obj *unstructured.Unstructured, u *drift.Unit) error {
	h, err := unit.DecodeHelmRelease(obj)
	if err != nil {
		return err
	}
	if h.Spec.KubeConfig != nil {
		return errElsewhere
	}
	stored, err := d.charts.Observe(ctx, helm.PlaceOf(&h.HelmRelease))
	if err != nil {
		return err
	}
	if len(stored) == 0 {
		return errors.New("nothing is installed yet")
	}
	rel := stored[len(stored)-1]
	u.Revision = fmt.Sprintf("%s v%d", rel.Name, rel.Version)
	u.Compared = strings.Count(rel.Manifest, "\nkind: ")
	secrets, err := d.engine.ValuesSecrets(ctx, d.world, h)
	if err != nil {
		return err
	}
	found, err := d.charts.Diff(ctx, helm.Job{Object: &h.HelmRelease, Secrets: secrets}, rel)
	for _, o := range found.Objects {
		one := drift.Object{Ref: o.Ref, State: drift.Changed}
		if o.Missing {
			one.State = drift.Missing
		} else {
			live, err := d.live(ctx, o.Ref)
			if err != nil {
				return err
			}
			one.Fields = drift.FieldsOf(o.Changes, live)
		}
		one.Hide(d.engine.Options.Mask, secrets)
		u.Objects = append(u.Objects, one)
	}
	return err
}
