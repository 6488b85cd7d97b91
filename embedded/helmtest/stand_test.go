package helmtest

import (
	"context"
	"strings"
	"testing"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/release"
)

func TestMain(m *testing.M) {
	kubetest.Quick("TestInstall", "TestUpgradeRollbackUninstall", "TestHooksInOrder", "TestDriftIsFoundAndCorrected",
		"TestSubcharts", "TestCapabilitiesOffline")
	kubetest.Main(m)
}

// stand is one release in a namespace of its own.
type stand struct {
	testing.TB
	ctx     context.Context
	config  *rest.Config
	cluster *helm.Cluster
	driver  *helm.Driver
	kube    *kubernetes.Clientset
	ns      string
	job     helm.Job
}

func newStand(t testing.TB, on place, c *chart.Chart) *stand {
	t.Helper()
	config, cluster := on(t)
	s := &stand{TB: t, ctx: t.Context(), config: config, cluster: cluster, driver: cluster.As(helm.Identity{})}
	s.kube = kubernetes.NewForConfigOrDie(config)
	s.ns = s.namespace()
	s.job = helm.Job{Object: &v2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "demo"}}, Chart: c}
	s.job.Object.Spec.Timeout = &metav1.Duration{Duration: 30 * time.Second}
	return s
}

// chartOf returns a chart of templates, by file name.
func chartOf(version string, files map[string]string) *chart.Chart {
	c := &chart.Chart{Metadata: &chart.Metadata{APIVersion: "v2", Name: "demo", Version: version}, Values: map[string]any{}}
	for name, text := range files {
		f := &common.File{Name: name, Data: []byte(text)}
		if strings.HasPrefix(name, "templates/") {
			c.Templates = append(c.Templates, f)
		} else {
			c.Files = append(c.Files, f)
		}
	}
	return c
}

func configMap(name, value string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {k: '" + value + "'}\n"
}

// web is four objects, one of which takes a while to become ready.
func web(version string) *chart.Chart {
	return chartOf(version, map[string]string{
		"templates/config.yaml":  configMap(`{{ .Values.name | default "web" }}`, `{{ .Values.color | default "red" }}`),
		"templates/account.yaml": "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: '{{ .Values.name | default \"web\" }}'}\n",
		"templates/service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: '{{ .Values.name | default \"web\" }}'}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n",
		"templates/deploy.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: '{{ .Values.name | default "web" }}'}
spec:
  replicas: {{ if hasKey .Values "replicas" }}{{ .Values.replicas }}{{ else }}1{{ end }}
  selector: {matchLabels: {app: '{{ .Release.Name }}'}}
  template:
    metadata: {labels: {app: '{{ .Release.Name }}'}}
    spec: {serviceAccountName: '{{ .Values.name | default "web" }}', containers: [{name: web, image: example.org/web:{{ .Chart.Version }}}]}
`,
	})
}

// must fails the test on an error and returns the newest release written.
func (s *stand) must(out helm.Outcome, err error) *relv1.Release {
	s.Helper()
	if err != nil {
		s.Fatalf("%v\nlog:\n%s", err, out.Log)
	}
	if len(out.Written) == 0 {
		s.Fatal("nothing was written to storage")
	}
	return out.Written[0]
}

// stored returns "version:status" of all versions, oldest first.
func (s *stand) stored() string {
	s.Helper()
	all, err := s.driver.Observe(s.ctx, helm.PlaceOf(s.job.Object))
	if err != nil {
		s.Fatal(err)
	}
	var words []string
	for _, rel := range all {
		words = append(words, string(rune('0'+rel.Version))+":"+rel.Info.Status.String())
	}
	return strings.Join(words, " ")
}

func (s *stand) wantStored(want string) {
	s.Helper()
	if got := s.stored(); got != want {
		s.Errorf("storage holds %q, want %q", got, want)
	}
}

// value returns what key k of a ConfigMap holds; empty if there is none.
func (s *stand) value(name string) string {
	s.Helper()
	cm, err := s.kube.CoreV1().ConfigMaps(s.ns).Get(s.ctx, name, metav1.GetOptions{})
	if err != nil {
		return ""
	}
	return cm.Data["k"]
}

func (s *stand) wantError(err error, parts ...string) {
	s.Helper()
	if err == nil {
		s.Fatal("got no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			s.Errorf("error %q does not say %q", err, part)
		}
	}
}

// request is what package release decides on.
func (s *stand) request() release.Request {
	s.Helper()
	stored, err := s.driver.Observe(s.ctx, helm.PlaceOf(s.job.Object))
	if err != nil {
		s.Fatal(err)
	}
	return release.Request{
		Object: s.job.Object, Chart: release.Chart{Name: s.job.Chart.Name(), Version: s.job.Chart.Metadata.Version},
		Config: release.ConfigDigest(s.job.Values), Stored: stored,
	}
}

// converge runs as the engine does: begin, then decide, do and record until
// nothing is left. It returns the actions.
func (s *stand) converge() (done []release.Action, last release.Decision) {
	s.Helper()
	req := s.request()
	s.job.Object.Status = release.Begin(req).Status
	for range 10 {
		req = s.request()
		req.Done = done
		last = release.Next(req)
		s.job.Object.Status = last.Status
		if last.Action == release.None {
			return done, last
		}
		out, err := s.do(last)
		s.job.Object.Status = release.Record(req, release.Done{Action: last.Action, Written: out.Written, Inventory: out.Inventory, Err: err, Took: out.Took}).Status
		done = append(done, last.Action)
	}
	s.Fatal("a run does not end")
	return nil, last
}

func (s *stand) do(d release.Decision) (helm.Outcome, error) {
	switch d.Action {
	case release.Install:
		return s.driver.Install(s.ctx, s.job)
	case release.Upgrade:
		return s.driver.Upgrade(s.ctx, s.job)
	case release.Rollback:
		return s.driver.Rollback(s.ctx, s.job, d.Target.Version)
	case release.Uninstall:
		return s.driver.Uninstall(s.ctx, s.job, helm.PlaceOf(s.job.Object))
	case release.Test:
		return s.driver.Test(s.ctx, s.job)
	case release.Unlock:
		return s.driver.Unlock(s.ctx, s.job)
	}
	s.Fatalf("no way to do %q", d.Action)
	return helm.Outcome{}, nil
}

// crdDescription returns the description of the first version of a definition.
func (s *stand) crdDescription(name string) string {
	s.Helper()
	client, err := apiextensions.NewForConfig(s.config)
	if err != nil {
		s.Fatal(err)
	}
	crd, err := client.ApiextensionsV1().CustomResourceDefinitions().Get(s.ctx, name, metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Description
}

// deleteCRD deletes a definition and waits until it is not served.
func (s *stand) deleteCRD(name string) {
	s.Helper()
	client, err := apiextensions.NewForConfig(s.config)
	if err != nil {
		s.Fatal(err)
	}
	crds := client.ApiextensionsV1().CustomResourceDefinitions()
	if err := crds.Delete(s.ctx, name, metav1.DeleteOptions{}); err != nil {
		s.Fatal(err)
	}
	if s.config.Transport == nil { // a world forgets at once
		kubetest.AwaitGone[apiextensionsv1.CustomResourceDefinition](s.TB, client.ApiextensionsV1().RESTClient(), "customresourcedefinitions", "", name)
	}
	s.cluster.Invalidate()
}
