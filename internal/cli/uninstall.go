package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/install"
)

type uninstallFlags struct {
	target  target
	removal install.Removal
	silent  bool
	timeout time.Duration
	output  string
}

func newUninstall(env Env) *cobra.Command { return uninstallCommand(env, connect) }

func uninstallCommand(env Env, connect connector) *cobra.Command {
	f := &uninstallFlags{}
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove Leat, or Flux, from a cluster",
		Long: `Remove the installation with its CRDs and so all Flux objects. What they have
applied stays: they are suspended and released from their finalizers first.`,
		Example: `  leat uninstall --dry-run
  leat uninstall --keep-namespace --silent`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runUninstall(cmd.Context(), env, connect, f) },
	}
	fs := cmd.Flags()
	f.target.register(fs)
	fs.BoolVar(&f.removal.KeepNamespace, "keep-namespace", false, "leave the namespace, with what else is in it")
	fs.BoolVar(&f.removal.DryRun, "dry-run", false, "print what would be done and do nothing")
	fs.BoolVarP(&f.silent, "silent", "s", false, "do not ask")
	fs.DurationVar(&f.timeout, "timeout", 5*time.Minute, "how long all may take")
	fs.StringVarP(&f.output, "output", "o", "text", "text or json")
	return cmd
}

func runUninstall(ctx context.Context, env Env, connect connector, f *uninstallFlags) error {
	if f.output != "text" && f.output != "json" {
		return usage("--output %q: want text or json", f.output)
	}
	w, err := connect(f.target)
	if err != nil {
		return err
	}
	f.removal.Namespace = f.target.namespace
	if !f.silent && !f.removal.DryRun && !agreed(env, f.target.namespace) {
		return &Exit{Code: 1, Err: fmt.Errorf("nothing was removed")}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("not done after %s (--timeout)", f.timeout))
	defer cancel()
	told := &steps{out: env.Out, json: f.output == "json"}
	if err := install.Uninstall(ctx, w, f.removal, told.progress); err != nil {
		return err
	}
	if f.removal.DryRun {
		return told.end("nothing was removed (--dry-run)")
	}
	return told.end("the installation in " + f.target.namespace + " is removed; what it had applied is left as it was")
}

// agreed asks. No answer is no.
func agreed(env Env, namespace string) bool {
	fmt.Fprintf(env.Err, "Remove the installation in %s, its CRDs and all Flux objects? Workloads stay. [y/N] ", namespace)
	if env.In == nil {
		return false
	}
	answer, _ := bufio.NewReader(env.In).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
