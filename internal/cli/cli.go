// Package cli is the command line: one file per verb, flags and printing only.
//
//	os.Exit(cli.Main(ctx, os.Args[1:], cli.Env{…}))
//
// Exit codes: 0 done, 1 it did not work, 2 wrong use. What people read goes to
// stdout, what went wrong to stderr; --output json prints one JSON value.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/fluxcli"
)

// Env is what the command line stands in.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	// Program is the name that the program was called by; as flux it answers as
	// flux does.
	Program string
	// ControlPlane starts the embedded Kubernetes; nil in a build without it.
	ControlPlane StartControlPlane
	// Clock is what verbs that watch go by; nil is the machine's.
	Clock app.Clock
}

// ControlPlane is a running embedded Kubernetes.
type ControlPlane interface {
	Kubeconfig() string
	Server() string
	Version() string
	Done() <-chan struct{}
	Err() error
	Stop(ctx context.Context) error
}

// ControlPlaneOptions are the choices of a start.
type ControlPlaneOptions struct {
	DataDir string
	Port    int
	Nodes   int
	Remove  bool // the data directory at the end
	// EngineLog is the file that the engine writes, the log of pods that stand for it.
	EngineLog string
}

// StartControlPlane starts the embedded Kubernetes and returns when it serves.
type StartControlPlane func(ctx context.Context, o ControlPlaneOptions) (ControlPlane, error)

// Exit is an error with an exit code; its message was printed already when Err
// is nil.
type Exit = fluxcli.Exit

// usage is an error of wrong use.
func usage(format string, args ...any) error { return &Exit{Code: 2, Err: fmt.Errorf(format, args...)} }

// Main runs a command line and returns the exit code.
func Main(ctx context.Context, args []string, env Env) int {
	if env.Program == "flux" {
		return fluxcli.Main(ctx, args, fluxEnv(env))
	}
	root := newRoot(env)
	root.SetArgs(args)
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	exit := exitOf(err)
	if exit.Err != nil {
		fmt.Fprintln(plain{env.Err}, "leat: "+exit.Err.Error()) // it may quote what a repository says
	}
	return exit.Code
}

// exitOf finds the exit code of an error.
func exitOf(err error) *Exit {
	var exit *Exit
	switch {
	case errors.As(err, &exit):
		return exit
	case isUsage(err):
		return &Exit{Code: 2, Err: err}
	}
	return &Exit{Code: 1, Err: err}
}

// fluxEnv is what the verbs of Flux stand in.
func fluxEnv(env Env) fluxcli.Env {
	return fluxcli.Env{In: env.In, Out: env.Out, Err: env.Err, Version: Version}
}

// fluxVerbs are the verbs of Flux that leat has no verb of its own for.
func fluxVerbs(env Env) []*cobra.Command {
	of := fluxEnv(env)
	of.Own = true
	verbs := fluxcli.Verbs(of, "install", "uninstall", "version", "check")
	for _, verb := range verbs {
		switch verb.Name() {
		case "build":
			asBuild(verb, env)
		case "diff":
			asDiff(verb, env)
		}
	}
	return verbs
}

// flagError marks errors of flags and arguments, which cobra does not class.
type flagError struct{ error }

func isUsage(err error) bool {
	var f flagError
	return errors.As(err, &f)
}

func newRoot(env Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "leat",
		Short: "GitOps delivery for Kubernetes: see it before it merges, delivered in seconds",
		Long: `Leat delivers what Git says to Kubernetes. It serves every API that Flux ever
had, in one program, and brings a whole fleet to life on a laptop.`,
		Example: `  leat up examples/platform          a fleet on this machine, no cluster needed
  leat plan examples/platform        what an edit there would do
  leat init                          the environments of a fleet, and then leat matrix
  leat get all -A                    what stands in a cluster, failing first`,
		SilenceErrors: true, SilenceUsage: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return flagError{fmt.Errorf("there is no verb %q; see leat --help", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return flagError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(newUp(env), newDown(env), newPlan(env), newTest(env), newGraph(env), newWhy(env), newDrift(env), newApprove(env), newRelease(env), newHotfix(env), newRollback(env), newPromote(env), newRetire(env), newController(env), newInstall(env), newUninstall(env), newVersion(env), newIsolated())
	root.AddCommand(newSet(env), newCheck(env), newGate(env))
	root.AddCommand(newAccess(env), newReview(env))
	root.AddCommand(flowVerbs(env)...)
	root.AddCommand(fluxVerbs(env)...)
	group(root)
	return root
}

// args marks errors of positional arguments as wrong use.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return flagError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
		}
		return nil
	}
}
