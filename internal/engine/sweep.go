package engine

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// sweep deletes what the generator made and no longer wants.
func (r *generating) sweep(ctx context.Context) error {
	gone := r.unlisted(r.run.Inventory)
	if r.fresh {
		listed, err := r.listed(ctx)
		if err != nil {
			return report.Retry(report.ReasonReconcileFailed, err)
		}
		gone = append(gone, listed...)
	}
	left, err := r.drop(ctx, gone, r.run.Inventory)
	r.run.Inventory = append(r.run.Inventory, left...)
	return err
}

// remove deletes everything that the generator made.
func (r *generating) remove(ctx context.Context) error {
	all := slices.Clone(r.g.Status.Inventory)
	listed, err := r.listed(ctx)
	if err == nil {
		_, err = r.drop(ctx, append(all, listed...), nil)
	}
	if apimeta.IsNoMatchError(err) {
		return nil // the kind is gone, and with it the objects
	}
	return err
}

// listed returns the objects that carry our label; a run that ended before its
// status was written left them out of the inventory.
func (r *generating) listed(ctx context.Context) ([]swapi.ExternalArtifactReference, error) {
	kind := unit.Ref(r.g.Output("")).GVK()
	found, err := r.w.List(ctx, kind, world.Selection{
		Namespace: r.g.Namespace, Labels: labels.SelectorFromSet(labels.Set{swapi.ArtifactGeneratorLabel: string(r.g.UID)}),
	})
	if err != nil {
		return nil, fmt.Errorf("list what was generated: %w", err)
	}
	out := make([]swapi.ExternalArtifactReference, len(found))
	for i, u := range found {
		out[i] = swapi.ExternalArtifactReference{Name: u.GetName(), Namespace: u.GetNamespace()}
		if status, err := unit.StatusOf(u); err == nil && status.Artifact != nil {
			out[i].Digest, out[i].Filename = status.Artifact.Digest, path.Base(status.Artifact.Path)
		}
	}
	return out, nil
}

// drop deletes objects and their files, but for those to keep. It returns what
// could not be deleted.
func (r *generating) drop(ctx context.Context, refs, keep []swapi.ExternalArtifactReference) (left []swapi.ExternalArtifactReference, err error) {
	done := map[string]bool{}
	for _, ref := range keep {
		done[ref.Name] = true
	}
	var errs []error
	for _, ref := range refs {
		if done[ref.Name] || ref.Namespace != r.g.Namespace {
			continue
		}
		done[ref.Name] = true
		if err := r.delete(ctx, r.g.Output(ref.Name)); err != nil {
			left, errs = append(left, ref), append(errs, err)
		}
	}
	if len(errs) == 0 {
		return nil, nil
	}
	return left, report.Retry(report.ReasonReconcileFailed, errors.Join(errs...))
}

// delete removes one object with its files, unless it is another's by now.
func (r *generating) delete(ctx context.Context, key object.Key) error {
	live, err := r.find(ctx, key)
	if err != nil {
		return err
	}
	if live != nil && !r.owns(live) {
		return nil
	}
	if live != nil && live.GetDeletionTimestamp() == nil {
		err := r.w.Delete(ctx, world.Delete{Ref: unit.Ref(key), If: world.Precondition{UID: live.GetUID()}})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete %s: %w", key, err)
		}
		r.changed(key, "deleted")
	}
	delete(r.memo.wrote, key)
	if err := r.Store.RemoveAll(key); err != nil {
		return err
	}
	return nil
}

// unlisted returns what the status lists and refs do not.
func (r *generating) unlisted(refs []swapi.ExternalArtifactReference) []swapi.ExternalArtifactReference {
	return slices.DeleteFunc(slices.Clone(r.g.Status.Inventory), func(old swapi.ExternalArtifactReference) bool {
		return slices.ContainsFunc(refs, func(ref swapi.ExternalArtifactReference) bool {
			return ref.Name == old.Name && ref.Namespace == old.Namespace
		})
	})
}
