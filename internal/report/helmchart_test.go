package report_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

var at = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func helmChart() *unit.HelmChart {
	c := &unit.HelmChart{}
	c.Namespace, c.Name, c.Generation = "apps", "web", 3
	c.Status.Artifact = &meta.Artifact{Revision: "1.0.0", Digest: "sha256:a"}
	c.Status.ObservedGeneration = 2
	return c
}

// told is a report in one line: the conditions that are True, but for Ready,
// which is told with its reason.
func told(rep report.Report) string {
	list, _ := rep.Status["conditions"].([]any)
	var out []string
	for _, c := range list {
		c := c.(map[string]any)
		switch {
		case c["type"] == "Ready":
			out = append(out, fmt.Sprintf("Ready=%s/%s", c["status"], c["reason"]))
		case c["status"] == string(metav1.ConditionTrue):
			out = append(out, c["type"].(string))
		}
	}
	next := "never"
	if !rep.Next.IsZero() {
		next = rep.Next.Sub(at).Round(time.Second).String()
	}
	return fmt.Sprintf("%s observed=%v next=%s events=%d", strings.Join(out, " "), rep.Status["observedGeneration"], next, len(rep.Events))
}

func TestHelmChart(t *testing.T) {
	err := errors.New("x")
	good := report.ChartRun{
		Artifact: &meta.Artifact{Revision: "1.1.0", Digest: "sha256:b"}, Reason: report.ReasonChartPulled, Message: "pulled", Chart: "web", Source: "sha256:i",
	}
	same := good
	same.Artifact = &meta.Artifact{Revision: "1.0.0", Digest: "sha256:a"}
	polled := same
	polled.Again = time.Hour
	for name, c := range map[string]struct {
		run  report.ChartRun
		want string
	}{
		"new":        {good, "Ready=True/ChartPullSucceeded ArtifactInStorage observed=3 next=never events=1"},
		"same":       {same, "Ready=True/ChartPullSucceeded ArtifactInStorage observed=3 next=never events=0"},
		"reference":  {report.ChartRun{Err: report.Stall(report.ReasonChartReference, err)}, "Stalled Ready=False/InvalidChartReference FetchFailed observed=3 next=never events=1"},
		"values":     {report.ChartRun{Err: report.Stall(report.ReasonValuesFiles, err)}, "Stalled Ready=False/ValuesFilesError BuildFailed observed=3 next=never events=1"},
		"dependency": {report.ChartRun{Err: report.Retry(report.ReasonDependencyBuild, err), Failures: 1}, "Reconciling Ready=False/DependencyBuildError BuildFailed observed=2 next=1s events=1"},
		"pull":       {report.ChartRun{Err: report.Retry(report.ReasonChartPull, err), Failures: 5}, "Reconciling Ready=False/ChartPullError FetchFailed observed=2 next=12s events=1"},
		"busy":       {report.ChartRun{Err: report.RetryAfter(report.ReasonChartPull, err, time.Minute), Failures: 1}, "Reconciling Ready=False/ChartPullError FetchFailed observed=2 next=1m0s events=1"},
		"storage":    {report.ChartRun{Err: report.Retry(report.ReasonArchiveFailed, err), Failures: 1}, "Reconciling Ready=False/ArchiveOperationFailed StorageOperationFailed observed=2 next=1s events=1"},
		"waiting":    {report.ChartRun{Err: report.Wait(report.ReasonNoSource, err, "HelmRepository/apps/a")}, "Reconciling Ready=False/NoSourceArtifact FetchFailed observed=2 next=never events=1"},
	} {
		if got := told(report.HelmChart(helmChart(), c.run, at)); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
	if next := report.HelmChart(helmChart(), polled, at).Next.Sub(at); next < 57*time.Minute || next > 63*time.Minute {
		t.Errorf("asked again after %s", next)
	}
}

// What stands in the status stays, where a run did not come so far.
func TestHelmChartFailureKeepsTheArtifact(t *testing.T) {
	c := helmChart()
	c.Status.ObservedChartName = "web"
	c.Annotations = map[string]string{meta.ReconcileRequestAnnotation: "now"}
	rep := report.HelmChart(c, report.ChartRun{Err: report.Retry(report.ReasonChartPull, errors.New("x")), Source: "sha256:new"}, at)
	for name, want := range map[string]any{
		"observedChartName": "web", "observedSourceArtifactRevision": "sha256:new", "lastHandledReconcileAt": "now",
	} {
		if got := rep.Status[name]; got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if rep.Status["artifact"] == nil {
		t.Error("the artifact is gone")
	}
	c.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "False", Reason: report.ReasonChartPull, Message: "x"}}
	if rep := report.HelmChart(c, report.ChartRun{Err: report.Retry(report.ReasonChartPull, errors.New("x"))}, at); len(rep.Events) != 0 {
		t.Errorf("the same failure is told again: %v", rep.Events)
	}
}

// The event about an index tells its size and whence it came, and no password.
func TestHelmRepositoryNews(t *testing.T) {
	for size, want := range map[int64]string{
		999: "size 999B", 24_318: "size 24.32kB", 1_000_000: "size 1MB", -1: "unknown size",
	} {
		r := &unit.HelmRepository{}
		r.Spec.URL = "https://me:canary@charts.example.com/x?token=canary"
		art := &meta.Artifact{Revision: "sha256:a", Digest: "sha256:b"}
		if size >= 0 {
			art.Size = &size
		}
		rep := report.HelmRepository(r, report.ChartRun{Artifact: art, Reason: report.ReasonSucceeded, Message: "stored artifact: revision 'sha256:a'"}, at)
		if len(rep.Events) != 1 || rep.Events[0].Reason != report.ReasonNewArtifact || rep.Events[0].Message != "stored fetched index of "+want+" from 'https://charts.example.com/x'" {
			t.Errorf("%d: got %+v", size, rep.Events)
		}
		if rep.Summary.Message != "stored artifact: revision 'sha256:a'" {
			t.Errorf("got %q", rep.Summary.Message)
		}
	}
}
