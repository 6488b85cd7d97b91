package fluxcli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/unit"
)

func (p *program) newBuild() *cobra.Command {
	cmd := &cobra.Command{Use: "build", Short: "Build what Flux would apply, or an artifact"}
	cmd.AddCommand(p.newBuildKustomization(), p.newBuildArtifact())
	return cmd
}

// buildFlags are those of build and diff kustomization.
type buildFlags struct {
	path, file     string
	ignore         []string
	dryRun         bool
	strict         bool
	recursive      bool
	ignoreNotFound bool
	sources        map[string]string
}

func (f *buildFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.path, "path", "", "folder on this machine that the Kustomization's path means")
	fs.StringVar(&f.file, "kustomization-file", "", "file with the Kustomization (default that of the cluster)")
	fs.StringSliceVar(&f.ignore, "ignore-paths", nil, "what to leave out, as in .gitignore")
	fs.BoolVar(&f.strict, "strict-substitute", false, "a variable without value and without default is an error")
	fs.BoolVarP(&f.recursive, "recursive", "r", false, "Kustomizations that it contains too")
	fs.StringToStringVar(&f.sources, "local-sources", nil, "where sources stand on this machine: Kind/namespace/name=path,…")
	fs.Bool("in-memory-build", false, "has no effect: nothing is ever written")
}

func (p *program) newBuildKustomization() *cobra.Command {
	f := &buildFlags{}
	kind, _ := flux.KindOf(unit.KustomizationKind)
	cmd := &cobra.Command{
		Use: "kustomization", Aliases: []string{"ks"}, Short: "Print what a Kustomization would apply",
		Long: `Build the manifests of a folder as the Kustomization of that name would: the one
in the cluster, or in a file. With --dry-run no cluster is asked, so that
variables of substituteFrom have no values.`,
		Example: `  build kustomization apps --path ./apps
  build kustomization apps --path ./apps --kustomization-file ./clusters/prod/apps.yaml --dry-run
  build kustomization apps --path ./clusters/prod --recursive --local-sources GitRepository/flux-system/flux-system=.`,
		ValidArgsFunction: p.completeNames(kind),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 {
				return errors.New("kustomization name is required")
			}
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			return p.reached(p.build(ctx, args[0], f))
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "ask no cluster; needs --kustomization-file")
	return cmd
}

func (p *program) build(ctx context.Context, name string, f *buildFlags) error {
	if !isDir(f.path) {
		return fmt.Errorf("invalid resource path %q; pass --path with a folder", absolute(f.path))
	}
	if f.dryRun && f.file == "" {
		return errors.New("dry-run mode requires a kustomization file; pass --kustomization-file")
	}
	if err := f.checkFile(); err != nil {
		return err
	}
	b := &builder{program: p, flags: f}
	if !f.dryRun {
		w, err := p.cluster()
		if err != nil {
			return err
		}
		b.cluster = w
	}
	built, err := b.build(ctx, wanted{name: name, namespace: p.namespace(), dir: f.path, top: true})
	if err != nil {
		return err
	}
	return p.documents(built.objects)
}

// documents prints objects as flux build does: each ends with a separator.
func (p *program) documents(objs []*unstructured.Unstructured) error {
	for _, obj := range objs {
		text, err := yaml.Marshal(obj)
		if err != nil {
			return fmt.Errorf("write %s %s: %w", obj.GetKind(), obj.GetName(), err)
		}
		if _, err := fmt.Fprintf(p.Out, "%s---\n", text); err != nil {
			return err
		}
	}
	return nil
}

func (f *buildFlags) checkFile() error {
	if f.file == "" {
		return nil
	}
	if info, err := os.Stat(f.file); err != nil || info.IsDir() {
		return fmt.Errorf("invalid kustomization file %q; pass --kustomization-file with a file that exists", f.file)
	}
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return path != "" && err == nil && info.IsDir()
}

func absolute(path string) string {
	if path == "" {
		return ""
	}
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
