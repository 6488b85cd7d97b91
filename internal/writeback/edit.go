package writeback

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/tree"
)

// Edit returns the files that change for the items that are proposed, and notes in each
// where. An item that no scalar of its lines can be changed for is left.
func Edit(files tree.Tree, items []Item) map[string]*tree.Blob {
	texts := map[string][]byte{}
	for i := range items {
		if it := &items[i]; it.Proposed() {
			it.edit(files, texts)
		}
	}
	out := make(map[string]*tree.Blob, len(texts))
	for name, text := range texts {
		out[name] = tree.BlobOf(text)
	}
	return out
}

// edit makes the edit of one item in the texts of the files.
func (i *Item) edit(files tree.Tree, texts map[string][]byte) {
	var why string
	for _, at := range append(i.places(), i.tags(files)...) {
		text, known := texts[at.File]
		if !known {
			if files.Lookup(at.File).Blob == nil {
				why = fmt.Sprintf("%s makes it, which is no file of this repository", at.File)
				continue
			}
			var err error
			if text, err = files.ReadFile(at.File); err != nil {
				why = err.Error()
				continue
			}
		}
		after, err := i.rewritten(text, at.Line)
		if err != nil {
			why = fmt.Sprintf("%s makes it: %v", fleet.Origin{File: at.File, Line: at.Line}.At(), err)
			continue
		}
		if i.File, i.Line = at.File, at.Line; known || !bytes.Equal(after, text) {
			texts[at.File] = after
		}
		return
	}
	i.Left = why
}

// places are the lines that may hold the value: the origin, and those of variables and
// values on the way to it.
func (i *Item) places() []fleet.Link {
	out := []fleet.Link{{File: i.Origin.File, Line: i.Origin.Line}}
	for _, l := range i.Origin.Chain {
		if (l.Kind == "substitution" || l.Kind == "values") && l.File != "" && l.Line > 0 {
			out = append(out, fleet.Link{File: l.File, Line: l.Line})
		}
	}
	return out
}

// tags are the lines of kustomizations that set the tag of the image that the field is:
// where the manifest has none, its name is the origin, and that cannot be changed for it.
func (i *Item) tags(files tree.Tree) []fleet.Link {
	if lastOf(i.pointer) != "image" {
		return nil
	}
	image, _ := scalar(i.git)
	var out []fleet.Link
	for _, file := range i.reads {
		switch path.Base(file) {
		case "kustomization.yaml", "kustomization.yml", "Kustomization":
		default:
			continue
		}
		text, err := files.ReadFile(file)
		if err != nil {
			continue
		}
		for _, line := range tagsOf(text, image) {
			out = append(out, fleet.Link{File: file, Line: line})
		}
	}
	return out
}

// tagsOf are the lines of a kustomization with the tag or digest of an image.
func tagsOf(text []byte, image string) []int {
	values, err := edit.Values(text)
	if err != nil {
		return nil
	}
	names := map[int]string{} // by entry of images
	var out []int
	for _, key := range []string{"name", "newName", "newTag", "digest"} {
		for _, v := range values {
			s := v.Path.Steps
			if len(s) != 3 || s[0].Key != "images" || s[2].Key != key {
				continue
			}
			switch key {
			case "name", "newName":
				names[s[1].Index] = v.Text
			case "newTag":
				if image == names[s[1].Index]+":"+v.Text {
					out = append(out, v.Line)
				}
			case "digest":
				if image == names[s[1].Index]+"@"+v.Text {
					out = append(out, v.Line)
				}
			}
		}
	}
	return out
}

// rewritten is a text with the scalar of a line changed so that the field becomes what
// it is live. A text in which an earlier item did so stays as it is.
func (i *Item) rewritten(text []byte, line int) ([]byte, error) {
	values, err := edit.Values(text)
	if err != nil {
		return nil, err
	}
	git, _ := scalar(i.git)
	live, _ := scalar(i.live)
	var found []candidate
	done := false
	for _, v := range values {
		if v.Line != line || v.Alias != "" {
			continue
		}
		if to, ok := becomes(v.Text, git, live); ok {
			found = append(found, candidate{v, to})
		}
		_, is := becomes(v.Text, live, git)
		done = done || is
	}
	switch found = i.likeliest(found, git); {
	case len(found) == 1:
	case len(found) > 1:
		return nil, fmt.Errorf("the value stands there %d times", len(found))
	case done:
		return text, nil
	default:
		return nil, fmt.Errorf("the value does not stand there as it is")
	}
	after, _, err := edit.Apply(text, edit.Change{Path: found[0].Path, Value: found[0].to})
	return after, err
}

// candidate is a scalar that may be changed, and what it becomes.
type candidate struct {
	edit.Value
	to string
}

// becomes is what a text becomes for a value of which it is all, or a part, to become
// another one: of nginx:1.25 → nginx:1.27 the text 1.25 becomes 1.27.
func becomes(text, git, live string) (string, bool) {
	if text == git {
		return live, true
	}
	if text == "" || strings.Count(git, text) != 1 {
		return "", false
	}
	before, after, _ := strings.Cut(git, text)
	rest, ok := strings.CutPrefix(live, before)
	if !ok {
		return "", false
	}
	to, ok := strings.CutSuffix(rest, after)
	return to, ok && to != ""
}

// likeliest narrows candidates: those that are the whole value, then those whose key is
// the field's.
func (i *Item) likeliest(all []candidate, git string) []candidate {
	for _, fits := range []func(candidate) bool{
		func(c candidate) bool { return c.Text == git },
		func(c candidate) bool {
			steps := c.Path.Steps
			return len(steps) > 0 && steps[len(steps)-1].Key == lastOf(i.pointer)
		},
	} {
		if some := slices.DeleteFunc(slices.Clone(all), func(c candidate) bool { return !fits(c) }); len(all) > 1 && len(some) > 0 {
			all = some
		}
	}
	return all
}
