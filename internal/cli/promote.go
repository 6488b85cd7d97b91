package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/promote"
	"github.com/leat-dev/leat/internal/repo"
)

// promoteFlags are the flags of `leat promote`.
type promoteFlags struct {
	previewFlags
	dir, from, to, of string
	take, keep        []string
	dry, unwell       bool
	again             bool
	kubeconfig, key   string
	output            string
}

func newPromote(env Env) *cobra.Command {
	f := &promoteFlags{}
	cmd := &cobra.Command{
		Use:   "promote [FILE or COMPONENT…]",
		Short: "Carry what one environment has to the next, as a pull request",
		Long: `Make the environment --to what --from is (by default the one that it follows), as far as
leat.yaml lets things move: words of maps become those of the target, what stays is left,
files that only the target has are kept. Environments that are directories are copied
value by value, those that are branches are merged, and with move: pins only versions
move. With arguments only these files, directories or components move.

The result is one commit on promote/<environment> and one pull request with the plan of
the target in it; run again it is brought up to date. What the target has changed by
itself is kept and shown; where both have changed the same value a person decides, with
--take (the source's) or --keep (the target's).

What was rolled back in the target stays out, and is shown, until it is named or asked
for with --again. What is named has a branch and a pull request of its own.

What the source's own cluster does not run, or not well, is not promoted (--unwell).`,
		Example: `  leat promote --to playground --dry-run
  leat promote --from development --to playground third-party
  leat promote --to prod --of release/0.2.115
  leat promote --to playground --keep operator.yaml:.spec.chart.version`,
		RunE: func(cmd *cobra.Command, given []string) error { return runPromote(cmd.Context(), env, f, given) },
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.dir, "directory", "C", ".", "the fleet's repository, with its leat.yaml")
	fs.StringVar(&f.from, "from", "", "the environment that it comes from (default: the one that the target follows)")
	fs.StringVar(&f.to, "to", "", "the environment that it goes to")
	fs.StringVar(&f.of, "of", "", "the branch, tag or commit that is promoted (default: the branch of the source)")
	fs.StringArrayVar(&f.take, "take", nil, "a conflict in which the source counts: FILE or FILE:PATH (repeatable)")
	fs.StringArrayVar(&f.keep, "keep", nil, "a conflict in which the target counts: FILE or FILE:PATH (repeatable)")
	fs.BoolVar(&f.again, "again", false, "bring what was rolled back in the target too")
	fs.BoolVar(&f.dry, "dry-run", false, "say what would be proposed, and push nothing")
	fs.BoolVar(&f.unwell, "unwell", false, "promote what its own cluster does not run, or not well")
	fs.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig with the contexts of leat.yaml (default: $KUBECONFIG, else that of kubectl)")
	fs.StringVar(&f.key, "key", "", keyUsage)
	fs.StringVarP(&f.output, "output", "o", "text", "text, markdown or json")
	f.sources(fs)
	return cmd
}

func runPromote(ctx context.Context, env Env, f *promoteFlags, only []string) error {
	if err := oneOf(f.output, "text", "markdown", "json"); err != nil {
		return err
	}
	if f.to == "" {
		return usage("where to? pass --to")
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
	clusters := &hotfixFlags{kubeconfig: f.kubeconfig}
	out, err := app.Promote(ctx, app.PromoteConfig{
		CarryConfig: app.CarryConfig{Dir: dir, CacheDir: previews.CacheDir, Mirrors: previews.Mirrors, Now: time.Now(), Signing: signing(f.key, env.Err)},
		From:        f.from, To: f.to, Of: f.of, Only: only, Take: f.take, Keep: f.keep, Again: f.again, DryRun: f.dry, Unwell: f.unwell,
		Previews: previews, Connect: clusters.reach,
	})
	if err != nil {
		return err
	}
	return printPromoted(env, out, f)
}

func printPromoted(env Env, out app.Promoted, f *promoteFlags) error {
	switch f.output {
	case "json":
		return printJSON(env.Out, promotedJSON(out))
	case "markdown":
		fmt.Fprintf(env.Out, "%s\n%s", present.Fenced(out.Files.Text()), out.Plan)
		return nil
	}
	env.Out = plain{env.Out}
	fmt.Fprintf(env.Out, "%s %s → %s %s\n", out.From.Name, out.Source.String()[:10], out.To.Name, out.Target.String()[:10])
	for _, note := range out.Notes {
		fmt.Fprintln(env.Out, note)
	}
	if out.Nothing {
		fmt.Fprintf(env.Out, "%s has everything already.\n", out.To.Name)
	}
	if text := out.Files.Text(); text != "" {
		fmt.Fprint(env.Out, "\n"+text)
		if strings.Contains(text, "  unclear ") {
			fmt.Fprintln(env.Out, "\nUnclear is what nobody knows the owner of yet: name a file to take the source's values, or declare them under stays.")
		}
	}
	if len(out.Files.Files) == 0 && len(out.Brings) > 0 && !out.Nothing { // a merge: what it brings is commits
		fmt.Fprintf(env.Out, "\nIt brings to %s:\n", out.To.Name)
		printCommits(env.Out, out.Brings)
	}
	if f.dry {
		fmt.Fprintf(env.Out, "\nNothing was pushed (--dry-run). %s\n", wouldBe(out))
		return nil
	}
	switch {
	case out.Plan != "" && out.Instead != "":
		fmt.Fprintf(env.Out, "\nSee the plan of %s with -o markdown.\n", out.To.Name)
	case out.Plan != "":
		fmt.Fprintf(env.Out, "\nThe pull request holds the plan of %s; see it with -o markdown.\n", out.To.Name)
	}
	printProposed(env.Out, out.Proposed)
	return nil
}

// wouldBe says what a promotion would push.
func wouldBe(out app.Promoted) string {
	if out.Nothing {
		return "There is nothing to propose."
	}
	return fmt.Sprintf("It would propose %s into %s; see the plan of %s with -o markdown.", out.Head, out.Base, out.To.Name)
}

// promotedJSON is the result for machines. Values are those that text shows: what they
// are told from files of the repository, never of a cluster.
func promotedJSON(out app.Promoted) map[string]any {
	type file struct {
		Name   string        `json:"name"`
		Target string        `json:"target"`
		What   promote.What  `json:"what"`
		Why    string        `json:"why"`
		Values []promoteJSON `json:"values,omitempty"`
	}
	files := []file{}
	for _, f := range out.Files.Files {
		one := file{Name: f.Name, Target: f.Target, What: f.What, Why: f.Why}
		for _, v := range f.Values {
			one.Values = append(one.Values, promoteJSON{v.Path, v.Line, v.From, v.To, string(v.Rule), v.By})
		}
		files = append(files, one)
	}
	return map[string]any{
		"from": out.From.Name, "to": out.To.Name, "source": out.Source.String(), "target": out.Target.String(), "commit": out.Commit.String(),
		"nothing": out.Nothing, "notes": out.Notes, "commits": commitsJSON(out.Brings), "rolledBack": commitsJSON(rollbackCommits(out.Rollbacks)), "files": files, "plan": out.Plan,
		"branch": out.Head, "base": out.Base, "pullRequest": out.Request.URL, "outcome": out.Outcome, "instead": strings.TrimSpace(out.Instead),
	}
}

type promoteJSON struct {
	Path string `json:"path"`
	Line int    `json:"line"`
	From string `json:"from"`
	To   string `json:"to"`
	Rule string `json:"rule"`
	By   string `json:"by,omitempty"` // the rollback that took it back
}

func rollbackCommits(all []carry.RolledBack) []repo.Commit {
	out := make([]repo.Commit, len(all))
	for i, r := range all {
		out[i] = r.Commit
	}
	return out
}
