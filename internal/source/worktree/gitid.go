package worktree

import (
	"crypto/sha1"
	"fmt"
	"sort"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/tree"
)

// gitIDs remembers Git's names of contents and directories by ours, so that a
// change costs only the directories above it.
type gitIDs map[hash.ID]gitID

// gitID is a SHA-1 name as Git gives it.
type gitID [sha1.Size]byte

// maxIDs bounds what is remembered; beyond it everything is forgotten.
const maxIDs = 4 << 20

// author is who makes the commit of a working directory, at time zero.
const author = "Leat <leat@leat.dev> 0 +0000"

// object names content of a kind: SHA-1 of "<kind> <length>\0<content>".
func object(kind string, b []byte) (id gitID) {
	h := sha1.New()
	fmt.Fprintf(h, "%s %d\x00", kind, len(b))
	h.Write(b)
	h.Sum(id[:0])
	return id
}

// note remembers the name of a blob whose content is b.
func (g gitIDs) note(blob *tree.Blob, b []byte) {
	if len(g) > maxIDs {
		clear(g)
	}
	g[blob.ID] = object("blob", b)
}

// commit names the commit of t.
func (g gitIDs) commit(t tree.Tree) (gitID, error) {
	top, err := g.tree(t, ".", t.Hash())
	if err != nil {
		return gitID{}, err
	}
	return object("commit", fmt.Appendf(nil, "tree %x\nauthor %s\ncommitter %s\n\nworking tree\n", top, author, author)), nil
}

// tree names a directory: its entries in Git's order, in which a directory
// sorts as if its name ended in a slash (base_name_compare in Git's read-cache.c).
func (g gitIDs) tree(t tree.Tree, dir string, id hash.ID) (gitID, error) {
	if known, ok := g[id]; ok {
		return known, nil
	}
	entries, err := t.ReadDir(dir)
	if err != nil {
		return gitID{}, err
	}
	sort.Slice(entries, func(i, j int) bool { return sortName(entries[i]) < sortName(entries[j]) })
	var b []byte
	for _, e := range entries {
		mode, child := "100644", gitID{}
		switch {
		case e.Kind == tree.Dir:
			mode = "40000"
			if child, err = g.tree(t, dir+"/"+e.Name, e.ID); err != nil {
				return gitID{}, err
			}
		default:
			if e.Blob.Mode == tree.Executable {
				mode = "100755"
			}
			child = g.blob(e.Blob)
		}
		b = fmt.Appendf(b, "%s %s\x00%s", mode, e.Name, child[:])
	}
	made := object("tree", b)
	g[id] = made
	return made, nil
}

func sortName(e tree.Entry) string {
	if e.Kind == tree.Dir {
		return e.Name + "/"
	}
	return e.Name
}

// blob returns the name of a content; one that was never read gets a name made
// of ours.
func (g gitIDs) blob(b *tree.Blob) gitID {
	if id, ok := g[b.ID]; ok {
		return id
	}
	text, err := b.Read()
	if err != nil {
		text = b.ID[:]
	}
	g.note(b, text)
	return g[b.ID]
}
