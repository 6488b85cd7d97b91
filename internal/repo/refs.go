package repo

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/leat-dev/leat/internal/source/fault"
)

// Ref is a branch or tag with the commit that it stands for.
type Ref struct {
	Name   string // without refs/heads/ or refs/tags/
	Commit Hash
}

// Branches returns the branches of the remote as last fetched, sorted by name; of
// a repository without a remote its own.
func (r *Repo) Branches() ([]Ref, error) { return r.refs(r.branchPrefix()) }

// Tags returns the tags, sorted by name; a tag of anything but a commit is left out.
func (r *Repo) Tags() ([]Ref, error) { return r.refs("refs/tags/") }

func (r *Repo) branchPrefix() string {
	if r.remote == "" {
		return "refs/heads/"
	}
	return "refs/remotes/" + r.remote + "/"
}

func (r *Repo) refs(prefix string) ([]Ref, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	it, err := r.repo.Storer.IterReferences()
	if err != nil {
		return nil, fmt.Errorf("list refs: %w", err)
	}
	defer it.Close()
	var out []Ref
	err = it.ForEach(func(ref *plumbing.Reference) error {
		name, ok := strings.CutPrefix(ref.Name().String(), prefix)
		if !ok || ref.Type() != plumbing.HashReference {
			return nil
		}
		if h, ok := r.peel(ref.Hash()); ok {
			out = append(out, Ref{name, h})
		}
		return nil
	})
	slices.SortFunc(out, func(a, b Ref) int { return cmp.Compare(a.Name, b.Name) })
	return out, err
}

// peel follows tag objects to a commit.
func (r *Repo) peel(h plumbing.Hash) (Hash, bool) {
	for range 8 {
		t, err := object.GetTag(r.repo.Storer, h)
		if err != nil {
			return Hash(h), r.repo.Storer.HasEncodedObject(h) == nil
		}
		if t.TargetType != plumbing.CommitObject && t.TargetType != plumbing.TagObject {
			return Hash{}, false
		}
		h = t.Target
	}
	return Hash{}, false
}

// Branch returns the head of a branch of the remote as last fetched; one that is
// not there is a fault.NotFound.
func (r *Repo) Branch(name string) (Hash, error) {
	return r.ref(r.branchPrefix()+name, fmt.Sprintf("branch %q", name))
}

// Local returns the head of a branch of this clone.
func (r *Repo) Local(name string) (Hash, error) {
	return r.ref("refs/heads/"+name, fmt.Sprintf("local branch %q", name))
}

// Tag returns the commit of a tag.
func (r *Repo) Tag(name string) (Hash, error) {
	return r.ref("refs/tags/"+name, fmt.Sprintf("tag %q", name))
}

// At returns the commit of a ref by its full name, such as refs/notes/x; false when
// it is not there.
func (r *Repo) At(ref string) (Hash, bool) {
	h, err := r.ref(ref, ref)
	return h, err == nil
}

func (r *Repo) ref(name, shown string) (Hash, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ref, err := storer.ResolveReference(r.repo.Storer, plumbing.ReferenceName(name))
	if err != nil {
		return Hash{}, &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("there is no %s", shown)}
	}
	h, ok := r.peel(ref.Hash())
	if !ok {
		return Hash{}, &fault.Error{Class: fault.Corrupt, Err: fmt.Errorf("%s names %s, which is not here", shown, ref.Hash())}
	}
	return h, nil
}

// Resolve returns the commit that a name means: a branch of the remote, a branch
// of this clone, a tag, digits of a commit, with ~2 and the like.
func (r *Repo) Resolve(name string) (Hash, error) {
	if h, err := r.Branch(name); err == nil {
		return h, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.repo.ResolveRevision(plumbing.Revision(name))
	if err != nil {
		return Hash{}, &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("%q is no branch, tag or commit of the repository: %w", name, err)}
	}
	return Hash(*h), nil
}

// DefaultBranch returns the branch that the remote's HEAD names; "" when it is
// not known.
func (r *Repo) DefaultBranch() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := plumbing.ReferenceName(r.branchPrefix() + "HEAD")
	if r.remote == "" {
		name = plumbing.HEAD
	}
	ref, err := r.repo.Storer.Reference(name)
	if err != nil || ref.Type() != plumbing.SymbolicReference {
		return ""
	}
	return strings.TrimPrefix(ref.Target().String(), r.branchPrefix())
}

// SetLocal puts a branch of this clone at a commit; it refuses to move one that
// exists, or the branch that is checked out.
func (r *Repo) SetLocal(branch string, commit Hash) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := plumbing.NewBranchReferenceName(branch)
	if ref, err := r.repo.Storer.Reference(name); err == nil {
		if Hash(ref.Hash()) == commit {
			return nil
		}
		return &fault.Error{Class: fault.Conflict, Err: fmt.Errorf("the local branch %s is there already, at %s", branch, ref.Hash())}
	}
	return r.repo.Storer.SetReference(plumbing.NewHashReference(name, plumbing.Hash(commit)))
}
