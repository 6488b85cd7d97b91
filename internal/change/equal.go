package change

import (
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ofServer are the fields of metadata that are no part of what was asked for.
var ofServer = map[string]bool{
	"name": true, "namespace": true, "uid": true, "resourceVersion": true, "generation": true, "creationTimestamp": true,
	"managedFields": true, "deletionTimestamp": true, "deletionGracePeriodSeconds": true, "selfLink": true,
}

// sameObject tells whether two states of an object are the same, but for status
// and what only a server sets.
func sameObject(a, b *unstructured.Unstructured) bool {
	switch {
	case a == b:
		return true
	case a == nil || b == nil:
		return false
	case shared(a.Object, b.Object):
		return true
	}
	return sameBut(a.Object, b.Object, map[string]bool{"metadata": true, "status": true}) &&
		sameBut(submap(a.Object, "metadata"), submap(b.Object, "metadata"), ofServer)
}

func submap(m map[string]any, key string) map[string]any {
	sub, _ := m[key].(map[string]any)
	return sub
}

// sameBut compares two maps but for some keys.
func sameBut(a, b map[string]any, but map[string]bool) bool {
	if shared(a, b) {
		return true
	}
	only := 0
	for key, value := range a {
		if but[key] {
			continue
		}
		other, has := b[key]
		if !has || !equal(value, other) {
			return false
		}
		only++
	}
	for key := range b {
		if !but[key] {
			only--
		}
	}
	return only == 0
}

// equal compares two JSON values. Most that are compared are the same, and many
// of them the very same: renderings share what did not change.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		if shared(a, b) {
			return true
		}
		for key, value := range a {
			other, has := b[key]
			if !has || !equal(value, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case string:
		b, ok := b.(string)
		return ok && a == b
	case int64:
		switch b := b.(type) {
		case int64:
			return a == b
		case float64:
			return float64(a) == b
		}
		return false
	case float64:
		switch b := b.(type) {
		case float64:
			return a == b
		case int64:
			return a == float64(b)
		}
		return false
	}
	return reflect.DeepEqual(a, b)
}

// shared tells whether two maps are one and the same.
func shared(a, b map[string]any) bool {
	return len(a) == len(b) && reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer()
}
