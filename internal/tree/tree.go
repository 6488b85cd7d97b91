// Package tree is an immutable, content-addressed directory: what a source
// yields and a build reads. Equal trees have equal hashes, and so have equal
// subtrees; a changed tree is a new Tree that shares what did not change.
//
//	t, err := tree.FromFiles(map[string]string{"apps/web.yaml": "…"})
//	sub, err := t.Sub("apps")
//	t2, err := t.With("apps/web.yaml", tree.Bytes(edited))
//
// A tree holds regular files and directories, nothing else: Flux's artifacts
// carry no links, so no path of a tree leads anywhere but into the tree. Paths
// are relative, slash-separated and clean; "." is the root. It must never touch
// the file system itself: sources bring the contents.
package tree

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/leat-dev/leat/internal/hash"
)

// Tree is an immutable directory. The zero Tree is empty.
type Tree struct{ root *dir }

type dir struct {
	id      hash.ID
	names   []string // sorted
	entries []entry  // by the same index
	files   int      // all files below
	bytes   int64    // sum of their sizes
}

// entry is either a directory or a blob.
type entry struct {
	dir  *dir
	blob *Blob
}

var emptyDir = seal(nil, nil)

// Kind says what stands at a path.
type Kind uint8

// The kinds of entries.
const (
	Missing Kind = iota
	File
	Dir
)

// String returns missing, file or dir.
func (k Kind) String() string { return [...]string{"missing", "file", "dir"}[k] }

// Entry is what stands at a path: for a file its blob, for a directory the
// hash of everything in it.
type Entry struct {
	Name string
	Kind Kind
	ID   hash.ID // of the content, or of the directory
	Blob *Blob   // of a file
}

func (t Tree) dir() *dir {
	if t.root == nil {
		return emptyDir
	}
	return t.root
}

// Hash names everything in the tree.
func (t Tree) Hash() hash.ID { return t.dir().id }

// Files returns the number of files, Size the sum of their sizes in bytes.
func (t Tree) Files() int { return t.dir().files }

// Size returns the sum of the sizes of all files, in bytes.
func (t Tree) Size() int64 { return t.dir().bytes }

// Lookup returns what stands at p; a path that leaves the tree is Missing.
func (t Tree) Lookup(p string) Entry {
	clean, err := Clean(p)
	if err != nil {
		return Entry{}
	}
	if clean == "." {
		return Entry{Name: ".", Kind: Dir, ID: t.Hash()}
	}
	d := t.dir()
	for {
		name, rest, more := strings.Cut(clean, "/")
		e, ok := d.get(name)
		switch {
		case !ok:
			return Entry{}
		case !more:
			return e.describe(name)
		case e.dir == nil:
			return Entry{}
		}
		d, clean = e.dir, rest
	}
}

func (d *dir) get(name string) (entry, bool) {
	i, ok := slices.BinarySearch(d.names, name)
	if !ok {
		return entry{}, false
	}
	return d.entries[i], true
}

func (e entry) describe(name string) Entry {
	if e.dir != nil {
		return Entry{Name: name, Kind: Dir, ID: e.dir.id}
	}
	return Entry{Name: name, Kind: File, ID: e.blob.ID, Blob: e.blob}
}

// ReadFile returns the content of the file at p. The caller must not change it.
func (t Tree) ReadFile(p string) ([]byte, error) {
	switch e := t.Lookup(p); e.Kind {
	case File:
		b, err := e.Blob.Read()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", p, err)
		}
		return b, nil
	case Dir:
		return nil, fmt.Errorf("read %s: is a directory", p)
	default:
		return nil, notExist("read", p)
	}
}

// ReadDir lists the directory at p, sorted by name.
func (t Tree) ReadDir(p string) ([]Entry, error) {
	d, err := t.find(p)
	if err != nil {
		return nil, err
	}
	out := make([]Entry, len(d.names))
	for i, name := range d.names {
		out[i] = d.entries[i].describe(name)
	}
	return out, nil
}

// ListingID names the listing of the directory at p: names and kinds, not
// contents. A path that is no directory yields the zero ID.
func (t Tree) ListingID(p string) hash.ID {
	d, err := t.find(p)
	if err != nil {
		return hash.ID{}
	}
	rec := hash.New("listing/v1")
	for i, name := range d.names {
		rec.Str(name).Int(int64(d.entries[i].describe(name).Kind))
	}
	return rec.Sum()
}

// Sub returns the directory at p as a tree of its own.
func (t Tree) Sub(p string) (Tree, error) {
	d, err := t.find(p)
	if err != nil {
		return Tree{}, err
	}
	return Tree{d}, nil
}

func (t Tree) find(p string) (*dir, error) {
	clean, err := Clean(p)
	if err != nil {
		return nil, err
	}
	d := t.dir()
	if clean == "." {
		return d, nil
	}
	for name := range strings.SplitSeq(clean, "/") {
		e, ok := d.get(name)
		if !ok {
			return nil, notExist("open", p)
		}
		if e.dir == nil {
			return nil, fmt.Errorf("open %s: not a directory", p)
		}
		d = e.dir
	}
	return d, nil
}

// Walk calls visit for every file in order of path, until visit fails.
func (t Tree) Walk(visit func(p string, b *Blob) error) error {
	return walk(t.dir(), "", visit)
}

func walk(d *dir, prefix string, visit func(string, *Blob) error) error {
	for i, name := range d.names {
		var err error
		if e := d.entries[i]; e.dir != nil {
			err = walk(e.dir, prefix+name+"/", visit)
		} else {
			err = visit(prefix+name, e.blob)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// seal makes a directory of entries that are sorted by name.
func seal(names []string, entries []entry) *dir {
	d := &dir{names: names, entries: entries}
	rec := hash.New("tree/v1")
	for i, name := range names {
		e := entries[i]
		if e.dir != nil {
			rec.Str(name).Int(int64(Dir)).ID(e.dir.id)
			d.files += e.dir.files
			d.bytes += e.dir.bytes
			continue
		}
		rec.Str(name).Int(int64(File)).Int(int64(e.blob.Mode)).ID(e.blob.ID)
		d.files++
		d.bytes += e.blob.Size
	}
	d.id = rec.Sum()
	return d
}

// sortByName orders names and entries together.
func sortByName(names []string, entries []entry) {
	sort.Sort(byName{names, entries})
}

type byName struct {
	names   []string
	entries []entry
}

func (s byName) Len() int           { return len(s.names) }
func (s byName) Less(i, j int) bool { return s.names[i] < s.names[j] }
func (s byName) Swap(i, j int) {
	s.names[i], s.names[j] = s.names[j], s.names[i]
	s.entries[i], s.entries[j] = s.entries[j], s.entries[i]
}
