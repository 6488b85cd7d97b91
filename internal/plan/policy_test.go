package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
)

const group = "kustomize.toolkit.fluxcd.io/"

func annotated(key, value string) *unstructured.Unstructured {
	obj := newObject("v1", "ConfigMap", "a", "x")
	obj.SetAnnotations(map[string]string{key: value})
	return obj
}

func labelled(key, value string) *unstructured.Unstructured {
	obj := newObject("v1", "ConfigMap", "a", "x")
	obj.SetLabels(map[string]string{key: value})
	return obj
}

func TestPolicyOf(t *testing.T) {
	plain := newObject("v1", "ConfigMap", "a", "x")
	for _, tc := range []struct {
		name          string
		desired, live *unstructured.Unstructured
		want          Policy // Skip: any text stands for «some reason»
	}{
		{"nothing", plain, plain, Policy{}},
		{"nothing live", plain, nil, Policy{}},
		{"override is the default", annotated(group+"ssa", "Override"), plain, Policy{}},
		{"ignore desired", annotated(group+"ssa", "Ignore"), plain, Policy{Skip: "*"}},
		{"ignore live", plain, annotated(group+"ssa", "ignore"), Policy{Skip: "*"}},
		{"ignore as label", labelled(group+"ssa", "IGNORE"), nil, Policy{Skip: "*"}},
		{"reconcile disabled", annotated(group+"reconcile", "disabled"), nil, Policy{Skip: "*"}},
		{"reconcile disabled live", plain, labelled(group+"reconcile", "Disabled"), Policy{Skip: "*"}},
		{"reconcile enabled", annotated(group+"reconcile", "enabled"), plain, Policy{}},
		{"if not present, and it is", annotated(group+"ssa", "IfNotPresent"), plain, Policy{Skip: "*"}},
		{"if not present, and it is not", annotated(group+"ssa", "IfNotPresent"), nil, Policy{}},
		{"if not present counts on desired only", plain, annotated(group+"ssa", "IfNotPresent"), Policy{}},
		{"merge desired", annotated(group+"ssa", "merge"), plain, Policy{Merge: true}},
		{"merge live", plain, labelled(group+"ssa", "Merge"), Policy{Merge: true}},
		{"force desired", annotated(group+"force", "Enabled"), plain, Policy{Force: true}},
		{"force live", plain, annotated(group+"force", "enabled"), Policy{Force: true}},
		{"force disabled", annotated(group+"force", "disabled"), plain, Policy{}},
		{"prune is not about applying", annotated(group+"prune", "disabled"), plain, Policy{}},
		{"empty value", annotated(group+"reconcile", ""), plain, Policy{}},
	} {
		got := PolicyOf(tc.desired, tc.live)
		if (got.Skip != "") != (tc.want.Skip != "") || got.Merge != tc.want.Merge || got.Force != tc.want.Force {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

func TestReplaceable(t *testing.T) {
	kind := schema.GroupKind{Group: "batch", Kind: "Job"}
	resource := schema.GroupResource{Group: "batch", Resource: "jobs"}
	for _, tc := range []struct {
		name string
		err  error
		want bool
	}{
		{"none", nil, false},
		{"invalid", apierrors.NewInvalid(kind, "x", nil), true},
		{"conflict", apierrors.NewConflict(resource, "x", errors.New("something")), true},
		{"wrapped", fmt.Errorf("dry run: %w", apierrors.NewInvalid(kind, "x", nil)), true},
		{"CEL rule", errors.New("spec: Invalid value: Value is immutable"), true},
		{"webhook", errors.New("admission webhook denied: cannot change immutable field(s)"), true},
		{"not immutable", errors.New("is not immutable"), false},
		{"forbidden", apierrors.NewForbidden(resource, "x", errors.New("no")), false},
		{"not found", apierrors.NewNotFound(resource, "x"), false},
		{"lost race", apierrors.NewConflict(resource, "x", errors.New("the object has been modified; please apply your changes to the latest version and try again")), false},
		{"precondition", apierrors.NewConflict(resource, "x", errors.New("Precondition failed: UID in precondition: 1, UID in object meta: 2")), false},
	} {
		if got := Replaceable(tc.err); got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestRemovalDecide(t *testing.T) {
	for _, tc := range []struct {
		policy DeletionPolicy
		prune  bool
		want   Fate
	}{
		{"", true, Remove}, {"", false, Keep},
		{MirrorPrune, true, Remove}, {MirrorPrune, false, Keep},
		{DeletePolicy, true, Remove}, {DeletePolicy, false, Remove},
		{WaitForTermination, true, RemoveAndWait}, {WaitForTermination, false, RemoveAndWait},
		{Orphan, true, Keep}, {Orphan, false, Keep},
		{"Unheard", true, Keep},
	} {
		if got := (Removal{tc.policy, tc.prune, false}).Decide(); got != tc.want {
			t.Errorf("%q prune %v: got %s, want %s", tc.policy, tc.prune, got, tc.want)
		}
		if got := (Removal{tc.policy, tc.prune, true}).Decide(); got != Keep {
			t.Errorf("%q prune %v suspended: got %s, want %s", tc.policy, tc.prune, got, Keep)
		}
	}
}

// TestMarksAreNamed keeps the keys of marks as Flux has them.
func TestMarksAreNamed(t *testing.T) {
	for _, key := range []string{object.AnnotationSSA, object.AnnotationReconcile, object.AnnotationPrune, object.AnnotationForce} {
		if !strings.HasPrefix(key, group) {
			t.Errorf("%s does not begin with %s", key, group)
		}
	}
}
