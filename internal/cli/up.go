package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/mirror"
)

// upFlags are the flags of `leat up`.
type upFlags struct {
	entry            entry.Options
	dataDir          string
	ephemeral        bool
	port             int
	nodes            int
	inputs           []string
	mirrors          []string
	fetch            bool
	createNamespaces bool
	once             bool
	grace            time.Duration
	output           string
	engine           engineFlags
}

const upHint = `this build of leat has no Kubernetes in it, so it cannot bring a fleet up.
Get the full one: clone the repository, run make build, and use bin/leat`

func newUp(env Env) *cobra.Command {
	f := &upFlags{}
	cmd := &cobra.Command{
		Use:   "up [DIRECTORY]",
		Short: "Bring a fleet to life on this machine",
		Long: `Bring a whole GitOps repository to life against a real Kubernetes API that runs
inside this program: no cluster, no Docker, no network. Nodes and pods are simulated.

The fleet is read from the directory as it is, committed or not; a saved file
converges in under a second. Data is kept between runs; leat down removes it.

Exit codes with --once: 0 all ready, 1 something is not (and why), 2 wrong use.`,
		Example: `  leat up examples/platform
  leat up --once --output json examples/platform
  leat up ../fleet --path clusters/staging --mirror https://github.com/acme/=../acme
  leat up ../fleet --input secrets.yaml`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			dir := "."
			if len(given) > 0 {
				dir = given[0]
			}
			return runUp(cmd.Context(), env, f, dir)
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *upFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.entry.Path, "path", "", "directory of the cluster's entry in the fleet")
	fs.StringVar(&f.entry.Name, "name", "", "name of the entry's objects where the fleet has no gotk-sync.yaml (default flux-system)")
	fs.StringVarP(&f.entry.Namespace, "namespace", "n", "", "their namespace (default flux-system)")
	fs.StringVar(&f.dataDir, "data-dir", "", "where the cluster is kept (default: a directory of the user's state, by the fleet's path)")
	fs.BoolVar(&f.ephemeral, "ephemeral", false, "keep nothing: start anew and remove everything at the end")
	fs.IntVar(&f.port, "port", 0, "port of the API server on 127.0.0.1 (default: any free one, then always the same)")
	fs.IntVar(&f.nodes, "nodes", 1, "simulated nodes")
	fs.StringArrayVar(&f.inputs, "input", nil, "file of objects that live outside Git, applied first (repeatable)")
	fs.StringArrayVar(&f.mirrors, "mirror", nil, "PREFIX=TARGET: read addresses that begin so from this machine (repeatable)")
	fs.BoolVar(&f.fetch, "fetch", false, "allow the network for what no mirror has")
	fs.BoolVar(&f.createNamespaces, "create-namespaces", true, "make namespaces that the entry uses and does not contain")
	fs.BoolVar(&f.once, "once", false, "end when everything has settled")
	fs.DurationVar(&f.grace, "grace", 10*time.Second, "with --once: how long a unit may wait for health after its last change")
	fs.StringVarP(&f.output, "output", "o", "text", "text or json")
	f.engine.register(fs)
}

func runUp(ctx context.Context, env Env, f *upFlags, dir string) error {
	switch {
	case env.ControlPlane == nil:
		return &Exit{Code: 1, Err: errors.New(upHint)}
	case f.output != "text" && f.output != "json":
		return usage("--output %q: want text or json", f.output)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return usage("%s is not a directory", dir)
	}
	data, temporary, err := f.data(dir)
	if err != nil {
		return err
	}
	if temporary {
		defer os.RemoveAll(data)
	}
	release, err := lockData(data)
	if err != nil {
		return err
	}
	defer release()
	return f.bring(ctx, env, dir, data)
}

// bring starts the control plane beside reading the fleet, then the engine.
func (f *upFlags) bring(ctx context.Context, env Env, dir, data string) error {
	log, closeLog, err := upLog(data)
	if err != nil {
		return err
	}
	defer closeLog()
	show := newShow(env.Out, env.Err, f.output, f.once)
	defer show.close()
	cfg, err := f.config(dir, data, log, show)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	plane := startPlane(ctx, env, ControlPlaneOptions{DataDir: filepath.Join(data, "cluster"), Port: f.port, Nodes: f.nodes, EngineLog: upLogFile(data)})
	defer plane.stop()
	up, err := app.Prepare(ctx, cfg)
	if err != nil {
		return &Exit{Code: 2, Err: err}
	}
	show.say("the fleet begins at %s", up.Entry.From)
	cp, err := plane.wait(ctx)
	if err != nil {
		return err
	}
	show.say("Kubernetes %s is ready at %s after %s; nodes and pods are simulated", cp.Version(), cp.Server(), time.Since(plane.began).Round(10*time.Millisecond))
	show.say("export KUBECONFIG=%s", cp.Kubeconfig())
	rc, err := clusterConfig(cp.Kubeconfig())
	if err != nil {
		return err
	}
	if err := up.Install(ctx, rc); err != nil {
		return err
	}
	return f.watch(ctx, up, cp, show)
}

func (f *upFlags) config(dir, data string, log *slog.Logger, show *show) (app.UpConfig, error) {
	var mirrors []mirror.Mirror
	for _, text := range f.mirrors {
		m, err := mirror.Parse(text)
		if err != nil {
			return app.UpConfig{}, usage("%v", err)
		}
		mirrors = append(mirrors, m)
	}
	options, err := f.engine.options(log)
	if err != nil {
		return app.UpConfig{}, err
	}
	return app.UpConfig{
		Dir: dir, Entry: f.entry, DataDir: data, Inputs: f.inputs, Mirrors: mirrors, Fetch: f.fetch,
		CreateNamespaces: f.createNamespaces, Options: options, Log: log, Say: show.say,
		Finished: show.news.Finished, Removed: show.removed, Isolate: isolation(log, 0),
	}, nil
}

// watch lets the engine run and shows it, until it has settled or a person ends it.
func (f *upFlags) watch(ctx context.Context, up *app.Up, cp ControlPlane, show *show) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- up.Run(ctx) }()
	show.begin(ctx, up)
	settled := make(chan struct{})
	if f.once {
		go func() {
			if show.news.Settle(ctx, f.grace) {
				close(settled)
			}
		}()
	}
	var err error
	select {
	case err = <-done:
	case <-cp.Done():
		cancel()
		<-done
		return fmt.Errorf("the control plane ended: %w", cp.Err())
	case <-settled:
		_ = show.news.Look(ctx) // what it cannot tell is left out
		board := show.news.Explained()
		cancel()
		err = errors.Join(<-done, show.final(board))
	}
	return err
}

// data returns the directory of the cluster, and whether it goes at the end.
func (f *upFlags) data(dir string) (string, bool, error) {
	if f.ephemeral {
		d, err := os.MkdirTemp("", "leat-up-")
		return d, true, err
	}
	d := f.dataDir
	if d == "" {
		var err error
		if d, err = stateDir(dir); err != nil {
			return "", false, err
		}
	}
	return d, false, os.MkdirAll(d, 0o700)
}

// upLogFile is where the engine's log is kept.
func upLogFile(data string) string { return filepath.Join(data, "engine.log") }

// upLog keeps the engine's log out of the screen.
func upLog(data string) (*slog.Logger, func(), error) {
	file, err := os.OpenFile(upLogFile(data), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, err
	}
	log, err := newLogger(io.Writer(file), "debug", "json")
	if err == nil {
		klog.SetSlogLogger(log) // client-go must not write over the screen
	}
	// kustomize writes its warnings to the process's stderr, over the tree that a
	// terminal shows; they are in the units' reports too.
	stderr := os.Stderr
	os.Stderr = file
	return log, func() { os.Stderr = stderr; _ = file.Close() }, err
}
