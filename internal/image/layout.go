package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// mark is the file by which a layout is known.
const mark = "oci-layout"

// WriteDir writes the image as a directory, in the place of one that is there.
// A directory that is not an image is left alone, with an error.
func WriteDir(dir string, idx v1.ImageIndex) error {
	if err := replaceable(dir); err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(parent, ".image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	if _, err := layout.Write(fresh, idx); err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(fresh, dir)
}

func replaceable(dir string) error {
	found, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(found) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, mark)); err != nil {
		return fmt.Errorf("%s is not an image; name another directory", dir)
	}
	return nil
}

// WriteTar writes the image as one file, the layout in a tar archive.
func WriteTar(path string, idx v1.ImageIndex) error {
	dir, err := os.MkdirTemp("", "leat-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := layout.Write(dir, idx); err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := writeTree(f, dir); err != nil {
		f.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}

// writeTree archives the files of a directory, sorted, without times and owners.
func writeTree(out io.Writer, dir string) error {
	w := tar.NewWriter(out)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return w.WriteHeader(header(filepath.ToSlash(name)+"/", 0o755, 0))
		}
		return writeFile(w, filepath.ToSlash(name), path)
	})
	if err != nil {
		return err
	}
	return w.Close()
}

func writeFile(w *tar.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(header(name, 0o644, info.Size())); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}
