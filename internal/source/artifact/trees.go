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

// maxFetched bounds the trees kept of artifacts that others store, maxFetchedBytes
// what they hold in memory.
const (
	maxFetched      = 256
	maxFetchedBytes = 256 << 20
)

func newTrees() *trees {
	return &trees{byDigest: map[string]known{}, byPath: map[string]string{}, byTree: map[hash.ID]string{}}
}

func (x *trees) add(digest string, t tree.Tree, p string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.forget(p)
	k := x.byDigest[digest]
	x.byDigest[digest] = known{t, k.paths + 1}
	x.byPath[p] = digest
	x.byTree[t.Hash()] = p
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
	for len(x.fetched) > maxFetched || x.fetchedBytes() > maxFetchedBytes {
		oldest := x.fetched[0]
		x.fetched = x.fetched[1:]
		if x.byDigest[oldest].paths == 0 {
			delete(x.byDigest, oldest)
		}
	}
}

func (x *trees) fetchedBytes() (sum int64) {
	for _, d := range x.fetched {
		sum += x.byDigest[d].t.Size()
	}
	return sum
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
