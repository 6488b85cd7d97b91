package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/tree"
)

// TreeOptions say what of a commit belongs to the tree.
type TreeOptions struct {
	Sparse     []string // directories; none for all
	Submodules bool     // whether to bring what submodules name
}

// Checkout is a commit as a tree.
type Checkout struct {
	Tree  tree.Tree
	Notes []string // what was left out: links, submodules
}

// maxTree bounds one tree object in bytes, maxNotes the notes of a checkout.
const (
	maxTree  = 32 << 20
	maxNotes = 100
)

// Tree returns the files of a commit. Symbolic links are left out, as Flux's
// artifacts carry none. Contents stay on disk until they are read; a file above
// tree.MaxFileBytes can be listed and left out, but not read.
func (r *Remote) Tree(ctx context.Context, c Commit, o TreeOptions) (Checkout, error) {
	out, err := r.checkout(ctx, c, o, 0)
	if err != nil && errors.Is(err, errGone) && r.url.Scheme != "file" {
		// The disk lost something: fetch it again, once.
		if again := r.renew(ctx, c.Target); again != nil {
			return Checkout{}, errors.Join(r.at(err), again)
		}
		out, err = r.checkout(ctx, c, o, 0)
	}
	if err != nil {
		return Checkout{}, r.at(fmt.Errorf("read tree of %s: %w", c.Hash, err))
	}
	return out, nil
}

func (r *Remote) checkout(ctx context.Context, c Commit, o TreeOptions, depth int) (Checkout, error) {
	w := walk{ctx: ctx, st: r.objects(), cache: r.pool.contents, hashed: &r.pool.hashed, b: tree.Builder{Limits: tree.Limits{
		Files: tree.MaxFiles, Bytes: math.MaxInt64, FileBytes: math.MaxInt64,
	}}}
	if err := w.sparse(o.Sparse); err != nil {
		return Checkout{}, err
	}
	if err := w.dir(c.Tree, ""); err != nil {
		return Checkout{}, err
	}
	for _, s := range w.only {
		if !s.found {
			return Checkout{}, &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("sparseCheckout names %q, which is not in the repository", s.path)}
		}
	}
	t, err := w.b.Tree()
	if err != nil {
		return Checkout{}, err
	}
	out := Checkout{Tree: t, Notes: w.notes}
	if o.Submodules && len(w.modules) > 0 {
		return r.withSubmodules(ctx, out, w.modules, depth)
	}
	for _, m := range w.modules {
		w.note("left out %s, a submodule", m.path)
	}
	out.Notes = w.notes
	return out, nil
}

// walk reads tree objects into a builder.
type walk struct {
	ctx     context.Context // of the one checkout
	st      *store
	cache   *lru
	hashed  *hashed
	b       tree.Builder
	only    []*wanted
	notes   []string
	modules []module
}

// module is an entry that names a commit of another repository.
type module struct {
	path   string
	commit Hash
}

// wanted is a directory of a sparse checkout.
type wanted struct {
	path  string
	found bool
}

// sparse takes the directories of spec.sparseCheckout.
func (w *walk) sparse(dirs []string) error {
	for _, d := range dirs {
		clean, err := tree.Clean(strings.TrimPrefix(d, "./"))
		if err != nil || strings.HasPrefix(d, "/") {
			return &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("sparseCheckout: %q is no directory of the repository", d)}
		}
		w.only = append(w.only, &wanted{path: clean, found: clean == "."})
	}
	return nil
}

// enters tells whether a directory holds or lies in a wanted one; files tells
// whether files at p are wanted.
func (w *walk) enters(dir string) bool {
	if len(w.only) == 0 {
		return true
	}
	enters := false
	for _, s := range w.only {
		if s.path == dir {
			s.found = true
		}
		if s.path == "." || within(dir, s.path) || within(s.path, dir) {
			enters = true
		}
	}
	return enters
}

func (w *walk) takes(file string) bool {
	if len(w.only) == 0 {
		return true
	}
	takes := false
	for _, s := range w.only {
		if s.path == file {
			s.found = true // Flux asks only that something is there
		}
		if s.path == "." || within(file, s.path) {
			takes = true
		}
	}
	return takes
}

// within tells whether p is dir or lies below it: by elements, not by prefix.
func within(p, dir string) bool {
	return p == dir || strings.HasPrefix(p, dir+"/")
}

func (w *walk) note(format string, args ...any) {
	if len(w.notes) < maxNotes {
		w.notes = append(w.notes, fmt.Sprintf(format, args...))
	}
}

func (w *walk) dir(id Hash, prefix string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if strings.Count(prefix, "/") > tree.MaxDepth {
		return unsafe("directories are nested deeper than %d", tree.MaxDepth)
	}
	b, err := w.st.object(plumbing.TreeObject, id, maxTree)
	if err != nil {
		return err
	}
	return eachEntry(b, func(mode, name string, id Hash) error {
		if err := checkEntry(prefix, name); err != nil {
			return err
		}
		return w.entry(mode, prefix+name, id)
	})
}

func (w *walk) entry(mode, p string, id Hash) error {
	switch mode {
	case "40000", "040000":
		if !w.enters(p) {
			return nil
		}
		return w.dir(id, p+"/")
	case "120000":
		if w.takes(p) {
			w.note("left out %s, a symbolic link", p)
		}
		return nil
	case "160000":
		if w.takes(p) {
			w.modules = append(w.modules, module{p, id})
		}
		return nil
	case "100644", "100664", "100755":
		if !w.takes(p) {
			return nil
		}
		return w.file(mode, p, id)
	default:
		return unsafe("%s has the mode %q, which Git does not use", p, mode)
	}
}

func (w *walk) file(mode, p string, id Hash) error {
	info, known := w.hashed.get(id)
	if !known {
		var err error
		if info, err = w.st.blob(id, tree.MaxFileBytes); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		w.hashed.put(id, info)
	}
	m := tree.Regular
	if mode == "100755" {
		m = tree.Executable
	}
	if info.id.IsZero() {
		large := hash.New("large/v1").Bytes(id[:]).Sum()
		return w.b.Add(p, tree.NewBlob(large, info.size, m, tooLong(info.size)))
	}
	return w.b.Add(p, tree.NewBlob(info.id, info.size, m, &content{w.st, w.cache, id, tree.MaxFileBytes}))
}

// tooLong is the content of a file that is never read.
type tooLong int64

// Read implements tree.Content.
func (n tooLong) Read() ([]byte, error) {
	return nil, &fault.Error{Class: fault.TooLarge, Err: fmt.Errorf("the file has %d bytes, more than the limit of %d for one file; exclude it with spec.ignore or .sourceignore", int64(n), tree.MaxFileBytes)}
}

func unsafe(format string, args ...any) error {
	return &fault.Error{Class: fault.Unsafe, Err: fmt.Errorf(format, args...)}
}

// eachEntry decodes a tree object: «<octal mode> <name> NUL <20 bytes>» for
// each entry (gitformat-pack and Git's tree-walk.c).
func eachEntry(b []byte, visit func(mode, name string, id Hash) error) error {
	for len(b) > 0 {
		space := bytes.IndexByte(b, ' ')
		nul := bytes.IndexByte(b, 0)
		if space <= 0 || space > 6 || nul <= space+1 || len(b) < nul+1+20 {
			return unsafe("a tree object is malformed")
		}
		if err := visit(string(b[:space]), string(b[space+1:nul]), Hash(b[nul+1:nul+21])); err != nil {
			return err
		}
		b = b[nul+21:]
	}
	return nil
}

// checkEntry refuses names that Git itself never checks out.
func checkEntry(prefix, name string) error {
	switch {
	case name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return unsafe("a tree holds the name %q below %q", name, prefix)
	case isDotGit(name):
		return unsafe("a tree holds %q below %q, which would pass for Git's own directory", name, prefix)
	}
	return nil
}

// isDotGit tells whether a file system might take a name for .git: letters of
// any case, what HFS+ ignores, NTFS's short name and what it drops at the end.
func isDotGit(name string) bool {
	if len(name) > 64 {
		return false
	}
	name = strings.Map(func(r rune) rune {
		if r >= 0x200c && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x206a && r <= 0x206f || r == 0xfeff {
			return -1
		}
		return r
	}, name)
	name, _, _ = strings.Cut(strings.ToLower(name), ":")
	name = strings.TrimRight(name, " .")
	return name == ".git" || name == "git~1"
}
