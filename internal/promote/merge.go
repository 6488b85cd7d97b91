package promote

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/flow"
)

// change is one edit of the target.
type change struct {
	path   edit.Path
	remove bool
	text   bool // both values are strings: the target's quotes stay
	value  string
}

// merge compares three trees of nodes.
type merge struct {
	w       *work
	known   bool
	changes []change
	values  []Value
	maps    map[string]string // their names by the places in the source where they count
}

// values merges a file by its values; false where neither text is YAML, as of
// templates, and no rule is about their fields.
func (w *work) values() bool {
	_, notSource := edit.Documents(w.sides.source)
	target, notTarget := edit.Documents(w.sides.target)
	switch {
	case notSource == nil && notTarget == nil:
	case w.keep(), notSource != nil && notTarget != nil && w.needsYAML(string(w.sides.source)) == "":
		return false
	case notTarget != nil:
		w.refuse(notTarget)
		return true
	default:
		w.refuse(fmt.Errorf("%s: %w", w.f.Source, notSource))
		return true
	}
	source, err := w.otherWords(w.sides.source)
	if err != nil {
		w.refuse(fmt.Errorf("%s: %w", w.f.Source, err))
		return true
	}
	if !bytes.Equal(source, w.sides.target) {
		w.merged(source, target)
	}
	return true
}

// merged compares the documents of the texts; source has the target's words.
func (w *work) merged(source []byte, target []*yaml.Node) {
	known := w.sides.known && w.sides.last != nil
	last, err := w.otherWords(w.sides.last)
	if err != nil {
		last, known = nil, false
	}
	s, _ := edit.Documents(source) // was read by otherWords, as was last
	b, _ := edit.Documents(last)
	m := &merge{w: w, known: known, maps: w.mappedBy(w.sides.source)}
	docs := documents(append([][]*yaml.Node{s, b, target}, w.backDocuments()...)...)
	for i := range w.back {
		w.back[i].docs = [2][]document{docs[3+2*i], docs[4+2*i]}
	}
	docs = docs[:3]
	for _, id := range union(docs) {
		m.document(id, with(docs[0], id), with(docs[1], id), with(docs[2], id))
	}
	w.finish(m, source)
}

func union(docs [][]document) []edit.Document {
	var out []edit.Document
	for _, list := range docs {
		for _, d := range list {
			if !slices.Contains(out, d.id) {
				out = append(out, d.id)
			}
		}
	}
	return out
}

// mappedBy are the names of the maps by the place of the values that they change.
func (w *work) mappedBy(source []byte) map[string]string {
	out := map[string]string{}
	values, err := edit.Values(source)
	if err != nil || !w.mentions(source) {
		return out
	}
	for _, v := range values {
		if _, names := swapped(v.Text, w.wordsFor(&v.Path)); names != "" && v.Alias == "" {
			out[fmt.Sprintf("%d:%d", v.Line, v.Column)] = names
		}
	}
	return out
}

func (m *merge) document(id edit.Document, s, b, t document) {
	at := spot{path: edit.Path{Document: id}, kind: cmp.Or(t.kind, s.kind)}
	if s.kind == secretKind { // and the target's is not: what is shown of it is a secret all the same
		at.kind = s.kind
	}
	if id.Number > 0 && s.kind != "" && t.kind != "" && s.kind != t.kind { // the same place, but not the same
		m.w.conflict(lineOf(t.root), at.path.String(), fmt.Sprintf("it is a %s, and in %s a %s; copy it by hand", t.kind, m.w.m.From.Name, s.kind))
		return
	}
	m.node(at, three{s.root, b.root, t.root})
}

// spot is where the merge is.
type spot struct {
	path edit.Path
	kind string
}

func (s spot) down(step edit.Step) spot {
	s.path.Steps = append(slices.Clip(s.path.Steps), step)
	return s
}

// three are the nodes of one place: source, source when last promoted, target.
type three struct{ s, b, t *yaml.Node }

func (m *merge) node(at spot, n three) {
	if equal(n.s, n.t) {
		return
	}
	if m.w.stays(at) {
		m.told(at, n, Left)
		return
	}
	if n.s != nil && n.t != nil {
		set := isSet(m.w.f.Name, at.path.Steps)
		lists := []*yaml.Node{n.s, n.t}
		if n.b != nil && n.b.Kind == n.s.Kind && len(n.b.Content) > 0 {
			lists = append(lists, n.b)
		}
		if all, ok := entriesOf(lists, set); ok {
			m.entries(at, all)
			return
		}
	}
	m.whole(at, n)
}

// entries goes down into what all of them have.
func (m *merge) entries(at spot, all [][]entry) {
	var seen []entry
	for _, list := range all {
		for _, e := range list {
			if find(seen, e.step) != nil {
				continue
			}
			seen = append(seen, e)
			n := three{s: find(all[0], e.step), t: find(all[1], e.step)}
			if len(all) > 2 {
				n.b = find(all[2], e.step)
			}
			m.node(at.down(e.step), n)
		}
	}
}

// whole decides about a value, or a mapping or list as one.
func (m *merge) whole(at spot, n three) {
	on := m.w.f.Name + ":" + at.path.String()
	take := m.w.take() || slices.Contains(m.w.m.Take, on)
	keep := m.w.keep() || slices.Contains(m.w.m.Keep, on)
	back := m.takenBack(at, n)
	take = take || back != "" && m.w.again()
	switch {
	case keep && !take:
		m.told(at, n, Drift)
	case back != "" && !take:
		m.told(at, n, RolledBack)
		m.values[len(m.values)-1].By = back
	case n.s == nil && (!m.known || n.b == nil) && !take:
		m.told(at, n, TargetOnly)
	case m.known && equal(n.s, n.b) && !take:
		m.told(at, n, Drift)
	case m.known && !equal(n.t, n.b) && !take:
		m.told(at, n, Contested)
		text := fmt.Sprintf("%s has %s, %s has %s, and both have changed it since it was last promoted (%s then); take one of them",
			m.w.m.From.Name, at.said(n.s), m.w.m.To.Name, at.said(n.t), at.said(n.b))
		m.w.conflict(lineOf(n.t), at.path.String(), text)
	case !m.known && !take && !m.w.named() && !m.w.pin(at) && !at.listed():
		m.told(at, n, Unclear)
	case n.s == nil:
		m.told(at, n, Removed)
		m.changes = append(m.changes, change{path: at.path, remove: true})
	default:
		m.take(at, n)
	}
}

// secret tells whether a place is a value of a Secret.
func (s spot) secret() bool {
	return s.kind == secretKind && len(s.path.Steps) > 0 && slices.Contains([]string{"data", "stringData"}, s.path.Steps[0].Key)
}

// hidden stands for a value that must not be shown: one of a Secret.
const (
	hidden     = "«secret»"
	secretKind = "Secret"
)

// brief is a node in a few words, without its secrets.
func (s spot) brief(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	return s.shown(brief(n))
}

// shown is a text of the place as it may be shown.
func (s spot) shown(text string) string {
	if s.secret() {
		return hidden
	}
	return text
}

// said is a value for a sentence.
func (s spot) said(n *yaml.Node) string {
	if n == nil {
		return "none"
	}
	if text := s.brief(n); len(text) < 60 && !strings.Contains(text, "\n") && text != "" {
		return text
	}
	return fmt.Sprintf("a text of %d characters", len([]rune(n.Value)))
}

func lineOf(n *yaml.Node) int {
	if n == nil {
		return 0
	}
	return n.Line
}

func (m *merge) take(at spot, n three) {
	m.told(at, n, Taken)
	c := change{path: at.path}
	if n.t != nil && n.t.Kind == yaml.ScalarNode && n.s.Kind == yaml.ScalarNode && n.t.ShortTag() == "!!str" && n.s.ShortTag() == "!!str" {
		c.text, c.value = true, n.s.Value
	}
	m.changes = append(m.changes, c)
}

// told notes what becomes of a place.
func (m *merge) told(at spot, n three, rule Rule) {
	v := Value{Path: at.path.String(), Line: lineOf(n.s), From: at.brief(n.t), To: at.brief(n.s), Source: at.brief(n.s), Rule: rule}
	if n.s == nil {
		v.Line = lineOf(n.t)
	}
	if rule == Left || rule == Drift || rule == TargetOnly || rule == Unclear || rule == Contested || rule == RolledBack {
		v.To = v.From
	}
	if rule == Taken && n.s.Kind == yaml.ScalarNode {
		if v.Map = m.maps[fmt.Sprintf("%d:%d", n.s.Line, n.s.Column)]; v.Map != "" {
			v.Rule = Mapped
		}
	}
	m.values = append(m.values, v)
}

// named tells whether the file itself was asked for.
func (w *work) named() bool { return slices.Contains(w.m.Only, w.f.Name) }

// pin tells whether a place is where a version lives.
func (w *work) pin(at spot) bool {
	return slices.ContainsFunc(w.m.Flow.Pins, func(r flow.PinRule) bool {
		p := w.path(r.Path)
		return p != nil && flow.Match(r.File, w.f.Name) && p.Match(at.path)
	})
}

// listed tells whether a place is a file in a list of files: one more does no harm,
// and what is copied must be named there.
func (s spot) listed() bool {
	return len(s.path.Steps) > 0 && s.path.Steps[len(s.path.Steps)-1].Field == "."
}

// finish makes the text of the target out of what was decided: where it is what a
// promotion of the source then made, what one of the source now makes.
func (w *work) finish(m *merge, source []byte) {
	w.f.Values = m.values
	if len(w.refusals) > 0 {
		return
	}
	back := slices.ContainsFunc(m.values, func(v Value) bool { return v.Rule == RolledBack })
	if then, err := w.carried(w.sides.last); m.known && !back && err == nil && bytes.Equal(then, w.sides.target) {
		if now, err := w.carried(w.sides.source); err == nil {
			w.copied(now)
			return
		}
	}
	if len(m.changes) == 0 {
		if len(m.values) > 0 {
			w.is(Kept, "nothing to promote: what differs stays, is its own, is unclear or was rolled back")
		}
		return
	}
	after, err := w.edited(m, source)
	if err != nil && w.take() { // the whole file is asked for
		if after, err := w.carried(w.sides.source); err == nil {
			w.f.After = after
			w.is(Changed, "copied whole, as asked")
			return
		}
	}
	if err != nil {
		w.refuse(err)
		return
	}
	w.f.After = after
	w.is(Changed, "values of "+w.m.From.Name)
}

// copied is a file that follows the source in everything but what stays.
func (w *work) copied(now []byte) {
	w.f.After = now
	switch {
	case !bytes.Equal(now, w.sides.target):
		w.is(Changed, "copied, it had no changes of its own")
	case len(w.f.Values) > 0:
		w.is(Kept, "nothing to promote: it differs by what stays")
	}
}

// edited makes the changes in the target, one after the other.
func (w *work) edited(m *merge, source []byte) ([]byte, error) {
	out, err := w.sides.target, error(nil)
	for _, c := range m.changes {
		switch {
		case c.remove:
			out, err = edit.Remove(out, c.path)
		case c.text:
			out, err = edit.Set(out, c.path, c.value)
		case len(c.path.Steps) == 0:
			out, err = appended(out, source, c.path.Document)
		default:
			out, err = grafted(out, c.path, source)
		}
		if err != nil {
			return nil, err
		}
	}
	return w.restored(out)
}

// grafted is a text with a piece of a source; a single value that is new goes where the
// piece does not fit as it is, between brackets.
func grafted(text []byte, path edit.Path, source []byte) ([]byte, error) {
	out, wrong := edit.Graft(text, path, source, path)
	if wrong == nil {
		return out, nil
	}
	from, err := edit.Get(source, path)
	if there, is := edit.Get(text, path); err != nil || len(from) != 1 || is == nil && len(there) > 0 {
		return nil, wrong
	}
	made, _, err := edit.Apply(text, edit.Change{Path: path, Value: from[0].Text, Create: true})
	if err != nil {
		return nil, wrong
	}
	if out, err = edit.Graft(made, path, source, path); err != nil { // as it is written there
		return nil, wrong
	}
	return out, nil
}
