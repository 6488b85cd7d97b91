package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/leat-dev/leat/bench/chartserver"
	"github.com/leat-dev/leat/bench/fleet"
	"github.com/leat-dev/leat/bench/gitserver"
	"github.com/leat-dev/leat/bench/kube"
	"github.com/leat-dev/leat/bench/proc"
	"github.com/leat-dev/leat/bench/registry"
)

// stopWithin is how long a child may take to stop before it is killed.
const stopWithin = 20 * time.Second

// lab is a control plane, a Git server with a fleet, and maybe an engine.
type lab struct {
	config
	dir     string
	fleet   fleet.Fleet
	repo    *fleet.Repository
	git     *gitserver.Server
	images  *registry.Server    // nil where the fleet is read from Git
	charts  *chartserver.Server // nil but for HelmReleases
	kube    *kube.Client
	control *controlPlane
	units   *tracker // the Kustomizations or HelmReleases
	sources *tracker // the GitRepositories, OCIRepositories or HelmCharts

	prepared time.Time // when the CRDs were there

	fail context.CancelCauseFunc // ends the context of everything

	mu      sync.Mutex
	engines []*engine
	peaks   map[string]int64 // largest resident set by engine, in bytes
}

// onFleet makes a session of rows that run in a lab of their own.
func onFleet(f fleet.Fleet, rows func(context.Context, *lab) ([]Result, error)) func(context.Context, config) ([]Result, error) {
	return func(outer context.Context, c config) (results []Result, err error) {
		ctx, cancel := context.WithCancelCause(outer)
		defer cancel(nil)
		l := &lab{config: c, fleet: f, fail: cancel, peaks: map[string]int64{}}
		defer l.close()
		err = l.open(ctx)
		if err == nil {
			results, err = rows(ctx, l)
		}
		if err == nil || outer.Err() != nil {
			return results, err
		}
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = errors.Join(cause, err)
		}
		l.keep = true
		return results, fmt.Errorf("%w\nlogs and data are in %s", err, l.dir)
	}
}

// open starts everything but the engine.
func (l *lab) open(ctx context.Context) error {
	var err error
	if l.dir, err = os.MkdirTemp("", "leat-bench-"); err != nil {
		return err
	}
	if l.repo, err = fleet.CreateRepository(filepath.Join(l.dir, "fleet.git"), l.fleet); err != nil {
		return err
	}
	if l.git, err = gitserver.Start(gitserver.Best(l.repo.Dir)); err != nil {
		return err
	}
	if err := l.serve(); err != nil {
		return err
	}
	if l.control, err = startControlPlane(ctx, l.controlPlane, filepath.Join(l.dir, "control-plane")); err != nil {
		return err
	}
	go l.guard(l.control.process)
	if l.kube, err = kube.Connect(l.control.Kubeconfig); err != nil {
		return err
	}
	if err := l.prepare(ctx); err != nil {
		return err
	}
	for _, k := range []kube.Kind{l.unitKind(), l.sourceKind()} {
		if err := awaitServed(ctx, l.kube, k); err != nil {
			return err
		}
	}
	l.prepared = time.Now()
	l.units = track(ctx, l, kube.Watch{Kind: l.unitKind(), Namespace: fleet.System})
	l.sources = track(ctx, l, kube.Watch{Kind: l.sourceKind(), Namespace: fleet.System})
	return nil
}

// serve starts what the fleet's shape has read, beside Git.
func (l *lab) serve() (err error) {
	switch l.fleet.SourceKind() {
	case "OCIRepository":
		l.images, err = registry.Start(l.fleet.Files(), fleet.Branch)
	case "HelmChart":
		c := chartserver.Chart{Name: fleet.ChartName, Version: fleet.ChartVersion}
		if c.Files, err = fleet.ChartFiles(); err == nil {
			l.charts, err = chartserver.Start(c)
		}
	}
	return err
}

func (l *lab) unitKind() kube.Kind {
	if l.charts != nil {
		return kube.HelmReleases
	}
	return kube.Kustomizations
}

func (l *lab) sourceKind() kube.Kind {
	switch {
	case l.images != nil:
		return kube.OCIRepositories
	case l.charts != nil:
		return kube.HelmCharts
	}
	return kube.GitRepositories
}

// served is where the fleet is to be read, and at which revision it is.
func (l *lab) served() (url, revision string) {
	switch {
	case l.images != nil:
		return l.images.URL(), l.images.Revision()
	case l.charts != nil:
		return l.charts.URL(), fleet.ChartVersion
	}
	return l.git.URL(), l.repo.Revision()
}

// guard ends the lab when a process of it ends by itself.
func (l *lab) guard(p *proc.Process) {
	<-p.Done()
	if err := p.Err(); err != nil {
		l.fail(err)
	}
}

// prepare installs the CRDs and creates the namespaces.
func (l *lab) prepare(ctx context.Context) error {
	for _, o := range l.fleet.Setup() {
		if err := l.kube.Apply(ctx, o); err != nil {
			return err
		}
	}
	if l.install == "" {
		return installCRDs(ctx, l.kube)
	}
	args := proc.Split(l.install, l.placeholders(l.control.Kubeconfig, l.dir))
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+l.control.Kubeconfig)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", l.install, err, out)
	}
	return nil
}

func (l *lab) placeholders(kubeconfig, dir string) map[string]string {
	return map[string]string{"kubeconfig": kubeconfig, "dir": dir, "server": l.control.Server}
}

func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(l.log, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// close ends every child and removes the data.
func (l *lab) close() {
	l.stopEngines()
	l.fail(nil)
	if l.control != nil {
		l.control.process.Stop(stopWithin)
	}
	if l.git != nil {
		_ = l.git.Close()
	}
	if l.images != nil {
		_ = l.images.Close()
	}
	if l.charts != nil {
		_ = l.charts.Close()
	}
	if !l.keep {
		_ = os.RemoveAll(l.dir)
	}
}

// controlPlane is a running one, and what it said when it was ready.
type controlPlane struct {
	Server     string  `json:"server"`
	Kubeconfig string  `json:"kubeconfig"`
	Version    string  `json:"version"`
	Startup    float64 `json:"startup"` // seconds, by its own clock
	Error      string  `json:"error"`

	process *proc.Process
	took    time.Duration // from exec to that line
}

// startControlPlane runs the command on a data directory until it says that it
// is ready.
func startControlPlane(ctx context.Context, command, dir string) (*controlPlane, error) {
	log, err := os.Create(dir + ".log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	out, in := io.Pipe()
	start := time.Now()
	p, err := proc.Start(proc.Command{
		Name: "control plane", Args: proc.Split(command, map[string]string{"dir": dir}), Stdout: in, Log: log,
	})
	if err != nil {
		return nil, err
	}
	c := &controlPlane{process: p}
	read := make(chan error, 1)
	go func() {
		lines := bufio.NewReader(out)
		line, err := lines.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, c)
		}
		c.took = time.Since(start)
		read <- err
		_, _ = io.Copy(io.Discard, lines)
	}()
	select {
	case err = <-read:
	case <-p.Done():
		err = p.Err()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil && c.Error != "" {
		err = errors.New(c.Error)
	}
	if err != nil {
		p.Stop(stopWithin)
		return nil, fmt.Errorf("start the control plane (%s): %w", command, err)
	}
	return c, nil
}
