package oci

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leat-dev/leat/internal/source/artifact"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/untar"
	"github.com/leat-dev/leat/internal/tree"
)

// Folder stands for a repository of a registry without asking the network. It
// holds either packed charts, <name>-<version>.tgz, or one artifact, or, where
// no file stands at its top, a folder for each tag.
type Folder struct {
	Dir string
	// Name is the last element of the address: the name of the chart.
	Name string
	// Read reads a directory as it is now.
	Read func(ctx context.Context, dir string) (tree.Tree, error)

	mu     sync.Mutex
	pieces map[string]piece // by digest of the manifest
}

// piece is an artifact that Resolve made up.
type piece struct {
	layer Layer
	tree  *tree.Tree // nil for a chart
	bytes []byte     // nil for a tree that nobody wanted packed
	file  string     // of a chart
}

// ContentLayer is the type of the layers that `flux push artifact` makes.
const ContentLayer = "application/vnd.cncf.flux.content.v1.tar+gzip"

// maxMirrored bounds what is looked at in one folder.
const maxMirrored = 10_000

// inside is what a folder holds.
type inside struct {
	charts map[string]string // tag → file
	dirs   []string
	files  int
}

func (f *Folder) look() (inside, error) {
	d, err := os.Open(f.Dir)
	if err != nil {
		return inside{}, fail(fault.NotFound, "%w", err)
	}
	defer d.Close()
	entries, err := d.ReadDir(maxMirrored)
	if err != nil && err != io.EOF {
		return inside{}, fail(fault.NotFound, "%w", err)
	}
	in := inside{charts: map[string]string{}}
	for _, e := range entries {
		version, isChart := chartVersion(e.Name(), f.Name)
		switch {
		case e.IsDir():
			in.dirs = append(in.dirs, e.Name())
		case isChart:
			in.charts[ChartTag(version)] = e.Name()
		default:
			in.files++
		}
	}
	slices.Sort(in.dirs)
	return in, nil
}

// chartVersion reads <name>-<version>.tgz.
func chartVersion(file, name string) (string, bool) {
	version, ok := strings.CutPrefix(strings.TrimSuffix(file, ".tgz"), name+"-")
	if !ok || !strings.HasSuffix(file, ".tgz") {
		return "", false
	}
	_, err := versionOf(version, "")
	return version, err == nil
}

// tags are those that there are; none for a folder that is one artifact.
func (in inside) tags() []string {
	if len(in.charts) > 0 {
		var out []string
		for tag := range in.charts {
			out = append(out, tag)
		}
		slices.Sort(out)
		return out
	}
	if in.files > 0 {
		return nil
	}
	return in.dirs
}

// Tags implements Reader.
func (f *Folder) Tags(context.Context, time.Time) ([]string, error) {
	in, err := f.look()
	return in.tags(), err
}

// Resolve implements Reader. The folder is read anew.
func (f *Folder) Resolve(ctx context.Context, want Ref, _ time.Time) (Revision, error) {
	in, err := f.look()
	if err != nil {
		return Revision{}, err
	}
	tag, dir, err := f.choose(in, want)
	if err != nil {
		return Revision{}, err
	}
	var made piece
	if file := in.charts[tag]; file != "" && dir == "" {
		made, err = f.chart(file)
	} else {
		made, err = f.plain(ctx, filepath.Join(f.Dir, dir), want.MediaType)
	}
	if err != nil {
		return Revision{}, err
	}
	rev := Revision{Tag: tag, Digest: made.layer.manifest()}
	if want.Digest != "" {
		rev.Tag = ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pieces = map[string]piece{rev.Digest: made}
	return rev, nil
}

// choose returns the tag that a Ref means, and the folder of that tag.
func (f *Folder) choose(in inside, want Ref) (tag, dir string, err error) {
	tags := in.tags()
	tag = cmp.Or(want.Tag, "latest")
	switch {
	case len(tags) == 0 && in.files == 0:
		return "", "", fail(fault.NotFound, "%s is empty", f.Dir)
	case len(in.charts) == 0 && want.MediaType == ChartLayer:
		return "", "", fail(fault.NotFound, "%s holds no chart %s-<version>.tgz", f.Dir, f.Name)
	case len(tags) == 0: // the folder is the artifact, whatever is asked for
		return cmp.Or(want.Tag, want.SemVer, "latest"), ".", nil
	case want.Digest != "" && len(tags) > 1:
		return "", "", fail(fault.NotFound, "a mirror knows no digests, and it has several tags: %s", some(tags))
	case want.Digest != "":
		tag = tags[0]
	case want.SemVer != "":
		if tag, err = Choose(tags, want); err != nil {
			return "", "", err
		}
	}
	if !slices.Contains(tags, tag) {
		return "", "", fail(fault.NotFound, "the mirror of %s has no tag %q; it has %s", f.Name, tag, some(tags))
	}
	if len(in.charts) > 0 {
		return tag, "", nil
	}
	return tag, tag, nil
}

func (f *Folder) chart(file string) (piece, error) {
	r, err := os.Open(filepath.Join(f.Dir, file))
	if err != nil {
		return piece{}, fail(fault.NotFound, "%w", err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, untar.MaxPacked+1))
	if err != nil {
		return piece{}, fail(fault.Unreachable, "read %s: %w", file, err)
	}
	if len(b) > untar.MaxPacked {
		return piece{}, fail(fault.TooLarge, "%s has more than %d bytes", file, untar.MaxPacked)
	}
	return piece{layer: layerOf(ChartLayer, b), bytes: b, file: file}, nil
}

func (f *Folder) plain(ctx context.Context, dir, mediaType string) (piece, error) {
	t, err := f.Read(ctx, dir)
	if err != nil {
		return piece{}, fail(fault.Unreachable, "read %s: %w", dir, err)
	}
	var packed bytes.Buffer
	if _, err := artifact.Archive(&packed, t); err != nil {
		return piece{}, fail(fault.Unreachable, "pack %s: %w", dir, err)
	}
	return piece{layer: layerOf(cmp.Or(mediaType, ContentLayer), packed.Bytes()), tree: &t, bytes: packed.Bytes()}, nil
}

func layerOf(mediaType string, b []byte) Layer {
	sum := sha256.Sum256(b)
	return Layer{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(b))}
}

// manifest returns the digest of what stands for a manifest here.
func (l Layer) manifest() string {
	text, err := json.Marshal(l)
	if err != nil {
		text = []byte(l.Digest) // unreachable: strings and numbers are always JSON
	}
	return layerOf("", text).Digest
}

// Manifest implements Reader, for what Resolve returned last.
func (f *Folder) Manifest(_ context.Context, digest string) (Manifest, error) {
	p, err := f.piece(func(of string, _ piece) bool { return of == digest })
	return Manifest{Layers: []Layer{p.layer}}, err
}

// Blob implements Reader.
func (f *Folder) Blob(_ context.Context, l Layer) ([]byte, error) {
	p, err := f.piece(func(_ string, p piece) bool { return p.layer == l })
	return p.bytes, err
}

// Copy implements Reader.
func (f *Folder) Copy(ctx context.Context, l Layer, w io.Writer) error {
	b, err := f.Blob(ctx, l)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// Tree implements Reader.
func (f *Folder) Tree(ctx context.Context, l Layer) (tree.Tree, []string, error) {
	p, err := f.piece(func(_ string, p piece) bool { return p.layer == l })
	switch {
	case err != nil:
		return tree.Tree{}, nil, err
	case p.tree != nil:
		return *p.tree, nil, nil
	}
	t, notes, err := untar.Read(ctx, bytes.NewReader(p.bytes), untar.Options{Links: untar.SkipLinks})
	if err != nil {
		return t, nil, fail(fault.Unsafe, "extract %s: %w", p.file, err)
	}
	return t, notes, nil
}

func (f *Folder) piece(is func(digest string, p piece) bool) (piece, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for digest, p := range f.pieces {
		if is(digest, p) {
			return p, nil
		}
	}
	return piece{}, &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("the mirror of %s changed meanwhile", f.Name)}
}
