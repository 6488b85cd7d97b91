package fluxcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// reconcileFlags are those of every reconcile.
type reconcileFlags struct{ withSource, force, reset bool }

func (p *program) newReconcile() *cobra.Command {
	cmd := &cobra.Command{
		Use: "reconcile", Short: "Have objects reconciled now, and wait for it",
		Example: `  reconcile kustomization apps --with-source
  reconcile source git flux-system
  reconcile helmrelease web --force`,
	}
	p.nouns(cmd, kindsOf(flux.Reconcile), one, p.newReconcileKind)
	return cmd
}

func (p *program) newReconcileKind(k flux.Kind) *cobra.Command {
	f := &reconcileFlags{}
	cmd := &cobra.Command{
		Use: k.Noun.Name + " [name]", Short: "Have a " + k.Kind + " reconciled now",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 {
				return fmt.Errorf("%s name is required", k.Kind)
			}
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			return p.reached(p.reconcile(ctx, flux.Asked{Kind: k, Namespace: p.namespace(), Name: args[0]}, *f))
		},
	}
	fs := cmd.Flags()
	if flux.HasSource(k) {
		fs.BoolVar(&f.withSource, "with-source", false, "its source first")
	}
	if k.Kind == unit.HelmReleaseKind {
		fs.BoolVar(&f.force, "force", false, "install or upgrade even where nothing has changed")
		fs.BoolVar(&f.reset, "reset", false, "forget the failures that were counted")
	}
	return cmd
}

// reconcile asks for a run of an object, of its source before where that was
// asked for, and waits until it is handled and settled.
func (p *program) reconcile(ctx context.Context, a flux.Asked, f reconcileFlags) error {
	w, err := p.cluster()
	if err != nil {
		return err
	}
	obj, err := w.Get(ctx, a.Ref())
	if err != nil {
		return err
	}
	switch {
	case unit.Static(obj):
		p.succeed("reconciliation not supported by the object")
		return nil
	case flux.Suspended(obj):
		return p.advised(errors.New("resource is suspended"), "; leat resume "+a.Words())
	}
	if f.withSource {
		if err := p.reconcileSource(ctx, obj); err != nil {
			return err
		}
	}
	before := flux.Handled(obj)
	p.act("annotating %s %s in %s namespace", a.Kind.Kind, a.Name, a.Namespace)
	if err := p.request(ctx, w, a, f); err != nil {
		return err
	}
	p.succeed("%s annotated", a.Kind.Kind)
	p.wait("waiting for %s reconciliation", a.Kind.Kind)
	obj, err = p.settled(ctx, a, func(obj *unstructured.Unstructured) (bool, error) {
		if flux.Handled(obj) == before {
			return false, nil
		}
		return flux.Settled(obj)
	})
	if err != nil {
		return err
	}
	if err := flux.Failed(a.Kind, obj); err != nil {
		return err
	}
	p.succeed("%s", flux.Success(a.Kind, obj))
	return nil
}

// reconcileSource does so for what an object reads. The chart of a release reads
// something in turn.
func (p *program) reconcileSource(ctx context.Context, obj *unstructured.Unstructured) error {
	source, err := flux.SourceOf(obj)
	if err != nil {
		return err
	}
	return p.reconcile(ctx, source, reconcileFlags{withSource: source.Kind.Kind == unit.HelmChartKind})
}

// request annotates an object, which is how a run is asked for.
func (p *program) request(ctx context.Context, w world.World, a flux.Asked, f reconcileFlags) error {
	stamp := p.Now().Format(time.RFC3339Nano)
	marks := map[string]string{object.RequestedAt: stamp}
	if f.force {
		marks[flux.ForceAt] = stamp
	}
	if f.reset {
		marks[flux.ResetAt] = stamp
	}
	return merge(ctx, w, a, map[string]any{"metadata": map[string]any{"annotations": marks}})
}

// manager is the field manager of what the command line changes; upstream's
// client names itself so, after its program.
const manager = "flux"

// merge patches an object.
func merge(ctx context.Context, w world.World, a flux.Asked, patch map[string]any) error {
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = w.Patch(ctx, world.Patch{Ref: a.Ref(), Type: types.MergePatchType, Data: data, Manager: manager})
	return err
}

// settled waits until a state of an object is the one that was waited for.
func (p *program) settled(ctx context.Context, a flux.Asked, done func(*unstructured.Unstructured) (bool, error)) (*unstructured.Unstructured, error) {
	var last *unstructured.Unstructured
	err := p.watch(ctx, watching{kind: a.Kind.GroupVersionKind, namespace: a.Namespace, name: a.Name}, func(obj *unstructured.Unstructured) (bool, error) {
		last = obj
		return done(obj)
	})
	if last == nil || !p.Own || err == nil {
		return last, err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w (--timeout %s)", err, p.global.timeout)
	}
	_, message := a.Kind.Ready(last)
	return last, withReady(err, a.Kind.Kind+"/"+a.Name, message)
}

// withReady adds what the condition Ready of an object says to an error that does not tell
// it: that of one that is stalled says that no attempt is left.
func withReady(err error, name, ready string) error {
	if ready == "" || strings.Contains(err.Error(), ready) {
		return err
	}
	return fmt.Errorf("%w; %s says: %s", err, name, ready)
}

// advised adds what to do below leat; flux says what upstream says.
func (p *program) advised(err error, advice string) error {
	if !p.Own {
		return err
	}
	return fmt.Errorf("%w%s", err, advice)
}
