package overlay

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/schema"
)

// Kind returns what was defined here, else what is known of a kind below.
func (l *layer) Kind(ctx context.Context, gvk gvks.GroupVersionKind) (*schema.Kind, error) {
	k, m, err := l.known(ctx, gvk)
	if k != nil || err != nil {
		return k, err
	}
	return l.definitions.kind(ctx, m)
}

// Look is Kind without a request for the definition: enough for reading.
func (l *layer) Look(ctx context.Context, gvk gvks.GroupVersionKind) (*schema.Kind, error) {
	k, m, err := l.known(ctx, gvk)
	if k != nil || err != nil {
		return k, err
	}
	return l.definitions.seen(m), nil
}

// known finds kinds that need no request for a definition, else how the kind is
// served below.
func (l *layer) known(ctx context.Context, gvk gvks.GroupVersionKind) (*schema.Kind, world.Mapping, error) {
	l.mu.RLock()
	defined, cleared := l.defined[gvk.GroupKind()], l.cleared[gvk.GroupKind()]
	l.mu.RUnlock()
	if defined || cleared {
		k, err := l.Map.Kind(ctx, gvk)
		return k, world.Mapping{}, err
	}
	if b, ok := l.base.(interface {
		Schema(context.Context, gvks.GroupVersionKind) (*schema.Kind, error)
	}); ok {
		k, err := b.Schema(ctx, gvk)
		return k, world.Mapping{}, err
	}
	m, err := l.base.Kind(ctx, gvk)
	if err != nil {
		return nil, m, err
	}
	if k, err := schema.Builtin().Find(m.GVK); err == nil {
		return k, m, nil
	}
	return nil, m, nil
}

// Kinds returns what was defined here and what is served below. A world below
// that cannot tell what it serves is taken to serve what is built in.
func (l *layer) Kinds(ctx context.Context) ([]world.Mapping, error) {
	here, err := l.Map.Kinds(ctx)
	if err != nil {
		return nil, err
	}
	below := schema.Builtin().Served()
	if catalog, ok := l.base.(world.Catalog); ok {
		if below, err = catalog.Kinds(ctx); err != nil {
			return nil, err
		}
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, m := range below {
		if gk := m.GVK.GroupKind(); !l.defined[gk] && !l.cleared[gk] {
			here = append(here, m)
		}
	}
	slices.SortStableFunc(here, byKind)
	return here, nil
}

func byKind(a, b world.Mapping) int {
	return cmp.Or(strings.Compare(a.GVK.Group, b.GVK.Group), strings.Compare(a.GVK.Kind, b.GVK.Kind))
}

// versionBelow is the version to ask for below: the same where it is served
// there, else the preferred one. False when nothing of the kind is below.
func (l *layer) versionBelow(ctx context.Context, gvk gvks.GroupVersionKind) (string, bool, error) {
	if l.isCleared(gvk.GroupKind()) {
		return "", false, nil
	}
	m, err := l.base.Kind(ctx, gvk)
	if meta.IsNoMatchError(err) {
		m, err = l.base.Kind(ctx, gvk.GroupKind().WithVersion(""))
	}
	if meta.IsNoMatchError(err) {
		return "", false, nil
	}
	return m.GVK.Version, err == nil, err
}

// definitions compiles the definitions below, each once per change.
type definitions struct {
	base world.World

	mu       sync.Mutex
	compiled map[gvks.GroupKind]compiled
}

type compiled struct {
	version string // the resource version of the definition
	kinds   *schema.Kinds
}

// kind asks for the definition of a kind below; a kind without one is served by
// an aggregated API server, and nothing is known of it.
func (d *definitions) kind(ctx context.Context, m world.Mapping) (*schema.Kind, error) {
	key := object.Key{Group: schema.DefinitionKind.Group, Kind: schema.DefinitionKind.Kind, Name: m.Resource + "." + m.GVK.Group}
	u, err := d.base.Get(ctx, object.Ref{Key: key, Version: "v1"})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || meta.IsNoMatchError(err) {
		return schema.Unknown(m), nil
	}
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.compiled[m.GVK.GroupKind()]
	if c.version != u.GetResourceVersion() {
		definition, err := schema.Compile(u)
		if err != nil {
			return nil, err
		}
		c = compiled{version: u.GetResourceVersion(), kinds: (&schema.Kinds{}).With(definition)}
		if d.compiled == nil {
			d.compiled = map[gvks.GroupKind]compiled{}
		}
		d.compiled[m.GVK.GroupKind()] = c
	}
	return c.kinds.Find(m.GVK)
}

// seen returns what an earlier write learnt of a kind.
func (d *definitions) seen(m world.Mapping) *schema.Kind {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c, ok := d.compiled[m.GVK.GroupKind()]; ok {
		if k, err := c.kinds.Find(m.GVK); err == nil {
			return k
		}
	}
	return schema.Unknown(m)
}
