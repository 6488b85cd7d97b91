package build

import (
	"context"
	"errors"
	"slices"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/tree"
)

// Ahead builds what somebody will ask for, so that Run has it then: with the same
// outcome as if it had not been built before. What fails, or needs a remote base, is
// left to Run.
func (c *Cache) Ahead(ctx context.Context, t tree.Tree, r Recipe, o Options) {
	key, err := r.key(o)
	if err != nil || c.has(ctx, key, t) {
		return
	}
	f, leads := c.join(flightKey{key, t.Hash()}, &flight{done: make(chan struct{}), ahead: true})
	if !leads {
		return
	}
	if o.Remote != nil {
		o.Remote = noRemote{}
	}
	_, _ = c.lead(ctx, f, key, t, r, o, "")
}

// noRemote refuses remote bases.
type noRemote struct{}

func (noRemote) Fetch(context.Context, string) (tree.Tree, hash.ID, error) {
	return tree.Tree{}, hash.ID{}, errors.New("remote bases are not fetched ahead")
}

// has tells whether a result of the recipe holds for t, whoever asked for it.
func (c *Cache) has(ctx context.Context, key hash.ID, t tree.Tree) bool {
	c.mu.Lock()
	var recent []version
	if e := c.entries[key]; e != nil {
		recent = e.Value.(*cached).recent
	}
	c.mu.Unlock()
	ask := Ask(ctx, t, noRemote{})
	return slices.ContainsFunc(recent, func(v version) bool {
		_, changed := v.reads.FirstChange(ask)
		return !changed
	})
}

// claim takes what was built ahead as built for the one who asks now.
func (c *Cache) claim(key hash.ID, by owner, v version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest[by] = key
	e := c.entries[key]
	if e == nil {
		return
	}
	c.order.MoveToFront(e)
	have := e.Value.(*cached)
	rest := slices.DeleteFunc(slices.Clone(have.recent), func(o version) bool { return o.ahead && o.result.ID == v.result.ID })
	v.ahead = false
	have.recent = append([]version{v}, rest...)
}
