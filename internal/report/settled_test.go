package report

import (
	"errors"
	"testing"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/unit"
)

// anyOutcome draws how a run ended.
func anyOutcome(t *rapid.T) error {
	why := errors.New("it did not work")
	return rapid.SampledFrom([]error{
		nil, nil, Retry(ReasonBuildFailed, why), RetryAfter(ReasonBuildFailed, why, time.Hour), RetryOn(ReasonBuildFailed, why, "another"),
		Wait(ReasonArtifactFailed, why, "another"), Missing(ReasonArtifactFailed, why, "another"),
		Stall(ReasonInvalidSpec, why), Progress("it goes on", "another"), why,
	}).Draw(t, "outcome")
}

// anyConditions draws what an earlier run, or another program, left.
func anyConditions(t *rapid.T) []metav1.Condition {
	kinds := []string{Ready, Reconciling, StalledCondition, Healthy, Released, TestSuccess, Remediated, FetchFailed, ArtifactInStorage, ArtifactOutdated, "Other"}
	var out []metav1.Condition
	for _, kind := range kinds {
		if rapid.Bool().Draw(t, "has "+kind) {
			out = append(out, metav1.Condition{
				Type: kind, Reason: "Before", Status: rapid.SampledFrom([]metav1.ConditionStatus{"True", "False", "Unknown"}).Draw(t, kind),
				ObservedGeneration: int64(rapid.IntRange(-1, 4).Draw(t, kind+" of")),
			})
		}
	}
	return out
}

// What kubectl wait and kstatus go by holds of every kind, whatever was there
// before and however the run ended: Ready is said of the present generation, and
// of nothing that goes on or is stuck; where it is not known, something goes on.
func TestReadyIsOfThePresentAndSettled(t *testing.T) {
	now := time.Unix(1000, 0)
	art := &meta.Artifact{Revision: "main@sha1:a", Digest: "sha256:b"}
	folds := map[string]func(t *rapid.T, m metav1.ObjectMeta, seen int64, c []metav1.Condition, err error) Report{
		"Kustomization": func(t *rapid.T, m metav1.ObjectMeta, seen int64, c []metav1.Condition, err error) Report {
			k := &unit.Kustomization{}
			k.ObjectMeta, k.Status.Conditions, k.Status.ObservedGeneration = m, c, seen
			run := KustomizationRun{Err: err, Started: now, Revision: "main@sha1:a", Attempted: true, Checked: rapid.Bool().Draw(t, "checked")}
			return Kustomization(k, run, now)
		},
		"GitRepository": func(_ *rapid.T, m metav1.ObjectMeta, seen int64, c []metav1.Condition, err error) Report {
			g := &unit.GitRepository{}
			g.ObjectMeta, g.Status.Conditions, g.Status.ObservedGeneration = m, c, seen
			return GitRepository(g, SourceRun{Err: err, Artifact: art}, now)
		},
		"OCIRepository": func(_ *rapid.T, m metav1.ObjectMeta, seen int64, c []metav1.Condition, err error) Report {
			o := &unit.OCIRepository{}
			o.ObjectMeta, o.Status.Conditions, o.Status.ObservedGeneration = m, c, seen
			return OCIRepository(o, SourceRun{Err: err, Artifact: art}, now)
		},
		"HelmRepository": func(_ *rapid.T, m metav1.ObjectMeta, seen int64, c []metav1.Condition, err error) Report {
			r := &unit.HelmRepository{}
			r.ObjectMeta, r.Status.Conditions, r.Status.ObservedGeneration = m, c, seen
			return HelmRepository(r, ChartRun{Err: err, Artifact: art, Reason: ReasonSucceeded}, now)
		},
		"HelmChart": func(_ *rapid.T, m metav1.ObjectMeta, seen int64, c []metav1.Condition, err error) Report {
			h := &unit.HelmChart{}
			h.ObjectMeta, h.Status.Conditions, h.Status.ObservedGeneration = m, c, seen
			return HelmChart(h, ChartRun{Err: err, Artifact: art, Reason: ReasonSucceeded}, now)
		},
		"HelmRelease": func(t *rapid.T, m metav1.ObjectMeta, seen int64, c []metav1.Condition, err error) Report {
			h := &unit.HelmRelease{}
			h.ObjectMeta, h.Status.Conditions, h.Status.ObservedGeneration = m, c, seen
			h.Status.History = v2.Snapshots{{Name: "a", Namespace: "apps", Version: 2, ChartName: "web", ChartVersion: "1.0.0", Action: v2.ReleaseActionUpgrade}}
			run := HelmReleaseRun{Err: err, Status: *h.Status.DeepCopy(), Revision: "1.0.0", Settled: err == nil}
			if rapid.Bool().Draw(t, "running") {
				run.Settled, run.Running, run.Action, run.Err = false, "upgrade", release.Upgrade, Progress("Running 'upgrade' action")
			}
			return HelmRelease(h, run, now)
		},
		"ArtifactGenerator": func(_ *rapid.T, m metav1.ObjectMeta, _ int64, c []metav1.Condition, err error) Report {
			g := &unit.ArtifactGenerator{}
			g.ObjectMeta, g.Status.Conditions = m, c
			return ArtifactGenerator(g, GeneratorRun{Err: err}, now)
		},
		"one that cannot be read": func(t *rapid.T, m metav1.ObjectMeta, seen int64, c []metav1.Condition, err error) Report {
			k := &unit.Kustomization{}
			k.ObjectMeta, k.Status.Conditions, k.Status.ObservedGeneration = m, c, seen
			encoded, _ := unit.Encode(k)
			if err == nil {
				err = Stall(ReasonInvalidSpec, errors.New("broken"))
			}
			return Broken(&unstructured.Unstructured{Object: encoded}, err, now)
		},
	}
	for kind, fold := range folds {
		t.Run(kind, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				m := metav1.ObjectMeta{Namespace: "apps", Name: "a", Generation: int64(rapid.IntRange(1, 4).Draw(t, "generation"))}
				before, err := anyConditions(t), anyOutcome(t)
				rep := fold(t, m, int64(rapid.IntRange(-1, 4).Draw(t, "observed")), before, err)
				if rep.Status == nil {
					t.Fatal("no status")
				}
				s, e := unit.StatusOf(&unstructured.Unstructured{Object: map[string]any{"status": rep.Status}})
				if e != nil {
					t.Fatal(e)
				}
				honest(t, s, m.Generation, kind != "ArtifactGenerator")
			})
		})
	}
}

// honest fails when the conditions contradict each other or the generation.
func honest(t *rapid.T, s unit.Status, generation int64, observes bool) {
	ready := s.Ready()
	switch {
	case ready == nil:
		t.Fatal("no condition Ready")
	case ready.ObservedGeneration != generation:
		t.Fatalf("Ready is of generation %d, want %d", ready.ObservedGeneration, generation)
	case is(s, Reconciling) && is(s, StalledCondition):
		t.Fatal("it goes on, and is stuck")
	case ready.Status == "Unknown" && !is(s, Reconciling):
		t.Fatal("whether it is Ready is not known, and nothing goes on")
	case ready.Status != "True":
	case observes && s.ObservedGeneration != generation:
		t.Fatalf("Ready, and the status is of generation %d, want %d", s.ObservedGeneration, generation)
	case is(s, Reconciling), is(s, StalledCondition):
		t.Fatalf("Ready, and Reconciling %t, Stalled %t", is(s, Reconciling), is(s, StalledCondition))
	}
}

func is(s unit.Status, kind string) bool {
	c := unit.Condition(s.Conditions, kind)
	return c != nil && c.Status == metav1.ConditionTrue
}
