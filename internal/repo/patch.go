package repo

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/tree"
)

// Missing returns the commits of a that b lacks, newest first: what a fix that is
// in production and not in main looks like. SamePatch also takes out commits
// whose change b has under another name (cherry-picked, or rebased), and merges,
// which bring nothing of their own.
func (r *Repo) Missing(ctx context.Context, a, b Hash, by Sameness) ([]Commit, error) {
	only, err := r.Log(ctx, Range{From: a, Not: []Hash{b}, Files: true})
	if err != nil || by == SameCommit {
		return only, err
	}
	theirs, err := r.Log(ctx, Range{From: b, Not: []Hash{a}})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known := map[hash.ID]bool{}
	for _, c := range theirs {
		if id, ok := r.patchID(ctx, c); ok {
			known[id] = true
		}
	}
	return slices.DeleteFunc(only, func(c Commit) bool {
		id, ok := r.patchID(ctx, c)
		return len(c.Parents) > 1 || ok && known[id]
	}), ctx.Err()
}

// Sameness says when two commits count as one.
type Sameness int

// The kinds of sameness.
const (
	SameCommit Sameness = iota // the same name
	SamePatch                  // the same lines in the same places, whatever the message (git patch-id)
)

// contextLines is how many lines around a change belong to it, as in git diff.
const contextLines = 3

// patchID names what a commit changes: for each path the lines of its hunks
// without line numbers and white space. false for merges and empty commits.
func (r *Repo) patchID(ctx context.Context, c Commit) (hash.ID, bool) {
	if len(c.Parents) > 1 || ctx.Err() != nil {
		return hash.ID{}, false
	}
	n, err := r.graph.node(r, c.ID)
	if err != nil {
		return hash.ID{}, false
	}
	var before plumbing.Hash
	if len(n.parents) == 1 {
		p, err := r.graph.node(r, n.parents[0])
		if err != nil {
			return hash.ID{}, false
		}
		before = p.tree
	}
	rec, files := hash.New("patch/v1"), 0
	err = r.compare(before, n.tree, "", func(f fileChange) error {
		files++
		rec.Str(f.path).Int(int64(f.old.Mode)).Int(int64(f.new.Mode))
		r.patch(rec, f)
		return nil
	})
	return rec.Sum(), err == nil && files > 0
}

// patch adds what one file changes; of a file that is no text its two names.
func (r *Repo) patch(rec *hash.Recipe, f fileChange) {
	old, okOld := r.text(f.old)
	cur, okNew := r.text(f.new)
	if !okOld || !okNew {
		rec.Bytes(f.old.Hash[:]).Bytes(f.new.Hash[:])
		return
	}
	lines := diffLines(old, cur)
	for i, l := range lines {
		if l.sign == same && !near(lines, i) {
			continue
		}
		rec.Str(string(l.sign) + strings.Join(strings.Fields(l.text), ""))
	}
}

// near tells whether a line stands within the context of a changed one.
func near(lines []line, i int) bool {
	for j := max(0, i-contextLines); j <= min(len(lines)-1, i+contextLines); j++ {
		if lines[j].sign != same {
			return true
		}
	}
	return false
}

// text returns the content of a file if it is text; of no file "".
func (r *Repo) text(e object.TreeEntry) (string, bool) {
	if e.Hash.IsZero() {
		return "", true
	}
	b, ok := r.content(e)
	return string(b), ok && bytes.IndexByte(b[:min(len(b), 8000)], 0) < 0
}

func (r *Repo) content(e object.TreeEntry) ([]byte, bool) {
	if !e.Mode.IsFile() {
		return nil, false
	}
	blob, err := object.GetBlob(r.repo.Storer, e.Hash)
	if err != nil || blob.Size > tree.MaxFileBytes {
		return nil, false
	}
	in, err := blob.Reader()
	if err != nil {
		return nil, false
	}
	defer in.Close()
	var buf bytes.Buffer
	_, err = buf.ReadFrom(in)
	return buf.Bytes(), err == nil
}
