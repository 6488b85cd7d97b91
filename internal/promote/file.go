package promote

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/tree"
)

// sides are the texts of one file; nil where there is none.
type sides struct {
	source, last, target []byte
	known                bool // last says how the source was, or that it was not there
}

// file decides about one file.
func (m Move) file(name string) (File, []Refusal, error) {
	f := File{Name: name, Target: path.Join(m.To.Directory, name)}
	source := path.Join(m.From.Directory, name)
	var s sides
	var err error
	if s.source, f.mode, err = text(m.Source, source); err != nil {
		return f, nil, err
	}
	if s.source != nil {
		f.Source = source
	}
	target, mode, err := text(m.Target, f.Target)
	if err != nil {
		return f, nil, err
	}
	if s.target = target; target != nil {
		f.mode = mode
	}
	if m.Last != nil {
		s.known = true
		if s.last, _, err = text(*m.Last, source); err != nil {
			return f, nil, err
		}
	}
	f.Before, f.After = s.target, s.target
	w := work{m: m, f: &f, sides: s, yaml: isYAML(name)}
	if w.back, err = m.takenBack(f.Target); err != nil {
		return f, nil, err
	}
	w.decide()
	if !f.Writes() {
		f.After = f.Before
	}
	return f, w.refusals, nil
}

// text reads a file; nil where there is none.
func text(t tree.Tree, name string) ([]byte, tree.Mode, error) {
	e := t.Lookup(name)
	if e.Kind != tree.File {
		return nil, 0, nil
	}
	if e.Blob.Size > maxFile {
		return nil, 0, fmt.Errorf("read %s: it has %d bytes, more than %d", name, e.Blob.Size, maxFile)
	}
	data, err := t.ReadFile(name)
	if data == nil && err == nil {
		data = []byte{}
	}
	return data, e.Blob.Mode, err
}

func isYAML(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name))
}

// work is one file in the making.
type work struct {
	m        Move
	f        *File
	sides    sides
	yaml     bool
	refusals []Refusal
	back     []takenBack
	paths    map[string]*edit.Path // those of rules, as they were parsed
}

// path parses the path of a rule once; nil for none, and for one that is no path,
// which flow.Parse refuses.
func (w *work) path(text string) *edit.Path {
	if p, ok := w.paths[text]; ok {
		return p
	}
	if w.paths == nil {
		w.paths = map[string]*edit.Path{}
	}
	if p, err := edit.ParsePath(text); err == nil {
		w.paths[text] = &p
	}
	return w.paths[text]
}

// decide is the table of what becomes of a file.
func (w *work) decide() {
	s := w.sides
	switch {
	case w.staysWhole():
		if !bytes.Equal(s.source, s.target) {
			w.is(Stays, "declared in leat.yaml")
		}
	case w.fileTakenBack() != "":
		w.is(Kept, "rolled back in "+w.m.To.Name+" by "+w.fileTakenBack()+"; name the file to bring it")
	case s.target == nil && s.known && s.last != nil && !w.take() && !w.wasTakenBack():
		w.deletedInTarget()
	case s.target == nil:
		w.add()
	case s.source == nil && (!s.known || s.last == nil):
		w.is(Only, "only "+w.m.To.Name+" has it")
	case s.source == nil:
		w.deletedInSource()
	case bytes.Equal(s.source, s.target) && !w.mentions(s.source):
	default:
		w.both()
	}
}

func (w *work) is(what What, why string) { w.f.What, w.f.Why = what, why }

// staysWhole tells whether the whole file is declared to stay: itself, or every
// object in it by its kind.
func (w *work) staysWhole() bool {
	return slices.ContainsFunc(w.m.Flow.Stays, func(s flow.Stay) bool {
		if s.Path != "" || !w.counts(s.Files) {
			return false
		}
		return s.Kind == "" || w.allOf(s.Kind, w.sides.source) && w.allOf(s.Kind, w.sides.target)
	})
}

// allOf tells whether all documents of a text are of a kind.
func (w *work) allOf(kind string, text []byte) bool {
	docs, err := edit.Documents(text)
	return w.yaml && err == nil && !slices.ContainsFunc(docs, func(n *yaml.Node) bool { return scalar(edit.Child(n, "kind")) != kind })
}

func (w *work) take() bool { return slices.Contains(w.m.Take, w.f.Name) }
func (w *work) keep() bool { return slices.Contains(w.m.Keep, w.f.Name) }

func (w *work) deletedInTarget() {
	if bytes.Equal(w.sides.source, w.sides.last) || w.keep() {
		w.is(Kept, w.m.To.Name+" has deleted it, "+w.m.From.Name+" has not changed it since")
		return
	}
	w.conflict(0, "", fmt.Sprintf("%s has deleted it, %s has changed it since it was last promoted; take the change, or keep it deleted", w.m.To.Name, w.m.From.Name))
}

func (w *work) deletedInSource() {
	last, err := w.carried(w.sides.last)
	switch {
	case w.keep():
		w.is(Kept, "as asked, though "+w.m.From.Name+" has deleted it")
	case w.take() || err == nil && bytes.Equal(last, w.sides.target):
		w.is(Deleted, w.m.From.Name+" has deleted it since it was last promoted")
		w.f.After = nil
	default:
		w.conflict(0, "", fmt.Sprintf("%s has deleted it since it was last promoted, and %s has changed it; take the deletion, or keep the file", w.m.From.Name, w.m.To.Name))
	}
}

// add copies a file that the target does not have.
func (w *work) add() {
	after, err := w.carried(w.sides.source)
	if err != nil {
		w.refuse(err)
		return
	}
	w.is(Added, "new in "+w.m.To.Name)
	w.f.After = after
	w.newValues()
}

// both brings the changes of the source into the target.
func (w *work) both() {
	if w.yaml && w.values() {
		return
	}
	source := w.words(w.sides.source)
	back := w.textTakenBack(source)
	switch last := w.words(w.sides.last); {
	case bytes.Equal(source, w.sides.target):
	case w.keep():
		w.is(Kept, "as asked")
	case back != "" && !w.again():
		w.is(Kept, "rolled back in "+w.m.To.Name+" by "+back+"; name the file to bring it")
	case !w.sides.known && !w.take() && !w.named() && back == "":
		w.is(Kept, "it differs, and nobody knows whose change it is; name the file to copy it")
	case !w.sides.known || w.take() || back != "" || bytes.Equal(last, w.sides.target):
		w.is(Changed, "copied whole, it is no YAML")
		w.f.After = source
		w.unmapped(source)
	case bytes.Equal(w.sides.source, w.sides.last):
		w.is(Kept, w.m.To.Name+" has changed it, "+w.m.From.Name+" has not")
	default:
		w.conflict(1, "", fmt.Sprintf("%s and %s have both changed it since it was last promoted; take one of them", w.m.From.Name, w.m.To.Name))
	}
}

// carried is the text of a source as it stands in the target: other words, and
// what stays.
func (w *work) carried(source []byte) ([]byte, error) {
	if source == nil {
		return nil, nil
	}
	if !w.yaml {
		return w.words(source), nil
	}
	if _, err := edit.Documents(source); err != nil {
		if rule := w.needsYAML(string(source)); rule != "" {
			return nil, fmt.Errorf("%s counts for it: %w", rule, err)
		}
		return w.words(source), nil
	}
	out, err := w.otherWords(source)
	if err != nil {
		return nil, err
	}
	return w.restored(out)
}

// needsYAML is what is declared for fields of the file, as far as its text can be
// about it; empty for nothing.
func (w *work) needsYAML(text string) string {
	for _, s := range w.m.Flow.Stays {
		if s.Path != "" && w.counts(s.Files) && strings.Contains(text, s.Kind) {
			return "stays " + s.Path
		}
	}
	for _, m := range w.m.Flow.Maps {
		if from := m.Values[w.m.From.Name]; m.Path != "" && from != "" && w.counts(m.Files) && strings.Contains(text, from) {
			return "map " + m.Name
		}
	}
	return ""
}

// counts tells whether a rule for some files, or for all, is about this one.
func (w *work) counts(files []string) bool { return len(files) == 0 || flow.MatchAny(files, w.f.Name) }

// conflict leaves the file as it is, and asks.
func (w *work) conflict(line int, path, text string) {
	w.is(Conflict, text)
	r := Refusal{At: w.f.Target, On: w.f.Name, Text: text}
	if line > 0 {
		r.At = fmt.Sprintf("%s:%d", w.f.Target, line)
	}
	if path != "" {
		r.On, r.Text = w.f.Name+":"+path, path+": "+text
	}
	w.refusals = append(w.refusals, r)
}

// refuse is a conflict about what cannot be edited.
func (w *work) refuse(err error) {
	text, line := err.Error(), 0
	if at, ok := err.(*edit.Error); ok {
		text, line = at.Text, at.Line
	}
	w.conflict(line, "", text)
}
