package helm_test

import (
	"context"
	"slices"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
	"github.com/leat-dev/leat/internal/world/overlay"
)

// base holds a release; head, laid over it, upgrades it and base does not notice.
func TestOfflineOverlay(t *testing.T) {
	base := memory.New(memory.Options{})
	install(t, base, "red")
	head := overlay.New(base, overlay.Options{})
	stored := upgrade(t, head, "blue")
	if len(stored) != 2 {
		t.Errorf("head holds %d versions, want the one below and its own", len(stored))
	}
	if got := value(t, base) + " " + value(t, head); got != "red blue" {
		t.Errorf("base and head hold %q, want red blue", got)
	}
}

func driver(t *testing.T, w world.World) *helm.Driver {
	t.Helper()
	cluster, err := helm.Offline(w, "")
	if err != nil {
		t.Fatal(err)
	}
	return cluster.As(helm.Identity{})
}

func job(color string) helm.Job {
	c := &chart.Chart{Metadata: &chart.Metadata{APIVersion: "v2", Name: "demo", Version: "1.0.0"}, Templates: []*common.File{{
		Name: "templates/a.yaml", Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: '{{ .Values.color }}'}\n"),
	}}}
	hr := &v2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "demo"}}
	return helm.Job{Object: hr, Chart: c, Values: map[string]any{"color": color}}
}

func install(t *testing.T, w world.World, color string) {
	t.Helper()
	if _, err := driver(t, w).Install(t.Context(), job(color)); err != nil {
		t.Fatal(err)
	}
}

func upgrade(t *testing.T, w world.World, color string) []int {
	t.Helper()
	out, err := driver(t, w).Upgrade(t.Context(), job(color))
	if err != nil {
		t.Fatal(err)
	}
	var versions []int
	for _, rel := range out.Stored {
		versions = append(versions, rel.Version)
	}
	return versions
}

func value(t *testing.T, w world.World) string {
	t.Helper()
	u, err := w.Get(context.Background(), object.Ref{Key: object.Key{Kind: "ConfigMap", Namespace: "default", Name: "a"}, Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	got, _, _ := unstructured.NestedString(u.Object, "data", "k")
	return got
}

// The inventory holds the definitions of subcharts that are switched on, and no
// others.
func TestInventoryOfSubcharts(t *testing.T) {
	definition := func(name string) *common.File {
		return &common.File{Name: "crds/" + name + ".yaml", Data: []byte("apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: " + name + ".example.org}\n")}
	}
	j := job("red")
	j.Object.Spec.Install = &v2.Install{CRDs: v2.Skip}
	j.Values["off"] = map[string]any{"enabled": false}
	j.Chart.Files = []*common.File{definition("own")}
	for _, name := range []string{"on", "off"} {
		j.Chart.Metadata.Dependencies = append(j.Chart.Metadata.Dependencies, &chart.Dependency{Name: name, Version: "1.0.0", Condition: name + ".enabled"})
		sub := &chart.Chart{Metadata: &chart.Metadata{APIVersion: "v2", Name: name, Version: "1.0.0"}, Files: []*common.File{definition(name)}}
		j.Chart.AddDependency(sub)
	}
	out, err := driver(t, memory.New(memory.Options{})).Install(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range out.Inventory.Entries {
		got = append(got, e.ID)
	}
	want := []string{"default_a__ConfigMap", "_own.example.org_apiextensions.k8s.io_CustomResourceDefinition", "_on.example.org_apiextensions.k8s.io_CustomResourceDefinition"}
	if !slices.Equal(got, want) {
		t.Errorf("the inventory is %v, want %v", got, want)
	}
}
