package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/carry"
)

// carryFlags are those of all verbs that carry changes.
type carryFlags struct {
	dir      string
	mirrors  []string
	cacheDir string
	output   string
	also     string // another format
	key      string // of verbs that open pull requests
	dry      bool   // of verbs that can say what they would do
}

func (f *carryFlags) register(fs *pflag.FlagSet) {
	fs.StringVarP(&f.dir, "directory", "C", ".", "the fleet's repository, with its leat.yaml")
	fs.StringArrayVar(&f.mirrors, "mirror", nil, "PREFIX=FOLDER: use repositories of this machine for addresses that begin so (repeatable)")
	fs.StringVar(&f.cacheDir, "cache-dir", "", "where copies of repositories are kept (default: a directory of the user's cache)")
	fs.StringVarP(&f.output, "output", "o", "text", strings.Replace(strings.Join(f.formats(), ", "), ", json", " or json", 1))
}

func (f *carryFlags) config() (app.CarryConfig, error) {
	if err := oneOf(f.output, f.formats()...); err != nil {
		return app.CarryConfig{}, err
	}
	mirrors, err := parseMirrors(f.mirrors)
	if err != nil {
		return app.CarryConfig{}, &Exit{Code: 2, Err: err}
	}
	dir, err := flowDir([]string{f.dir})
	if err != nil {
		return app.CarryConfig{}, err
	}
	cache := f.cacheDir
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return app.CarryConfig{}, fmt.Errorf("find the cache: %w; pass --cache-dir", err)
		}
		cache = filepath.Join(user, "leat")
	}
	return app.CarryConfig{Dir: dir, CacheDir: cache, Mirrors: mirrors, Now: time.Now()}, nil
}

// formats are what -o takes: those of the verb, or text and json.
func (f *carryFlags) formats() []string {
	if f.also == "" {
		return []string{"text", "json"}
	}
	return []string{"text", f.also, "json"}
}

func newRelease(env Env) *cobra.Command {
	f := &carryFlags{}
	dry, again := false, false
	cmd := &cobra.Command{
		Use:   "release COMPONENT…",
		Short: "Release components: branches, packages and pins",
		Long: `Cut the next release branch of each component (release/x.y.z from its main branch; the
version counts up as GitVersion's mainline mode does, +semver: minor in a message says
otherwise), move the submodules of the umbrella repositories, package charts into their
index, and at last write the pins of leat.yaml, in one commit. Until the pins are
written nothing has changed for any environment.

Run it again when it failed half way: what is done already is found and left. Two
releases at once both land. A version that leat rollback took back is refused, unless
--again; the next commit on the main branch makes a version that is not.`,
		Example: `  leat release keda
  leat release keda jupyter_hub --dry-run
  leat release keda -C ../iac-flux-lscsde -o json`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			cfg, err := f.config()
			if err != nil {
				return err
			}
			return runRelease(cmd.Context(), env, app.ReleaseConfig{CarryConfig: cfg, Components: given, Again: again, DryRun: dry}, f.output)
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be written, and write nothing")
	cmd.Flags().BoolVar(&again, "again", false, "write a version that was rolled back")
	return cmd
}

func runRelease(ctx context.Context, env Env, cfg app.ReleaseConfig, output string) error {
	if output == "text" {
		env.Out = plain{env.Out}
	}
	tell := func(s carry.Step) { fmt.Fprintln(env.Out, stepLine(s)) }
	if output == "text" && !cfg.DryRun {
		cfg.Tell = tell
	}
	out, err := app.Release(ctx, cfg)
	if output == "json" {
		type cut struct {
			Component string `json:"component"`
			Version   string `json:"version"`
			Branch    string `json:"branch"`
			Commit    string `json:"commit"`
			Changes   int    `json:"changes"`
			// Loses are commits of the last release that main lacks.
			Loses []commitJSON `json:"loses,omitempty"`
		}
		cuts := []cut{}
		for _, c := range out.Cuts {
			cuts = append(cuts, cut{c.Component.Name, c.Version.String(), c.Branch(), c.Head.String(), len(c.Changes), losesJSON(c)})
		}
		if told := printJSON(env.Out, map[string]any{"releases": cuts, "steps": out.Steps, "dryRun": cfg.DryRun}); told != nil {
			return told
		}
	}
	if err != nil || output == "json" {
		return err
	}
	for _, c := range out.Cuts {
		if cfg.DryRun {
			printChanges(env.Out, c)
		}
		printLoses(env.Out, c)
	}
	if cfg.DryRun {
		fmt.Fprintln(env.Out, "It would do this, in this order:")
		for _, s := range out.Steps {
			tell(s)
		}
	}
	return nil
}

func printChanges(out io.Writer, c carry.Cut) {
	n := "changes"
	if len(c.Changes) == 1 {
		n = "change"
	}
	fmt.Fprintf(out, "%s %s: %d %s since the last release\n", c.Component.Name, c.Version, len(c.Changes), n)
	for _, change := range c.Changes {
		fmt.Fprintf(out, "    %s %s\n", change.ID.String()[:10], change.Subject())
	}
}

// printLoses says which fixes a release does not have.
func printLoses(out io.Writer, c carry.Cut) {
	if len(c.Loses) == 0 {
		return
	}
	fmt.Fprintf(out, "%s %s loses %s of %s, which %s lacks (leat hotfix finish brings them there first):\n", c.Component.Name, c.Version, commitsOf(len(c.Loses)), c.Last, c.Main)
	for _, fix := range c.Loses {
		fmt.Fprintf(out, "    %s %s (%s)\n", fix.ID.String()[:10], fix.Subject(), fix.Author.Name)
	}
}

func losesJSON(c carry.Cut) []commitJSON {
	var out []commitJSON
	for _, fix := range c.Loses {
		out = append(out, commitJSONOf(fix.Commit))
	}
	return out
}

// stepLine is a step on one line, or several where it writes several values.
func stepLine(s carry.Step) string {
	mark := "  "
	if s.Done {
		mark = "= " // it was there
	}
	return fmt.Sprintf("%s%s %s: %s", mark, s.Repository, cmp.Or(s.Branch, "(default branch)"), s.What)
}

func newRollback(env Env) *cobra.Command {
	f := &carryFlags{}
	to := ""
	cmd := &cobra.Command{
		Use:   "rollback ENVIRONMENT",
		Short: "Propose that an environment becomes again what it was",
		Long: `Make the files of an environment what they were at a commit (by default before their
last change), as a new commit on a branch of its own, and open a pull request. Nothing
is changed in a cluster, and history goes on: whoever promotes or automates sees that
the changes were taken back. Files beside the environment's directory stay.`,
		Example: `  leat rollback production
  leat rollback production --to 3f2a91c --dry-run`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			cfg, err := f.config()
			if err != nil {
				return err
			}
			cfg.Signing = signing(f.key, env.Err)
			out, err := app.Rollback(cmd.Context(), app.RollbackConfig{CarryConfig: cfg, Environment: given[0], To: to, DryRun: f.dry})
			if err != nil {
				return err
			}
			return printRollback(env, out, f)
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&to, "to", "", "the commit whose files it gets back (default: before the last change)")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "say what would be taken back, and push nothing")
	cmd.Flags().StringVar(&f.key, "key", "", keyUsage)
	return cmd
}

func printRollback(env Env, out carry.Rolled, f *carryFlags) error {
	if f.output == "json" {
		return printJSON(env.Out, map[string]any{
			"from": out.From.String(), "to": out.To.String(), "branch": out.Head, "base": out.Base, "commit": out.Commit.String(),
			"undone": commitsJSON(out.Undone), "pullRequest": out.Request.URL, "outcome": out.Outcome, "instead": out.Instead,
		})
	}
	env.Out = plain{env.Out}
	fmt.Fprintf(env.Out, "Back to %s; this takes back:\n", out.To.String()[:10])
	printCommits(env.Out, out.Undone)
	if f.dry {
		fmt.Fprintf(env.Out, "\nNothing was pushed (--dry-run). It would propose %s into %s.\n", out.Head, out.Base)
		return nil
	}
	printProposed(env.Out, out.Proposed)
	return nil
}
