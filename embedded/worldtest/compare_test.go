package worldtest_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type contextType = context.Context

var nonNil = context.Background()

// compare notes every path at which two objects differ and that the server does
// not set.
func (d *difference) compare(kind, step string, real, fake *unstructured.Unstructured) {
	normalize(real)
	normalize(fake)
	d.walk(kind, "", step, real.Object, fake.Object)
}

// normalize takes away what two servers would not agree on either.
func normalize(u *unstructured.Unstructured) {
	for _, f := range []string{"uid", "resourceVersion", "creationTimestamp", "selfLink"} {
		unstructured.RemoveNestedField(u.Object, "metadata", f)
	}
	owners := map[string]any{}
	for _, e := range u.GetManagedFields() {
		owners[strings.TrimSpace(fmt.Sprintf("%s %s %s %s", e.Manager, e.Operation, e.APIVersion, e.Subresource))] = string(e.FieldsV1.Raw)
	}
	metadata, _ := u.Object["metadata"].(map[string]any)
	delete(metadata, "managedFields")
	metadata["owners"] = owners
}

func (d *difference) walk(kind, path, step string, real, fake any) {
	if d.serverSet[kind+" "+path] || d.serverSet["* "+path] || path != "" && d.serverSet[kind+" "+path[:max(0, strings.LastIndex(path, "."))]+".*"] {
		return
	}
	switch r := real.(type) {
	case map[string]any:
		if f, ok := fake.(map[string]any); ok {
			for _, k := range keysOf(r, f) {
				d.walk(kind, strings.TrimPrefix(path+"."+k, "."), step, r[k], f[k])
			}
			return
		}
	case []any:
		if f, ok := fake.([]any); ok && len(f) == len(r) {
			for i := range r {
				d.walk(kind, path+"[]", step, r[i], f[i])
			}
			return
		}
	}
	if toJSON(real) != toJSON(fake) {
		d.differ(kind+" "+path, fmt.Sprintf("after %s\nmemory: %s\nserver: %s", step, toJSON(fake), toJSON(real)))
	}
}

func keysOf(a, b map[string]any) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// mutated returns a copy of which a random field was dropped or changed.
func (d *difference) mutated(u *unstructured.Unstructured) *unstructured.Unstructured {
	u = u.DeepCopy()
	switch d.rng.IntN(6) {
	case 0:
		u.SetLabels(map[string]string{"app": fmt.Sprint(d.rng.IntN(3)), "random": "x"})
		return u
	case 1:
		u.SetAnnotations(map[string]string{"note": fmt.Sprint(d.rng.IntN(3))})
		return u
	}
	var places []place
	for _, k := range slices.Sorted(maps.Keys(u.Object)) {
		if k != "apiVersion" && k != "kind" && k != "metadata" {
			places = append(places, place{u.Object, k})
			places = append(places, placesIn(u.Object[k])...)
		}
	}
	if len(places) == 0 {
		return u
	}
	p := places[d.rng.IntN(len(places))]
	switch v := p.in[p.at].(type) {
	case string:
		p.in[p.at] = []any{v + "x", nil, ""}[d.rng.IntN(3)]
	case int64:
		p.in[p.at] = v + 1
	case bool:
		p.in[p.at] = !v
	}
	if d.rng.IntN(2) == 0 || p.in[p.at] == nil && d.rng.IntN(2) == 0 {
		delete(p.in, p.at)
	}
	return u
}

// place is a field that may be changed.
type place struct {
	in map[string]any
	at string
}

func placesIn(v any) []place {
	var all []place
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			all = append(all, place{v, k})
			all = append(all, placesIn(v[k])...)
		}
	case []any:
		for _, item := range v {
			all = append(all, placesIn(item)...)
		}
	}
	return all
}
