package fluxcli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/world"
)

func (p *program) newResume() *cobra.Command {
	var all, wait bool
	cmd := &cobra.Command{
		Use: "resume", Short: "Reconcile suspended objects again",
		Example: `  resume kustomization apps
  resume helmrelease --all -n web --wait`,
	}
	fs := cmd.PersistentFlags()
	fs.BoolVar(&all, "all", false, "all of the namespace")
	fs.BoolVar(&wait, "wait", false, "wait until they are ready (the default for a single one)")
	p.nouns(cmd, kindsOf(flux.Resume), one, func(k flux.Kind) *cobra.Command {
		return &cobra.Command{
			Use: k.Noun.Name + " [name]", Short: "Reconcile a suspended " + k.Kind + " again",
			RunE: func(cmd *cobra.Command, args []string) error {
				if len(args) < 1 && !all {
					return fmt.Errorf("%s name is required", k.Human)
				}
				ctx, cancel := p.timeout(cmd)
				defer cancel()
				resumed, err := p.resume(ctx, k, args)
				if err != nil || !wait && (len(args) != 1 || cmd.Flags().Changed("wait")) {
					return p.reached(err)
				}
				return p.reached(p.awaitResumed(ctx, resumed))
			},
		}
	})
	return cmd
}

// resume does so with the objects of these names, or with all, and returns them.
// One that is not there is told of; that is no error.
func (p *program) resume(ctx context.Context, k flux.Kind, names []string) ([]flux.Asked, error) {
	w, err := p.cluster()
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return p.resumeAll(ctx, w, k)
	}
	var resumed []flux.Asked
	for _, name := range unique(names) {
		a := flux.Asked{Kind: k, Namespace: p.namespace(), Name: name}
		_, err := w.Get(ctx, a.Ref())
		if apierrors.IsNotFound(err) {
			p.fail("%s object '%s' not found in %s namespace", k.Kind, name, p.namespace())
			continue
		}
		if err == nil {
			err = p.resumeOne(ctx, w, a)
		}
		if err != nil {
			return nil, err
		}
		resumed = append(resumed, a)
	}
	return resumed, nil
}

func (p *program) resumeAll(ctx context.Context, w world.World, k flux.Kind) ([]flux.Asked, error) {
	objs, err := w.List(ctx, k.GroupVersionKind, world.Selection{Namespace: p.namespace()})
	if err != nil {
		return nil, fmt.Errorf("failed patching objects: %w", err)
	}
	if len(objs) == 0 {
		p.fail("no %s objects found in %s namespace", k.Kind, p.namespace())
	}
	var resumed []flux.Asked
	for _, obj := range objs {
		a := flux.Asked{Kind: k, Namespace: obj.GetNamespace(), Name: obj.GetName()}
		if err := p.resumeOne(ctx, w, a); err != nil {
			return nil, fmt.Errorf("failed patching objects: %w", err)
		}
		resumed = append(resumed, a)
	}
	return resumed, nil
}

func (p *program) resumeOne(ctx context.Context, w world.World, a flux.Asked) error {
	p.act("resuming %s %s in %s namespace", a.Kind.Human, a.Name, a.Namespace)
	if err := merge(ctx, w, a, suspension(nil)); err != nil {
		return err
	}
	p.succeed("%s resumed", a.Kind.Human)
	return nil
}

// awaitResumed waits for all at once and tells how each ended, by name.
func (p *program) awaitResumed(ctx context.Context, all []flux.Asked) error {
	ends := make([]ending, len(all))
	var waiting sync.WaitGroup
	for i, a := range all {
		p.wait("waiting for %s reconciliation", a.Kind.Kind)
		waiting.Go(func() {
			ends[i].Asked = a
			ends[i].obj, ends[i].err = p.settled(ctx, a, func(obj *unstructured.Unstructured) (bool, error) {
				return flux.Resumed(a.Kind, obj)
			})
		})
	}
	waiting.Wait()
	slices.SortFunc(ends, func(a, b ending) int { return strings.Compare(a.Name, b.Name) })
	return p.tellEnds(ends)
}

// ending is how waiting for an object ended.
type ending struct {
	flux.Asked
	obj *unstructured.Unstructured
	err error
}

func (p *program) tellEnds(ends []ending) error {
	failed := 0
	for _, e := range ends {
		if e.err != nil {
			failed++
			p.fail("%s %s reconciliation failed: %s", e.Kind.Kind, e.Name, e.err)
			continue
		}
		p.succeed("%s %s reconciliation completed", e.Kind.Kind, e.Name)
		p.succeed("%s", flux.Success(e.Kind, e.obj))
	}
	if failed > 0 {
		return fmt.Errorf("reconciliation failed for %d %s(s)", failed, ends[0].Kind.Kind)
	}
	return nil
}
