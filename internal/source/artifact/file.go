package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/untar"
)

// PutFile stores bytes as they come, as one file of the object key: a chart, an
// index, a layer that is kept packed. It replaces an older file of that name.
// Content larger than what Read takes back is an error.
func (s *Store) PutFile(key Key, revision, file string, content []byte) (Artifact, error) {
	return s.PutFrom(key, revision, file, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// PutFrom is PutFile for what fill writes; nothing is stored when that fails.
func (s *Store) PutFrom(key Key, revision, file string, fill func(io.Writer) error) (Artifact, error) {
	art, err := s.write(key, revision, file, func(w io.Writer) (Sum, error) {
		sum := &summing{w: w, h: sha256.New()}
		err := fill(sum)
		return Sum{"sha256:" + hex.EncodeToString(sum.h.Sum(nil)), sum.n}, err
	})
	if err != nil {
		return Artifact{}, err
	}
	s.trees.drop(art.Path) // a tree that stood there before
	return art, nil
}

// summing writes no more than Read takes back, and sums it up.
type summing struct {
	w io.Writer
	h hash.Hash
	n int64
}

// Write implements io.Writer.
func (s *summing) Write(p []byte) (int, error) {
	if s.n += int64(len(p)); s.n > untar.MaxPacked {
		return 0, errTooLarge
	}
	s.h.Write(p)
	return s.w.Write(p)
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
