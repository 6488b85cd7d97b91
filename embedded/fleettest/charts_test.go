package fleettest

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/tree"
)

// chartsOf are the charts that a fleet takes from elsewhere.
const chartsOf = fleets + "/charts"

// packed packs a chart of testdata/charts as it would be served, into a folder
// of its own.
func packed(t *testing.T, name string) string {
	t.Helper()
	files := map[string]string{}
	root := filepath.Join("testdata", "charts", name)
	err := fs.WalkDir(os.DirFS(root), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(root, p))
		files[p] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := tree.FromFiles(files)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := chart.LoadTree(c, ".", chart.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := chart.Package(loaded)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, chart.FileName(loaded.Name(), loaded.Metadata.Version)), data)
	return dir
}

// repacked puts a packed chart of the fleets into a folder under another version:
// the one that a fleet asks for.
func repacked(t *testing.T, file, version string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(chartsOf, file))
	if err != nil {
		t.Fatal(err)
	}
	c, err := chart.Load(data, chart.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	c.Metadata.Version = version
	if data, err = chart.Package(c); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, chart.FileName(c.Name(), version)), data)
	return dir
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// standIns are the charts of flux2-kustomize-helm-example.
func standIns(t *testing.T) []string {
	return []string{
		"--mirror", "oci://quay.io/jetstack/charts/cert-manager=" + packed(t, "cert-manager"),
		"--mirror", "oci://docker.io/envoyproxy/gateway-helm=" + packed(t, "gateway-helm"),
		"--mirror", "https://stefanprodan.github.io/podinfo=" + chartsOf + "/podinfo",
	}
}

// appTemplate is the one chart of home-ops that is at hand, under the tag that
// the fleet asks for.
func appTemplate(t *testing.T) []string {
	return []string{"--mirror", "oci://ghcr.io/bjw-s-labs/helm/app-template=" + repacked(t, "bjw-s/app-template-4.1.1.tgz", "5.1.0")}
}

// lscsde mirrors all repositories and chart repositories of the organisation.
func lscsde(*testing.T) []string {
	dir := fleets + "/lsc-sde"
	return []string{
		"--mirror", "https://github.com/lsc-sde/=" + dir + "/git",
		"--mirror", "https://lsc-sde.github.io/iac-helm-repository=" + dir + "/charts/iac-helm-repository",
		"--mirror", "https://kedacore.github.io/charts=" + dir + "/charts/keda",
		"--mirror", "https://jupyterhub.github.io/helm-chart=" + dir + "/charts/jupyterhub",
	}
}
