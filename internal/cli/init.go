package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
)

func newInit(env Env) *cobra.Command {
	var output string
	var dry bool
	cmd := &cobra.Command{
		Use:   "init [DIRECTORY]",
		Short: "Propose the leat.yaml of a fleet, from its branches",
		Long: `Read the branches of a fleet's repository and write leat.yaml: the environments, which
follows which, where versions are pinned, and the words that differ from one to the
next. What is guessed says so in a comment.

Run again it changes nothing that was written: what is new goes in as comments at the
end of its section, and has no effect before somebody takes the # away.`,
		Example: `  leat init --dry-run
  leat init ../fleet`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := oneOf(output, "text", "json"); err != nil {
				return err
			}
			dir, err := flowDir(given)
			if err != nil {
				return err
			}
			i, err := app.ProposeFlow(cmd.Context(), dir)
			if err == nil && !dry && (i.New || len(i.Added) > 0) {
				err = i.Write()
			}
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(env.Out, i)
			}
			return printInitial(env.Out, i, dry)
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print the file, and write nothing")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func printInitial(out io.Writer, i app.Initial, dry bool) error {
	var b strings.Builder
	switch {
	case dry:
		b.WriteString(i.Text)
	case !i.New && len(i.Added) == 0:
		fmt.Fprintf(&b, "%s has all that was found\n", i.File)
	case i.New:
		fmt.Fprintf(&b, "%s is written; look at what it guesses:\n", i.File)
	default:
		fmt.Fprintf(&b, "%s has more in comments; take the # away from what is meant:\n", i.File)
	}
	for _, what := range i.Added {
		if !dry {
			b.WriteString("  " + what + "\n")
		}
	}
	if i.New && !dry {
		b.WriteString("next: leat matrix, leat env\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}
