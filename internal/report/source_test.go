package report

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/leat-dev/leat/internal/unit"
)

func ociRepository(t *testing.T, status map[string]any) *unit.OCIRepository {
	t.Helper()
	o := &unit.OCIRepository{}
	o.Name, o.Namespace, o.Generation = "app", "apps", 3
	o.Spec = sourcev1.OCIRepositorySpec{URL: "oci://ghcr.io/acme/app", Interval: metav1.Duration{Duration: time.Hour}}
	if status != nil {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(status, &o.Status); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

var pulled = &meta.Artifact{
	Revision: "main@sha256:1", Digest: "sha256:2", Path: "p", URL: "http://x/p",
	Metadata: map[string]string{"org.opencontainers.image.source": "https://git", "org.opencontainers.image.revision": "main@sha1:3"},
}

// A success is told once; the same again changes nothing.
func TestOCIRepositorySettles(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	run := SourceRun{Artifact: pulled, URL: "http://x/latest.tar.gz"}
	first := OCIRepository(ociRepository(t, nil), run, now)
	want := []Event{{
		Reason:   ReasonNewArtifact,
		Message:  "stored artifact with revision 'main@sha256:1' from 'oci://ghcr.io/acme/app', origin source 'https://git', origin revision 'main@sha1:3'",
		Metadata: map[string]string{"revision": "main@sha256:1", "digest": "sha256:2"},
	}}
	if diff := cmp.Diff(first.Events, want); diff != "" {
		t.Errorf("events: got - want +\n%s", diff)
	}
	if first.Summary.Ready != "True" || first.Summary.Message != "stored artifact for digest 'main@sha256:1'" || first.Status["url"] != run.URL {
		t.Errorf("got %+v", first)
	}
	again := OCIRepository(ociRepository(t, first.Status), run, now.Add(time.Hour))
	if diff := cmp.Diff(again.Status, first.Status); diff != "" || len(again.Events) > 0 {
		t.Errorf("the same again: %v, %s", again.Events, diff)
	}
	if next := again.Next.Sub(now); next < time.Hour+57*time.Minute || next > time.Hour+63*time.Minute {
		t.Errorf("next after %s", next)
	}
}

// When a failed run comes again, and what it says.
func TestSourceFailures(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	good := OCIRepository(ociRepository(t, nil), SourceRun{Artifact: pulled}, now).Status
	for name, c := range map[string]struct {
		err      error
		failures int
		after    time.Duration // 0 is never
		conds    string
	}{
		"first":         {Retry(ReasonPullFailed, errors.New("x")), 1, 750 * time.Millisecond, "Reconciling Ready=False FetchFailed ArtifactInStorage"},
		"third":         {Retry(ReasonPullFailed, errors.New("x")), 3, 3 * time.Second, "Reconciling Ready=False FetchFailed ArtifactInStorage"},
		"without class": {errors.New("x"), 1, 750 * time.Millisecond, "Reconciling Ready=False FetchFailed ArtifactInStorage"},
		"asked to wait": {RetryAfter(ReasonPullFailed, errors.New("x"), time.Minute), 1, time.Minute, "Reconciling Ready=False FetchFailed ArtifactInStorage"},
		"storage":       {Retry(ReasonArchiveFailed, errors.New("x")), 1, 750 * time.Millisecond, "Reconciling Ready=False StorageOperationFailed ArtifactInStorage"},
		"stalled":       {Stall(ReasonURLInvalid, errors.New("x")), 1, 0, "Stalled Ready=False FetchFailed ArtifactInStorage"},
		"waiting":       {Wait(ReasonAuthFailed, errors.New("x"), "Secret/a/b"), 1, 0, "Reconciling Ready=False FetchFailed ArtifactInStorage"},
	} {
		rep := OCIRepository(ociRepository(t, good), SourceRun{Err: c.err, Failures: c.failures}, now)
		if got := rep.Next; c.after == 0 && !got.IsZero() || c.after > 0 && got.Sub(now) != c.after {
			t.Errorf("%s: next at %s", name, got)
		}
		back := ociRepository(t, rep.Status)
		have := map[string]bool{}
		for _, cond := range back.Status.Conditions {
			have[cond.Type] = true
			have[cond.Type+"="+string(cond.Status)] = true
		}
		for _, want := range strings.Fields(c.conds) {
			if !have[want] {
				t.Errorf("%s: no %s in %v", name, want, back.Status.Conditions)
			}
		}
		if len(rep.Events) != 1 || !rep.Events[0].Warning || back.Status.Artifact == nil {
			t.Errorf("%s: events %v, artifact %v", name, rep.Events, back.Status.Artifact)
		}
		if same := OCIRepository(back, SourceRun{Err: c.err, Failures: c.failures + 1}, now); len(same.Events) > 0 {
			t.Errorf("%s: told twice", name)
		}
	}
}

// What another controller verified is not told of what nobody verified here.
func TestNothingIsVerified(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	before := func() *unit.OCIRepository {
		o := ociRepository(t, nil)
		o.Status.Conditions = []metav1.Condition{{Type: SourceVerified, Status: "True", Reason: ReasonSucceeded}}
		return o
	}
	for name, c := range map[string]struct {
		run  SourceRun
		want string
	}{
		"read":      {SourceRun{Artifact: pulled}, ""},
		"refused":   {SourceRun{Err: Stall(ReasonVerification, errors.New("x"))}, "False"},
		"not asked": {SourceRun{Err: Retry(ReasonPullFailed, errors.New("x"))}, "True"}, // of the artifact that is there
	} {
		o := ociRepository(t, OCIRepository(before(), c.run, now).Status)
		got := ""
		if cond := unit.Condition(o.Status.Conditions, SourceVerified); cond != nil {
			got = string(cond.Status)
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
