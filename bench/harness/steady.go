package main

import (
	"context"
	"time"
)

// quiet is how long after new CRDs the control plane is busy with them: its
// garbage collector and quota controller look for new kinds every 30 s.
const quiet = 45 * time.Second

// watchSteady is the first half of rows E and C-steady: a window with the engine.
func (l *lab) watchSteady(ctx context.Context) (*cost, error) {
	l.say("steady, N=%d: %v with the engine", l.fleet.Size(), l.window)
	if err := pause(ctx, time.Until(l.prepared.Add(quiet))); err != nil {
		return nil, err
	}
	with, err := l.watchWindow(ctx)
	return &with, err
}

// finishSteady is the second half: the same window on the same control plane
// once the engine is stopped. It is the last thing that a lab does.
func (l *lab) finishSteady(ctx context.Context, row string, with cost) (Result, error) {
	r := Result{Row: row, N: l.fleet.Size()}
	if !l.noEngine {
		if err := l.verify(ctx); err != nil {
			return r, err
		}
	}
	l.stopEngines()
	l.say("steady, N=%d: %v without the engine", l.fleet.Size(), l.window)
	idle, err := l.watchWindow(ctx)
	if err != nil {
		return r, err
	}
	r.add(with)
	above := with.requests.Sub(idle.requests)
	r.Top, r.Verbs = above.Top(), above.Verbs()
	perMinute := float64(time.Minute) / float64(with.wall)
	r.Wall = with.wall.Seconds()
	r.Requests = above.Total()
	r.Steady = &Steady{
		EngineCPU: r.EngineCPU * perMinute, Requests: float64(above.Total()) * perMinute,
		IdleRequests: float64(idle.requests.Total()) * perMinute,
		ServerCPU:    with.control.CPU.Seconds() * perMinute, IdleCPU: idle.control.CPU.Seconds() * perMinute,
	}
	return r, nil
}

func (l *lab) watchWindow(ctx context.Context) (cost, error) {
	ctx, cancel := context.WithTimeout(ctx, l.settle+l.window+l.timeout)
	defer cancel()
	if err := pause(ctx, l.settle); err != nil {
		return cost{}, err
	}
	before, err := l.read(ctx)
	if err != nil {
		return cost{}, err
	}
	if err := pause(ctx, l.window); err != nil {
		return cost{}, err
	}
	after, err := l.read(ctx)
	return after.since(before), err
}
