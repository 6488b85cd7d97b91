// Package repo is a Git repository as the flow needs it: branches and tags, files
// and history of commits, commits made of trees, and pushes that say which value
// they expect to replace.
//
//	r, err := repo.Open(".", repo.Options{})                                  // a clone on this machine
//	r, err := repo.Clone(ctx, "https://git.example.com/team/fleet", options)  // a kept copy of a remote
//	err = r.Fetch(ctx)
//	head, err := r.Branch("release")
//	files, err := r.Tree(ctx, head, "production-configs")
//	id, err := r.Commit(ctx, repo.Draft{Parents: []repo.Hash{head}, Dir: "production-configs", Files: &changed, …})
//	err = r.Push(ctx, repo.Update{Branch: "promote/production", New: id})
//
// What it makes is deterministic: equal drafts give equal commits. It never
// touches a work tree or the checked-out branch, never runs a hook, and needs no
// git program (a person's credential helper, where one is configured, is the
// exception). A push without the expected old value does not exist here.
package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/tree"
)

// Hash is the SHA-1 name of a commit or another object of Git.
type Hash = git.Hash

// Person is an author or committer, and when.
type Person = git.Person

// Options of Open and Clone. The zero value is usable.
type Options struct {
	Dir        string          // Clone: where copies are kept; "" for a directory that Close removes
	Remote     string          // Open: the remote that is meant; "" for origin, or the only one
	Credential *git.Credential // nil for what the person at this machine has, see Personal
	Git        git.Options
}

// Repo is a repository. It may be used by several goroutines.
type Repo struct {
	dir    string   // of objects and refs
	remote string   // name of the remote; "" for a repository without one
	temp   string   // removed by Close
	lock   *os.File // of a kept copy; nil for others
	kept   bool     // a copy of ours, no person's clone
	repo   *gogit.Repository
	pool   *git.Pool
	url    string // of the remote; "" without one
	o      Options

	linking sync.Mutex
	link    *git.Link // made when it is first needed: reading needs no credential

	mu    sync.Mutex // go-git's storage serves one at a time
	graph graph
}

// Open opens the clone whose work tree, or git directory, dir is or lies below.
func Open(dir string, o Options) (*Repo, error) {
	top, _, ok := git.InRepository(dir)
	if !ok {
		top = dir
	}
	repo, err := gogit.PlainOpenWithOptions(top, &gogit.PlainOpenOptions{EnableDotGitCommonDir: true})
	if errors.Is(err, gogit.ErrRepositoryNotExists) {
		return nil, &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("%s is no Git repository", dir)}
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	r := &Repo{repo: repo, dir: commonDir(top), o: o}
	if err := r.connect(o); err != nil {
		return nil, err
	}
	return r, r.serveTrees(o)
}

// Clone opens the kept copy of a remote repository, which is empty until the
// first Fetch of all.
func Clone(ctx context.Context, url string, o Options) (*Repo, error) {
	r := &Repo{remote: defaultRemote, kept: true, url: address(url), o: o}
	err := r.house()
	if err != nil {
		return nil, err
	}
	if r.repo, err = openBare(r.dir); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if err = r.serveTrees(o); err == nil {
		err = r.Fetch(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

const defaultRemote = "origin"

// house chooses the directory of a copy: the one that is kept, unless somebody else has
// it open, else one of its own. go-git writes refs in place, so that two who share a
// copy would read each other's half.
func (r *Repo) house() error {
	name := git.KeyOf(withoutUser(r.url)) + ".git"
	if r.o.Dir != "" {
		r.dir = filepath.Join(r.o.Dir, name)
		var err error
		if r.lock, err = locked(r.dir + ".lock"); err != nil || r.lock != nil {
			return err
		}
	}
	var err error
	if r.temp, err = os.MkdirTemp("", "leat-repo-"); err != nil {
		return fmt.Errorf("clone: %w", err)
	}
	r.dir = filepath.Join(r.temp, name)
	return nil
}

// locked holds a file until it is closed; nil where somebody else does.
func locked(name string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, fmt.Errorf("open copy: %w", err)
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open copy: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, file.Close() // it is in use
	}
	return file, nil
}

func openBare(dir string) (*gogit.Repository, error) {
	repo, err := gogit.PlainOpen(dir)
	if errors.Is(err, gogit.ErrRepositoryNotExists) {
		if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
			return nil, fmt.Errorf("open copy: %w", err)
		}
		repo, err = gogit.PlainInit(dir, true)
		if err == nil {
			err = os.MkdirAll(filepath.Join(dir, "objects", "pack"), 0o700)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open copy: %w", err)
	}
	return repo, nil
}

// connect finds the remote of a clone.
func (r *Repo) connect(o Options) error {
	cfg, err := r.repo.Config()
	if err != nil {
		return fmt.Errorf("read the configuration of %s: %w", r.dir, err)
	}
	r.remote = pickRemote(cfg, o.Remote)
	if r.remote == "" {
		if o.Remote != "" {
			return &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("there is no remote %q", o.Remote)}
		}
		return nil
	}
	url := address(cfg.Remotes[r.remote].URLs[0])
	if !filepath.IsAbs(url) && !strings.Contains(url, "://") {
		url = filepath.Join(filepath.Dir(r.dir), url)
	}
	r.url = url
	return nil
}

// connected returns the link to the remote, nil where there is none.
func (r *Repo) connected(ctx context.Context) (*git.Link, error) {
	r.linking.Lock()
	defer r.linking.Unlock()
	if r.link != nil || r.url == "" {
		return r.link, nil
	}
	var err error
	r.link, err = linkTo(ctx, r.url, r.o)
	return r.link, err
}

func pickRemote(cfg *config.Config, want string) string {
	if want = cmp.Or(want, defaultRemote); cfg.Remotes[want] != nil && len(cfg.Remotes[want].URLs) > 0 {
		return want
	}
	if want == defaultRemote && len(cfg.Remotes) == 1 {
		for name, rem := range cfg.Remotes {
			if len(rem.URLs) > 0 {
				return name
			}
		}
	}
	return ""
}

// commonDir returns the directory of objects and refs of a work tree: for one of
// several, that of the first (gitrepository-layout, commondir).
func commonDir(top string) string {
	at := filepath.Join(top, ".git")
	info, err := os.Stat(at)
	switch {
	case err != nil:
		return top // bare
	case !info.IsDir():
		b, _ := os.ReadFile(at)
		dir := strings.TrimSpace(strings.TrimPrefix(string(b), "gitdir:"))
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(top, dir)
		}
		at = dir
	}
	if b, err := os.ReadFile(filepath.Join(at, "commondir")); err == nil {
		common := strings.TrimSpace(string(b))
		if !filepath.IsAbs(common) {
			common = filepath.Join(at, common)
		}
		return common
	}
	return at
}

// serveTrees opens what reads the files of commits.
func (r *Repo) serveTrees(o Options) error {
	dir, err := os.MkdirTemp("", "leat-trees-")
	if err != nil {
		return fmt.Errorf("open %s: %w", r.dir, err)
	}
	defer os.RemoveAll(dir) // a pool of local repositories keeps nothing
	r.pool, err = git.NewPool(dir, o.Git)
	return err
}

// Close ends connections and removes what was temporary.
func (r *Repo) Close() error {
	var errs []error
	if r.pool != nil {
		errs = append(errs, r.pool.Close())
	}
	if r.link != nil {
		errs = append(errs, r.link.Close())
	}
	if r.temp != "" {
		errs = append(errs, os.RemoveAll(r.temp))
	}
	if r.lock != nil {
		errs = append(errs, r.lock.Close())
	}
	return errors.Join(errs...)
}

// URL returns the address of the remote, without user information; "" without one.
func (r *Repo) URL() string { return withoutUser(r.url) }

// Dir returns the git directory.
func (r *Repo) Dir() string { return r.dir }

// Tree returns the files of a commit, or of one directory of it; a directory that
// is not there is an error that is fs.ErrNotExist. Links and submodules are not
// among them; Commit keeps them.
func (r *Repo) Tree(ctx context.Context, commit Hash, dir string) (tree.Tree, error) {
	out, err := r.pool.At(ctx, r.dir, commit)
	if err != nil {
		return tree.Tree{}, fmt.Errorf("read the files of %s: %w", commit, err)
	}
	if dir == "" || dir == "." {
		return out.Tree, nil
	}
	return out.Tree.Sub(dir)
}

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
