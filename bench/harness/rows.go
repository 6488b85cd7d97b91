package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/leat-dev/leat/bench/fleet"
	"github.com/leat-dev/leat/bench/kube"
)

// loaders is how many connections apply the fleet's objects.
const loaders = 4

// measureChained runs the rows that one fleet goes through, in order.
func measureChained(ctx context.Context, l *lab) ([]Result, error) {
	all, err := measureApply("A")(ctx, l)
	steps := map[string]func(context.Context, *lab) (Result, error){
		"D": measureCommit, "drift": measureDrift, "G": measureRestart, "memory": measureMemory,
	}
	var steady *cost
	for _, row := range chained {
		if err != nil || !l.has(row) || row == "A" {
			continue
		}
		if row == "E" {
			steady, err = l.watchSteady(ctx)
			continue
		}
		var r Result
		if r, err = steps[row](ctx, l); err == nil {
			all = append(all, r)
		}
	}
	if err != nil || steady == nil {
		return all, err
	}
	r, err := l.finishSteady(ctx, "E", *steady)
	if err == nil {
		all = append(all, r)
	}
	return all, err
}

// measureApply is rows A, B, B-oci, C and F: apply the objects until all are Ready.
func measureApply(row string) func(context.Context, *lab) ([]Result, error) {
	return func(ctx context.Context, l *lab) ([]Result, error) {
		if err := l.startEngines(ctx); err != nil {
			return nil, err
		}
		if err := pause(ctx, l.settle); err != nil {
			return nil, err
		}
		last, stop := l.watchLast(ctx)
		r, err := l.phase(ctx, row, func(ctx context.Context, r *Result) error { return l.applyAll(ctx, r, last) })
		stop()
		if err != nil {
			return nil, err
		}
		if !l.noEngine {
			err = l.verify(ctx)
		}
		return []Result{r}, err
	}
}

// watchLast waits, cheaply, for a Deployment of each app to exist.
func (l *lab) watchLast(ctx context.Context) (*goal, func()) {
	ctx, stop := context.WithCancel(ctx)
	t := track(ctx, l, kube.Watch{Kind: kube.Deployments, MetadataOnly: true})
	return t.expect(l.fleet.Size(), func(state) bool { return true }), func() {
		stop()
		<-t.done
	}
}

func (l *lab) applyAll(ctx context.Context, r *Result, last *goal) error {
	_, revision := l.served()
	ok := readyAt(revision)
	if l.noEngine {
		ok = func(state) bool { return true }
	}
	units := l.units.expect(l.fleet.Size(), ok)
	sources := l.sources.expect(len(l.fleet.Sources()), ok)
	start := time.Now()
	if err := l.load(ctx); err != nil {
		return err
	}
	r.Apply = time.Since(start).Seconds()
	fetched, err := sources.wait(ctx, start)
	if err != nil {
		return fmt.Errorf("sources: %w", err)
	}
	r.Source = quantile(fetched, 1).Seconds()
	ready, err := units.wait(ctx, start)
	if err != nil {
		return fmt.Errorf("units: %w", err)
	}
	r.times(ready)
	if l.noEngine {
		return nil
	}
	exist, err := last.wait(ctx, start)
	r.Object = quantile(exist, 1).Seconds()
	return err
}

// load applies all objects, in order, over a few connections.
func (l *lab) load(ctx context.Context) error {
	objects := make(chan fleet.Object)
	failed := make(chan error, loaders)
	var group sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range loaders {
		group.Go(func() {
			for o := range objects {
				if err := l.kube.Apply(ctx, o); err != nil {
					failed <- err
					cancel()
					return
				}
			}
		})
	}
	url, _ := l.served()
	for _, o := range l.fleet.Objects(url) {
		select {
		case objects <- o:
		case <-ctx.Done():
		}
	}
	close(objects)
	group.Wait()
	close(failed)
	if err, ok := <-failed; ok {
		return err
	}
	return context.Cause(ctx)
}

// measureCommit is row D: a commit changes one line of one app.
func measureCommit(ctx context.Context, l *lab) (Result, error) {
	r, err := l.phase(ctx, "D", func(ctx context.Context, r *Result) error {
		changed, err := l.commit(ctx, "of row D")
		if err != nil {
			return err
		}
		defer changed.close()
		sources := l.sources.expect(len(l.fleet.Sources()), readyAt(l.repo.Revision()))
		units := l.units.expect(l.fleet.Size(), readyAt(l.repo.Revision()))
		start := time.Now()
		if err := l.trigger(ctx, start); err != nil {
			return err
		}
		return l.awaitCommit(ctx, r, start, changed, sources, units)
	})
	if err == nil {
		err = l.verify(ctx)
	}
	return r, err
}

// commit commits a change of one line in the app in the middle, and watches the
// Deployment that it is about.
func (l *lab) commit(ctx context.Context, message string) (*sighting, error) {
	i := l.fleet.Size() / 2
	if _, err := l.repo.Commit(l.fleet.SetMessage(i, message)); err != nil {
		return nil, err
	}
	target, want, err := l.manifest(i, kube.Deployments)
	if err != nil {
		return nil, err
	}
	return l.watchOne(ctx, target, asGit(want)), nil
}

// trigger asks for a fetch now, as `flux reconcile source git` does.
func (l *lab) trigger(ctx context.Context, at time.Time) error {
	body := fmt.Sprintf(`{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":%q}}}`, at.Format(time.RFC3339Nano))
	for _, name := range l.fleet.Sources() {
		t := kube.Target{Kind: kube.GitRepositories, Namespace: fleet.System, Name: name}
		if err := l.kube.Patch(ctx, t, kube.MergePatch, body, kube.Manager); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) awaitCommit(ctx context.Context, r *Result, start time.Time, changed *sighting, sources, units *goal) error {
	at, err := changed.wait(ctx, 0)
	if err != nil {
		return fmt.Errorf("the changed object: %w", err)
	}
	r.Object = at.Sub(start).Seconds()
	fetched, err := sources.wait(ctx, start)
	if err != nil {
		return fmt.Errorf("sources: %w", err)
	}
	r.Source = quantile(fetched, 1).Seconds()
	ready, err := units.wait(ctx, start)
	if err != nil {
		return fmt.Errorf("units: %w", err)
	}
	r.times(ready)
	return nil
}
