package build

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
)

// What becomes empty is told with the place of its use; what has a default, a
// value, or is written for somebody else ($${x}) is not.
func TestUndefinedVariables(t *testing.T) {
	var b tree.Builder
	for name, text := range map[string]string{
		"app/kustomization.yaml": "resources: [a.yaml, b.yaml]\n",
		"app/a.yaml":             "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a-${env}\n  namespace: x\ndata:\n  one: ${gone}\n  two: ${kept:-1} ${env} $${other} ${gone_too:=}\n",
		"app/b.yaml":             "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\n  namespace: x\ndata:\n  list: |\n    first\n    ${gone/a/b} ${kept:-${inner}}\n",
	} {
		if err := b.Add(name, tree.BlobOf([]byte(text))); err != nil {
			t.Fatal(err)
		}
	}
	source, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	res, _, err := Run(context.Background(), source, Recipe{Path: "app", Substitute: map[string]string{"env": "dev"}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	key := func(name string) object.Key { return object.Key{Kind: "ConfigMap", Namespace: "x", Name: name} }
	want := []Undefined{
		{Name: "gone", Object: key("a-dev"), Field: "data.one", At: "app/a.yaml:7"},
		{Name: "gone", Object: key("b"), Field: "data.list", At: "app/b.yaml:9"},
		{Name: "inner", Object: key("b"), Field: "data.list", At: "app/b.yaml:9"},
	}
	if diff := cmp.Diff(want, res.Undefined); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, _, err := Run(context.Background(), source, Recipe{Path: "app", Substitute: map[string]string{"env": "dev"}, Strict: true}, Options{}); err == nil {
		t.Error("strict: got no error")
	}
}
