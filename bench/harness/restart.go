package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// downDrifts are the names of what is drifted while the engine is down.
var downDrifts = []string{
	"Deployment: replicas", "Deployment: deleted", "Service: selector", "Ingress: host", "ServiceAccount: deleted",
}

// measureRestart is row G: kill -9, a commit and five drifts, start again.
func measureRestart(ctx context.Context, l *lab) (Result, error) {
	r, err := l.phase(ctx, "G", func(ctx context.Context, r *Result) error {
		l.killEngines()
		back, err := l.driftWhileDown(ctx)
		if err != nil {
			return err
		}
		changed, err := l.commit(ctx, "of row G")
		if err != nil {
			return err
		}
		defer changed.close()
		sources := l.sources.expect(len(l.fleet.Sources()), readyAt(l.repo.Revision()))
		units := l.units.expect(l.fleet.Size(), readyAt(l.repo.Revision()))
		start := time.Now()
		if err := l.restartEngines(); err != nil {
			return err
		}
		if err := l.awaitCommit(ctx, r, start, changed, sources, units); err != nil {
			return err
		}
		return l.awaitBack(ctx, r, start, back)
	})
	if err == nil {
		err = l.verify(ctx)
	}
	return r, err
}

// driftWhileDown drifts an object of each of five apps, and watches for their
// way back.
func (l *lab) driftWhileDown(ctx context.Context) ([]*sighting, error) {
	var back []*sighting
	for k, name := range downDrifts {
		d, err := driftNamed(name)
		if err != nil {
			return nil, err
		}
		t, want, err := l.manifest(k%l.fleet.Size(), d.kind)
		if err != nil {
			return nil, err
		}
		if err := d.make(ctx, l.kube, t); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		back = append(back, l.watchOne(ctx, t, d.corrected(want)))
	}
	return back, nil
}

func driftNamed(name string) (drift, error) {
	for _, d := range drifts {
		if d.name == name {
			return d, nil
		}
	}
	return drift{}, fmt.Errorf("there is no drift %q", name)
}

// awaitBack notes when each drift was corrected. Units that are Ready while one
// stays is what verify reports.
func (l *lab) awaitBack(ctx context.Context, r *Result, start time.Time, back []*sighting) error {
	short, cancel := context.WithTimeout(ctx, l.driftWait)
	defer cancel()
	for k, s := range back {
		at, err := s.wait(short, 0)
		s.close()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		d := Drift{Name: downDrifts[k], Corrected: err == nil}
		if d.Corrected {
			d.Seconds = at.Sub(start).Seconds()
		}
		r.Drifts = append(r.Drifts, d)
	}
	return nil
}

// measureMemory is the largest resident set of the engine since the fleet was
// applied, over all its processes and restarts.
func measureMemory(_ context.Context, l *lab) (Result, error) {
	l.notePeaks()
	r := Result{Row: "memory", N: l.fleet.Size(), Engines: map[string]Process{}}
	for name, peak := range l.peaks {
		r.Engines[name] = Process{Peak: mib(peak)}
		r.EnginePeak += mib(peak)
	}
	return r, nil
}
