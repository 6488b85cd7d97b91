package fluxcli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// exportFlags are those of every export.
type exportFlags struct{ all, credentials bool }

func (p *program) newExport() *cobra.Command {
	f := &exportFlags{}
	cmd := &cobra.Command{
		Use: "export", Short: "Objects as YAML to keep in Git",
		Example: `  export kustomization apps > apps.yaml
  export source git --all`,
	}
	cmd.PersistentFlags().BoolVar(&f.all, "all", false, "all of the namespace")
	below := p.nouns(cmd, kindsOf(flux.Export), one, func(k flux.Kind) *cobra.Command {
		return &cobra.Command{
			Use: k.Noun.Name + " [name]", Short: k.Kind + "s as YAML to keep in Git",
			RunE: func(cmd *cobra.Command, args []string) error {
				if !f.all && len(args) < 1 {
					return errors.New("name is required")
				}
				ctx, cancel := p.timeout(cmd)
				defer cancel()
				return p.reached(p.exportKind(ctx, k, *f, args))
			},
		}
	})
	below["source"].PersistentFlags().BoolVar(&f.credentials, "with-credentials", false, "and the Secrets that sources are read with, in clear")
	return cmd
}

func (p *program) exportKind(ctx context.Context, k flux.Kind, f exportFlags, args []string) error {
	w, err := p.cluster()
	if err != nil {
		return err
	}
	var objs []*unstructured.Unstructured
	if f.all {
		objs, err = p.allOf(ctx, w, k)
	} else {
		objs = make([]*unstructured.Unstructured, 1)
		objs[0], err = w.Get(ctx, flux.Asked{Kind: k, Namespace: p.namespace(), Name: args[0]}.Ref())
	}
	if err != nil {
		return err
	}
	for _, obj := range objs {
		text, err := flux.Exported(k, obj)
		if err != nil {
			return err
		}
		if _, err := p.Out.Write(text); err != nil {
			return err
		}
		if name := flux.CredentialsOf(obj); f.credentials && name != "" {
			if err := p.exportSecret(ctx, w, obj.GetNamespace(), name); err != nil {
				return err
			}
		}
	}
	return nil
}

// allOf are the objects of the namespace; none is an error.
func (p *program) allOf(ctx context.Context, w world.World, k flux.Kind) ([]*unstructured.Unstructured, error) {
	objs, err := w.List(ctx, k.GroupVersionKind, world.Selection{Namespace: p.namespace()})
	if err == nil && len(objs) == 0 {
		err = fmt.Errorf("no objects found in %s namespace", p.namespace())
	}
	return objs, err
}

func (p *program) exportSecret(ctx context.Context, w world.World, namespace, name string) error {
	obj, err := w.Get(ctx, object.Ref{Key: object.Key{Kind: "Secret", Namespace: namespace, Name: name}, Version: "v1"})
	if err != nil {
		return fmt.Errorf("failed to retrieve secret %s, error: %w", name, err)
	}
	text, err := flux.ExportedSecret(obj)
	if err != nil {
		return err
	}
	_, err = p.Out.Write(text)
	return err
}
