package apply

import (
	"context"
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// Scopes tells how a kind is served.
type Scopes interface {
	Kind(ctx context.Context, gvk schema.GroupVersionKind) (world.Mapping, error)
}

// Scoped are objects as a server keeps them: one of a kind without namespaces has none,
// whatever its manifest says. A namespace comes there by mistake, or from kustomize and
// spec.targetNamespace, which do not know the scope of custom kinds; the API clears it
// (k8s.io/apiserver v0.36 pkg/registry/rest/meta.go), and inventories name what it
// answered (fluxcd/pkg/ssa v0.76 manager_apply.go). Objects of kinds that are not served
// yet are as they were. The argument is not changed.
func Scoped(ctx context.Context, w Scopes, objects []build.Object) []build.Object {
	out, known := objects, map[schema.GroupVersionKind]bool{}
	for i, o := range objects {
		if o.Ref.Namespace == "" {
			continue
		}
		gvk := o.Ref.GVK()
		without, asked := known[gvk]
		if !asked {
			m, err := w.Kind(ctx, gvk)
			without = err == nil && !m.Namespaced
			known[gvk] = without
		}
		if !without {
			continue
		}
		bare, err := withoutNamespace(o)
		if err != nil {
			continue // who applies it says so
		}
		if &out[0] == &objects[0] {
			out = append([]build.Object(nil), objects...)
		}
		out[i] = bare
	}
	return out
}

func withoutNamespace(o build.Object) (build.Object, error) {
	u, err := o.Decode()
	if err != nil {
		return o, err
	}
	unstructured.RemoveNestedField(u.Object, "metadata", "namespace")
	data, err := json.Marshal(u.Object)
	return build.Object{Ref: object.RefOf(u), JSON: data, Dropped: o.Dropped}, err
}
