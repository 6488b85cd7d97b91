package fluxcli

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/build"
)

// maxLine bounds a line of what envsubst reads.
const maxLine = 16 << 20

func (p *program) newEnvsubst() *cobra.Command {
	var recipe build.Recipe
	cmd := &cobra.Command{
		Use: "envsubst", Short: "Put variables of the environment into a text", Args: cobra.NoArgs,
		Long:    "Read a text, write it with the variables of the environment in it, as a\nKustomization with postBuild does.",
		Example: `  kustomize build ./apps | domain=example.com envsubst --strict`,
		RunE: func(*cobra.Command, []string) error {
			recipe.Substitute = environment()
			return p.envsubst(recipe)
		},
	}
	cmd.Flags().BoolVar(&recipe.Strict, "strict", false, "a variable without value and without default is an error")
	return cmd
}

func environment() map[string]string {
	out := map[string]string{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		out[name] = value
	}
	return out
}

// envsubst goes line by line, as upstream does: what was read before an error is
// printed.
func (p *program) envsubst(r build.Recipe) error {
	if p.In == nil {
		return nil
	}
	lines := bufio.NewScanner(p.In)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line, err := build.Text(lines.Text(), r)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(p.Out, line); err != nil {
			return err
		}
	}
	return lines.Err()
}
