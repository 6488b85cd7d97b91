package repo

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/leat-dev/leat/internal/source/fault"
)

// maxCommits bounds the history that is walked.
const maxCommits = 2_000_000

// graph remembers the commits that were read: they never change.
type graph struct{ nodes map[Hash]node }

// node is what walks need of a commit.
type node struct {
	parents []Hash
	tree    plumbing.Hash
	when    int64 // of the committer, seconds
}

// node reads a commit; r.mu is held, as below.
func (g *graph) node(r *Repo, h Hash) (node, error) {
	if n, ok := g.nodes[h]; ok {
		return n, nil
	}
	c, err := object.GetCommit(r.repo.Storer, plumbing.Hash(h))
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		r.reindex()
		c, err = object.GetCommit(r.repo.Storer, plumbing.Hash(h))
	}
	if err != nil {
		return node{}, fmt.Errorf("read commit %s: %w", h, err)
	}
	n := node{tree: c.TreeHash, when: c.Committer.When.Unix()}
	if !r.shallow()[h] {
		for _, p := range c.ParentHashes {
			n.parents = append(n.parents, Hash(p))
		}
	}
	if g.nodes == nil {
		g.nodes = map[Hash]node{}
	}
	if len(g.nodes) >= maxCommits {
		return node{}, &fault.Error{Class: fault.TooLarge, Err: fmt.Errorf("the history has more than %d commits", maxCommits)}
	}
	g.nodes[h] = n
	return n, nil
}

// shallow returns the commits that are here without their parents.
func (r *Repo) shallow() map[Hash]bool {
	list, err := r.repo.Storer.Shallow()
	if err != nil || len(list) == 0 {
		return nil
	}
	out := map[Hash]bool{}
	for _, h := range list {
		out[Hash(h)] = true
	}
	return out
}

// Shallow tells whether the clone lacks part of its history.
func (r *Repo) Shallow() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.shallow()) > 0
}

// ancestors adds h and all that it follows to into.
func (g *graph) ancestors(ctx context.Context, r *Repo, h Hash, into map[Hash]bool) error {
	_, err := g.walk(ctx, r, []Hash{h}, into)
	return err
}

// walk visits the commits from starts on that are not in seen, and adds them.
func (g *graph) walk(ctx context.Context, r *Repo, starts []Hash, seen map[Hash]bool) ([]Hash, error) {
	var out []Hash
	for todo := slices.Clone(starts); len(todo) > 0; {
		h := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[h] {
			continue
		}
		n, err := g.node(r, h)
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		seen[h] = true
		out = append(out, h)
		todo = append(todo, n.parents...)
	}
	return out, nil
}

// without returns h and what it follows without what is known, children before
// their parents, the newest first where that leaves a choice.
func (g *graph) without(ctx context.Context, r *Repo, h Hash, known map[Hash]bool) ([]Hash, error) {
	seen := make(map[Hash]bool, len(known))
	for k := range known {
		seen[k] = true
	}
	found, err := g.walk(ctx, r, []Hash{h}, seen)
	if err != nil {
		return nil, err
	}
	return g.sorted(found), nil
}

// sorted puts children before parents, and the newest first.
func (g *graph) sorted(list []Hash) []Hash {
	children := map[Hash]int{}
	for _, h := range list {
		for _, p := range g.nodes[h].parents {
			children[p]++
		}
	}
	q := &queue{g: g}
	for _, h := range list {
		if children[h] == 0 {
			heap.Push(q, h)
		}
	}
	in := make(map[Hash]bool, len(list))
	for _, h := range list {
		in[h] = true
	}
	out := make([]Hash, 0, len(list))
	for q.Len() > 0 {
		h := heap.Pop(q).(Hash)
		out = append(out, h)
		for _, p := range g.nodes[h].parents {
			if children[p]--; children[p] == 0 && in[p] {
				heap.Push(q, p)
			}
		}
	}
	return out
}

// queue is a heap of commits, the newest first, ties by name.
type queue struct {
	g    *graph
	list []Hash
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (q *queue) Len() int { return len(q.list) }

// Less puts the newest first.
func (q *queue) Less(i, j int) bool {
	a, b := q.list[i], q.list[j]
	return cmp.Or(cmp.Compare(q.g.nodes[b].when, q.g.nodes[a].when), slices.Compare(a[:], b[:])) < 0
}

// Swap implements heap.Interface.
func (q *queue) Swap(i, j int) { q.list[i], q.list[j] = q.list[j], q.list[i] }

// Push implements heap.Interface.
func (q *queue) Push(x any) { q.list = append(q.list, x.(Hash)) }

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	h := q.list[len(q.list)-1]
	q.list = q.list[:len(q.list)-1]
	return h
}
