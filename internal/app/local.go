package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/words"
)

// LocalSources reads repositories from this machine: the fleet's own from the
// directory in which someone works, others from mirrors.
type LocalSources struct {
	// Own are the addresses of the fleet's own repository.
	Own     []string
	Fleet   Snapshots
	Mirrors []mirror.Mirror
	Pool    *git.Pool // of mirrors that are repositories

	mu      sync.Mutex
	readers map[string]*worktree.Reader
}

// Snapshots is where the fleet itself is read: a directory, or one revision of it.
type Snapshots interface {
	Read(ctx context.Context) (worktree.Snapshot, error)
}

// isOwn tells whether an address is that of the fleet's own repository.
func (l *LocalSources) isOwn(url string) bool {
	return slices.ContainsFunc(l.Own, func(own string) bool { return mirror.Same(own, url) })
}

// Local implements engine.Git.
func (l *LocalSources) Local(url string) bool {
	if l.isOwn(url) {
		return true
	}
	_, _, ok := mirror.Find(l.Mirrors, url)
	return ok
}

// Offline words the refusal of an address that is not on this machine.
func (l *LocalSources) Offline(url string) error { return offline(report.ReasonGitFailed, url) }

func offline(reason, address string) error {
	at := shown(address)
	return report.RetryOn(reason, fmt.Errorf(
		"%s is not on this machine and the network is not used; pass --mirror %s=FOLDER, or --fetch", at, at), report.Remedy(at))
}

// shown is an address without what may be secret in it.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil && u.RawQuery == "" {
		return address // also host:path of ssh, which has no place for a secret
	}
	_, secret := u.User.Password()
	if secret || u.Scheme != "ssh" {
		u.User = nil
	}
	u.RawQuery = ""
	return u.String()
}

// Fetch implements engine.Git.
func (l *LocalSources) Fetch(ctx context.Context, r engine.GitRequest) (engine.GitResult, error) {
	if l.isOwn(r.URL) {
		return taken(ctx, l.Fleet, branchOf(r.Ref), r)
	}
	m, rest, ok := mirror.Find(l.Mirrors, r.URL)
	if !ok {
		return engine.GitResult{}, l.Offline(r.URL)
	}
	dir, err := mirrored(m, rest)
	if err != nil {
		return engine.GitResult{}, report.Retry(report.ReasonGitFailed, err)
	}
	if isRepository(dir) {
		remote, err := l.Pool.Local(dir)
		if err != nil {
			return engine.GitResult{}, classify(err)
		}
		return fetch(ctx, remote, r, nil)
	}
	return l.folder(ctx, dir, r)
}

// mirrored finds the folder that stands for the rest of an address.
func mirrored(m mirror.Mirror, rest string) (string, error) {
	for _, dir := range []string{filepath.Join(m.Target, filepath.FromSlash(rest)), filepath.Join(m.Target, filepath.FromSlash(rest)) + ".git"} {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir, nil
		}
	}
	entries, err := os.ReadDir(m.Target)
	if err != nil {
		return "", fmt.Errorf("--mirror %s: %w", m.Text, err)
	}
	return "", fmt.Errorf("--mirror %s: there is no %q; there is %s", m.Text, rest, words.Some(dirsOf(entries)))
}

func isRepository(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		return true
	}
	head, err1 := os.Stat(filepath.Join(dir, "HEAD"))
	objects, err2 := os.Stat(filepath.Join(dir, "objects"))
	return err1 == nil && err2 == nil && !head.IsDir() && objects.IsDir()
}

// folder reads a folder with a folder per branch, or, where files stand at its
// top, a folder that is the repository whatever the reference.
func (l *LocalSources) folder(ctx context.Context, dir string, r engine.GitRequest) (engine.GitResult, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return engine.GitResult{}, report.Retry(report.ReasonGitFailed, err)
	}
	branch := branchOf(r.Ref)
	branches := dirsOf(entries)
	if len(branches) < len(entries) { // a file at the top: no folder of branches
		return read(ctx, l.reader(dir), branch, r)
	}
	for _, name := range []string{branch, mirror.Folder(branch)} {
		if slices.Contains(branches, name) {
			return read(ctx, l.reader(filepath.Join(dir, name)), branch, r)
		}
	}
	return engine.GitResult{}, report.Retry(report.ReasonGitFailed, fmt.Errorf(
		"the mirror of %s has no %q; it has %s", r.URL, branch, words.Some(mirror.Branches(branches))))
}

// branchOf returns the name that a reference means in a folder of branches.
func branchOf(ref *sourcev1.GitRepositoryRef) string {
	if ref == nil {
		return git.DefaultBranch
	}
	name := strings.TrimPrefix(strings.TrimPrefix(ref.Name, "refs/heads/"), "refs/tags/")
	return cmp.Or(name, ref.Tag, ref.SemVer, ref.Branch, ref.Commit, git.DefaultBranch)
}

func (l *LocalSources) reader(dir string) *worktree.Reader {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.readers == nil {
		l.readers = make(map[string]*worktree.Reader)
	}
	if r := l.readers[dir]; r != nil {
		return r
	}
	r, err := worktree.Open(dir)
	if err != nil {
		return nil
	}
	l.readers[dir] = r
	return r
}

// read takes a directory as it is now for what a request asks.
func read(ctx context.Context, r *worktree.Reader, branch string, req engine.GitRequest) (engine.GitResult, error) {
	if r == nil {
		return engine.GitResult{}, report.Retry(report.ReasonGitFailed, errors.New("the directory cannot be read"))
	}
	return taken(ctx, r, branch, req)
}

func taken(ctx context.Context, from Snapshots, branch string, req engine.GitRequest) (engine.GitResult, error) {
	snap, err := from.Read(ctx)
	if err != nil {
		return engine.GitResult{}, report.Retry(report.ReasonGitFailed, err)
	}
	snap.Branch = branch
	t := snap.Tree
	if len(req.Sparse) > 0 {
		if t, err = sparse(t, req.Sparse); err != nil {
			return engine.GitResult{}, report.Retry(report.ReasonGitFailed, err)
		}
	}
	return engine.GitResult{Revision: snap.Revision(), Commit: snap.Commit, Tree: t, Notes: snap.Notes, Pushed: true}, nil
}

// sparse keeps the directories that spec.sparseCheckout names.
func sparse(t tree.Tree, dirs []string) (tree.Tree, error) {
	var out tree.Tree
	for _, dir := range dirs {
		sub, err := t.Sub(dir)
		if err != nil {
			return out, fmt.Errorf("sparseCheckout: %w", err)
		}
		clean, err := tree.Clean(dir)
		if err != nil {
			return out, err
		}
		if out, err = out.WithTree(clean, sub); err != nil {
			return out, err
		}
	}
	return out, nil
}

func dirsOf(entries []os.DirEntry) []string {
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out
}
