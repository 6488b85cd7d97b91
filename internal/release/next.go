package release

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	rcommon "helm.sh/helm/v4/pkg/release/common"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
)

// Stall reasons, as conditions name them.
const (
	RetriesExceeded       = "RetriesExceeded"
	MissingRollbackTarget = "MissingRollbackTarget"
)

// Next returns what is to be done now, and how the run ends if that is nothing
// (helm-controller v1.6.4 internal/reconcile/atomic_release.go). A run does each
// sort of thing once, and ends after a remediation.
func Next(req Request) Decision {
	n := &next{req: req, hr: req.Object.DeepCopy()}
	n.req.Object = n.hr
	// A request to force is used up by the first decision that acts.
	n.forced = asked(n.hr, v2.ForceRequestAnnotation, &n.hr.Status.LastHandledForceAt)
	if remediated(req.Done) {
		return n.afterRemediation()
	}
	n.d.State, n.d.Why = stateOf(n.req)
	rules[n.d.State](n)
	if asWanted(n.d.State) {
		rendered(&n.hr.Status, req.Rendering)
	}
	if n.d.Action == Diff || n.d.Action == Unlock {
		// What they find decides, and the request to force with it.
		n.hr.Status.LastHandledForceAt = req.Object.Status.LastHandledForceAt
	}
	if n.d.Action != None && n.d.Action != Diff && slices.ContainsFunc(req.Done, sameSort(n.d.Action)) {
		n.later()
	}
	n.d.Status = n.hr.Status
	return n.d
}

// next is a decision that is being made.
type next struct {
	req    Request
	hr     *v2.HelmRelease
	forced bool
	d      Decision
}

// rules holds what each state leads to.
var rules = map[State]func(*next){
	StateInSync:    (*next).inSync,
	StateLocked:    (*next).locked,
	StateAbsent:    (*next).absent,
	StateUnmanaged: (*next).unmanaged,
	StateOutOfSync: (*next).outOfSync,
	StateDrifted:   (*next).drifted,
	StateUntested:  func(n *next) { n.d.Action = Test },
	StateFailed:    (*next).failed,
	StateUnsure:    func(n *next) { n.d.Action = Diff },
}

// asWanted tells whether the stored release is what is wanted, whatever its tests and
// the cluster say.
func asWanted(state State) bool {
	switch state {
	case StateInSync, StateDrifted, StateUntested, StateUnsure:
		return true
	}
	return false
}

func (n *next) inSync() {
	if n.retry() != nil {
		n.hr.Status.History.TruncateIgnoringPreviousSnapshots()
	} else {
		n.hr.Status.History.Truncate(ignoreTests(n.hr))
	}
	if n.forced {
		n.force(Upgrade)
	}
}

// locked unlocks a release, unless somebody may still be working on it: helm by hand, or
// in a pipeline. Flux sees such a release once an interval, by chance while that goes on.
// Here the watch of Helm's storage tells of it at once, and it gets the time of an action
// to end, unless a person asks for a run.
func (n *next) locked() {
	rel := latest(n.req.Stored)
	left := time.Duration(0)
	if asked := n.hr.Annotations[meta.ReconcileRequestAnnotation]; asked == "" || asked == n.hr.Status.LastHandledReconcileAt {
		left = others(n.req, rel)
	}
	if left <= 0 {
		n.d.Action = Unlock
		return
	}
	n.d.End, n.d.After = Later, left
	n.d.Message = fmt.Sprintf("Release %s/%s.v%d is in state '%s', by somebody else: what that is to become is awaited until %s",
		rel.Namespace, rel.Name, rel.Version, rel.Info.Status, n.req.Now.Add(left).UTC().Format(time.RFC3339))
}

// others returns how long somebody else's action on a release may still take; zero where
// nobody's is known of.
func others(req Request, rel *relv1.Release) time.Duration {
	since := rel.Info.LastDeployed
	switch status := rel.Info.Status; {
	case status == rcommon.StatusUninstalling:
		since = rel.Info.Deleted
	case !status.IsPending():
		return 0
	}
	if req.Now.IsZero() || rel.Version == req.Own || since.Before(req.Began) {
		return 0
	}
	most := req.Object.GetTimeout().Duration
	if since.Sub(req.Now) > most {
		return 0 // no clock is that wrong
	}
	return min(most, since.Add(most).Sub(req.Now))
}

func (n *next) absent() {
	n.unlessExhausted(Install, n.hr.GetInstall().GetRemediation())
}

func (n *next) outOfSync() {
	n.unlessExhausted(Upgrade, n.hr.GetUpgrade().GetRemediation())
}

// unlessExhausted does the action while there are attempts left, or when forced.
func (n *next) unlessExhausted(action Action, remediation v2.Remediation) {
	switch {
	case !remediation.RetriesExhausted(n.hr):
		n.d.Action = action
	case n.forced:
		n.force(action)
	default:
		n.exhausted()
	}
}

func (n *next) unmanaged() {
	n.hr.Status.ClearHistory() // none of it can be relied on
	n.d.Action = Upgrade
}

func (n *next) drifted() {
	if n.hr.GetDriftDetection().GetMode() == v2.DriftDetectionEnabled {
		n.d.Action = Correct
	}
}

func (n *next) failed() {
	if n.retry() != nil {
		n.hr.Status.History.TruncateIgnoringPreviousSnapshots()
		n.d.Action = Upgrade
		return
	}
	remediation := n.hr.GetActiveRemediation()
	switch {
	case remediation == nil, remediation.GetFailureCount(n.hr) <= 0:
		n.d.Action = Upgrade
	case n.forced:
		n.force(Upgrade)
	case remediation.RetriesExhausted(n.hr) && !remediation.MustRemediateLastFailure():
		n.exhausted()
	default:
		n.hr.Status.History.Truncate(ignoreTests(n.hr))
		n.remediate(remediation)
	}
}

func (n *next) remediate(remediation v2.Remediation) {
	if remediation.GetStrategy() == v2.UninstallRemediationStrategy {
		n.d.Action = Uninstall
		return
	}
	target := n.hr.Status.History.Previous(ignoreTests(n.hr))
	if target == nil {
		n.stall(MissingRollbackTarget, "Failed to perform remediation: missing target release for rollback: cannot remediate failed release")
		return
	}
	rel := version(n.req.Stored, target.Name, target.Version)
	if rel == nil || verify(target, rel) != nil {
		n.d.Action = Upgrade // the target cannot be trusted
		return
	}
	n.d.Action, n.d.Target = Rollback, target
}

func (n *next) force(action Action) { n.d.Action, n.d.Forced = action, true }

func (n *next) retry() v2.Retry { return n.hr.GetActiveRetry(n.req.RetryByDefault) }

// exhausted stalls after the last attempt failed.
func (n *next) exhausted() {
	failures := int64(0)
	if remediation := n.hr.GetActiveRemediation(); remediation != nil {
		failures = remediation.GetFailureCount(n.hr)
	}
	what := cmp.Or(string(n.hr.Status.LastAttemptedReleaseAction), "release")
	n.stall(RetriesExceeded, fmt.Sprintf("Failed to %s after %d attempt(s)", what, failures))
}

func (n *next) stall(reason, message string) {
	n.d.Action, n.d.End, n.d.Stall, n.d.Message = None, Stalled, reason, message
	n.d.Changes = "another spec, chart version or values; or annotate reconcile.fluxcd.io/requestedAt together with resetAt or forceAt, all with the same new value"
}

// later ends a run that would do the same sort of thing twice.
func (n *next) later() {
	n.d.Action, n.d.Target, n.d.Forced = None, nil, false
	if n.retryLater() {
		return
	}
	n.d.End = Settled
	if remediation := n.hr.GetActiveRemediation(); remediation == nil || !remediation.RetriesExhausted(n.hr) {
		n.d.End = Again
	}
}

// retryLater ends the run until the retry interval of strategy RetryOnFailure.
func (n *next) retryLater() bool {
	retry := n.retry()
	if retry != nil {
		n.d.End, n.d.After = Later, retry.GetRetryInterval()
	}
	return retry != nil
}

// afterRemediation ends the run: the next one makes another attempt, if one is
// left.
func (n *next) afterRemediation() Decision {
	n.d.State, n.d.Why = stateOf(n.req)
	remediation := n.hr.GetActiveRemediation()
	switch {
	case n.retryLater():
	case remediation == nil, !remediation.RetriesExhausted(n.hr), remediation.IsUninstallAfterUpgrade():
		n.d.End = Again
	default:
		n.exhausted()
	}
	n.d.Status = n.hr.Status
	return n.d
}

// sort is what Flux calls the type of an action: a run does one of each.
func sort(a Action) string {
	switch a {
	case Install, Upgrade:
		return "release"
	case Rollback, Uninstall:
		return "remediate"
	}
	return string(a)
}

func sameSort(a Action) func(Action) bool {
	return func(b Action) bool { return sort(a) == sort(b) }
}

func remediated(done []Action) bool {
	return slices.ContainsFunc(done, sameSort(Rollback))
}
