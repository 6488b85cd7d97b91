package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v4/pkg/action"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

func init() { groups["HelmRelease"] = object.GroupHelm }

// helmRelease is a HelmRelease of the chart in the stand's repository, with more
// lines of spec.
func helmRelease(name string, spec ...string) string {
	text := `
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: ` + name + `, namespace: $ns}
spec:
`
	all := strings.Join(spec, "\n")
	for _, byDefault := range []string{
		"interval: 24h", "timeout: 1h", "releaseName: web",
		"chart: {spec: {chart: ./chart, reconcileStrategy: Revision, sourceRef: {kind: GitRepository, name: fleet}}}",
	} {
		key, _, _ := strings.Cut(byDefault, " ")
		if !strings.Contains("\n"+all, "\n"+key) && (key != "chart:" || !strings.Contains("\n"+all, "\nchartRef:")) {
			text += "  " + byDefault + "\n"
		}
	}
	return text + "  " + strings.ReplaceAll(all, "\n", "\n  ") + "\n"
}

const (
	// fixed is the chart whose version is what Chart.yaml says.
	fixed = "chart: {spec: {chart: ./chart, sourceRef: {kind: GitRepository, name: fleet}}}"
	// broken is a template that the API refuses.
	broken = "apiVersion: v1\nkind: Service\nmetadata: {name: broken}\nspec: {ports: [{port: 99999}]}\n"
	// stuck is a template that becomes ready when its replicas are set to 0.
	stuck = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: stuck}
spec:
  progressDeadlineSeconds: 3600
  selector: {matchLabels: {app: stuck}}
  template:
    metadata: {labels: {app: stuck}, annotations: {leat.dev/simulate: fail}}
    spec: {containers: [{name: main, image: main}]}
`
)

// chartOf is the chart "web" in the stand's repository: a ConfigMap that shows a
// value, what .Values.broken and .Values.stuck ask for, and more files.
func chartOf(version string, more ...files) files {
	f := files{
		"chart/Chart.yaml":            "apiVersion: v2\nname: web\nversion: " + version + "\nappVersion: v9\n",
		"chart/values.yaml":           "color: red\n",
		"chart/templates/a.yaml":      configMap("a", "{{ .Values.color }}"),
		"chart/templates/broken.yaml": "{{ if .Values.broken }}\n" + broken + "{{ end }}\n",
		"chart/templates/stuck.yaml":  "{{ if .Values.stuck }}\n" + stuck + "{{ end }}\n",
	}
	for _, m := range more {
		for name, text := range m {
			f["chart/"+name] = text
		}
	}
	return f
}

// release waits until a HelmRelease is as ok wants it.
func (s *stand) release(name string, ok func(*v2.HelmRelease) bool) *v2.HelmRelease {
	s.Helper()
	var last *v2.HelmRelease
	s.await("HelmRelease/"+name, func(o *unstructured.Unstructured) bool {
		if o == nil {
			return false
		}
		h, err := unit.DecodeHelmRelease(o)
		if err != nil {
			return false
		}
		last = &h.HelmRelease
		return ok(last)
	})
	return last
}

// cond returns a condition of a HelmRelease, or one with empty values.
func cond(h *v2.HelmRelease, kind string) metav1.Condition {
	if c := unit.Condition(h.Status.Conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{}
}

// current accepts a HelmRelease of which kstatus says that it is Current.
func current(h *v2.HelmRelease) bool {
	ready := cond(h, "Ready")
	return ready.Status == "True" && ready.ObservedGeneration == h.Generation && h.Status.ObservedGeneration == h.Generation &&
		cond(h, "Reconciling").Type == "" && cond(h, "Stalled").Type == ""
}

// released waits until a HelmRelease is ready with a number of versions made.
func (s *stand) released(name string, version int) *v2.HelmRelease {
	s.Helper()
	return s.release(name, func(h *v2.HelmRelease) bool {
		latest := h.Status.History.Latest()
		return current(h) && latest != nil && latest.Version == version
	})
}

// stalled waits until a HelmRelease is stalled for a reason.
func (s *stand) stalled(name, reason string, texts ...string) *v2.HelmRelease {
	s.Helper()
	return s.release(name, func(h *v2.HelmRelease) bool {
		c := cond(h, "Stalled")
		ok := c.Status == "True" && c.Reason == reason && h.Status.ObservedGeneration == h.Generation && cond(h, "Ready").Status == "False" && cond(h, "Reconciling").Type == ""
		for _, text := range texts {
			ok = ok && strings.Contains(c.Message, s.expand(text))
		}
		return ok
	})
}

// refuses waits until a HelmRelease is not ready for a reason, with a message
// that holds all the texts.
func (s *stand) refuses(name, reason string, texts ...string) *v2.HelmRelease {
	s.Helper()
	return s.release(name, func(h *v2.HelmRelease) bool {
		c := cond(h, "Ready")
		ok := c.Status == "False" && c.Reason == reason && c.ObservedGeneration == h.Generation
		for _, text := range texts {
			ok = ok && strings.Contains(c.Message, s.expand(text))
		}
		return ok
	})
}

// runs waits until a HelmRelease says that an action is under way.
func (s *stand) running(name, action string) *v2.HelmRelease {
	s.Helper()
	return s.release(name, func(h *v2.HelmRelease) bool {
		return cond(h, "Ready").Status == "Unknown" && cond(h, "Ready").Reason == "Progressing" && cond(h, "Reconciling").Status == "True" &&
			strings.HasPrefix(cond(h, "Reconciling").Message, "Running '"+action+"' action with timeout of ")
	})
}

func (s *stand) releaseNow(name string) *v2.HelmRelease {
	s.Helper()
	return s.release(name, func(*v2.HelmRelease) bool { return true })
}

// told lists the events of a HelmRelease, as "Normal Reason Message".
func (s *stand) told(name string) (out []corev1.Event) {
	s.Helper()
	client, err := kubernetes.NewForConfig(kubetest.Shared(s.T).Config)
	s.must(err)
	list, err := client.CoreV1().Events(s.ns).List(context.Background(), metav1.ListOptions{FieldSelector: "involvedObject.kind=HelmRelease,involvedObject.name=" + name})
	s.must(err)
	return list.Items
}

// tells waits until an event of a reason holds a text.
func (s *stand) tells(name, reason, text string) corev1.Event {
	s.Helper()
	var found corev1.Event
	client := s.client(s.key("/Event/x").GroupKind(), s.ns)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	match := func() bool {
		for _, e := range s.told(name) {
			if e.Reason == reason && strings.Contains(e.Message, s.expand(text)) {
				found = e
				return true
			}
		}
		return false
	}
	w, err := client.Watch(ctx, metav1.ListOptions{})
	s.must(err)
	defer w.Stop()
	for !match() {
		select {
		case _, open := <-w.ResultChan():
			if open {
				continue
			}
		case <-ctx.Done():
		}
		s.Fatalf("no event %s with %q of %s; got %v", reason, text, name, s.told(name))
	}
	return found
}

// helm is what a person's helm has.
func (s *stand) helm() *action.Configuration {
	s.Helper()
	conf := action.NewConfiguration()
	flags := genericclioptions.NewConfigFlags(true)
	path := kubetest.Shared(s.T).Kubeconfig
	flags.KubeConfig, flags.Namespace = &path, &s.ns
	s.must(conf.Init(flags, s.ns, "secret"))
	return conf
}

// kept is what Helm's storage holds of a release: "1:superseded 2:deployed".
func (s *stand) kept(name string) string {
	s.Helper()
	list, err := action.NewHistory(s.helm()).Run(name)
	if err != nil {
		return err.Error()
	}
	var words []string
	for _, rel := range list {
		v1 := rel.(*relv1.Release)
		words = append(words, fmt.Sprintf("%d:%s", v1.Version, v1.Info.Status))
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func (s *stand) wantKept(name, want string) {
	s.Helper()
	if got := s.kept(name); got != want {
		s.Errorf("Helm's storage of %s: got %q, want %q", name, got, want)
	}
}

// asking counts all requests of the engine that are not watches, Helm's too, and
// tells the log of the test of the last ones.
func asking(t *testing.T, n *atomic.Int64) func(*app.Config) {
	t.Cleanup(func() { n.Store(-1 << 40) }) // nobody may log after the test
	return func(c *app.Config) {
		c.REST = rest.CopyConfig(c.REST)
		c.REST.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return trip(func(req *http.Request) (*http.Response, error) {
				if req.URL.Query().Get("watch") == "" && !strings.Contains(req.URL.Path, "/leases/") {
					if n.Add(1) > 0 {
						t.Logf("%s asked %s %s", time.Now().Format("05.000"), req.Method, req.URL)
					}
				}
				return next.RoundTrip(req)
			})
		})
	}
}

// releasing starts an engine with the chart, its source, and a HelmRelease "web".
func releasing(t *testing.T, spec ...string) *stand {
	t.Helper()
	s := up(t)
	s.commit(chartOf("0.1.0"))
	s.apply(source, helmRelease("web", spec...))
	return s
}
