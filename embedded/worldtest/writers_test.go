package worldtest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/leat-dev/leat/internal/object"
)

// lastApplied is where a client-side kubectl keeps what it applied.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// target is an object that writers write to.
type target struct {
	*watched
	client  dynamic.ResourceInterface
	desired *unstructured.Unstructured
	rng     *rand.Rand
}

// writers are all that write to an object of ours beside us. An error means that
// the server refused.
var writers = map[string]func(*target) error{
	"kubectl apply":               (*target).kubectlApply,
	"kubectl apply --server-side": func(p *target) error { return p.apply("kubectl", true) },
	"kubectl edit":                func(p *target) error { return p.update("kubectl-edit") },
	"kubectl scale":               func(p *target) error { return p.scale("kubectl") },
	"kubectl label":               func(p *target) error { return p.metadata("kubectl-label") },
	"operator applies":            func(p *target) error { return p.apply("operator", false) },
	"operator applies by force":   func(p *target) error { return p.apply("operator", true) },
	"second applies by force":     func(p *target) error { return p.apply("second", true) },
	"client updates":              func(p *target) error { return p.update("client") },
	"controller updates twice":    (*target).thereAndBack,
	"autoscaler scales":           func(p *target) error { return p.scale("autoscaler") },
	"status":                      (*target).status,
	"json patch":                  (*target).jsonPatch,
	"merge patch":                 (*target).mergePatch,
	"strategic patch":             (*target).strategicPatch,
	"labels":                      func(p *target) error { return p.metadata("labeler") },
	"owner labels":                (*target).ownerLabels,
	"no managed fields":           (*target).wipe,
}

// changed returns u with a random part of it dropped or changed.
func (p *target) changed(u *unstructured.Unstructured) *unstructured.Unstructured {
	return (&difference{rng: p.rng}).mutated(u)
}

// theirs is what another manager may want of the object: all we want, or less,
// with a change or without.
func (p *target) theirs() *unstructured.Unstructured {
	u := p.desired.DeepCopy()
	u.SetLabels(nil)
	if p.rng.IntN(2) == 0 {
		u.SetAnnotations(nil)
	}
	for range p.rng.IntN(3) {
		u = p.changed(u)
	}
	return u
}

func (p *target) apply(manager string, force bool) error {
	_, err := p.client.Apply(p.Context(), p.desired.GetName(), p.theirs(), metav1.ApplyOptions{FieldManager: manager, Force: force})
	return err
}

func (p *target) live() *unstructured.Unstructured {
	u, err := p.client.Get(p.Context(), p.desired.GetName(), metav1.GetOptions{})
	if err != nil {
		p.Fatal(err)
	}
	return u
}

func (p *target) update(manager string) error {
	_, err := p.client.Update(p.Context(), p.changed(p.live()), metav1.UpdateOptions{FieldManager: manager})
	return err
}

// thereAndBack changes something and then writes what was there before.
func (p *target) thereAndBack() error {
	before := p.live()
	after, err := p.client.Update(p.Context(), p.changed(before), metav1.UpdateOptions{FieldManager: "back"})
	if err != nil {
		return err
	}
	before.SetResourceVersion(after.GetResourceVersion())
	before.SetManagedFields(after.GetManagedFields())
	_, err = p.client.Update(p.Context(), before, metav1.UpdateOptions{FieldManager: "back"})
	return err
}

func (p *target) scale(manager string) error {
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, p.rng.IntN(4))
	_, err := p.client.Patch(p.Context(), p.desired.GetName(), types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: manager}, "scale")
	return err
}

func (p *target) status() error {
	patch := fmt.Sprintf(`{"status":{"observedGeneration":%d}}`, p.rng.IntN(4))
	if p.desired.GetKind() == "Service" {
		patch = `{"status":{"conditions":[{"type":"A","status":"True","reason":"A","message":"","lastTransitionTime":"2025-01-01T00:00:00Z"}]}}`
	}
	_, err := p.client.Patch(p.Context(), p.desired.GetName(), types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "status"}, "status")
	return err
}

func (p *target) patch(t types.PatchType, manager string, patch any) error {
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = p.client.Patch(p.Context(), p.desired.GetName(), t, data, metav1.PatchOptions{FieldManager: manager})
	return err
}

// kubectlApply does what kubectl does without --server-side: a merge of what it
// applied, which it also writes into an annotation.
func (p *target) kubectlApply() error {
	u := p.theirs()
	u.SetAnnotations(map[string]string{lastApplied: toJSON(u.Object)})
	return p.patch(types.MergePatchType, "kubectl-client-side-apply", u.Object)
}

// part returns the path to a random field outside metadata, and its value.
func (p *target) part() (path []string, value any) {
	u := p.desired
	in := u.Object
	for {
		keys := slices.DeleteFunc(slices.Sorted(maps.Keys(in)), func(k string) bool {
			return len(path) == 0 && (k == "apiVersion" || k == "kind" || k == "metadata")
		})
		if len(keys) == 0 {
			return path, in
		}
		key := keys[p.rng.IntN(len(keys))]
		path, value = append(path, key), in[key]
		next, ok := value.(map[string]any)
		if !ok || len(path) > 1 && p.rng.IntN(4) == 0 {
			return path, value
		}
		in = next
	}
}

func (p *target) jsonPatch() error {
	path, value := p.part()
	pointer := ""
	for _, k := range path {
		pointer += "/" + k
	}
	op := map[string]any{"op": []string{"remove", "replace", "add"}[p.rng.IntN(3)], "path": pointer, "value": p.other(value)}
	return p.patch(types.JSONPatchType, "patcher", []any{op})
}

func (p *target) mergePatch() error {
	path, value := p.part()
	patch := map[string]any{}
	in := patch
	for _, k := range path[:len(path)-1] {
		next := map[string]any{}
		in[k], in = next, next
	}
	if in[path[len(path)-1]] = p.other(value); p.rng.IntN(3) == 0 {
		in[path[len(path)-1]] = nil
	}
	return p.patch(types.MergePatchType, "patcher", patch)
}

// strategicPatch changes lists item by item; custom kinds refuse it.
func (p *target) strategicPatch() error {
	return p.patch(types.StrategicMergePatchType, "strategist", p.changed(p.desired).Object)
}

// other returns a value like v.
func (p *target) other(v any) any {
	switch v := v.(type) {
	case string:
		return []any{v + "x", v, ""}[p.rng.IntN(3)]
	case int64:
		return v + p.rng.Int64N(2)
	case bool:
		return !v
	case []any:
		switch p.rng.IntN(3) {
		case 0:
			return v[:len(v)-1]
		case 1:
			return append(slices.Clone(v), v[0])
		}
		back := slices.Clone(v)
		slices.Reverse(back)
		return back
	case map[string]any:
		return map[string]any{}
	}
	return v
}

func (p *target) metadata(manager string) error {
	key := []string{"app", "theirs"}[p.rng.IntN(2)]
	field := []string{"labels", "annotations"}[p.rng.IntN(2)]
	if field == "annotations" && key == "app" {
		key = "note"
	}
	value := []any{"other", nil, "web", "ours"}[p.rng.IntN(4)]
	return p.patch(types.MergePatchType, manager, map[string]any{"metadata": map[string]any{field: map[string]any{key: value}}})
}

func (p *target) ownerLabels() error {
	value := []any{"other", nil}[p.rng.IntN(2)]
	labels := map[string]any{[]string{object.OwnerName, object.OwnerNamespace}[p.rng.IntN(2)]: value}
	if p.rng.IntN(3) == 0 {
		labels = nil
	}
	return p.patch(types.MergePatchType, "labeler", map[string]any{"metadata": map[string]any{"labels": labels}})
}

// wipe takes the record of who owns what away.
func (p *target) wipe() error {
	return p.patch(types.JSONPatchType, "wiper", []any{map[string]any{"op": "replace", "path": "/metadata/managedFields", "value": []any{map[string]any{}}}})
}
