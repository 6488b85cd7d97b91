// Package worktree reads a directory in which someone works as a tree: in a Git
// repository the files that are tracked, or untracked and not ignored; anywhere
// else all files.
//
//	r, err := worktree.Open("../fleet")
//	snap, err := r.Read(ctx) // snap.Revision() is main@sha1:…
//	w, err := worktree.Watch(ctx, r, worktree.WatchOptions{})
//	for range w.Changed() { snap, err = r.Read(ctx) }
//
// A second Read opens only files that have changed. This package must never
// write into the directory, nor follow a link out of it.
package worktree

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/tree"
)

// MaxBytes bounds the contents that one directory holds in memory.
const MaxBytes = 1 << 30

// maxNotes bounds the notes of a snapshot.
const maxNotes = 100

// Snapshot is a directory at one moment. It stays as it is whatever happens to
// the directory.
type Snapshot struct {
	Tree   tree.Tree
	Branch string   // checked out; NoBranch where there is none
	Commit string   // 40 hexadecimal digits
	Notes  []string // what was left out and why
}

// NoBranch stands for the branch of a directory without Git, or of a detached
// HEAD.
const NoBranch = "local"

// Revision returns <branch>@sha1:<commit>. The commit is the one that Git would
// make of the tree with the author Leat at time zero and no parent: equal
// contents have equal revisions.
func (s Snapshot) Revision() string { return s.Branch + "@sha1:" + s.Commit }

// Reader reads one directory again and again. It may be used by several
// goroutines.
type Reader struct {
	dir string

	mu     sync.Mutex
	files  map[string]file // by path, of the last Read
	ids    gitIDs
	index  indexCache
	fresh  time.Duration    // how young a file must be for its times not to be trusted
	now    func() time.Time // of the file system, near enough
	opened int              // files that were opened, for tests
}

// file is what is known of a file that was read.
type file struct {
	stamp stamp
	blob  *tree.Blob
	young bool // changed so shortly before it was read that a change after it may not show
}

// stamp is what the file system says of a file; equal stamps mean equal
// contents unless the file is young.
type stamp struct {
	size         int64
	mtime, ctime int64 // nanoseconds
	inode        uint64
	mode         fs.FileMode
}

// Open returns a reader of a directory; Read finds out what is in it.
func Open(dir string) (*Reader, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	fi, err := os.Stat(abs)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, errors.Unwrap(err))
	}
	if !fi.IsDir() {
		return nil, fmt.Errorf("open %s: not a directory", dir)
	}
	return &Reader{dir: abs, files: map[string]file{}, ids: gitIDs{}, fresh: 2 * time.Second, now: time.Now}, nil
}

// Dir returns the directory, as an absolute path.
func (r *Reader) Dir() string { return r.dir }

// Root returns the top of the Git work tree that dir lies in, and whether there
// is one.
func Root(dir string) (string, bool) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	for {
		if _, err := os.Lstat(filepath.Join(abs, ".git")); err == nil {
			return abs, true
		}
		parent := filepath.Dir(abs)
		if parent == abs {
			return "", false
		}
		abs = parent
	}
}

// Read returns the directory as it is now. A file that cannot be read is an
// error that names it.
func (r *Reader) Read(ctx context.Context) (Snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &scan{ctx: ctx, r: r, now: r.now(), seen: make(map[string]file, len(r.files)), b: tree.Builder{Limits: tree.Limits{
		Files: tree.MaxFiles, Bytes: math.MaxInt64, FileBytes: math.MaxInt64,
	}}}
	if err := s.run(); err != nil {
		return Snapshot{}, fmt.Errorf("read %s: %w", r.dir, err)
	}
	t, err := s.b.Tree()
	if err != nil {
		return Snapshot{}, fmt.Errorf("read %s: %w", r.dir, err)
	}
	r.files = s.seen
	id, err := r.ids.commit(t)
	if err != nil {
		return Snapshot{}, fmt.Errorf("read %s: %w", r.dir, err)
	}
	return Snapshot{Tree: t, Branch: s.git.branch, Commit: hex.EncodeToString(id[:]), Notes: s.notes}, nil
}

// tooLarge is the content of a file that is never read.
type tooLarge int64

// Read implements tree.Content.
func (n tooLarge) Read() ([]byte, error) {
	return nil, fmt.Errorf("the file has %d bytes, more than the limit of %d for one file; exclude it with spec.ignore or .sourceignore", int64(n), tree.MaxFileBytes)
}

// largeBlob names a file by its stamp, for want of its content.
func largeBlob(p string, st stamp) *tree.Blob {
	id := hash.New("large/v1").Str(p).Int(st.size).Int(st.mtime).Int(st.ctime).Sum()
	return tree.NewBlob(id, st.size, tree.Regular, tooLarge(st.size))
}
