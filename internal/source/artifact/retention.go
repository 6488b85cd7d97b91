package artifact

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// maxScan bounds the files that one collection looks at.
const maxScan = 1000

// File is a stored file of an object.
type File struct {
	Name    string
	Created time.Time
}

// Expired returns the names of the files to remove, oldest first: all that are
// older than r.TTL, then the oldest until r.Records are left. The current file
// counts but always stays.
func Expired(files []File, current string, now time.Time, r Retention) []string {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	var out []string
	left := len(files)
	for _, f := range files {
		if f.Name != current && (now.Sub(f.Created) > r.TTL || left > r.Records) {
			out = append(out, f.Name)
			left--
		}
	}
	return out
}

// Collect removes the files of key that retention no longer covers, but never
// the file of current, and returns their paths.
func (s *Store) Collect(key Key, current Artifact) ([]string, error) {
	dir, err := key.Dir()
	if err != nil {
		return nil, err
	}
	files, err := s.list(dir)
	if err != nil {
		return nil, fmt.Errorf("collect artifacts of %s: %w", dir, err)
	}
	var gone []string
	for _, name := range Expired(files, path.Base(current.Path), s.o.Now(), s.o.Retention) {
		p := path.Join(dir, name)
		if err := s.root.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return gone, fmt.Errorf("collect artifacts of %s: %w", dir, err)
		}
		s.trees.drop(p)
		gone = append(gone, p)
	}
	return gone, nil
}

// list returns the regular files of a directory; links follow what they name.
func (s *Store) list(dir string) ([]File, error) {
	d, err := s.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(maxScan)
	if err != nil && len(entries) > 0 {
		return nil, err
	}
	var out []File
	for _, e := range entries {
		fi, err := e.Info()
		if err != nil || !fi.Mode().IsRegular() || hidden(e.Name()) {
			continue // gone meanwhile, or none of ours
		}
		out = append(out, File{e.Name(), fi.ModTime()})
	}
	return out, nil
}
