package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/leat-dev/leat/bench/fleet"
	"github.com/leat-dev/leat/bench/kube"
)

// measureReleases runs the rows that a fleet of HelmReleases goes through, in
// order. The files of the repository say what the chart must have rendered.
func measureReleases(ctx context.Context, l *lab) ([]Result, error) {
	all, err := measureApply("C")(ctx, l)
	add := func(r Result, failed error) {
		if err = failed; err == nil {
			all = append(all, r)
		}
	}
	if err == nil && l.has("C-values") {
		add(measureValues(ctx, l))
	}
	if err == nil && (l.has("C-drift") || l.has("C-steady")) {
		err = l.detectDrift(ctx)
	}
	if err == nil && l.has("C-drift") {
		add(l.driftAll(ctx, "C-drift", driftsOfHelm()))
	}
	if err == nil && l.has("C-steady") {
		var with *cost
		if with, err = l.watchSteady(ctx); err == nil {
			add(l.finishSteady(ctx, "C-steady", *with))
		}
	}
	return all, err
}

// measureValues is row C-values: one value of one release changes.
func measureValues(ctx context.Context, l *lab) (Result, error) {
	r, err := l.phase(ctx, "C-values", func(ctx context.Context, r *Result) error {
		i := l.fleet.Size() / 2
		changed, err := l.commit(ctx, "of row C-values")
		if err != nil {
			return err
		}
		defer changed.close()
		again, err := l.releasedAgain(i)
		if err != nil {
			return err
		}
		units := l.units.expect(l.fleet.Size(), again)
		start := time.Now()
		if err := l.patchRelease(ctx, i, fleet.Object{"values": fleet.Values("of row C-values")}); err != nil {
			return err
		}
		at, err := changed.wait(ctx, 0)
		if err != nil {
			return fmt.Errorf("the changed object: %w", err)
		}
		r.Object = at.Sub(start).Seconds()
		ready, err := units.wait(ctx, start)
		if err != nil {
			return fmt.Errorf("units: %w", err)
		}
		r.times(ready)
		return nil
	})
	if err == nil {
		err = l.verify(ctx)
	}
	return r, err
}

// releasedAgain returns the test whether a release is Ready, that of app i in a
// version after its present one.
func (l *lab) releasedAgain(i int) (func(state) bool, error) {
	key := fleet.System + "/" + l.fleet.App(i)
	now, _ := l.units.of(key)
	if len(now.Status.History) == 0 {
		return nil, fmt.Errorf("%s has no history", key)
	}
	ok, before := readyAt(fleet.ChartVersion), now.Status.History[0].Version
	return func(s state) bool { return ok(s) && (s.key() != key || s.Status.History[0].Version > before) }, nil
}

func (l *lab) patchRelease(ctx context.Context, i int, spec fleet.Object) error {
	body, err := json.Marshal(fleet.Object{"spec": spec})
	if err != nil {
		return err
	}
	t := kube.Target{Kind: kube.HelmReleases, Namespace: fleet.System, Name: l.fleet.App(i)}
	return l.kube.Patch(ctx, t, kube.MergePatch, string(body), kube.Manager)
}

// detectDrift switches drift detection on, which Flux leaves off, and returns
// when all releases were compared.
func (l *lab) detectDrift(ctx context.Context) error {
	l.say("N=%d: drift detection is switched on", l.fleet.Size())
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	ok := readyAt(fleet.ChartVersion)
	var generations []int64
	for i := range l.fleet.Size() {
		s, _ := l.units.of(fleet.System + "/" + l.fleet.App(i))
		generations = append(generations, s.Metadata.Generation)
	}
	start := time.Now()
	for i := range l.fleet.Size() {
		if err := l.patchRelease(ctx, i, fleet.Object{"driftDetection": fleet.Object{"mode": "enabled"}}); err != nil {
			return err
		}
	}
	units := l.units.expect(l.fleet.Size(), func(s state) bool {
		var i int
		_, err := fmt.Sscanf(s.Metadata.Name, "app-%d", &i)
		return err == nil && s.Metadata.Generation > generations[i] && ok(s)
	})
	if _, err := units.wait(ctx, start); err != nil {
		return fmt.Errorf("with drift detection: %w", err)
	}
	return nil
}

// driftsOfHelm are those drifts that an apply as Helm's corrects: labels and
// items that somebody adds stay, there are no owner labels, and what a list is
// keyed by cannot be renamed.
func driftsOfHelm() []drift {
	return slices.DeleteFunc(slices.Clone(drifts), func(d drift) bool {
		return d.owner || d.extra != "" || d.name == "Service: port added by kubectl" || d.name == "Service: port"
	})
}
