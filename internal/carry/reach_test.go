package carry

import (
	"testing"

	"github.com/leat-dev/leat/internal/tree"
)

func TestReaches(t *testing.T) {
	files, err := tree.FromFiles(map[string]string{
		"prod/kustomization.yaml":       "resources: [../base, own.yaml]\nnamePrefix: web\n",
		"prod/own.yaml":                 "kind: ConfigMap\n",
		"prod/beside.yaml":              "kind: ConfigMap\n",
		"base/kustomization.yml":        "components:\n  - ../parts\nconfigMapGenerator:\n  - name: a\n    files: [key=data/a.txt]\n",
		"base/data/a.txt":               "a",
		"base/data/b.txt":               "b",
		"parts/Kustomization":           "kind: Component\npatches: [{path: ../patches/p.yaml}]\nresources: [../prod]\n",
		"patches/p.yaml":                "[]\n",
		"patches/q.yaml":                "[]\n",
		"plain/deep/a.yaml":             "kind: ConfigMap\n",
		"units/kustomization.yaml":      "resources: [apps.yaml]\n",
		"units/apps.yaml":               "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec: {path: ./prod}\n",
		"unread/kustomization.yaml":     "resources: [\n",
		"commented/kustomization.yaml":  "resources: [a.yaml] # ../base\n",
		"commented/a.yaml":              "kind: ConfigMap\n",
		"escaping/kustomization.yaml":   "resources: [../../elsewhere, /plain]\n",
		"clusters/x/kustomization.yaml": "resources: [../../plain/deep]\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dir, file string
		want      bool
	}{
		{"prod", "prod/own.yaml", true},
		{"./prod/", "prod/kustomization.yaml", true},
		{"prod", "prod/beside.yaml", false}, // beside the kustomization, and not named
		{"prod", "base/kustomization.yml", true},
		{"prod", "base/data/a.txt", true},
		{"prod", "base/data/b.txt", false},
		{"prod", "patches/p.yaml", true}, // of a component of the base
		{"prod", "patches/q.yaml", false},
		{"base", "prod/own.yaml", true}, // round a circle
		{"plain", "plain/deep/a.yaml", true},
		{"plain", "prod/own.yaml", false},
		{"clusters/x", "plain/deep/a.yaml", true},
		{"units", "plain/deep/a.yaml", true}, // a unit may read anything
		{"unread", "plain/deep/a.yaml", true},
		{"commented", "base/data/a.txt", false},
		{"escaping", "prod/own.yaml", false},
		{"nowhere", "prod/own.yaml", false},
		{"../..", "prod/own.yaml", true},
		{".", "prod/own.yaml", true},
	} {
		if got := Reaches(files, c.dir, []string{"another.yaml", c.file}); got != c.want {
			t.Errorf("%s reaches %s: got %v, want %v", c.dir, c.file, got, c.want)
		}
	}
}
