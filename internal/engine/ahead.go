package engine

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// aheadBuilder builds what will be asked for.
type aheadBuilder interface {
	Ahead(ctx context.Context, t tree.Tree, r build.Recipe, o build.Options)
}

// Ahead builds what the next run of a Kustomization will ask for, as the world stands
// now, where the builder can. It changes nothing but how long that run takes: what the
// run then finds otherwise is built anew.
func (e *Engine) Ahead(ctx context.Context, w world.World, obj *unstructured.Unstructured) {
	builds, can := e.Builds.(aheadBuilder)
	if !can {
		return
	}
	k, err := unit.DecodeKustomization(obj)
	if err != nil || k.Spec.Suspend || k.DeletionTimestamp != nil {
		return
	}
	c := &kustomizing{Engine: e, k: k, raw: obj, own: w, w: w, memo: &memo{}, view: view{world: w, rec: &record.Recorder{}}}
	art, err := c.source(ctx)
	if err != nil {
		return
	}
	t, err := e.Trees.Open(ctx, art)
	if err != nil {
		return
	}
	if vars, err := c.variables(ctx); err == nil {
		builds.Ahead(ctx, t, c.recipe(vars), build.Options{Remote: e.Remote})
	}
}
