package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git/wire"
)

// LocalLink is a link to a repository in a directory of this machine. Its hooks do
// not run; refs are moved under the locks that git itself takes.
func LocalLink(dir string, o Options) (*Link, error) {
	_, cl, err := openLocal(dir)
	if err != nil {
		return nil, err
	}
	at := dir
	if info, err := os.Stat(filepath.Join(dir, ".git")); err == nil && info.IsDir() {
		at = filepath.Join(dir, ".git")
	}
	return &Link{shown: dir, limits: o.Limits.withDefaults(), client: &localWriter{local: cl, dir: at}}, nil
}

// localWriter is a repository on this machine that may be pushed to.
type localWriter struct {
	*local
	dir string
}

// List implements client; it keeps notes too.
func (l *localWriter) List(ctx context.Context, o wire.ListOptions) ([]wire.Ref, error) {
	l.st.mu.Lock()
	it, err := iterate(ctx, l.refs)
	if err == nil {
		err = it.ForEach(func(ref *plumbing.Reference) error {
			if ref.Name().IsNote() {
				o.Names = append(o.Names, ref.Name().String())
			}
			return nil
		})
	}
	l.st.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return l.local.List(ctx, o)
}

// Fetch implements client: a pack of all that wants reach and haves do not.
func (l *localWriter) Fetch(ctx context.Context, r wire.Request) (*wire.Pack, error) {
	l.st.mu.Lock()
	defer l.st.mu.Unlock()
	l.st.refresh()
	seen := map[plumbing.Hash]bool{}
	for _, h := range r.Haves {
		if err := l.reach(ctx, plumbing.Hash(h), seen, nil); err != nil && !errors.Is(err, plumbing.ErrObjectNotFound) {
			return nil, err
		}
	}
	var ids []plumbing.Hash
	for _, h := range r.Wants {
		if err := l.reach(ctx, plumbing.Hash(h), seen, &ids); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp("", "leat-fetch-")
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name())
	if _, err := packfile.NewEncoder(f, l.st.objects, false).Encode(ids, 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	_, err = f.Seek(0, io.SeekStart)
	return &wire.Pack{ReadCloser: f}, err
}

// reach visits an object with all it reaches, and lists what is new.
func (l *localWriter) reach(ctx context.Context, h plumbing.Hash, seen map[plumbing.Hash]bool, ids *[]plumbing.Hash) error {
	for todo := []plumbing.Hash{h}; len(todo) > 0; {
		h, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if seen[h] {
			continue
		}
		seen[h] = true
		if ids != nil {
			*ids = append(*ids, h)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		below, err := l.below(h)
		if err != nil {
			return err
		}
		todo = append(todo, below...)
	}
	return nil
}

func (l *localWriter) below(h plumbing.Hash) (out []plumbing.Hash, err error) {
	o, err := object.GetObject(l.st.objects, h)
	if err != nil {
		return nil, err
	}
	switch o := o.(type) {
	case *object.Commit:
		return append(o.ParentHashes, o.TreeHash), nil
	case *object.Tag:
		return []plumbing.Hash{o.Target}, nil
	case *object.Tree:
		for _, e := range o.Entries {
			if e.Mode.IsFile() || e.Mode == 0o040000 {
				out = append(out, e.Hash)
			}
		}
	}
	return out, nil
}

// Push implements pusher.
func (l *localWriter) Push(ctx context.Context, p wire.Push) error {
	have, err := l.List(ctx, wire.ListOptions{Prefixes: []string{heads, tags}, MaxRefs: DefaultLimits.Refs})
	if err != nil {
		return err
	}
	var pack io.ReadCloser
	if slices.ContainsFunc(p.Updates, func(u wire.Update) bool { return !u.New.IsZero() }) {
		if pack, err = p.Pack(have); err != nil {
			return err
		}
		defer pack.Close()
	}
	l.st.mu.Lock() // go-git's storage serves one at a time
	defer l.st.mu.Unlock()
	if pack != nil {
		if _, err := l.st.ingestInto(ctx, l.dir, pack); err != nil {
			return err
		}
	}
	return l.move(p.Updates)
}

// move takes all locks, compares, and moves; with a lock or value that is not as
// expected nothing moves.
func (l *localWriter) move(updates []wire.Update) (err error) {
	var locks []string
	defer func() {
		for _, lock := range locks {
			os.Remove(lock)
		}
	}()
	refused := &wire.RefusedError{Refs: map[string]string{}}
	for _, u := range updates {
		if !wire.ValidName(u.Name) || !strings.HasPrefix(u.Name, "refs/") {
			return &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("%.100q is no name of a ref", u.Name)}
		}
		lock := filepath.Join(l.dir, filepath.FromSlash(u.Name)) + ".lock"
		if err := os.MkdirAll(filepath.Dir(lock), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			refused.Refs[u.Name] = "cannot lock ref"
			return refused
		}
		locks = append(locks, lock)
		if _, err = fmt.Fprintln(f, u.New); errors.Join(err, f.Close()) != nil {
			return fmt.Errorf("write %s: %w", u.Name, err)
		}
		if at, err := storer.ResolveReference(l.refs, plumbing.ReferenceName(u.Name)); (err == nil) != !u.Old.IsZero() || err == nil && Hash(at.Hash()) != u.Old {
			refused.Refs[u.Name] = "incorrect old value"
		}
	}
	if len(refused.Refs) > 0 {
		return refused
	}
	for i, u := range updates {
		if u.New.IsZero() {
			err = l.refs.RemoveReference(plumbing.ReferenceName(u.Name))
		} else {
			err = os.Rename(locks[i], strings.TrimSuffix(locks[i], ".lock"))
		}
		if err != nil {
			return fmt.Errorf("move %s: %w", u.Name, err)
		}
	}
	return nil
}

// ingestInto takes a pack into a repository that is not a store of ours.
func (st *store) ingestInto(ctx context.Context, dir string, pack io.Reader) (stats, error) {
	in := &store{dir: dir, objects: st.objects, blobs: map[Hash]blobInfo{}}
	got, err := in.ingest(ctx, pack, DefaultLimits, newLRU(0))
	if st.refresh != nil {
		st.refresh()
	}
	return got, err
}
