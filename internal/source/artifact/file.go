package artifact

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/leat-dev/leat/internal/source/fault"
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
// them. They come from the store's directory or from the URL, and have the digest.
// More than limit, or untar.MaxPacked, are an error of class fault.TooLarge; they are
// never in memory.
func (s *Store) Read(ctx context.Context, a Artifact, limit int64) ([]byte, error) {
	want, err := parseDigest(a.Digest)
	if err != nil {
		return nil, err
	}
	f, _, err := s.whole(ctx, a, want)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read artifact %s: %w", a.Revision, err)
	}
	if fi.Size() > limit {
		return nil, &fault.Error{Class: fault.TooLarge, Err: fmt.Errorf("the artifact %s has %d bytes, more than the limit of %d", a.Revision, fi.Size(), limit)}
	}
	b := make([]byte, fi.Size())
	_, err = io.ReadFull(f, b)
	return b, err
}
