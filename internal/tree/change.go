package tree

import (
	"fmt"
	"slices"
	"strings"
)

// FromFiles makes a tree of paths and contents.
func FromFiles(files map[string]string) (Tree, error) {
	var b Builder
	for p, text := range files {
		if err := b.Add(p, BlobOf([]byte(text))); err != nil {
			return Tree{}, err
		}
	}
	return b.Tree()
}

// With returns a tree in which the file at p is blob. Directories on the way
// are made; a file in the way is an error.
func (t Tree) With(p string, blob *Blob) (Tree, error) {
	elems, err := elements(p)
	if err != nil {
		return Tree{}, err
	}
	root, err := put(t.dir(), elems, entry{blob: blob})
	if err != nil {
		return Tree{}, fmt.Errorf("write %s: %w", p, err)
	}
	return Tree{root}, nil
}

// WithTree returns a tree in which the directory at p is sub, in place of
// whatever stood there. At "." it returns sub.
func (t Tree) WithTree(p string, sub Tree) (Tree, error) {
	clean, err := Clean(p)
	if err != nil {
		return Tree{}, err
	}
	if clean == "." {
		return sub, nil
	}
	root, err := put(t.dir(), strings.Split(clean, "/"), entry{dir: sub.dir()})
	if err != nil {
		return Tree{}, fmt.Errorf("write %s: %w", p, err)
	}
	return Tree{root}, nil
}

// Without returns a tree in which nothing stands at p. Directories that this
// leaves empty stay.
func (t Tree) Without(p string) (Tree, error) {
	elems, err := elements(p)
	if err != nil {
		return Tree{}, err
	}
	return Tree{remove(t.dir(), elems)}, nil
}

// Filter returns the tree of the files for which keep is true; directories
// left without files are dropped. keep is asked for directories first and a
// directory that is not kept is left out with everything in it.
func (t Tree) Filter(keep func(p string, kind Kind) bool) Tree {
	return Tree{filter(t.dir(), "", keep)}
}

func filter(d *dir, prefix string, keep func(string, Kind) bool) *dir {
	var names []string
	var entries []entry
	for i, name := range d.names {
		e := d.entries[i]
		kind := e.describe(name).Kind
		if !keep(prefix+name, kind) {
			continue
		}
		if e.dir != nil {
			e.dir = filter(e.dir, prefix+name+"/", keep)
			if e.dir.files == 0 {
				continue
			}
		}
		names, entries = append(names, name), append(entries, e)
	}
	return seal(names, entries)
}

// Overlay returns the files of t and of over; where both have a file, that of
// over counts. A file over a directory, or the reverse, replaces it.
func (t Tree) Overlay(over Tree) Tree {
	return Tree{overlay(t.dir(), over.dir())}
}

func overlay(low, high *dir) *dir {
	if low.id == high.id || low.files == 0 {
		return high
	}
	names, entries := slices.Clone(low.names), slices.Clone(low.entries)
	for i, name := range high.names {
		e := high.entries[i]
		at, found := slices.BinarySearch(names, name)
		if !found {
			names, entries = slices.Insert(names, at, name), slices.Insert(entries, at, e)
			continue
		}
		if e.dir != nil && entries[at].dir != nil {
			e.dir = overlay(entries[at].dir, e.dir)
		}
		entries[at] = e
	}
	return seal(names, entries)
}

func elements(p string) ([]string, error) {
	clean, err := Clean(p)
	if err != nil {
		return nil, err
	}
	if clean == "." {
		return nil, fmt.Errorf("path %q names the root", p)
	}
	elems := strings.Split(clean, "/")
	if len(elems) > MaxDepth {
		return nil, fmt.Errorf("path %.40q… is deeper than %d", p, MaxDepth)
	}
	return elems, nil
}

func put(d *dir, elems []string, e entry) (*dir, error) {
	name := elems[0]
	at, found := slices.BinarySearch(d.names, name)
	if len(elems) > 1 {
		below := emptyDir
		if found {
			if below = d.entries[at].dir; below == nil {
				return nil, fmt.Errorf("%s is a file", name)
			}
		}
		child, err := put(below, elems[1:], e)
		if err != nil {
			return nil, err
		}
		e = entry{dir: child}
	}
	names, entries := slices.Clone(d.names), slices.Clone(d.entries)
	if found {
		entries[at] = e
	} else {
		names, entries = slices.Insert(names, at, name), slices.Insert(entries, at, e)
	}
	return seal(names, entries), nil
}

func remove(d *dir, elems []string) *dir {
	at, found := slices.BinarySearch(d.names, elems[0])
	if !found {
		return d
	}
	names, entries := slices.Clone(d.names), slices.Clone(d.entries)
	if len(elems) == 1 {
		return seal(slices.Delete(names, at, at+1), slices.Delete(entries, at, at+1))
	}
	if entries[at].dir == nil {
		return d
	}
	entries[at].dir = remove(entries[at].dir, elems[1:])
	return seal(names, entries)
}
