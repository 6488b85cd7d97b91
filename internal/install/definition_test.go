package install

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// definition makes one that serves versions; a star marks the stored one.
func definition(versions string) *unstructured.Unstructured {
	var list []any
	for _, v := range strings.Fields(versions) {
		name, stored := strings.CutSuffix(v, "*")
		list = append(list, map[string]any{"name": name, "served": true, "storage": stored})
	}
	return &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"versions": list}}}
}

func described(t *testing.T, d *unstructured.Unstructured) string {
	t.Helper()
	all, err := versions(d)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, v := range all {
		name := fmt.Sprint(v["name"])
		if v["storage"] == true {
			name += "*"
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

func TestUpgrade(t *testing.T) {
	cases := []struct{ name, live, want, merged, kept string }{
		{"from older versions", "v1beta2* v1beta1", "v1* v1beta2 v1beta1", "v1* v1beta2 v1beta1", ""},
		{"from the same", "v1* v1beta2", "v1* v1beta2", "v1* v1beta2", ""},
		{"keeps a version that is not known", "v1* v1alpha1", "v1*", "v1* v1alpha1", "v1alpha1"},
		{"keeps storing in a newer version", "v1 v2*", "v1* v1beta2", "v1 v1beta2 v2*", "v2"},
	}
	for _, c := range cases {
		merged, kept, err := Upgrade(definition(c.live), definition(c.want))
		if err != nil {
			t.Fatal(err)
		}
		if got := described(t, merged); got != c.merged || strings.Join(kept, " ") != c.kept {
			t.Errorf("%s: got %s, kept %v, want %s, kept %s", c.name, got, kept, c.merged, c.kept)
		}
	}
	fresh, kept, err := Upgrade(nil, definition("v1*"))
	if err != nil || len(kept) > 0 || described(t, fresh) != "v1*" {
		t.Errorf("over none: got %v, %v, %v", fresh, kept, err)
	}
}
