package memory

import (
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/leat-dev/leat/internal/world/schema"
)

// defaultManager owns what is written in nobody's name.
const defaultManager = "leat"

// merge applies an intent to an object (nil: none) and returns the result, its
// fields owned.
func merge(kind *schema.Kind, subresource string, live, applied *unstructured.Unstructured, manager string, force bool) (*unstructured.Unstructured, error) {
	m, err := kind.Manager(subresource)
	if err != nil {
		return nil, err
	}
	out, err := m.Apply(orEmpty(kind, live), applied.DeepCopy(), manager, force)
	if err != nil {
		return nil, asStatus(err)
	}
	return decoded(kind, out)
}

// update tracks the owners of a change that was made: next took the place of
// live (nil: none).
func update(kind *schema.Kind, subresource string, live, next *unstructured.Unstructured, manager string) (*unstructured.Unstructured, error) {
	if err := kind.Decode(next); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	m, err := kind.Manager(subresource)
	if err != nil {
		return nil, err
	}
	if manager == "" {
		manager = defaultManager
	}
	out := m.UpdateNoErrors(orEmpty(kind, live), next, manager)
	u, ok := out.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("track owners of %s: got a %T", kind.GVK, out)
	}
	return u, nil
}

func decoded(kind *schema.Kind, out runtime.Object) (*unstructured.Unstructured, error) {
	u, ok := out.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("merge %s: got a %T", kind.GVK, out)
	}
	if !kind.Builtin() {
		return u, nil // the merge has set the defaults, and refused what is unknown
	}
	if err := beside(u, kind.Decode); err != nil {
		return nil, asStatus(err)
	}
	return u, nil
}

// orEmpty is live, or the empty object that a first apply merges into.
func orEmpty(kind *schema.Kind, live *unstructured.Unstructured) *unstructured.Unstructured {
	if live != nil {
		return live.DeepCopy()
	}
	return kind.Empty()
}

// asStatus gives an error the form in which a server would send it: what has
// none of its own is a 500 with the message.
func asStatus(err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return err
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Message: err.Error(),
	}}
}

func sameEntry(a, b metav1.ManagedFieldsEntry) bool {
	return a.Manager == b.Manager && a.Operation == b.Operation && a.APIVersion == b.APIVersion &&
		a.Subresource == b.Subresource && a.FieldsV1 != nil && b.FieldsV1 != nil &&
		string(a.FieldsV1.Raw) == string(b.FieldsV1.Raw)
}
