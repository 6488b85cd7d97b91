package overlay

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// Fidelity is the worst of what has been predicted or applied so far: exact as
// long as the world below, being exact, answered everything.
func (w *World) Fidelity() world.Fidelity {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.worst
}

// Trust is the fidelity of the last prediction for an object; of one that was
// never asked for it is that of the whole.
func (w *World) Trust(k object.Key) world.Fidelity {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f, ok := w.trust[k]; ok {
		return f
	}
	return w.worst
}

// Asked is the fidelity of the last prediction for an object; false for one that was
// never asked for.
func (w *World) Asked(k object.Key) (world.Fidelity, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, ok := w.trust[k]
	return f, ok
}

func (w *World) note(k object.Key, f world.Fidelity) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trust[k] = f
	w.worst = worse(w.worst, f)
}

func worse(a, b world.Fidelity) world.Fidelity {
	rank := map[world.Fidelity]int{world.Exact: 0, world.OfSchema: 1, world.Structural: 2}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// Predict asks below for a dry run where nothing here stands in its way, and
// knows the schema otherwise.
func (w *World) Predict(ctx context.Context, a world.Apply) (*unstructured.Unstructured, error) {
	below, answered, err := w.dryRun(ctx, a)
	if err != nil {
		return nil, err
	}
	if answered {
		return w.World.WouldPut(ctx, below)
	}
	return w.World.Predict(w.asking(ctx, object.KeyOf(a.Object)), a)
}

// Apply does what Predict says, here.
func (w *World) Apply(ctx context.Context, a world.Apply) (*unstructured.Unstructured, error) {
	below, answered, err := w.dryRun(ctx, a)
	if err != nil {
		return nil, err
	}
	if answered {
		return w.World.Put(ctx, below)
	}
	return w.World.Apply(w.asking(ctx, object.KeyOf(a.Object)), a)
}

// dryRun asks below, if that is exact and nothing here changes what it would
// say.
func (w *World) dryRun(ctx context.Context, a world.Apply) (u *unstructured.Unstructured, answered bool, err error) {
	ref := object.RefOf(a.Object)
	if w.base.Fidelity() == world.Exact && w.layer.pristine(ref) {
		u, err = w.base.As(w.as).Predict(ctx, a)
		if answers(err, w.as) {
			w.note(ref.Key, trustOf(w.base, ref.Key))
			return u, true, err
		}
	}
	kind, err := w.layer.Kind(ctx, ref.GVK())
	if err != nil {
		return nil, false, err
	}
	w.note(ref.Key, kind.Fidelity())
	return nil, false, nil
}

func trustOf(base world.World, k object.Key) world.Fidelity {
	if o, ok := base.(interface {
		Trust(object.Key) world.Fidelity
	}); ok {
		return o.Trust(k)
	}
	return base.Fidelity()
}

// answers tells whether a server spoke about the apply. That we may not ask, for
// ourselves or in another's name, says nothing about it.
func answers(err error, as world.Identity) bool {
	if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
		return true
	}
	var status apierrors.APIStatus
	if as.User == "" || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	switch status.Status().Details.Kind {
	case "users", "groups", "serviceaccounts":
		return false // we may not impersonate
	}
	return true
}
