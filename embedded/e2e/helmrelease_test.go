package e2e

import (
	"fmt"
	"strings"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v4/pkg/action"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestHelmReleaseIsInstalled(t *testing.T) {
	s := releasing(t, fixed, "values: {color: blue}")
	h := s.released("web", 1)
	s.data("ConfigMap/a", "blue")
	latest := h.Status.History.Latest()
	if latest.Name != "web" || latest.Namespace != s.ns || latest.Status != "deployed" || latest.ChartName != "web" ||
		latest.ChartVersion != "0.1.0" || latest.AppVersion != "v9" || latest.Action != "install" || !strings.HasPrefix(latest.Digest, "sha256:") {
		t.Errorf("history: got %+v", latest)
	}
	name := s.ns + "/web.v1"
	if c := cond(h, "Released"); c.Status != "True" || c.Reason != "InstallSucceeded" || c.Message != "Helm install succeeded for release "+name+" with chart web@0.1.0" {
		t.Errorf("Released: got %+v", c)
	}
	if c := cond(h, "Ready"); c.Reason != "InstallSucceeded" || c.Message != cond(h, "Released").Message {
		t.Errorf("Ready: got %+v", c)
	}
	if len(h.Status.Conditions) != 2 {
		t.Errorf("conditions: got %v", h.Status.Conditions)
	}
	if st := h.Status; st.LastAttemptedRevision != "0.1.0" || st.LastAttemptedGeneration != h.Generation || st.LastAttemptedConfigDigest != latest.ConfigDigest ||
		st.LastAttemptedReleaseAction != "install" || st.StorageNamespace != s.ns || st.HelmChart != s.ns+"/"+s.ns+"-web" || st.Failures != 0 {
		t.Errorf("status: got %+v", st)
	}
	if in := h.Status.Inventory; in == nil || len(in.Entries) != 1 || in.Entries[0].ID != s.ns+"_a__ConfigMap" || in.Entries[0].Version != "v1" {
		t.Errorf("inventory: got %+v", in)
	}
	labels := s.get("ConfigMap/a").GetLabels()
	if labels["helm.toolkit.fluxcd.io/name"] != "web" || labels["helm.toolkit.fluxcd.io/namespace"] != s.ns || labels["app.kubernetes.io/managed-by"] != "Helm" {
		t.Errorf("labels: got %v", labels)
	}
	e := s.tells("web", "InstallSucceeded", "Helm install succeeded for release "+name+" with chart web@0.1.0")
	for key, want := range map[string]string{"revision": "0.1.0", "token": latest.ConfigDigest, "app-version": "v9"} {
		if got := e.Annotations["helm.toolkit.fluxcd.io/"+key]; got != want {
			t.Errorf("event metadata %s: got %q, want %q of %v", key, got, want, e.Annotations)
		}
	}

	// helm reads it.
	list, err := action.NewList(s.helm()).Run()
	s.must(err)
	if len(list) != 1 || list[0].(*relv1.Release).Name != "web" {
		t.Errorf("helm list: got %v", list)
	}
	got, err := action.NewGet(s.helm()).Run("web")
	s.must(err)
	if rel := got.(*relv1.Release); rel.Chart.Metadata.Version != "0.1.0" || rel.Config["color"] != "blue" || !strings.Contains(rel.Manifest, `key: "blue"`) {
		t.Errorf("helm get: got %v\n%s", rel.Config, rel.Manifest)
	}

	// Its HelmChart.
	c := s.get("HelmChart/" + s.ns + "-web")
	if c.GetLabels()["helm.toolkit.fluxcd.io/name"] != "web" || c.GetLabels()["helm.toolkit.fluxcd.io/namespace"] != s.ns {
		t.Errorf("labels of the HelmChart: got %v", c.GetLabels())
	}
}

func TestHelmReleaseIsUpgraded(t *testing.T) {
	s := releasing(t, fixed, "valuesFrom: [{kind: ConfigMap, name: values, optional: true}, {kind: Secret, name: one, valuesKey: color, targetPath: color, optional: true}]")
	s.released("web", 1)
	t.Run("by the version of its chart", func(t *testing.T) {
		s.commit(chartOf("0.2.0", files{"templates/b.yaml": configMap("b", "1")}))
		h := s.released("web", 2)
		s.data("ConfigMap/b", "1")
		if c := cond(h, "Ready"); c.Reason != "UpgradeSucceeded" || c.Message != "Helm upgrade succeeded for release "+s.ns+"/web.v2 with chart web@0.2.0" {
			t.Errorf("Ready: got %+v", c)
		}
		if got := h.Status.History; len(got) != 2 || got[1].Version != 1 || got[1].Status != "superseded" {
			t.Errorf("history: got %v", got)
		}
		if len(h.Status.Inventory.Entries) != 2 {
			t.Errorf("inventory: got %v", h.Status.Inventory)
		}
	})
	t.Run("by its values", func(t *testing.T) {
		s.patch("HelmRelease/web", "spec: {values: {color: green}}")
		s.released("web", 3)
		s.data("ConfigMap/a", "green")
	})
	t.Run("by a ConfigMap that comes and changes", func(t *testing.T) {
		s.patch("HelmRelease/web", "spec: {values: null}")
		s.released("web", 4)
		s.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: values, namespace: $ns}\ndata: {values.yaml: 'color: cyan'}\n")
		s.released("web", 5)
		s.data("ConfigMap/a", "cyan")
		s.patch("ConfigMap/values", "data: {values.yaml: 'color: pink'}")
		s.released("web", 6)
		s.data("ConfigMap/a", "pink")
	})
	t.Run("by a Secret at a path", func(t *testing.T) {
		s.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: one, namespace: $ns}\nstringData: {color: black}\n")
		s.released("web", 7)
		s.data("ConfigMap/a", "black")
	})
	t.Run("and keeps a bounded history", func(t *testing.T) {
		h := s.releaseNow("web")
		if n := len(h.Status.History); n > 5 {
			t.Errorf("%d snapshots", n)
		}
		s.wantKept("web", "3:superseded 4:superseded 5:superseded 6:superseded 7:deployed")
	})
	t.Run("and not by what changes nothing", func(t *testing.T) {
		s.idle()
		s.patch("ConfigMap/values", "metadata: {labels: {team: red}}")
		s.patch("HelmRelease/web", "spec: {interval: 23h}")
		s.release("web", func(h *v2.HelmRelease) bool { return current(h) && h.Generation == h.Status.LastAttemptedGeneration })
		s.wantKept("web", "3:superseded 4:superseded 5:superseded 6:superseded 7:deployed")
	})
}

// A value that must be there is awaited, and its coming is enough.
func TestHelmReleaseWaitsForItsValues(t *testing.T) {
	s := releasing(t, "valuesFrom: [{kind: Secret, name: values}]")
	s.refuses("web", "ValuesError", "could not resolve Secret chart values reference '$ns/values' with key 'values.yaml'")
	s.absent("ConfigMap/a")
	s.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: values, namespace: $ns}\nstringData: {other: x}\n")
	s.refuses("web", "ValuesError", "values.yaml")
	s.patch("Secret/values", "stringData: {values.yaml: 'color: [canary'}")
	if h := s.refuses("web", "ValuesError", "yaml"); strings.Contains(fmt.Sprint(h.Status), "canary") {
		t.Errorf("a secret value shows: %v", h.Status.Conditions)
	}
	s.patch("Secret/values", "stringData: {values.yaml: 'color: blue'}")
	s.released("web", 1)
	s.data("ConfigMap/a", "blue")
}

// The chart comes from another place: the HelmChart follows.
func TestHelmChartOfARelease(t *testing.T) {
	s := releasing(t, fixed)
	s.released("web", 1)
	own := "HelmChart/" + s.ns + "-web"
	s.patch("HelmRelease/web", "spec: {chart: {spec: {reconcileStrategy: Revision}, metadata: {labels: {team: red}, annotations: {note: x}}}}")
	s.await(own, func(o *unstructured.Unstructured) bool {
		return o != nil && field(o, "spec", "reconcileStrategy") == `"Revision"` && o.GetLabels()["team"] == "red" && o.GetAnnotations()["note"] == "x"
	})
	s.released("web", 2)
	t.Run("one that somebody changed is put right", func(t *testing.T) {
		s.patch(own, "spec: {chart: ./elsewhere}")
		s.has(own, `"./chart"`, "spec", "chart")
		s.delete(own)
		s.exists(own)
		s.released("web", 2)
	})
	t.Run("one that somebody made", func(t *testing.T) {
		s.apply(fmt.Sprintf(helmChart, "mine", "./chart", "GitRepository", "fleet", ""))
		s.patch("HelmRelease/web", "spec: {chart: null, chartRef: {kind: HelmChart, name: mine}}")
		s.gone(own)
		h := s.released("web", 3)
		if h.Status.HelmChart != "" || h.Status.LastAttemptedRevision != "0.1.0" {
			t.Errorf("got HelmChart %q, revision %q", h.Status.HelmChart, h.Status.LastAttemptedRevision)
		}
	})
	t.Run("and back", func(t *testing.T) {
		s.patch("HelmRelease/web", "spec: {chartRef: null, chart: {spec: {chart: ./chart, reconcileStrategy: Revision, sourceRef: {kind: GitRepository, name: fleet}}}}")
		s.exists(own)
		s.exists("HelmChart/mine")
		s.released("web", 4)
	})
	t.Run("that does not exist", func(t *testing.T) {
		s.patch("HelmRelease/web", "spec: {chart: {spec: {chart: ./none}}}")
		h := s.refuses("web", "SourceNotReady", "HelmChart '$ns/$ns-web' is not ready")
		if h.Status.ObservedGeneration == h.Generation {
			t.Error("observedGeneration of a release that was not made")
		}
		s.data("ConfigMap/a", "red")
	})
}

func TestHelmReleaseSuspendedRequestedForced(t *testing.T) {
	s := releasing(t, fixed)
	s.released("web", 1)
	ask := func(annotations string) { s.patch("HelmRelease/web", "metadata: {annotations: {"+annotations+"}}") }
	t.Run("requested", func(t *testing.T) {
		ask("reconcile.fluxcd.io/requestedAt: one")
		s.release("web", func(h *v2.HelmRelease) bool { return h.Status.LastHandledReconcileAt == "one" && current(h) })
		s.wantKept("web", "1:deployed")
	})
	t.Run("forced", func(t *testing.T) {
		ask("reconcile.fluxcd.io/requestedAt: two, reconcile.fluxcd.io/forceAt: two")
		h := s.released("web", 2)
		if h.Status.LastHandledForceAt != "two" || h.Status.LastHandledReconcileAt != "two" {
			t.Errorf("handled: got %q, %q", h.Status.LastHandledForceAt, h.Status.LastHandledReconcileAt)
		}
		ask("reconcile.fluxcd.io/requestedAt: three")
		s.release("web", func(h *v2.HelmRelease) bool { return h.Status.LastHandledReconcileAt == "three" && current(h) })
		s.wantKept("web", "1:superseded 2:deployed")
	})
	t.Run("suspended", func(t *testing.T) {
		s.apply(helmRelease("after", fixed, "releaseName: after", "values: {color: blue}", "dependsOn: [{name: web}]"))
		s.released("after", 1)
		s.patch("HelmRelease/web", "spec: {suspend: true}")
		s.release("web", func(h *v2.HelmRelease) bool {
			return h.Status.ObservedGeneration == h.Generation && cond(h, "Ready").Status == "True"
		})
		s.patch("HelmRelease/after", "spec: {values: {color: green}}")
		s.released("after", 2)
		s.delete("HelmRelease/after")
		ask("reconcile.fluxcd.io/requestedAt: four")
		s.commit(chartOf("0.2.0"))
		s.says("HelmChart/"+s.ns+"-web", "True", "ChartPackageSucceeded", "0.2.0")
		s.idle()
		if h := s.releaseNow("web"); h.Status.LastHandledReconcileAt != "three" || h.Status.History.Latest().Version != 2 {
			t.Errorf("a suspended release acted: %+v", h.Status)
		}
		s.patch("HelmRelease/web", "spec: {suspend: false}")
		h := s.released("web", 3)
		if h.Status.LastHandledReconcileAt != "four" {
			t.Errorf("the request was not answered: %q", h.Status.LastHandledReconcileAt)
		}
	})
}

// What happens while an action waits for what it made.
func TestHelmReleaseWaitsForHealth(t *testing.T) {
	s := releasing(t, "values: {stuck: true}")
	s.exists("Deployment/stuck")
	h := s.running("web", "install")
	if h.Status.ObservedGeneration == h.Generation {
		t.Error("observedGeneration of a release that is not made yet")
	}
	s.patch("HelmRelease/web", "metadata: {annotations: {reconcile.fluxcd.io/requestedAt: one}}")
	s.release("web", func(h *v2.HelmRelease) bool { return h.Status.LastHandledReconcileAt == "one" })
	t.Run("a newer commit goes on, and nothing has failed", func(t *testing.T) {
		s.commit(chartOf("0.2.0", files{"templates/b.yaml": configMap("b", "1")}))
		s.data("ConfigMap/b", "1")
		h := s.running("web", "upgrade")
		if h.Status.InstallFailures != 0 || h.Status.UpgradeFailures != 0 || h.Status.Failures != 0 {
			t.Errorf("failures: got %+v", h.Status)
		}
	})
	t.Run("it becomes ready", func(t *testing.T) {
		s.patch("Deployment/stuck", "spec: {replicas: 0}")
		s.released("web", 2)
		s.wantKept("web", "1:superseded 2:deployed")
	})
	t.Run("forced meanwhile, it acts once more", func(t *testing.T) {
		s.patch("Deployment/stuck", "spec: {replicas: 1}")
		s.patch("HelmRelease/web", "spec: {values: {color: black, stuck: true}}")
		s.running("web", "upgrade")
		s.patch("HelmRelease/web", "metadata: {annotations: {reconcile.fluxcd.io/requestedAt: two, reconcile.fluxcd.io/forceAt: two}}")
		s.release("web", func(h *v2.HelmRelease) bool { return h.Status.LastHandledReconcileAt == "two" })
		s.patch("Deployment/stuck", "spec: {replicas: 0}")
		s.released("web", 4)
	})
	t.Run("suspended meanwhile, it is still written down", func(t *testing.T) {
		s.patch("Deployment/stuck", "spec: {replicas: 1}")
		s.patch("HelmRelease/web", "spec: {values: {color: blue, stuck: true}}")
		s.running("web", "upgrade")
		s.patch("HelmRelease/web", "spec: {suspend: true}")
		s.patch("Deployment/stuck", "spec: {replicas: 0}")
		s.release("web", func(h *v2.HelmRelease) bool {
			latest := h.Status.History.Latest()
			return latest.Status == "deployed" && latest.ConfigDigest == h.Status.LastAttemptedConfigDigest && latest.Version > 4
		})
	})
}

// An action that waits times out, and what it says names the object.
func TestHelmReleaseTimesOut(t *testing.T) {
	s := releasing(t, "timeout: 1s", "values: {stuck: true}", "install: {strategy: {name: RetryOnFailure, retryInterval: 1h}}")
	s.refuses("web", "InstallFailed", "Helm install failed for release $ns/web with chart web@0.1.0+", "Deployment/$ns/stuck status: 'InProgress'")
}
