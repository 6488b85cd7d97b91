package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/unit"
)

// releaseTrouble tells why a run could not go on, once.
func releaseTrouble(h *unit.HelmRelease, run HelmReleaseRun) []Event {
	if run.Err == nil {
		return nil
	}
	p := AsProblem(run.Err, ReasonReconcileError)
	before := unit.Condition(h.Status.Conditions, Ready)
	switch {
	case p.Class == Progressing, run.Outcome != nil && run.Outcome.Fruitless:
		return nil
	case p.Reason == ReasonSourceNotReady, p.Reason == ReasonArtifactFailed && p.Missing:
		return nil // the source tells of itself
	case before != nil && before.Message == p.Error() && before.Reason == p.Reason:
		return nil
	case p.Class == Stalled && unit.Condition(h.Status.Conditions, StalledCondition) != nil &&
		unit.Condition(h.Status.Conditions, StalledCondition).Message == p.Error():
		return nil
	}
	return []Event{{Warning: p.Class != Waiting || p.Reason == ReasonValues, Reason: p.Reason, Message: p.Error()}}
}

// ReleaseStays reports that the release of a deleted HelmRelease could not be
// uninstalled; it is tried again. The status is what is known of the release.
func ReleaseStays(h *unit.HelmRelease, err error, now time.Time) Report {
	e := ReleaseRemoved(h, err)
	next, conds := h.Status.DeepCopy(), edit(h.Status.Conditions, h.Generation, now)
	conds.no(Ready, ReasonUninstallFailed, e.Message)
	conds.no(Released, ReasonUninstallFailed, e.Message)
	conds.yes(Reconciling, ReasonRetrying, "Retrying to uninstall in "+removalPause.String())
	next.Conditions = conds.sorted()
	rep := Report{Unit: h.Key(), Next: now.Add(removalPause), Events: []Event{e}}
	rep.Summary = Summary{Ready: "False", Reason: ReasonUninstallFailed, Message: e.Message}
	rep.Status = releaseStatus(next)
	return rep
}

// removalPause is the time until another attempt to uninstall.
const removalPause = time.Minute

// ReleaseRemoved tells that the release of a deleted HelmRelease was
// uninstalled, or why not.
func ReleaseRemoved(h *unit.HelmRelease, err error) Event {
	name, chart := release.Name(&h.HelmRelease), ""
	var meta map[string]string
	if cur := h.Status.History.Latest(); cur != nil {
		name, chart = cur.FullReleaseName(), cur.VersionedChartName()
		meta = metadata(cur.ChartVersion, cur.ConfigDigest, cur.AppVersion, cur.OCIDigest)
	}
	if err != nil {
		return Event{Warning: true, Reason: ReasonUninstallFailed, Metadata: meta, Message: fmt.Sprintf(gone.undone, name, chart, strings.TrimSpace(err.Error()))}
	}
	return Event{Reason: ReasonUninstallSucceeded, Metadata: meta, Message: fmt.Sprintf(gone.done, name, chart)}
}

// ReleaseLeft tells that a release stays because the account that it would be
// uninstalled as is gone.
func ReleaseLeft(h *unit.HelmRelease, user string) Event {
	return Event{Warning: true, Reason: ReasonUninstallFailed, Message: fmt.Sprintf(
		"unable to uninstall release %s: %s is gone; its objects and its Secrets in namespace %s were left behind",
		release.Name(&h.HelmRelease), user, h.Status.StorageNamespace)}
}
