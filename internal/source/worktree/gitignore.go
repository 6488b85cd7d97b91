package worktree

import (
	"bytes"
	"strings"
)

// patterns are those of one file, the weakest first.
type patterns []pattern

// ignores are the files of patterns that count for a directory: that of the
// repository first, then from the top down. The last match of all counts.
type ignores []patterns

// pattern is one line of a .gitignore (gitignore(5)).
type pattern struct {
	dir     string   // of the file, with a slash at the end, or ""
	elems   []string // globs for the elements of a path below dir
	include bool     // !
	dirOnly bool
	name    bool // one glob, for the last element of a path at any depth
}

// match tells whether the path of a file or directory is ignored, if no
// directory above it is.
func (ign ignores) match(p string, dir bool) bool {
	for i := len(ign) - 1; i >= 0; i-- {
		for j := len(ign[i]) - 1; j >= 0; j-- {
			if pat := &ign[i][j]; pat.match(p, dir) {
				return !pat.include
			}
		}
	}
	return false
}

func (pat *pattern) match(p string, dir bool) bool {
	if pat.dirOnly && !dir {
		return false
	}
	rest, ok := strings.CutPrefix(p, pat.dir)
	if !ok {
		return false
	}
	if pat.name {
		return matchElem(pat.elems[0], rest[strings.LastIndexByte(rest, '/')+1:])
	}
	return matchPath(pat.elems, strings.Split(rest, "/"))
}

// parseIgnore reads the patterns of the file in a directory.
func parseIgnore(dir string, text []byte) patterns {
	var out patterns
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))) {
		s := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
		if s == "" || s[0] == '#' {
			continue
		}
		if pat, ok := parsePattern(dir, trimSpaces(s)); ok {
			out = append(out, pat)
		}
	}
	return out
}

func parsePattern(dir, s string) (pattern, bool) {
	pat := pattern{dir: dir}
	if strings.HasPrefix(s, "!") {
		pat.include, s = true, s[1:]
	}
	if strings.HasSuffix(s, "/") {
		pat.dirOnly, s = true, s[:len(s)-1]
	}
	pat.name = !strings.Contains(s, "/")
	pat.elems = strings.Split(strings.TrimPrefix(s, "/"), "/")
	return pat, s != ""
}

// trimSpaces drops spaces at the end that no backslash protects.
func trimSpaces(s string) string {
	end := 0 // of what stays
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ':
			continue
		case '\\':
			i++
		}
		end = min(i+1, len(s))
	}
	return s[:end]
}
