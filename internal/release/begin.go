package release

import (
	"strings"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
)

// Begun is what a run starts from.
type Begun struct {
	Status v2.HelmReleaseStatus
	// Moved says what part of the release's target changed: the release of
	// status.history must be uninstalled from status.storageNamespace, then
	// Left gives the status and the run starts anew. Empty when nothing moved.
	Moved string
	// Reset says why the counters of failures were set back; empty if not.
	Reset string
}

// Begin does the bookkeeping that comes before a decision: whether the release
// has moved, whether earlier failures still count, and what is attempted
// (helm-controller v1.6.4 reconcileRelease, internal/action/reset.go). Call it
// once in a run, when chart and values are known. Request.Stored is not needed.
func Begin(req Request) Begun {
	hr := req.Object.DeepCopy()
	if moved := moved(hr, req.Chart.Name); moved != "" {
		return Begun{Status: hr.Status, Moved: moved}
	}
	out := Begun{Reset: reset(hr, req)}
	if out.Reset != "" {
		hr.Status.ClearFailures()
	}
	s := &hr.Status
	s.StorageNamespace = hr.GetStorageNamespace()
	s.LastAttemptedGeneration = hr.Generation
	s.LastAttemptedRevision = req.Chart.Version
	s.LastAttemptedRevisionDigest = req.Chart.OCIDigest
	s.LastAttemptedConfigDigest = req.Config
	s.LastAttemptedValuesChecksum = "" // the form of before v2
	s.LastReleaseRevision = 0          // the form of before v2
	out.Status = *s
	return out
}

// Left returns the status after the release of an old target is gone.
func Left(status v2.HelmReleaseStatus) v2.HelmReleaseStatus {
	s := *status.DeepCopy()
	s.ClearHistory()
	s.ClearFailures()
	s.StorageNamespace = ""
	s.Inventory = nil
	return s
}

// moved says what part of the target differs from that of the history.
func moved(hr *v2.HelmRelease, chart string) string {
	cur := hr.Status.History.Latest()
	switch {
	case hr.Status.StorageNamespace == "" || cur == nil:
		return ""
	case hr.GetStorageNamespace() != hr.Status.StorageNamespace:
		return "storage namespace"
	case hr.GetReleaseNamespace() != cur.Namespace:
		return "release namespace"
	case Name(hr) != cur.Name:
		return "release name"
	case chart != cur.ChartName && hr.GetUpgrade().GetChartNameChangeStrategy() == v2.ChartNameChangeStrategyReinstall:
		return "chart name"
	}
	return ""
}

// reset says why earlier failures no longer count. The annotation is looked at
// first, so that it is marked as handled whatever else changed.
func reset(hr *v2.HelmRelease, req Request) string {
	asked := asked(hr, v2.ResetRequestAnnotation, &hr.Status.LastHandledResetAt)
	s := hr.Status
	switch {
	case s.LastAttemptedGeneration != hr.Generation:
		return "generation differs from last attempt"
	case s.GetLastAttemptedRevision() != req.Chart.Version:
		return "chart version differs from last attempt"
	case digestOnly(s.LastAttemptedRevisionDigest) != req.Chart.OCIDigest:
		// Not in Flux: a tag that moved is other input too.
		return "chart digest differs from last attempt"
	case !sameConfig(s, req.Config):
		return "values differ from last attempt"
	case asked:
		return "reset requested through annotation"
	}
	return ""
}

// digestOnly returns the digest in what Flux calls one: with a tag that is no version,
// "latest@sha256:…", it keeps the whole revision (mutateChartWithSourceRevision).
func digestOnly(recorded string) string {
	if _, digest, tagged := strings.Cut(recorded, "@"); tagged {
		return digest
	}
	return recorded
}

// asked tells whether a person asks for something by annotation, as part of a request for a run,
// and marks that as handled. Flux asks also whether the run was answered before
// (fluxcd/pkg/apis/meta v1.30.2, HandleAnnotationRequest). Here the answer is given
// while an action goes on, or something is awaited, and what was asked must not be lost
// by that.
func asked(hr *v2.HelmRelease, annotation string, handled *string) bool {
	at, there := hr.Annotations[annotation]
	if !there {
		return false
	}
	before := *handled
	*handled = at
	return at == hr.Annotations[meta.ReconcileRequestAnnotation] && at != before
}

// sameConfig tells whether the values are those of the last attempt; a status without any,
// or with the digest of an algorithm that we do not compute, counts as the same.
func sameConfig(s v2.HelmReleaseStatus, config string) bool {
	return !ours(s.LastAttemptedConfigDigest) || s.LastAttemptedConfigDigest == config
}
