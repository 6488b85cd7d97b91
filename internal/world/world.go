// Package world is what the engine sees of a cluster: a view to read, a way to
// predict what a change would yield, and a way to make it. The same engine runs
// in a real cluster, in memory, and in a copy laid over either.
//
//	live, err := w.Get(ctx, ref)
//	after, err := w.Predict(ctx, world.Apply{Object: desired, Manager: "kustomize-controller"})
//	after, err = w.Apply(ctx, world.Apply{Object: desired, Manager: "kustomize-controller"})
//
// Implementations stand in sub-packages (cluster, memory, overlay) and pass the
// one conformance suite in worldtest. Errors are those of the Kubernetes API
// (k8s.io/apimachinery/pkg/api/errors), in every world: IsNotFound, IsConflict,
// IsInvalid, IsForbidden; a kind that does not exist is meta.NoKindMatchError.
package world

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/object"
)

// Fidelity says how far a prediction can be trusted.
type Fidelity string

// The fidelities, best first.
const (
	// Rehearsed is no prediction: everything was done, on an API server that is there
	// for nothing else. PartlyRehearsed is so of what could be done there.
	Rehearsed       Fidelity = "rehearsed"
	PartlyRehearsed Fidelity = "partly rehearsed"
	// Exact predictions come from the API server itself: webhooks, defaulting,
	// quota and validation have spoken.
	Exact Fidelity = "exact"
	// OfSchema predictions know ownership, defaults and pruning of the schema.
	OfSchema Fidelity = "schema"
	// Structural predictions know no schema of the object.
	Structural Fidelity = "structural"
)

// Mapping says how a kind is served.
type Mapping struct {
	GVK        schema.GroupVersionKind
	Resource   string // plural, lower case
	Namespaced bool
}

// Reader reads objects. What it returns belongs to the caller.
type Reader interface {
	// Get returns the object seen through the version of ref.
	Get(ctx context.Context, ref object.Ref) (*unstructured.Unstructured, error)
	// List returns the objects of a kind, ordered by namespace and name.
	List(ctx context.Context, gvk schema.GroupVersionKind, in Selection) ([]*unstructured.Unstructured, error)
	// Kind says how a kind is served. With an empty version, the version that
	// the server prefers.
	Kind(ctx context.Context, gvk schema.GroupVersionKind) (Mapping, error)
}

// Catalog is what a World offers beside that can tell all that it serves.
type Catalog interface {
	// Kinds returns every kind in every version that is served, ordered by group,
	// kind and preference.
	Kinds(ctx context.Context) ([]Mapping, error)
}

// Selection narrows a List; its zero value takes everything.
type Selection struct {
	Namespace string
	Labels    labels.Selector
}

// Writer changes objects.
type Writer interface {
	// Predict returns what Apply would return, and changes nothing.
	Predict(ctx context.Context, a Apply) (*unstructured.Unstructured, error)
	// Apply applies an object on the server's side and returns the result.
	Apply(ctx context.Context, a Apply) (*unstructured.Unstructured, error)
	// Patch changes an object (or its status) as told and returns the result.
	Patch(ctx context.Context, p Patch) (*unstructured.Unstructured, error)
	// Create makes an object that must not exist.
	Create(ctx context.Context, obj *unstructured.Unstructured, manager string) (*unstructured.Unstructured, error)
	// Delete asks for the deletion of an object. NotFound where there is none.
	Delete(ctx context.Context, d Delete) error
}

// World is a cluster, or something that behaves as one.
type World interface {
	Reader
	Writer
	// Fidelity says what Predict is worth.
	Fidelity() Fidelity
	// As returns the same world seen and changed with the rights of a user. The
	// zero Identity is the world's own.
	As(id Identity) World
}

// Identity is whom a request acts for.
type Identity struct {
	User   string
	Groups []string
}

// ServiceAccount returns the identity of a ServiceAccount.
func ServiceAccount(namespace, name string) Identity {
	return Identity{User: "system:serviceaccount:" + namespace + ":" + name}
}

// Account reads what ServiceAccount writes; false for other users.
func (id Identity) Account() (namespace, name string, ok bool) {
	account, ok := strings.CutPrefix(id.User, "system:serviceaccount:")
	if !ok {
		return "", "", false
	}
	return strings.Cut(account, ":")
}

// Apply is one server-side apply.
type Apply struct {
	Object  *unstructured.Unstructured // full intent of the manager
	Manager string
	// Force takes over fields of other managers; without it they are a Conflict.
	Force bool
	// If is the state the apply was computed under; another one is a Conflict.
	If Precondition
}

// Precondition is what must hold for a change to be made. Its zero value asks
// for nothing.
type Precondition struct {
	UID             types.UID
	ResourceVersion string
}

// Patch is a patch of an object, in the formats that Kubernetes knows.
type Patch struct {
	Ref         object.Ref
	Type        types.PatchType
	Data        []byte
	Manager     string
	Subresource string // "", or "status"
}

// Delete is one deletion.
type Delete struct {
	Ref object.Ref
	// If must hold, so that an object made anew under the same name stays.
	If Precondition
	// Orphan leaves what the object owns; otherwise it is collected in the
	// background.
	Orphan bool
}
