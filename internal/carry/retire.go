package carry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/tree"
)

// RetireBranch is what the branch of a retirement begins with.
const RetireBranch = "retire/"

// retired is the trailer of a commit that takes an object out of an environment.
const retired = "Retired-From: "

// Annotations that leave an object in Git and out of what is delivered: kustomize drops
// local configuration from what it builds, Flux v1 ignores what says so.
const (
	LocalConfig = "config.kubernetes.io/local-config"
	IgnoredV1   = "fluxcd.io/ignore"
)

// Retiring takes an object out of an environment.
type Retiring struct {
	Fleet       Onto
	Environment flow.Environment
	Object      object.Key
	File        string // that holds its manifest, from the fleet's root
	Line        int    // in its document
	// Keep is the annotation that leaves it in Git; empty removes it there too.
	Keep string
	// Patches are files with patches of it that go when it goes.
	Patches []string
	DryRun  bool
}

// Retirement is what a retirement does.
type Retirement struct {
	Target, Commit repo.Hash
	Files          map[string]*tree.Blob // nil deletes one
	Proposed
}

// Retire commits the edit to a branch of its own and proposes it; the cluster follows
// when it is merged, where the unit prunes.
//
// What the pull request says, body, may refuse: nothing is pushed before.
func Retire(ctx context.Context, in Retiring, f forge.Forge, body func(Retirement) (string, error)) (Retirement, error) {
	var out Retirement
	var err error
	if out.Target, err = in.Fleet.Repo.Branch(in.Environment.Branch); err != nil {
		return out, err
	}
	files, err := in.Fleet.Repo.Tree(ctx, out.Target, in.Fleet.Dir)
	if err != nil {
		return out, err
	}
	if out.Files, err = in.edited(files); err != nil {
		return out, fmt.Errorf("retire %s: %w", in.Object, err)
	}
	how := "Remove"
	if in.Keep != "" {
		how = "Retire"
	}
	title := fmt.Sprintf("%s %s from %s", how, in.Object, in.Environment.Name)
	out.Commit, err = in.Fleet.Repo.Commit(ctx, repo.Draft{
		Parents: []repo.Hash{out.Target}, Author: in.Fleet.Author, Message: title + "\n\n" + retired + in.Environment.Name + "\n", Changes: in.Fleet.below(out.Files),
	})
	if errors.Is(err, repo.ErrNoChange) {
		return out, fmt.Errorf("%s is retired already (%s)", in.Object, in.File)
	}
	if err != nil {
		return out, err
	}
	out.Proposed = Proposed{Head: in.branch(), Base: in.Environment.Branch}
	if out.Commit, err = in.Fleet.made(out.Head, out.Commit); err != nil {
		return out, err
	}
	said, err := body(out)
	if err != nil || in.DryRun {
		return out, err
	}
	if err := in.Fleet.push(ctx, out.Head, out.Commit, out.Target); err != nil {
		return out, err
	}
	proposed, err := propose(ctx, in.Fleet.Repo, f, request{out.Head, out.Base, title, said})
	if err == nil {
		out.Proposed = proposed
	}
	return out, err
}

// branch is where the retirement of an object is proposed.
func (in Retiring) branch() string {
	is := []string{strings.ToLower(in.Object.Kind), in.Object.Namespace, in.Object.Name, in.Object.Group}
	return branchOf(RetireBranch, in.Environment, slices.DeleteFunc(is, func(s string) bool { return s == "" }))
}

// edited are the files that change.
func (in Retiring) edited(files tree.Tree) (map[string]*tree.Blob, error) {
	text, err := files.ReadFile(in.File)
	if err != nil {
		return nil, err
	}
	document, err := in.manifest(text)
	if err != nil {
		return nil, err
	}
	if in.Keep != "" {
		return in.kept(text, document)
	}
	return in.removed(files, text)
}

// manifest is the number of the document, from 1, that holds the line. It must be the
// object's own: what a generator or a chart made, or a prefix renamed, has its line
// where that stands, and taking that away would take away more.
func (in Retiring) manifest(text []byte) (int, error) {
	documents, err := edit.Documents(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", in.File, err)
	}
	at := 0
	for i, d := range documents {
		if d.Line <= max(in.Line, documents[0].Line) {
			at = i
		}
	}
	var is manifest
	if len(documents) == 0 {
		return 0, fmt.Errorf("%s: it is empty", in.File)
	}
	if decoded(documents[at], &is) && is.Kind == in.Object.Kind && is.Metadata.Name == in.Object.Name && is.key().Group == in.Object.Group {
		return at + 1, nil
	}
	return 0, fmt.Errorf("%s:%d is not its manifest, it is made from it: change that instead", in.File, in.Line)
}

// kept annotates the object.
func (in Retiring) kept(text []byte, document int) (map[string]*tree.Blob, error) {
	after, _, err := edit.Apply(text, edit.Change{
		Path: edit.Path{
			Document: edit.Document{Number: document},
			Steps:    []edit.Step{{Key: "metadata"}, {Key: "annotations"}, {Key: in.Keep}},
		},
		Value: "true", Create: true,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.File, err)
	}
	return map[string]*tree.Blob{in.File: tree.BlobOf(after)}, nil
}

// removed takes the document out of its file, and its patches; a file that held nothing
// else goes, and with it its line in every kustomization that has it.
func (in Retiring) removed(files tree.Tree, text []byte) (map[string]*tree.Blob, error) {
	out := map[string]*tree.Blob{}
	for _, name := range in.Patches {
		patches, err := files.ReadFile(name)
		if err != nil {
			continue // there are none
		}
		after, err := in.unpatched(patches)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !bytes.Equal(after, patches) {
			out[name] = blobOf(after)
		}
	}
	if rest := WithoutDocument(text, in.Line); rest != nil {
		out[in.File] = tree.BlobOf(rest)
		return out, nil
	}
	out[in.File] = nil
	return out, files.Walk(func(name string, blob *tree.Blob) error {
		if !slices.Contains(kustomizations, path.Base(name)) || blob.Size > tree.MaxFileBytes {
			return nil
		}
		text, err := blob.Read()
		if err != nil {
			return err
		}
		after, err := unlisted(text, path.Dir(name), in.File)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !bytes.Equal(after, text) {
			out[name] = tree.BlobOf(after)
		}
		return nil
	})
}

// blobOf is a file; nil of nothing.
func blobOf(text []byte) *tree.Blob {
	if text == nil {
		return nil
	}
	return tree.BlobOf(text)
}

// unlisted takes a file out of the lists of a kustomization in a directory.
func unlisted(text []byte, dir, file string) ([]byte, error) {
	documents, err := edit.Documents(text)
	if err != nil || len(documents) != 1 {
		return text, nil //nolint:nilerr // what kustomize cannot read lists nothing
	}
	for _, list := range []string{"resources", "components", "bases"} {
		entries := edit.Child(documents[0], list)
		if entries == nil {
			continue
		}
		for _, entry := range entries.Content {
			if path.Join(dir, entry.Value) != file {
				continue
			}
			at := edit.Path{Steps: []edit.Step{{Key: list}, {Item: true, Field: ".", Value: entry.Value}}}
			if text, err = edit.Remove(text, at); err != nil {
				return nil, err
			}
		}
	}
	return text, nil
}

// WithoutDocument is a file of YAML without the document that holds a line; nil where
// that is all there was. The separator before the document goes with it.
func WithoutDocument(text []byte, line int) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	from := min(max(line-1, 0), len(lines)-1)
	for from > 0 && !separates(lines[from]) {
		from--
	}
	to := max(line, from+1)
	for to < len(lines) && !separates(lines[to]) {
		to++
	}
	before, after := lines[:from], lines[to:]
	if !says(before) && len(after) > 0 && len(bytes.TrimSpace(after[0])) == len(separator) {
		after = after[1:] // the first document needs no separator
	}
	if !says(before) && !says(after) {
		return nil
	}
	return append(bytes.Join(before, nil), bytes.Join(after, nil)...)
}

const separator = "---"

// separates tells whether a document begins with a line; there may be a comment on it, or
// the document itself (YAML 1.2.2, 9.1.2).
func separates(line []byte) bool {
	rest, is := bytes.CutPrefix(line, []byte(separator))
	return is && (len(rest) == 0 || bytes.ContainsRune([]byte(" \t\r\n"), rune(rest[0])))
}

// says tells whether lines hold anything but comments and separators.
func says(lines [][]byte) bool {
	for _, l := range lines {
		if separates(l) {
			l = l[len(separator):]
		}
		if t := bytes.TrimSpace(l); len(t) > 0 && t[0] != '#' {
			return true
		}
	}
	return false
}
