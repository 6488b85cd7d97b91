// Package release decides about Helm releases: what a HelmRelease is called,
// which values its chart gets, in which state the stored release is, what is to
// be done next, and what is written down of what was done.
//
//	begun := release.Begin(req)                  // counters, lastAttempted*, moved target
//	req.Object.Status = begun.Status
//	for d := release.Next(req); d.Action != release.None; d = release.Next(req) {
//		out, err := driver.Do(ctx, d)            // package helm; L3
//		rec := release.Record(req, release.Done{Action: d.Action, Written: out.Written, Err: err})
//		req.Object.Status, req.Done = rec.Status, append(req.Done, d.Action)
//	}
//
// The rules are those of helm-controller v1.6.4 (internal/reconcile,
// internal/action/{reset,verify}.go, internal/release), written anew; where we
// differ a comment says so and docs/behaviour.md tells it. Everything is a
// function of its arguments: no clock, no cluster, and no argument is changed.
package release

import (
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
)

// Request is all that decides what happens to a release.
type Request struct {
	// Object is the spec, the annotations and the status as they stand in this
	// run: after Begin and after each Record the caller puts the new status in.
	Object *v2.HelmRelease
	Chart  Chart
	// Config is the ConfigDigest of the values that the chart is to get.
	Config string
	// Rendering is what changes the chart's manifests once they are rendered.
	Rendering Rendering
	// Stored is the history of the release in Helm's storage, in any order.
	Stored []*relv1.Release
	// Drift is what Diff found, once it was asked.
	Drift Drift
	// Now is the time, Began when this engine began to work, and Own the version that it
	// has left pending itself, if any. What is pending since then, and not its own,
	// somebody else may be working on: see Next. Without times nobody is.
	Now, Began time.Time
	Own        int
	// Done is what this run did already, in order.
	Done []Action
	// RetryByDefault is Flux's feature gate DefaultToRetryOnFailure.
	RetryByDefault bool
}

// Chart is what the state depends on of a chart.
type Chart struct {
	Name, Version string
	// OCIDigest is the digest of the artifact that the chart came in, for
	// charts from an OCIRepository; empty otherwise.
	OCIDigest string
}

// Rendering names what changes manifests after a chart was rendered, by the digests
// that the status keeps of it (see RenderingOf).
type Rendering struct{ PostRenderers, CommonMetadata string }

// Drift is what is known of differences between manifest and cluster.
type Drift int

// The three answers.
const (
	DriftUnknown Drift = iota // nobody looked
	NoDrift
	Drifted
)

// State is how the stored release compares with what is wanted, with the names
// of Flux.
type State string

// The states.
const (
	StateAbsent    State = "Absent"
	StateLocked    State = "Locked"
	StateUnmanaged State = "Unmanaged"
	StateOutOfSync State = "OutOfSync"
	StateUntested  State = "Untested"
	StateFailed    State = "Failed"
	StateDrifted   State = "Drifted"
	StateInSync    State = "InSync"
	// StateUnsure is a release in sync of which nobody knows whether the
	// cluster has drifted from it: Diff is the next action.
	StateUnsure State = "Unsure"
)

// Action is one thing to do with a release.
type Action string

// The actions. Their names are what Flux writes into messages.
const (
	None      Action = ""
	Install   Action = "install"
	Upgrade   Action = "upgrade"
	Test      Action = "test"
	Rollback  Action = "rollback"  // remediation
	Uninstall Action = "uninstall" // remediation
	Unlock    Action = "unlock"
	// Correct puts back what drifted.
	Correct Action = "correct cluster drift"
	// Diff looks for drift; it changes nothing and may be repeated.
	Diff Action = "diff"
)

// End is how a run ends whose next action is None.
type End int

// The ends.
const (
	// Settled: nothing to do until an input changes.
	Settled End = iota
	// Again: one attempt of several is over; run again at once, with back-off.
	Again
	// Later: run again After the retry interval.
	Later
	// Stalled: only a changed input helps; Changes says which.
	Stalled
)

// Decision is what is to be done, and why.
type Decision struct {
	State State
	// Why says in a few words why the release is in that state; may be empty.
	Why    string
	Action Action
	// Target is the snapshot to roll back to, with Action Rollback.
	Target *v2.Snapshot
	// Forced tells that an annotation asked for the action.
	Forced bool
	// Status is the status that goes with the decision: history cut or
	// cleared, the force request marked as handled.
	Status v2.HelmReleaseStatus
	// End is how the run ends; it matters with Action None.
	End End
	// Stall is the reason of condition Stalled (RetriesExceeded,
	// MissingRollbackTarget), and Message its text; or, with End Later, what is
	// awaited if that is not the retry interval.
	Stall, Message string
	// After is the retry interval, with End Later.
	After time.Duration
	// Changes says what would change a stalled release.
	Changes string
}
