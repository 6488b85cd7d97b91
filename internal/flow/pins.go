package flow

import (
	"errors"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/tree"
)

// Pin is a version that an environment asks for.
type Pin struct {
	Component string  `json:"component"`
	Kind      PinKind `json:"kind"`
	Value     string  `json:"value"`
	File      string  `json:"file"` // from the root of the branch
	Line      int     `json:"line"`
	Path      string  `json:"path"` // to it alone, as package edit reads it
	// Within is the file from the environment's directory.
	Within string `json:"-"`
	// Own tells that the value is a field of an object of Kubernetes, which consumes
	// it; others are values that something must read.
	Own bool `json:"-"`

	object objectID // that the value is a field of
	rule   Pos      // by which it was found
}

// Idle says which rules found nothing in any of the environments.
func Idle(f Flow, columns []Column) []Note {
	found := map[Pos]bool{}
	for _, c := range columns {
		for _, p := range c.Pins {
			found[p.rule] = true
		}
	}
	var out []Note
	for _, r := range f.Pins {
		if !found[r.At] {
			out = append(out, Note{r.At.String(), fmt.Sprintf("no environment has a value at %s in %s", r.Path, r.File)})
		}
	}
	return out
}

// At is file:line.
func (p Pin) At() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Note is something that was found and is not as it should be.
type Note struct {
	At   string `json:"at,omitempty"` // file, or file:line
	Text string `json:"text"`
}

// String is the note in a line.
func (n Note) String() string {
	if n.At == "" {
		return n.Text
	}
	return n.At + ": " + n.Text
}

// The bounds of what is read of one environment.
const (
	maxPins    = 5000
	maxPinFile = 1 << 20 // bytes
)

var errEnough = errors.New("enough")

// Pins returns the pins of an environment in the tree of its branch, in the order of
// the rules, files and lines. What cannot be read is a note.
func Pins(t tree.Tree, f Flow, e Environment) ([]Pin, []Note) {
	var out []Pin
	var notes []Note
	for _, rule := range f.Pins {
		path, err := edit.ParsePath(rule.Path)
		if err != nil {
			notes = append(notes, Note{rule.At.String(), err.Error()})
			continue
		}
		files := rule.files(t, e)
		for _, file := range files {
			pins, err := rule.read(t, file, path)
			if err != nil {
				notes = append(notes, Note{file, err.Error()})
			}
			for _, p := range pins {
				p.Within = strings.TrimPrefix(strings.TrimPrefix(file, e.Directory), "/")
				out = append(out, p)
			}
		}
		if len(out) > maxPins {
			return out[:maxPins], append(notes, Note{rule.At.String(), fmt.Sprintf("there are more than %d pins; the others are left out", maxPins)})
		}
	}
	return out, notes
}

// files are those that a rule names, in order.
func (r PinRule) files(t tree.Tree, e Environment) []string {
	pattern := strings.TrimPrefix(r.File, "/")
	if !strings.HasPrefix(r.File, "/") && e.Directory != "" {
		pattern = e.Directory + "/" + r.File
	}
	if !strings.ContainsAny(pattern, "*?[") {
		if p := clean(pattern); t.Lookup(p).Kind == tree.File {
			return []string{p}
		}
		return nil
	}
	var out []string
	_ = t.Walk(func(p string, _ *tree.Blob) error { // only what it says itself
		if len(out) >= maxPins {
			return errEnough
		}
		if Match(pattern, p) {
			out = append(out, p)
		}
		return nil
	})
	return out
}

// read returns the pins of one file.
func (r PinRule) read(t tree.Tree, file string, path edit.Path) ([]Pin, error) {
	data, err := t.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if len(data) > maxPinFile {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(data), maxPinFile)
	}
	values, err := edit.Get(data, path)
	if err != nil {
		return nil, err
	}
	objects := objectsOf(data)
	var out []Pin
	for _, v := range values {
		object := objects[v.Path.Document.Number]
		pin := Pin{Component: r.Component, Kind: r.Kind, Value: v.Text, File: file, Line: v.Line, Path: v.Path.String(), Own: object.own(), object: object, rule: r.At}
		if pin.Component == "" {
			pin.Component = starOf(path, v.Path)
		}
		if pin.Component == "" {
			pin.Component = object.name
		}
		switch {
		case pin.Component == "":
			return out, fmt.Errorf("nothing names the component of the value in line %d: the path has no *, and the document no metadata.name", v.Line)
		case v.Text != "":
			out = append(out, pin)
		}
	}
	return out, nil
}

// starOf is the key that the first pattern of a path stands for in a concrete one.
func starOf(pattern, concrete edit.Path) string {
	for i, s := range pattern.Steps {
		if s.Pattern && i < len(concrete.Steps) {
			if c := concrete.Steps[i]; !c.Item {
				return c.Key
			}
		}
	}
	return ""
}

// object is what a document says of itself.
type objectID struct{ kind, name string }

// own tells whether the document is an object, whose fields something acts on by
// themselves. Those of kustomize's and Helm's own files count too.
func (o objectID) own() bool { return o.kind != "" && o.kind != "ConfigMap" && o.kind != "Secret" }

// objectsOf are the objects of a file by the number of their document.
func objectsOf(data []byte) map[int]objectID {
	out := map[int]objectID{}
	for _, path := range []string{".kind", ".metadata.name"} {
		values, err := edit.Get(data, edit.MustPath(path))
		if err != nil {
			continue
		}
		for _, v := range values {
			o := out[v.Path.Document.Number]
			if path == ".kind" {
				o.kind = v.Text
			} else {
				o.name = v.Text
			}
			out[v.Path.Document.Number] = o
		}
	}
	return out
}
