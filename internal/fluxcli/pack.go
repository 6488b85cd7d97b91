package fluxcli

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"

	"github.com/leat-dev/leat/internal/tree"
)

// packing writes an archive as flux does (fluxcd/pkg/tar v1.2.0, over
// fluxcd/pkg/oci v0.68.1 build.go): folders and files in walking order with the
// modes they have, owner and times nobody's. Equal folders give equal bytes.
type packing struct {
	tar     *tar.Writer
	root    string
	ignored gitignore.Matcher
	resolve bool
	files   int
	bytes   int64
	within  []string // folders that the walk is in, by their real paths
}

// pack packs a folder, or a file as the only one of a folder.
func pack(w io.Writer, c *content) error {
	root := absolute(c.path)
	zip := gzip.NewWriter(w)
	p := &packing{tar: tar.NewWriter(zip), resolve: c.resolve}
	info, err := os.Stat(root)
	if err != nil {
		return err
	}
	p.root = root
	if !info.IsDir() {
		p.root = filepath.Dir(root)
	}
	domain := strings.Split(filepath.Clean(p.root), string(filepath.Separator))
	p.ignored = sourceignore.NewMatcher(sourceignore.ReadPatterns(strings.NewReader(strings.Join(c.ignore, "\n")), domain))
	if info.IsDir() {
		err = p.folder(root, ".")
	} else {
		err = p.alone(root, info)
	}
	if err != nil {
		return err
	}
	if err := p.tar.Close(); err != nil {
		return err
	}
	return zip.Close()
}

// packText packs a text as the only file of a folder.
func packText(w io.Writer, name string, text []byte) error {
	zip := gzip.NewWriter(w)
	t := tar.NewWriter(zip)
	for _, h := range []*tar.Header{
		{Name: ".", Typeflag: tar.TypeDir, Mode: 0o700},
		{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(text))},
	} {
		if err := t.WriteHeader(h); err != nil {
			return err
		}
	}
	if _, err := t.Write(text); err != nil {
		return err
	}
	if err := t.Close(); err != nil {
		return err
	}
	return zip.Close()
}

// alone packs one file; the folder around it is upstream's temporary one.
func (p *packing) alone(file string, info fs.FileInfo) error {
	if err := p.tar.WriteHeader(&tar.Header{Name: ".", Typeflag: tar.TypeDir, Mode: 0o700}); err != nil {
		return err
	}
	return p.file(file, filepath.Base(file), info)
}

func (p *packing) folder(dir, name string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !p.leftOut(name, info) {
		if err := p.header(info, name); err != nil {
			return err
		}
	}
	if again, err := p.enter(dir); err != nil || again {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := p.entry(filepath.Join(dir, e.Name()), path.Join(name, e.Name())); err != nil {
			return err
		}
	}
	p.within = p.within[:len(p.within)-1]
	return nil
}

// enter notes the folder that the walk goes into, and tells whether it is in it
// already: links may lead in a circle.
func (p *packing) enter(dir string) (again bool, err error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false, err
	}
	for _, outer := range p.within {
		if outer == real {
			return true, nil
		}
	}
	if len(p.within) > tree.MaxDepth {
		return false, fmt.Errorf("%s lies more than %d folders deep", dir, tree.MaxDepth)
	}
	p.within = append(p.within, real)
	return false, nil
}

func (p *packing) entry(file, name string) error {
	info, err := os.Lstat(file)
	if err == nil && p.resolve {
		info, err = os.Stat(file)
	}
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return p.folder(file, name)
	case !info.Mode().IsRegular() || p.leftOut(name, info):
		return nil
	}
	return p.file(file, name, info)
}

func (p *packing) leftOut(name string, info fs.FileInfo) bool {
	full := filepath.Join(p.root, filepath.FromSlash(name))
	return p.ignored.Match(strings.Split(full, string(filepath.Separator)), info.IsDir())
}

func (p *packing) header(info fs.FileInfo, name string) error {
	h, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	h.Name, h.Uid, h.Gid, h.Uname, h.Gname = name, 0, 0, "", ""
	h.ModTime, h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}, time.Time{}
	return p.tar.WriteHeader(h)
}

func (p *packing) file(file, name string, info fs.FileInfo) error {
	p.files, p.bytes = p.files+1, p.bytes+info.Size()
	if p.files > tree.MaxFiles || p.bytes > tree.MaxBytes {
		return fmt.Errorf("more than %d files or %d bytes", tree.MaxFiles, int64(tree.MaxBytes))
	}
	if err := p.header(info, name); err != nil {
		return err
	}
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(p.tar, in)
	return err
}
