package provenance

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
)

// edited returns a tree with texts replaced: file, old, new.
func edited(t testing.TB, tr tree.Tree, edits ...[3]string) tree.Tree {
	t.Helper()
	for _, e := range edits {
		data, err := tr.ReadFile(e[0])
		if err != nil {
			t.Fatal(err)
		}
		now := strings.Replace(string(data), e[1], e[2], 1)
		if now == string(data) {
			t.Fatalf("%s has no %q", e[0], e[1])
		}
		if tr, err = tr.With(e[0], tree.BlobOf([]byte(now))); err != nil {
			t.Fatal(err)
		}
	}
	return tr
}

// told lists what a filled change says: object, field, place.
func told(set change.Set) []string {
	var out []string
	line := func(what string, f change.Field) {
		at := "?"
		if f.Origin != nil {
			at = f.Origin.At()
		}
		out = append(out, fmt.Sprintf("%s %s %s", what, f.Path, at))
	}
	for _, u := range set.Units {
		for _, f := range u.Spec {
			line(u.Key.Name, f)
		}
		for _, o := range u.Objects {
			if len(o.Fields) == 0 {
				out = append(out, fmt.Sprintf("%s %s %s", o.Op, o.Ref.Key, o.Origin.At()))
			}
			for _, f := range o.Fields {
				line(o.Ref.Key.String(), f)
			}
		}
		if u.Release != nil {
			for _, f := range u.Release.Values {
				line(u.Key.Name, f)
			}
		}
	}
	return out
}

// A change says of each field the line that the change is about: the variable
// and not its use, the patch and not the base; what went, where it was.
func TestFill(t *testing.T) {
	_, base := read(t, "testdata/mechanisms.txtar")
	head := edited(t, base,
		[3]string{"cluster/vars.yaml", "zone: north", "zone: south"},
		[3]string{"apps/dev/kustomization.yaml", "count: 3", "count: 4"},
		[3]string{"apps/dev/patch.yaml", "memory: 100Mi", "memory: 200Mi"},
		[3]string{"apps/base/web.yaml", "          args:\n            - --listen=:80\n", ""},
		[3]string{"cluster/apps.yaml", "revisionHistoryLimit: 7", "revisionHistoryLimit: 8"},
		[3]string{"apps/base/more.yaml", "---\napiVersion: v1\nkind: Secret\nmetadata: {name: hidden}\nstringData:\n  password: correct-horse\n", ""},
	)
	cache := build.NewCache(build.Limits{})
	a, b := renderWith(t, base, "cluster", cache), renderWith(t, head, "cluster", cache)
	set := change.Compare(a.rendered, b.rendered, change.Options{})
	if err := Fill(context.Background(), &set, Sides{Base: a.fleet(), Head: b.fleet()}); err != nil {
		t.Fatal(err)
	}
	want := `apps /spec/patches/0/patch cluster/apps.yaml:25
Deployment/apps/dev-web /metadata/annotations/url cluster/vars.yaml:5
Deployment/apps/dev-web /metadata/annotations/zone cluster/vars.yaml:5
Deployment/apps/dev-web /spec/replicas apps/dev/kustomization.yaml:8
Deployment/apps/dev-web /spec/revisionHistoryLimit cluster/apps.yaml:25
Deployment/apps/dev-web /spec/template/spec/containers/0/args apps/base/web.yaml:18
Deployment/apps/dev-web /spec/template/spec/containers/0/resources/limits/memory apps/dev/patch.yaml:9
delete Secret/apps/dev-hidden apps/base/more.yaml:6
Kustomization/flux-system/apps /spec/patches/0/patch cluster/apps.yaml:25
ConfigMap/flux-system/vars /data/zone cluster/vars.yaml:5`
	if got := strings.Join(told(set), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The name of a generated object tells of its content: a reference to it changes
// with the line of the content that changed.
func TestFillOfHashedNames(t *testing.T) {
	base, err := tree.FromFiles(map[string]string{
		"kustomization.yaml": `namespace: apps
resources: [pod.yaml]
configMapGenerator:
  - name: settings
    literals:
      - a=one
      - b=two
    files: [app.conf]
`,
		"app.conf": "first\nsecond\n",
		"pod.yaml": `apiVersion: v1
kind: Pod
metadata: {name: web, namespace: apps}
spec:
  containers:
    - name: web
      envFrom:
        - configMapRef:
            name: settings
`,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		edit [3]string
		want string
	}{
		{[3]string{"kustomization.yaml", "b=two", "b=three"}, "kustomization.yaml:7"},
		{[3]string{"app.conf", "second", "third"}, "app.conf:2"},
	} {
		a, b := render(t, base, "."), render(t, edited(t, base, c.edit), ".")
		set := change.Compare(a.rendered, b.rendered, change.Options{})
		if err := Fill(context.Background(), &set, Sides{Base: a.fleet(), Head: b.fleet()}); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(told(set), "\n")
		if want := "Pod/apps/web /spec/containers/0/envFrom/0/configMapRef/name " + c.want; !strings.Contains(got, want) {
			t.Errorf("%v: got\n%s\nwant\n%s", c.edit, got, want)
		}
	}
}

// What a schema says no to has its line, and where the build does not have the
// field that of the object.
func TestFillOfFlaws(t *testing.T) {
	_, tr := read(t, "testdata/mechanisms.txtar")
	s := render(t, tr, "cluster")
	unit, web := s.find(t, "apps", "Deployment/apps/dev-web")
	set := change.Compare(s.rendered, s.rendered, change.Options{})
	set.Flaws[1] = []change.Flaw{
		{Unit: unit, Object: object.Ref{Key: web}, Field: "/spec/replicas"},
		{Unit: unit, Object: object.Ref{Key: web}, Field: "/spec/replica"},
		{Unit: unit, Object: object.Ref{Key: web}, Field: "/spec/paused", At: "known:1"},
	}
	if err := Fill(context.Background(), &set, Sides{Base: s.fleet(), Head: s.fleet()}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"apps/dev/kustomization.yaml:8", "apps/base/web.yaml:1", "known:1"} {
		if got := set.Flaws[1][i].At; got != want {
			t.Errorf("%s: got %s, want %s", set.Flaws[1][i].Field, got, want)
		}
	}
}

// chart renders a Deployment and a ConfigMap from values, as a chart would.
type chart struct{}

func (chart) Render(_ context.Context, values map[string]any) ([]Templated, error) {
	obj := func(kind string, fields map[string]any) *unstructured.Unstructured {
		fields["apiVersion"], fields["kind"] = "v1", kind
		fields["metadata"] = map[string]any{"name": "web", "namespace": "apps"}
		return &unstructured.Unstructured{Object: fields}
	}
	image, _ := values["image"].(map[string]any)
	return []Templated{
		{obj("Deployment", map[string]any{"spec": map[string]any{
			"replicas": values["replicaCount"], "image": fmt.Sprintf("web:%v", image["tag"]), "paused": values["paused"], "fixed": "by the chart",
		}}), "web/templates/deployment.yaml"},
		{obj("ConfigMap", map[string]any{"data": map[string]any{"zone": values["zone"]}}), "web/templates/config.yaml"},
	}, nil
}

func TestRelease(t *testing.T) {
	tables, tr := read(t, "testdata/release.txtar")
	s := render(t, tr, "cluster")
	hr := object.Key{Group: object.GroupHelm, Kind: "HelmRelease", Namespace: "apps", Name: "web"}
	s.release(t, hr)
	s.charts = func(unit object.Key) Chart {
		if unit == hr {
			return chart{}
		}
		return nil
	}
	for _, row := range tables["want"] {
		left, want, _ := strings.Cut(row, " = ")
		fields := strings.Fields(left)
		o, err := Field(context.Background(), s.fleet(), Target{hr, object.Key{Kind: fields[0], Namespace: "apps", Name: "web"}, fields[1]})
		if err != nil || o == nil {
			t.Errorf("%s: not found: %v", left, err)
			continue
		}
		if got := o.At() + " | " + kinds(o); got != want {
			t.Errorf("%s\n got %s\nwant %s\n%v", left, got, want, o.Chain)
		}
	}
}

// The largest unit of a real fleet, with many fields at once: the number of
// builds does not depend on that of the fields.
func TestManyFieldsAtOnce(t *testing.T) {
	tr := treeOf(t, filepath.Join(fleets, "home-ops"))
	s := render(t, tr, "kubernetes/flux/cluster")
	key := kustomization("flux-system", "cluster-apps")
	unit := s.rendered.Unit(key)
	var asks []question
	for _, o := range unit.Objects {
		if o.Ref.Kind == "Kustomization" {
			asks = append(asks, question{o.Ref.Key, "/spec/interval"}, question{o.Ref.Key, "/spec/path"})
		}
	}
	w := &work{builds: maxBuilds}
	found, err := newFinder(s.fleet(), nil, w).fields(context.Background(), key, asks, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d fields asked, %d found, %d builds", len(asks), len(found), maxBuilds-w.builds)
	if len(found) < len(asks)*95/100 || maxBuilds-w.builds > 10 {
		t.Errorf("%d of %d fields found with %d builds; want 95 %% with at most 10", len(found), len(asks), maxBuilds-w.builds)
	}
}
