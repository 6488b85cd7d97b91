package main

import (
	"context"
	"time"

	"github.com/leat-dev/leat/bench/gitserver"
	"github.com/leat-dev/leat/bench/kube"
	"github.com/leat-dev/leat/bench/proc"
)

// reading is what everything has used up to one moment.
type reading struct {
	at      time.Time
	server  kube.Counts // requests that the API server counted
	own     kube.Counts // those of them that the harness sent
	engines map[int]proc.Usage
	names   map[int]string
	control proc.Usage
	self    time.Duration
	git     gitserver.Usage
}

// read takes a reading of everything.
func (l *lab) read(ctx context.Context) (reading, error) {
	r := reading{engines: map[int]proc.Usage{}, names: map[int]string{}, git: l.git.Usage(), self: proc.Self()}
	var err error
	for _, e := range l.engines {
		pid := e.process.PID()
		if r.engines[pid], err = proc.Read(pid); err != nil {
			return r, err
		}
		r.names[pid] = e.name
	}
	if r.control, err = proc.Read(l.control.process.PID()); err != nil {
		return r, err
	}
	r.own = l.kube.Own()
	r.server, err = l.kube.Scrape(ctx)
	r.at = time.Now()
	return r, err
}

// cost is what was used between two readings.
type cost struct {
	wall     time.Duration
	requests kube.Counts // without the harness's own
	engines  map[string]proc.Usage
	control  proc.Usage
	self     time.Duration
	git      gitserver.Usage
}

// since is the cost from before to r. A process that was not there before
// counts whole.
func (r reading) since(before reading) cost {
	c := cost{
		wall:     r.at.Sub(before.at),
		requests: r.server.Sub(before.server).Sub(r.own.Sub(before.own)),
		engines:  map[string]proc.Usage{},
		control:  proc.Usage{CPU: r.control.CPU - before.control.CPU, Peak: r.control.Peak, Now: r.control.Now},
		self:     r.self - before.self,
		git:      r.git.Sub(before.git),
	}
	for pid, u := range r.engines {
		u.CPU -= before.engines[pid].CPU
		sum := c.engines[r.names[pid]]
		c.engines[r.names[pid]] = proc.Usage{CPU: sum.CPU + u.CPU, Peak: sum.Peak + u.Peak, Now: sum.Now + u.Now}
	}
	return c
}

// phase runs one measured phase within its timeout and adds its cost to the
// result that do fills in.
func (l *lab) phase(ctx context.Context, row string, do func(context.Context, *Result) error) (Result, error) {
	l.say("row %s, N=%d", row, l.fleet.Size())
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	r := Result{Row: row, N: l.fleet.Size()}
	before, err := l.read(ctx)
	if err != nil {
		return r, err
	}
	if err := do(ctx, &r); err != nil {
		return r, err
	}
	if err := pause(ctx, l.linger); err != nil {
		return r, err
	}
	after, err := l.read(ctx)
	if err != nil {
		return r, err
	}
	r.add(after.since(before))
	l.say("row %s, N=%d: %.2f s, engine %.2f CPU s, %d requests", row, r.N, r.Wall, r.EngineCPU, r.Requests)
	return r, nil
}

// pause waits unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// add fills in what a phase has cost.
func (r *Result) add(c cost) {
	r.Requests = c.requests.Total()
	r.Verbs, r.Top, r.Failed = c.requests.Verbs(), c.requests.Top(), c.requests.Failed()
	r.Engines = map[string]Process{}
	for name, u := range c.engines {
		r.Engines[name] = processOf(u)
		r.EngineCPU += u.CPU.Seconds()
		r.EnginePeak += mib(u.Peak)
	}
	r.ControlPlane = processOf(c.control)
	r.HarnessCPU = c.self.Seconds()
	r.Git = Git{Refs: c.git.Refs, Packs: c.git.Packs, KiB: c.git.Bytes >> 10, CPU: c.git.CPU.Seconds()}
}

func processOf(u proc.Usage) Process {
	return Process{CPU: u.CPU.Seconds(), Peak: mib(u.Peak), Now: mib(u.Now)}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
