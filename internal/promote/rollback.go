package promote

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/tree"
)

// Rollback is something that was taken back in the target on purpose: what it had until
// then and got instead is not brought again, unless somebody asks for it.
type Rollback struct {
	By            string // the commit, for people
	Before, After tree.Tree
}

// InForce tells whether the environment still has something as a rollback left it.
func (b Rollback) InForce(e flow.Environment, target tree.Tree) bool {
	return len(b.Restored(e, target, b.Before)) > 0
}

// Restored are the places that a rollback took back, that the target still has as it
// left them, and that it would have again as they were before.
func (b Rollback) Restored(e flow.Environment, target, after tree.Tree) []Refusal {
	var out []Refusal
	for _, name := range tree.Changed(b.Before, b.After) {
		if !under(name, cmp.Or(e.Directory, ".")) {
			continue
		}
		texts, err := textsOf(name, b.Before, b.After, target, after)
		if err != nil {
			continue // of a file that is too large nothing is known
		}
		r := restored{b: b, name: name}
		r.file(texts)
		out = append(out, r.found...)
	}
	return out
}

// textsOf are a file in four trees.
func textsOf(name string, trees ...tree.Tree) (out [4][]byte, err error) {
	for i, t := range trees {
		if out[i], _, err = text(t, name); err != nil {
			return out, err
		}
	}
	return out, nil
}

// restored collects what comes back in one file. Four of anything here are: before the
// rollback, after it, in the target, in what the target becomes.
type restored struct {
	b     Rollback
	name  string
	found []Refusal
}

func (r *restored) add(line int, at string) {
	f := Refusal{At: r.name, On: r.name, Text: "it was rolled back by " + r.b.By}
	if line > 0 {
		f.At = fmt.Sprintf("%s:%d", r.name, line)
	}
	if at != "" {
		f.On, f.Text = r.name+":"+at, at+": "+f.Text
	}
	r.found = append(r.found, f)
}

func (r *restored) file(texts [4][]byte) {
	var docs [4][]*yaml.Node
	yes := isYAML(r.name)
	for i, text := range texts {
		var err error
		docs[i], err = edit.Documents(text)
		yes = yes && text != nil && err == nil
	}
	if !yes {
		same := func(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }
		if same(texts[2], texts[1]) && same(texts[3], texts[0]) && !same(texts[0], texts[1]) {
			r.add(0, "")
		}
		return
	}
	named := documents(docs[0], docs[1], docs[2], docs[3])
	for _, id := range union(named) {
		var n [4]*yaml.Node
		kind := ""
		for i := range n {
			d := with(named[i], id)
			n[i], kind = d.root, cmp.Or(kind, d.kind)
		}
		r.node(spot{path: edit.Path{Document: id}, kind: kind}, n)
	}
}

func (r *restored) node(at spot, n [4]*yaml.Node) {
	if equal(n[0], n[1]) {
		return
	}
	if all, ok := entriesOf(n[:], isSet(r.name, at.path.Steps)); ok && !slices.Contains(n[:], nil) {
		var seen []entry
		for _, list := range all {
			for _, e := range list {
				if find(seen, e.step) == nil {
					seen = append(seen, e)
					r.node(at.down(e.step), [4]*yaml.Node{find(all[0], e.step), find(all[1], e.step), find(all[2], e.step), find(all[3], e.step)})
				}
			}
		}
		return
	}
	if equal(n[2], n[1]) && equal(n[3], n[0]) {
		r.add(lineOf(n[2]), at.path.String())
	}
}

// takenBack is one rollback of a file in the making.
type takenBack struct {
	by            string
	before, after []byte
	docs          [2][]document // named as those of the merge
}

// takenBack are the rollbacks that changed a file of the target, the newest first.
func (m Move) takenBack(name string) ([]takenBack, error) {
	var out []takenBack
	for _, b := range m.Rollbacks {
		before, _, err := text(b.Before, name)
		if err != nil {
			return nil, err
		}
		after, _, err := text(b.After, name)
		if err != nil {
			return nil, err
		}
		if (before == nil) != (after == nil) || !bytes.Equal(before, after) {
			out = append(out, takenBack{by: b.By, before: before, after: after})
		}
	}
	return out, nil
}

// backDocuments are the documents before and after each rollback; none of what is no
// YAML.
func (w *work) backDocuments() [][]*yaml.Node {
	var out [][]*yaml.Node
	for _, b := range w.back {
		before, _ := edit.Documents(b.before)
		after, _ := edit.Documents(b.after)
		out = append(out, before, after)
	}
	return out
}

// wasTakenBack tells that a file is not there because of a rollback, and not because
// the target does not want it.
func (w *work) wasTakenBack() bool {
	return slices.ContainsFunc(w.back, func(b takenBack) bool { return b.after == nil })
}

// again tells whether what was rolled back is asked for.
func (w *work) again() bool { return w.m.Again || w.take() || w.named() }

// fileTakenBack says which rollback took a file away, or brought one back that the
// source has not; empty for none, and where it is asked for again.
func (w *work) fileTakenBack() string {
	if w.again() {
		return ""
	}
	for _, b := range w.back {
		gone := b.after == nil && w.sides.target == nil && w.sides.source != nil
		returned := b.before == nil && w.sides.source == nil && w.sides.target != nil
		if gone || returned {
			return b.by
		}
	}
	return ""
}

// textTakenBack says which rollback took back the text that a source has; empty for
// none.
func (w *work) textTakenBack(source []byte) string {
	for _, b := range w.back {
		if bytes.Equal(b.before, source) && bytes.Equal(b.after, w.sides.target) {
			return b.by
		}
	}
	return ""
}

// takenBack says which rollback took back the value that a source has; empty for none.
func (m *merge) takenBack(at spot, n three) string {
	for _, b := range m.w.back {
		before, after := nodeIn(b.docs[0], at.path), nodeIn(b.docs[1], at.path)
		if equal(before, n.s) && equal(after, n.t) {
			return b.by
		}
	}
	return ""
}

// nodeIn is the node at a path; nil where there is none.
func nodeIn(docs []document, at edit.Path) *yaml.Node {
	n := with(docs, at.Document).root
	for _, step := range at.Steps {
		if n == nil {
			return nil
		}
		if step.Item && step.Field == "" {
			if n.Kind != yaml.SequenceNode || step.Index >= len(n.Content) {
				return nil
			}
			n = n.Content[step.Index]
			continue
		}
		all, ok := keys(n)
		if step.Item || n.Kind == yaml.SequenceNode {
			all, ok = items(n, step.Field == ".")
		}
		if !ok {
			return nil
		}
		n = find(all, step)
	}
	return n
}

// pinsTakenBack are the values of the target's pins before and after each rollback.
func (m Move) pinsTakenBack() []pinsTakenBack {
	var out []pinsTakenBack
	values := func(t tree.Tree) map[pinKey]string {
		all := map[pinKey]string{}
		pins, _ := flow.Pins(t, m.Flow, m.To)
		for _, p := range pins {
			all[keyOf(p)] = p.Value
		}
		return all
	}
	for _, b := range m.Rollbacks {
		out = append(out, pinsTakenBack{b.By, values(b.Before), values(b.After)})
	}
	return out
}

type pinsTakenBack struct {
	by            string
	before, after map[pinKey]string
}

// pinTakenBack says which rollback took back a value that is wanted; empty for none.
func pinTakenBack(all []pinsTakenBack, p pinned, want string) string {
	for _, b := range all {
		key := keyOf(p.source)
		if b.before[key] == want && b.after[key] != want && b.after[key] == p.target.Value {
			return b.by
		}
	}
	return ""
}
