// Package untar reads a tar archive, compressed by gzip or not, into a tree.
// Whoever wrote the archive may be hostile: nothing touches a file system,
// nothing is trusted about names, and everything is counted while it streams.
//
//	t, notes, err := untar.Read(ctx, body, untar.Options{})
//
// It must never follow a link, nor let one entry replace another.
package untar

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/tree"
)

// The default limits. MaxBytes is what one artifact may hold in memory.
const (
	MaxPacked  = 256 << 20 // bytes read
	MaxBytes   = 512 << 20 // bytes of files
	MaxEntries = 200_000   // of any kind
	MaxNotes   = 100
)

// Options say how much to take and what to do with links. Zero limits stand
// for the defaults.
type Options struct {
	Packed  int64 // bytes of the archive as it comes
	Bytes   int64 // bytes of all files
	File    int64 // bytes of one file
	Entries int   // entries of any kind
	Links   Links
	// Contents keeps what the files hold; nil keeps it in memory.
	Contents Contents
}

// Contents keeps a copy of bytes somewhere, and brings them back.
type Contents interface {
	Keep(b []byte) (tree.Content, error)
}

// inMemory is the simplest place.
type inMemory struct{}

func (inMemory) Keep(b []byte) (tree.Content, error) { return tree.Bytes(bytes.Clone(b)), nil }

// Links says what to do with symbolic links.
type Links uint8

// Artifacts carry no links, so there they are refused; layers of OCI artifacts
// may, and there they are left out.
const (
	RefuseLinks Links = iota
	SkipLinks
)

// Read reads an archive to its end. The notes name the links that were left
// out. An archive that breaks a rule or a limit is an error and yields nothing.
func Read(ctx context.Context, r io.Reader, o Options) (tree.Tree, []string, error) {
	o = o.withDefaults()
	capped := &capReader{ctx: ctx, r: r, left: o.Packed, limit: o.Packed}
	plain, err := gunzip(capped)
	if err != nil {
		return tree.Tree{}, nil, err
	}
	x := extract{o: o, b: tree.Builder{Limits: tree.Limits{Files: o.Entries, Bytes: o.Bytes, FileBytes: o.File}}}
	// What the archive takes unpacked beyond its files: one header and padding
	// for every entry, and the headers of long names.
	unpacked := &capReader{ctx: ctx, r: plain, left: 2*o.Bytes + int64(o.Entries)*4096, limit: o.Bytes}
	if err := x.all(tar.NewReader(unpacked)); err != nil {
		return tree.Tree{}, nil, fmt.Errorf("untar: %w", err)
	}
	t, err := x.b.Tree()
	return t, x.notes, err
}

func (o Options) withDefaults() Options {
	if o.Packed == 0 {
		o.Packed = MaxPacked
	}
	if o.Bytes == 0 {
		o.Bytes = MaxBytes
	}
	if o.File == 0 {
		o.File = tree.MaxFileBytes
	}
	if o.Entries == 0 {
		o.Entries = MaxEntries
	}
	if o.Contents == nil {
		o.Contents = inMemory{}
	}
	return o
}

// gunzip returns r itself when it does not start as gzip does.
func gunzip(r io.Reader) (io.Reader, error) {
	br := bufio.NewReaderSize(r, 64<<10)
	head, err := br.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	if !bytes.Equal(head, []byte{0x1f, 0x8b}) {
		return br, nil
	}
	zr, err := gzip.NewReader(br)
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	return zr, nil
}

// capReader fails when more than its limit is read or its context ends.
type capReader struct {
	ctx         context.Context // of the one Read call that made it
	r           io.Reader
	left, limit int64
}

func (c *capReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	if c.left <= 0 {
		return 0, fmt.Errorf("the archive is larger than the limit of %d bytes", c.limit)
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	return n, err
}

type extract struct {
	o       Options
	b       tree.Builder
	notes   []string
	entries int
	bytes   int64
	buf     bytes.Buffer // one file after the other
}

func (x *extract) all(tr *tar.Reader) error {
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if x.entries++; x.entries > x.o.Entries {
			return fmt.Errorf("more than %d entries", x.o.Entries)
		}
		if err := x.entry(h, tr); err != nil {
			return err
		}
	}
}

func (x *extract) entry(h *tar.Header, body io.Reader) error {
	name, err := Name(h.Name)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeRegA, tar.TypeGNUSparse: //nolint:staticcheck // old archives use TypeRegA
		return x.file(name, h, body)
	case tar.TypeDir:
		return nil // a tree knows its directories by their files
	case tar.TypeXGlobalHeader:
		return nil // git archive writes the commit there
	case tar.TypeSymlink:
		if x.o.Links == RefuseLinks {
			return fmt.Errorf("entry %q is a symbolic link, which no artifact may hold", name)
		}
		if len(x.notes) < MaxNotes {
			x.notes = append(x.notes, fmt.Sprintf("left out %s, a symbolic link", name))
		}
		return nil
	case tar.TypeLink:
		return fmt.Errorf("entry %q is a hard link, which no artifact may hold", name)
	default:
		return fmt.Errorf("entry %q is neither file nor directory (type %q)", name, h.Typeflag)
	}
}

func (x *extract) file(name string, h *tar.Header, body io.Reader) error {
	if h.Size < 0 || h.Size > x.o.File {
		return fmt.Errorf("entry %q has %d bytes, more than the limit of %d for one file", name, h.Size, x.o.File)
	}
	if x.bytes += h.Size; x.bytes > x.o.Bytes {
		return fmt.Errorf("entry %q: the files have more than %d bytes in all", name, x.o.Bytes)
	}
	x.buf.Reset() // it grows with what comes, not with what the header promises
	n, err := io.Copy(&x.buf, io.LimitReader(body, h.Size))
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	if n != h.Size {
		return fmt.Errorf("entry %q: %d bytes of %d: %w", name, n, h.Size, io.ErrUnexpectedEOF)
	}
	content, err := x.o.Contents.Keep(x.buf.Bytes())
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	mode := tree.Regular
	if h.Mode&0o111 != 0 {
		mode = tree.Executable
	}
	return x.b.Add(name, tree.NewBlob(hash.Of(x.buf.Bytes()), n, mode, content))
}

// Name returns the path that an entry of an archive names, "." for the root.
// Absolute names and such that hold "..", a backslash, a NUL byte or broken
// UTF-8 are errors.
func Name(name string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("an entry has no name")
	case len(name) > tree.MaxPath:
		return "", fmt.Errorf("entry %.40q… has a name of %d bytes, more than %d", name, len(name), tree.MaxPath)
	case !utf8.ValidString(name):
		return "", fmt.Errorf("entry %q has a name that is not UTF-8", name)
	case strings.ContainsAny(name, "\\\x00"):
		return "", fmt.Errorf("entry %q has a name with a backslash or NUL byte", name)
	case name[0] == '/':
		return "", fmt.Errorf("entry %q has an absolute name", name)
	}
	for elem := range strings.SplitSeq(name, "/") {
		if elem == ".." {
			return "", fmt.Errorf("entry %q leads out of the archive", name)
		}
	}
	if strings.Count(name, "/") >= tree.MaxDepth {
		return "", fmt.Errorf("entry %.40q… is deeper than %d", name, tree.MaxDepth)
	}
	return path.Clean(name), nil
}
