package fluxcli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/world"
)

func (p *program) newStats() *cobra.Command {
	var all bool
	var output string
	cmd := &cobra.Command{
		Use: "stats", Short: "How many objects of each kind run, fail and are suspended",
		Args: cobra.NoArgs, Example: "  stats -A",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			namespace := p.namespace()
			if all {
				namespace = ""
			}
			stats, err := p.stats(ctx, namespace)
			switch {
			case err != nil:
				return p.reached(err)
			case output != "":
				return p.encode(output, stats)
			}
			rows := make([][]string, 0, len(stats))
			for _, s := range stats {
				rows = append(rows, s.Row())
			}
			return p.table(flux.StatsHeader, rows)
		},
	}
	cmd.PersistentFlags().BoolVarP(&all, "all-namespaces", "A", false, "of all namespaces")
	cmd.Flags().StringVarP(&output, "output", "o", "", "json or yaml")
	return cmd
}

// stats counts the objects of every kind. A kind that cannot be listed counts as
// none, as with upstream; a cluster that does not answer is an error.
func (p *program) stats(ctx context.Context, namespace string) ([]flux.Stats, error) {
	w, err := p.cluster()
	if err != nil {
		return nil, err
	}
	var out []flux.Stats
	for _, name := range flux.StatsKinds {
		k, _ := flux.KindOf(name)
		objs, err := w.List(ctx, k.GroupVersionKind, world.Selection{Namespace: namespace})
		if err != nil && unreachable(err) {
			return nil, err
		}
		out = append(out, flux.StatsOf(name, objs))
	}
	return out, nil
}
