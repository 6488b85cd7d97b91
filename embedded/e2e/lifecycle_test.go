package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/object"
)

func TestCommitIsAppliedChangedAndPruned(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1"), "app/b.yaml": configMap("b", "1")})
	s.apply(source, kustomization("app", "path: ./app"))
	k := s.ready("app")
	want := []string{s.ns + "_a__ConfigMap", s.ns + "_b__ConfigMap"}
	if got := inventory(k); !slices.Equal(got, want) {
		t.Errorf("inventory: got %q, want %q", got, want)
	}
	s.commit(files{"app/a.yaml": configMap("a", "2"), "app/b.yaml": ""})
	k = s.ready("app")
	s.data("ConfigMap/a", "2")
	s.absent("ConfigMap/b")
	if got := inventory(k); !slices.Equal(got, want[:1]) {
		t.Errorf("inventory after pruning: got %q, want %q", got, want[:1])
	}
}

// What Flux leaves: one Apply entry of kustomize-controller and the owner labels.
func TestAppliedObjectLooksAsFluxLeavesIt(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app"))
	s.ready("app")
	o := s.get("ConfigMap/a")
	for label, want := range map[string]string{object.OwnerName: "app", object.OwnerNamespace: s.ns} {
		if got := o.GetLabels()[label]; got != want {
			t.Errorf("label %s: got %q, want %q", label, got, want)
		}
	}
	entries := o.GetManagedFields()
	if len(entries) != 1 || entries[0].Manager != "kustomize-controller" || entries[0].Operation != metav1.ManagedFieldsOperationApply {
		t.Errorf("managedFields: got %v, want one Apply of kustomize-controller", entries)
	}
	const fields = `{"f:data":{"f:key":{}},"f:metadata":{"f:labels":{"f:kustomize.toolkit.fluxcd.io/name":{},"f:kustomize.toolkit.fluxcd.io/namespace":{}}}}`
	if got := string(entries[0].FieldsV1.Raw); got != fields {
		t.Errorf("owned fields: got %s, want %s", got, fields)
	}
}

func TestStatusOfReadyUnit(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app", "wait: true"))
	k := s.ready("app")
	for kind, reason := range map[string]string{"Ready": "ReconciliationSucceeded", "Healthy": "Succeeded"} {
		c := condition(k, kind)
		if c.Status != "True" || c.Reason != reason || c.ObservedGeneration != k.Generation {
			t.Errorf("%s: got %+v, want True for %s", kind, c, reason)
		}
	}
	if got, want := condition(k, "Ready").Message, "Applied revision: "+s.revision(); got != want {
		t.Errorf("message: got %q, want %q", got, want)
	}
	if len(k.Status.Conditions) != 2 {
		t.Errorf("conditions: got %v, want Ready and Healthy only", k.Status.Conditions)
	}
	if got := k.Status.LastAttemptedRevision; got != s.revision() {
		t.Errorf("lastAttemptedRevision: got %q, want %q", got, s.revision())
	}
	if len(k.Status.History) != 1 || k.Status.History[0].LastReconciledStatus != "ReconciliationSucceeded" {
		t.Errorf("history: got %+v, want one success", k.Status.History)
	}
	if !strings.HasPrefix(k.Status.LastAppliedRevision, "main@sha1:") {
		t.Errorf("revision: got %q, want main@sha1:…", k.Status.LastAppliedRevision)
	}
}

func TestRequestIsAnswered(t *testing.T) {
	answered := func(s *stand, token string) {
		s.Helper()
		s.unit("app", func(k *kustomizev1.Kustomization) bool { return k.Status.LastHandledReconcileAt == token })
	}
	start := func(t *testing.T, spec ...string) *stand {
		s := up(t)
		s.commit(files{"app/a.yaml": configMap("a", "1")})
		s.apply(source, kustomization("app", append(spec, "path: ./app")...))
		return s
	}
	t.Run("when nothing changed", func(t *testing.T) {
		s := start(t)
		s.ready("app")
		s.request("app", "one")
		answered(s, "one")
		s.request("app", "two")
		answered(s, "two")
	})
	t.Run("when the last run failed", func(t *testing.T) {
		s := start(t, "dependsOn: [{name: missing}]")
		s.fails("app", "DependencyNotReady")
		s.request("app", "one")
		answered(s, "one")
	})
	t.Run("while waiting for health", func(t *testing.T) {
		s := start(t, "healthChecks: [{apiVersion: v1, kind: Secret, name: never, namespace: $ns}]", "timeout: 1h")
		s.data("ConfigMap/a", "1")
		s.request("app", "one")
		answered(s, "one")
	})
	t.Run("not when suspended, and at once when resumed", func(t *testing.T) {
		s := start(t)
		s.ready("app")
		s.suspend("app", true)
		s.request("app", "one")
		s.idle()
		if got := s.now("app").Status.LastHandledReconcileAt; got != "" {
			t.Errorf("lastHandledReconcileAt of a suspended unit: got %q, want none", got)
		}
		s.suspend("app", false)
		answered(s, "one")
	})
}

func TestSuspendedUnitFollowsNoCommitUntilResumed(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1"), "other/b.yaml": configMap("b", "1")})
	s.apply(source, kustomization("app", "path: ./app"), kustomization("other", "path: ./other"))
	s.ready("app")
	s.ready("other")
	s.suspend("app", true)
	s.reconcile("Kustomization/other") // what comes later in the same watch was handled: so was the suspension
	s.idle()
	s.commit(files{"app/a.yaml": configMap("a", "2"), "other/b.yaml": configMap("b", "2")})
	s.ready("other")
	s.idle()
	if got := field(s.get("ConfigMap/a"), "data", "key"); got != `"1"` {
		t.Errorf("a suspended unit applied %s", got)
	}
	s.suspend("app", false)
	s.data("ConfigMap/a", "2")
	s.ready("app")
}

// Nothing moved: no request at all, however often the interval passes.
func TestIntervalWithoutChangeAsksNothing(t *testing.T) {
	runs := make(chan object.Key, 1024)
	s := up(t, counting(runs))
	s.commit(files{"app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app", "interval: 1s", "wait: true"))
	s.ready("app")
	s.idle()
	unit := s.key("Kustomization/app")
	for len(runs) > 0 {
		<-runs
	}
	next(t, runs, unit)
	before, version := s.asked(), s.now("app").ResourceVersion
	next(t, runs, unit)
	next(t, runs, unit)
	if got := s.asked(); got != before {
		t.Errorf("requests in two idle intervals: got %d, want 0: %v", got-before, s.app.Requests.Counts())
	}
	if got := s.now("app").ResourceVersion; got != version {
		t.Errorf("the status was written: version %s after %s", got, version)
	}
}

// next waits for the end of one more run of a unit.
func next(t *testing.T, runs <-chan object.Key, unit object.Key) {
	t.Helper()
	for timeout := time.After(patience); ; {
		select {
		case key := <-runs:
			if key == unit {
				return
			}
		case <-timeout:
			t.Fatalf("%s did not run within %s", unit, patience)
		}
	}
}
