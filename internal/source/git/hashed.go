package git

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	"github.com/leat-dev/leat/internal/hash"
)

// hashed is what trees must know of blobs, by Git's name for them, which stands for
// the content wherever it is stored. It is safe for concurrent use.
type hashed struct {
	keeps bool // Options.Remember
	mu    sync.Mutex
	by    map[Hash]blobInfo
}

// maxHashed bounds what is remembered of blobs.
const maxHashed = 500_000

func (h *hashed) get(id Hash) (blobInfo, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	info, ok := h.by[id]
	return info, ok
}

func (h *hashed) put(id Hash, info blobInfo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by == nil {
		h.by = map[Hash]blobInfo{}
	}
	if h.keeps && len(h.by) < maxHashed && !info.id.IsZero() {
		h.by[id] = info
	}
}

// The form of Hashed: for each blob Git's name, ours, and the size.
const hashedSize = len(Hash{}) + len(hash.ID{}) + 8

// Hashed is what the pool knows of the blobs that it put into trees, for Know.
func (p *Pool) Hashed() []byte {
	p.hashed.mu.Lock()
	defer p.hashed.mu.Unlock()
	ids := slices.SortedFunc(maps.Keys(p.hashed.by), func(a, b Hash) int { return bytes.Compare(a[:], b[:]) })
	out := make([]byte, 0, len(ids)*hashedSize)
	for _, id := range ids {
		info := p.hashed.by[id]
		out = append(append(out, id[:]...), info.id[:]...)
		out = binary.BigEndian.AppendUint64(out, uint64(info.size))
	}
	return out
}

// Know has blobs be known that another process put into trees: they are not read until
// their content is asked for. The text must be of Hashed, and kept where nobody else
// writes: what it says of a blob is believed.
func (p *Pool) Know(text []byte) {
	for ; len(text) >= hashedSize; text = text[hashedSize:] {
		info := blobInfo{size: int64(binary.BigEndian.Uint64(text[hashedSize-8:]))}
		copy(info.id[:], text[len(Hash{}):])
		p.hashed.put(Hash(text[:len(Hash{})]), info)
	}
}
