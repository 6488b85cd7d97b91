package install

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// Removal are the choices of Uninstall.
type Removal struct {
	// Namespace is that of the installation; by default flux-system.
	Namespace string
	// KeepNamespace leaves the namespace, with what else is in it.
	KeepNamespace bool
	// DryRun tells progress what would be done, and does nothing.
	DryRun bool
}

// Uninstall takes an installation away, of Leat or of Flux. What Flux objects
// have applied stays as it is: first the controllers stop, then the objects are
// released, so that their deletion with the CRDs prunes nothing.
func Uninstall(ctx context.Context, w world.World, r Removal, progress Progress) error {
	if r.Namespace == "" {
		r.Namespace = DefaultNamespace
	}
	u := uninstalling{Removal: r, w: w, progress: progress}
	if err := u.stop(ctx); err != nil {
		return err
	}
	definitions, err := u.ofInstallation(ctx, definitionKind, "")
	if err != nil {
		return err
	}
	for _, d := range definitions {
		if err := u.release(ctx, d); err != nil {
			return err
		}
	}
	for _, gvk := range slices.Concat(admissionKinds, removed) {
		if err := u.removeAll(ctx, gvk); err != nil {
			return err
		}
	}
	if err := u.removeDefinitions(ctx, definitions); err != nil {
		return err
	}
	return u.removeNamespaces(ctx)
}

// removed are the kinds that are deleted, rights last: whoever runs this may
// have some of them.
var removed = []schema.GroupVersionKind{
	{Version: "v1", Kind: "Service"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	{Version: "v1", Kind: "ResourceQuota"},
	{Version: "v1", Kind: "ServiceAccount"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "Role"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRoleBinding"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"},
}

type uninstalling struct {
	Removal
	w        world.World
	progress Progress
}

func (u *uninstalling) stop(ctx context.Context) error {
	deployments, err := u.ofInstallation(ctx, deploymentKind, u.Namespace)
	if err != nil {
		return err
	}
	var refs []object.Ref
	for _, d := range deployments {
		refs = append(refs, object.RefOf(d))
	}
	if !u.DryRun {
		return Stop(ctx, u.w, refs, u.progress)
	}
	for _, ref := range refs {
		u.progress.say(Deleted, ref.Key, "")
	}
	return nil
}

// ofInstallation lists the objects of a kind that carry the labels of the
// installation. An empty namespace is all, and the kinds without one.
func (u *uninstalling) ofInstallation(ctx context.Context, gvk schema.GroupVersionKind, namespace string) ([]*unstructured.Unstructured, error) {
	found, err := u.w.List(ctx, gvk, world.Selection{Namespace: namespace, Labels: labels.SelectorFromSet(labels.Set{
		LabelPartOf: PartOf, LabelInstance: u.Namespace,
	})})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", gvk.Kind, err)
	}
	return found, nil
}

func (u *uninstalling) removeAll(ctx context.Context, gvk schema.GroupVersionKind) error {
	m, err := u.w.Kind(ctx, gvk)
	if meta.IsNoMatchError(err) && slices.Contains(admissionKinds, gvk) {
		return nil
	}
	if err != nil {
		return err
	}
	in := ""
	if m.Namespaced {
		in = u.Namespace
	}
	found, err := u.ofInstallation(ctx, gvk, in)
	if err != nil {
		return err
	}
	for _, obj := range found {
		if err := u.remove(ctx, object.RefOf(obj)); err != nil {
			return err
		}
	}
	return nil
}

func (u *uninstalling) remove(ctx context.Context, ref object.Ref) error {
	if u.DryRun {
		u.progress.say(Deleted, ref.Key, "")
		return nil
	}
	return remove(ctx, u.w, ref, u.progress)
}

// removeDefinitions deletes the CRDs of Flux's groups and with them all Flux
// objects, and waits for the end of these.
func (u *uninstalling) removeDefinitions(ctx context.Context, definitions []*unstructured.Unstructured) error {
	for _, d := range definitions {
		if !ofFlux(d) {
			continue
		}
		if err := u.remove(ctx, object.RefOf(d)); err != nil {
			return err
		}
	}
	if u.DryRun {
		return nil
	}
	for _, d := range definitions {
		if !ofFlux(d) {
			continue
		}
		if err := u.awaitGone(ctx, object.RefOf(d)); err != nil {
			return err
		}
	}
	return nil
}

func ofFlux(definition *unstructured.Unstructured) bool {
	group, _, _ := unstructured.NestedString(definition.Object, "spec", "group")
	return slices.Contains(fluxGroups, group) || group == access.Group
}

func (u *uninstalling) awaitGone(ctx context.Context, ref object.Ref) error {
	err := until(ctx, func() (bool, error) {
		live, err := get(ctx, u.w, ref)
		if meta.IsNoMatchError(err) {
			return true, nil
		}
		return live == nil && err == nil, err
	})
	if err != nil {
		return fmt.Errorf("await the end of %s: %w; an object of it may have a finalizer that is not Flux's", ref.Key, err)
	}
	return nil
}

// removeNamespaces deletes the namespace of grants, and the installation's own.
func (u *uninstalling) removeNamespaces(ctx context.Context) error {
	grants, err := u.ofInstallation(ctx, namespaceKind, "")
	if err != nil {
		return err
	}
	for _, ns := range grants {
		if ns.GetName() != access.Namespace {
			continue
		}
		if err := u.remove(ctx, object.RefOf(ns)); err != nil {
			return err
		}
	}
	return u.removeNamespace(ctx)
}

// removeNamespace deletes the namespace where it is the installation's own.
func (u *uninstalling) removeNamespace(ctx context.Context) error {
	ref := object.Ref{Key: object.Key{Kind: namespaceKind.Kind, Name: u.Namespace}, Version: namespaceKind.Version}
	live, err := get(ctx, u.w, ref)
	if err != nil || live == nil {
		return err
	}
	switch {
	case u.KeepNamespace:
		u.progress.say(Kept, ref.Key, "as asked")
		return nil
	case live.GetLabels()[LabelPartOf] != PartOf:
		u.progress.say(Kept, ref.Key, "it has no label "+LabelPartOf+"="+PartOf)
		return nil
	}
	return u.remove(ctx, ref)
}
