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
environment that it follows, what was changed in it alone, and whether it is open.

Branches are read as they were last fetched; git fetch brings what is new.`,
		Example: `  leat env
  leat env diff development playground`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := oneOf(output, "text", "json"); err != nil {
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
			if output == "json" {
				return printJSON(env.Out, struct {
					APIVersion   string         `json:"apiVersion"`
					Environments []app.EnvState `json:"environments"`
				}{"leat.dev/env/v1", states})
			}
			_, err = io.WriteString(env.Out, envTable(states, now).Text(flowshow.Style{Colour: styleOf(env.Out).Colour}))
			return err
		},
	}
	cmd.Flags().BoolVar(&fetch, "fetch", false, "ask the forge that leat.yaml names for open pull requests")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.AddCommand(newEnvDiff(env))
	return cmd
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
		for _, p := range s.Pulls {
			e.Pulls = append(e.Pulls, flowshow.Pull(p))
		}
		out = append(out, e)
	}
	return out
}
