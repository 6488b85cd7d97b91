package engine

import (
	"sync"

	"github.com/fluxcd/pkg/apis/meta"

	"github.com/leat-dev/leat/internal/chart"
)

// indexes remembers parsed indexes of chart repositories, because hundreds of
// charts look into one. Its zero value is ready.
type indexes struct {
	mu     sync.Mutex
	recent []*parsedIndex // newest last
}

// parsedIndex is an index by the digest of its text: of what the repository
// sent, or of the JSON that is made of it.
type parsedIndex struct {
	digest string

	mu    sync.Mutex // held while the first one parses; the others wait for it
	index *chart.Index
	art   *meta.Artifact // that holds it as JSON, where one does
}

// maxIndexes bounds the indexes that are remembered, maxIndexed the versions in
// all of them.
const (
	maxIndexes = 128
	maxIndexed = 500_000
)

// get returns the index with a digest, and makes it when nobody did.
func (x *indexes) get(digest string, parse func(*parsedIndex) error) (*parsedIndex, error) {
	p := x.entry(digest)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.index != nil {
		return p, nil
	}
	if err := parse(p); err != nil {
		return nil, err
	}
	x.trim(p)
	return p, nil
}

func (x *indexes) entry(digest string) *parsedIndex {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, p := range x.recent {
		if p.digest == digest {
			x.recent = append(append(x.recent[:i:i], x.recent[i+1:]...), p)
			return p
		}
	}
	if len(x.recent) >= maxIndexes {
		x.recent = x.recent[1:]
	}
	p := &parsedIndex{digest: digest}
	x.recent = append(x.recent[:len(x.recent):len(x.recent)], p)
	return p
}

// trim forgets the oldest ones when there is too much beside the newest.
func (x *indexes) trim(newest *parsedIndex) {
	x.mu.Lock()
	defer x.mu.Unlock()
	left := maxIndexed - newest.index.Len()
	for i := len(x.recent) - 1; i >= 0; i-- {
		p := x.recent[i]
		if p == newest || !p.mu.TryLock() { // being made: it is counted when it is done
			continue
		}
		if p.index != nil {
			left -= p.index.Len()
		}
		p.mu.Unlock()
		if left < 0 {
			x.recent = append(x.recent[:i:i], x.recent[i+1:]...)
		}
	}
}

// artifact holds the index as JSON; nil where none does.
func (p *parsedIndex) artifact() *meta.Artifact {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.art
}

// keep notes which artifact holds an index, and remembers it by the digest of
// that too.
func (x *indexes) keep(p *parsedIndex, art *meta.Artifact) {
	p.mu.Lock()
	p.art = art
	index := p.index
	p.mu.Unlock()
	_, _ = x.get(art.Digest, func(same *parsedIndex) error { // it cannot fail
		same.index = index
		return nil
	})
}
