package schema

import (
	"errors"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// Misfit is a field of an object that the types of its kind do not have, or a
// value that they do not take.
type Misfit struct {
	// Path is written as the API server does: .spec.containers[name="web"].imagee.
	Path    string
	Message string
	Unknown bool // there is no such field
}

// Known tells whether there are types to hold objects of the kind to.
func (k *Kind) Known() bool { return k.types != nil }

// Misfits returns what does not fit the types of the kind, all of it: the first
// of them is what a server-side apply is refused for. An object of a kind without
// types has none.
func (k *Kind) Misfits(obj *unstructured.Unstructured) []Misfit {
	if !k.Known() {
		return nil
	}
	_, err := k.converter().ObjectToTyped(obj)
	var errs typed.ValidationErrors
	if !errors.As(err, &errs) {
		return nil
	}
	out := make([]Misfit, 0, len(errs))
	for _, e := range errs {
		out = append(out, Misfit{Path: e.Path, Message: e.ErrorMessage, Unknown: strings.HasSuffix(e.ErrorMessage, "not declared in schema")})
	}
	return out
}
