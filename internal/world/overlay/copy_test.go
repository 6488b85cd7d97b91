package overlay_test

import (
	"context"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
	"github.com/leat-dev/leat/internal/world/overlay"
)

func newPair(t *testing.T) (*memory.World, *overlay.World) {
	t.Helper()
	base := memory.New(memory.Options{})
	return base, overlay.New(base, overlay.Options{})
}

func configMap(name, team, value string, owners ...*unstructured.Unstructured) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": name, "namespace": "default", "labels": map[string]any{"team": team}},
		"data":     map[string]any{"value": value},
	}}
	var refs []metav1.OwnerReference
	for _, o := range owners {
		refs = append(refs, metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: o.GetName(), UID: o.GetUID()})
	}
	u.SetOwnerReferences(refs)
	return u
}

func apply(t *testing.T, w world.World, u *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	out, err := w.Apply(t.Context(), world.Apply{Object: u, Manager: "test", Force: true})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func remove(t *testing.T, w world.World, u *unstructured.Unstructured) {
	t.Helper()
	if err := w.Delete(t.Context(), world.Delete{Ref: object.RefOf(u)}); err != nil {
		t.Fatal(err)
	}
}

// value returns data.value, or the class of the error.
func value(t *testing.T, w world.World, u *unstructured.Unstructured) string {
	t.Helper()
	live, err := w.Get(t.Context(), object.RefOf(u))
	if apierrors.IsNotFound(err) {
		return "not found"
	}
	if err != nil {
		t.Fatal(err)
	}
	v, _, _ := unstructured.NestedString(live.Object, "data", "value")
	return v
}

func names(t *testing.T, w world.World, selector string) string {
	t.Helper()
	l, err := labels.Parse(selector)
	if err != nil {
		t.Fatal(err)
	}
	all, err := w.List(t.Context(), schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, world.Selection{Labels: l})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range all {
		got = append(got, u.GetName())
	}
	return strings.Join(got, " ")
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestWritesStayInTheCopy(t *testing.T) {
	base, copied := newPair(t)
	a := apply(t, base, configMap("a", "red", "1"))
	b := apply(t, base, configMap("b", "red", "1"))
	check(t, "read through", value(t, copied, a), "1")
	apply(t, copied, configMap("a", "red", "2"))
	remove(t, copied, b)
	c := apply(t, copied, configMap("c", "red", "3"))
	check(t, "changed, below", value(t, base, a), "1")
	check(t, "changed, here", value(t, copied, a), "2")
	check(t, "deleted, below", value(t, base, b), "1")
	check(t, "deleted, here", value(t, copied, b), "not found")
	check(t, "made, below", value(t, base, c), "not found")
	check(t, "list", names(t, copied, "team=red"), "a c")
}

func TestWritesBelowShowWhereNothingWasWritten(t *testing.T) {
	base, copied := newPair(t)
	a, b := apply(t, base, configMap("a", "red", "1")), apply(t, base, configMap("b", "red", "1"))
	apply(t, copied, configMap("a", "red", "2"))
	apply(t, base, configMap("a", "red", "3"))
	apply(t, base, configMap("b", "red", "3"))
	check(t, "written here", value(t, copied, a), "2")
	check(t, "not written here", value(t, copied, b), "3")
	apply(t, copied, configMap("b", "red", "3")) // changes nothing
	apply(t, base, configMap("b", "red", "4"))
	check(t, "applied without change", value(t, copied, b), "4")
}

func TestSelectorsSeeTheMergedSet(t *testing.T) {
	base, copied := newPair(t)
	apply(t, base, configMap("a", "red", "1"))
	apply(t, base, configMap("b", "blue", "1"))
	apply(t, copied, configMap("a", "blue", "1"))
	apply(t, copied, configMap("b", "red", "1"))
	check(t, "red", names(t, copied, "team=red"), "b")
	check(t, "blue", names(t, copied, "team=blue"), "a")
}

func TestWhatWasOwnedGoesWithAnOwnerDeletedHere(t *testing.T) {
	base, copied := newPair(t)
	owner := apply(t, base, configMap("owner", "red", "1"))
	other := apply(t, base, configMap("other", "red", "1"))
	child := apply(t, base, configMap("child", "red", "1", owner))
	grandchild := apply(t, base, configMap("grandchild", "red", "1", child))
	both := apply(t, base, configMap("both", "red", "1", owner, other))
	remove(t, copied, owner)
	check(t, "child", value(t, copied, child), "not found")
	check(t, "grandchild", value(t, copied, grandchild), "not found")
	check(t, "with another owner", value(t, copied, both), "1")
	check(t, "list", names(t, copied, "team=red"), "both other")
	check(t, "list below", names(t, base, "team=red"), "both child grandchild other owner")
	apply(t, copied, configMap("owner", "red", "2"))
	check(t, "child of an owner made anew", value(t, copied, child), "not found")
}

func TestOrphansOfAnOwnerDeletedHereStay(t *testing.T) {
	base, copied := newPair(t)
	owner := apply(t, base, configMap("owner", "red", "1"))
	child := apply(t, base, configMap("child", "red", "1", owner))
	if err := copied.Delete(t.Context(), world.Delete{Ref: object.RefOf(owner), Orphan: true}); err != nil {
		t.Fatal(err)
	}
	check(t, "child", value(t, copied, child), "1")
	live, err := copied.Get(t.Context(), object.RefOf(child))
	if err != nil || len(live.GetOwnerReferences()) != 0 {
		t.Errorf("got owners %v, %v, want none", live.GetOwnerReferences(), err)
	}
}

func TestNamespaceDeletedHereHidesWhatIsBelow(t *testing.T) {
	base, copied := newPair(t)
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "apps"}}}
	apply(t, base, ns)
	a, held := configMap("a", "red", "1"), configMap("held", "red", "1")
	a.SetNamespace("apps")
	held.SetNamespace("apps")
	held.SetFinalizers([]string{"x.dev/a"})
	apply(t, base, a)
	apply(t, base, held)
	remove(t, copied, ns)
	check(t, "content", value(t, copied, a), "not found")
	live, err := copied.Get(t.Context(), object.RefOf(held))
	if err != nil || live.GetDeletionTimestamp() == nil {
		t.Errorf("held by a finalizer: got %v, want it marked", err)
	}
	apply(t, copied, ns)
	check(t, "content of the namespace made anew", value(t, copied, a), "not found")
	check(t, "below", value(t, base, a), "1")
}

func TestCopiesOfOneHistoryAreEqual(t *testing.T) {
	run := func() string {
		base := memory.New(memory.Options{})
		copied := overlay.New(base, overlay.Options{})
		a := apply(t, base, configMap("a", "red", "1"))
		remove(t, copied, a)
		again := apply(t, copied, configMap("a", "red", "1"))
		if again.GetUID() == a.GetUID() {
			t.Error("an object made anew has the uid of the old one")
		}
		u := configMap("", "red", "1")
		u.SetGenerateName("gen-")
		made, err := copied.Create(context.Background(), u, "test")
		if err != nil {
			t.Fatal(err)
		}
		return string(again.GetUID()) + " " + made.GetName() + " " + made.GetResourceVersion()
	}
	check(t, "second run", run(), run())
}

func TestFidelityIsThatOfTheSchema(t *testing.T) {
	_, copied := newPair(t)
	a := apply(t, copied, configMap("a", "red", "1"))
	check(t, "fidelity", string(copied.Fidelity()), string(world.OfSchema))
	check(t, "trust", string(copied.Trust(object.KeyOf(a))), string(world.OfSchema))
}
