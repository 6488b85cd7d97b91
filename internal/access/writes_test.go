package access

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestWritten(t *testing.T) {
	window := Window{began, began.Add(30 * time.Minute)}
	entry := func(manager string, after int, fields string) metav1.ManagedFieldsEntry {
		at := metav1.NewTime(began.Add(time.Duration(after) * time.Minute))
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: "Update", Time: &at, FieldsV1: &metav1.FieldsV1{Raw: []byte(fields)}}
	}
	status := entry("kubectl-edit", 5, `{}`)
	status.Subresource = "status"
	scaled := entry("kubectl", 0, `{"f:spec":{"f:replicas":{}}}`)
	scaled.Subresource, scaled.Time = "scale", nil // the API server notes none
	autoscaled := scaled
	autoscaled.Manager = "kube-controller-manager"
	disguised := scaled
	disguised.Manager = "kustomize-controller" // who scales so is what the client calls itself
	deployment, kustomization := schema.GroupKind{Group: "apps", Kind: "Deployment"}, schema.GroupKind{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization"}
	cases := []struct {
		name    string
		kind    schema.GroupKind
		entries []metav1.ManagedFieldsEntry
		want    string // manager; empty: not written
	}{
		{"by hand", deployment, []metav1.ManagedFieldsEntry{entry("kustomize-controller", 1, `{}`), entry("kubectl-edit", 5, `{}`)}, "kubectl-edit"},
		{"before", deployment, []metav1.ManagedFieldsEntry{entry("kubectl-edit", -1, `{}`)}, ""},
		{"after", deployment, []metav1.ManagedFieldsEntry{entry("kubectl-edit", 31, `{}`)}, ""},
		{"by the engine", deployment, []metav1.ManagedFieldsEntry{entry("kustomize-controller", 5, `{}`)}, ""},
		{"a status", deployment, []metav1.ManagedFieldsEntry{status}, ""},
		{"scaled", deployment, []metav1.ManagedFieldsEntry{scaled}, "kubectl"},
		{"scaled as if by the engine", deployment, []metav1.ManagedFieldsEntry{disguised}, "kustomize-controller"},
		{"scaled by an autoscaler", deployment, []metav1.ManagedFieldsEntry{autoscaled}, ""},
		{"without a time", deployment, []metav1.ManagedFieldsEntry{{Manager: "kubectl-edit", Operation: "Update"}}, ""},
		{"by two", deployment, []metav1.ManagedFieldsEntry{entry("kubectl-edit", 5, `{}`), entry("helm", 9, `{}`)}, "helm,kubectl-edit"},
		{"suspended", kustomization, []metav1.ManagedFieldsEntry{entry("flux", 5, `{"f:spec":{"f:suspend":{}}}`)}, "flux"},
	}
	var all []Write
	for _, c := range cases {
		obj := &metav1.ObjectMeta{Name: "a", Namespace: "shop", ManagedFields: c.entries, CreationTimestamp: metav1.NewTime(began.Add(-time.Hour)),
			Labels: map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}
		w, ok := Written(c.kind, obj, window)
		if ok != (c.want != "") || ok && (w.Manager != c.want || w.Created || w.At.IsZero()) {
			t.Errorf("%s: got %+v %t, want %q", c.name, w, ok, c.want)
		}
		if ok {
			all = append(all, w)
		}
	}
	var units []string
	for _, key := range Units(all) {
		units = append(units, key.String())
	}
	if diff := cmp.Diff(units, []string{"Kustomization/flux-system/apps", "Kustomization/shop/a"}); diff != "" {
		t.Errorf("units (-got +want):\n%s", diff)
	}
}

func TestSortedIsBounded(t *testing.T) {
	shown, more := Sorted(make([]Write, MaxWrites+7))
	if len(shown) != MaxWrites || more != 7 {
		t.Errorf("got %d and %d more", len(shown), more)
	}
}

// Who writes much that nobody owns does not keep what a unit applies, or a unit that was
// suspended, from being told.
func TestWhatUnitsApplyIsToldFirst(t *testing.T) {
	var all []Write
	at := func(n int) metav1.Time { return metav1.NewTime(began.Add(time.Duration(n) * time.Second)) }
	for i := range MaxWrites {
		all = append(all, Write{Kind: "ConfigMap", Namespace: "shop", At: at(i)})
	}
	all = append(all, Write{Kind: "Deployment", Namespace: "shop", Name: "web", Unit: "Kustomization/flux-system/apps", At: at(100)},
		Write{Kind: "Kustomization", Namespace: "flux-system", Name: "apps", Suspended: true, At: at(101)})
	shown, more := Sorted(all)
	if last := shown[len(shown)-2:]; more != 2 || len(shown) != MaxWrites || last[0].Name != "web" || !last[1].Suspended {
		t.Errorf("got %d more and at last %+v", more, last)
	}
	if got := shown[0].At; !got.Equal(new(at(0))) {
		t.Errorf("the first is of %s", got)
	}
}

// What went wrong does not make an end too long to be written.
func TestAnEndIsBounded(t *testing.T) {
	var end End
	for i := range 10_000 {
		end.Miss("ConfigMaps in %d: %s", i, strings.Repeat("é", 4000))
	}
	text, err := json.Marshal(end)
	if err != nil || len(text) > 256<<10 || !strings.Contains(end.Unread[len(end.Unread)-1], "9901 more") || !utf8.ValidString(end.Unread[0]) {
		t.Errorf("got %d bytes, %v, at last %s", len(text), err, end.Unread[len(end.Unread)-1])
	}
}
