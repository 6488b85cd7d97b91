// Package spool keeps the contents of a tree on disk where they are too large to stay in
// memory for as long as the tree is known.
//
//	f := spool.In(root, ".tmp/7") // nothing is made yet
//	t, _, err := untar.Read(ctx, body, untar.Options{Contents: f})
//	text, err := t.ReadFile("apps/web.yaml") // from memory, or from the disk
//
// What is small stays in memory, so that most trees never touch the disk. The file has no
// name: nobody can open or change it, and its place is free once nobody holds a content of
// it, or the process ends. It must never hand out anything but what it was given.
package spool

import (
	"fmt"
	"os"
	"sync"

	"github.com/leat-dev/leat/internal/tree"
)

// inMemory is how many bytes of the contents of one tree stay in memory: the manifests of
// most fleets are less.
const inMemory = 1 << 20

// File takes contents. It may be used by several goroutines.
type File struct {
	root *os.Root
	name string

	mu   sync.Mutex
	held int64 // bytes in memory
	size int64 // bytes on disk
	disk *os.File
}

// In returns a file that stands at a name below root while it is made, and under none after.
func In(root *os.Root, name string) *File { return &File{root: root, name: name} }

// Keep takes a copy of b and returns it as content. Errors are those of the disk.
func (f *File) Keep(b []byte) (tree.Content, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := int64(len(b))
	if f.held+n <= inMemory {
		f.held += n
		return tree.Bytes(append(make([]byte, 0, n), b...)), nil
	}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if _, err := f.disk.WriteAt(b, f.size); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	at := f.size
	f.size += n
	return piece{f.disk, at, n}, nil
}

// open makes the file when there is none. It is closed when nobody can reach it anymore.
func (f *File) open() (err error) {
	if f.disk == nil {
		f.disk, err = Nameless(f.root, f.name)
	}
	return err
}

// Nameless makes a file that stands at a name below root for a moment only. Who makes it
// closes it, or leaves that to the collector of garbage.
func Nameless(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_ = root.Remove(name) // where that cannot be while it is open, the next start removes it
	return f, nil
}

// piece is a part of a file.
type piece struct {
	f     *os.File
	at, n int64
}

// Read implements tree.Content.
func (p piece) Read() ([]byte, error) {
	b := make([]byte, p.n)
	if _, err := p.f.ReadAt(b, p.at); err != nil {
		return nil, fmt.Errorf("read spooled content: %w", err)
	}
	return b, nil
}
