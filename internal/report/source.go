package report

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/unit"
)

// SourceRun is what a run of a source saw and did.
type SourceRun struct {
	Err      error
	Artifact *meta.Artifact // stored; nil when the run failed before
	Included []*meta.Artifact
	URL      string // of the stored artifact under its steady name, where there is one
	Notes    []string
	Reads    record.Set
	Failures int // runs that failed one after the other, this one included
	// Pushed says that changes are announced: no interval is needed.
	Pushed bool
}

// source is what all kinds of sources have in common.
type source struct {
	unit       object.Key
	generation int64
	interval   time.Duration
	had        *meta.Artifact     // before the run
	conditions []metav1.Condition // before the run
	failed     string             // the reason of a failure that has none
	stored     string             // the message of success
	news       string             // the message of the event about it
}

// fold makes the conditions and everything of the report but its status.
func (s source) fold(run SourceRun, now time.Time) (Report, []metav1.Condition) {
	conds := edit(s.conditions, s.generation, now)
	rep := Report{Unit: s.unit, Reads: run.Reads}
	rep.Summary.Changed = run.Notes
	if run.Err == nil {
		conds.drop(Reconciling, StalledCondition, FetchFailed, StorageFailed, IncludeMissing, ArtifactOutdated, SourceVerified)
		conds.yes(ArtifactInStorage, ReasonSucceeded, s.stored)
		conds.yes(Ready, ReasonSucceeded, s.stored)
		if !run.Pushed {
			rep.Next = now.Add(jitter(s.interval))
		}
		rep.Summary.Revision = run.Artifact.Revision
	} else {
		rep.Next = sourceFailed(AsProblem(run.Err, s.failed), run, &rep, conds, now)
	}
	ready := conds.get(Ready)
	rep.Summary.Ready, rep.Summary.Reason, rep.Summary.Message = string(ready.Status), ready.Reason, ready.Message
	rep.Events = s.events(run)
	return rep, conds.sorted()
}

// GitRepository folds a run into its report.
func GitRepository(g *unit.GitRepository, run SourceRun, now time.Time) Report {
	src := source{
		unit: g.Key(), generation: g.Generation, interval: g.Interval(), had: g.Status.Artifact, conditions: g.Status.Conditions,
		failed: ReasonGitFailed,
	}
	if run.Err == nil {
		src.stored = fmt.Sprintf("stored artifact for revision '%s'", run.Artifact.Revision)
		src.news = src.stored
	}
	rep, conds := src.fold(run, now)
	next := g.Status.DeepCopy()
	next.Conditions = conds
	if at := unit.Requested(g.Annotations); at != "" {
		next.LastHandledReconcileAt = at
	}
	switch {
	case run.Err == nil:
		stored(g, run, next)
	case rep.Summary.Class == Stalled:
		next.ObservedGeneration = g.Generation
	}
	if status, err := unit.Encode(next); err == nil {
		rep.Status = status
	}
	return rep
}

func stored(g *unit.GitRepository, run SourceRun, next *sourcev1.GitRepositoryStatus) {
	next.Artifact = run.Artifact
	next.IncludedArtifacts = run.Included
	next.ObservedIgnore = g.Spec.Ignore
	next.ObservedInclude = g.Spec.Include
	next.ObservedRecurseSubmodules = g.Spec.RecurseSubmodules
	next.ObservedSparseCheckout = g.Spec.SparseCheckout
	next.ObservedGeneration = g.Generation
}

// OCIRepository folds a run into its report.
func OCIRepository(o *unit.OCIRepository, run SourceRun, now time.Time) Report {
	src := source{
		unit: o.Key(), generation: o.Generation, interval: o.Interval(), had: o.Status.Artifact, conditions: o.Status.Conditions,
		failed: ReasonPullFailed,
	}
	if run.Err == nil {
		src.stored = fmt.Sprintf("stored artifact for digest '%s'", run.Artifact.Revision)
		src.news = fmt.Sprintf("stored artifact with revision '%s' from '%s'%s", run.Artifact.Revision, o.Spec.URL, origin(run.Artifact))
	}
	rep, conds := src.fold(run, now)
	next := o.Status.DeepCopy()
	next.Conditions = conds
	if at := unit.Requested(o.Annotations); at != "" {
		next.LastHandledReconcileAt = at
	}
	switch {
	case run.Err == nil:
		next.Artifact, next.URL = run.Artifact, run.URL
		next.ObservedIgnore, next.ObservedLayerSelector = o.Spec.Ignore, o.Spec.LayerSelector
		next.ObservedGeneration = o.Generation
	case rep.Summary.Class == Stalled:
		next.ObservedGeneration = o.Generation
	}
	if status, err := unit.Encode(next); err == nil {
		rep.Status = status
	}
	return rep
}

// origin tells of which source an artifact says that it was made.
func origin(a *meta.Artifact) string {
	from, revision := a.Metadata["org.opencontainers.image.source"], unit.OriginRevision(a)
	if from == "" || revision == "" {
		return ""
	}
	return fmt.Sprintf(", origin source '%s', origin revision '%s'", from, revision)
}

// sourceFailed marks the conditions of a failed run and returns when the next
// one comes by itself.
func sourceFailed(p *Problem, run SourceRun, rep *Report, conds *conditions, now time.Time) time.Time {
	rep.On, rep.Summary.Class, rep.Summary.Missing = p.On, p.Class, p.Missing
	kind := FetchFailed
	switch p.Reason {
	case ReasonArchiveFailed:
		kind = StorageFailed
	case ReasonIncludeMissing, "NoArtifact", "CopyFailure", "IllegalPath":
		kind = IncludeMissing
	}
	conds.drop(FetchFailed, StorageFailed, IncludeMissing)
	conds.yes(kind, p.Reason, p.Error())
	conds.unverified(p)
	conds.no(Ready, p.Reason, p.Error())
	switch p.Class {
	case Stalled:
		conds.drop(Reconciling)
		conds.yes(StalledCondition, p.Reason, p.Error())
		return time.Time{}
	case Waiting:
		conds.drop(StalledCondition)
		conds.yes(Reconciling, ReasonRetrying, waitText(p.On))
		return time.Time{}
	default:
		conds.drop(StalledCondition)
		conds.yes(Reconciling, ReasonRetrying, "building artifact failed; retrying")
		return now.Add(max(Backoff(run.Failures), p.After))
	}
}

// The retries of a failed source (--min-retry-delay, --max-retry-delay).
const (
	minRetry = 750 * time.Millisecond
	maxRetry = 15 * time.Minute
)

// Backoff returns the wait after n failures in a row.
func Backoff(n int) time.Duration {
	d := minRetry
	for range n - 1 {
		if d *= 2; d >= maxRetry {
			return maxRetry
		}
	}
	return d
}

// jitter spreads intervals by 5 % to either side, so that what was started
// together does not stay together (--interval-jitter-percentage).
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.95 + 0.1*rand.Float64()))
}

// events tells of a new artifact, of a recovery, and of a failure once.
func (s source) events(run SourceRun) []Event {
	ready := unit.Condition(s.conditions, Ready)
	if run.Err != nil {
		p := AsProblem(run.Err, s.failed)
		if ready != nil && ready.Reason == p.Reason && ready.Message == p.Error() {
			return nil
		}
		return []Event{{Warning: true, Reason: p.Reason, Message: p.Error()}}
	}
	a := run.Artifact
	meta := map[string]string{"revision": a.Revision, "digest": a.Digest}
	switch {
	case s.had == nil || s.had.Revision != a.Revision || s.had.Digest != a.Digest:
		text := strings.Join(append([]string{s.news}, run.Notes...), "\n")
		return []Event{{Reason: ReasonNewArtifact, Message: text, Metadata: meta}}
	case ready != nil && ready.Status == metav1.ConditionFalse:
		return []Event{{Reason: ReasonSucceeded, Message: s.news, Metadata: meta}}
	}
	return nil
}

// Broken reports a unit that cannot even be read. Only what every status has is
// touched.
func Broken(obj *unstructured.Unstructured, err error, now time.Time) Report {
	p := AsProblem(err, ReasonInvalidSpec)
	rep := Report{Unit: object.KeyOf(obj), On: p.On}
	rep.Summary = Summary{Ready: "False", Reason: p.Reason, Message: p.Error(), Class: p.Class}
	status, _ := obj.DeepCopy().Object["status"].(map[string]any)
	if status == nil {
		status = map[string]any{}
	}
	old, _ := unit.StatusOf(obj)
	conds := edit(old.Conditions, obj.GetGeneration(), now)
	conds.no(Ready, p.Reason, p.Error())
	if p.Class == Stalled {
		conds.drop(Reconciling)
		conds.yes(StalledCondition, p.Reason, p.Error())
		status["observedGeneration"] = obj.GetGeneration()
	} else {
		conds.drop(StalledCondition)
		conds.yes(Reconciling, ReasonRetrying, "the run failed; retrying")
		rep.Next = now.Add(time.Minute)
	}
	var list struct {
		Conditions []metav1.Condition `json:"conditions"`
	}
	list.Conditions = conds.sorted()
	if encoded, err := unit.Encode(&list); err == nil {
		status["conditions"] = encoded["conditions"]
	}
	if at := unit.Requested(obj.GetAnnotations()); at != "" {
		status["lastHandledReconcileAt"] = at
	}
	rep.Status = status
	if ready := unit.Condition(old.Conditions, Ready); ready == nil || ready.Message != p.Error() {
		rep.Events = []Event{{Warning: true, Reason: p.Reason, Message: p.Error()}}
	}
	return rep
}
