// Package ignore takes out of a tree what an artifact must not carry, by
// Flux's rules:
//
//	files of version control (.git/ .gitignore .gitmodules .gitattributes)   always
//	images, archives, files of CI services and the like                      unless anything below says something
//	.sourceignore of any directory, for what lies below it
//	spec.ignore                                                              last
//
// A pattern is one line of a .gitignore; of all patterns that match a path the
// last one counts. Unlike in Git, a file may be taken back in («!apps/keep.yaml»)
// from under a directory that is out.
//
//	kept, warnings, err := ignore.Filter(t, repo.Spec.Ignore)
//
// It must never read anything but the tree that it is given.
package ignore

import (
	"bufio"
	"bytes"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"

	"github.com/leat-dev/leat/internal/tree"
)

// File is the name of the files that hold patterns.
const File = sourceignore.IgnoreFile

// MaxPatterns bounds the patterns of one source: every file is matched against
// each of them.
const MaxPatterns = 10_000

// maxMatches bounds the files of a source times its patterns: the slowest patterns
// take about half a microsecond each.
const maxMatches = 100_000_000

// Filter returns t without the files that a GitRepository's artifact leaves
// out. spec is the text of spec.ignore, nil when there is none. The warnings
// name patterns that match nothing because they are not valid.
func Filter(t tree.Tree, spec *string) (tree.Tree, []string, error) {
	var r rules
	if err := r.collect(t, ""); err != nil {
		return tree.Tree{}, nil, err
	}
	return r.finish(t, spec, true)
}

// FilterBucket is Filter for a Bucket: only the .sourceignore at the root
// counts, and nothing is left out by default but files of version control.
func FilterBucket(t tree.Tree, spec *string) (tree.Tree, []string, error) {
	var r rules
	if err := r.load(t, ""); err != nil {
		return tree.Tree{}, nil, err
	}
	return r.finish(t, spec, false)
}

// rules are the patterns found so far, the weakest first.
type rules struct {
	patterns []gitignore.Pattern
	warnings []string
}

func (r *rules) finish(t tree.Tree, spec *string, defaults bool) (tree.Tree, []string, error) {
	if spec != nil {
		if err := r.read("spec.ignore", []byte(*spec), nil); err != nil {
			return tree.Tree{}, nil, err
		}
	}
	patterns := sourceignore.VCSPatterns(nil)
	if defaults && len(r.patterns) == 0 {
		patterns = append(patterns, sourceignore.DefaultPatterns(nil)...)
	}
	patterns = append(patterns, r.patterns...)
	if len(patterns) > maxMatches/max(t.Files(), 1) {
		return tree.Tree{}, nil, fmt.Errorf("%d ignore patterns for %d files are too many to match; write fewer in .sourceignore or spec.ignore, or leave files out of the source, as by spec.sparseCheckout", len(patterns), t.Files())
	}
	m := gitignore.NewMatcher(patterns)
	return t.Filter(func(p string, kind tree.Kind) bool {
		return kind == tree.Dir || !m.Match(strings.Split(p, "/"), false)
	}), r.warnings, nil
}

// collect loads the .sourceignore of dir and then those below it.
func (r *rules) collect(t tree.Tree, dir string) error {
	if err := r.load(t, dir); err != nil {
		return err
	}
	entries, err := t.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Kind != tree.Dir || e.Name == ".git" {
			continue
		}
		if err := r.collect(t, path.Join(dir, e.Name)); err != nil {
			return err
		}
	}
	return nil
}

func (r *rules) load(t tree.Tree, dir string) error {
	p := path.Join(dir, File)
	e := t.Lookup(p)
	if e.Kind != tree.File {
		return nil
	}
	text, err := e.Blob.Read()
	if err != nil {
		return fmt.Errorf("read %s: %w", p, err)
	}
	var domain []string
	if dir != "" {
		domain = strings.Split(dir, "/")
	}
	return r.read(p, text, domain)
}

// read adds the patterns of a text; from names it in warnings and errors.
func (r *rules) read(from string, text []byte, domain []string) error {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		if why := invalid(line); why != "" {
			r.warnings = append(r.warnings, fmt.Sprintf("%s:%d: %q matches nothing: %s", from, n, line, why))
		}
		r.patterns = append(r.patterns, gitignore.ParsePattern(line, domain))
		if len(r.patterns) > MaxPatterns {
			return fmt.Errorf("%s:%d: more than %d ignore patterns in one source", from, n, MaxPatterns)
		}
	}
	if err := lines.Err(); err != nil {
		r.warnings = append(r.warnings, fmt.Sprintf("%s: the rest is not read: %v", from, err))
	}
	return nil
}

// invalid says why the matcher can never match a pattern, or "".
func invalid(pattern string) string {
	for _, elem := range strings.Split(strings.TrimPrefix(pattern, "!"), "/") {
		if _, err := filepath.Match(elem, ""); err != nil {
			return "not a valid pattern (unclosed [ or trailing \\)"
		}
		if strings.Contains(pattern, "/") && strings.Contains(elem, "**") && elem != "**" {
			return "** must stand alone between slashes"
		}
	}
	return ""
}
