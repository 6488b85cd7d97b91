package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/flow"
	flowshow "github.com/leat-dev/leat/internal/flow/show"
	"github.com/leat-dev/leat/internal/present"
)

// envDiffFlags are the flags of `leat env diff`.
type envDiffFlags struct {
	previewFlags
	output     string
	dir        string
	unrendered bool
}

func newEnvDiff(env Env) *cobra.Command {
	f := &envDiffFlags{}
	cmd := &cobra.Command{
		Use:   "diff BEFORE ENVIRONMENT",
		Short: "Say how two environments differ: to be promoted, by declaration, drifted apart",
		Long: `Compare an environment with another, usually the one that it follows, file by file and
value by value, and say of each difference what it is:

  drifted apart           it was changed by itself; no change on its way would bring that
  would be promoted       the environment before has it, and it was not moved yet
  differs by declaration  leat.yaml says so: stays, maps, files of its own

Then both are rendered, and what their objects differ by is shown as a plan: what the
environment would become if it were as the one before.`,
		Example: `  leat env diff playground production
  leat env diff dev prod --unrendered -o json`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, given []string) error { return runEnvDiff(cmd, env, f, given) },
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.output, "output", "o", "text", "text or json")
	fs.StringVarP(&f.dir, "directory", "C", ".", "directory of the fleet")
	fs.BoolVar(&f.unrendered, "unrendered", false, "compare the files alone")
	f.sources(fs)
	return cmd
}

func runEnvDiff(cmd *cobra.Command, env Env, f *envDiffFlags, given []string) error {
	if err := oneOf(f.output, "text", "json"); err != nil {
		return err
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
	d, err := app.EnvDiff(cmd.Context(), app.EnvDiffConfig{Dir: dir, Before: given[0], Name: given[1], Previews: previews, Unrendered: f.unrendered})
	if err != nil {
		return err
	}
	if f.output == "json" {
		return printEnvDiff(env.Out, d)
	}
	text := flowshow.Differences{Before: given[0], Name: given[1], All: d.Files}.Text(flowshow.Style{Colour: styleOf(env.Out).Colour})
	if d.Note != "" {
		text += "\nnote: " + strings.Join(strings.Fields(d.Note), " ") + "\n"
	}
	if d.Rendered != nil {
		doc := present.Make(*d.Rendered)
		text += fmt.Sprintf("\nrendered, %s would become, were it as %s:\n\n%s", given[1], given[0], doc.Text(styleOf(env.Out)))
	}
	_, err = io.WriteString(env.Out, strings.TrimRight(text, "\n")+"\n")
	return err
}

func printEnvDiff(out io.Writer, d app.EnvDifference) error {
	v := struct {
		APIVersion string            `json:"apiVersion"`
		Files      []flow.Difference `json:"files"`
		Rendered   *present.Document `json:"rendered,omitempty"`
		Note       string            `json:"note,omitempty"`
	}{"leat.dev/envdiff/v1", d.Files, nil, d.Note}
	if d.Rendered != nil {
		doc := present.Make(*d.Rendered)
		v.Rendered = &doc
	}
	return printJSON(out, v)
}
