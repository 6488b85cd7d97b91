package cli

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/fluxcli"
)

// asDiff gives the diff of Flux a meaning without a subcommand: what applying a
// whole fleet, as the directory has it, would change in a cluster.
func asDiff(cmd *cobra.Command, env Env) {
	f := &planFlags{cluster: true}
	cmd.Use = "diff [DIRECTORY]"
	cmd.Short = "What applying a fleet, a Kustomization or an artifact would change"
	cmd.Long = `Compare a whole fleet, as the directory has it, committed or not, with the cluster that
it is delivered to: what would be created, changed field by field, pruned, and what
would never become ready. The API server is asked for dry runs; nothing is written to
it. It is leat plan --cluster, and takes the flags of kubectl.

A folder for one Kustomization, as flux diff does it: leat diff kustomization NAME.

Exit codes: 0 nothing would change, 1 it did not work (also wrong use), 2 something
would, 3 findings that --fail-on names. Those of the subcommands are the ones of flux.`
	cmd.Example = `  leat diff examples/platform --path clusters/prod
  leat diff --context prod -o markdown
  leat diff kustomization apps --path ./apps`
	cmd.Args = args(cobra.MaximumNArgs(1))
	fs := cmd.Flags()
	fs.StringVar(&f.entry.Path, "path", "", "directory of the cluster's entry in the fleet")
	fs.StringVar(&f.entry.Name, "name", "", "name of the entry's objects where the fleet has no gotk-sync.yaml (default flux-system)")
	f.registerSources(fs)
	f.registerShown(fs)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if len(given) == 1 && !isDirectory(given[0]) {
			return wrong("%s is not a directory; other things to compare are kustomization and artifact", given[0])
		}
		ctx, cancel := within(cmd)
		defer cancel()
		f.entry.Namespace = cmd.Flag("namespace").Value.String()
		f.reach = func() (*rest.Config, error) { return fluxcli.Config(cmd.Flags()) }
		return runPlan(ctx, env, f, given)
	}
}

// within bounds a verb by the shared flag --timeout.
func within(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	limit, err := cmd.Flags().GetDuration("timeout")
	if err != nil {
		limit = 5 * time.Minute
	}
	return context.WithTimeout(cmd.Context(), limit)
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
