package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fluxcli"
	"github.com/leat-dev/leat/internal/forge"
)

// checkFlags are the flags of `leat check`.
type checkFlags struct {
	previewFlags
	base, head   string
	environments []string
	output       string
}

// exitWaits is the exit code of a check that passed where the change must wait; that
// of one that failed is exitFindings.
const exitWaits = 4

func newCheck(env Env) *cobra.Command {
	f := &checkFlags{}
	cmd := &cobra.Command{
		Use:   "check [DIRECTORY]",
		Short: "Say whether a change may be merged, for every environment it touches",
		Long: `Hold a change to what leat.yaml says of the environments that follow the branch which it
goes into. An environment is touched where what is rendered differs, or a file of its
directory or of a gate's paths. For each:

  build    every unit can be rendered
  schema   no object is refused by the schema of its kind
  policy   no finding that the gate's failOn names
  plan     no unit comes to stand worse, and nothing immutable changes
  windows  whether the environment is open now, and when it opens

leat.yaml and leat.findings.yaml are read from that branch alone: a change of them is
shown and judged by the old ones. Who approved is not asked here, because that stands at
the forge: leat gate asks. No cluster is needed, and no network is used unless --fetch
says so.

What is called flux check (whether a cluster will do) is leat check cluster.

Exit codes: 0 it may go in, 1 it did not work (also wrong use), 3 a check failed, 4 the
checks passed and it must wait: the environment is closed.`,
		Example: `  leat check
  leat check --base main --head my-branch -o markdown > comment.md
  leat check --base release --environment production --mirror https://github.com/acme/=../acme
  leat check cluster --pre`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error { return runCheck(cmd.Context(), env, f, given) },
	}
	fs := cmd.Flags()
	f.sources(fs)
	fs.StringVar(&f.base, "base", "", "the branch that the change goes into (default: what the checked-out branch is merged into)")
	fs.StringVar(&f.head, "head", "", "the change: a branch, tag or commit (default: the directory as it is)")
	fs.StringArrayVarP(&f.environments, "environment", "e", nil, "only this environment, whichever branch it follows (repeatable)")
	fs.StringVarP(&f.output, "output", "o", "text", "text, markdown, json or sarif")
	cmd.AddCommand(clusterCheck(env))
	return cmd
}

// clusterCheck is what flux calls check.
func clusterCheck(env Env) *cobra.Command {
	of := fluxEnv(env)
	of.Own = true
	for _, verb := range fluxcli.Verbs(of) {
		if verb.Name() == "check" {
			verb.Use = "cluster"
			verb.Example = strings.ReplaceAll(verb.Example, "leat check", "leat check cluster")
			return verb
		}
	}
	panic("there is no flux check") // the verbs are this program's own
}

func runCheck(ctx context.Context, env Env, f *checkFlags, given []string) error {
	if err := oneOf(f.output, "text", "markdown", "json", "sarif"); err != nil {
		return &Exit{Code: 1, Err: err}
	}
	dir, err := fleetDir(given)
	if err != nil {
		return err
	}
	defer hush()()
	previews, err := f.config()
	if err != nil {
		return &Exit{Code: 1, Err: err}
	}
	report, err := app.Check(ctx, app.CheckConfig{
		Previews: previews, Dir: dir, Base: f.base, Head: f.head, Environments: f.environments, Now: time.Now(),
	})
	if err != nil {
		return &Exit{Code: 1, Err: err}
	}
	report.Tool = "leat " + Version
	if err := writeCheck(env.Out, report, f.output); err != nil {
		return err
	}
	if code := map[check.State]int{check.Errored: 1, check.Failure: exitFindings, check.Pending: exitWaits}[report.State]; code != 0 {
		return &Exit{Code: code}
	}
	return nil
}

// writeCheck prints a report in the format that was asked for.
func writeCheck(out io.Writer, r check.Report, format string) error {
	var data []byte
	var err error
	switch format {
	case "markdown":
		data = []byte(r.Markdown(forge.MaxBody))
	case "json":
		data, err = r.JSON()
	case "sarif":
		data, err = r.Document().SARIF(finding.Rules)
	default:
		data = []byte(r.Text())
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, strings.TrimRight(string(data), "\n"))
	return err
}
