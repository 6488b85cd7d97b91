package carry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/tree"
)

// Write is a value of a file that is to become another one.
type Write struct {
	File, Path, Value string
}

// message is what the release bots of the field write, a line for each value
// (organisations-and-flux-v1.md 1.1.4, update-yaml.yaml).
func message(writes []Write) string {
	var b strings.Builder
	for _, w := range writes {
		fmt.Fprintf(&b, "Updating file at %s setting %s to %s\n", w.File, w.Path, w.Value)
	}
	return b.String()
}

// writesOf are the pins that a release moves: branches to its branch; charts and
// images to its version, where the component's repository makes a chart, or an image
// of that name.
func writesOf(pins []flow.Pin, c Cut) []Write {
	makes := c.makes()
	var out []Write
	for _, pin := range pins {
		if pin.Component != c.Component.Name || !makes[pin.Kind] {
			continue
		}
		value := c.Version.String()
		switch pin.Kind {
		case flow.BranchPin:
			value = c.Branch()
		case flow.ImagePin:
			value = tagged(pin.Value, value)
		}
		out = append(out, Write{pin.File, pin.Path, value})
	}
	return out
}

// tagged is a pin of an image, or of a tag alone, with another tag. The digest goes: it is
// that of what was built before.
func tagged(pinned, tag string) string {
	image, _, _ := strings.Cut(pinned, "@")
	slash, colon := strings.LastIndex(image, "/"), strings.LastIndex(image, ":")
	switch {
	case colon > slash:
		return image[:colon+1] + tag
	case slash >= 0:
		return image + ":" + tag
	}
	return tag
}

// makes says what a repository yields when it is released.
func (c Cut) makes() map[flow.PinKind]bool {
	has := func(file string) bool { return c.tree.Lookup(file).Kind == tree.File }
	return map[flow.PinKind]bool{flow.BranchPin: true, flow.ChartPin: has(chartFile), flow.ImagePin: has("Dockerfile")}
}

const chartFile = "Chart.yaml"

// Edited are files with values written into them; those that would not change are
// left out.
func Edited(t tree.Tree, writes []Write) (map[string]*tree.Blob, []Write, error) {
	texts, out := map[string][]byte{}, map[string]*tree.Blob{}
	var made []Write
	for _, w := range writes {
		text, known := texts[w.File]
		if !known {
			var err error
			if text, err = t.ReadFile(w.File); err != nil {
				return nil, nil, fmt.Errorf("read %s: %w", w.File, err)
			}
		}
		path, err := edit.ParsePath(w.Path)
		if err != nil {
			return nil, nil, err
		}
		after, done, err := edit.Apply(text, edit.Change{Path: path, Value: w.Value})
		if err != nil {
			return nil, nil, fmt.Errorf("%s: set %s: %w", w.File, w.Path, err)
		}
		texts[w.File] = after
		if len(done) > 0 && done[0].Old != done[0].New {
			made, out[w.File] = append(made, w), nil
		}
	}
	for _, file := range slices.Collect(maps.Keys(out)) {
		out[file] = tree.BlobOf(texts[file])
	}
	return out, made, nil
}

// Onto says where a commit goes.
type Onto struct {
	Repo   *repo.Repo
	Branch string // empty is the default branch
	Dir    string // of the fleet in it; "" and "." are the root
	Author repo.Person
}

// Set writes values into files of a branch, as one commit. It is fast-forward only: if
// somebody pushed in between, the values are written into what they pushed.
func (o Onto) Set(ctx context.Context, writes func(tree.Tree) ([]Write, error)) (Step, error) {
	step := Step{Repository: o.Repo.URL(), Branch: o.Branch}
	err := again(ctx, o.Repo, func() error {
		name, head, err := branchOr(o.Repo, o.Branch)
		if err != nil {
			return err
		}
		files, err := o.Repo.Tree(ctx, head, o.Dir)
		if err != nil {
			return err
		}
		wanted, err := writes(files)
		if err != nil {
			return err
		}
		changes, made, err := Edited(files, wanted)
		if err != nil {
			return err
		}
		step.Branch, step.Commit, step.Done = name, head, len(changes) == 0
		if step.What = strings.TrimSuffix(message(wanted), "\n"); step.Done {
			return nil
		}
		step.What = strings.TrimSuffix(message(made), "\n")
		step.Commit, err = o.commit(ctx, head, repo.Draft{Message: message(made), Changes: o.below(changes)})
		return err
	})
	if err != nil {
		return step, fmt.Errorf("write the pins into %s: %w", o.Repo.URL(), err)
	}
	return step, nil
}

// commit makes a commit on the branch's head and pushes it.
func (o Onto) commit(ctx context.Context, head repo.Hash, d repo.Draft) (repo.Hash, error) {
	d.Parents, d.Author = []repo.Hash{head}, o.Author
	id, err := o.Repo.Commit(ctx, d)
	if err != nil {
		return head, err
	}
	name, _, err := branchOr(o.Repo, o.Branch)
	if err != nil {
		return head, err
	}
	return id, o.Repo.Push(ctx, repo.Update{Branch: name, Old: head, New: id})
}

// below names files from the root of the repository.
func (o Onto) below(files map[string]*tree.Blob) map[string]*tree.Blob {
	if o.Dir == "" || o.Dir == "." {
		return files
	}
	out := make(map[string]*tree.Blob, len(files))
	for name, blob := range files {
		out[o.Dir+"/"+name] = blob
	}
	return out
}
