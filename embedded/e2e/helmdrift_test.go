package e2e

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

const detecting = `driftDetection: {mode: enabled, ignore: [{paths: [/spec/replicas], target: {kind: Deployment}}, {paths: [""], target: {kind: ServiceAccount}}]}`

var various = files{
	"templates/web.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 1\n  selector: {matchLabels: {app: web}}\n" +
		"  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: main, image: main}]}\n",
	"templates/svc.yaml":   "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{name: http, port: 80}]}\n",
	"templates/sa.yaml":    "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web, annotations: {note: ours}}\n",
	"templates/free.yaml":  configMap("free", "1", "annotations: {helm.toolkit.fluxcd.io/driftDetection: disabled}"),
	"templates/hook.yaml":  configMap("hook", "1", "annotations: {helm.sh/hook: pre-install}"),
	"templates/admin.yaml": "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\nrules: [{apiGroups: [\"\"], resources: [pods], verbs: [get]}]\n",
}

// What others change of a release is put right at once, although the
// interval is a day.
func TestDriftOfAReleaseIsCorrected(t *testing.T) {
	s := up(t)
	s.commit(chartOf("0.1.0", various))
	s.apply(source, helmRelease("web", fixed, detecting))
	h := s.release("web", func(h *v2.HelmRelease) bool { return current(h) && cond(h, "Drifted").Status == "False" })
	if c := cond(h, "Drifted"); c.Reason != "NoDriftDetected" {
		t.Errorf("Drifted: got %+v", c)
	}
	const soon = 20 * time.Second // far below the interval, on a machine that does other things too
	for name, c := range map[string]struct{ object, patch, want, field string }{
		"a value":                 {"ConfigMap/a", `{data: {key: "2"}}`, `"red"`, "data.key"},
		"a removed value":         {"ConfigMap/a", `{data: null}`, `"red"`, "data.key"},
		"a selector of a Service": {"Service/web", `{spec: {selector: {app: other}}}`, `"web"`, "spec.selector.app"},
		"an image":                {"Deployment/web", `{spec: {template: {spec: {containers: [{name: main, image: other}]}}}}`, `[{"image":"main"`, "spec.template.spec.containers"},
		"rules of a Role":         {"Role/r", `{rules: []}`, `[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]`, "rules"},
		"a port of a Service":     {"Service/web", `{spec: {ports: [{name: http, port: 81}]}}`, `[{"name":"http","port":80,`, "spec.ports"},
		"a name of that":          {"Service/web", `{spec: {ports: [{name: web, port: 80}]}}`, `[{"name":"http","port":80,`, "spec.ports"},
		"a label":                 {"ConfigMap/a", `{metadata: {labels: {app.kubernetes.io/managed-by: me}}}`, `{"app.kubernetes.io/managed-by":"Helm"`, "metadata.labels"},
	} {
		t.Run(name, func(t *testing.T) {
			s.patch(c.object, c.patch)
			s.awaitFor(soon, c.object, func(o *unstructured.Unstructured) bool {
				return o != nil && strings.HasPrefix(strings.ReplaceAll(field(o, strings.Split(c.field, ".")...), `"image":"main","imagePullPolicy":"Always",`, `"image":"main"`), c.want)
			})
		})
	}
	t.Run("a deletion", func(t *testing.T) {
		for _, name := range []string{"ConfigMap/a", "Service/web", "Deployment/web"} {
			uid := s.get(name).GetUID()
			s.delete(name)
			s.awaitFor(soon, name, func(o *unstructured.Unstructured) bool { return o != nil && o.GetUID() != uid })
		}
	})
	t.Run("is told", func(t *testing.T) {
		s.tells("web", "DriftDetected", "Cluster state of release $ns/web.v1 has drifted from the desired state:\nConfigMap/$ns/a changed (/data/key)")
		s.tells("web", "DriftCorrected", "Cluster state of release $ns/web.v1 has been corrected:\nConfigMap/$ns/a configured")
		s.tells("web", "DriftCorrected", "ConfigMap/$ns/a created")
	})
	t.Run("but not what is ignored or opted out", func(t *testing.T) {
		s.idle()
		s.patch("Deployment/web", `{spec: {replicas: 2}}`)
		s.patch("ServiceAccount/web", `{metadata: {annotations: {note: theirs}}}`)
		s.patch("ConfigMap/free", `{data: {key: "2"}}`)
		s.patch("ConfigMap/hook", `{data: {key: "2"}}`)
		s.patch("ConfigMap/a", `{data: {theirs: "2"}, metadata: {labels: {theirs: "2"}}}`)
		s.annotate()
		s.release("web", func(h *v2.HelmRelease) bool { return h.Status.LastHandledReconcileAt == "now" && current(h) })
		s.idle()
		for name, want := range map[string]string{"ConfigMap/free": `{"key":"2"}`, "ConfigMap/hook": `{"key":"2"}`, "ConfigMap/a": `{"key":"red","theirs":"2"}`} {
			if got := field(s.get(name), "data"); got != want {
				t.Errorf("%s: got %s, want %s", name, got, want)
			}
		}
		if got := field(s.get("Deployment/web"), "spec", "replicas") + s.get("ServiceAccount/web").GetAnnotations()["note"]; got != "2theirs" {
			t.Errorf("what is ignored was put right: %s", got)
		}
	})
	s.release("web", func(h *v2.HelmRelease) bool { return current(h) && cond(h, "Drifted").Status == "False" })
	s.wantKept("web", "1:deployed")
}

// In mode warn drift is told once, and stays.
func TestDriftOfAReleaseIsTold(t *testing.T) {
	s := releasing(t, fixed, "interval: 1s", "driftDetection: {mode: warn}")
	s.release("web", func(h *v2.HelmRelease) bool { return current(h) && cond(h, "Drifted").Status == "False" })
	s.patch("ConfigMap/a", `{data: {key: "2"}}`)
	h := s.release("web", func(h *v2.HelmRelease) bool { return current(h) && cond(h, "Drifted").Status == "True" })
	if c := cond(h, "Drifted"); c.Reason != "DriftDetected" || !strings.Contains(c.Message, "ConfigMap/"+s.ns+"/a changed (/data/key)") {
		t.Errorf("Drifted: got %+v", c)
	}
	s.tells("web", "DriftDetected", "ConfigMap/$ns/a changed (/data/key)")
	s.annotate()
	s.release("web", func(h *v2.HelmRelease) bool { return h.Status.LastHandledReconcileAt == "now" && current(h) })
	s.idle()
	s.data("ConfigMap/a", "2")
	n := 0
	for _, e := range s.told("web") {
		if e.Reason == "DriftDetected" {
			n += max(int(e.Count), 1)
		}
	}
	if n != 1 {
		t.Errorf("drift was told %d times", n)
	}
	s.patch("ConfigMap/a", `{data: {key: "red"}}`)
	s.release("web", func(h *v2.HelmRelease) bool { return current(h) && cond(h, "Drifted").Status == "False" })
	s.patch("HelmRelease/web", "spec: {driftDetection: null}")
	s.release("web", func(h *v2.HelmRelease) bool { return current(h) && cond(h, "Drifted").Type == "" })
}

// Nothing moved: no request at all, however often the interval passes, also with
// drift detection, a dependency, values from elsewhere, and tests.
func TestIntervalOfAReleaseAsksNothing(t *testing.T) {
	for name, spec := range map[string][]string{
		"plain":                        {},
		"with drift detection":         {"driftDetection: {mode: enabled}"},
		"with drift that is only told": {"driftDetection: {mode: warn}"},
		"with all":                     {"driftDetection: {mode: enabled}", "test: {enable: true}", "valuesFrom: [{kind: ConfigMap, name: values}]"},
	} {
		t.Run(name, func(t *testing.T) {
			runs := make(chan object.Key, 1024)
			var asked atomic.Int64
			s := up(t, counting(runs), asking(t, &asked))
			s.commit(chartOf("0.1.0", various, files{"templates/good.yaml": helmTest("good", "")}))
			s.apply(valuesOf("x: 1"), source, helmRelease("web", append(spec, fixed, "interval: 1s")...))
			s.release("web", current)
			if strings.Contains(name, "told") {
				s.patch("ConfigMap/a", `{data: {key: "2"}}`)
				s.release("web", func(h *v2.HelmRelease) bool { return current(h) && cond(h, "Drifted").Status == "True" })
			}
			s.idle()
			unit := s.key("HelmRelease/web")
			next(t, runs, unit) // the objects came to rest
			next(t, runs, unit)
			for len(runs) > 0 {
				<-runs
			}
			next(t, runs, unit)
			before, version := asked.Load(), s.releaseNow("web").ResourceVersion
			next(t, runs, unit)
			next(t, runs, unit)
			if got := asked.Load(); got != before {
				t.Errorf("requests in two idle intervals: got %d, want 0", got-before)
			}
			if got := s.releaseNow("web").ResourceVersion; got != version {
				t.Errorf("the status was written: version %s after %s", got, version)
			}
		})
	}
}
