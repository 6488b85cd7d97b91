package report

import (
	"errors"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/unit"
)

// TestReleaseThatWaitsForItsOwnChart: that a HelmChart which the run has just
// made is not looked at yet is not written at once.
func TestReleaseThatWaitsForItsOwnChart(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	h := &unit.HelmRelease{}
	h.Name, h.Namespace, h.Generation = "web", "apps", 1
	run := HelmReleaseRun{Err: Wait(ReasonSourceNotReady, errors.New("latest generation of object has not been reconciled"), "HelmChart/apps/apps-web")}
	for _, c := range []struct {
		name        string
		fresh, soft bool
	}{
		{"made by the run", true, true},
		{"made by somebody else", false, false},
	} {
		run.Fresh = c.fresh
		rep := HelmRelease(h, run, now)
		if rep.Soft != c.soft {
			t.Errorf("%s: soft %v, want %v", c.name, rep.Soft, c.soft)
		}
		if rep.Summary.Ready != "False" || rep.Summary.Reason != ReasonSourceNotReady {
			t.Errorf("%s: got %+v", c.name, rep.Summary)
		}
	}
}
