package app

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/object"
)

// Objects of kinds without namespaces that carry one, as kustomize and targetNamespace
// make them, are those that the API keeps: their unit becomes ready, its inventory names
// them as Flux's does, a plan tells what changes of them, and one that was applied
// without is not pruned.
func TestObjectsWithANamespaceThatTheirKindHasNot(t *testing.T) {
	files := map[string]string{
		"clusters/x/a.yaml": strings.ReplaceAll(leavesUnit("a", "./a"), "prune: false", "prune: true, wait: true"),
		"clusters/x/b.yaml": strings.ReplaceAll(leavesUnit("b", "./b"), "prune: false", "prune: true, wait: true, dependsOn: [{name: a}]"),
		"a/crd.yaml": `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com, namespace: default}
spec:
  group: example.com
  scope: Cluster
  names: {kind: Thing, plural: things}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`,
		"a/role.yaml":  "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: role, namespace: default}\nrules: []\n",
		"a/thing.yaml": "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: same, namespace: default}\n",
		"b/thing.yaml": "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: thing, namespace: default}\nspec: {a: 1}\n",
	}
	bare := maps.Clone(files)
	for name := range bare {
		if !strings.HasPrefix(name, "clusters/") {
			bare[name] = strings.ReplaceAll(bare[name], ", namespace: default", "")
		}
	}
	changed := maps.Clone(files)
	changed["b/thing.yaml"] = strings.ReplaceAll(files["b/thing.yaml"], "a: 1", "a: 2")
	p, err := NewPreviews(PreviewConfig{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	for name, c := range map[string]struct {
		base, head map[string]string
		want       []string
	}{
		"a change":         {files, changed, []string{"change Thing/thing"}},
		"with a namespace": {bare, files, nil},
		"without one":      {files, bare, nil},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := p.compare(t.Context(), entry.Options{Path: "clusters/x"}, leaves(t, c.base, "a"), leaves(t, c.head, "b"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, u := range found.Set.Units {
				for _, o := range u.Objects {
					got = append(got, o.String())
					if o.Origin.File != "b/thing.yaml" {
						t.Errorf("%s is from %q", o, o.Origin.File)
					}
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			for _, u := range found.Set.After.Units {
				if u.State != fleet.Ready {
					t.Errorf("%s is %s: %s on %v", u.Key, u.State, u.Message, u.On)
				}
				for _, o := range u.Objects {
					if o.Ref.Namespace != "" && u.Key.Kind == "Kustomization" && o.Ref.Group != object.GroupKustomize {
						t.Errorf("%s has %s in its inventory", u.Key, o.Ref)
					}
				}
			}
		})
	}
}

// So are those of a release. (Helm by itself would compare what it read back, which has no
// namespace, with the old manifest, which has, and delete what it has just changed.)
func TestReleaseWithANamespaceThatAKindHasNot(t *testing.T) {
	files := chartFleet("1", "1", "1.0.0")
	files["chart/values.yaml"] = "verb: get\n"
	files["chart/templates/role.yaml"] = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: role, namespace: default}\n" +
		"rules: [{apiGroups: [''], resources: [pods], verbs: ['{{ .Values.verb }}']}]\n"
	head := maps.Clone(files)
	head["app/release.yaml"] = strings.Replace(files["app/release.yaml"], "interval: 1m,", "interval: 1m, values: {verb: list},", 1)
	p, err := NewPreviews(PreviewConfig{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	found, err := p.compare(t.Context(), entry.Options{Path: "clusters/x"}, leaves(t, files, "a"), leaves(t, head, "b"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range found.Set.Units {
		for _, o := range u.Objects {
			got = append(got, o.String())
		}
	}
	if want := []string{"change HelmRelease/default/rel", "change ClusterRole/role"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is approved does not depend on which kinds a cluster has: who approves may have
// rendered where the definition of one is not known.
func TestApprovedWhereTheKindIsNotKnown(t *testing.T) {
	const definition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {kind: Thing, plural: things}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`
	const thing = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: thing, namespace: default}\nspec: {a: 1}\n"
	seal := gate.SealOf("https://git.example.com/team/fleet", "word")
	p, err := NewPreviews(PreviewConfig{CacheDir: t.TempDir(), Options: engine.Options{Approvals: engine.Approvals{Seal: &seal}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	digests := map[string]gate.Digest{}
	for digit, first := range map[string]string{"a": definition, "b": "apiVersion: v1\nkind: Namespace\nmetadata: {name: none}\n"} {
		v, err := p.Open(t.Context(), leaves(t, map[string]string{
			"clusters/x/a.yaml": leavesUnit("a", "./a"), "a/first.yaml": first,
			"clusters/x/b.yaml": strings.ReplaceAll(leavesUnit("b", "./b"), "prune: false", "prune: false, dependsOn: [{name: a}]"), "b/thing.yaml": thing,
		}, digit).Snapshot, entry.Options{Path: "clusters/x"})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range v.Rendered(t.Context()).Units {
			if u.Key.Name == "b" {
				digests[digit] = v.digest(u.Key)
			}
		}
		v.Close()
	}
	if digests["a"] == "" || digests["a"] != digests["b"] {
		t.Errorf("the kind is known: %q, it is not: %q; want one digest", digests["a"], digests["b"])
	}
}

// A finding about an object that is written with a namespace its kind has not names the
// file all the same.
func TestFlawOfAnObjectWithANamespaceThatItsKindHasNot(t *testing.T) {
	p, err := NewPreviews(PreviewConfig{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	base := map[string]string{
		"clusters/x/a.yaml": leavesUnit("a", "./a"),
		"a/role.yaml":       "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: role, namespace: default}\nrules: []\n",
	}
	head := maps.Clone(base)
	head["a/role.yaml"] += "rulez: []\n"
	found, err := p.compare(t.Context(), entry.Options{Path: "clusters/x"}, leaves(t, base, "a"), leaves(t, head, "b"))
	if err != nil {
		t.Fatal(err)
	}
	if flaws := found.Set.Flaws[1]; len(flaws) != 1 || !strings.HasPrefix(flaws[0].At, "a/role.yaml") {
		t.Errorf("got %+v, want one of a/role.yaml", flaws)
	}
}
