// Package verb holds the verbs that need Kubernetes linked in. Its one verb is
// control-plane, which is hidden: leat up and the tests start it as a child.
package verb

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/leat-dev/leat/embedded/child"
	"github.com/leat-dev/leat/embedded/controlplane"
	"github.com/leat-dev/leat/internal/collect"
)

// How garbage is collected. The start allocates much and keeps a third of it; what it
// used goes back to the system once the first work is done. Later, a twentieth to a
// tenth of the processor time of many writes is saved.
const (
	startGrowth = 400               // percent
	growth      = 200               // percent
	frugal      = int64(1536) << 20 // bytes
	tidyAfter   = 3 * time.Second
)

// component is the name by which clients of this process sign what they write:
// client-go takes it from the program's (rest.DefaultKubernetesUserAgent). In a
// cluster the controllers write as this one too.
const component = "kube-controller-manager"

// ControlPlane runs `leat control-plane` with these flags in this process and
// returns the exit code.
func ControlPlane(args []string) int {
	o, err := child.Parse(args, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	os.Args[0] = component
	if err := child.Serve(o, run); err != nil {
		return 1 // Serve has said why, on stdout
	}
	return 0
}

func run(ctx context.Context, o child.Options, log io.Writer, ready func(child.Message)) error {
	percent := debug.SetGCPercent(startGrowth)
	return controlplane.Run(ctx, controlplane.Options{
		DataDir: o.DataDir, Port: o.Port, Nodes: o.Nodes, Controllers: o.Controllers,
		NoScheduler: o.NoScheduler, Fsync: o.Fsync, Verbosity: o.Verbosity, Log: log, EngineLog: o.EngineLog,
	}, func(i controlplane.Info) {
		debug.SetGCPercent(percent)
		collect.Late(growth, frugal)
		time.AfterFunc(tidyAfter, debug.FreeOSMemory)
		ready(child.Message{
			Server: i.Server, Kubeconfig: i.Kubeconfig, Version: i.Version,
			PID: i.PID, Startup: i.Startup.Seconds(),
		})
	})
}
