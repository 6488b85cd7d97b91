package tree

import (
	"fmt"
	"strings"
)

// Limits bound what a Builder takes; zero fields stand for the defaults.
type Limits struct {
	Files     int   // number of files
	Bytes     int64 // sum of the sizes
	FileBytes int64 // size of one file
}

// The default limits: far above any real fleet, far below what would take the
// process down.
const (
	MaxFiles     = 1_000_000
	MaxBytes     = 1 << 30
	MaxFileBytes = 64 << 20
)

// Builder collects files into a Tree. The zero Builder is ready to use.
type Builder struct {
	Limits Limits

	root  *draft
	files int
	bytes int64
}

type draft struct {
	dirs  map[string]*draft
	blobs map[string]*Blob
}

// Add puts a file at p. Twice the same path, a path that leads out of the
// tree, a file where a directory stands, and too much of anything are errors.
func (b *Builder) Add(p string, blob *Blob) error {
	elems, err := elements(p)
	if err != nil {
		return err
	}
	if err := b.count(p, blob); err != nil {
		return err
	}
	if b.root == nil {
		b.root = &draft{}
	}
	d := b.root
	for _, name := range elems[:len(elems)-1] {
		if d.blobs[name] != nil {
			return fmt.Errorf("add %s: %s is a file", p, name)
		}
		d = d.sub(name)
	}
	name := elems[len(elems)-1]
	if d.blobs[name] != nil || d.dirs[name] != nil {
		return fmt.Errorf("add %s: it is there already", p)
	}
	if d.blobs == nil {
		d.blobs = make(map[string]*Blob)
	}
	d.blobs[name] = blob
	return nil
}

func (b *Builder) count(p string, blob *Blob) error {
	l := b.Limits.withDefaults()
	b.files++
	b.bytes += blob.Size
	switch {
	case blob.Size > l.FileBytes:
		return fmt.Errorf("add %s: %d bytes are more than the limit of %d for one file; exclude it with spec.ignore or .sourceignore", p, blob.Size, l.FileBytes)
	case b.files > l.Files:
		return fmt.Errorf("add %s: more than %d files; exclude some with spec.ignore or .sourceignore", p, l.Files)
	case b.bytes > l.Bytes:
		return fmt.Errorf("add %s: more than %d bytes in all; exclude some with spec.ignore or .sourceignore", p, l.Bytes)
	}
	return nil
}

func (l Limits) withDefaults() Limits {
	if l.Files == 0 {
		l.Files = MaxFiles
	}
	if l.Bytes == 0 {
		l.Bytes = MaxBytes
	}
	if l.FileBytes == 0 {
		l.FileBytes = MaxFileBytes
	}
	return l
}

func (d *draft) sub(name string) *draft {
	if d.dirs == nil {
		d.dirs = make(map[string]*draft)
	}
	s := d.dirs[name]
	if s == nil {
		s = &draft{}
		d.dirs[name] = s
	}
	return s
}

// Tree returns what was added. The builder may be used on.
func (b *Builder) Tree() (Tree, error) {
	if b.root == nil {
		return Tree{}, nil
	}
	return Tree{b.root.seal()}, nil
}

func (d *draft) seal() *dir {
	n := len(d.dirs) + len(d.blobs)
	names, entries := make([]string, 0, n), make([]entry, 0, n)
	for name, sub := range d.dirs {
		names, entries = append(names, strings.Clone(name)), append(entries, entry{dir: sub.seal()})
	}
	for name, blob := range d.blobs {
		names, entries = append(names, strings.Clone(name)), append(entries, entry{blob: blob})
	}
	sortByName(names, entries)
	return seal(names, entries)
}
