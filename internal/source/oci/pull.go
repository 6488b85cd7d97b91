package oci

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/untar"
	"github.com/leat-dev/leat/internal/tree"
)

// Manifest says what an artifact is made of.
type Manifest struct {
	Annotations map[string]string
	Layers      []Layer

	size int64
}

// Layer is one part of an artifact.
type Layer struct {
	MediaType string
	Digest    string
	Size      int64 // in bytes, as the manifest says
}

// Manifest returns the manifest of a digest. Of an index it is the one for
// linux/amd64, as in Flux.
func (r *Repository) Manifest(ctx context.Context, digest string) (Manifest, error) {
	if _, err := parseDigest(digest); err != nil {
		return Manifest{}, err
	}
	key := r.repo.Name() + " " + r.id + " " + digest
	if m, ok := r.c.pool.manifests.get(key); ok {
		return m, nil
	}
	m, err := r.manifests.get(ctx, question{key: digest}, func(ctx context.Context) (Manifest, error) {
		m, err := r.fetchManifest(ctx, digest)
		if err == nil {
			r.c.pool.manifests.put(key, m)
		}
		return m, err
	})
	return m, classify(err)
}

func (r *Repository) fetchManifest(ctx context.Context, digest string) (Manifest, error) {
	ctx = withBudget(ctx, int64(r.c.pool.o.Limits.Answer))
	desc, err := r.puller.Get(ctx, r.repo.Digest(digest))
	if err != nil {
		return Manifest{}, classify(err)
	}
	m, err := manifestOf(desc)
	if err != nil {
		if fault.ClassOf(classify(err)) == fault.Unreachable { // it came, and is not what it should be
			return Manifest{}, fail(fault.Unsafe, "the manifest %s cannot be read: %s", digest, clip(plain(err)))
		}
		return Manifest{}, classify(err)
	}
	out := Manifest{Annotations: m.Annotations, size: desc.Size}
	for _, l := range m.Layers {
		out.Layers = append(out.Layers, Layer{MediaType: string(l.MediaType), Digest: l.Digest.String(), Size: l.Size})
	}
	return out, nil
}

func manifestOf(desc *remote.Descriptor) (*v1.Manifest, error) {
	if !desc.MediaType.IsIndex() {
		return v1.ParseManifest(bytes.NewReader(desc.Manifest))
	}
	img, err := desc.Image()
	if err != nil {
		return nil, err
	}
	return img.Manifest()
}

// Layer returns the first layer of a media type, "" for any.
func (m Manifest) Layer(mediaType string) (Layer, error) {
	var there []string
	for _, l := range m.Layers {
		if mediaType == "" || l.MediaType == mediaType {
			return l, nil
		}
		there = append(there, l.MediaType)
	}
	if len(m.Layers) == 0 {
		return Layer{}, fail(fault.NotFound, "no layers found in artifact")
	}
	return Layer{}, fail(fault.NotFound, "failed to find layer with media type '%s' in artifact; it has %s", mediaType, some(there))
}

// Blob returns a layer as it is stored, not to be changed. It has the digest
// and the size that the manifest says.
func (r *Repository) Blob(ctx context.Context, l Layer) ([]byte, error) {
	key := r.id + " " + l.Digest
	if b, ok := r.c.pool.blobs.get(key); ok {
		return b, nil
	}
	b, err := r.blobs.get(ctx, question{key: l.Digest}, func(ctx context.Context) ([]byte, error) {
		b, err := r.fetchBlob(ctx, l)
		if err == nil {
			r.c.pool.blobs.put(key, b)
		}
		return b, err
	})
	return b, classify(err)
}

func (r *Repository) fetchBlob(ctx context.Context, l Layer) ([]byte, error) {
	s, err := r.stream(ctx, l)
	if err != nil {
		return nil, err
	}
	defer s.body.Close()
	b, _ := io.ReadAll(io.LimitReader(s, l.Size+1)) // finish has the error
	return b, s.finish()
}

// Copy writes a layer as it is stored, once its size and digest are known to be those that
// the manifest says; before that what is written may be anything. A large one is not in
// memory, and not shared.
func (r *Repository) Copy(ctx context.Context, l Layer, w io.Writer) error {
	if l.Size <= maxShared {
		b, err := r.Blob(ctx, l)
		if err == nil {
			_, err = w.Write(b)
		}
		return err
	}
	s, err := r.stream(ctx, l)
	if err != nil {
		return err
	}
	defer s.body.Close()
	_, err = io.Copy(w, s)
	return cmp.Or(s.finish(), err)
}

// maxShared is how large a layer may be, packed, to be in memory for others who want it.
const maxShared = 16 << 20

// stream begins to download a layer. What is read of it counts for something only once
// finish has returned no error.
func (r *Repository) stream(ctx context.Context, l Layer) (*stream, error) {
	limit := r.c.pool.o.Limits.Blob
	if l.Size > limit || l.Size < 0 {
		return nil, fail(fault.TooLarge, "the layer %s has %d bytes, more than the limit of %d", l.Digest, l.Size, limit)
	}
	layer, err := r.puller.Layer(withBudget(ctx, max(l.Size, int64(r.c.pool.o.Limits.Answer))), r.repo.Digest(l.Digest))
	if err != nil {
		return nil, classify(err)
	}
	body, err := layer.Compressed()
	if err != nil {
		return nil, classify(err)
	}
	return &stream{body: body, layer: l}, nil
}

// stream is a layer as it comes.
type stream struct {
	body  io.ReadCloser // checks the digest at its end
	layer Layer
	n     int64
	err   error // the first one
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.body.Read(p)
	s.n, s.err = s.n+int64(n), err
	return n, err
}

// finish reads what is left, and tells whether all of it was what the manifest says.
func (s *stream) finish() error {
	_, _ = io.Copy(io.Discard, io.LimitReader(s, s.layer.Size+1-s.n))
	switch err := s.err; {
	case err != nil && strings.Contains(err.Error(), "error verifying"): // go-containerregistry internal/verify
		return fail(fault.Unsafe, "the layer %s is not what its digest says: %w", s.layer.Digest, err)
	case err != nil && !errors.Is(err, io.EOF):
		return classify(fmt.Errorf("the layer %s broke off: %w", s.layer.Digest, err))
	case s.n != s.layer.Size || err == nil:
		return fail(fault.Unsafe, "the layer %s has another size than the manifest says, %d", s.layer.Digest, s.layer.Size)
	}
	return nil
}

// Tree returns a layer unpacked: a tar, packed by gzip or not. Links are left
// out; the notes name them.
func (r *Repository) Tree(ctx context.Context, l Layer) (tree.Tree, []string, error) {
	key := r.id + " " + l.Digest
	if u, ok := r.c.pool.trees.get(key); ok {
		return u.tree, u.notes, nil
	}
	u, err := r.trees.get(ctx, question{key: l.Digest}, func(ctx context.Context) (unpacked, error) {
		u, err := r.unpack(ctx, l)
		if err == nil {
			r.c.pool.trees.put(key, u)
		}
		return u, err
	})
	return u.tree, u.notes, classify(err)
}

// unpack reads a layer as it comes: packed it is never in memory.
func (r *Repository) unpack(ctx context.Context, l Layer) (unpacked, error) {
	s, err := r.stream(ctx, l)
	if err != nil {
		return unpacked{}, err
	}
	defer s.body.Close()
	t, notes, err := untar.Read(ctx, s, untar.Options{Bytes: r.c.pool.o.Limits.Tree, Links: untar.SkipLinks, Contents: r.c.pool.o.Contents()})
	broken := s.finish()
	switch {
	case ctx.Err() != nil:
		return unpacked{}, classify(ctx.Err())
	case broken != nil:
		return unpacked{}, broken
	case err != nil:
		return unpacked{}, fail(fault.Unsafe, "failed to extract layer contents from artifact: %w", err)
	}
	return unpacked{t, notes}, nil
}
