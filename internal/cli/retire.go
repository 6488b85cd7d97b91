package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
)

// retireFlags are the flags of `leat retire`.
type retireFlags struct {
	previewFlags
	dir, environment string
	keep, remove     bool
	dry, unrendered  bool
	key, output      string
}

func newRetire(env Env) *cobra.Command {
	f := &retireFlags{}
	cmd := &cobra.Command{
		Use:   "retire OBJECT",
		Short: "Take an object out of an environment, as a pull request",
		Long: `Find where an object is written, and propose that it goes out of the environment: with
--keep-in-git its manifest stays and says so (` + `config.kubernetes.io/local-config: "true"` + `,
which kustomize leaves out of what it builds), with --remove it goes too. The pull
request holds the plan, so that what will be deleted is seen first; the cluster follows
when it is merged, where it prunes. In a fleet of Flux v1 the manifest says
fluxcd.io/ignore: "true", or goes with its patches, and what a person then deletes in the
cluster is shown. What another environment shares is refused. OBJECT is Kind/namespace/name,
or as much of the end as is clear; with a group Kind.group/namespace/name.

What could not be rendered, in this environment or in another of its branch, and may have
the object too is listed first; --remove is refused then, unless --unrendered.`,
		Example: `  leat retire Deployment/web --env dev --keep-in-git --dry-run
  leat retire HelmRelease/monitoring/grafana --env prod --remove`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error { return runRetire(cmd.Context(), env, f, given[0]) },
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.dir, "directory", "C", ".", "the fleet's repository, with its leat.yaml")
	fs.StringVar(&f.environment, "env", "", "the environment that it goes out of")
	fs.BoolVar(&f.keep, "keep-in-git", false, "leave its manifest where it is")
	fs.BoolVar(&f.remove, "remove", false, "remove its manifest too")
	fs.BoolVar(&f.dry, "dry-run", false, "say what would be proposed, and push nothing")
	fs.BoolVar(&f.unrendered, "unrendered", false, "remove it though it may be in environments, or units of them, that could not be rendered")
	fs.StringVar(&f.key, "key", "", keyUsage)
	fs.StringVarP(&f.output, "output", "o", "text", "text or json")
	f.sources(fs)
	return cmd
}

func runRetire(ctx context.Context, env Env, f *retireFlags, name string) error {
	if err := oneOf(f.output, "text", "json"); err != nil {
		return err
	}
	if f.environment == "" {
		return usage("out of which environment? pass --env")
	}
	if f.keep == f.remove {
		return usage("pass --keep-in-git or --remove")
	}
	dir, err := flowDir([]string{f.dir})
	if err != nil {
		return err
	}
	defer hush()()
	previews, err := f.config()
	if err != nil {
		return &Exit{Code: 2, Err: err}
	}
	out, err := app.Retire(ctx, app.RetireConfig{
		CarryConfig: app.CarryConfig{Dir: dir, CacheDir: previews.CacheDir, Mirrors: previews.Mirrors, Now: time.Now(), Signing: signing(f.key, env.Err)},
		Environment: f.environment, Object: name, Keep: f.keep, Unrendered: f.unrendered, DryRun: f.dry, Previews: previews,
	})
	if err != nil {
		return err
	}
	return printRetired(env, out, f.output)
}

func printRetired(env Env, out app.Retired, output string) error {
	files := slices.Sorted(maps.Keys(out.Files))
	if output == "json" {
		unit, release := out.Unit.String(), ""
		if out.V1 != nil {
			unit, release = "", out.V1.Release
		}
		return printJSON(env.Out, map[string]any{
			"object": out.Object.String(), "at": out.At, "unit": unit, "prunes": out.Prunes, "release": release, "then": out.Then, "notLookedInto": nonNil(out.Unseen), "files": files, "plan": out.Plan,
			"branch": out.Head, "base": out.Base, "pullRequest": out.Request.URL, "outcome": out.Outcome, "instead": out.Instead,
		})
	}
	env.Out = plain{env.Out}
	if len(out.Unseen) > 0 {
		fmt.Fprintf(env.Out, "Not looked into, because it could not be rendered; the object may be there, too:\n%s\n", app.UnseenText(out.Unseen))
	}
	by := out.Unit.String()
	if out.V1 != nil {
		by = "Flux v1"
	}
	fmt.Fprintf(env.Out, "%s of %s, written at %s\n", out.Object, by, out.At)
	for _, file := range files {
		what := "changes"
		if out.Files[file] == nil {
			what = "goes"
		}
		fmt.Fprintf(env.Out, "  %-8s %s\n", what, file)
	}
	for _, line := range out.Then {
		fmt.Fprintln(env.Out, line)
	}
	switch {
	case out.Plan != "":
		fmt.Fprintf(env.Out, "\n%s\n", out.Plan)
	case out.V1 == nil:
		fmt.Fprintln(env.Out, "What it does could not be planned.")
	}
	printProposed(env.Out, out.Proposed)
	return nil
}
