package plan

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"github.com/leat-dev/leat/internal/object"
)

// newObject makes an object of apiVersion and kind with the fields given.
func newObject(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{}
	obj.SetAPIVersion(apiVersion)
	obj.SetKind(kind)
	obj.SetNamespace(namespace)
	obj.SetName(name)
	return obj
}

// reconcileOrder is the order list of the reference, with other kinds between.
var reconcileOrder = []string{
	"CustomResourceDefinition", "Namespace", "ClusterRole", "ClusterClass", "RuntimeClass", "PriorityClass",
	"StorageClass", "VolumeSnapshotClass", "IngressClass", "GatewayClass", "ClusterRoleBinding", "ResourceQuota",
	"ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Secret", "Service", "LimitRange", "Deployment",
	"StatefulSet", "CronJob", "PodDisruptionBudget",
	"DaemonSet", "Ingress", // others, by kind within one group
	"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration",
}

func TestReconcileOrder(t *testing.T) {
	var objs []*unstructured.Unstructured
	for _, kind := range reconcileOrder {
		objs = append(objs, newObject("v1", kind, "", "x"))
	}
	rand.Shuffle(len(objs), func(i, j int) { objs[i], objs[j] = objs[j], objs[i] })
	var got []string
	for _, obj := range SortObjects(objs) {
		got = append(got, obj.GetKind())
	}
	if !slices.Equal(got, reconcileOrder) {
		t.Errorf("got  %v\nwant %v", got, reconcileOrder)
	}
}

func TestCompareTies(t *testing.T) {
	sorted := []object.Key{
		{Group: "", Kind: "Secret", Namespace: "b", Name: "b"},
		{Group: "other.io", Kind: "Secret", Namespace: "a", Name: "a"}, // only the name of a kind ranks
		{Group: "", Kind: "Pod", Namespace: "a", Name: "b"},
		{Group: "", Kind: "Pod", Namespace: "b", Name: "a"},
		{Group: "apps", Kind: "DaemonSet", Name: "a"},
		{Group: "batch", Kind: "Job", Name: "a"},
		{Group: "batch", Kind: "Job", Name: "b"},
	}
	for i := range sorted {
		for j := range sorted {
			got := Compare(sorted[i], sorted[j])
			if sign(got) != sign(i-j) {
				t.Errorf("Compare(%v, %v) = %d, want the sign of %d", sorted[i], sorted[j], got, i-j)
			}
		}
	}
}

func sign(n int) int { return max(-1, min(1, n)) }

func TestStageOf(t *testing.T) {
	custom := map[schema.GroupKind]bool{{Group: "cert-manager.io", Kind: "Issuer"}: true, {Group: "x.io", Kind: "FooClass"}: true}
	for _, tc := range []struct {
		apiVersion, kind string
		want             StageName
	}{
		{"apiextensions.k8s.io/v1", "CustomResourceDefinition", Definitions},
		{"apiextensions.k8s.io/v1beta1", "CustomResourceDefinition", Definitions},
		{"example.com/v1", "CustomResourceDefinition", Resources},
		{"v1", "Namespace", Definitions},
		{"example.com/v1", "Namespace", Resources},
		{"rbac.authorization.k8s.io/v1", "ClusterRole", Definitions},
		{"rbac.authorization.k8s.io/v1", "ClusterRoleBinding", Resources},
		{"storage.k8s.io/v1", "StorageClass", Classes},
		{"example.com/v1", "AnyClass", Classes},
		{"x.io/v1", "FooClass", Classes}, // a class even if named as custom
		{"example.com/v1", "Classy", Resources},
		{"cert-manager.io/v1", "Issuer", Custom},
		{"apps/v1", "Deployment", Resources},
	} {
		got := StageOf(schema.FromAPIVersionAndKind(tc.apiVersion, tc.kind), custom)
		if got != tc.want {
			t.Errorf("%s %s: got %s, want %s", tc.apiVersion, tc.kind, got, tc.want)
		}
	}
	for stage, want := range map[StageName]bool{Definitions: true, Classes: true, Custom: false, Resources: false} {
		if stage.Awaited() != want {
			t.Errorf("%s.Awaited() = %v, want %v", stage, !want, want)
		}
	}
}

func TestParseStageKinds(t *testing.T) {
	got, err := ParseStageKinds("cert-manager.io/Issuer, Secret")
	want := map[schema.GroupKind]bool{{Group: "cert-manager.io", Kind: "Issuer"}: true, {Kind: "Secret"}: true}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if got, err := ParseStageKinds(""); err != nil || len(got) != 0 {
		t.Errorf("empty: got %v, %v", got, err)
	}
	for _, bad := range []string{"a/b/c", "a/", ","} {
		if _, err := ParseStageKinds(bad); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}

// drawObjects draws objects with different keys.
func drawObjects(t *rapid.T) []*unstructured.Unstructured {
	kinds := [][2]string{
		{"v1", "Namespace"}, {"v1", "ConfigMap"}, {"v1", "Secret"}, {"apps/v1", "Deployment"}, {"batch/v1", "Job"},
		{"storage.k8s.io/v1", "StorageClass"}, {"example.com/v1", "Widget"}, {"example.com/v1", "ConfigMap"},
		{"apiextensions.k8s.io/v1", "CustomResourceDefinition"}, {"admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"},
	}
	draw := rapid.Custom(func(t *rapid.T) *unstructured.Unstructured {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		return newObject(kind[0], kind[1],
			rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "namespace"), rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "name"))
	})
	return rapid.SliceOfDistinct(draw, func(u *unstructured.Unstructured) object.Key { return object.KeyOf(u) }).Draw(t, "objects")
}

func keysOf(objs []*unstructured.Unstructured) []object.Key {
	var keys []object.Key
	for _, obj := range objs {
		keys = append(keys, object.KeyOf(obj))
	}
	return keys
}

// TestOrderProperties: permuted input changes nothing, stages hold everything
// once and in order, and pruning is the reverse of applying.
func TestOrderProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		objs := drawObjects(t)
		permuted := rapid.Permutation(objs).Draw(t, "permuted")
		sorted := keysOf(SortObjects(objs))
		if got := keysOf(SortObjects(permuted)); !slices.Equal(got, sorted) {
			t.Fatalf("permuted input: got %v, want %v", got, sorted)
		}
		if !reflect.DeepEqual(Stages(objs, nil), Stages(permuted, nil)) {
			t.Fatal("permuted input changed the stages")
		}
		if !slices.IsSortedFunc(sorted, Compare) {
			t.Fatalf("not in order: %v", sorted)
		}

		var staged []object.Key
		for _, batch := range Stages(objs, nil) {
			keys := keysOf(batch.Objects)
			if len(keys) == 0 || !slices.IsSortedFunc(keys, Compare) {
				t.Fatalf("stage %s: %v", batch.Stage, keys)
			}
			staged = append(staged, keys...)
		}
		slices.SortFunc(staged, Compare)
		if !slices.Equal(staged, sorted) {
			t.Fatalf("stages hold %v, want %v", staged, sorted)
		}

		var refs []object.Ref
		for _, obj := range permuted {
			refs = append(refs, object.RefOf(obj))
		}
		var pruned []object.Key
		for _, ref := range SortForPrune(refs) {
			pruned = append(pruned, ref.Key)
		}
		slices.Reverse(pruned)
		if !slices.Equal(pruned, sorted) {
			t.Fatalf("prune order is not the reverse: %v, want %v", pruned, sorted)
		}
	})
}
