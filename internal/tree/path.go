package tree

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// MaxPath bounds the length of a path in bytes, MaxDepth the number of its
// elements.
const (
	MaxPath  = 4096
	MaxDepth = 255
)

// Clean returns p as the tree writes paths: relative, slash-separated, without
// "." and ".." elements. A leading "./" or "/" is taken as the root of the
// tree. A path that leads out of the tree, or holds a NUL byte, is an error.
func Clean(p string) (string, error) {
	if strings.IndexByte(p, 0) >= 0 {
		return "", fmt.Errorf("path %q holds a NUL byte", p)
	}
	if len(p) > MaxPath {
		return "", fmt.Errorf("path %.40q… is longer than %d bytes", p, MaxPath)
	}
	clean := path.Clean(strings.TrimLeft(p, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("path %q leads out of the source", p)
	}
	return clean, nil
}

// Join joins elements and cleans the result, which must stay in the tree.
func Join(elem ...string) (string, error) {
	return Clean(path.Join(elem...))
}

func notExist(op, p string) error {
	return &fs.PathError{Op: op, Path: p, Err: fs.ErrNotExist}
}
