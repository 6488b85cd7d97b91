package entry

import (
	"fmt"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/tree"
)

func TestErrorNamesWhereAFleetMayBegin(t *testing.T) {
	flux := func(to string) string {
		return "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: x}\nspec: {path: " + to + "}\n"
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a cluster that leads to apps": {map[string]string{
			"kubernetes/flux/cluster/ks.yaml": flux("./kubernetes/apps"), "kubernetes/apps/web/ks.yaml": flux("./kubernetes/apps/web/app"),
			"kubernetes/apps/web/app/a.yaml": "kind: ConfigMap\n", "docs/README.md": flux("./x"),
		}, "pass --path with one of:\n  kubernetes/flux/cluster"},
		"two clusters": {map[string]string{"env/a/ks.yaml": flux("./apps"), "env/b/ks.yaml": flux("./apps"), "apps/a.yaml": "kind: ConfigMap\n"},
			"pass --path with one of:\n  env/a\n  env/b"},
		"clusters come first":   {map[string]string{"clusters/dev/a.yaml": "kind: ConfigMap\n", "env/a/ks.yaml": flux("./apps")}, "one of:\n  clusters/dev"},
		"a file that is broken": {map[string]string{"env/ks.yaml": "kustomize.toolkit.fluxcd.io/v1: [\n"}, "pass --path DIRECTORY"},
	} {
		source, err := tree.FromFiles(c.files)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Find(source, Options{}); err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want ...%s", name, err, c.want)
		}
	}
}

// Every directory in which a cluster may begin is planned by --all, however many there
// are; an error names some.
func TestClustersAreAll(t *testing.T) {
	const many = maxNamed + 5
	var b tree.Builder
	for i := range many {
		text := "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: x}\nspec: {path: ./apps}\n"
		if err := b.Add(fmt.Sprintf("env/%02d/ks.yaml", i), tree.BlobOf([]byte(text))); err != nil {
			t.Fatal(err)
		}
	}
	source, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	if got := Clusters(source); len(got) != many {
		t.Errorf("got %d clusters, want %d", len(got), many)
	}
	for _, o := range []Options{{}, {Path: "elsewhere"}} {
		if _, err := Find(source, o); err == nil || !strings.HasSuffix(err.Error(), "env/19\n  and 5 more") && !strings.HasSuffix(err.Error(), "env/19, and 5 more") {
			t.Errorf("got %v", err)
		}
	}
}
