package artifact

import (
	"io/fs"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
)

// Handler serves the store as source-controller does: files and listings of
// directories by GET and HEAD, without authentication. Files that are being
// written are not there.
func (s *Store) Handler() http.Handler {
	files := http.FileServerFS(visible{s.root.FS()})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "artifacts can only be read", http.StatusMethodNotAllowed)
			return
		}
		p := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		if hidden(p) {
			http.NotFound(w, r)
			return
		}
		if digest, ok := s.trees.digestAt(p); ok {
			w.Header().Set("ETag", `"`+digest+`"`)
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		files.ServeHTTP(w, r)
	})
}

// hidden tells whether an element of p starts with a dot: those are ours.
func hidden(p string) bool { return strings.HasPrefix(p, ".") || strings.Contains(p, "/.") }

// visible is a file system without the hidden names.
type visible struct{ fs.FS }

// Open implements fs.FS.
func (v visible) Open(name string) (fs.File, error) {
	f, err := v.FS.Open(name)
	if of, ok := f.(*os.File); ok && err == nil {
		return visibleFile{of}, nil
	}
	return f, err
}

type visibleFile struct{ *os.File }

// ReadDir implements fs.ReadDirFile.
func (f visibleFile) ReadDir(n int) ([]fs.DirEntry, error) {
	entries, err := f.File.ReadDir(n)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return hidden(e.Name()) }), err
}
