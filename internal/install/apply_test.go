package install

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
)

// told collects steps as "op kind/namespace/name".
type told []string

func (l *told) progress(s Step) { *l = append(*l, fmt.Sprintf("%s %s", s.Op, s.Key)) }

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

func create(t *testing.T, w world.World, text string) *unstructured.Unstructured {
	t.Helper()
	u, err := w.Create(t.Context(), parse(t, text), "test")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func exists(t *testing.T, w world.World, u *unstructured.Unstructured) bool {
	t.Helper()
	live, err := get(t.Context(), w, object.RefOf(u))
	if err != nil {
		t.Fatal(err)
	}
	return live != nil
}

func installed(t *testing.T, o Options) (world.World, []*unstructured.Unstructured) {
	t.Helper()
	w, objs := memory.New(memory.Options{}), render(t, o)
	if err := Apply(t.Context(), w, objs, nil); err != nil {
		t.Fatal(err)
	}
	return w, objs
}

func TestApplyTwiceChangesNothing(t *testing.T) {
	w, objs := memory.New(memory.Options{}), render(t, Options{})
	for _, want := range []Op{Created, Unchanged} {
		var steps told
		if err := Apply(t.Context(), w, objs, steps.progress); err != nil {
			t.Fatal(err)
		}
		if len(steps) != len(objs) {
			t.Errorf("got %d steps, want one for each of %d objects", len(steps), len(objs))
		}
		for _, s := range steps {
			if !strings.HasPrefix(s, string(want)) {
				t.Errorf("got %s, want %s", s, want)
			}
		}
	}
}

func TestApplyStagesDefinitionsFirst(t *testing.T) {
	w, objs := memory.New(memory.Options{}), render(t, Options{})
	var steps told
	if err := Apply(t.Context(), w, objs, steps.progress); err != nil {
		t.Fatal(err)
	}
	namespace := slices.IndexFunc(steps, func(s string) bool { return strings.HasPrefix(s, "created Namespace/") })
	for i, s := range steps {
		if strings.Contains(s, " CustomResourceDefinition/") != (i < namespace) {
			t.Errorf("step %d is %s; the namespace is step %d", i, s, namespace)
		}
	}
}

func TestUninstallLeavesWorkloads(t *testing.T) {
	w, objs := installed(t, Options{})
	workload := create(t, w, "{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: default, labels: {kustomize.toolkit.fluxcd.io/name: apps}}}")
	create(t, w, `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: default, finalizers: [finalizers.fluxcd.io]}
spec: {interval: 1m, prune: true, sourceRef: {kind: GitRepository, name: apps}}`)
	var plan, steps told
	if err := Uninstall(t.Context(), w, Removal{DryRun: true}, plan.progress); err != nil {
		t.Fatal(err)
	}
	if err := Uninstall(t.Context(), w, Removal{}, steps.progress); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(plan, steps) {
		t.Errorf("a dry run said other things:\n%s\nwas done:\n%s", strings.Join(plan, "\n"), strings.Join(steps, "\n"))
	}
	if !slices.Contains(steps, "released Kustomization/default/apps") {
		t.Errorf("the Kustomization was not released: %v", steps)
	}
	for _, obj := range objs {
		if exists(t, w, obj) {
			t.Errorf("%s is still there", object.KeyOf(obj))
		}
	}
	if !exists(t, w, workload) {
		t.Error("the workload is gone")
	}
}

func TestUninstallKeepsTheNamespace(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(w world.World)
		removal Removal
	}{
		{"when asked", func(world.World) {}, Removal{KeepNamespace: true}},
		{"when it is not of the installation", unlabelNamespace, Removal{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, objs := installed(t, Options{})
			c.prepare(w)
			if err := Uninstall(t.Context(), w, c.removal, nil); err != nil {
				t.Fatal(err)
			}
			for _, obj := range objs {
				if got, want := exists(t, w, obj), obj.GetKind() == "Namespace"; got != want {
					t.Errorf("%s: exists: got %t, want %t", object.KeyOf(obj), got, want)
				}
			}
		})
	}
}

func unlabelNamespace(w world.World) {
	_, err := w.Patch(context.Background(), world.Patch{
		Ref:  object.Ref{Key: object.Key{Kind: "Namespace", Name: DefaultNamespace}, Version: "v1"},
		Type: "application/merge-patch+json", Data: []byte(`{"metadata":{"labels":{"` + LabelPartOf + `":null}}}`), Manager: "test",
	})
	if err != nil {
		panic(err)
	}
}

func TestReleasing(t *testing.T) {
	cases := []struct{ name, object, want string }{
		{"suspends and frees", "{kind: Kustomization, metadata: {finalizers: [finalizers.fluxcd.io]}}",
			"{metadata: {resourceVersion: '', finalizers: []}, spec: {suspend: true}}"},
		{"leaves finalizers of others", "{kind: GitRepository, metadata: {finalizers: [finalizers.fluxcd.io, example.com/x]}}",
			"{metadata: {resourceVersion: '', finalizers: [example.com/x]}}"},
		{"knows the generator's finalizer", "{kind: ArtifactGenerator, metadata: {finalizers: [source.extensions.fluxcd.io/finalizer]}}",
			"{metadata: {resourceVersion: '', finalizers: []}}"},
		{"suspends what has no finalizer", "{kind: HelmRelease, metadata: {name: a}}",
			"{metadata: {resourceVersion: ''}, spec: {suspend: true}}"},
		{"has nothing to do", "{kind: Kustomization, metadata: {name: a}, spec: {suspend: true}}", "{}"},
	}
	for _, c := range cases {
		got, _ := yaml.Marshal(releasing(parse(t, c.object)))
		want, _ := yaml.Marshal(parse(t, c.want).Object)
		if strings.Replace(string(got), "null", "{}", 1) != string(want) {
			t.Errorf("%s: got %s, want %s", c.name, got, want)
		}
	}
}

func TestRivals(t *testing.T) {
	const flux = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: %s, namespace: %s, labels: {app.kubernetes.io/part-of: flux}}
spec: {selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: manager, image: a}]}}}`
	w, _ := installed(t, Options{})
	create(t, w, fmt.Sprintf(flux, "kustomize-controller", DefaultNamespace))
	create(t, w, fmt.Sprintf(flux, "source-controller", "default"))
	create(t, w, fmt.Sprintf(flux, "dashboard", "default"))
	cases := []struct {
		options Options
		want    string
	}{
		{Options{}, "source-controller(true) kustomize-controller(true)"},
		{Options{OwnNamespaceOnly: true}, "kustomize-controller(true)"},
		{Options{Layout: LikeFlux, OwnNamespaceOnly: true}, "kustomize-controller(true) leat(false)"},
	}
	for _, c := range cases {
		rivals, err := Rivals(t.Context(), w, c.options)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range rivals {
			got = append(got, fmt.Sprintf("%s(%t)", r.Ref.Name, r.Flux))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: got %v, want %s", c.options, got, c.want)
		}
	}
}
