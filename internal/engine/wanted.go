package engine

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/apply"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// Wanted is what a Kustomization wants of its cluster.
type Wanted struct {
	Unit     *unit.Kustomization
	Revision string // that it was built from
	// Input is for apply.Compare; its World and Live are the caller's.
	Input apply.Input
	// Secrets are the values of variables that come from Secrets.
	Secrets []string
}

// Wanted builds a Kustomization from the artifact that its source has, and
// changes nothing. Whether it is suspended, or waits for others, plays no part.
func (e *Engine) Wanted(ctx context.Context, w world.World, obj *unstructured.Unstructured) (Wanted, error) {
	k, err := unit.DecodeKustomization(obj)
	if err != nil {
		return Wanted{}, err
	}
	c := &kustomizing{Engine: e, k: k, raw: obj, own: w, w: w, memo: e.memo(k.Key())}
	c.view = view{world: w, rec: &record.Recorder{}}
	c.that = c.view
	if err := c.wanted(ctx); err != nil {
		return Wanted{}, c.hide(err)
	}
	rules, err := IgnoreRules(k.Spec.Ignore)
	if err != nil {
		return Wanted{}, err
	}
	return Wanted{Unit: k, Revision: c.run.Revision, Secrets: c.secrets, Input: apply.Input{
		Objects: c.built.Objects, Managers: c.managers(), Owner: k.Key(), Force: k.Spec.Force, Ignore: rules,
		Mask: e.Options.Mask, Provided: Provided,
	}}, nil
}

func (c *kustomizing) wanted(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	art, err := c.source(ctx)
	if err != nil {
		return err
	}
	return c.build(ctx, art)
}

// ValuesSecrets returns the texts that a HelmRelease takes from Secrets, for
// masking what is told of its objects.
func (e *Engine) ValuesSecrets(ctx context.Context, w world.World, h *unit.HelmRelease) ([]string, error) {
	r := &releasing{Engine: e, h: h, own: w, view: view{world: w, rec: &record.Recorder{}}}
	found, err := r.referenced(ctx)
	if err != nil {
		return nil, err
	}
	return release.Sensitive(h.Spec.ValuesFrom, func(kind, name string) (map[string][]byte, bool) {
		data, ok := found[object.Key{Kind: kind, Namespace: h.Namespace, Name: name}]
		return data, ok
	}), nil
}
