package generate

import (
	"fmt"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/leat-dev/leat/internal/tree"
)

// exclude is the list of patterns of one copy operation. A pattern is held
// against the path from the root of the source and against the path from the
// part of «from» that is no pattern; one without a slash also against the name
// alone.
type exclude []string

func readExclude(patterns []string) (exclude, error) {
	for _, p := range patterns {
		if !doublestar.ValidatePattern(p) {
			return nil, fmt.Errorf("the exclude pattern %q is not valid", p)
		}
	}
	return patterns, nil
}

// match tells whether the path p of a source is out; base is the directory that
// the operation selected.
func (x exclude) match(p, base string) bool {
	if x.hit(p) {
		return true
	}
	rest, below := strings.CutPrefix(p, base+"/")
	return below && x.hit(rest)
}

func (x exclude) hit(p string) bool {
	for _, pattern := range x {
		if doublestar.MatchUnvalidated(pattern, p) {
			return true
		}
		if !strings.Contains(pattern, "/") && doublestar.MatchUnvalidated(pattern, path.Base(p)) {
			return true
		}
	}
	return false
}

// filter leaves out what is excluded from the directory dir of a source. A
// directory that is out is out with everything in it.
func (x exclude) filter(t tree.Tree, dir, base string) tree.Tree {
	if len(x) == 0 {
		return t
	}
	return t.Filter(func(p string, _ tree.Kind) bool { return !x.match(path.Join(dir, p), base) })
}

// literalPrefix returns the directories of a pattern before the first one that
// is a pattern itself.
func literalPrefix(pattern string) string {
	var out []string
	for elem := range strings.SplitSeq(path.Clean(pattern), "/") {
		if strings.ContainsAny(elem, "*?[]") {
			break
		}
		out = append(out, elem)
	}
	if len(out) == 0 {
		return "."
	}
	return path.Join(out...)
}
