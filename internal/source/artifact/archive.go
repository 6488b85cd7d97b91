// Package artifact keeps what sources yield, in the format and at the place
// where Flux keeps it, so that anything which reads Flux's artifacts reads
// these: <dir>/<kind>/<namespace>/<name>/<file>, served over HTTP.
//
//	store, err := artifact.NewStore("/data", artifact.Options{Host: "source-controller.flux-system.svc.cluster.local."})
//	art, err := store.Put(key, "main@sha1:…", "….tar.gz", t)
//	t, err = store.Open(ctx, art) // never leaves the process for what Put stored
//
// It must never hand out content whose digest it has not seen or checked.
package artifact

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"

	"github.com/leat-dev/leat/internal/tree"
)

// The modes that Flux writes into archives, whatever they were in the source.
const (
	modeFile = 0o600
	modeExec = 0o700
	modeDir  = 0o750
)

// Sum names the bytes of an artifact.
type Sum struct {
	Digest string // sha256:<64 hex digits> of the file as stored
	Size   int64  // in bytes
}

// Archive writes t as Flux does: a gzip of default level over a tar of
// directories and files in walking order, owner 0, time 0 and fixed modes.
// Equal trees give equal bytes; with the same Go release they are the bytes
// that source-controller writes (pkg/artifact/storage, Storage.Archive).
func Archive(w io.Writer, t tree.Tree) (Sum, error) {
	h, n := sha256.New(), &counter{}
	zw := gzip.NewWriter(io.MultiWriter(w, h, n))
	tw := tar.NewWriter(zw)
	if err := writeDir(tw, t, "."); err != nil {
		return Sum{}, fmt.Errorf("archive: %w", err)
	}
	if err := tw.Close(); err != nil {
		return Sum{}, fmt.Errorf("archive: %w", err)
	}
	if err := zw.Close(); err != nil {
		return Sum{}, fmt.Errorf("archive: %w", err)
	}
	return Sum{"sha256:" + hex.EncodeToString(h.Sum(nil)), n.n}, nil
}

func writeDir(tw *tar.Writer, t tree.Tree, dir string) error {
	if err := tw.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: modeDir}); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	entries, err := t.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		p := path.Join(dir, e.Name)
		if e.Kind == tree.Dir {
			err = writeDir(tw, t, p)
		} else {
			err = writeFile(tw, p, e.Blob)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func writeFile(tw *tar.Writer, p string, blob *tree.Blob) error {
	body, err := blob.Read()
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	mode := int64(modeFile)
	if blob.Mode == tree.Executable {
		mode = modeExec
	}
	if err := tw.WriteHeader(&tar.Header{Name: p, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(body))}); err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	if _, err := tw.Write(body); err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	return nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
