// Package child runs the control plane as a child process of this program, so
// that Kubernetes' globals, memory and crashes stay out of it.
//
//	p, err := child.Start(ctx, os.Args[0], []string{"control-plane"}, child.Options{DataDir: dir, Nodes: 1})
//	defer p.Stop(ctx)
//	use(p.Kubeconfig())
//
// The child lives in its own process group, so that Ctrl-C in a terminal
// reaches the parent first, and it holds the read end of a pipe as its stdin:
// when the parent ends, even by kill -9, the pipe closes and the child stops.
//
// It must never link Kubernetes: Serve gets the control plane as a function.
package child

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
)

// LogFile is the name of the components' log inside the data directory.
const LogFile = "control-plane.log"

// NoControllers as Options.Controllers leaves kube-controller-manager out.
const NoControllers = "none"

// Options are the flags of the verb control-plane, and Env; see controlplane.Options for
// those of the same name.
type Options struct {
	DataDir     string
	Port        int
	Nodes       int
	Controllers string
	EngineLog   string
	NoScheduler bool
	Fsync       bool
	Verbosity   int
	// Remove deletes the data directory at the end.
	Remove bool
	// Env is added to the child's environment, as NAME=value.
	Env []string
	// ExitWithStdin stops the control plane when stdin closes. Start sets it.
	ExitWithStdin bool
}

// LogPath is the path of the components' log.
func (o Options) LogPath() string { return filepath.Join(o.DataDir, LogFile) }

// Args is the command line that Parse reads back.
func (o Options) Args() []string {
	args := []string{
		"--data-dir=" + o.DataDir,
		"--port=" + strconv.Itoa(o.Port),
		"--nodes=" + strconv.Itoa(o.Nodes),
		"--v=" + strconv.Itoa(o.Verbosity),
	}
	if o.Controllers != "" {
		args = append(args, "--controllers="+o.Controllers)
	}
	if o.EngineLog != "" {
		args = append(args, "--engine-log="+o.EngineLog)
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"no-scheduler", o.NoScheduler}, {"fsync", o.Fsync},
		{"remove-data-dir", o.Remove}, {"exit-with-stdin", o.ExitWithStdin},
	} {
		if f.set {
			args = append(args, "--"+f.name)
		}
	}
	return args
}

// Parse reads the flags of the verb control-plane. It prints usage to w and
// returns flag.ErrHelp when that was asked for.
func Parse(args []string, w io.Writer) (Options, error) {
	var o Options
	f := flag.NewFlagSet("leat control-plane", flag.ContinueOnError)
	f.SetOutput(w)
	f.StringVar(&o.DataDir, "data-dir", "", "keep the cluster in this `directory` (required)")
	f.IntVar(&o.Port, "port", 0, "API server `port` on 127.0.0.1; 0 takes the last one if free, else any")
	f.IntVar(&o.Nodes, "nodes", 1, "`number` of simulated nodes; 0 for none")
	f.StringVar(&o.Controllers, "controllers", "", "kube-controller-manager's --controllers `list`; \"none\" leaves it out")
	f.StringVar(&o.EngineLog, "engine-log", "", "`file` that an engine on this machine writes: the log of its pods")
	f.BoolVar(&o.NoScheduler, "no-scheduler", false, "leave kube-scheduler out")
	f.BoolVar(&o.Fsync, "fsync", false, "let etcd wait for the disk on every write")
	f.IntVar(&o.Verbosity, "v", 0, "log `level` of the components")
	f.BoolVar(&o.Remove, "remove-data-dir", false, "delete the data directory at the end")
	f.BoolVar(&o.ExitWithStdin, "exit-with-stdin", false, "stop when stdin closes")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("leat control-plane takes flags only, got %q", f.Args())
	}
	if o.DataDir == "" {
		return o, errors.New("leat control-plane needs --data-dir DIRECTORY")
	}
	dir, err := filepath.Abs(o.DataDir)
	o.DataDir = dir
	return o, err
}
