package cli

import (
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/app"
	flowshow "github.com/leat-dev/leat/internal/flow/show"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
)

// matrixFlags are the flags of `leat matrix`.
type matrixFlags struct {
	previewFlags
	output       string
	environments []string
	live         bool
	kubeconfig   string
	unrendered   bool
}

func newMatrix(env Env) *cobra.Command {
	f := &matrixFlags{}
	cmd := &cobra.Command{
		Use:   "matrix [DIRECTORY]",
		Short: "Compare the versions that the environments of a fleet pin",
		Long: `Read leat.yaml, and the pins of every environment out of its branch, and print
components by environments: what is pinned, what runs, and the newest that there is.
What needs a look stands first:

  dangling     a pin to a branch, chart or image that does not exist
  orphan       a pin that nothing consumes
  pinned ≠ live  something else runs (with --live)
  hot-fix      a release that was fixed beside the line
  ahead        newer than in the environment that it follows

Who consumes a pin is found by rendering the environment with other values in their
places. What exists is looked for on this machine (--mirror), in the network only with
--fetch, in clusters only with --live; what cannot be found out is said in a note.`,
		Example: `  leat matrix
  leat matrix --mirror https://github.com/acme/=../acme --environment dev --environment prod
  leat matrix --fetch --live -o html > matrix.html`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error { return runMatrix(cmd, env, f, given) },
	}
	fs := cmd.Flags()
	fs.StringArrayVarP(&f.environments, "environment", "e", nil, "only this environment (repeatable)")
	fs.StringVarP(&f.output, "output", "o", "text", "text, markdown, html or json")
	fs.BoolVar(&f.live, "live", false, "ask the clusters of the environments' contexts what runs")
	fs.StringVar(&f.kubeconfig, "kubeconfig", "", "with --live: kubeconfig of the contexts (default: $KUBECONFIG, else that of kubectl)")
	fs.BoolVar(&f.unrendered, "unrendered", false, "do not render the environments: faster, and who consumes a pin is not known")
	f.sources(fs)
	return cmd
}

// liveTimeout bounds what one question to a cluster may take.
const liveTimeout = 10 * time.Second

// sources registers the flags that say what may be read, and not those that choose a
// cluster's entry: leat.yaml says where these are.
func (f *previewFlags) sources(fs *pflag.FlagSet) {
	f.registerWithout(fs, "path", "all", "name", "namespace")
}

// registerWithout registers the flags but some that mean nothing to a verb.
func (f *previewFlags) registerWithout(fs *pflag.FlagSet, names ...string) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.register(all)
	all.VisitAll(func(flag *pflag.Flag) {
		if !slices.Contains(names, flag.Name) {
			fs.AddFlag(flag)
		}
	})
}

// flowVerbs are those that read leat.yaml.
func flowVerbs(env Env) []*cobra.Command {
	return []*cobra.Command{newInit(env), newEnv(env), newMatrix(env)}
}

func runMatrix(cmd *cobra.Command, env Env, f *matrixFlags, given []string) error {
	if err := oneOf(f.output, "text", "markdown", "html", "json"); err != nil {
		return err
	}
	dir, err := flowDir(given)
	if err != nil {
		return err
	}
	defer hush()()
	previews, err := f.config()
	if err != nil {
		return &Exit{Code: 2, Err: err}
	}
	cfg := app.MatrixConfig{Dir: dir, Previews: previews, Environments: f.environments, Unrendered: f.unrendered}
	if f.live {
		rest.SetDefaultWarningHandler(rest.NoWarnings{})
		cfg.Live = func(kubeContext string) (world.Reader, error) {
			rc, err := target{kubeconfig: f.kubeconfig, context: kubeContext}.config()
			if err != nil {
				return nil, err
			}
			rc.Timeout = liveTimeout
			return cluster.New(rc, cluster.Options{})
		}
	}
	result, err := app.Matrix(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	return printMatrix(env.Out, flowshow.Matrix{Matrix: result.Matrix, Notes: result.Notes}, f.output)
}

func printMatrix(out io.Writer, m flowshow.Matrix, format string) error {
	switch format {
	case "html":
		return m.HTML(out)
	case "json":
		data, err := m.JSON()
		if err != nil {
			return err
		}
		_, err = out.Write(data)
		return err
	case "markdown":
		_, err := io.WriteString(out, m.Markdown())
		return err
	}
	_, err := io.WriteString(out, m.Text(flowshow.Style{Colour: styleOf(out).Colour}))
	return err
}

// flowDir is the directory of a verb for which 2 means wrong use.
func flowDir(given []string) (string, error) {
	dir, err := fleetDir(given)
	if err != nil {
		return "", &Exit{Code: 2, Err: exitOf(err).Err}
	}
	return dir, nil
}
