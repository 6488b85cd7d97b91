package generate

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"

	"github.com/leat-dev/leat/internal/tree"
)

// stage is an artifact while its copy operations run.
type stage struct {
	sources Sources
	untar   func([]byte) (tree.Tree, error)
	limits  tree.Limits
	t       tree.Tree
}

// operation is one copy operation, read.
type operation struct {
	src      tree.Tree
	alias    string
	from     string // path or pattern in the source, as written
	to       string // clean path in the artifact, "." for its root
	into     bool   // to was written with a slash at its end
	exclude  exclude
	strategy string
}

// run does one operation the way cp would.
func (s *stage) run(op swapi.CopyOperation) error {
	o, err := s.read(op)
	if err != nil {
		return err
	}
	if strings.ContainsAny(o.from, "*?[]") {
		err = s.matches(o)
	} else {
		err = s.single(o)
	}
	if err != nil {
		return err
	}
	return within(s.t, s.limits)
}

func (s *stage) read(op swapi.CopyOperation) (operation, error) {
	o := operation{strategy: op.Strategy, into: strings.HasSuffix(op.To, "/")}
	var err error
	if o.alias, o.from, err = splitAlias(op.From); err != nil {
		return o, err
	}
	if o.to, err = destination(op.To); err != nil {
		return o, err
	}
	var known bool
	if o.src, known = s.sources[o.alias]; !known {
		return o, fmt.Errorf("there is no source with the alias %q", o.alias)
	}
	o.exclude, err = readExclude(op.Exclude)
	return o, err
}

// splitAlias reads "@alias/path".
func splitAlias(text string) (alias, rest string, err error) {
	name, rest, ok := strings.Cut(text, "/")
	alias, marked := strings.CutPrefix(name, "@")
	if !ok || !marked || alias == "" {
		return "", "", fmt.Errorf("%q does not have the form @alias/path", text)
	}
	return alias, rest, nil
}

// destination reads "@artifact/path". No element may be "..", even where the
// path would stay inside (source-watcher api v2.2.4).
func destination(text string) (string, error) {
	rest, ok := strings.CutPrefix(text, "@artifact/")
	if !ok {
		return "", fmt.Errorf("%q does not have the form @artifact/path", text)
	}
	if err := inside(rest); err != nil {
		return "", err
	}
	for elem := range strings.SplitSeq(rest, "/") {
		if elem == ".." {
			return "", fmt.Errorf("the path %q must not hold \"..\"", rest)
		}
	}
	return tree.Clean(rest)
}

// inside refuses paths that lead out of the tree they are relative to.
func inside(p string) error {
	if strings.HasPrefix(p, "/") {
		return fmt.Errorf("the path %q is absolute", p)
	}
	_, err := tree.Clean(p)
	return err
}

// matches copies, or extracts, everything that a pattern matches.
func (s *stage) matches(o operation) error {
	found, err := o.glob()
	if err != nil {
		return fmt.Errorf("the pattern %q is not valid: %w", o.from, err)
	}
	if len(found) == 0 {
		return fmt.Errorf("nothing in the source matches %q", o.from)
	}
	base := literalPrefix(o.from)
	taken := 0
	for _, p := range found {
		if p == "." || p == ".." || o.exclude.match(p, base) {
			continue
		}
		taken++
		if err := s.match(o, p, base); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	if taken == 0 {
		return fmt.Errorf("everything in the source that matches %q is excluded", o.from)
	}
	return nil
}

// glob lists what the pattern matches. Only Extract knows "**" as any number of
// directories; for copies it is a plain "*", and directories are taken whole.
func (o operation) glob() ([]string, error) {
	if o.strategy == swapi.ExtractStrategy {
		return doublestar.Glob(o.src.FS(), o.from)
	}
	return fs.Glob(o.src.FS(), o.from)
}

func (s *stage) match(o operation, p, base string) error {
	if o.strategy == swapi.ExtractStrategy {
		if !isTarball(p) {
			return nil
		}
		return s.extract(o, p)
	}
	to := path.Join(o.to, below(o.from, p))
	if e := o.src.Lookup(p); e.Kind == tree.File {
		return s.file(o, to, e.Blob)
	}
	return s.dir(o, p, to, base)
}

// below is where a match goes, relative to the destination: "dir/**" leaves out
// dir, every other pattern keeps the whole path.
func below(pattern, match string) string {
	if dir, ok := strings.CutSuffix(pattern, "/**"); ok {
		if rest, ok := strings.CutPrefix(match, dir+"/"); ok {
			return rest
		}
	}
	return match
}

// single copies, or extracts, one path.
func (s *stage) single(o operation) error {
	if err := inside(o.from); err != nil {
		return err
	}
	p := path.Clean(o.from)
	switch e := o.src.Lookup(p); {
	case e.Kind == tree.Missing:
		return fmt.Errorf("%s is not in the source", p)
	case e.Kind == tree.Dir && o.strategy == swapi.ExtractStrategy:
		return fmt.Errorf("%s is a directory, which cannot be extracted", p)
	case e.Kind == tree.Dir:
		return s.dir(o, p, path.Join(o.to, path.Base(p)), p)
	case o.exclude.match(p, "."):
		return nil
	case o.strategy == swapi.ExtractStrategy:
		if !isTarball(p) {
			return fmt.Errorf("%s is no archive: only .tar.gz and .tgz can be extracted", p)
		}
		return s.extract(o, p)
	case o.into || s.t.Lookup(o.to).Kind == tree.Dir:
		return s.file(o, path.Join(o.to, path.Base(p)), e.Blob)
	default:
		return s.file(o, o.to, e.Blob)
	}
}

// file puts a file at to, or merges it into the one that stands there.
func (s *stage) file(o operation, to string, b *tree.Blob) error {
	there := s.t.Lookup(to)
	if there.Kind == tree.Dir {
		return fmt.Errorf("%s is a directory in the artifact", to)
	}
	if there.Kind == tree.File && o.strategy == swapi.MergeStrategy {
		var err error
		if b, err = mergeFiles(there.Blob, b); err != nil {
			return fmt.Errorf("merge into %s: %w", to, err)
		}
	}
	t, err := s.t.With(to, b)
	if err == nil {
		s.t = t
	}
	return err
}

// dir lays the directory p of the source over the one at to. Files of
// directories are never merged, whatever the strategy.
func (s *stage) dir(o operation, p, to, base string) error {
	sub, err := o.src.Sub(p)
	if err != nil {
		return err
	}
	return s.lay(o.exclude.filter(sub, p, base), to)
}

// lay puts a tree over what stands at to. A file is never put in the place of a
// directory, nor the reverse.
func (s *stage) lay(sub tree.Tree, to string) error {
	if sub.Files() == 0 {
		return nil
	}
	switch s.t.Lookup(to).Kind {
	case tree.File:
		return fmt.Errorf("%s is a file in the artifact", to)
	case tree.Dir:
		under, err := s.t.Sub(to)
		if err != nil {
			return err
		}
		if p := clash(under, sub); p != "" {
			return fmt.Errorf("%s is a file in one and a directory in the other", path.Join(to, p))
		}
		sub = under.Overlay(sub)
	}
	t, err := s.t.WithTree(to, sub)
	if err == nil {
		s.t = t
	}
	return err
}

// clash returns the first path that is a file in one tree and a directory in
// the other.
func clash(a, b tree.Tree) string {
	if a.Hash() == b.Hash() {
		return ""
	}
	entries, _ := b.ReadDir(".")
	for _, e := range entries {
		there := a.Lookup(e.Name)
		if there.Kind == tree.Missing {
			continue
		}
		if there.Kind != e.Kind {
			return e.Name
		}
		if e.Kind == tree.Dir {
			subA, _ := a.Sub(e.Name)
			subB, _ := b.Sub(e.Name)
			if p := clash(subA, subB); p != "" {
				return path.Join(e.Name, p)
			}
		}
	}
	return ""
}

// isTarball goes by the name alone.
func isTarball(p string) bool {
	p = strings.ToLower(p)
	return strings.HasSuffix(p, ".tar.gz") || strings.HasSuffix(p, ".tgz")
}

func (s *stage) extract(o operation, p string) error {
	if s.untar == nil {
		return errors.New("archives cannot be extracted here")
	}
	packed, err := o.src.ReadFile(p)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(packed, []byte{0x1f, 0x8b}) {
		return fmt.Errorf("%s is not compressed by gzip", p)
	}
	t, err := s.untar(packed)
	if err != nil {
		return fmt.Errorf("extract %s: %w", p, err)
	}
	return s.lay(t, o.to)
}
