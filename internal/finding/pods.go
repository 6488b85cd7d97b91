package finding

import (
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/plan"
)

// templates says where each kind of workload has the spec of its pods.
var templates = map[string][]string{
	"Pod":                   {"spec"},
	"ReplicationController": {"spec", "template", "spec"},
	"Deployment":            {"spec", "template", "spec"},
	"ReplicaSet":            {"spec", "template", "spec"},
	"StatefulSet":           {"spec", "template", "spec"},
	"DaemonSet":             {"spec", "template", "spec"},
	"Job":                   {"spec", "template", "spec"},
	"CronJob":               {"spec", "jobTemplate", "spec", "template", "spec"},
}

// pod is the spec of the pods of a workload.
type pod struct {
	spec map[string]any
	path []string
}

// podOf returns the pods of an object; false for what runs none.
func podOf(u *unstructured.Unstructured) (pod, bool) {
	if u == nil {
		return pod{}, false
	}
	path, ok := templates[u.GetKind()]
	if !ok {
		return pod{}, false
	}
	switch u.GroupVersionKind().Group {
	case "", "apps", "batch":
	default:
		return pod{}, false
	}
	spec := asMap(at(u, path...))
	return pod{spec, path}, spec != nil
}

// field is the JSON pointer of a field of the spec.
func (p pod) field(steps ...string) string {
	return plan.Pointer(append(append([]string{}, p.path...), steps...)...)
}

// container is one of a pod's.
type container struct {
	fields map[string]any
	name   string
	field  func(steps ...string) string
}

// containers returns all containers, those for the start first.
func (p pod) containers() []container {
	var out []container
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		items, _ := p.spec[list].([]any)
		for i, item := range items {
			m := asMap(item)
			name, _ := m["name"].(string)
			out = append(out, container{m, name, func(steps ...string) string {
				return p.field(append([]string{list, strconv.Itoa(i)}, steps...)...)
			}})
		}
	}
	return out
}

// byName returns a container by its name; nil where there is none.
func (p pod) byName(name string) map[string]any {
	for _, c := range p.containers() {
		if c.name == name {
			return c.fields
		}
	}
	return nil
}
