package worktree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/leat-dev/leat/internal/tree"
)

// readTries bounds how often a file is read again that changes meanwhile.
const readTries = 5

// scan is one walk over the directory.
type scan struct {
	ctx   context.Context // of the one Read
	r     *Reader
	now   time.Time
	git   repo
	b     tree.Builder
	seen  map[string]file
	held  int64 // bytes in memory
	notes []string
	dirs  []string // visited, for a watcher
	look  bool     // visit directories only
}

func (s *scan) run() error {
	var err error
	if s.git, err = openRepo(s.r.dir, &s.r.index); err != nil {
		return err
	}
	return s.dir("", ignores{s.git.exclude}, false)
}

// directories lists the directories that Read would enter, relative to the top.
func (r *Reader) directories(ctx context.Context) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &scan{ctx: ctx, r: r, look: true}
	if err := s.run(); err != nil {
		return nil, fmt.Errorf("read %s: %w", r.dir, err)
	}
	return s.dirs, nil
}

func (s *scan) note(format string, args ...any) {
	if len(s.notes) < maxNotes {
		s.notes = append(s.notes, fmt.Sprintf(format, args...))
	}
}

func (s *scan) at(p string) string { return filepath.Join(s.r.dir, filepath.FromSlash(p)) }

// dir visits a directory; prefix is its path with a slash at the end, or "".
// In an ignored directory only tracked files count.
func (s *scan) dir(prefix string, ign ignores, ignored bool) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.at(prefix))
	if errors.Is(err, fs.ErrNotExist) && prefix != "" {
		return nil // removed since its parent was listed
	}
	if err != nil {
		return err
	}
	s.dirs = append(s.dirs, prefix)
	if s.git.is {
		if ign, err = s.gitignore(prefix, entries, ign); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if e.Name() == ".git" {
			continue
		}
		if err := s.entry(prefix+e.Name(), e, ign, ignored); err != nil {
			return err
		}
	}
	return nil
}

// gitignore adds the directory's own .gitignore, if it has one.
func (s *scan) gitignore(prefix string, entries []fs.DirEntry, ign ignores) (ignores, error) {
	for _, e := range entries {
		if e.Name() != ".gitignore" || !e.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(s.at(prefix + e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			return ign, nil
		}
		if err != nil {
			return nil, err
		}
		return append(ign[:len(ign):len(ign)], parseIgnore(prefix, text)), nil
	}
	return ign, nil
}

func (s *scan) entry(p string, e fs.DirEntry, ign ignores, ignored bool) error {
	if e.IsDir() {
		return s.subdir(p, ign, ignored)
	}
	tracked := s.git.tracked[p]
	if !tracked && (ignored || ign.match(p, false)) {
		return nil
	}
	switch {
	case s.look:
		return nil
	case e.Type()&fs.ModeSymlink != 0:
		s.note("left out %s, a symbolic link", p)
		return nil
	case !e.Type().IsRegular():
		s.note("left out %s, which is no regular file", p)
		return nil
	}
	return s.file(p)
}

func (s *scan) subdir(p string, ign ignores, ignored bool) error {
	ignored = ignored || ign.match(p, true)
	if ignored && !s.git.trackedDirs[p] {
		return nil
	}
	if s.git.is {
		if _, err := os.Lstat(filepath.Join(s.at(p), ".git")); err == nil {
			s.note("left out %s, a repository of its own", p)
			return nil
		}
	}
	return s.dir(p+"/", ign, ignored)
}

// file takes a file into the tree, from memory when it is as it was.
func (s *scan) file(p string) error {
	f, ok, err := s.current(p)
	if err != nil || !ok {
		return err
	}
	s.seen[p] = f
	if _, large := f.blob.ID, f.blob.Size > tree.MaxFileBytes; !large {
		if s.held += f.blob.Size; s.held > MaxBytes {
			return fmt.Errorf("%s: the files have more than %d bytes in all; ignore some with .gitignore", p, MaxBytes)
		}
	}
	return s.b.Add(p, f.blob)
}

// current returns the file as it is on disk, ok false when it is gone.
func (s *scan) current(p string) (f file, ok bool, err error) {
	for range readTries {
		fi, err := os.Lstat(s.at(p))
		if errors.Is(err, fs.ErrNotExist) {
			return file{}, false, nil
		}
		if err != nil {
			return file{}, false, err
		}
		if !fi.Mode().IsRegular() {
			return file{}, false, nil // became a link or directory: the next Read sees it
		}
		st := stampOf(fi)
		if old, ok := s.r.files[p]; ok && old.stamp == st && !old.young {
			return old, true, nil
		}
		f, err := s.load(p, fi, st)
		if !errors.Is(err, errChanged) {
			return f, err == nil, err
		}
	}
	return file{}, false, fmt.Errorf("%s changes faster than it can be read", p)
}

// errChanged says that a file is not what it was a moment ago.
var errChanged = errors.New("the file changed while it was read")

// load reads a file that must still be the one that fi describes.
func (s *scan) load(p string, fi fs.FileInfo, st stamp) (file, error) {
	f := file{stamp: st, young: s.young(st)}
	if st.size > tree.MaxFileBytes {
		f.blob = largeBlob(p, st)
		return f, nil
	}
	// Without O_NONBLOCK a pipe put in the file's place would hold us for ever.
	of, err := os.OpenFile(s.at(p), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return file{}, errChanged
	}
	if err != nil {
		return file{}, err
	}
	defer of.Close()
	s.r.opened++
	if now, err := of.Stat(); err != nil || !os.SameFile(fi, now) || stampOf(now) != st {
		return file{}, errors.Join(errChanged, err)
	}
	buf := bytes.NewBuffer(make([]byte, 0, st.size+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(of, st.size+1)); err != nil {
		return file{}, fmt.Errorf("read %s: %w", p, err)
	}
	if now, err := of.Stat(); err != nil || int64(buf.Len()) != st.size || stampOf(now) != st {
		return file{}, errors.Join(errChanged, err)
	}
	f.blob = tree.BlobOf(buf.Bytes())
	if st.mode&0o100 != 0 {
		f.blob.Mode = tree.Executable
	}
	s.r.ids.note(f.blob, buf.Bytes())
	return f, nil
}

// young tells whether a file changed so shortly ago that the clock of the file
// system may give its next change the same time.
func (s *scan) young(st stamp) bool {
	limit := s.now.Add(-s.r.fresh).UnixNano()
	return st.mtime >= limit || st.ctime >= limit
}
