package git

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/tree"
)

// Packs up to these sizes are unpacked in memory, where every object is
// inflated once and hashed on the way; larger ones go through go-git's parser,
// which keeps them on disk and reads them several times.
const (
	maxMemoryPack     = 32 << 20
	maxMemoryUnpacked = 128 << 20
)

// entry is one object of a pack as it lies there.
type entry struct {
	offset     int64
	crc        uint32
	kind       plumbing.ObjectType // of a delta, once its base is known, that of the base
	data       []byte              // the delta until it is resolved, then the object
	delta      bool                // still to be resolved
	baseOffset int64               // of an offset delta
	base       Hash                // of a reference delta
	id         Hash
}

// errBase says that a delta builds on something that is nowhere, or on itself.
var errBase = errors.New("a delta has no base")

// finder gets what a thin pack builds on from what is here already.
type finder func(Hash) (plumbing.ObjectType, []byte, error)

// resolveAll turns deltas into objects and names all of them, each once and
// after its base, in whatever order they lie in the pack.
func resolveAll(entries []entry, outside finder) error {
	r := resolver{byOffset: map[int64][]*entry{}, byID: map[Hash][]*entry{}}
	for i := range entries {
		switch e := &entries[i]; {
		case !e.delta:
			r.ready = append(r.ready, e)
		case e.baseOffset != 0:
			r.byOffset[e.baseOffset] = append(r.byOffset[e.baseOffset], e)
		default:
			r.byID[e.base] = append(r.byID[e.base], e)
		}
	}
	if err := r.run(); err != nil {
		return err
	}
	for len(r.byID) > 0 { // what is not in the pack must be here
		before := len(r.byID)
		for base, waiting := range r.byID {
			kind, data, err := outside(base)
			if err != nil {
				continue // perhaps a delta on something else makes it
			}
			delete(r.byID, base)
			if err := r.apply(waiting, kind, data); err != nil {
				return err
			}
		}
		if err := r.run(); err != nil {
			return err
		}
		if len(r.byID) == before {
			return errBase
		}
	}
	if len(r.byOffset) > 0 {
		return errBase
	}
	return nil
}

// resolver holds the deltas that wait for a base, and the objects whose deltas
// may be applied.
type resolver struct {
	byOffset map[int64][]*entry
	byID     map[Hash][]*entry
	ready    []*entry
}

func (r *resolver) run() error {
	for len(r.ready) > 0 {
		e := r.ready[len(r.ready)-1]
		r.ready = r.ready[:len(r.ready)-1]
		e.id = Hash(plumbing.ComputeHash(e.kind, e.data))
		for _, waiting := range [][]*entry{r.byOffset[e.offset], r.byID[e.id]} {
			if err := r.apply(waiting, e.kind, e.data); err != nil {
				return err
			}
		}
		delete(r.byOffset, e.offset)
		delete(r.byID, e.id)
	}
	return nil
}

func (r *resolver) apply(waiting []*entry, kind plumbing.ObjectType, base []byte) error {
	for _, e := range waiting {
		data, err := packfile.PatchDelta(notNil(base), e.data)
		if err != nil {
			return fmt.Errorf("apply a delta: %w", err)
		}
		e.kind, e.data, e.delta = kind, data, false
		r.ready = append(r.ready, e)
	}
	return nil
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// takeMemory stores a pack that scan has read into memory, and notes what a
// tree must know of its blobs. st.mu is held.
func (st *store) takeMemory(f *os.File, found scanned, cache *lru) error {
	err := resolveAll(found.entries, func(h Hash) (plumbing.ObjectType, []byte, error) {
		o, err := st.objects.EncodedObject(plumbing.AnyObject, plumbing.Hash(h))
		if err != nil {
			return 0, nil, err
		}
		b, err := st.objectLocked(o.Type(), h, maxMemoryUnpacked)
		return o.Type(), b, err
	})
	if err != nil {
		return err
	}
	if found.refDeltas {
		err = st.writeLoose(found.entries)
	} else {
		err = st.writePack(f, found)
	}
	if err != nil {
		return err
	}
	for _, e := range found.entries {
		if e.kind == plumbing.BlobObject && len(e.data) <= tree.MaxFileBytes {
			st.blobs[e.id] = blobInfo{hash.Of(e.data), int64(len(e.data))}
			cache.put(e.id, e.data)
		}
	}
	return nil
}

// writeLoose writes objects one by one, as a thin pack cannot stand alone.
func (st *store) writeLoose(entries []entry) error {
	for _, e := range entries {
		if st.hasLocked(e.id) {
			continue
		}
		if _, err := st.objects.SetEncodedObject(memory(e.kind, e.data)); err != nil {
			return err
		}
		st.loose++
	}
	return nil
}

// writePack puts the pack and its index where go-git finds them, the pack last,
// since a pack without index is an error and an index without pack is not seen.
func (st *store) writePack(f *os.File, found scanned) error {
	w := &idxfile.Writer{}
	if err := w.OnHeader(uint32(len(found.entries))); err != nil {
		return err
	}
	for _, e := range found.entries {
		w.Add(plumbing.Hash(e.id), uint64(e.offset), e.crc)
	}
	if err := w.OnFooter(found.checksum); err != nil {
		return err
	}
	index, err := w.Index()
	if err != nil {
		return err
	}
	var idx bytes.Buffer
	if _, err := idxfile.NewEncoder(&idx).Encode(index); err != nil {
		return err
	}
	base := filepath.Join(st.dir, "objects", "pack", "pack-"+found.checksum.String())
	if err := os.WriteFile(base+".idx", idx.Bytes(), 0o600); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), base+".pack"); err != nil {
		return err
	}
	st.packs++
	if s, ok := st.objects.(interface{ Reindex() }); ok {
		s.Reindex()
	}
	return nil
}
