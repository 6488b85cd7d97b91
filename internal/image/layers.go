package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// entry is a file or, with a name that ends in a slash, a directory.
type entry struct {
	name    string
	mode    int64
	owner   int
	content string
}

// base is what programs expect of a filesystem. /data and /tmp are where
// volumes are mounted; without one the process can write to them too, unless
// the root is read-only.
var base = []entry{
	{name: "data/", mode: 0o755, owner: Nonroot},
	{name: "etc/", mode: 0o755},
	{name: "etc/group", mode: 0o644, content: fmt.Sprintf("root:x:0:\nnonroot:x:%d:\n", Nonroot)},
	{name: "etc/passwd", mode: 0o644, content: fmt.Sprintf(
		"root:x:0:0:root:/:/sbin/nologin\nnonroot:x:%d:%d:nonroot:/tmp:/sbin/nologin\n", Nonroot, Nonroot)},
	{name: "tmp/", mode: 0o1777},
}

func baseLayer() (v1.Layer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range base {
		h := header(e.name, e.mode, int64(len(e.content)))
		h.Uid, h.Gid = e.owner, e.owner
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return layer(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil })
}

// programLayer holds the binary alone, so that a release pulls one layer.
func programLayer(path string) (v1.Layer, error) {
	return layer(func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { w.CloseWithError(writeProgram(w, path)) }() // ends when r is closed or read to its end
		return r, nil
	})
}

func writeProgram(out io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w := tar.NewWriter(out)
	if err := w.WriteHeader(header(Path[1:], 0o755, info.Size())); err != nil {
		return err
	}
	if _, err := io.Copy(w, f); err != nil {
		return err
	}
	return w.Close()
}

func header(name string, mode, size int64) *tar.Header {
	h := &tar.Header{Name: name, Mode: mode, Size: size, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
	if name[len(name)-1] == '/' {
		h.Typeflag = tar.TypeDir
	}
	return h
}

func layer(open tarball.Opener) (v1.Layer, error) {
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}
