package report

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/unit"
)

// ChartRun is what a run of a HelmRepository or a HelmChart saw and did.
type ChartRun struct {
	Err      error
	Artifact *meta.Artifact // stored; nil when the run failed before
	URL      string         // under which the newest artifact is found; "" keeps the old one
	Reason   string         // of success
	Message  string         // of success
	News     string         // of the event about it; "" is Message
	Notes    []string
	Reads    record.Set
	Failures int // runs that failed one after the other, this one included
	// Again is when to ask again though nothing moved; zero is never.
	Again time.Duration

	// Of a HelmChart.
	Source      string   // revision of the source's artifact that was seen
	Chart       string   // name of the chart that was resolved
	ValuesFiles []string // that were merged
}

// chartFailures are the conditions that say of a run what went wrong.
var chartFailures = []string{FetchFailed, BuildFailed, StorageFailed}

// HelmRepository folds a run into its report.
func HelmRepository(r *unit.HelmRepository, run ChartRun, now time.Time) Report {
	if run.Err == nil {
		run.News = fmt.Sprintf("stored fetched index of %s from '%s'", sizeOf(run.Artifact), shown(r.Spec.URL))
	}
	next := r.Status.DeepCopy()
	if at := unit.Requested(r.Annotations); at != "" {
		next.LastHandledReconcileAt = at
	}
	f := folding{r.Status.Artifact, r.Status.Conditions, edit(r.Status.Conditions, r.Generation, now), run, Report{Unit: r.Key(), Reads: run.Reads}}
	if f.fold(now) {
		next.ObservedGeneration = r.Generation
	}
	if run.Err == nil {
		next.Artifact, next.URL = run.Artifact, or(run.URL, next.URL)
	}
	next.Conditions = f.conds.sorted()
	if status, err := unit.Encode(next); err == nil {
		f.rep.Status = status
	}
	return f.rep
}

// HelmChart folds a run into its report.
func HelmChart(c *unit.HelmChart, run ChartRun, now time.Time) Report {
	next := c.Status.DeepCopy()
	if at := unit.Requested(c.Annotations); at != "" {
		next.LastHandledReconcileAt = at
	}
	next.ObservedSourceArtifactRevision = or(run.Source, next.ObservedSourceArtifactRevision)
	f := folding{c.Status.Artifact, c.Status.Conditions, edit(c.Status.Conditions, c.Generation, now), run, Report{Unit: c.Key(), Reads: run.Reads}}
	if f.fold(now) {
		next.ObservedGeneration = c.Generation
	}
	if run.Err == nil {
		next.Artifact, next.URL, next.ObservedChartName = run.Artifact, or(run.URL, next.URL), run.Chart
		next.ObservedValuesFiles = nil
		if c.Spec.IgnoreMissingValuesFiles {
			next.ObservedValuesFiles = run.ValuesFiles
		}
	}
	next.Conditions = f.conds.sorted()
	if status, err := unit.Encode(next); err == nil {
		f.rep.Status = status
	}
	return f.rep
}

// sizeOf tells the size of an artifact as source-controller does: in powers of a thousand,
// four digits ("size 24.32kB").
func sizeOf(a *meta.Artifact) string {
	if a.Size == nil {
		return "unknown size"
	}
	size, in := float64(*a.Size), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB"} {
		if size < 1000 {
			break
		}
		size, in = size/1000, next
	}
	return fmt.Sprintf("size %.4g%s", size, in)
}

// shown is an address without what may be secret in it.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the repository"
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// folding makes conditions and events of a run.
type folding struct {
	had    *meta.Artifact
	before []metav1.Condition
	conds  *conditions
	run    ChartRun
	rep    Report
}

// fold returns whether the generation counts as observed.
func (f *folding) fold(now time.Time) bool {
	f.rep.Summary.Changed = f.run.Notes
	observed := true
	if f.run.Err == nil {
		f.succeeded(now)
	} else {
		observed = f.failed(AsProblem(f.run.Err, ReasonFailed), now)
	}
	ready := f.conds.get(Ready)
	f.rep.Summary.Ready, f.rep.Summary.Reason, f.rep.Summary.Message = string(ready.Status), ready.Reason, ready.Message
	f.rep.Events = f.events()
	return observed
}

func (f *folding) succeeded(now time.Time) {
	f.conds.drop(Reconciling, StalledCondition, ArtifactOutdated, SourceVerified)
	f.conds.drop(chartFailures...)
	f.conds.yes(ArtifactInStorage, f.run.Reason, f.run.Message)
	f.conds.yes(Ready, f.run.Reason, f.run.Message)
	f.rep.Summary.Revision = f.run.Artifact.Revision
	if f.run.Again > 0 {
		f.rep.Next = now.Add(jitter(f.run.Again))
	}
}

func (f *folding) failed(p *Problem, now time.Time) bool {
	f.rep.On, f.rep.Summary.Class, f.rep.Summary.Missing = p.On, p.Class, p.Missing
	f.conds.drop(chartFailures...)
	f.conds.yes(failureOf(p.Reason), p.Reason, p.Error())
	f.conds.unverified(p)
	f.conds.no(Ready, p.Reason, p.Error())
	f.conds.drop(Reconciling, StalledCondition)
	switch p.Class {
	case Stalled:
		f.conds.yes(StalledCondition, p.Reason, p.Error())
		if f.run.Again > 0 { // a registry tells nobody of a new version
			f.rep.Next = now.Add(jitter(f.run.Again))
		}
	case Waiting:
		f.conds.yes(Reconciling, ReasonRetrying, waitText(p.On))
	default:
		f.conds.yes(Reconciling, ReasonRetrying, "building artifact failed; retrying")
		f.rep.Next = now.Add(max(Backoff(f.run.Failures), p.After))
	}
	return p.Class == Stalled
}

// failureOf returns the condition that tells of a failure for a reason.
func failureOf(reason string) string {
	switch reason {
	case ReasonArchiveFailed:
		return StorageFailed
	case ReasonMetadataPatch, ReasonValuesFiles, ReasonDependencyBuild, ReasonChartPackage, ReasonVerification:
		return BuildFailed
	default:
		return FetchFailed
	}
}

// events tells of a new artifact, of a recovery, and of a failure once.
func (f *folding) events() []Event {
	ready := unit.Condition(f.before, Ready)
	if f.run.Err != nil {
		p := AsProblem(f.run.Err, ReasonFailed)
		if ready != nil && ready.Reason == p.Reason && ready.Message == p.Error() {
			return nil
		}
		return []Event{{Warning: true, Reason: p.Reason, Message: p.Error()}}
	}
	a := f.run.Artifact
	isNew := f.had == nil || f.had.Revision != a.Revision || f.had.Digest != a.Digest
	if !isNew && (ready == nil || ready.Status != metav1.ConditionFalse) {
		return nil
	}
	reason, text := f.run.Reason, or(f.run.News, f.run.Message)
	if isNew && reason == ReasonSucceeded {
		reason = ReasonNewArtifact
	}
	for _, note := range slices.Sorted(slices.Values(f.run.Notes)) {
		text += fmt.Sprintf("\n%s", note)
	}
	return []Event{{Reason: reason, Message: text, Metadata: map[string]string{"revision": a.Revision, "digest": a.Digest}}}
}
