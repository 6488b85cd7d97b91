package controller

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/commit"
	"github.com/leat-dev/leat/internal/grant"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// accessKinds are those of temporary access; requests are reconciled, the others
// wake them.
var accessKinds = []unit.Kind{
	{Group: access.Group, Kind: access.RequestKind, Version: access.Version, Plural: "accessrequests", Class: "access", Run: true},
	{Group: access.Group, Kind: access.DecisionKind, Version: access.Version, Plural: "accessdecisions"},
	{Group: access.Group, Kind: access.PolicyKind, Version: access.Version, Plural: "accesspolicies"},
}

// accessAtOnce bounds how many requests are worked on at the same time.
const accessAtOnce = 2

// accessPause is how long after a failed write the next attempt is made.
const accessPause = 5 * time.Second

// AccessConfig is what the controller of temporary access needs.
type AccessConfig struct {
	World   world.World // as the process
	Clients             // as the process
	Events  corev1.CoreV1Interface
	Grantor *grant.Grantor
	Log     *slog.Logger
}

// Access works on AccessRequests, beside a Controller.
type Access struct {
	cfg    AccessConfig
	loop   *sched.Loop
	views  *views
	index  accessIndex
	commit commit.Committer
	events *recorder
}

// NewAccess returns the controller of temporary access; nothing is asked of the
// cluster before Run.
func NewAccess(cfg AccessConfig) *Access {
	a := &Access{cfg: cfg, commit: commit.Committer{World: cfg.World}}
	a.loop = sched.NewLoop(sched.Limits{"access": accessAtOnce}, a.run)
	a.views = newViews(cfg.Dynamic, Scope{}, a.changed)
	a.events = newRecorder(cfg.Events, func(err error) { cfg.Log.Warn("event of access not written", "error", err) })
	return a
}

// Run works until ctx ends. When it returns every goroutine is gone.
func (a *Access) Run(ctx context.Context) error {
	a.events.run(ctx)
	err := a.views.start(ctx, accessKinds)
	if err == nil {
		a.loop.Start(ctx)
		<-ctx.Done()
	}
	a.loop.Wait()
	a.views.wait.Wait()
	a.events.stop()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// changed turns a change into wakes: of the request that changed and those that it
// crowds out, of that which a decision is about, of those that wait in the environment
// of a policy.
func (a *Access) changed(old, now *unstructured.Unstructured) {
	obj := now
	if obj == nil {
		obj = old
	}
	key := object.KeyOf(obj)
	if now == nil {
		a.loop.Send(sched.Removed{Unit: key})
	}
	switch obj.GetKind() {
	case access.RequestKind:
		a.index.request(key.Name, func() *unstructured.Unstructured { return a.views.get(key) })
		if now != nil {
			a.wake(key, "the request changed")
		} else {
			a.strays(obj)
		}
		if over(now) && !over(old) {
			a.crowdOut(now)
		}
	case access.DecisionKind:
		a.decided(key, obj)
	case access.PolicyKind:
		for _, r := range a.index.waiting(obj.GetName()) {
			a.wake(accessKey(access.RequestKind, r), "AccessPolicy "+obj.GetName())
		}
	}
}

// decided wakes the request that a decision is about, and the decision itself, which may
// be one that nobody needs.
func (a *Access) decided(key object.Key, obj *unstructured.Unstructured) {
	d, err := access.DecodeDecision(obj)
	if err != nil {
		return
	}
	a.index.decision(d, func() bool { return a.views.get(key) != nil })
	if a.views.get(key) != nil {
		a.wake(key, "the decision changed")
	}
	if about := accessKey(access.RequestKind, d.Spec.Request.Name); a.views.get(about) != nil {
		a.wake(about, "AccessDecision "+d.Name)
	}
}

// crowdOut wakes the requests that one more of the same account is too many for.
func (a *Access) crowdOut(now *unstructured.Unstructured) {
	for _, name := range access.CrowdedOut(a.index.all(), access.OtherOf(now).Requester) {
		a.wake(accessKey(access.RequestKind, name), "there are too many of its person")
	}
}

// over tells whether a request is there and over.
func over(obj *unstructured.Unstructured) bool {
	return obj != nil && access.OtherOf(obj).Phase.Over()
}

// strays wakes the decisions on a request that is gone.
func (a *Access) strays(gone *unstructured.Unstructured) {
	for _, d := range a.index.about(gone.GetUID()) {
		a.wake(accessKey(access.DecisionKind, d.Name), "its request is gone")
	}
}

func accessKey(kind, name string) object.Key {
	return object.Key{Group: access.Group, Kind: kind, Name: name}
}

func (a *Access) wake(key object.Key, why string) {
	a.loop.Send(sched.Wake{Unit: key, Class: "access", Priority: sched.Request, Why: why})
}

// run works on one request, or looks whether one decision is needed.
func (a *Access) run(ctx context.Context, r sched.Run) sched.Finished {
	done := sched.Finished{Unit: r.Unit}
	obj := a.views.get(r.Unit)
	switch {
	case obj == nil:
		return done
	case r.Unit.Kind == access.DecisionKind:
		done.Next = a.tidy(ctx, obj)
		return done
	}
	began := time.Now()
	rep, err := a.converge(ctx, obj.DeepCopy())
	switch {
	case ctx.Err() != nil:
	case apierrors.IsConflict(err) || apierrors.IsNotFound(err):
		a.refresh(ctx, r.Unit)
		done.Next = time.Now().Add(conflictPause)
	case err != nil:
		a.cfg.Log.Error("what became of a request could not be written; trying again", "request", r.Unit.Name, "error", err)
		done.Next = time.Now().Add(accessPause)
	default:
		done.Next = rep.Next
		if rep.Summary.Reason != "" { // else it was over, and is forgotten
			a.cfg.Log.Info("access", "request", r.Unit.Name, "result", rep.Summary.Reason, "message", rep.Summary.Message,
				"took", time.Since(began).Round(time.Millisecond).String(), "why", r.Why)
		}
	}
	return done
}

// converge has a request brought to where it should stand, and writes down how that
// went: first the status, then the events.
func (a *Access) converge(ctx context.Context, obj *unstructured.Unstructured) (report.Report, error) {
	deleting := obj.GetDeletionTimestamp() != nil
	switch {
	case deleting && !slices.Contains(obj.GetFinalizers(), access.Finalizer):
		return report.Report{}, nil
	case !deleting:
		next, err := a.commit.Finalizer(ctx, obj, access.Finalizer)
		if err != nil {
			return report.Report{}, err
		}
		obj = next
	}
	r, err := access.DecodeRequest(obj)
	if err != nil {
		return report.Report{}, err
	}
	rep := a.cfg.Grantor.Converge(ctx, access.Case{Request: r, Decisions: a.index.about(r.UID), Others: a.index.all()}, time.Now())
	if ctx.Err() != nil {
		return rep, ctx.Err()
	}
	next, err := a.write(ctx, obj, rep)
	if err != nil {
		return rep, err
	}
	a.events.record(obj, rep.Events, time.Now())
	if !rep.Finalize {
		a.views.wrote(next)
	}
	return rep, nil
}

func (a *Access) write(ctx context.Context, obj *unstructured.Unstructured, rep report.Report) (*unstructured.Unstructured, error) {
	switch {
	case rep.Finalize:
		return a.commit.Release(ctx, obj, access.Finalizer)
	case rep.Status == nil: // what is there stays
		return obj, nil
	}
	next, _, err := a.commit.Status(ctx, obj, rep.Status)
	return next, err
}

// refresh reads a request from the API, because the watch is behind.
func (a *Access) refresh(ctx context.Context, key object.Key) {
	obj, err := a.cfg.World.Get(ctx, object.Ref{Key: key, Version: access.Version})
	switch {
	case err == nil:
		a.views.wrote(obj)
	case apierrors.IsNotFound(err):
		if old := a.views.get(key); old != nil {
			a.views.remove(key, version(old))
		}
	}
}

// tidy removes a decision that nobody needs, and returns when to look at it again.
func (a *Access) tidy(ctx context.Context, obj *unstructured.Unstructured) time.Time {
	d, err := access.DecodeDecision(obj)
	if err != nil {
		return time.Time{}
	}
	out, next := access.Superfluous(d, a.index.about(d.Spec.Request.UID), a.known, time.Now())
	if !out {
		return next
	}
	if err := a.cfg.Grantor.Drop(ctx, d.Name); err != nil && ctx.Err() == nil {
		a.cfg.Log.Error("a decision that nobody needs could not be removed; trying again", "decision", d.Name, "error", err)
		return time.Now().Add(accessPause)
	}
	return time.Time{}
}

// known tells whether there is the very request that a decision is about.
func (a *Access) known(about access.RequestRef) bool {
	obj := a.views.get(accessKey(access.RequestKind, about.Name))
	return obj != nil && obj.GetUID() == about.UID
}
