package repo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/leat-dev/leat/internal/source/git"
)

const (
	headRefs = "refs/heads/"
	tagRefs  = "refs/tags/"
	noteRefs = "refs/notes/"
)

// Fetch brings the branches, tags and notes of the remote with all their history,
// and forgets branches that are gone there. Without a remote it does nothing.
func (r *Repo) Fetch(ctx context.Context) error {
	link, err := r.connected(ctx)
	if err != nil || link == nil {
		return err
	}
	listed, err := link.List(ctx)
	if err != nil {
		return fmt.Errorf("list branches: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	wants, err := r.missing(listed)
	if err != nil {
		return err
	}
	if len(wants) > 0 {
		haves, shallow := r.tips()
		into := git.Store{Dir: r.dir, Objects: r.repo.Storer, Shallow: shallow}
		if err := link.Fetch(ctx, into, wants, haves); err != nil {
			return err
		}
		r.reindex()
	}
	return r.note(listed)
}

// missing returns what is listed and not here; r.mu is held, as below.
func (r *Repo) missing(listed []git.AdvertisedRef) ([]Hash, error) {
	r.reindex()
	var out []Hash
	for _, ref := range listed {
		switch err := r.repo.Storer.HasEncodedObject(plumbing.Hash(ref.Hash)); {
		case errors.Is(err, plumbing.ErrObjectNotFound):
			if !slices.Contains(out, ref.Hash) {
				out = append(out, ref.Hash)
			}
		case err != nil:
			return nil, fmt.Errorf("read the local copy: %w", err)
		}
	}
	return out, nil
}

// reindex makes packs visible that were added beside go-git.
func (r *Repo) reindex() {
	if s, ok := r.repo.Storer.(interface{ Reindex() }); ok {
		s.Reindex()
	}
}

// maxHaves bounds how many commits a server is told that we have.
const maxHaves = 256

// tips returns commits that are here with all their history, and those that are
// here without their parents.
func (r *Repo) tips() (haves, shallow []Hash) {
	it, err := r.repo.Storer.IterReferences()
	if err != nil {
		return nil, nil
	}
	defer it.Close()
	seen := map[Hash]bool{}
	_ = it.ForEach(func(ref *plumbing.Reference) error {
		h := Hash(ref.Hash())
		if ref.Type() == plumbing.HashReference && !seen[h] && len(haves) < maxHaves && r.repo.Storer.HasEncodedObject(ref.Hash()) == nil {
			seen[h] = true
			haves = append(haves, h)
		}
		return nil
	})
	for h := range r.shallow() {
		shallow = append(shallow, h)
	}
	return haves, shallow
}

// note sets our refs as the remote's are. Tags that differ from ours stay ours in
// a clone, as git leaves them.
func (r *Repo) note(listed []git.AdvertisedRef) error {
	keep := map[string]bool{}
	var head Hash
	for _, ref := range listed {
		if ref.Name == "HEAD" {
			head = ref.Hash
			continue
		}
		name, ok := r.ours(ref.Name)
		if !ok {
			continue
		}
		keep[name] = true
		if err := r.set(name, ref.Hash); err != nil {
			return err
		}
	}
	if err := r.noteHead(listed, head); err != nil {
		return err
	}
	return r.prune(keep)
}

// ours says under which name a ref of the remote is kept.
func (r *Repo) ours(name string) (string, bool) {
	if branch, ok := strings.CutPrefix(name, headRefs); ok {
		return r.branchPrefix() + branch, true
	}
	return name, strings.HasPrefix(name, tagRefs) || strings.HasPrefix(name, noteRefs)
}

func (r *Repo) set(name string, h Hash) error {
	at := plumbing.ReferenceName(name)
	old, err := r.repo.Storer.Reference(at)
	if err == nil && (Hash(old.Hash()) == h || !r.kept && at.IsTag()) {
		return nil
	}
	if err := r.repo.Storer.SetReference(plumbing.NewHashReference(at, plumbing.Hash(h))); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// noteHead remembers the default branch: of those at HEAD's commit the one that
// we knew, else main, master or the first.
func (r *Repo) noteHead(listed []git.AdvertisedRef, head Hash) error {
	if head.IsZero() {
		return nil
	}
	at := plumbing.ReferenceName(r.branchPrefix() + "HEAD")
	var names []string
	for _, ref := range listed {
		if branch, ok := strings.CutPrefix(ref.Name, headRefs); ok && ref.Hash == head {
			names = append(names, branch)
		}
	}
	if len(names) == 0 {
		return nil
	}
	if old, err := r.repo.Storer.Reference(at); err == nil && old.Type() == plumbing.SymbolicReference &&
		slices.Contains(names, strings.TrimPrefix(old.Target().String(), r.branchPrefix())) {
		return nil
	}
	pick := names[0]
	for _, usual := range []string{"master", "main"} {
		if slices.Contains(names, usual) {
			pick = usual
		}
	}
	return r.repo.Storer.SetReference(plumbing.NewSymbolicReference(at, plumbing.ReferenceName(r.branchPrefix()+pick)))
}

// prune forgets branches that the remote no longer has.
func (r *Repo) prune(keep map[string]bool) error {
	it, err := r.repo.Storer.IterReferences()
	if err != nil {
		return fmt.Errorf("list refs: %w", err)
	}
	defer it.Close()
	var gone []plumbing.ReferenceName
	_ = it.ForEach(func(ref *plumbing.Reference) error {
		name := ref.Name().String()
		if strings.HasPrefix(name, r.branchPrefix()) && ref.Type() == plumbing.HashReference && !keep[name] {
			gone = append(gone, ref.Name())
		}
		return nil
	})
	for _, name := range gone {
		if err := r.repo.Storer.RemoveReference(name); err != nil {
			return fmt.Errorf("forget %s: %w", name, err)
		}
	}
	return nil
}
