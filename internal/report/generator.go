package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/unit"
)

// GeneratorRun is what a run of an ArtifactGenerator saw and did.
type GeneratorRun struct {
	Err error // nil, or a Problem
	// Inventory replaces the recorded one; nil keeps it.
	Inventory []swapi.ExternalArtifactReference
	// Sources is the digest of the observed sources.
	Sources  string
	Changed  []string // "ExternalArtifact/apps/web configured"
	Reads    record.Set
	Failures int // runs that failed one after the other, this one included
}

// ArtifactGenerator folds a run into its report. The status has no
// observedGeneration; the conditions carry it.
func ArtifactGenerator(g *unit.ArtifactGenerator, run GeneratorRun, now time.Time) Report {
	next := g.Status.DeepCopy()
	if at := unit.Requested(g.Annotations); at != "" {
		next.LastHandledReconcileAt = at
	}
	if run.Inventory != nil {
		next.Inventory = run.Inventory
	}
	conds := edit(g.Status.Conditions, g.Generation, now)
	rep := Report{Unit: g.Key(), Reads: run.Reads}
	rep.Summary.Changed = run.Changed
	if run.Err == nil {
		conds.drop(Reconciling, StalledCondition)
		conds.yes(Ready, ReasonSucceeded, fmt.Sprintf("reconciliation succeeded, generated %d artifact(s)", len(next.Inventory)))
		next.ObservedSourcesDigest = run.Sources
		rep.Summary.Revision = run.Sources
		rep.Next = now.Add(jitter(g.Interval()))
	} else {
		generatorFailed(AsProblem(run.Err, ReasonReconcileFailed), run, &rep, conds, now)
	}
	next.Conditions = conds.sorted()
	ready := conds.get(Ready)
	rep.Summary.Ready, rep.Summary.Reason, rep.Summary.Message = string(ready.Status), ready.Reason, ready.Message
	rep.Events = generatorEvents(g, run)
	if status, err := unit.Encode(next); err == nil {
		rep.Status = status
	}
	return rep
}

func generatorFailed(p *Problem, run GeneratorRun, rep *Report, conds *conditions, now time.Time) {
	rep.On, rep.Summary.Class, rep.Summary.Missing = p.On, p.Class, p.Missing
	conds.no(Ready, p.Reason, p.Error())
	conds.drop(Reconciling, StalledCondition)
	switch p.Class {
	case Stalled:
		conds.yes(StalledCondition, p.Reason, p.Error())
	case Waiting:
		conds.yes(Reconciling, ReasonRetrying, waitText(p.On))
	default:
		conds.yes(Reconciling, ReasonRetrying, "generating artifacts failed; retrying")
		rep.Next = now.Add(Backoff(run.Failures))
	}
}

// generatorEvents tells which artifacts are new, and of a failure once.
func generatorEvents(g *unit.ArtifactGenerator, run GeneratorRun) []Event {
	var out []Event
	var fresh []string
	for _, ref := range run.Inventory {
		if !g.HasArtifactInInventory(ref.Name, ref.Namespace, ref.Digest) {
			fresh = append(fresh, fmt.Sprintf("%s/%s (%s)", ref.Namespace, ref.Name, ref.Digest))
		}
	}
	if len(fresh) > 0 {
		out = append(out, Event{Reason: ReasonReady, Message: "external artifacts reconciled: " + strings.Join(fresh, "\n")})
	}
	if run.Err == nil {
		return out
	}
	p := AsProblem(run.Err, ReasonReconcileFailed)
	if before := unit.Condition(g.Status.Conditions, Ready); before != nil && before.Reason == p.Reason && before.Message == p.Error() {
		return out
	}
	return append(out, Event{Warning: true, Reason: p.Reason, Message: p.Error()})
}

// DisabledGenerator reports a generator that an annotation switches off. One
// that never ran is Ready; another keeps what it last said.
func DisabledGenerator(g *unit.ArtifactGenerator, now time.Time) Report {
	rep := Report{Unit: g.Key()}
	if unit.Condition(g.Status.Conditions, Ready) != nil {
		return rep
	}
	const text = "Initialized with reconciliation suspended"
	conds := edit(g.Status.Conditions, g.Generation, now)
	conds.yes(Ready, ReasonDisabled, text)
	next := g.Status.DeepCopy()
	next.Conditions = conds.sorted()
	rep.Summary = Summary{Ready: "True", Reason: ReasonDisabled, Message: text}
	if status, err := unit.Encode(next); err == nil {
		rep.Status = status
	}
	return rep
}

// ExternalArtifact returns the whole new status of an ExternalArtifact that a
// generator made: what stands there, the artifact, and Ready. An artifact that
// stands there already keeps the time at which it came.
func ExternalArtifact(obj *unstructured.Unstructured, a meta.Artifact, now time.Time) (map[string]any, error) {
	old, err := unit.StatusOf(obj)
	if err != nil {
		return nil, err
	}
	if have := old.Artifact; have != nil && have.Path == a.Path && have.Digest == a.Digest && have.Revision == a.Revision {
		a.LastUpdateTime = have.LastUpdateTime
	}
	conds := edit(old.Conditions, obj.GetGeneration(), now)
	conds.yes(Ready, ReasonSucceeded, "Artifact is ready")
	part, err := unit.Encode(&unit.Status{Artifact: &a, Conditions: conds.sorted()})
	if err != nil {
		return nil, err
	}
	status, _, err := unstructured.NestedMap(obj.Object, "status")
	if err != nil || status == nil {
		status = map[string]any{}
	}
	maps.Copy(status, part)
	return status, nil
}

// RemovedGenerator reports a generator that is being deleted: gone, or, with an
// error, to be tried again.
func RemovedGenerator(g *unit.ArtifactGenerator, run GeneratorRun, now time.Time) Report {
	rep := Report{Unit: g.Key(), Finalize: run.Err == nil}
	rep.Summary.Changed = slices.Clone(run.Changed)
	if run.Err != nil {
		p := AsProblem(run.Err, ReasonReconcileFailed)
		rep.Next = now.Add(Backoff(run.Failures))
		rep.Summary.Ready, rep.Summary.Reason, rep.Summary.Message = "False", p.Reason, p.Error()
		rep.Events = []Event{{Warning: true, Reason: p.Reason, Message: p.Error()}}
	}
	return rep
}
