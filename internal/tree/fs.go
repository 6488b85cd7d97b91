package tree

import (
	"bytes"
	"io"
	"io/fs"
	"time"
)

// FS returns the tree as an fs.FS. Times are zero.
func (t Tree) FS() fs.FS { return treeFS{t} }

type treeFS struct{ t Tree }

// Open implements fs.FS.
func (f treeFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	switch e := f.t.Lookup(name); e.Kind {
	case File:
		b, err := e.Blob.Read()
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &openFile{info: info{e}, Reader: bytes.NewReader(b)}, nil
	case Dir:
		entries, err := f.t.ReadDir(name)
		if err != nil {
			return nil, err
		}
		return &openDir{info: info{e}, left: entries}, nil
	default:
		return nil, notExist("open", name)
	}
}

type openFile struct {
	info info
	*bytes.Reader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

type openDir struct {
	info info
	left []Entry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.e.Name, Err: fs.ErrInvalid}
}

// ReadDir implements fs.ReadDirFile.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(d.left) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.left) {
		n = len(d.left)
	}
	out := make([]fs.DirEntry, n)
	for i, e := range d.left[:n] {
		out[i] = info{e}
	}
	d.left = d.left[n:]
	return out, nil
}

// info is both the fs.FileInfo and the fs.DirEntry of an entry.
type info struct{ e Entry }

func (i info) Name() string               { return i.e.Name }
func (i info) IsDir() bool                { return i.e.Kind == Dir }
func (i info) ModTime() time.Time         { return time.Time{} }
func (i info) Sys() any                   { return nil }
func (i info) Info() (fs.FileInfo, error) { return i, nil }
func (i info) Type() fs.FileMode          { return i.Mode().Type() }

func (i info) Size() int64 {
	if i.e.Blob == nil {
		return 0
	}
	return i.e.Blob.Size
}

func (i info) Mode() fs.FileMode {
	switch {
	case i.e.Kind == Dir:
		return fs.ModeDir | 0o755
	case i.e.Blob != nil && i.e.Blob.Mode == Executable:
		return 0o755
	default:
		return 0o644
	}
}
