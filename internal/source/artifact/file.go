package artifact

import (
	"bytes"
	"context"
	"fmt"

	"github.com/leat-dev/leat/internal/source/untar"
)

// PutFile stores bytes as they come, as one file of the object key: a chart, an
// index, a layer that is kept packed. It replaces an older file of that name.
// Content larger than what Read takes back is an error.
func (s *Store) PutFile(key Key, revision, file string, content []byte) (Artifact, error) {
	if len(content) > untar.MaxPacked {
		return Artifact{}, fmt.Errorf("store artifact %s of %s/%s: %d bytes are %w", file, key.Namespace, key.Name, len(content), errTooLarge)
	}
	art, err := s.copyFrom(key, revision, file, bytes.NewReader(content))
	if err != nil {
		return Artifact{}, err
	}
	s.trees.drop(art.Path) // a tree that stood there before
	return art, nil
}

// Read returns the bytes of an artifact, whatever they are and whoever stored
// them. They come from the store's directory or from the URL, have the digest,
// and are at most untar.MaxPacked.
func (s *Store) Read(ctx context.Context, a Artifact) ([]byte, error) {
	want, err := parseDigest(a.Digest)
	if err != nil {
		return nil, err
	}
	if b, err := s.local(a, want); err == nil {
		return b, nil
	}
	return s.fetch(ctx, a, want)
}
