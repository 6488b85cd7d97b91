package memory

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/leat-dev/leat/internal/world/schema"
)

var namespaceResource = gvks.GroupResource{Resource: "namespaces"}

// validate refuses what a server refuses about names, metadata and the schema.
func (w *World) validate(ctx context.Context, c change, live, next *unstructured.Unstructured) error {
	var errs field.ErrorList
	if c.subresource != "" && w.options.OwnStatus {
		return nil
	}
	if c.subresource == "" {
		at := field.NewPath("metadata")
		errs = validation.ValidateObjectMetaAccessor(next, c.kind.Namespaced, nameRule(c.kind), at)
		if live != nil {
			errs = append(errs, validation.ValidateObjectMetaAccessorUpdate(next, live, at)...)
		}
	}
	errs = append(errs, c.kind.Validate(ctx, next, live)...)
	if len(errs) == 0 {
		return w.validateDefinition(c, next)
	}
	return apierrors.NewInvalid(c.kind.GVK.GroupKind(), c.ref.Name, errs)
}

// nameRule returns what names of a kind must look like.
func nameRule(k *schema.Kind) validation.ValidateNameFunc {
	switch {
	case k.GVK.Group == "rbac.authorization.k8s.io":
		return path.ValidatePathSegmentName
	case k.GVK.Group == "" && (k.GVK.Kind == "Namespace" || k.GVK.Kind == "Service"):
		return validation.NameIsDNSLabel
	}
	return validation.NameIsDNSSubdomain
}

// validateDefinition refuses definitions that cannot be served.
func (w *World) validateDefinition(c change, next *unstructured.Unstructured) error {
	if c.ref.GroupKind() != schema.DefinitionKind {
		return nil
	}
	plural, _, _ := unstructured.NestedString(next.Object, "spec", "names", "plural")
	group, _, _ := unstructured.NestedString(next.Object, "spec", "group")
	var errs field.ErrorList
	if want := plural + "." + group; next.GetName() != want {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), next.GetName(), fmt.Sprintf("must be spec.names.plural+\".\"+spec.group, which is %q", want)))
	}
	if _, err := schema.Compile(next); err != nil {
		errs = append(errs, field.Invalid(field.NewPath("spec"), field.OmitValueType{}, err.Error()))
	}
	if len(errs) > 0 {
		return apierrors.NewInvalid(c.kind.GVK.GroupKind(), c.ref.Name, errs)
	}
	return nil
}

// terminating is the refusal to make something in a namespace on its way out.
func terminating(c change) error {
	err := apierrors.NewForbidden(c.kind.GroupResource(), c.ref.Name,
		fmt.Errorf("unable to create new content in namespace %s because it is being terminated", c.ref.Namespace))
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{
		Type: "NamespaceTerminating", Message: fmt.Sprintf("namespace %s is being terminated", c.ref.Namespace), Field: "metadata.namespace",
	})
	return err
}
