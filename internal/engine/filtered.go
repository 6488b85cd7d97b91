package engine

import (
	"sync"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/source/ignore"
	"github.com/leat-dev/leat/internal/tree"
)

// filtered remembers the last trees that ignore rules made, because many
// repositories share one remote and one revision. Its zero value is ready.
type filtered struct {
	mu     sync.Mutex
	recent []*filtering // newest last
}

type filtering struct {
	from hash.ID
	spec string
	has  bool

	mu       sync.Mutex // held while the first one filters; the others wait for it
	done     bool
	tree     tree.Tree
	warnings []string
}

// maxFiltered bounds what is remembered: a few remotes, a few revisions.
const maxFiltered = 16

// filter is ignore.Filter, remembered. Those who ask for the same at once wait
// for the first, and nobody else does: it may take long.
func (f *filtered) filter(t tree.Tree, spec *string) (tree.Tree, []string, error) {
	r := f.entry(t, spec)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return r.tree, r.warnings, nil
	}
	out, warnings, err := ignore.Filter(t, spec)
	if err == nil {
		r.done, r.tree, r.warnings = true, out, warnings
	}
	return out, warnings, err
}

// entry returns what is remembered of a tree and rules, or a place for it.
func (f *filtered) entry(t tree.Tree, spec *string) *filtering {
	want := &filtering{from: t.Hash(), has: spec != nil}
	if spec != nil {
		want.spec = *spec
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.recent {
		if r.from == want.from && r.spec == want.spec && r.has == want.has {
			return r
		}
	}
	if len(f.recent) >= maxFiltered {
		f.recent = f.recent[1:]
	}
	f.recent = append(f.recent[:len(f.recent):len(f.recent)], want)
	return want
}
