package fluxcli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/screen"
	"github.com/leat-dev/leat/internal/world"
)

// ownTreeRoot lets tree be used without a noun below leat: all units, by who made
// whom.
func (p *program) ownTreeRoot(cmd *cobra.Command) {
	if !p.Own {
		return
	}
	cmd.Long = `What an object made, as a tree with live health, down to pods. Without a noun: all
units, by who made whom, failing branches first.`
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := p.timeout(cmd)
		defer cancel()
		w, err := p.cluster()
		if err != nil {
			return err
		}
		objs, err := units(ctx, w)
		if err != nil {
			return p.reached(err)
		}
		board := screen.Make(objs, screen.Infer(objs))
		for _, line := range board.Tree(screen.Style{}) {
			if _, err := fmt.Fprintln(p.Out, line); err != nil {
				return err
			}
		}
		return p.causes(board.Causes())
	}
}

// ownTree is tree below leat: every object with its health, workloads with what
// they own, down to pods.
func (p *program) ownTree(ctx context.Context, w world.World, tree *flux.Tree, f *treeFlags) error {
	l := &looking{program: p, world: w, owned: map[string]map[types.UID][]*unstructured.Unstructured{}}
	if err := l.look(ctx, tree); err != nil {
		return p.reached(err)
	}
	if f.output != "" {
		return p.encode(f.output, tree)
	}
	return p.print(tree.Text())
}

// looking adds health to a tree.
type looking struct {
	*program
	world world.World
	owned map[string]map[types.UID][]*unstructured.Unstructured // by namespace, by owner
}

func (l *looking) look(ctx context.Context, t *flux.Tree) error {
	below := t.Resources
	obj, err := l.live(ctx, t.Key())
	switch {
	case apierrors.IsNotFound(err) || meta.IsNoMatchError(err):
		t.Health, t.Message = string(health.NotFound), "it is not there"
	case apierrors.IsForbidden(err):
		t.Health, t.Message = string(health.Unknown), "you may not read it"
	case err != nil:
		return err
	default:
		if err := l.note(ctx, t, obj); err != nil {
			return err
		}
	}
	for _, of := range below {
		if err := l.look(ctx, of); err != nil {
			return err
		}
	}
	return nil
}

func (l *looking) live(ctx context.Context, key object.Key) (*unstructured.Unstructured, error) {
	m, err := l.world.Kind(ctx, schema.GroupVersionKind{Group: key.Group, Kind: key.Kind})
	if err != nil {
		return nil, err
	}
	return l.world.Get(ctx, object.Ref{Key: key, Version: m.GVK.Version})
}

// note writes down the health of an object and goes on to what it owns.
func (l *looking) note(ctx context.Context, t *flux.Tree, obj *unstructured.Unstructured) error {
	result := health.Of(obj, health.Rules{Now: l.Now()})
	t.Health = string(result.Status)
	if result.Status != health.Current {
		t.Message = result.Message
	}
	if k, known := flux.KindOf(obj.GetKind()); known && k.Group == t.Key().Group {
		var ready string
		ready, t.Message = k.Ready(obj)
		switch {
		case ready == "True" && screen.Make([]*unstructured.Unstructured{obj}, nil).Rows[0].Simulated:
			t.Message = "on simulated pods"
		case ready == "True":
			t.Message = ""
		}
	}
	if result.Simulated {
		t.Message = joined(t.Message, "simulated")
	}
	if gk := obj.GroupVersionKind().GroupKind(); !health.RestsOnPods(gk) && gk.Kind != "CronJob" {
		return nil
	}
	return l.own(ctx, t, obj)
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + " (" + b + ")"
}

// ownedKinds are what workloads own, down to pods.
var ownedKinds = []schema.GroupVersionKind{
	{Group: "apps", Version: "v1", Kind: "ReplicaSet"}, {Group: "batch", Version: "v1", Kind: "Job"}, {Version: "v1", Kind: "Pod"},
}

// own adds what an object owns; a ReplicaSet of an earlier revision, which has no
// pods, is left out.
func (l *looking) own(ctx context.Context, t *flux.Tree, obj *unstructured.Unstructured) error {
	owned, err := l.ownedIn(ctx, obj.GetNamespace())
	if err != nil {
		return err
	}
	for _, of := range owned[obj.GetUID()] {
		if of.GetKind() == "ReplicaSet" && len(owned[of.GetUID()]) == 0 {
			continue
		}
		below := t.Add(object.KeyOf(of))
		if err := l.note(ctx, below, of); err != nil {
			return err
		}
	}
	return nil
}

// ownedIn reads what is owned in a namespace, once.
func (l *looking) ownedIn(ctx context.Context, namespace string) (map[types.UID][]*unstructured.Unstructured, error) {
	if known, ok := l.owned[namespace]; ok {
		return known, nil
	}
	owned := map[types.UID][]*unstructured.Unstructured{}
	for _, kind := range ownedKinds {
		objs, err := l.world.List(ctx, kind, world.Selection{Namespace: namespace})
		if err != nil && !apierrors.IsForbidden(err) {
			return nil, errors.Join(fmt.Errorf("list %ss of %s", kind.Kind, namespace), err)
		}
		for _, obj := range objs {
			for _, owner := range obj.GetOwnerReferences() {
				owned[owner.UID] = append(owned[owner.UID], obj)
			}
		}
	}
	l.owned[namespace] = owned
	return owned, nil
}
