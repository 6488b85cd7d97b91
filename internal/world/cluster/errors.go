package cluster

import (
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// noMatch is the error of a kind that is not served.
func noMatch(gvk schema.GroupVersionKind) error {
	e := &meta.NoKindMatchError{GroupKind: gvk.GroupKind()}
	if gvk.Version != "" {
		e.SearchedVersions = []string{gvk.Version}
	}
	return e
}

// isUnserved tells a path that the server does not know from an object that is
// not there: the first answers without naming the object, or not in JSON.
func isUnserved(err error, name string) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	if details == nil {
		return true
	}
	for _, cause := range details.Causes {
		if cause.Type == metav1.CauseTypeUnexpectedServerResponse {
			return true
		}
	}
	return name != "" && details.Name == ""
}

// unmetPrecondition turns the answers that a server gives to an apply under a
// precondition into a Conflict: it calls another uid an invalid change of an
// immutable field.
func unmetPrecondition(err error, a world.Apply, m world.Mapping) error {
	var status apierrors.APIStatus
	if a.If.UID == "" || !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return err
	}
	for _, cause := range status.Status().Details.Causes {
		if cause.Field == "metadata.uid" {
			resource := schema.GroupResource{Group: m.GVK.Group, Resource: m.Resource}
			return apierrors.NewConflict(resource, a.Object.GetName(), fmt.Errorf("uid is not %s", a.If.UID))
		}
	}
	return err
}

// checkNames refuses what would make another path than the one meant.
func checkNames(k object.Key, m world.Mapping) error {
	if k.Name == "" {
		return apierrors.NewBadRequest("name of " + k.Kind + " is required")
	}
	for _, part := range []string{k.Namespace, k.Name} {
		if part == "." || part == ".." || strings.ContainsAny(part, "/%") {
			return apierrors.NewBadRequest(fmt.Sprintf("%q is not a name that a path can hold", part))
		}
	}
	if m.Namespaced && k.Namespace == "" {
		return apierrors.NewBadRequest(fmt.Sprintf("%s %s needs a namespace", k.Kind, k.Name))
	}
	return nil
}
