package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leat-dev/leat/bench/kube"
	"github.com/leat-dev/leat/bench/proc"
)

// measureUp is the row up: from exec until Kubernetes is ready, with an empty
// data directory and with the one of a run before.
func measureUp(ctx context.Context, c config) ([]Result, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "leat-bench-up-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var all []Result
	for _, state := range []string{"cold", "warm"} {
		r, err := startOnce(ctx, c, "control plane, "+state, filepath.Join(dir, "control-plane"))
		if err != nil {
			return all, err
		}
		all = append(all, r)
	}
	if c.up == "" {
		return all, nil
	}
	for _, state := range []string{"cold", "warm"} {
		r, err := upOnce(ctx, c, "up, "+state, filepath.Join(dir, "up"))
		if err != nil {
			return all, err
		}
		all = append(all, r)
	}
	return all, nil
}

func startOnce(ctx context.Context, c config, row, dir string) (Result, error) {
	control, err := startControlPlane(ctx, c.controlPlane, dir)
	if err != nil {
		return Result{}, err
	}
	defer control.process.Stop(stopWithin)
	u, err := proc.Read(control.process.PID())
	return Result{Row: row, Wall: control.took.Seconds(), ControlPlane: processOf(u)}, err
}

// upOnce runs --up until the line that says that Kubernetes is ready.
func upOnce(ctx context.Context, c config, row, dir string) (Result, error) {
	pattern, err := regexp.Compile(c.upReady)
	if err != nil {
		return Result{}, fmt.Errorf("--up-ready: %w", err)
	}
	out, in := io.Pipe()
	start := time.Now()
	p, err := proc.Start(proc.Command{Name: "up", Args: proc.Split(c.up, map[string]string{"dir": dir}), Stdout: in, Log: os.Stderr})
	if err != nil {
		return Result{}, err
	}
	defer p.Stop(stopWithin)
	found := make(chan time.Duration, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if pattern.Match(lines.Bytes()) {
				found <- time.Since(start)
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	select {
	case took := <-found:
		return Result{Row: row, Wall: took.Seconds()}, nil
	case <-p.Done():
		return Result{}, fmt.Errorf("%s ended before a line matched %q", c.up, c.upReady)
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
}

const (
	ceilingTime    = 4 * time.Second
	ceilingClients = 32
)

// measureCeiling is what the API server alone allows, with the harness as the
// only client: creates and changes by server-side apply, and reads, a second.
func measureCeiling(ctx context.Context, c config) ([]Result, error) {
	return onFleet(c.fleet(1, ""), func(ctx context.Context, l *lab) ([]Result, error) {
		var all []Result
		for _, op := range []struct {
			row string
			do  func(context.Context, int) error
		}{
			{"ceiling, creates", func(ctx context.Context, i int) error { return l.kube.Apply(ctx, configMap(i, "1")) }},
			{"ceiling, changes", func(ctx context.Context, i int) error { return l.kube.Apply(ctx, configMap(i%100, fmt.Sprint(i))) }},
			{"ceiling, reads", func(ctx context.Context, i int) error {
				_, err := l.kube.Get(ctx, kube.Target{Kind: kube.ConfigMaps, Namespace: "default", Name: configMapName(i % 100)})
				return err
			}},
		} {
			r, err := l.phase(ctx, op.row, func(ctx context.Context, r *Result) error {
				n, err := hammer(ctx, op.do)
				r.Wall, r.Rate = ceilingTime.Seconds(), float64(n)/ceilingTime.Seconds()
				return err
			})
			r.N = 0
			if all = append(all, r); err != nil {
				return all, err
			}
		}
		return all, nil
	})(ctx, c)
}

// hammer calls do from many clients for a while and returns how often.
func hammer(ctx context.Context, do func(context.Context, int) error) (int64, error) {
	var n atomic.Int64
	var group sync.WaitGroup
	failed := make(chan error, ceilingClients)
	end := time.Now().Add(ceilingTime)
	for range ceilingClients {
		group.Go(func() {
			for time.Now().Before(end) {
				if err := do(ctx, int(n.Add(1))); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(failed)
	return n.Load(), <-failed
}

func configMapName(i int) string { return fmt.Sprintf("ceiling-%06d", i) }

func configMap(i int, value string) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": configMapName(i), "namespace": "default"},
		"data":     map[string]any{"a": value, "b": "some text that is long enough to look like a small config value"},
	}
}
