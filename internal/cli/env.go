package cli

import (
	"cmp"
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
	flowshow "github.com/leat-dev/leat/internal/flow/show"
)

// envFlags are the flags of `leat env`.
type envFlags struct {
	dir, output string
	fetch       bool
}

func newEnv(env Env) *cobra.Command {
	f := &envFlags{}
	cmd := &cobra.Command{
		Use:   "env [ENVIRONMENT…]",
		Short: "Show the environments of a fleet: where each stands, and what waits before it",
		Long: `Read leat.yaml and the branches of the repository, and print each environment, or those
that are named: branch and directory, the last commit that changed it and its age, what
waits in the environment that it follows, what was changed in it alone, what main lacks
of it, and whether it is open.

The fleet is that of -C, or of a directory that stands before the names. Branches are
read as they were last fetched; git fetch brings what is new.`,
		Example: `  leat env
  leat env prod
  leat env -C ../fleet --fetch -o html > environments.html
  leat env diff development playground`,
		RunE: func(cmd *cobra.Command, given []string) error { return f.run(cmd.Context(), env, given) },
	}
	cmd.Flags().StringVarP(&f.dir, "directory", "C", "", "directory of the fleet (default .)")
	cmd.Flags().BoolVar(&f.fetch, "fetch", false, "ask the forge that leat.yaml names for open pull requests")
	cmd.Flags().StringVarP(&f.output, "output", "o", "text", "text, markdown, html or json")
	cmd.AddCommand(newEnvDiff(env))
	return cmd
}

func (f *envFlags) run(ctx context.Context, env Env, given []string) error {
	if err := oneOf(f.output, "text", "markdown", "html", "json"); err != nil {
		return err
	}
	of, names := f.fleetAnd(given)
	dir, err := flowDir([]string{of})
	if err != nil {
		return err
	}
	now := time.Now()
	states, err := app.Envs(ctx, app.EnvsConfig{Dir: dir, Names: names, Now: now, Fetch: f.fetch})
	if err != nil {
		return err
	}
	return printEnvs(env.Out, states, f.output, now)
}

// fleetAnd tells the directory of a fleet from the names of environments. A word that can
// be both is the environment, where the fleet here has it.
func (f *envFlags) fleetAnd(given []string) (dir string, names []string) {
	if f.dir != "" || len(given) == 0 || !isFleet(given[0]) {
		return cmp.Or(f.dir, "."), given
	}
	return given[0], given[1:]
}

// isFleet tells whether a word is a directory, and no environment of the fleet here.
func isFleet(word string) bool {
	if strings.ContainsAny(word, `/\`) || strings.HasPrefix(word, ".") { // no environment is called so
		return true
	}
	if info, err := os.Stat(word); err != nil || !info.IsDir() {
		return false
	}
	here, err := app.OpenFlow(".")
	if err != nil {
		return true
	}
	defer here.Close()
	_, known := here.Flow.Environment(word)
	return !known
}

func printEnvs(out io.Writer, states []app.EnvState, format string, now time.Time) error {
	table := envTable(states, now)
	switch format {
	case "json":
		return printJSON(out, struct {
			APIVersion   string         `json:"apiVersion"`
			Environments []app.EnvState `json:"environments"`
		}{"leat.dev/env/v1", states})
	case "html":
		return table.HTML(out)
	case "markdown":
		_, err := io.WriteString(out, table.Markdown())
		return err
	}
	_, err := io.WriteString(out, table.Text(flowshow.Style{Colour: styleOf(out).Colour}))
	return err
}

// envTable is how environments stand, for people.
func envTable(states []app.EnvState, now time.Time) flowshow.Envs {
	var out flowshow.Envs
	for _, s := range states {
		e := flowshow.Env{Name: s.Name, Branch: s.Branch, Directory: s.Directory, Follows: s.Follows, Problem: s.Problem, Closed: s.Opening.Why, Next: s.Opening.Next}
		if s.Head != nil {
			e.Commit, e.Subject, e.Age, e.Local = s.Head.Commit[:7], s.Head.Subject, now.Sub(s.Head.When), s.Head.Local
		}
		if w := s.Waiting; w != nil {
			e.Commits, e.Files, e.Own, e.Drifted, e.Subjects = w.Commits, w.Files, w.Own, w.Drifted, w.Subjects
		}
		if x := s.Fixes; x != nil {
			e.Fixes, e.Main, e.Since, e.Who = x.Commits, x.Main, now.Sub(x.Since), x.Authors
		}
		for _, p := range s.Pulls {
			e.Pulls = append(e.Pulls, flowshow.Pull(p))
		}
		out = append(out, e)
	}
	return out
}
