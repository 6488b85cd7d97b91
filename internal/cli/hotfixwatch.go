package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
)

func newHotfixWatch(env Env) *cobra.Command {
	f := &hotfixFlags{}
	cmd := hotfixVerb(told{"watch", "Follow the environments until each runs the branch's head and is healthy", "watch keda --env prod --timeout 10m"}, f,
		func(ctx context.Context, c *app.Carrying, in carry.Fixing) error {
			at, err := in.Find(ctx)
			if err != nil {
				return err
			}
			timeout := f.timeout
			if timeout == 0 {
				timeout = time.Duration(cmp.Or(c.Flow.Promise, flow.DefaultPromise))
			}
			return f.watch(ctx, env, at, timeout)
		})
	cmd.Flags().StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig with the contexts of leat.yaml (default: $KUBECONFIG, else that of kubectl)")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "how long it may take (default: promise of leat.yaml, else 10m)")
	return cmd
}

// watchEvery is how often clusters are asked: people wait, and clusters have others.
const watchEvery = time.Second

func (f *hotfixFlags) watch(ctx context.Context, env Env, at carry.Running, timeout time.Duration) error {
	cfg := app.WatchConfig{Running: at, Commit: at.Head, Every: watchEvery, Within: timeout, Clock: env.Clock, Connect: f.reach}
	if f.output == "text" {
		fmt.Fprintf(env.Out, "%s of %s at %s\n", at.Branch, at.Repo.URL(), at.Head.String()[:10])
		cfg.Tell = func(w app.Watched) {
			line := fmt.Sprintf("%6s  %-12s  %-8s %s%s", w.Took.Round(100*time.Millisecond), w.Environment, w.Stage, w.Why, w.Err)
			fmt.Fprintln(plain{env.Out}, strings.TrimRight(line, " "))
		}
	}
	all := app.WatchDelivery(ctx, cfg)
	if f.output == "json" {
		if err := printJSON(env.Out, map[string]any{"branch": at.Branch, "commit": at.Head.String(), "environments": all}); err != nil {
			return err
		}
	}
	var late []string
	took, after := time.Duration(0), ""
	for _, w := range all {
		took = max(took, w.Took)
		if !w.Done() {
			late = append(late, fmt.Sprintf("%s: %s", w.Environment, cmp.Or(w.Err, w.Why, "nothing is known of it")))
		}
	}
	if took > 0 { // else no cluster was waited for
		after = fmt.Sprintf("after %s ", min(took, timeout).Round(time.Second))
	}
	if len(late) > 0 {
		return fmt.Errorf("%snot every environment runs %s:\n  %s", after, at.Head.String()[:10], strings.Join(late, "\n  "))
	}
	return nil
}

// reach opens the cluster of an environment.
func (f *hotfixFlags) reach(e flow.Environment) (world.Reader, error) {
	if e.Context == "" {
		return nil, fmt.Errorf("leat.yaml says no context for %s", e.Name)
	}
	cfg, err := target{kubeconfig: f.kubeconfig, context: e.Context}.config()
	if err != nil {
		return nil, err
	}
	cfg.Timeout = liveTimeout
	return cluster.New(cfg, cluster.Options{})
}
