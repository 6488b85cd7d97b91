package cli

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
	flowshow "github.com/leat-dev/leat/internal/flow/show"
)

func newEnv(env Env) *cobra.Command {
	var output string
	var fetch bool
	cmd := &cobra.Command{
		Use:   "env [DIRECTORY]",
		Short: "Show the environments of a fleet: where each stands, and what waits before it",
		Long: `Read leat.yaml and the branches of the repository, and print each environment: branch
and directory, the last commit that changed it and its age, what waits in the
environment that it follows, what was changed in it alone, what main lacks of it, and whether it is open.

Branches are read as they were last fetched; git fetch brings what is new.`,
		Example: `  leat env
  leat env --fetch -o html > environments.html
  leat env diff development playground`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := oneOf(output, "text", "markdown", "html", "json"); err != nil {
				return err
			}
			dir, err := flowDir(given)
			if err != nil {
				return err
			}
			now := time.Now()
			states, err := app.Envs(cmd.Context(), app.EnvsConfig{Dir: dir, Now: now, Fetch: fetch})
			if err != nil {
				return err
			}
			return printEnvs(env.Out, states, output, now)
		},
	}
	cmd.Flags().BoolVar(&fetch, "fetch", false, "ask the forge that leat.yaml names for open pull requests")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, markdown, html or json")
	cmd.AddCommand(newEnvDiff(env))
	return cmd
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
