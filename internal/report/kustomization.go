package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/unit"
)

// KustomizationRun is what a run of a Kustomization saw and did.
type KustomizationRun struct {
	Err      error // nil, or a Problem
	Started  time.Time
	Revision string // of the artifact; empty before the source was read
	Origin   string
	// Attempted says that a build was begun for Revision.
	Attempted bool
	// Digest names the built objects; empty before the build succeeded.
	Digest string
	// Inventory replaces the recorded one; nil keeps it.
	Inventory *kustomizev1.ResourceInventory
	// Changed lists what was applied or pruned: "Deployment/apps/web configured".
	Changed []string
	// Checked says that health was asked for; HealthText is its message.
	Checked    bool
	HealthText string
	// HealthSince is when the wait for health began.
	HealthSince time.Time
	// Again is when to look again though nothing moved; zero is never.
	Again time.Time
	Reads record.Set
	Why   string
}

// Kustomization folds a run into its report.
func Kustomization(k *unit.Kustomization, run KustomizationRun, now time.Time) Report {
	next := k.Status.DeepCopy()
	if at := unit.Requested(k.Annotations); at != "" {
		next.LastHandledReconcileAt = at
	}
	if run.Attempted {
		next.LastAttemptedRevision = run.Revision
	}
	if run.Inventory != nil {
		next.Inventory = run.Inventory
	}
	conds := edit(k.Status.Conditions, k.Generation, now)
	rep := Report{Unit: k.Key(), Reads: run.Reads, Next: now.Add(k.Interval())}
	rep.Summary = Summary{Revision: run.Revision, Why: run.Why, Changed: run.Changed}
	if run.Err == nil {
		succeed(k, run, next, conds, now)
	} else {
		fail(k, run, &rep, next, conds, now)
	}
	next.Conditions = conds.sorted()
	ready := conds.get(Ready)
	rep.Summary.Ready, rep.Summary.Reason, rep.Summary.Message = string(ready.Status), ready.Reason, ready.Message
	rep.Events = kustomizationEvents(k, run, ready.Reason, now)
	if status, err := unit.Encode(next); err == nil {
		rep.Status = status
	}
	return rep
}

func succeed(k *unit.Kustomization, run KustomizationRun, next *kustomizev1.KustomizationStatus, conds *conditions, now time.Time) {
	message := FollowedMessage(run.Revision)
	conds.drop(Reconciling, StalledCondition)
	if run.Checked {
		markHealthy(conds, run.HealthText)
	} else {
		conds.drop(Healthy)
	}
	conds.yes(Ready, ReasonReconciled, message)
	if next.LastAppliedRevision != run.Revision || k.Status.History.Latest() == nil ||
		k.Status.History.Latest().Digest != run.Digest || len(run.Changed) > 0 {
		remember(next, run, ReasonReconciled, now)
	}
	next.LastAppliedRevision, next.LastAppliedOriginRevision = run.Revision, run.Origin
	next.ObservedGeneration = k.Generation
}

// markHealthy keeps the message of a health that lasts: it tells how long the
// check took when it was made.
func markHealthy(conds *conditions, text string) {
	if have := conds.get(Healthy); have != nil && have.Status == "True" && have.ObservedGeneration == conds.generation {
		return
	}
	conds.yes(Healthy, ReasonSucceeded, text)
}

func fail(k *unit.Kustomization, run KustomizationRun, rep *Report, next *kustomizev1.KustomizationStatus, conds *conditions, now time.Time) {
	p := AsProblem(run.Err, ReasonReconcileFailed)
	rep.On, rep.Summary.Class, rep.Summary.Missing = p.On, p.Class, p.Missing
	switch p.Class {
	case Progressing:
		rep.Soft = true
		rep.Next = run.Again
		conds.drop(StalledCondition)
		conds.yes(Reconciling, ReasonProgressing, p.Error())
		conds.unknown(Ready, ReasonProgressing, "Reconciliation in progress")
		if run.Checked {
			conds.unknown(Healthy, ReasonProgressing, p.Error())
		}
		return
	case Stalled:
		rep.Next = time.Time{}
		conds.drop(Reconciling)
		conds.yes(StalledCondition, p.Reason, p.Error())
		conds.no(Ready, p.Reason, p.Error())
		next.ObservedGeneration = k.Generation
		return
	case Waiting:
		conds.drop(StalledCondition)
		conds.yes(Reconciling, ReasonRetrying, waitText(p.On))
	case Retrying:
		rep.Next = now.Add(k.RetryInterval())
		conds.drop(StalledCondition)
		conds.yes(Reconciling, ReasonRetrying, "Retrying in "+k.RetryInterval().String()+", or when something it read changes")
	}
	conds.no(Ready, p.Reason, p.Error())
	if run.Checked {
		conds.no(Healthy, p.Reason, p.Error())
	}
	if run.Digest != "" {
		rememberFailure(next, k, run, p.Reason, now)
	}
}

func waitText(on []string) string {
	if len(on) == 0 {
		return "Waiting for a change of what it read"
	}
	return "Waiting for " + strings.Join(on, ", ")
}

func remember(next *kustomizev1.KustomizationStatus, run KustomizationRun, reason string, now time.Time) {
	meta := map[string]string{"revision": run.Revision}
	if run.Origin != "" {
		meta["originRevision"] = run.Origin
	}
	took := now.Sub(run.Started).Round(time.Millisecond)
	if !run.HealthSince.IsZero() {
		took = now.Sub(run.HealthSince).Round(time.Millisecond)
	}
	next.History.Upsert(run.Digest, now.UTC().Truncate(time.Second), took, reason, meta)
}

// rememberFailure adds a failure to the history once, not once a retry.
func rememberFailure(next *kustomizev1.KustomizationStatus, k *unit.Kustomization, run KustomizationRun, reason string, now time.Time) {
	if last := k.Status.History.Latest(); last != nil && last.Digest == run.Digest && last.LastReconciledStatus == reason {
		return
	}
	remember(next, run, reason, now)
}

// kustomizationEvents tells what changed since the last report, and nothing
// where nothing did.
func kustomizationEvents(k *unit.Kustomization, run KustomizationRun, reason string, now time.Time) []Event {
	meta := map[string]string{}
	if run.Revision != "" {
		meta["revision"] = run.Revision
	}
	if run.Origin != "" {
		meta["originRevision"] = run.Origin
	}
	before := unit.Condition(k.Status.Conditions, Ready)
	var out []Event
	if len(run.Changed) > 0 {
		out = append(out, Event{Reason: cmp.Or(reasonWhile(run.Err), reason), Message: strings.Join(run.Changed, "\n"), Metadata: meta})
	}
	switch p := problemOf(run.Err); {
	case p == nil:
		if before == nil || before.Status != "True" || before.Message != FollowedMessage(run.Revision) {
			done := map[string]string{"commit_status": "update"}
			for key, v := range meta {
				done[key] = v
			}
			took := now.Sub(run.Started)
			if !run.HealthSince.IsZero() {
				took = now.Sub(run.HealthSince)
			}
			follows := before != nil && before.Status == "True" && len(run.Changed) == 0
			out = append(out, Event{Quiet: follows, Reason: reason, Metadata: done, Message: fmt.Sprintf(
				"Reconciliation finished in %s, next run in %s", took.Round(time.Millisecond), k.Spec.Interval.Duration)})
		}
	case p.Class == Progressing:
	case before == nil || before.Message != p.Error() || before.Reason != p.Reason:
		out = append(out, Event{Warning: p.Class != Waiting, Reason: p.Reason, Message: p.Error(), Metadata: meta})
	}
	return out
}

func reasonWhile(err error) string {
	if err == nil {
		return ReasonProgressing
	}
	return ""
}

func problemOf(err error) *Problem {
	if err == nil {
		return nil
	}
	return AsProblem(err, ReasonReconcileFailed)
}
