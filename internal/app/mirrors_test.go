package app

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/mirror"
)

func TestReadersOfAMirror(t *testing.T) {
	var units []*unstructured.Unstructured
	for _, text := range []string{
		"{kind: HelmRepository, metadata: {name: charts}, spec: {url: 'https://charts.example.com/stable'}}",
		"{kind: HelmRepository, metadata: {name: elsewhere}, spec: {url: 'https://elsewhere.example.com'}}",
		"{kind: HelmChart, metadata: {name: web}, spec: {sourceRef: {kind: HelmRepository, name: charts}}}",
		"{kind: HelmChart, metadata: {name: other}, spec: {sourceRef: {kind: HelmRepository, name: elsewhere}}}",
		"{kind: OCIRepository, metadata: {name: image}, spec: {url: 'oci://images.example.com/web'}}",
		"{kind: Kustomization, metadata: {name: app}, spec: {}}",
	} {
		obj := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
			t.Fatal(err)
		}
		obj.SetNamespace("apps")
		obj.SetAPIVersion("source.toolkit.fluxcd.io/v1")
		units = append(units, obj)
	}
	var mirrors []mirror.Mirror
	for _, text := range []string{"https://charts.example.com/=/mirror/charts", "oci://images.example.com/=/mirror/images"} {
		m, err := mirror.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		mirrors = append(mirrors, m)
	}
	for dir, want := range map[string][]string{"/mirror/charts": {"charts", "web"}, "/mirror/images": {"image"}, "/mirror": nil} {
		var got []string
		for _, key := range readersOf(units, mirrors, dir) {
			got = append(got, key.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", dir, got, want)
		}
	}
}

func TestHoldsCharts(t *testing.T) {
	for file, want := range map[string]bool{"web-1.tgz": true, "web/web-1.tgz": true, "index.yaml": true, "main/app/a.yaml": false, ".git/x.tgz": false} {
		dir := filepath.Join(t.TempDir(), "a[b]")
		path := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := holdsCharts(dir); got != want {
			t.Errorf("%s: got %t, want %t", file, got, want)
		}
	}
}
