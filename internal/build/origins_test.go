package build

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/internal/tree"
)

func TestOrigins(t *testing.T) {
	const url = "https://example.com/org/repo//deploy?ref=v1"
	remote := &remotes{trees: map[string]tree.Tree{url: files(t, map[string]string{
		"deploy/kustomization.yaml": "resources: [far.yaml]\n", "deploy/far.yaml": cm("far"),
	})}}
	tr := files(t, map[string]string{
		"app/kustomization.yaml":  "resources: [../base, own.yaml, \"" + url + "\"]\nnamePrefix: x-\nconfigMapGenerator: [{name: made, literals: [a=b], options: {disableNameSuffixHash: true}}]\n",
		"app/own.yaml":            cm("own"),
		"base/kustomization.yaml": "resources: [b.yaml]\n",
		"base/b.yaml":             cm("\"${n}\""),
	})
	got, err := Origins(context.Background(), tr, Recipe{Path: "app", Substitute: map[string]string{"n": "b"}}, Options{Remote: remote})
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Origin{}
	for ref, o := range got {
		byName[ref.Name] = o
	}
	want := map[string]Origin{
		"x-b":    {File: "base/b.yaml"},
		"x-own":  {File: "app/own.yaml"},
		"x-made": {File: "app/kustomization.yaml", Generated: true},
		"x-far":  {File: "deploy/far.yaml", Repo: "https://example.com/org/repo"},
	}
	if diff := cmp.Diff(want, byName); diff != "" {
		t.Error(diff)
	}
}
