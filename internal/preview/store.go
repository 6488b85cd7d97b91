package preview

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
)

// Store is the content of artifacts, in memory. Trees are kept as they are and never
// packed, so their digests are not those of a tarball. Several fleets share one, each
// with a Shelf of its own: content is there as long as one of them holds it. It is
// safe for concurrent use.
type Store struct {
	mu      sync.RWMutex
	content map[string]*content // by digest
}

// content is a tree or a file.
type content struct {
	tree   tree.Tree
	file   []byte
	isFile bool
	uses   int // by artifacts on shelves
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{content: map[string]*content{}} }

// Shelf returns an empty shelf.
func (s *Store) Shelf() *Shelf {
	return &Shelf{store: s, held: map[object.Key][]string{}, uses: map[string]int{}}
}

// generations is how many artifacts of a source a shelf holds: the one that its
// status tells of, and one that the status is about to tell of.
const generations = 2

// Shelf holds the artifacts of one fleet: of each source the last ones. It is safe
// for concurrent use.
type Shelf struct {
	store *Store
	// Under the lock of the store:
	held map[object.Key][]string // digests, the newest last
	uses map[string]int          // of each of them
}

var (
	_ engine.Artifacts = (*Shelf)(nil)
	_ engine.Trees     = (*Shelf)(nil)
)

// host is where artifacts would be served, if they were.
const host = "http://leat.local/"

// Put implements engine.Artifacts.
func (s *Shelf) Put(key object.Key, revision, file string, t tree.Tree) (*meta.Artifact, error) {
	digest := "sha256:" + t.Hash().Hex()
	s.put(key, digest, content{tree: t})
	return artifact(key, revision, file, digest, t.Size()), nil
}

// PutFile implements engine.Artifacts.
func (s *Shelf) PutFile(key object.Key, revision, file string, b []byte) (*meta.Artifact, error) {
	digest := "sha256:" + hash.Of(b).Hex()
	s.put(key, digest, content{file: b, isFile: true})
	return artifact(key, revision, file, digest, int64(len(b))), nil
}

// PutFrom implements engine.Artifacts.
func (s *Shelf) PutFrom(key object.Key, revision, file string, fill func(io.Writer) error) (*meta.Artifact, error) {
	var b bytes.Buffer
	if err := fill(&b); err != nil {
		return nil, err
	}
	return s.PutFile(key, revision, file, b.Bytes())
}

// put makes content the newest of a source.
func (s *Shelf) put(key object.Key, digest string, c content) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	held := s.held[key]
	if i := slices.Index(held, digest); i >= 0 {
		s.held[key] = append(slices.Delete(held, i, i+1), digest)
		return
	}
	if s.store.content[digest] == nil {
		s.store.content[digest] = &c
	}
	s.store.content[digest].uses++
	s.uses[digest]++
	if len(held) == generations {
		s.drop(held[0])
		held = slices.Delete(held, 0, 1)
	}
	s.held[key] = append(held, digest)
}

// drop ends one use of content; the lock is held.
func (s *Shelf) drop(digest string) {
	if s.uses[digest]--; s.uses[digest] == 0 {
		delete(s.uses, digest)
	}
	c := s.store.content[digest]
	if c.uses--; c.uses == 0 {
		delete(s.store.content, digest)
	}
}

// stored is when everything was stored.
var stored = metav1.NewTime(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC))

func artifact(key object.Key, revision, file, digest string, size int64) *meta.Artifact {
	p := path.Join(strings.ToLower(key.Kind), key.Namespace, key.Name, file)
	return &meta.Artifact{Path: p, URL: host + p, Revision: revision, Digest: digest, LastUpdateTime: stored, Size: &size}
}

// Link implements engine.Artifacts.
func (s *Shelf) Link(key object.Key, name string, _ *meta.Artifact) (string, error) {
	return host + path.Join(strings.ToLower(key.Kind), key.Namespace, key.Name, name), nil
}

// Has implements engine.Artifacts.
func (s *Shelf) Has(a *meta.Artifact) bool { return s.at(a.Digest) != nil }

// at returns what the shelf holds; nil where it does not.
func (s *Shelf) at(digest string) *content {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	if s.uses[digest] == 0 {
		return nil
	}
	return s.store.content[digest]
}

// URL implements engine.Artifacts.
func (s *Shelf) URL(p string) string { return host + p }

// Collect implements engine.Artifacts: what is old went when something newer came.
func (s *Shelf) Collect(object.Key, *meta.Artifact) error { return nil }

// RemoveAll implements engine.Artifacts.
func (s *Shelf) RemoveAll(key object.Key) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.remove(key)
	return nil
}

// remove takes the artifacts of a source away; the lock is held.
func (s *Shelf) remove(key object.Key) {
	for _, digest := range s.held[key] {
		s.drop(digest)
	}
	delete(s.held, key)
}

// Close takes everything away.
func (s *Shelf) Close() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for key := range s.held {
		s.remove(key)
	}
}

var errNoArtifact = errors.New("there is no artifact")

// Open implements engine.Trees.
func (s *Shelf) Open(_ context.Context, a *meta.Artifact) (tree.Tree, error) {
	if a == nil {
		return tree.Tree{}, errNoArtifact
	}
	c := s.at(a.Digest)
	if c == nil || c.isFile {
		return tree.Tree{}, fmt.Errorf("artifact %s is no tree that was stored", a.Revision)
	}
	return c.tree, nil
}

// Read implements engine.Trees; what is stored here is in memory, whatever the limit.
func (s *Shelf) Read(_ context.Context, a *meta.Artifact, _ int64) ([]byte, error) {
	if a == nil {
		return nil, errNoArtifact
	}
	c := s.at(a.Digest)
	if c == nil || !c.isFile {
		return nil, fmt.Errorf("artifact %s is no file that was stored", a.Revision)
	}
	return c.file, nil
}
