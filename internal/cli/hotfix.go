package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/source/fault"
)

// hotfixFlags are those of the verbs of hot-fixes.
type hotfixFlags struct {
	carryFlags
	environment, component, id string
	into                       string
	kubeconfig                 string
	timeout                    time.Duration
	fetch                      bool
}

func newHotfix(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hotfix",
		Short: "Fix what an environment runs, and carry the fix to main",
		Long: `A hot-fix begins at what an environment really runs, goes into that release branch, is
watched until every environment that follows the branch runs it, and then goes to main.

  start    find the branch that runs, cut hotfix/<id> from it, check it out
  submit   open the pull request into that branch
  watch    until each environment that follows it runs the commit and is healthy
  finish   open the pull request to main
  status   fixes that run somewhere and that main lacks

For a component it works in the component's repository, on the release branch that the
environment pins; without a component in the fleet's own, on the environment's branch.`,
		Example: `  leat hotfix start keda --env prod --id 123
  leat hotfix submit keda --env prod --id 123 --dry-run
  leat hotfix status`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newHotfixStart(env), newHotfixSubmit(env), newHotfixWatch(env), newHotfixFinish(env), newHotfixStatus(env))
	return cmd
}

// told is what a verb says of itself.
type told struct{ use, short, example string }

// hotfixVerb is a verb about one fix.
func hotfixVerb(of told, f *hotfixFlags, run func(ctx context.Context, c *app.Carrying, in carry.Fixing) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: of.use + " [COMPONENT]", Short: of.short, Long: of.short + ".", Example: "  leat hotfix " + of.example, Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if f.environment == "" {
				return usage("which environment needs the fix? pass --env")
			}
			if named := cmd.Flags().Lookup("id"); named != nil && f.id == "" {
				return usage("how is the fix called? pass --id, as the number of a ticket")
			}
			cfg, err := f.config()
			if err != nil {
				return err
			}
			if len(given) > 0 {
				f.component = given[0]
			}
			cfg.Signing = signing(f.key, cmd.ErrOrStderr())
			c, in, err := app.Hotfix(cmd.Context(), app.HotfixConfig{CarryConfig: cfg, Environment: f.environment, Component: f.component, ID: f.id, DryRun: f.dry})
			if err != nil {
				return err
			}
			return errors.Join(run(cmd.Context(), c, in), c.Close())
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&f.environment, "env", "", "the environment that needs the fix")
	return cmd
}

func (f *hotfixFlags) withID(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&f.id, "id", "", "names the fix, as the number of a ticket: its branch is hotfix/<id>")
	return cmd
}

func (f *hotfixFlags) withDryRun(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "show what would be cut, checked out or proposed, and do none of it")
	return cmd
}

func (f *hotfixFlags) withKey(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&f.key, "key", "", keyUsage)
	return cmd
}

func newHotfixSubmit(env Env) *cobra.Command {
	f := &hotfixFlags{carryFlags: carryFlags{also: "markdown"}} // as the pull request says it
	cmd := f.withKey(f.withID(hotfixVerb(told{"submit", "Open the pull request into the branch that the environment runs", "submit keda --env prod --id 123"}, f,
		func(ctx context.Context, c *app.Carrying, in carry.Fixing) error {
			at, err := in.Find(ctx)
			if err != nil {
				return err
			}
			forge, err := f.forge(c, at)
			if err != nil {
				return err
			}
			plan, err := f.planOf(ctx, c, at)
			if fault.ClassOf(err) == fault.NotFound {
				return fmt.Errorf("%w; %s --id %s begins it", err, hotfixLine("start", in), in.ID)
			}
			if err != nil {
				return err
			}
			out, err := in.Submit(ctx, at, forge, fixBody(in, at)+plan)
			if err != nil {
				return err
			}
			if f.output == "markdown" {
				_, err := fmt.Fprint(env.Out, out.Body)
				return err
			}
			return f.proposed(env, at, out)
		})))
	cmd.Flags().BoolVar(&f.fetch, "fetch", false, "allow the network for what the plan reads and no mirror has")
	return f.withDryRun(cmd)
}

// forge is where the pull request is opened; nil where nobody opens one. A dry run needs
// neither its token nor a key.
func (f *hotfixFlags) forge(c *app.Carrying, at carry.Running) (forge.Forge, error) {
	if f.dry {
		return nil, nil
	}
	return c.Forge(at.Repo)
}

// planOf says what the fix does to every environment that follows the branch.
func (f *hotfixFlags) planOf(ctx context.Context, c *app.Carrying, at carry.Running) (string, error) {
	commit, err := at.Repo.Branch(carry.FixBranch + f.id)
	if err != nil {
		return "", err
	}
	previews := &previewFlags{}
	previews.register(pflag.NewFlagSet("", pflag.ContinueOnError)) // what flags are by default
	previews.mirrors, previews.cacheDir, previews.fetch = f.mirrors, f.cacheDir, f.fetch
	cfg, err := previews.config()
	if err != nil {
		return "", err
	}
	defer hush()()
	return c.PlanFix(ctx, cfg, at, commit), nil
}

func newHotfixFinish(env Env) *cobra.Command {
	f := &hotfixFlags{}
	return f.withDryRun(f.withKey(hotfixVerb(told{"finish", "Open the pull request that carries the fixes of the branch to main", "finish keda --env prod"}, f,
		func(ctx context.Context, c *app.Carrying, in carry.Fixing) error {
			at, err := in.Find(ctx)
			if err != nil {
				return err
			}
			forge, err := f.forge(c, at)
			if err != nil {
				return err
			}
			out, err := in.Finish(ctx, at, forge, fixBody(in, at))
			if err != nil {
				return err
			}
			return f.proposed(env, at, out)
		})))
}

// fixBody is what the pull request of a fix says.
func fixBody(in carry.Fixing, at carry.Running) string {
	text := fmt.Sprintf("Environments that follow `%s`: %s.\n", at.Branch, strings.Join(names(at.Followers), ", "))
	if at.Pin.File != "" {
		text += fmt.Sprintf("Pinned at `%s` of the fleet.\n", at.Pin.At())
	}
	return text + fmt.Sprintf("\nOnce it is merged: `%s`\n", hotfixLine("watch", in))
}

// hotfixLine is the command that goes on with a fix.
func hotfixLine(verb string, in carry.Fixing) string {
	return strings.Join(strings.Fields(fmt.Sprintf("leat hotfix %s %s --env %s", verb, in.Component, in.Environment)), " ")
}

func (f *hotfixFlags) proposed(env Env, at carry.Running, out carry.Proposed) error {
	if f.output == "json" {
		return printJSON(env.Out, map[string]any{
			"head": out.Head, "base": out.Base, "title": out.Title, "body": out.Body, "environments": names(at.Followers), "commits": commitsJSON(out.Commits),
			"pullRequest": out.Request.URL, "outcome": out.Outcome, "instead": out.Instead, "dryRun": f.dry,
		})
	}
	env.Out = plain{env.Out}
	fmt.Fprintf(env.Out, "%s into %s, for %s:\n", out.Head, out.Base, strings.Join(names(at.Followers), ", "))
	printCommits(env.Out, out.Commits)
	if f.dry {
		fmt.Fprintf(env.Out, "\nNo pull request was opened (--dry-run). It would propose %s into %s of %s:\n\n%s\n\n%s", out.Head, out.Base, at.Repo.URL(), out.Title, out.Body)
		return nil
	}
	printProposed(env.Out, out)
	return nil
}

func names(all []flow.Environment) []string {
	out := make([]string, len(all))
	for i, e := range all {
		out[i] = e.Name
	}
	return out
}

// shownCommits bounds how many commits are told in text.
const shownCommits = 20

func printCommits(out io.Writer, all []repo.Commit) {
	for i, c := range all {
		if i == shownCommits {
			fmt.Fprintf(out, "    and %d more\n", len(all)-i)
			return
		}
		fmt.Fprintf(out, "    %s %s (%s, %s)\n", c.ID.String()[:10], c.Subject(), c.Author.Name, c.Author.When.Format(time.DateOnly))
	}
}

func printProposed(out io.Writer, p carry.Proposed) {
	switch {
	case p.Request.URL != "":
		fmt.Fprintf(out, "Pull request %s: %s\n", p.Outcome, p.Request.URL)
	case p.Instead != "":
		fmt.Fprintln(out, p.Instead)
	}
}

type commitJSON struct {
	ID      string    `json:"id"`
	Subject string    `json:"subject"`
	Author  string    `json:"author"`
	When    time.Time `json:"when"`
}

func commitsJSON(all []repo.Commit) []commitJSON {
	out := make([]commitJSON, len(all))
	for i, c := range all {
		out[i] = commitJSONOf(c)
	}
	return out
}

func commitJSONOf(c repo.Commit) commitJSON {
	return commitJSON{c.ID.String(), c.Subject(), c.Author.Name, c.Author.When}
}
