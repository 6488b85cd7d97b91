// Command leat, with the embedded control plane.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/leat-dev/leat/embedded/child"
	"github.com/leat-dev/leat/embedded/verb"
	"github.com/leat-dev/leat/internal/cli"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "control-plane" {
		os.Exit(verb.ControlPlane(os.Args[2:]))
	}
	// Kubernetes registers flags of its own for whole programs; they are not ours.
	pflag.CommandLine = pflag.NewFlagSet(os.Args[0], pflag.ContinueOnError)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Main(ctx, os.Args[1:], cli.Env{Program: filepath.Base(os.Args[0]), In: os.Stdin, Out: os.Stdout, Err: os.Stderr, ControlPlane: start}))
}

// start runs this very program again as the control plane.
func start(ctx context.Context, o cli.ControlPlaneOptions) (cli.ControlPlane, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	p, err := child.Start(ctx, exe, []string{"control-plane"}, child.Options{
		DataDir: o.DataDir, Port: o.Port, Nodes: o.Nodes, Remove: o.Remove, EngineLog: o.EngineLog,
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}
