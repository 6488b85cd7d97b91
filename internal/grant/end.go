package grant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// maxScanned bounds how many objects of one kind are looked through, and pageOf how
// many one answer holds.
const (
	maxScanned = 50_000
	pageOf     = 500
)

// takeBack removes a grant, or what was made of one, and tells what was written while
// it held.
func (g *Grantor) takeBack(ctx context.Context, c access.Case, now time.Time) (*access.End, error) {
	r := c.Request
	if err := g.remove(ctx, r); err != nil {
		return nil, err
	}
	if r.DeletionTimestamp != nil {
		return nil, g.forgetDecisions(ctx, r, c.Decisions)
	}
	if r.Status.Grant == nil || r.Status.Snapshot == nil {
		return &access.End{}, nil
	}
	end, all := g.written(ctx, r, now)
	end.Writes, end.More = access.Sorted(all)
	switch atEnd(c.Policy) {
	case access.Revert:
		g.revert(ctx, end, all, now)
	case access.Propose:
		end.Propose = true
		g.keep(ctx, end, window(r, now))
	}
	return end, nil
}

// remove removes what a grant is made of. The account goes first: without it the token is
// worth nothing. What cannot be removed keeps nothing else.
func (g *Grantor) remove(ctx context.Context, r access.Request) error {
	errs := []error{g.gone(ctx, g.Acting, accountRef(r.Account()))}
	for _, part := range r.Parts() {
		errs = append(errs, g.gone(ctx, g.Acting, rbacRef("ClusterRole", "", part.Name)))
		for _, key := range bindings(r, part) {
			errs = append(errs, g.gone(ctx, g.Acting, object.Ref{Key: key, Version: "v1"}))
		}
	}
	return errors.Join(errs...)
}

// atEnd is what a policy, which may be gone, has done at the end.
func atEnd(p *access.Policy) string {
	if p == nil {
		return access.Report
	}
	return p.Spec.AtEnd
}

// written looks through all that the grant could write.
func (g *Grantor) written(ctx context.Context, r access.Request, now time.Time) (end *access.End, all []access.Write) {
	w := window(r, now)
	end = &access.End{}
	kinds, err := g.kinds(ctx, *r.Status.Snapshot)
	if err != nil {
		end.Miss("%v", err)
	}
	for _, m := range kinds {
		for _, ns := range namespaces(r, m) {
			found, err := g.scan(ctx, m, ns, w)
			if err != nil {
				end.Miss("%s in %q: %v", m.Resource, ns, err)
			}
			all = append(all, found...)
		}
	}
	return end, all
}

// skew is how far our clock may be behind that of the API server, and for how long after
// its end that takes a token (docs/design/0007-access.md).
const skew = time.Minute

// window is the time in which a grant may have been used, by the API server's clock.
func window(r access.Request, now time.Time) access.Window {
	until := r.Status.Grant.Until.Time
	if now.Before(until) {
		until = now
	}
	return access.Window{From: r.Status.Grant.From.Time, Until: until.Add(skew)}
}

// namespaces are those in which a grant could write a kind; "" is all, or none for a
// kind that has no namespace.
func namespaces(r access.Request, m world.Mapping) []string {
	switch {
	case r.Spec.ClusterWide:
		return []string{metav1.NamespaceAll}
	case !m.Namespaced:
		return nil
	}
	resource := schema.GroupResource{Group: m.GVK.Group, Resource: m.Resource}
	return slices.DeleteFunc(slices.Clone(r.Spec.Namespaces), func(ns string) bool { return !r.Status.Snapshot.WritableIn(ns, resource) })
}

// kinds are those that a grant could write, each in the version that is preferred.
func (g *Grantor) kinds(ctx context.Context, s access.Snapshot) ([]world.Mapping, error) {
	catalog, ok := g.Acting.(world.Catalog)
	if !ok {
		return nil, errors.New("the kinds of this cluster cannot be listed")
	}
	served, err := catalog.Kinds(ctx)
	var out []world.Mapping
	for _, m := range served {
		could := slices.ContainsFunc(s.Writable(), func(w schema.GroupResource) bool {
			return w.Group == m.GVK.Group && (w.Resource == m.Resource || w.Resource == "*")
		})
		seen := slices.ContainsFunc(out, func(o world.Mapping) bool { return o.GVK.Group == m.GVK.Group && o.Resource == m.Resource })
		if could && !seen && m.GVK.Kind != "Event" {
			out = append(out, m)
		}
	}
	return out, err
}

// scan returns what was written of a kind, from the metadata of its objects.
func (g *Grantor) scan(ctx context.Context, m world.Mapping, namespace string, w access.Window) ([]access.Write, error) {
	client := g.Metadata.Resource(m.GVK.GroupVersion().WithResource(m.Resource)).Namespace(namespace)
	var out []access.Write
	for options, read := (metav1.ListOptions{Limit: pageOf}), 0; ; {
		page, err := client.List(ctx, options)
		switch {
		case apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err):
			return out, nil // such as reviews, which are nowhere kept
		case err != nil:
			return out, err
		}
		for i := range page.Items {
			if found, ok := access.Written(m.GVK.GroupKind(), &page.Items[i], w); ok {
				out = append(out, found)
			}
		}
		read += len(page.Items)
		if options.Continue = page.Continue; options.Continue == "" {
			return out, nil
		}
		if read >= maxScanned {
			return out, fmt.Errorf("more than %d objects", maxScanned)
		}
	}
}

// revert asks the units that own what was written to put it back, of all that was, not
// only of what a status holds.
func (g *Grantor) revert(ctx context.Context, end *access.End, all []access.Write, now time.Time) {
	for _, key := range access.Units(all) {
		if err := g.askFor(ctx, key, all, now); err != nil {
			end.Miss("revert by %s: %v", key, err)
			continue
		}
		end.Reverted = append(end.Reverted, key.String())
	}
}

// askFor asks a unit for a run, and resumes it where it was suspended meanwhile.
func (g *Grantor) askFor(ctx context.Context, key object.Key, writes []access.Write, now time.Time) error {
	patch := map[string]any{"metadata": map[string]any{"annotations": map[string]any{object.RequestedAt: now.UTC().Format(time.RFC3339Nano)}}}
	if slices.ContainsFunc(writes, func(w access.Write) bool {
		return w.Suspended && w.Kind == key.Kind && w.Namespace == key.Namespace && w.Name == key.Name
	}) {
		patch["spec"] = map[string]any{"suspend": false}
	}
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = g.Acting.Patch(ctx, world.Patch{Ref: unit.Ref(key), Type: types.MergePatchType, Data: data, Manager: manager})
	return err
}
