package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"

	"github.com/leat-dev/leat/internal/source/fault"
)

// History reads the commits of a repository on this machine: what a name means,
// and where two of them parted.
//
//	h, err := git.OpenHistory("../fleet")
//	base, err := h.MergeBase(h.Upstream(), "HEAD")
type History struct{ repo *gogit.Repository }

// OpenHistory opens the repository whose work tree, or git directory, dir is.
func OpenHistory(dir string) (*History, error) {
	repo, err := gogit.PlainOpenWithOptions(dir, &gogit.PlainOpenOptions{EnableDotGitCommonDir: true})
	if errors.Is(err, gogit.ErrRepositoryNotExists) {
		return nil, &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("%s is no Git repository", dir)}
	}
	if err != nil {
		return nil, &fault.Error{Class: fault.Unreachable, Err: fmt.Errorf("open %s: %w", dir, err)}
	}
	return &History{repo}, nil
}

// Commit returns the commit that a name means: a branch, a tag, 4 to 40 digits of
// a commit, with ~2 and the like (gitrevisions(7), as far as go-git reads it).
func (h *History) Commit(name string) (Hash, error) {
	c, err := h.repo.ResolveRevision(plumbing.Revision(name))
	if err != nil {
		return Hash{}, &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("%q is no branch, tag or commit of the repository: %w", name, err)}
	}
	return Hash(*c), nil
}

// MergeBase returns the newest commit that both names have in their history.
func (h *History) MergeBase(a, b string) (Hash, error) {
	of := [2]string{a, b}
	var ids [2]Hash
	for i, name := range of {
		id, err := h.Commit(name)
		if err != nil {
			return Hash{}, err
		}
		ids[i] = id
	}
	if ids[0] == ids[1] {
		return ids[0], nil
	}
	one, err := h.repo.CommitObject(plumbing.Hash(ids[0]))
	if err != nil {
		return Hash{}, fmt.Errorf("read commit %s: %w", ids[0], err)
	}
	two, err := h.repo.CommitObject(plumbing.Hash(ids[1]))
	if err != nil {
		return Hash{}, fmt.Errorf("read commit %s: %w", ids[1], err)
	}
	common, err := one.MergeBase(two)
	if err != nil {
		return Hash{}, fmt.Errorf("find where %s and %s parted: %w; is the clone shallow? fetch more of its history, or pass --base", a, b, err)
	}
	if len(common) == 0 {
		return Hash{}, fmt.Errorf("%s and %s have no commit in common; pass --base", a, b)
	}
	return Hash(common[0].Hash), nil
}

// Upstream returns the name of what changes are merged into: the upstream of the
// checked-out branch if that has another name, else the default branch of the
// remote, else main or master; "" where there is none of them.
func (h *History) Upstream() string {
	branch := h.Branch()
	if cfg, err := h.repo.Config(); err == nil {
		if b := cfg.Branches[branch]; b != nil && b.Remote != "" && b.Merge.Short() != branch {
			return "refs/remotes/" + b.Remote + "/" + b.Merge.Short()
		}
	}
	for _, name := range []string{
		"refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/remotes/origin/master", "refs/heads/main", "refs/heads/master",
	} {
		if _, err := h.Commit(name); err == nil {
			return name
		}
	}
	return ""
}

// Branch returns the name of the checked-out branch; "" where HEAD names none.
func (h *History) Branch() string {
	ref, err := h.repo.Reference(plumbing.HEAD, false)
	if err != nil || ref.Type() != plumbing.SymbolicReference {
		return ""
	}
	return ref.Target().Short()
}

// InRepository returns the top of the repository that dir lies in, and the path
// from there to dir; false where it lies in none.
func InRepository(dir string) (top, rest string, ok bool) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", "", false
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	for top = abs; ; top = filepath.Dir(top) {
		if _, err := os.Lstat(filepath.Join(top, ".git")); err == nil {
			rest, err := filepath.Rel(top, abs)
			return top, filepath.ToSlash(rest), err == nil && !strings.HasPrefix(rest, "..")
		}
		if top == filepath.Dir(top) {
			return "", "", false
		}
	}
}

// At returns the tree of a commit that is in a repository on this machine.
func (p *Pool) At(ctx context.Context, dir string, id Hash) (Checkout, error) {
	r, err := p.Local(dir)
	if err != nil {
		return Checkout{}, err
	}
	c, err := r.Resolve(ctx, Ref{Commit: id.String()}, p.o.Now())
	if err != nil {
		return Checkout{}, err
	}
	return r.Tree(ctx, c, TreeOptions{})
}
