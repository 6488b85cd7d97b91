package release

import (
	"fmt"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	rcommon "helm.sh/helm/v4/pkg/release/common"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
)

// stateOf compares the newest stored release with what is wanted
// (helm-controller v1.6.4 internal/reconcile/state.go).
func stateOf(req Request) (State, string) {
	rel := latest(req.Stored)
	if rel == nil {
		return StateAbsent, "no release in storage for object"
	}
	status := rel.Info.Status
	if Interrupted(status) {
		return StateLocked, fmt.Sprintf("release with status '%s'", status)
	}
	cur := req.Object.Status.History.Latest()
	if cur == nil {
		if status == rcommon.StatusUninstalled {
			return StateAbsent, "found uninstalled release in storage"
		}
		return StateUnmanaged, "found existing release in storage"
	}
	if status == rcommon.StatusUninstalled {
		// By whomever: Flux tries to upgrade what somebody else has uninstalled, in vain.
		return StateAbsent, "found uninstalled release in storage"
	}
	if err := verify(cur, rel); err != nil {
		return StateUnmanaged, err.Error()
	}
	if status == rcommon.StatusFailed {
		return StateFailed, ""
	}
	return deployed(req, cur, rel)
}

// Interrupted tells whether whatever wrote the status cannot have finished. Flux
// unlocks pending releases only; one that was killed while it was uninstalled,
// or between its two last writes of an upgrade, makes every later upgrade fail
// there.
func Interrupted(status rcommon.Status) bool {
	switch status {
	case rcommon.StatusDeployed, rcommon.StatusFailed, rcommon.StatusUninstalled:
		return false
	}
	return true
}

// deployed compares a release that Helm says is fine.
func deployed(req Request, cur *v2.Snapshot, rel *relv1.Release) (State, string) {
	if why := outOfSync(req, cur, rel); why != "" {
		return StateOutOfSync, why
	}
	if test := req.Object.GetTest(); test.Enable {
		if !cur.HasBeenTested() {
			return StateUntested, ""
		}
		if testsCount(req.Object) && cur.HasTestInPhase(relv1.HookPhaseFailed.String()) {
			return StateFailed, "release has test in failed phase"
		}
	}
	if req.Object.GetDriftDetection().MustDetectChanges() {
		switch req.Drift {
		case DriftUnknown:
			return StateUnsure, "the cluster was not compared with the manifest yet"
		case Drifted:
			return StateDrifted, ""
		}
	}
	return StateInSync, ""
}

// outOfSync says what differs between a stored release and what is wanted.
func outOfSync(req Request, cur *v2.Snapshot, rel *relv1.Release) string {
	hr := req.Object
	if have := rel.Chart.Metadata; have.Name != req.Chart.Name || have.Version != req.Chart.Version {
		return "release chart changed"
	}
	config := cur.ConfigDigest
	if !ours(config) { // of another algorithm; the snapshot as a whole was verified
		config = ConfigDigest(rel.Config)
	}
	if config != req.Config {
		return "release config values changed"
	}
	if hr.Status.ObservedGeneration == hr.Generation {
		return "" // what renders after the chart changes with the spec only
	}
	if req.Rendering.PostRenderers != hr.Status.ObservedPostRenderersDigest {
		return "postrenderers digest has changed"
	}
	if req.Rendering.CommonMetadata != hr.Status.ObservedCommonMetadataDigest {
		return "common metadata digest has changed"
	}
	return ""
}

// rendered notes in a status how the stored release was rendered. Flux notes so of every
// attempt (helm-controller v1.6.4 internal/reconcile/release.go, summarize): there a
// patch that cannot be applied fails once, and is in sync from then on.
func rendered(s *v2.HelmReleaseStatus, by Rendering) {
	s.ObservedPostRenderersDigest, s.ObservedCommonMetadataDigest = by.PostRenderers, by.CommonMetadata
}

// testsCount tells whether a failed test is a failure of the release.
func testsCount(hr *v2.HelmRelease) bool {
	remediation := hr.GetActiveRemediation()
	return remediation != nil && !remediation.MustIgnoreTestFailures(hr.GetTest().IgnoreFailures)
}

// ignoreTests tells whether failed tests do not matter when the history is read.
func ignoreTests(hr *v2.HelmRelease) bool {
	ignore := hr.GetTest().IgnoreFailures
	if remediation := hr.GetActiveRemediation(); remediation != nil {
		return remediation.MustIgnoreTestFailures(ignore)
	}
	return ignore
}
