package fleet

import (
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/bench/compare"
)

// TestChartRendersTheManifests: the harness compares what a release left in the
// cluster with the files of the app.
func TestChartRendersTheManifests(t *testing.T) {
	f := New(Options{Apps: 3, Shape: Releases})
	r, err := CreateRepository(t.TempDir(), f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(f.SetMessage(1, "other")); err != nil {
		t.Fatal(err)
	}
	for i, message := range []string{"1", "other", "1"} {
		rendered := render(t, f, i, message)
		manifests, err := r.Manifests(i)
		if err != nil {
			t.Fatal(err)
		}
		if len(rendered) != len(manifests) {
			t.Errorf("app %d: the chart renders %d objects, the files hold %d", i, len(rendered), len(manifests))
		}
		for _, want := range manifests {
			kind := want["kind"].(string)
			if d := compare.Objects(want, rendered[kind]); len(d) > 0 {
				t.Errorf("app %d, %s: %s", i, kind, strings.Join(d, "; "))
			}
		}
	}
}

// render returns what the chart makes for app i, by kind, without its test.
func render(t *testing.T, f Fleet, i int, message string) map[string]Object {
	t.Helper()
	files, err := ChartFiles()
	if err != nil {
		t.Fatal(err)
	}
	var buffered []*archive.BufferedFile
	for path, data := range files {
		buffered = append(buffered, &archive.BufferedFile{Name: strings.TrimPrefix(path, ChartName+"/"), Data: data})
	}
	c, err := loader.LoadFiles(buffered)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name() != ChartName || c.Metadata.Version != ChartVersion {
		t.Fatalf("the chart is %s %s", c.Name(), c.Metadata.Version)
	}
	options := common.ReleaseOptions{Name: f.App(i), Namespace: f.Namespace(i), IsInstall: true}
	values, err := util.ToRenderValues(c, Values(message), options, common.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := engine.Render(c, values)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]Object{}
	for path, text := range texts {
		if strings.Contains(path, "/tests/") || strings.HasSuffix(path, "NOTES.txt") || strings.TrimSpace(text) == "" {
			continue
		}
		o := Object{}
		if err := yaml.Unmarshal([]byte(text), &o); err != nil {
			t.Fatalf("%s: %v\n%s", path, err, text)
		}
		all[o["kind"].(string)] = o
	}
	return all
}

func TestReleases(t *testing.T) {
	f := New(Options{Apps: 3, Shape: Releases})
	all := f.Objects("http://127.0.0.1:1")
	if len(all) != 4 || all[0]["kind"] != "HelmRepository" || all[3]["kind"] != f.UnitKind() {
		t.Fatalf("objects are %v", all)
	}
	if got := strings.Join(f.Sources(), " "); got != "flux-system-app-0000 flux-system-app-0001 flux-system-app-0002" {
		t.Errorf("sources are %s", got)
	}
}
