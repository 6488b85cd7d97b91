package plan

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
)

var apps = Owner{Name: "apps", Namespace: "flux-system"}

// owned makes an object that apps applied.
func owned(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	obj := newObject(apiVersion, kind, namespace, name)
	obj.SetLabels(apps.Labels())
	obj.SetUID(types.UID("uid-" + name))
	return obj
}

func pruneOne(live *unstructured.Unstructured, change func(*Prune)) Step {
	ref := object.RefOf(newObject("v1", "ConfigMap", "a", "x"))
	p := Prune{Old: inventory.Of(ref), Owner: apps, Live: map[object.Key]*unstructured.Unstructured{ref.Key: live}}
	if change != nil {
		change(&p)
	}
	steps := PruneSteps(p)
	if len(steps) != 1 {
		return Step{}
	}
	return steps[0]
}

func TestPrune(t *testing.T) {
	cm := func(change func(*unstructured.Unstructured)) *unstructured.Unstructured {
		obj := owned("v1", "ConfigMap", "a", "x")
		if change != nil {
			change(obj)
		}
		return obj
	}
	annotate := func(key, value string) func(*unstructured.Unstructured) {
		return func(obj *unstructured.Unstructured) { obj.SetAnnotations(map[string]string{group + key: value}) }
	}
	for _, tc := range []struct {
		name string
		live *unstructured.Unstructured
		with func(*Prune)
		op   Op
		why  string
	}{
		{"owned", cm(nil), nil, Delete, "no longer"},
		{"gone", nil, nil, Skip, "already gone"},
		{"no labels", newObject("v1", "ConfigMap", "a", "x"), nil, Skip, "not labelled"},
		{"other unit's labels", cm(func(o *unstructured.Unstructured) {
			o.SetLabels(Owner{Name: "other", Namespace: "flux-system"}.Labels())
		}), nil, Skip, "not labelled"},
		{"same name, other namespace", cm(func(o *unstructured.Unstructured) { o.SetLabels(Owner{Name: "apps", Namespace: "team"}.Labels()) }), nil, Skip, "not labelled"},
		{"prune disabled", cm(annotate("prune", "Disabled")), nil, Skip, "prune is disabled"},
		{"reconcile disabled", cm(annotate("reconcile", "disabled")), nil, Skip, "reconcile is disabled"},
		{"ssa ignore", cm(annotate("ssa", "ignore")), nil, Skip, "ssa is Ignore"},
		{"ssa merge", cm(annotate("ssa", "merge")), nil, Delete, ""},
		{"held by another", cm(nil), func(p *Prune) {
			p.HeldBy = func(object.Key) (string, bool) { return "Kustomization/flux-system/b", true }
		}, Skip, "inventory of Kustomization/flux-system/b"},
		{"being deleted", cm(func(o *unstructured.Unstructured) { o.SetDeletionTimestamp(&metav1.Time{Time: time.Unix(1, 0)}) }), nil, Skip, "being deleted already"},
		{"taken over by a release", cm(ofRelease("helm-controller")), nil, Skip, "taken over by HelmRelease/a/r"},
		{"a manifest with the labels of a release", cm(ofRelease("kustomize-controller")), nil, Delete, "no longer"},
		{"another object answered", owned("v1", "ConfigMap", "a", "y"), nil, Skip, "the live object is"},
	} {
		got := pruneOne(tc.live, tc.with)
		if got.Op != tc.op || !strings.Contains(got.Why, tc.why) {
			t.Errorf("%s: got %s (%s), want %s (%s)", tc.name, got.Op, got.Why, tc.op, tc.why)
		}
		if got.Op == Delete && got.If.UID != tc.live.GetUID() {
			t.Errorf("%s: deletes without the UID as precondition: %+v", tc.name, got.If)
		}
	}
}

// ofRelease gives an object the labels of a release, as a manager applies them.
func ofRelease(manager string) func(*unstructured.Unstructured) {
	return func(o *unstructured.Unstructured) {
		labels := maps.Clone(o.GetLabels())
		labels[object.HelmOwnerName], labels[object.HelmOwnerNamespace] = "r", "a"
		o.SetLabels(labels)
		o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: manager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: &metav1.FieldsV1{
			Raw: []byte(`{"f:metadata":{"f:labels":{"f:helm.toolkit.fluxcd.io/name":{}}}}`),
		}}})
	}
}

func TestPruneKeepsWhatIsApplied(t *testing.T) {
	ref := object.RefOf(newObject("v1", "ConfigMap", "a", "x"))
	newer := ref
	newer.Version = "v2"
	if got := pruneOne(owned("v1", "ConfigMap", "a", "x"), func(p *Prune) { p.New = inventory.Of(newer) }); got.Op != "" {
		t.Errorf("an object applied in another version: got %s", got)
	}
}

func TestPruneTellsOfCascades(t *testing.T) {
	crd := owned("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets.example.com")
	if err := unstructured.SetNestedField(crd.Object, "Widget", "spec", "names", "kind"); err != nil {
		t.Fatal(err)
	}
	ns := owned("v1", "Namespace", "", "team")
	steps := PruneSteps(Prune{
		Old: inventory.Of(object.RefOf(crd), object.RefOf(ns)), Owner: apps,
		Live: map[object.Key]*unstructured.Unstructured{object.KeyOf(crd): crd, object.KeyOf(ns): ns},
	})
	if len(steps) != 2 || !strings.Contains(steps[0].Why, "everything in the namespace") || !strings.Contains(steps[1].Why, "every Widget") {
		t.Errorf("got %v", steps)
	}
}

func TestOwnerGroup(t *testing.T) {
	helm := Owner{Name: "a", Namespace: "b", Group: object.GroupHelm}
	obj := newObject("v1", "ConfigMap", "a", "x")
	obj.SetLabels(map[string]string{"helm.toolkit.fluxcd.io/name": "a", "helm.toolkit.fluxcd.io/namespace": "b"})
	if !helm.Owns(obj) || apps.Owns(obj) {
		t.Error("owner labels of Helm are not told from those of Kustomize")
	}
}

// TestPruneProperties: whatever the inventories and the world, only objects are
// deleted that are in the old inventory and not in the new one, that carry the
// owner labels, and that nobody else holds; in the reverse order of applying.
func TestPruneProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		objs := drawObjects(t)
		p := Prune{Owner: apps, Live: map[object.Key]*unstructured.Unstructured{}}
		held := map[object.Key]bool{}
		for _, obj := range objs {
			ref := object.RefOf(obj)
			if rapid.Bool().Draw(t, "old") {
				p.Old = p.Old.With(ref)
			}
			if rapid.Bool().Draw(t, "new") {
				p.New = p.New.With(ref)
			}
			if rapid.Bool().Draw(t, "labelled") {
				obj.SetLabels(apps.Labels())
			}
			if rapid.Bool().Draw(t, "protected") {
				obj.SetAnnotations(map[string]string{object.AnnotationPrune: "disabled"})
			}
			if rapid.Bool().Draw(t, "exists") {
				p.Live[ref.Key] = obj
			}
			held[ref.Key] = rapid.Bool().Draw(t, "held")
		}
		p.HeldBy = func(key object.Key) (string, bool) { return "other", held[key] }

		steps := PruneSteps(p)
		if len(steps) != len(p.Old.Without(p.New)) {
			t.Fatalf("got %d steps for %d stale objects", len(steps), len(p.Old.Without(p.New)))
		}
		if !slices.IsSortedFunc(steps, func(a, b Step) int { return Compare(b.Ref.Key, a.Ref.Key) }) {
			t.Fatalf("not in the reverse order of applying: %v", steps)
		}
		for _, step := range steps {
			key, live := step.Ref.Key, p.Live[step.Ref.Key]
			may := p.Old.Holds(key) && !p.New.Holds(key) && live != nil && apps.Owns(live) && !held[key] &&
				!Marked(live, object.AnnotationPrune, "disabled")
			if (step.Op == Delete) != may {
				t.Fatalf("%s: got %s (%s), may delete: %v", key, step.Op, step.Why, may)
			}
		}
	})
}
