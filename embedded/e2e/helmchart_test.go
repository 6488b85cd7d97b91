package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/object"
)

func init() {
	groups["HelmRepository"], groups["HelmChart"] = object.GroupSource, object.GroupSource
}

// packed is a small chart.
func packed(t testing.TB, name, version string) []byte {
	t.Helper()
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	tw := tar.NewWriter(zw)
	for _, f := range [][2]string{
		{"Chart.yaml", fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", name, version)},
		{"values.yaml", "a: 1\n"}, {"values-prod.yaml", "a: 2\n"}, {"templates/a.yaml", "{{ .Values.a }}\n"},
	} {
		if err := tw.WriteHeader(&tar.Header{Name: name + "/" + f[0], Size: int64(len(f[1])), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// museum is a chart repository over HTTP, with one chart in some versions.
type museum struct {
	mu       sync.Mutex
	versions []string
	password string
	indexes  atomic.Int64 // whole indexes that were sent
	charts   atomic.Int64
	t        testing.TB
}

func (m *museum) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, got, _ := r.BasicAuth(); got != m.password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name != "index.yaml" {
		version := strings.TrimSuffix(strings.TrimPrefix(name, "web-"), ".tgz")
		m.charts.Add(1)
		_, _ = w.Write(packed(m.t, "web", version))
		return
	}
	text := "apiVersion: v1\nentries:\n  web:\n"
	for _, v := range m.versions {
		text += fmt.Sprintf("  - {apiVersion: v2, name: web, version: %s, urls: [web-%s.tgz]}\n", v, v)
	}
	m.indexes.Add(1)
	_, _ = w.Write([]byte(text))
}

func (m *museum) set(password string, versions ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.password, m.versions = password, versions
}

const (
	helmRepository = `
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: charts, namespace: $ns}
spec: {interval: 1h, url: "%s"%s}
`
	helmChart = `
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmChart
metadata: {name: %s, namespace: $ns}
spec: {interval: 1h, chart: %s, sourceRef: {kind: %s, name: %s}%s}
`
)

// says waits until Ready has a status, a reason, and a message that holds text.
func (s *stand) says(name, status, reason, text string) *unstructured.Unstructured {
	s.Helper()
	return s.await(name, func(o *unstructured.Unstructured) bool {
		if o == nil {
			return false
		}
		list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		for _, c := range list {
			c := c.(map[string]any)
			if c["type"] == "Ready" {
				return c["status"] == status && c["reason"] == reason && strings.Contains(c["message"].(string), text) &&
					c["observedGeneration"] == o.GetGeneration()
			}
		}
		return false
	})
}

// listen serves on loopback until the test ends.
func (s *stand) listen(h http.Handler) string {
	s.Helper()
	srv := httptest.NewServer(h)
	s.Cleanup(srv.Close)
	return srv.URL
}

func online(c *app.Config) { c.Offline, c.Local = false, nil }

func TestChartsOfARepository(t *testing.T) {
	s := up(t, online)
	m := &museum{t: t}
	m.set("", "1.0.0", "1.1.0", "2.0.0-rc.1")
	address := s.listen(m)
	s.apply(fmt.Sprintf(helmRepository, address, ""), fmt.Sprintf(helmChart, "web", "web", "HelmRepository", "charts", ""))
	repo := s.says("HelmRepository/charts", "True", "Succeeded", "stored artifact: revision 'sha256:")
	if got := field(repo, "status", "url"); !strings.HasSuffix(got, `/index.yaml"`) {
		t.Errorf("status.url: got %s", got)
	}
	if got := field(repo, "status", "artifact", "path"); !strings.Contains(got, "/charts/index-") {
		t.Errorf("path: got %s", got)
	}
	c := s.says("HelmChart/web", "True", "ChartPullSucceeded", "pulled 'web' chart with version '1.1.0'")
	for name, want := range map[string]string{
		"observedChartName": `"web"`, "observedSourceArtifactRevision": field(repo, "status", "artifact", "revision"), "observedGeneration": "1",
	} {
		if got := field(c, "status", name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if got := field(c, "status", "artifact", "path"); !strings.HasSuffix(got, `/web-1.1.0.tgz"`) {
		t.Errorf("path: got %s", got)
	}

	// Values files make a chart of one's own.
	s.patch("HelmChart/web", "spec: {valuesFiles: [values.yaml, values-prod.yaml, absent.yaml], ignoreMissingValuesFiles: true}")
	c = s.says("HelmChart/web", "True", "ChartPackageSucceeded", "packaged 'web' chart with version '1.1.0+2' and merged values files [values.yaml values-prod.yaml]")
	if got := field(c, "status", "observedValuesFiles"); got != `["values.yaml","values-prod.yaml"]` {
		t.Errorf("observedValuesFiles: got %s", got)
	}
	s.patch("HelmChart/web", "spec: {ignoreMissingValuesFiles: false}")
	s.says("HelmChart/web", "False", "ValuesFilesError", "no values file found at path 'absent.yaml'")
	s.patch("HelmChart/web", "spec: {valuesFiles: null, version: '>=3'}")
	s.says("HelmChart/web", "False", "InvalidChartReference", "there are 2.0.0-rc.1, 1.1.0, 1.0.0")

	// A new index ends that.
	m.set("", "1.0.0", "3.0.0")
	s.patch("HelmRepository/charts", "metadata: {annotations: {reconcile.fluxcd.io/requestedAt: now}}")
	s.says("HelmChart/web", "True", "ChartPullSucceeded", "pulled 'web' chart with version '3.0.0'")
	s.has("HelmRepository/charts", `"now"`, "status", "lastHandledReconcileAt")
	s.patch("HelmChart/web", "spec: {chart: absent}")
	s.says("HelmChart/web", "False", "InvalidChartReference", "there is no chart 'absent': not in the repository; it has web")
	s.delete("HelmChart/web")
	s.gone("HelmChart/web")
	s.delete("HelmRepository/charts")
	s.gone("HelmRepository/charts")
}

func TestChartCredentials(t *testing.T) {
	s := up(t, online)
	m := &museum{t: t}
	m.set("canary-7", "1.0.0")
	address := s.listen(m)
	s.apply(fmt.Sprintf(helmRepository, address, ", secretRef: {name: login}"), fmt.Sprintf(helmChart, "web", "web", "HelmRepository", "charts", ""))
	s.says("HelmRepository/charts", "False", "AuthenticationFailed", `secrets "login" not found`)
	s.says("HelmChart/web", "False", "NoSourceArtifact", "no artifact available for HelmRepository source 'charts'")
	s.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: $ns}\nstringData: {username: me, password: canary-7}\n")
	s.says("HelmChart/web", "True", "ChartPullSucceeded", "1.0.0")
	m.set("canary-8", "1.0.0")
	s.patch("HelmRepository/charts", "metadata: {annotations: {reconcile.fluxcd.io/requestedAt: now}}")
	s.says("HelmRepository/charts", "False", "AuthenticationFailed", "401")
	if strings.Contains(s.logs.tail(), "canary") {
		t.Error("the logs tell the password")
	}
}

// Hundreds of charts of one repository cost one index and one download.
func TestManyChartsOfOneRepository(t *testing.T) {
	s := up(t, online)
	m := &museum{t: t}
	m.set("", "1.0.0")
	address := s.listen(m)
	const many = 30
	for i := range many {
		s.apply(fmt.Sprintf(helmChart, fmt.Sprintf("web-%d", i), "web", "HelmRepository", "charts", ""))
	}
	s.apply(fmt.Sprintf(helmRepository, address, ""))
	for i := range many {
		s.says(fmt.Sprintf("HelmChart/web-%d", i), "True", "ChartPullSucceeded", "1.0.0")
	}
	if i, c := m.indexes.Load(), m.charts.Load(); i != 1 || c != 1 {
		t.Errorf("%d charts took %d indexes and %d downloads", many, i, c)
	}
}

// A chart in the repository of the fleet follows its revision.
func TestChartOfAGitRepository(t *testing.T) {
	s := up(t)
	s.commit(files{
		"charts/web/Chart.yaml":    "apiVersion: v2\nname: web\nversion: 0.1.0\ndependencies: [{name: common, version: 0.x, repository: 'file://../common'}]\n",
		"charts/web/values.yaml":   "a: 1\n",
		"charts/common/Chart.yaml": "apiVersion: v2\nname: common\nversion: 0.5.0\ntype: library\n",
		"prod.yaml":                "a: 2\n",
	})
	s.apply(source, fmt.Sprintf(helmChart, "web", "./charts/web", "GitRepository", "fleet", ", reconcileStrategy: Revision, valuesFiles: [charts/web/values.yaml, prod.yaml]"),
		fmt.Sprintf(helmChart, "still", "charts/web", "GitRepository", "fleet", ""),
		fmt.Sprintf(helmChart, "absent", "charts/absent", "GitRepository", "fleet", ""))
	version := func(rev string) string { return "0.1.0+" + chart.RevisionMetadata(rev) + ".1" }
	s.says("HelmChart/web", "True", "ChartPackageSucceeded", "packaged 'web' chart with version '"+version(s.revision())+"' and merged values files")
	s.says("HelmChart/still", "True", "ChartPackageSucceeded", "packaged 'web' chart with version '0.1.0'")
	s.says("HelmChart/absent", "False", "InvalidChartReference", "there is no chart at 'charts/absent'")
	s.commit(files{"charts/web/values.yaml": "a: 3\n", "charts/absent/Chart.yaml": "apiVersion: v2\nname: absent\nversion: 0.1.0\n"})
	s.says("HelmChart/web", "True", "ChartPackageSucceeded", version(s.revision()))
	s.says("HelmChart/absent", "True", "ChartPackageSucceeded", "0.1.0")
	s.has("HelmChart/still", fmt.Sprintf("%q", s.revision()), "status", "observedSourceArtifactRevision")
	s.has("HelmChart/still", `"0.1.0"`, "status", "artifact", "revision")
}

// A repository in a registry has neither finalizer nor status, and charts of old
// versions act on their old fields.
func TestStaticRepositoryAndOldFields(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"web-1.0.0.tgz", "web-1.2.0.tgz"} {
		version := strings.TrimSuffix(strings.TrimPrefix(name, "web-"), ".tgz")
		if err := os.WriteFile(filepath.Join(dir, name), packed(t, "web", version), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := up(t, func(c *app.Config) {
		local := c.Local.(*app.LocalSources)
		for _, text := range []string{"oci://registry.example.com/charts=" + dir, "https://charts.example.com=" + dir} {
			m, err := mirror.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			local.Mirrors = append(local.Mirrors, m)
		}
	})
	s.apply(fmt.Sprintf(helmRepository, "oci://registry.example.com/charts", ", type: oci"),
		fmt.Sprintf(helmChart, "web", "web", "HelmRepository", "charts", ", version: '1.x'"))
	s.says("HelmChart/web", "True", "ChartPullSucceeded", "pulled 'web' chart with version '1.2.0'")
	repo := s.await("HelmRepository/charts", func(o *unstructured.Unstructured) bool { return field(o, "status") == "{}" })
	if got := repo.GetFinalizers(); len(got) != 0 {
		t.Errorf("finalizers: got %v", got)
	}
	s.apply(`
apiVersion: source.toolkit.fluxcd.io/v1beta2
kind: HelmRepository
metadata: {name: http, namespace: $ns}
spec: {interval: 1h, url: "https://charts.example.com/"}
`, `
apiVersion: source.toolkit.fluxcd.io/v1beta2
kind: HelmChart
metadata: {name: old, namespace: $ns}
spec: {interval: 1h, chart: web, version: 1.0.0, sourceRef: {kind: HelmRepository, name: http}, valuesFile: values-prod.yaml}
`)
	s.says("HelmChart/old", "True", "ChartPackageSucceeded", "packaged 'web' chart with version '1.0.0+1' and merged values files [values-prod.yaml]")
	s.apply(fmt.Sprintf(strings.ReplaceAll(helmRepository, "name: charts", "name: elsewhere"), "https://elsewhere.example.com/x", ""))
	s.says("HelmRepository/elsewhere", "False", "Failed", "pass --mirror https://elsewhere.example.com/x=FOLDER")
	const signed = ", verify: {provider: cosign}"
	s.apply(fmt.Sprintf(helmChart, "signed", "web", "HelmRepository", "charts", signed))
	s.says("HelmChart/signed", "True", "ChartPullSucceeded", "1.2.0") // what is read from this machine needs no signature
	s.patch("HelmRepository/charts", "spec: {url: 'oci://other.example.com/charts'}")
	s.says("HelmChart/signed", "False", "VerificationError", "cannot be verified yet")
	s.says("HelmChart/web", "False", "ChartPullError", "--mirror oci://other.example.com/charts/web=FOLDER")
}

// The dependencies of a chart in Git come from repositories, with the credentials
// of the HelmRepository that names the same address.
func TestDependenciesOfAChartInGit(t *testing.T) {
	s := up(t, func(c *app.Config) { c.Offline = false })
	m := &museum{t: t}
	m.set("canary-9", "1.0.0", "1.4.0", "2.0.0")
	address := s.listen(m)
	s.commit(files{"app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 0.1.0\ndependencies:\n- {name: web, version: 1.x, repository: " + address + "}\n"})
	s.apply(source, fmt.Sprintf(helmChart, "app", "app", "GitRepository", "fleet", ""))
	s.says("HelmChart/app", "False", "DependencyBuildError", "401")
	s.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: $ns}\nstringData: {username: me, password: canary-9}\n",
		fmt.Sprintf(helmRepository, address+"/", ", secretRef: {name: login}"))
	c := s.says("HelmChart/app", "True", "ChartPackageSucceeded", "packaged 'app' chart with version '0.1.0'")
	data := s.artifact(c)
	got, err := chart.Load(data, chart.Limits{})
	s.must(err)
	if subs := got.Dependencies(); len(subs) != 1 || subs[0].Name() != "web" || subs[0].Metadata.Version != "1.4.0" {
		t.Errorf("subcharts: got %v", subs)
	}
}

// artifact reads the file of an artifact from the stand's store.
func (s *stand) artifact(o *unstructured.Unstructured) []byte {
	s.Helper()
	path, _, err := unstructured.NestedString(o.Object, "status", "artifact", "path")
	s.must(err)
	data, err := os.ReadFile(filepath.Join(s.cfg.DataDir, "artifacts", filepath.FromSlash(path)))
	s.must(err)
	return data
}

// After a restart nothing is downloaded but the index, and nothing is written.
func TestChartsAfterARestart(t *testing.T) {
	s := up(t, online)
	m := &museum{t: t}
	m.set("", "1.0.0")
	address := s.listen(m)
	s.apply(fmt.Sprintf(helmRepository, address, ""), fmt.Sprintf(helmChart, "web", "web", "HelmRepository", "charts", ""))
	s.says("HelmChart/web", "True", "ChartPullSucceeded", "1.0.0")
	s.idle()
	before, charts := s.get("HelmChart/web").GetResourceVersion(), m.charts.Load()
	s.stop()
	s.start()
	s.settled()
	if got := s.get("HelmChart/web").GetResourceVersion(); got != before {
		t.Errorf("the chart was written: %v", s.app.Requests.Counts())
	}
	if n := m.charts.Load() - charts; n != 0 {
		t.Errorf("%d charts were downloaded again", n)
	}
	m.set("", "1.0.0", "1.0.1")
	s.patch("HelmRepository/charts", "metadata: {annotations: {reconcile.fluxcd.io/requestedAt: now}}")
	s.says("HelmChart/web", "True", "ChartPullSucceeded", "1.0.1")
}
