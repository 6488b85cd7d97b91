package object

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// EachImage calls f with the image of every container of an object, wherever in
// its spec a pod template stands: in any list whose name ends in containers.
// Flux's own kinds hold values for charts there, not containers, and have none.
func EachImage(u *unstructured.Unstructured, f func(image string)) {
	if u == nil || strings.HasSuffix(u.GroupVersionKind().Group, ".toolkit.fluxcd.io") {
		return
	}
	eachImage(u.Object["spec"], f)
}

func eachImage(v any, f func(string)) {
	node, _ := v.(map[string]any)
	for key, value := range node {
		list, isList := value.([]any)
		if !isList {
			eachImage(value, f)
			continue
		}
		for _, item := range list {
			container, _ := item.(map[string]any)
			if image, ok := container["image"].(string); ok && strings.HasSuffix(strings.ToLower(key), "containers") {
				f(image)
			}
		}
	}
}
