// Package controller runs the engine in a cluster: it turns watches into wakes,
// runs units when the scheduler says so, and has what they report committed.
//
//	c, err := controller.New(controller.Config{…})
//	err = c.Run(ctx) // until ctx ends; then every goroutine has ended
//
// It decides nothing about units: when is package sched's, what is package
// engine's.
package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"

	"github.com/leat-dev/leat/internal/commit"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/live"
)

// Config is what a controller needs.
type Config struct {
	World World
	Clients
	// Managed asks about what Kustomizations manage, and what would refuse it,
	// in the name of whoever manages it; the zero value is Clients. One
	// watch per kind serves all units, whomever they act as.
	Managed Clients
	// Releases asks about what HelmReleases manage, likewise.
	Releases Clients
	Events   corev1.CoreV1Interface
	// Dial connects to other clusters; nil lets units work in this one only.
	Dial   Dial
	Engine *engine.Engine
	Kinds  []unit.Kind // that are watched; those with Run are reconciled
	Scope  Scope
	Limits sched.Limits
	Log    *slog.Logger
	// Finished is told of every run; nil is nobody.
	Finished func(Run)
	// Removed is told of units that are gone; nil is nobody.
	Removed func(object.Key)
}

// Clients watch in somebody's name.
type Clients struct {
	Dynamic  dynamic.Interface
	Metadata metadata.Interface
}

// World is a world whose discovery can be told that kinds came or went.
type World interface {
	world.World
	Invalidate(group string)
}

// Run is one run of a unit, for whoever watches.
type Run struct {
	Unit   object.Key
	Report report.Report
	Why    []string
	Took   time.Duration
	Waited time.Duration
}

// Controller is one engine at work in one cluster.
type Controller struct {
	cfg    Config
	loop   *sched.Loop
	views  *views
	named  *named
	live   *live.Table
	world  world.World
	commit commit.Committer
	events *recorder
	soft   soft
	untold untold
	guards guards
	echo   *echo
	held   held

	impacts  impacts
	releases releases
	remotes  *remotes
}

// New returns a controller; nothing is asked of the cluster before Run.
func New(cfg Config) *Controller {
	if cfg.Managed == (Clients{}) {
		cfg.Managed = cfg.Clients
	}
	c := &Controller{cfg: cfg}
	c.loop = sched.NewLoop(cfg.Limits, c.run)
	c.views = newViews(cfg.Dynamic, cfg.Scope, c.unitChanged)
	c.named = newNamed(c.watcherOf, cfg.World.Kind, c.namedMoved)
	c.world = &cachedWorld{cfg.World, c.views, c.named}
	cfg.Engine.Store = announced{cfg.Engine.Store, c.stored}
	c.commit = commit.Committer{World: cfg.World}
	c.events = newRecorder(cfg.Events, c.eventLost)
	c.echo = newEcho(func(subject, why string) {
		c.loop.Send(sched.Moved{Subject: subject, Priority: sched.Released, Why: why})
	})
	c.impacts = impacts{open: cfg.Engine.Trees.Open, found: c.concerned, ended: func() { c.loop.Send() }}
	c.remotes = newRemotes(c, cfg.Dial)
	c.soft = soft{after: softDelay, late: c.commitLate}
	return c
}

// Run works until ctx ends. When it returns, every run has ended and every
// goroutine is gone.
func (c *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.live = live.New(ctx, live.Config{
		Dynamic: c.cfg.Managed.Dynamic, Metadata: c.cfg.Managed.Metadata, Kind: c.cfg.World.Kind, Log: c.cfg.Log,
		Managers: plan.Managers{Own: object.ManagerKustomize, Overrides: c.cfg.Engine.Options.OverrideManagers},
		Moved:    c.managedMoved,
	})
	c.cfg.Engine.Live, c.cfg.Engine.Units, c.cfg.Engine.Anew = c.live, c.views.all, c.cfg.World.Get
	c.cfg.Engine.Nudge = func(key object.Key, why string) { _ = c.Wake(key, why) } // one that is not known yet will run anyway
	if c.kindOf(object.Key{Group: object.GroupKustomize, Kind: unit.KustomizationKind}).Run {
		c.guards.start(ctx, c.cfg.Managed.Metadata, c.echo)
	}
	c.cfg.Engine.Options.Rehearse = c.guards.Rehearse
	if c.cfg.Dial != nil {
		c.remotes.start(ctx)
		c.cfg.Engine.Remotes = c.remotes
	}
	c.events.run(ctx)
	c.startReleases(ctx)
	c.impacts.start(ctx)
	definitions := c.watchDefinitions(ctx)
	err := c.views.start(ctx, c.cfg.Kinds)
	if err == nil {
		c.loop.Start(ctx)
		<-ctx.Done()
	}
	cancel()
	c.loop.Wait()
	c.cfg.Engine.Wait()
	c.impacts.stop()
	c.soft.stop()
	c.views.wait.Wait()
	c.named.wait.Wait()
	c.live.Wait()
	c.releases.wait()
	c.guards.wait.Wait()
	c.remotes.wait.Wait()
	<-definitions
	c.events.stop()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Drain begins no more runs and returns when those under way, and what goes on
// beside them, have ended and are written down, or when ctx ends. The caller then
// ends Run.
func (c *Controller) Drain(ctx context.Context) {
	c.cfg.Engine.Drain()
	c.loop.Send(sched.Drain{})
	ended := make(chan struct{})
	go func() { // ends with Run at the latest
		defer close(ended)
		c.cfg.Engine.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		return
	}
	for {
		snap, changed := c.loop.Look()
		if snap.Idle {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// run does one run of a unit and says what it waits on.
func (c *Controller) run(ctx context.Context, r sched.Run) sched.Finished {
	began := time.Now()
	obj := c.views.get(r.Unit)
	if obj == nil {
		return sched.Finished{Unit: r.Unit}
	}
	rep, err := c.converge(ctx, obj.DeepCopy(), began)
	if err != nil {
		return c.again(ctx, r.Unit, err, began)
	}
	took := time.Since(began)
	c.log(r, rep, took)
	if c.cfg.Finished != nil {
		c.cfg.Finished(Run{Unit: r.Unit, Report: rep, Why: r.Why, Took: took, Waited: r.Waited})
	}
	subjects, taken := c.follow(ctx, rep)
	return sched.Finished{Unit: r.Unit, Subjects: subjects, Next: rep.Next, Taken: taken}
}

// conflictPause keeps two who write the same status from spinning.
const conflictPause = 100 * time.Millisecond

// again ends a run that could not be written down.
func (c *Controller) again(ctx context.Context, key object.Key, err error, now time.Time) sched.Finished {
	switch {
	case ctx.Err() != nil:
		return sched.Finished{Unit: key}
	case apierrors.IsConflict(err):
		c.cfg.Log.Debug("the object moved during the run; running again", "unit", key)
		c.refresh(ctx, key)
		return sched.Finished{Unit: key, Next: now.Add(conflictPause)}
	case apierrors.IsNotFound(err):
		c.untold.take(key, nil)
		c.refresh(ctx, key)
		return sched.Finished{Unit: key}
	default:
		c.cfg.Log.Error("what a run found could not be written; trying again", "unit", key, "error", err)
		return sched.Finished{Unit: key, Next: now.Add(5 * time.Second)}
	}
}

// refresh reads a unit from the API, because the watch is behind.
func (c *Controller) refresh(ctx context.Context, key object.Key) {
	obj, err := c.cfg.World.Get(ctx, unit.Ref(key))
	switch {
	case err == nil:
		c.views.wrote(obj)
	case apierrors.IsNotFound(err):
		if old := c.views.get(key); old != nil {
			c.views.remove(key, version(old))
		}
	}
}

// converge lets the engine work and commits what it reports.
func (c *Controller) converge(ctx context.Context, obj *unstructured.Unstructured, now time.Time) (report.Report, error) {
	finalizer := unit.Finalizer(obj)
	deleting := obj.GetDeletionTimestamp() != nil
	if deleting && !slices.Contains(obj.GetFinalizers(), finalizer) {
		return report.Report{Unit: object.KeyOf(obj)}, nil
	}
	if !deleting && !unit.Static(obj) {
		next, err := c.commit.Finalizer(ctx, obj, finalizer)
		if err != nil {
			return report.Report{}, err
		}
		obj = next
	}
	rep := c.cfg.Engine.Converge(ctx, c.world, obj.DeepCopy(), now)
	if ctx.Err() != nil {
		return rep, ctx.Err()
	}
	return rep, c.write(ctx, obj, rep, finalizer, now)
}

// write tells what a run found: first the status, then the events, so that a
// run which is repeated because it could not be written tells nothing twice.
func (c *Controller) write(ctx context.Context, obj *unstructured.Unstructured, rep report.Report, finalizer string, now time.Time) error {
	key := object.KeyOf(obj)
	rep.Events = c.untold.take(key, append(c.soft.drop(key), rep.Events...))
	if err := c.writeDown(ctx, obj, rep, finalizer); err != nil {
		c.untold.keep(key, rep.Events)
		return err
	}
	if !rep.Soft {
		c.events.record(obj, rep.Events, now)
	}
	return nil
}

func (c *Controller) writeDown(ctx context.Context, obj *unstructured.Unstructured, rep report.Report, finalizer string) error {
	switch {
	case rep.Finalize:
		next, err := c.commit.Release(ctx, obj, finalizer)
		if err == nil && next != obj {
			c.views.wrote(next)
		}
		return err
	case rep.Status == nil:
		c.views.wrote(obj)
		return nil
	case rep.Soft:
		c.views.wrote(obj)
		c.soft.later(object.KeyOf(obj), obj, rep)
		return nil
	}
	return c.writeStatus(ctx, obj, rep)
}

func (c *Controller) writeStatus(ctx context.Context, obj *unstructured.Unstructured, rep report.Report) error {
	next, _, err := c.commit.Status(ctx, obj, rep.Status)
	if err != nil {
		return err
	}
	c.views.wrote(next)
	return nil
}

// commitLate writes a soft status that no later run replaced.
func (c *Controller) commitLate(obj *unstructured.Unstructured, rep report.Report) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c.events.record(obj, rep.Events, time.Now())
	err := c.writeStatus(ctx, obj, rep)
	if err == nil || apierrors.IsNotFound(err) {
		return
	}
	if !apierrors.IsConflict(err) {
		c.cfg.Log.Warn("progress was not written; running again", "unit", rep.Unit, "error", err)
	}
	c.loop.Send(sched.Wake{Unit: rep.Unit, Class: classOf(rep.Unit), Priority: sched.Released, Why: "progress was not written"})
}

func (c *Controller) log(r sched.Run, rep report.Report, took time.Duration) {
	s := rep.Summary
	if s.Ready == "" {
		return
	}
	level := slog.LevelInfo
	if len(s.Changed) == 0 && s.Ready == "True" && s.Why == "" {
		level = slog.LevelDebug
	}
	args := []any{
		"controller", component(r.Unit.Group), "controllerGroup", r.Unit.Group, "controllerKind", r.Unit.Kind,
		r.Unit.Kind, map[string]string{"name": r.Unit.Name, "namespace": r.Unit.Namespace},
		"namespace", r.Unit.Namespace, "name", r.Unit.Name,
		"revision", s.Revision, "took", took.Round(time.Millisecond).String(), "result", s.Reason,
		"why", r.Why,
	}
	if s.Why != "" {
		args = append(args, "rebuilt", s.Why)
	}
	if len(s.Changed) > 0 {
		args = append(args, "changed", s.Changed)
	}
	switch {
	case s.Ready == "False" && s.Class != report.Waiting:
		c.cfg.Log.Error("Reconciler error", append(args, "error", s.Message)...)
	case s.Ready == "False":
		c.cfg.Log.Info("waiting: "+s.Message, args...)
	default:
		c.cfg.Log.Log(context.Background(), level, s.Message, args...)
	}
}

func classOf(key object.Key) string {
	k, _ := unit.KindOf(key.GroupKind())
	return k.Class
}

// Idle tells whether nothing runs, waits to run, or waits to be written, and
// returns a channel that is closed when that may have changed.
func (c *Controller) Idle() (bool, <-chan struct{}) {
	snap, changed := c.loop.Look()
	return snap.Idle && c.soft.len() == 0 && c.impacts.len() == 0, changed
}

// Units returns all units as they are known, in no order.
func (c *Controller) Units() []*unstructured.Unstructured { return c.views.all() }

// Wake asks for a run of a unit.
func (c *Controller) Wake(key object.Key, why string) error {
	if !c.loop.Has(key) {
		return fmt.Errorf("wake %s: not known", key)
	}
	c.loop.Send(sched.Wake{Unit: key, Class: classOf(key), Priority: sched.Revision, Why: why})
	return nil
}
