package overlay

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
)

// maxOwners bounds how far owners of owners are followed.
const maxOwners = 16

// shows returns how an object from below looks after what was deleted here: nil
// when it went along, marked when finalizers hold it, without the owners that
// are gone when it has others. Nothing is enumerated for it: objects below are
// judged when they are read.
func (l *layer) shows(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return l.showsAt(ctx, u, 0)
}

func (l *layer) showsAt(ctx context.Context, u *unstructured.Unstructured, depth int) (*unstructured.Unstructured, error) {
	l.mu.RLock()
	nothing := len(l.dead) == 0 && len(l.released) == 0
	emptied := l.emptied[u.GetNamespace()]
	l.mu.RUnlock()
	if nothing {
		return u, nil
	}
	if emptied {
		return l.dying(u), nil
	}
	owners := u.GetOwnerReferences()
	if len(owners) == 0 || depth == maxOwners {
		return u, nil
	}
	var kept []metav1.OwnerReference
	var lost bool
	for _, o := range owners {
		state, err := l.owner(ctx, u.GetNamespace(), o, depth)
		if err != nil {
			return nil, err
		}
		switch state {
		case ownerAlive:
			kept = append(kept, o)
		case ownerDead:
			lost = true
		}
	}
	switch {
	case len(kept) == len(owners):
		return u, nil
	case len(kept) == 0 && lost:
		return l.dying(u), nil
	}
	u.SetOwnerReferences(kept)
	return u, nil
}

type ownerState int

const (
	ownerAlive ownerState = iota
	ownerDead             // and takes what it owned along
	ownerReleased
)

// owner tells what became of an owner. An owner that was not deleted here may
// still have gone along with its own.
func (l *layer) owner(ctx context.Context, namespace string, o metav1.OwnerReference, depth int) (ownerState, error) {
	l.mu.RLock()
	dead, released := l.dead[o.UID], l.released[o.UID]
	l.mu.RUnlock()
	if dead {
		return ownerDead, nil
	}
	if released {
		return ownerReleased, nil
	}
	owner, err := l.ownerBelow(ctx, namespace, o)
	if err != nil || owner == nil || owner.GetUID() != o.UID || len(owner.GetOwnerReferences()) == 0 {
		return ownerAlive, err
	}
	if owner, err = l.showsAt(ctx, owner, depth+1); err != nil || owner != nil {
		return ownerAlive, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead[o.UID] = true
	return ownerDead, nil
}

func (l *layer) ownerBelow(ctx context.Context, namespace string, o metav1.OwnerReference) (*unstructured.Unstructured, error) {
	gvk := gvks.FromAPIVersionAndKind(o.APIVersion, o.Kind)
	m, err := l.base.Kind(ctx, gvk)
	if err == nil {
		key := object.Key{Group: gvk.Group, Kind: gvk.Kind, Name: o.Name}
		if m.Namespaced {
			key.Namespace = namespace
		}
		var u *unstructured.Unstructured
		if u, err = l.base.Get(ctx, object.Ref{Key: key, Version: gvk.Version}); err == nil {
			return u, nil
		}
	}
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) || apierrors.IsForbidden(err) {
		return nil, nil
	}
	return nil, err
}

// dying is an object that was asked to go: gone, or held by its finalizers.
func (l *layer) dying(u *unstructured.Unstructured) *unstructured.Unstructured {
	if len(u.GetFinalizers()) == 0 {
		return nil
	}
	if u.GetDeletionTimestamp() == nil {
		u.SetDeletionTimestamp(&metav1.Time{Time: l.now().UTC()})
	}
	return u
}
