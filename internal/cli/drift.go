package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/drift"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/worktree"
)

// driftFlags are the flags of `leat drift`.
type driftFlags struct {
	kubeconfig, context string
	namespace           string
	entry               entry.Options
	output              string
	engine              engineFlags
}

func newDrift(env Env) *cobra.Command {
	f := &driftFlags{}
	cmd := &cobra.Command{
		Use:   "drift [DIRECTORY]",
		Short: "Say what in a cluster differs from Git, and who changed it since when",
		Long: `Compare every Kustomization and HelmRelease of a cluster with what is there: which
object is missing, which field is not as Git wants it, which field manager wrote what
is there, and when. Suspended units are compared as well. Nothing is changed.

What Git wants is built again from the artifact that the unit's source has in the
cluster, with the variables that the cluster has, and compared by dry runs of the API
server; a release is compared with the manifest that Helm stored. With a directory
that directory takes the place of the artifacts of its repository: what would change
if it were delivered now shows beside what drifted.

It needs to read what the units read, to make dry runs of what they apply (patch), and,
without a directory, to reach the Services of the controllers through the API server
(services/proxy).

Exit codes: 0 no drift, 1 something could not be compared, 2 drift.`,
		Example: `  leat drift
  leat drift --context prod -n apps -o json
  leat drift . --path clusters/prod`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error { return runDrift(cmd.Context(), env, f, given) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster (default: $KUBECONFIG, else that of kubectl)")
	fs.StringVar(&f.context, "context", "", "context of the kubeconfig (default: its current one)")
	fs.StringVarP(&f.namespace, "namespace", "n", "", "only units of this namespace (default: all)")
	fs.StringVar(&f.entry.Path, "path", "", "with a directory: where the cluster's entry stands in it")
	fs.StringVarP(&f.output, "output", "o", "text", "text or json")
	f.engine.register(fs)
	return cmd
}

func runDrift(ctx context.Context, env Env, f *driftFlags, given []string) error {
	if f.output != "text" && f.output != "json" {
		return wrong("--output %q: want text or json", f.output)
	}
	cfg, err := f.config(ctx, given)
	if err != nil {
		return &Exit{Code: 1, Err: err}
	}
	report, err := app.Drift(ctx, cfg)
	if err != nil {
		return &Exit{Code: 1, Err: err}
	}
	if err := writeDrift(env.Out, report, f.output); err != nil {
		return err
	}
	return driftExit(report)
}

func (f *driftFlags) config(ctx context.Context, given []string) (app.DriftConfig, error) {
	options, err := f.engine.options(slog.New(slog.DiscardHandler))
	if err != nil {
		return app.DriftConfig{}, err
	}
	options.Mask = plan.NewMask(secret.NewKey()) // tells that secrets differ, and nothing of them
	cfg := app.DriftConfig{Options: options, Namespace: f.namespace}
	if cfg.REST, err = (target{kubeconfig: f.kubeconfig, context: f.context}).config(); err != nil {
		return cfg, err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	if len(given) > 0 {
		cfg.Local, err = f.local(ctx, given[0])
	}
	return cfg, err
}

// local reads a checkout.
func (f *driftFlags) local(ctx context.Context, dir string) (app.LocalTree, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return app.LocalTree{}, err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return app.LocalTree{}, fmt.Errorf("%s is not a directory", dir)
	}
	reader, err := worktree.Open(dir)
	if err != nil {
		return app.LocalTree{}, err
	}
	snap, err := reader.Read(ctx)
	if err != nil {
		return app.LocalTree{}, err
	}
	e, err := entry.Find(snap.Tree, f.entry)
	if err != nil {
		return app.LocalTree{}, err
	}
	return app.LocalTree{URL: e.URL(), Revision: snap.Revision(), Tree: snap.Tree}, nil
}

func writeDrift(out io.Writer, report drift.Report, format string) error {
	if format == "json" {
		data, err := report.JSON()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, string(data))
		return err
	}
	_, err := io.WriteString(out, report.Text(time.Now()))
	return err
}

// driftExit is the exit code: 2 where something differs, 1 where that is not
// known of all units.
func driftExit(report drift.Report) error {
	units, _ := report.Drifted()
	switch {
	case units > 0:
		return &Exit{Code: 2}
	case report.Failed() > 0:
		return &Exit{Code: 1}
	}
	return nil
}
