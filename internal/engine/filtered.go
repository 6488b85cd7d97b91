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
	recent []filtering // newest last
}

type filtering struct {
	from     hash.ID
	spec     string
	has      bool
	tree     tree.Tree
	warnings []string
}

// maxFiltered bounds what is remembered: a few remotes, a few revisions.
const maxFiltered = 16

// filter is ignore.Filter, remembered. Those who ask for the same at once wait
// for the first.
func (f *filtered) filter(t tree.Tree, spec *string) (tree.Tree, []string, error) {
	want := filtering{from: t.Hash(), has: spec != nil}
	if spec != nil {
		want.spec = *spec
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.recent {
		if r.from == want.from && r.spec == want.spec && r.has == want.has {
			return r.tree, r.warnings, nil
		}
	}
	out, warnings, err := ignore.Filter(t, spec)
	if err != nil {
		return out, warnings, err
	}
	want.tree, want.warnings = out, warnings
	if len(f.recent) >= maxFiltered {
		f.recent = f.recent[1:]
	}
	f.recent = append(f.recent[:len(f.recent):len(f.recent)], want)
	return out, warnings, nil
}
