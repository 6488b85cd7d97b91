package preview

import (
	"context"
	"errors"
	"fmt"
	"path"
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

// Store keeps artifacts in memory. Trees are kept as they are and never packed,
// so their digests are not those of a tarball. Several fleets may share one. It
// is safe for concurrent use.
type Store struct {
	mu    sync.RWMutex
	trees map[string]tree.Tree // by digest
	files map[string][]byte
}

var (
	_ engine.Artifacts = (*Store)(nil)
	_ engine.Trees     = (*Store)(nil)
)

// NewStore returns an empty store.
func NewStore() *Store { return &Store{trees: map[string]tree.Tree{}, files: map[string][]byte{}} }

// host is where artifacts would be served, if they were.
const host = "http://leat.local/"

// Put implements engine.Artifacts.
func (s *Store) Put(key object.Key, revision, file string, t tree.Tree) (*meta.Artifact, error) {
	digest := "sha256:" + t.Hash().Hex()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trees[digest] = t
	return artifact(key, revision, file, digest, t.Size()), nil
}

// PutFile implements engine.Artifacts.
func (s *Store) PutFile(key object.Key, revision, file string, content []byte) (*meta.Artifact, error) {
	digest := "sha256:" + hash.Of(content).Hex()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[digest] = content
	return artifact(key, revision, file, digest, int64(len(content))), nil
}

// stored is when everything was stored.
var stored = metav1.NewTime(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC))

func artifact(key object.Key, revision, file, digest string, size int64) *meta.Artifact {
	p := path.Join(strings.ToLower(key.Kind), key.Namespace, key.Name, file)
	return &meta.Artifact{Path: p, URL: host + p, Revision: revision, Digest: digest, LastUpdateTime: stored, Size: &size}
}

// Link implements engine.Artifacts.
func (s *Store) Link(key object.Key, name string, _ *meta.Artifact) (string, error) {
	return host + path.Join(strings.ToLower(key.Kind), key.Namespace, key.Name, name), nil
}

// Has implements engine.Artifacts.
func (s *Store) Has(a *meta.Artifact) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, isTree := s.trees[a.Digest]
	_, isFile := s.files[a.Digest]
	return isTree || isFile
}

// URL implements engine.Artifacts.
func (s *Store) URL(p string) string { return host + p }

// Collect implements engine.Artifacts: what is stored goes with the process.
func (s *Store) Collect(object.Key, *meta.Artifact) error { return nil }

// RemoveAll implements engine.Artifacts; another fleet may have the same content.
func (s *Store) RemoveAll(object.Key) error { return nil }

var errNoArtifact = errors.New("there is no artifact")

// Open implements engine.Trees.
func (s *Store) Open(_ context.Context, a *meta.Artifact) (tree.Tree, error) {
	if a == nil {
		return tree.Tree{}, errNoArtifact
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.trees[a.Digest]
	if !ok {
		return t, fmt.Errorf("artifact %s is no tree that was stored", a.Revision)
	}
	return t, nil
}

// Read implements engine.Trees.
func (s *Store) Read(_ context.Context, a *meta.Artifact) ([]byte, error) {
	if a == nil {
		return nil, errNoArtifact
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, ok := s.files[a.Digest]
	if !ok {
		return nil, fmt.Errorf("artifact %s is no file that was stored", a.Revision)
	}
	return b, nil
}
