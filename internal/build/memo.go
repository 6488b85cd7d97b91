package build

import (
	"sync"

	"github.com/leat-dev/leat/internal/hash"
)

// seen remembers IDs of content of which something is known to be true. It is
// bounded: of two generations of n, the older is dropped when the newer is full.
type seen struct {
	mu       sync.Mutex
	n        int
	new, old map[hash.ID]struct{}
}

// decodes holds content that is known to decode as Kubernetes YAML, whatever
// its path: what that costs is spent once per content.
var decodes = &seen{n: 20_000}

func (s *seen) has(id hash.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.new[id]; ok {
		return true
	}
	_, ok := s.old[id]
	return ok
}

func (s *seen) add(id hash.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.new == nil || len(s.new) >= s.n {
		s.old, s.new = s.new, make(map[hash.ID]struct{})
	}
	s.new[id] = struct{}{}
}
