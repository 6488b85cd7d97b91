package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git/wire"
)

// store is a bare repository on disk, of objects only.
type store struct {
	dir string // "" for a repository that is not ours to change

	mu      sync.Mutex // go-git's storage serves one at a time
	objects storer.EncodedObjectStorer
	refresh func()            // makes packs visible that others wrote; nil for none
	blobs   map[Hash]blobInfo // what was hashed before
	commits []Hash            // here without their parents, the oldest first
	loose   int               // files of single objects
	packs   int
}

// blobInfo is what a tree must know of a blob; id is zero for one that is too
// large to be read.
type blobInfo struct {
	id   hash.ID
	size int64
}

// deltaCache bounds the bytes of objects that go-git keeps to apply deltas to.
const deltaCache = 16 * cache.MiByte

// commitsFile lists the commits of a store; without it the objects are there
// but the next fetch does not build on them.
const commitsFile = "commits"

// maxCommits bounds that list: the last ones tell a server enough.
const maxCommits = 8

func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(filepath.Join(dir, "objects", "pack"), 0o700); err != nil {
		return nil, fmt.Errorf("open git store: %w", err)
	}
	st := &store{dir: dir, blobs: map[Hash]blobInfo{}}
	st.objects = filesystem.NewStorageWithOptions(osfs.New(dir), cache.NewObjectLRU(deltaCache),
		filesystem.Options{MaxOpenDescriptors: 4})
	st.load()
	st.count()
	return st, nil
}

// load reads the list of commits; what it cannot read is not there.
func (st *store) load() {
	b, _ := os.ReadFile(filepath.Join(st.dir, commitsFile))
	for line := range strings.FieldsSeq(string(b)) {
		if h, err := wire.ParseHash(line); err == nil && st.hasLocked(h) {
			st.commits = append(st.commits, h)
		}
	}
}

// known returns the commits that are here without their parents.
func (st *store) known() []Hash {
	st.mu.Lock()
	defer st.mu.Unlock()
	return append([]Hash(nil), st.commits...)
}

// add notes commits that came with a depth of one.
func (st *store) add(commits []Hash) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, h := range commits {
		if st.hasLocked(h) {
			st.commits = append(st.commits, h)
		}
	}
	st.commits = st.commits[max(0, len(st.commits)-maxCommits):]
	var text strings.Builder
	for _, h := range st.commits {
		text.WriteString(h.String() + "\n")
	}
	file := filepath.Join(st.dir, commitsFile)
	if err := os.WriteFile(file+".new", []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("write git store: %w", err)
	}
	return os.Rename(file+".new", file)
}

func (st *store) has(h Hash) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.hasLocked(h) {
		return true
	}
	if st.refresh != nil {
		st.refresh()
		return st.hasLocked(h)
	}
	return false
}

// lacks returns the targets that are not here with the object that names them.
func (st *store) lacks(targets []Target) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(t Target) bool { return st.has(t.Hash) && st.has(t.Object) })
}

func (st *store) hasLocked(h Hash) bool {
	return st.objects.HasEncodedObject(plumbing.Hash(h)) == nil
}

// errGone says that an object which must be here is not, or cannot be read.
var errGone = errors.New("the local copy is damaged")

// object returns the content of an object of a kind, at most limit bytes.
func (st *store) object(kind plumbing.ObjectType, h Hash, limit int64) ([]byte, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.objectLocked(kind, h, limit)
}

func (st *store) objectLocked(kind plumbing.ObjectType, h Hash, limit int64) ([]byte, error) {
	o, err := st.objects.EncodedObject(kind, plumbing.Hash(h))
	if errors.Is(err, plumbing.ErrObjectNotFound) && st.refresh != nil {
		st.refresh() // somebody may have put a pack there since
		o, err = st.objects.EncodedObject(kind, plumbing.Hash(h))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s %s: %w", errGone, kind, h, err)
	}
	if o.Size() > limit {
		return nil, &fault.Error{Class: fault.TooLarge, Err: fmt.Errorf("%s %s has %d bytes, more than %d", kind, h, o.Size(), limit)}
	}
	r, err := o.Reader()
	if err != nil {
		return nil, fmt.Errorf("%w: %s %s: %w", errGone, kind, h, err)
	}
	defer r.Close()
	b := make([]byte, o.Size())
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("%w: %s %s: %w", errGone, kind, h, err)
	}
	return b, nil
}

// blob returns what a tree must know of a blob, and hashes it once.
func (st *store) blob(h Hash, limit int64) (blobInfo, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if info, ok := st.blobs[h]; ok {
		return info, nil
	}
	size, err := st.objects.EncodedObjectSize(plumbing.Hash(h))
	if err != nil {
		return blobInfo{}, fmt.Errorf("%w: blob %s: %w", errGone, h, err)
	}
	info := blobInfo{size: size}
	if size <= limit {
		b, err := st.objectLocked(plumbing.BlobObject, h, limit)
		if err != nil {
			return blobInfo{}, err
		}
		info.id = hash.Of(b)
	}
	st.blobs[h] = info
	return info, nil
}

// stats is what a fetch brought.
type stats struct {
	Objects int
	Bytes   int64
}

// ingest takes the objects of a pack in: it is written to a file and measured
// while it comes, and nothing of it is used before it is whole and within the
// limits.
func (st *store) ingest(ctx context.Context, r io.Reader, l Limits, cache *lru) (stats, error) {
	f, err := os.CreateTemp(st.dir, "pack-")
	if err != nil {
		return stats{}, fmt.Errorf("write git store: %w", err)
	}
	defer func() {
		f.Close()
		os.Remove(f.Name())
	}()
	found, err := scan(ctx, io.TeeReader(r, f), l)
	if err != nil {
		return stats{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return stats{}, fmt.Errorf("write git store: %w", err)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.take(f, found, cache); err != nil {
		return stats{}, fmt.Errorf("read pack: %w", err)
	}
	return stats{found.objects, found.bytes}, nil
}

// take stores a whole pack. A thin one leans on objects that are here already,
// so its objects are written one by one.
func (st *store) take(f *os.File, found scanned, cache *lru) error {
	switch pw, ok := st.objects.(storer.PackfileWriter); {
	case found.objects == 0:
		return nil
	case found.entries != nil:
		return st.takeMemory(f, found, cache)
	case found.refDeltas || !ok:
		st.loose += found.objects
		p, err := packfile.NewParserWithStorage(packfile.NewScanner(f), oneByOne{st.objects})
		if err == nil {
			_, err = p.Parse()
		}
		return err
	default:
		st.packs++
		return packfile.WritePackfileToObjectStorage(pw, f)
	}
}

// oneByOne hides go-git's lazy writer, which holds a file open for every object.
type oneByOne struct{ storer.EncodedObjectStorer }

// remove deletes the store.
func (st *store) remove() error {
	if st.dir == "" {
		return nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return os.RemoveAll(filepath.Dir(st.dir)) // all generations
}

// content reads a blob when it is asked for.
type content struct {
	st    *store
	cache *lru
	id    Hash
	limit int64
}

// Read implements tree.Content.
func (c *content) Read() ([]byte, error) {
	if b, ok := c.cache.get(c.id); ok {
		return b, nil
	}
	b, err := c.st.object(plumbing.BlobObject, c.id, c.limit)
	if err != nil {
		return nil, err
	}
	c.cache.put(c.id, b)
	return b, nil
}
