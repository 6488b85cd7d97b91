package engine

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// Undefined returns the variables that a Kustomization uses and nothing defines,
// as the world is now: what a made-up input would have to hold. Nil where it
// cannot be built.
func (e *Engine) Undefined(ctx context.Context, w world.World, obj *unstructured.Unstructured, now time.Time) []build.Undefined {
	k, err := unit.DecodeKustomization(obj)
	if err != nil {
		return nil
	}
	c := &kustomizing{Engine: e, k: k, raw: obj, own: w, w: w, memo: &memo{}, now: now}
	c.view = view{world: w, rec: &record.Recorder{}}
	art, err := c.source(ctx)
	if err != nil {
		return nil
	}
	t, err := e.Trees.Open(ctx, art)
	if err != nil {
		return nil
	}
	vars, err := c.variables(ctx)
	if err != nil {
		return nil
	}
	if len(vars) == 0 {
		vars = map[string]string{"_": ""} // with none at all nothing is substituted
	}
	r := c.recipe(vars)
	r.Strict = false
	out, err := e.Builds.Run(ctx, t, r, build.Options{Remote: e.Remote})
	if err != nil {
		return nil
	}
	return out.Result.Undefined
}
