package entry

import (
	"testing"

	"github.com/leat-dev/leat/internal/tree"
)

// A directory may say of itself what applies it, in a file of any name.
func TestDeclaredEntries(t *testing.T) {
	const (
		repository = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: home, namespace: flux-system}\nspec: {url: https://git.example.com/home.git}\n"
		cluster    = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: cluster, namespace: flux-system}\nspec: {path: ./kubernetes/flux, sourceRef: {kind: GitRepository, name: home}}\n"
		other      = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\nspec: {path: ./kubernetes/apps, sourceRef: {kind: GitRepository, name: home}}\n"
	)
	for name, c := range map[string]struct {
		files      map[string]string
		path, want string // name of the Kustomization and its path
	}{
		"both in a file":          {map[string]string{"kubernetes/flux/config/cluster.yaml": repository + "---\n" + cluster + "---\n" + other}, "kubernetes/flux", "cluster kubernetes/flux"},
		"in two files":            {map[string]string{"kubernetes/flux/a.yaml": repository, "kubernetes/flux/b.yml": cluster}, "kubernetes/flux", "cluster kubernetes/flux"},
		"no path is asked for":    {map[string]string{"kubernetes/flux/a.yaml": repository + "---\n" + cluster}, "", "cluster kubernetes/flux"},
		"another path":            {map[string]string{"kubernetes/flux/a.yaml": repository + "---\n" + cluster, "kubernetes/apps/a.yaml": "kind: X\n"}, "kubernetes/apps", "flux-system kubernetes/apps"},
		"the source is elsewhere": {map[string]string{"kubernetes/flux/a.yaml": cluster, "kubernetes/apps/a.yaml": repository}, "kubernetes/flux", "flux-system kubernetes/flux"},
		"two that apply it":       {map[string]string{"kubernetes/flux/a.yaml": repository + "---\n" + cluster + "---\n" + cluster}, "kubernetes/flux", "flux-system kubernetes/flux"},
		"a broken file":           {map[string]string{"kubernetes/flux/a.yaml": repository + "---\n" + cluster, "kubernetes/flux/b.yaml": "source.toolkit.fluxcd.io/v1: [\n"}, "kubernetes/flux", "cluster kubernetes/flux"},
		"another's directory":     {map[string]string{"ours/a.yaml": repository + "---\n" + cluster, "kubernetes/flux/a.yaml": "kind: X\n"}, "kubernetes/flux", "flux-system kubernetes/flux"},
	} {
		source, err := tree.FromFiles(c.files)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Find(source, Options{Path: c.path})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := e.Kustomization.GetName() + " " + e.Path; got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
		if url := e.URL(); (url == LocalURL) != (e.Kustomization.GetName() == "flux-system") {
			t.Errorf("%s: the address is %s", name, url)
		}
	}
}
