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
	"strings"
	"sync"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"

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
