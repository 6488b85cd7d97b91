package schema

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func defaultBuiltin(obj *unstructured.Unstructured) {}

func validateBuiltin(obj, old *unstructured.Unstructured) field.ErrorList { return nil }
