package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/source/oci"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/memory"
)

// onDisk reads charts of a folder, and counts what it is asked.
type onDisk struct {
	*oci.Folder
	resolved, pulled *int
}

func (d onDisk) Local(string) bool { return true }

func (d onDisk) Open(OCIRequest) (oci.Reader, error) { return d, nil }

func (d onDisk) Resolve(ctx context.Context, want oci.Ref, since time.Time) (oci.Revision, error) {
	*d.resolved++
	return d.Folder.Resolve(ctx, want, since)
}

func (d onDisk) Blob(ctx context.Context, l oci.Layer) ([]byte, error) {
	*d.pulled++
	return d.Folder.Blob(ctx, l)
}

// A chart that is kept is not pulled again, and an exact version is not asked for.
func TestKeptChartsAreNotPulled(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"1.0.0", "1.1.0+b"} {
		if err := os.WriteFile(filepath.Join(dir, "web-"+version+".tgz"), []byte(version), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		ask, kept, want string
	}{
		{"1.0.0", "", "web 1.0.0 1.0.0, resolved 1, pulled 1"},
		{"1.0.0", "1.0.0", "web 1.0.0 , resolved 0, pulled 0"},
		{"1.1.0+b", "1.1.0+b", "web 1.1.0+b , resolved 0, pulled 0"},
		{"1.x", "1.0.0", "web 1.1.0+b 1.1.0+b, resolved 2, pulled 1"},
		{"1.x", "1.1.0+b", "web 1.1.0+b , resolved 1, pulled 0"},
	} {
		var resolved, pulled int
		reader := repositoryReader{Engine: &Engine{OCI: onDisk{&oci.Folder{Dir: dir, Name: "web"}, &resolved, &pulled}}, r: &unit.HelmRepository{}}
		reader.r.Spec.URL = "oci://registry.example.org/charts"
		got, err := reader.fetch(t.Context(), chartQuestion{"web", c.ask, func(f fetched) bool { return f.version != c.kept }})
		if err != nil {
			t.Errorf("%s with %s: %v", c.ask, c.kept, err)
		}
		if text := fmt.Sprintf("%s %s %s, resolved %d, pulled %d", got.name, got.version, got.data, resolved, pulled); text != c.want {
			t.Errorf("%s with %s: got %s, want %s", c.ask, c.kept, text, c.want)
		}
	}
}

// A version that a registry does not have may come, and nobody would tell: it is asked
// again. A range that cannot be read is not.
func TestChartsThatARegistryLacks(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "web-1.0.0.tgz"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for ask, want := range map[string]string{
		"2.0.0": "Retrying ChartPullError", "2.x": "Retrying ChartPullError", "nonsense!": "Stalled InvalidChartReference",
	} {
		var n int
		reader := repositoryReader{Engine: &Engine{OCI: onDisk{&oci.Folder{Dir: dir, Name: "web"}, &n, &n}}, r: &unit.HelmRepository{}}
		reader.r.Spec.URL = "oci://registry.example.org/charts"
		_, err := reader.fetch(t.Context(), chartQuestion{"web", ask, func(fetched) bool { return true }})
		p := report.AsProblem(err, "")
		if got := fmt.Sprint(map[report.Class]string{report.Retrying: "Retrying", report.Stalled: "Stalled"}[p.Class], " ", p.Reason); got != want {
			t.Errorf("%s: got %s (%v), want %s", ask, got, err, want)
		}
	}
}

// Charts of a registry may lie in folders; the status names them as the spec does.
func TestChartsInFoldersOfARegistry(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "web-1.0.0.tgz"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	var n int
	reader := repositoryReader{Engine: &Engine{OCI: onDisk{&oci.Folder{Dir: dir, Name: "web"}, &n, &n}}, r: &unit.HelmRepository{}}
	reader.r.Spec.URL = "oci://registry.example.org"
	got, err := reader.fetch(t.Context(), chartQuestion{"charts/web", "1.0.0", func(fetched) bool { return true }})
	if err != nil || got.name != "charts/web" {
		t.Errorf("got %q, %v", got.name, err)
	}
}

// noting notes how a registry is to be reached, and is none.
type noting struct{ req *OCIRequest }

func (noting) Local(string) bool { return false }

func (n noting) Open(req OCIRequest) (oci.Reader, error) { *n.req = req; return nil, nil }

// Certificates in the Secret of secretRef are an old way that still works for registries;
// those of certSecretRef go before them.
func TestCertificatesBesideALogin(t *testing.T) {
	w := memory.New(memory.Options{})
	team := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "apps"}}}
	if _, err := w.Create(t.Context(), team, "test"); err != nil {
		t.Fatal(err)
	}
	for name, keys := range map[string]string{"login": "username password", "both": "username password caFile", "half": "username password tls.crt ca.crt", "certs": "ca.crt"} {
		data := map[string]any{}
		for key := range strings.FieldsSeq(keys) {
			data[key] = "eA=="
		}
		obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": name, "namespace": "apps"}, "data": data}}
		if _, err := w.Create(t.Context(), obj, "test"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ auth, cert, want string }{
		{"login", "", "map[]"}, {"both", "", "map[caFile password username]"}, {"half", "", "map[]"}, {"both", "certs", "map[ca.crt]"},
	} {
		var got OCIRequest
		reader := repositoryReader{Engine: &Engine{OCI: noting{&got}}, r: &unit.HelmRepository{}, view: view{world: w, rec: &record.Recorder{}}}
		reader.r.Namespace, reader.r.Spec.URL = "apps", "oci://registry.example.org/charts"
		reader.r.Spec.SecretRef = &meta.LocalObjectReference{Name: c.auth}
		if c.cert != "" {
			reader.r.Spec.CertSecretRef = &meta.LocalObjectReference{Name: c.cert}
		}
		if _, err := reader.registry(t.Context(), "web"); err != nil {
			t.Fatal(err)
		}
		keys := map[string]string{}
		for key := range got.Secrets.Cert {
			keys[key] = ""
		}
		if text := strings.ReplaceAll(fmt.Sprint(keys), ":", ""); text != c.want {
			t.Errorf("%s, %s: got certificates of %s, want %s", c.auth, c.cert, text, c.want)
		}
	}
}
