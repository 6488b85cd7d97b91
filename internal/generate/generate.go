// Package generate makes the artifacts of an ArtifactGenerator: it copies,
// merges and extracts files of source trees into new trees, exactly as Flux's
// source-watcher would (v2.2, internal/builder), and finds the directories that
// a path pattern means.
//
//	wanted, err := generate.Expand(spec, sources) // with pathPattern, several per directory
//	out, err := generate.Make(wanted[0], sources, generate.Options{})
//	out.Tree, out.File                            // content, and the name of its archive
//
// It is pure: trees in, trees out. Nothing outside the given trees can be read
// and nothing outside the artifact written; it must never take a clock, a
// network or a file system.
package generate

import (
	"cmp"
	"fmt"
	"hash/adler32"
	"slices"
	"strconv"
	"strings"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"
	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"

	"github.com/leat-dev/leat/internal/tree"
)

// Sources are the trees to copy from, by alias.
type Sources map[string]tree.Tree

// Artifact is one artifact to make, with every placeholder filled in.
type Artifact struct {
	Name   string
	Labels map[string]string // the captures of pathPattern, in lower case
	// Revision and Origin are aliases of sources, empty for none.
	Revision, Origin string
	Copy             []swapi.CopyOperation
}

// Options are what making an artifact needs beside its sources.
type Options struct {
	// Untar reads a packed archive; nil refuses the Extract strategy.
	Untar func(packed []byte) (tree.Tree, error)
	// Limits bound the artifact; zero fields stand for those of tree.
	Limits tree.Limits
}

// Output is the content of an artifact.
type Output struct {
	Tree tree.Tree
	// File is the name under which Flux stores the archive: a checksum of the
	// content, before the files that no archive holds were left out.
	File string
}

// Make runs the copy operations of an artifact in order.
func Make(a Artifact, sources Sources, o Options) (Output, error) {
	s := stage{sources: sources, untar: o.Untar, limits: o.Limits}
	for i, op := range a.Copy {
		if err := s.run(op); err != nil {
			return Output{}, fmt.Errorf("copy[%d] from %q to %q: %w", i, op.From, op.To, err)
		}
	}
	sum, err := checksum(a.Name, s.t)
	if err != nil {
		return Output{}, err
	}
	return Output{Tree: archived(s.t), File: sum + ".tar.gz"}, nil
}

// archived leaves out what Flux's storage never archives for a generator:
// files of version control, and the defaults of .sourceignore (images,
// archives, files of CI services). A .sourceignore among the files is a file as
// any other.
func archived(t tree.Tree) tree.Tree {
	m := gitignore.NewMatcher(append(sourceignore.VCSPatterns(nil), sourceignore.DefaultPatterns(nil)...))
	return t.Filter(func(p string, kind tree.Kind) bool {
		return kind == tree.Dir || !m.Match(strings.Split(p, "/"), false)
	})
}

// checksum is the Adler-32 of a list of all files with the Adler-32 of each, in
// decimal (source-watcher internal/builder/dirhash.go over
// golang.org/x/mod/sumdb/dirhash). It names a file and identifies nothing.
func checksum(name string, t tree.Tree) (string, error) {
	type line struct{ path, sum string }
	var lines []line
	err := t.Walk(func(p string, b *tree.Blob) error {
		if strings.Contains(p, "\n") {
			return fmt.Errorf("the file name %q has a line break", p)
		}
		if strings.Count(p, "/") >= tree.MaxDepth || len(p) > tree.MaxPath {
			return fmt.Errorf("path %.40q… is deeper than %d directories, or longer than %d bytes", p, tree.MaxDepth, tree.MaxPath)
		}
		body, err := b.Read()
		if err != nil {
			return fmt.Errorf("read %s: %w", p, err)
		}
		lines = append(lines, line{name + "/" + p, strconv.FormatUint(uint64(adler32.Checksum(body)), 16)})
		return nil
	})
	if err != nil {
		return "", err
	}
	slices.SortFunc(lines, func(a, b line) int { return strings.Compare(a.path, b.path) })
	sum := adler32.New()
	for _, l := range lines {
		fmt.Fprintf(sum, "%s  %s\n", l.sum, l.path)
	}
	return strconv.FormatUint(uint64(sum.Sum32()), 10), nil
}

// within tells whether t is inside the limits, nil if so.
func within(t tree.Tree, l tree.Limits) error {
	files, bytes := cmp.Or(l.Files, tree.MaxFiles), cmp.Or(l.Bytes, tree.MaxBytes)
	switch {
	case t.Files() > files:
		return fmt.Errorf("the artifact has more than %d files; exclude some", files)
	case t.Size() > bytes:
		return fmt.Errorf("the artifact has more than %d bytes; exclude some files", bytes)
	}
	return nil
}
