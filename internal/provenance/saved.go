package provenance

import (
	"maps"

	"github.com/leat-dev/leat/internal/object"
)

// Last returns what each unit was built from last.
func (b *Traced) Last() map[object.Key]Build {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.last)
}

// Put has a unit be built from something last.
func (b *Traced) Put(unit object.Key, last Build) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last[unit] = last
}
