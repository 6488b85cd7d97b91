package artifact

import (
	"strings"
	"sync"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/tree"
)

// trees is what the process knows of stored artifacts without reading them:
// the tree behind a digest, and the path at which it is stored.
type trees struct {
	mu       sync.Mutex
	byDigest map[string]known
	byPath   map[string]string // path → digest
	byTree   map[hash.ID]string
	fetched  []string // digests of the artifacts of others, oldest first
}

type known struct {
	t     tree.Tree
	paths int // number of paths that hold it
}

// maxFetched bounds the trees kept of artifacts that others store, maxFetchedFiles their
// files, maxFetchedBytes what these hold, mostly on disk. The newest is always kept: hundreds
// of units may build from it.
const (
	maxFetched      = 256
	maxFetchedFiles = 500_000
	maxFetchedBytes = 1 << 30
)

func newTrees() *trees {
	return &trees{byDigest: map[string]known{}, byPath: map[string]string{}, byTree: map[hash.ID]string{}}
}

// add remembers the tree that was written to a path: the file is the archive of it.
func (x *trees) add(digest string, t tree.Tree, p string) {
	x.addOpened(digest, t, p)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.byPath[p] == digest {
		x.byTree[t.Hash()] = p
	}
}

// addOpened remembers the tree that was read at a path, from whatever archive: it is none
// to copy for others.
func (x *trees) addOpened(digest string, t tree.Tree, p string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.forget(p)
	k := x.byDigest[digest]
	x.byDigest[digest] = known{t, k.paths + 1}
	x.byPath[p] = digest
}

// addFetched remembers a tree that no path of ours holds.
func (x *trees) addFetched(digest string, t tree.Tree) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, ok := x.byDigest[digest]; ok {
		return
	}
	x.byDigest[digest] = known{t: t}
	x.fetched = append(x.fetched, digest)
	for len(x.fetched) > 1 && x.tooMuchFetched() {
		oldest := x.fetched[0]
		x.fetched = x.fetched[1:]
		if x.byDigest[oldest].paths == 0 {
			delete(x.byDigest, oldest)
		}
	}
}

func (x *trees) tooMuchFetched() bool {
	files, bytes := 0, int64(0)
	for _, d := range x.fetched {
		t := x.byDigest[d].t
		files, bytes = files+t.Files(), bytes+t.Size()
	}
	return len(x.fetched) > maxFetched || files > maxFetchedFiles || bytes > maxFetchedBytes
}

// get returns the tree behind a digest.
func (x *trees) get(digest string) (tree.Tree, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	k, ok := x.byDigest[digest]
	return k.t, ok
}

// stored returns the path of an archive of the tree.
func (x *trees) stored(id hash.ID) (string, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	p, ok := x.byTree[id]
	return p, ok
}

// is tells whether the archive with this digest is one of the tree.
func (x *trees) is(digest string, id hash.ID) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	k, ok := x.byDigest[digest]
	return ok && k.t.Hash() == id
}

func (x *trees) digestAt(p string) (string, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	d, ok := x.byPath[p]
	return d, ok
}

func (x *trees) drop(p string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.forget(p)
}

func (x *trees) dropUnder(prefix string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for p := range x.byPath {
		if strings.HasPrefix(p, prefix) {
			x.forget(p)
		}
	}
}

// forget takes a path out; the tree goes with its last path.
func (x *trees) forget(p string) {
	digest, ok := x.byPath[p]
	if !ok {
		return
	}
	delete(x.byPath, p)
	k := x.byDigest[digest]
	if x.byTree[k.t.Hash()] == p {
		delete(x.byTree, k.t.Hash())
	}
	if k.paths--; k.paths <= 0 {
		delete(x.byDigest, digest)
		return
	}
	x.byDigest[digest] = k
}
