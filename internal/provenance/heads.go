package provenance

import (
	"sync"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
)

// Memory is what Places read of files, by content: a file that did not change is
// read once, however often places are asked for. The zero value is empty; it is safe
// for concurrent use.
type Memory struct {
	mu    sync.Mutex
	heads map[hash.ID][]head
	count int
}

// maxHeads bounds the documents that are remembered: beyond it, memory begins anew.
const maxHeads = 100_000

// Read is the places of one side, by this memory.
func (m *Memory) Read(side Fleet) *Places {
	return &Places{finder: newFinder(side, nil, &work{}), memory: m, catalogs: map[object.Key]catalog{}}
}

func (m *Memory) of(id hash.ID) ([]head, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	have, ok := m.heads[id]
	return have, ok
}

func (m *Memory) keep(id hash.ID, all []head) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count += len(all) + 1; m.heads == nil || m.count > maxHeads {
		m.heads, m.count = map[hash.ID][]head{}, len(all)+1
	}
	m.heads[id] = all
}

// catalog finds the documents that a unit's build read.
type catalog struct {
	kinds map[string][]placed
	names map[name][]placed
}

type name struct{ kind, name string }

// placed is a document in its file.
type placed struct {
	head
	file string
}

// catalogOf reads the documents of a site, once.
func (p *Places) catalogOf(s *site) catalog {
	if c, ok := p.catalogs[s.unit]; ok {
		return c
	}
	c := catalog{map[string][]placed{}, map[name][]placed{}}
	for _, file := range s.files {
		for _, h := range p.headsOf(s, file) {
			c.add(placed{h, file})
		}
	}
	p.catalogs[s.unit] = c
	return c
}

func (c catalog) add(at placed) {
	of := name{at.kind, at.name}
	c.kinds[at.kind], c.names[of] = append(c.kinds[at.kind], at), append(c.names[of], at)
}

// likely are the documents one of which fits an object best: those of its very name,
// which fit better than any other, else all of its kind.
func (c catalog) likely(ref object.Ref) []placed {
	exact := c.names[name{ref.Kind, ref.Name}]
	if bare := hashSuffix.ReplaceAllString(ref.Name, ""); bare != ref.Name {
		for _, at := range c.names[name{ref.Kind, bare}] {
			if at.generated {
				exact = append(exact[:len(exact):len(exact)], at)
			}
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return c.kinds[ref.Kind]
}
