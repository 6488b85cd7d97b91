package worldtest_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/schema"
)

// The table of built-in kinds says what a real server says of itself.
func TestBuiltinKindsAreThoseOfTheServer(t *testing.T) {
	client, err := discovery.NewDiscoveryClientForConfig(kubetest.Start(t, kubetest.APIOnly).Config)
	if err != nil {
		t.Fatal(err)
	}
	_, lists, err := client.ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, list := range lists {
		for _, r := range list.APIResources {
			if !strings.Contains(r.Name, "/") && slices.Contains(r.Verbs, "get") {
				status := slices.ContainsFunc(list.APIResources, func(s metav1.APIResource) bool { return s.Name == r.Name+"/status" })
				want[list.GroupVersion+" "+r.Kind] = fmt.Sprintf("%s namespaced=%v status=%v", r.Name, r.Namespaced, status)
			}
		}
	}
	got := map[string]string{}
	for _, preferred := range schema.Builtin().All() {
		for _, version := range preferred.Versions {
			k, err := schema.Builtin().Find(preferred.GVK.GroupKind().WithVersion(version))
			if err != nil {
				t.Fatal(err)
			}
			got[k.GVK.GroupVersion().String()+" "+k.GVK.Kind] = fmt.Sprintf("%s namespaced=%v status=%v", k.Resource, k.Namespaced, k.Status)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(want)) {
		if got[kind] != want[kind] {
			t.Errorf("%s: got %q, want %q", kind, got[kind], want[kind])
		}
		delete(got, kind)
	}
	for _, kind := range slices.Sorted(maps.Keys(got)) {
		t.Errorf("%s: the server does not serve it", kind)
	}
}

// What FieldSet says an apply would own is what the server then says it owns:
// after a restart that spares a dry run.
func TestFieldSetIsWhatTheServerNotes(t *testing.T) {
	d := newDifference(t)
	for i, u := range d.templates() {
		if u.GetName() == "" {
			u.SetName(fmt.Sprintf("fields%d", i))
		}
		kind, err := d.memory.(interface {
			Schema(contextType, gvks.GroupVersionKind) (*schema.Kind, error)
		}).Schema(t.Context(), u.GroupVersionKind())
		if err != nil {
			t.Fatal(err)
		}
		if kind.Namespaced {
			u.SetNamespace(d.namespace)
		}
		live, err := d.real.Apply(t.Context(), world.Apply{Object: u, Manager: "fields", Force: true})
		if err != nil {
			continue // refused: TestMemoryEqualsServer counts those
		}
		got, err := kind.FieldsV1(u)
		if err != nil {
			t.Errorf("%s: %v", u.GetKind(), err)
			continue
		}
		want := "{}"
		for _, e := range live.GetManagedFields() {
			if e.Manager == "fields" {
				want = string(e.FieldsV1.Raw)
			}
		}
		if string(got) != want {
			t.Errorf("%s:\ngot  %s\nwant %s", u.GetKind(), got, want)
		}
	}
}
