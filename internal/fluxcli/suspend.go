package fluxcli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/world"
)

func (p *program) newSuspend() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "suspend", Short: "Stop reconciling objects; nothing is deleted",
		Example: `  suspend kustomization apps
  suspend helmrelease --all -n web`,
	}
	cmd.PersistentFlags().BoolVar(&all, "all", false, "all of the namespace")
	p.nouns(cmd, kindsOf(flux.Suspend), one, func(k flux.Kind) *cobra.Command {
		return &cobra.Command{
			Use: k.Noun.Name + " [name]", Short: "Stop reconciling a " + k.Kind,
			RunE: func(cmd *cobra.Command, args []string) error {
				if len(args) < 1 && !all {
					return fmt.Errorf("%s name is required", k.Human)
				}
				ctx, cancel := p.timeout(cmd)
				defer cancel()
				return p.reached(p.suspend(ctx, k, args))
			},
		}
	})
	return cmd
}

// suspend does so with the objects of these names, or with all. What fails is
// told, the others are suspended, and the exit code is 0 all the same
// (flux2 v2.9.5, cmd/flux/suspend.go).
func (p *program) suspend(ctx context.Context, k flux.Kind, names []string) error {
	w, err := p.cluster()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		objs, err := w.List(ctx, k.GroupVersionKind, world.Selection{Namespace: p.namespace()})
		if err != nil {
			return err
		}
		if len(objs) == 0 {
			return fmt.Errorf("no objects found")
		}
		for _, obj := range objs {
			if err := p.suspendOne(ctx, w, k, obj); err != nil {
				return err
			}
		}
		return nil
	}
	for _, name := range unique(names) {
		obj, err := w.Get(ctx, flux.Asked{Kind: k, Namespace: p.namespace(), Name: name}.Ref())
		if err == nil {
			err = p.suspendOne(ctx, w, k, obj)
		}
		switch {
		case err == nil:
		case unreachable(err):
			return err
		case apierrors.IsNotFound(err):
			p.fail("%s %s not found in %s namespace", k.Kind, name, p.namespace())
		default:
			p.fail("failed suspending %s %s in %s namespace: %s", k.Kind, name, p.namespace(), err)
		}
	}
	return nil
}

func (p *program) suspendOne(ctx context.Context, w world.World, k flux.Kind, obj *unstructured.Unstructured) error {
	p.act("suspending %s %s in %s namespace", k.Human, obj.GetName(), p.namespace())
	if err := merge(ctx, w, flux.Asked{Kind: k, Namespace: obj.GetNamespace(), Name: obj.GetName()}, suspension(true)); err != nil {
		return err
	}
	p.succeed("%s suspended", k.Human)
	return nil
}

// suspension is the patch that suspends, or resumes: the field goes, as it does
// with upstream's client, which leaves out what is false.
func suspension(on any) map[string]any {
	return map[string]any{"spec": map[string]any{"suspend": on}}
}

func unique(names []string) []string {
	var out []string
	for _, name := range names {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
