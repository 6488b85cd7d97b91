package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/tree"
)

// FlowRepo is a fleet's repository with the flow that it declares.
type FlowRepo struct {
	Flow flow.Flow
	File string // leat.yaml, as it is on this machine
	Repo *repo.Repo

	rest string // of the fleet in the repository; "." for all of it
}

// OpenFlow opens the repository in which a directory lies, and reads the leat.yaml
// that stands in the directory or nearest above it. The work tree's file counts:
// nothing here guards anything. Where the branch that is checked out has none, as that
// of an environment may, the default branch's does.
func OpenFlow(dir string) (*FlowRepo, error) {
	f, err := OpenFlowRepo(dir)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(f.File)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = f.elsewhere()
	}
	if err == nil {
		f.Flow, err = flow.Parse(f.File, data)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// elsewhere reads leat.yaml from the head of the default branch, of the same directory
// or the nearest above it.
func (f *FlowRepo) elsewhere() ([]byte, error) {
	missing := fmt.Errorf("there is no %s in %s; leat init proposes one", flow.FileName, filepath.Dir(f.File))
	head, err := f.Repo.Branch(f.Repo.DefaultBranch())
	if err != nil {
		return nil, missing
	}
	all, err := f.Repo.Tree(context.Background(), head, "")
	if err != nil {
		return nil, err
	}
	top := strings.TrimSuffix(filepath.Dir(f.File), filepath.FromSlash(f.rest))
	for at := f.rest; ; at = path.Dir(at) {
		if data, err := all.ReadFile(path.Join(at, flow.FileName)); err == nil {
			f.rest, f.File = at, filepath.Join(top, at, flow.FileName)
			return data, nil
		}
		if at == "." {
			return nil, missing
		}
	}
}

// OpenFlowRepo opens the repository of a fleet that need not have a leat.yaml.
func OpenFlowRepo(dir string) (*FlowRepo, error) {
	top, rest, ok := git.InRepository(dir)
	if !ok {
		return nil, fmt.Errorf("%s lies in no Git repository: the branches of the environments are looked for in one", dir)
	}
	for at := rest; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(top, at, flow.FileName)); err == nil {
			rest = at
			break
		}
		if at == "." {
			break
		}
	}
	r, err := repo.Open(top, repo.Options{})
	if err != nil {
		return nil, err
	}
	return &FlowRepo{File: filepath.Join(top, rest, flow.FileName), Repo: r, rest: filepath.ToSlash(rest)}, nil
}

// Close lets go of the repository.
func (f *FlowRepo) Close() error { return f.Repo.Close() }

// Head is a branch where it stands.
type Head struct {
	Branch string
	Commit repo.Commit
	Tree   tree.Tree // of the fleet, which may be a directory of the repository
	// Local tells that only this clone has the branch.
	Local bool
}

// Head returns the head of a branch: as the remote has it, as far as was fetched, or
// that of this clone where the remote does not have it.
func (f *FlowRepo) Head(ctx context.Context, branch string) (Head, error) {
	h := Head{Branch: branch}
	id, err := f.Repo.Branch(branch)
	if err != nil {
		h.Local = true
		if id, err = f.Repo.Local(branch); err != nil {
			return h, fmt.Errorf("there is no branch %q, neither of the remote nor of this clone; git fetch brings what is new", branch)
		}
	}
	if h.Commit, err = f.Repo.Look(id); err != nil {
		return h, err
	}
	h.Tree, err = f.at(ctx, id)
	return h, err
}

// at is the fleet at a commit; empty where it was not there yet.
func (f *FlowRepo) at(ctx context.Context, id repo.Hash) (tree.Tree, error) {
	t, err := f.Repo.Tree(ctx, id, f.rest)
	if errors.Is(err, fs.ErrNotExist) {
		return tree.Tree{}, nil
	}
	return t, err
}

// in is a directory of the fleet as the repository names it.
func (f *FlowRepo) in(dir string) string {
	return filepath.ToSlash(filepath.Join(f.rest, filepath.FromSlash(dir)))
}

// snapshot is a head as what previews render.
func (h Head) snapshot() worktree.Snapshot {
	return worktree.Snapshot{Tree: h.Tree, Branch: h.Branch, Commit: h.Commit.ID.String()}
}

// sub is a directory of a tree; empty where there is none.
func sub(t tree.Tree, dir string) tree.Tree {
	if dir == "" {
		return t
	}
	out, err := t.Sub(dir)
	if err != nil {
		return tree.Tree{}
	}
	return out
}

// Branches are those of the repository that may be environments, the default one
// first.
func (f *FlowRepo) Branches(ctx context.Context) ([]flow.Branch, error) {
	refs, err := f.Repo.Branches()
	if err != nil {
		return nil, err
	}
	first := f.Repo.DefaultBranch()
	var out []flow.Branch
	for _, r := range refs {
		if !flow.Lasting(r.Name) && r.Name != first {
			continue
		}
		h, err := f.Head(ctx, r.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, flow.Branch{Name: r.Name, Tree: h.Tree})
	}
	slices.SortStableFunc(out, func(a, b flow.Branch) int {
		switch first {
		case a.Name:
			return -1
		case b.Name:
			return 1
		}
		return 0
	})
	return out, nil
}
